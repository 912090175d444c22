/* SPDX-License-Identifier: MIT */
#include "catalogue/catalogue.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/directory.h"
#include "base/log.h"
#include "catalogue/catalogue_internal.h"

static int make_directory(const char *directory)
{
    struct stat st;
    int err = directory_make(directory);

    if (err)
        return err;
    if (stat(directory, &st) < 0)
        return -errno;
    if (!S_ISDIR(st.st_mode))
        return -ENOTDIR;
    return st.st_uid == geteuid() && !(st.st_mode & 022) ? 0 : -EACCES;
}

static int catalogue_load_state(struct catalogue *c, const char *name,
                                int64_t *ret_value)
{
    int64_t value = 0;
    int err = db_integer(&c->db, S_STATE_GET, VALUES(TEXT(name)), &value);

    if (err && err != -ENOENT)
        return err;
    *ret_value = value;
    return 0;
}

/* The counters as the last commit left them. */
static int load_counters(struct catalogue *c)
{
    int64_t stored = 0, version = 0;
    int err = catalogue_load_state(c, "total", &c->counters.total);

    if (!err)
        err = catalogue_load_state(c, "stored", &stored);
    if (!err)
        err = catalogue_load_state(c, "version", &version);
    for (int i = 0; !err && i <= ASSET_TYPE_COUNT; i++) {
        char name[32];
        int64_t changed = 0;
        (void)snprintf(name, sizeof(name), "named.%d", i);
        err = catalogue_load_state(c, name, &c->counters.named[i]);
        (void)snprintf(name, sizeof(name), "changed.%d", i);
        if (!err)
            err = catalogue_load_state(c, name, &changed);
        atomic_store(&c->changed_ns[i], changed);
        atomic_store(&c->named[i], c->counters.named[i]);
    }
    c->counters.stored_bytes = (uint64_t)stored;
    atomic_store(&c->stored_bytes, (uint64_t)stored);
    atomic_store(&c->version, (uint64_t)version);
    return err;
}

static int catalogue_on_commit(void *ctx, sqlite3 *handle, const char *name,
                               int pages)
{
    struct catalogue *c = ctx;

    (void)handle;
    (void)name;
    c->wal_pages = pages;
    return SQLITE_OK;
}

/* Opens and reads what must be known from the start. */
static int open_and_load(struct catalogue *c, char left)
{
    int err = schema_open(c, left);

    if (!err)
        err = db_exec(&c->db, "PRAGMA cache_size = " WRITER_CACHE);
    if (!err)
        err = load_counters(c);
    if (!err)
        err = folder_load(c);
    if (!err)
        err = fields_load(c);
    if (!err)
        err = change_log_load(c);
    return err;
}

static int catalogue_start(struct catalogue *c, char left)
{
    c->opening = true;
    int err = open_and_load(c, left);
    if (err == -EIO && atomic_load(&c->damaged)) {
        db_close(&c->db);
        err = open_and_load(c, LOCK_DAMAGED);
    }
    c->opening = false;
    if (err)
        return err;
    lock_note(c, LOCK_OPEN);
    c->opened = true;
    (void)sqlite3_wal_hook(c->db.handle, catalogue_on_commit, c);
    err = checkpoint_start(c);
    return err ? err : readers_open(c);
}

int catalogue_open(const char *directory, struct catalogue **ret_catalogue)
{
    char left = LOCK_OPEN;
    int err = make_directory(directory);

    if (err)
        return err;
    struct catalogue *c = calloc(1, sizeof(*c));
    if (!c)
        return -ENOMEM;
    c->lock_fd = -1;
    c->db.catalogue = c;
    (void)pthread_mutex_init(&c->pool_mutex, NULL);
    c->directory = strdup(directory);
    if (!c->directory ||
        asprintf(&c->path, "%s/" CATALOGUE_FILE, directory) < 0) {
        c->path = NULL;
        err = -ENOMEM;
    }
    if (!err)
        err = lock_directory(c, &left);
    if (!err)
        err = vfs_new(c->path, &c->vfs);
    if (!err)
        err = catalogue_start(c, left);
    if (err) {
        catalogue_close(c);
        return err;
    }
    *ret_catalogue = c;
    return 0;
}

void catalogue_close(struct catalogue *c)
{
    if (!c)
        return;
    if (c->opened)
        lock_note(c, atomic_load(&c->damaged) ? LOCK_DAMAGED : LOCK_ENDING);
    if (c->in_transaction || c->deferred)
        catalogue_rollback(c);
    checkpoint_stop(c);
    readers_close(c);
    db_close(&c->db);
    vfs_free(c->vfs);
    if (atomic_load(&c->damaged))
        lock_note(c, LOCK_DAMAGED);
    fields_done(&c->fields);
    changes_clear(&c->changes);
    close_fd(&c->lock_fd);
    (void)pthread_mutex_destroy(&c->pool_mutex);
    free(c->directory);
    free(c->path);
    free(c);
}

uint64_t catalogue_version(const struct catalogue *c)
{
    return atomic_load(&c->version);
}

int64_t catalogue_changed_ns(const struct catalogue *c, enum asset_type type)
{
    return atomic_load(&c->changed_ns[type]);
}

int64_t catalogue_count(const struct catalogue *c, enum asset_type type)
{
    return atomic_load(&c->named[type]);
}

int64_t catalogue_stored_bytes(const struct catalogue *c)
{
    uint64_t bytes = atomic_load(&c->stored_bytes);

    return bytes > INT64_MAX ? INT64_MAX : (int64_t)bytes;
}

const char *catalogue_library_version(void)
{
    return sqlite3_libversion();
}
