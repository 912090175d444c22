/* SPDX-License-Identifier: MIT */
/*
 * place.c - what people see in the folder: where a file goes when it is up, and
 * the note beside one that was refused.
 *
 * The name in .done/ is in the store before the file moves, so that whoever
 * comes after a crash knows it. Nothing is replaced: renames go where nothing
 * is. What was moved is looked at: had another file come to that name in the
 * moment before, it goes back. What is removed is what went up, by inode, size
 * and time, or it stays.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "upload/upload_internal.h"

#define DONE_NAME   ".done"
#define NOTE_BEGINS "twelvefs: "
#define NOTE_TEMP   ".twelvefs-error.tmp"
#define NAMES_MOST  1000
#define PATH_BYTES  4096

/* What root makes in somebody's folder is theirs. */
static void give_to_owner(const struct upload *u, int fd)
{
    struct stat st;
    if (geteuid() == 0 && fstat(watch_directory_fd(u->watch), &st) == 0 &&
        fchown(fd, st.st_uid, st.st_gid) < 0)
        log_debug("uploads: fchown: %s", strerror(errno));
}

static int open_done(const struct upload *u)
{
    int root = watch_directory_fd(u->watch);
    bool made = mkdirat(root, DONE_NAME, 0700) == 0;
    if (!made && errno != EEXIST)
        return -errno;
    int fd = openat(root, DONE_NAME,
                    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && made)
        give_to_owner(u, fd);
    return fd < 0 ? -errno : fd;
}

/* A name that is free there now, on the disk before it is used. */
static int choose_name(struct upload *u, struct item *i, int done_fd)
{
    char name[FILENAME_MAX_BYTES + 1];
    struct stat st;
    for (int n = 0; n < NAMES_MOST; n++) {
        filename_of_copy(item_name(i), n, name);
        if (fstatat(done_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
            continue;
        free(i->r.kept);
        i->r.kept = strdup(name);
        return i->r.kept ? item_commit(u, i, UPLOAD_DONE) : -ENOMEM;
    }
    return -EEXIST;
}

static int rename_new(int from_fd, const char *from, int to_fd, const char *to)
{
    struct stat st;
    if (renameat2(from_fd, from, to_fd, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -errno;
    /* a file system that can't say so: as near as one gets */
    if (fstatat(to_fd, to, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return -EEXIST;
    return renameat(from_fd, from, to_fd, to) < 0 ? -errno : 0;
}

/* A rename changes the ctime alone. */
static bool is_ours(const struct item *i, int fd, const char *name)
{
    struct source_identity identity;
    struct stat st;
    if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return false;
    source_identify(&st, &identity);
    return S_ISREG(st.st_mode) && identity.inode == i->r.identity.inode &&
           identity.size_bytes == i->r.identity.size_bytes &&
           identity.mtime_ns == i->r.identity.mtime_ns;
}

static int make_target(const struct upload *u, const struct item *i,
                       char out[PATH_BYTES])
{
    int len =
        snprintf(out, PATH_BYTES, "%s/.id/%s", u->mountpoint, i->r.asset_id);
    return len < 0 || len >= PATH_BYTES || strchr(i->r.asset_id, '/')
               ? -ENAMETOOLONG
               : 0;
}

static void place_link(struct upload *u, const struct item *i)
{
    char target[PATH_BYTES];
    if (u->config.done == UPLOAD_DONE_LINK && !make_target(u, i, target) &&
        symlinkat(target, watch_directory_fd(u->watch), i->r.path) < 0 &&
        errno != EEXIST)
        log_debug("uploads: no symlink in its place: %s", strerror(errno));
}

/* It stays where it is: who can't move it says so, once. */
static bool leave(struct upload *u, struct item *i, int err)
{
    char quoted[200];
    log_warning("uploads: %s is up, and stays: it can't be moved to " DONE_NAME
                "/: %s",
                log_quote(i->r.path, strlen(i->r.path), quoted, sizeof(quoted)),
                strerror(-err));
    free(steal_ptr(i->r.kept));
    (void)item_commit(u, i, UPLOAD_DONE);
    return true;
}

static bool take_away(struct upload *u, struct item *i, int done_fd)
{
    int root = watch_directory_fd(u->watch);
    int err = rename_new(root, i->r.path, done_fd, i->r.kept);
    if (err == -EEXIST) { /* another name, the next time */
        free(steal_ptr(i->r.kept));
        upload_wake_by(u, 0);
        return false;
    }
    if (err == -ENOENT) {
        upload_rescan(u);
        return true;
    }
    if (err)
        return leave(u, i, err);
    i->present = false;
    if (!is_ours(i, done_fd, i->r.kept)) { /* it came a moment before */
        (void)rename_new(done_fd, i->r.kept, root, i->r.path);
        upload_rescan(u);
        return true;
    }
    if (u->config.done == UPLOAD_DONE_REMOVE)
        (void)unlinkat(done_fd, i->r.kept, 0);
    if (u->config.done != UPLOAD_DONE_LINK) { /* no later mount removes it */
        free(steal_ptr(i->r.kept));
        (void)item_commit(u, i, UPLOAD_DONE);
    }
    place_link(u, i);
    return true;
}

bool place_away(struct upload *u, struct item *i)
{
    if (!i->present || item_is_detached(i) || watch_directory_fd(u->watch) < 0)
        return !i->present;
    if (!is_ours(i, watch_directory_fd(u->watch), i->r.path)) {
        upload_rescan(u);
        return false;
    }
    cleanup(close_fd) int done_fd = open_done(u);
    if (done_fd < 0)
        return leave(u, i, done_fd);
    int err = i->r.kept ? 0 : choose_name(u, i, done_fd);
    if (err == -EEXIST)
        return leave(u, i, err);
    return !err && take_away(u, i, done_fd);
}

static void remove_link(struct upload *u, const struct item *i)
{
    char target[PATH_BYTES], there[PATH_BYTES];
    int root = watch_directory_fd(u->watch);
    if (make_target(u, i, target) || item_is_detached(i))
        return;
    ssize_t len = readlinkat(root, i->r.path, there, sizeof(there) - 1);
    if (len < 0)
        return;
    there[len] = '\0';
    if (strcmp(there, target) == 0)
        (void)unlinkat(root, i->r.path, 0);
}

static void remove_kept(struct upload *u, const struct item *i)
{
    if (u->config.done == UPLOAD_DONE_KEEP || !i->r.kept)
        return;
    cleanup(close_fd) int done_fd = open_done(u);
    if (done_fd >= 0 && is_ours(i, done_fd, i->r.kept))
        (void)unlinkat(done_fd, i->r.kept, 0);
}

bool place_expire(struct upload *u, struct item *i, int64_t now_s)
{
    if (i->r.state != UPLOAD_DONE || watch_directory_fd(u->watch) < 0)
        return false;
    if (now_s - i->r.done_s >= UPLOAD_HOUR_S)
        remove_link(u, i);
    if (now_s - i->r.done_s < UPLOAD_DAY_S || i->present)
        return false;
    remove_kept(u, i);
    return true;
}

/* ---- notes ---- */

/* The note's path beside the file; false: it is too long. */
static bool note_path(const struct item *i, char out[PATH_BYTES])
{
    char name[FILENAME_MAX_BYTES + 1];
    const char *file = item_name(i);
    filename_of_error(file, name);
    int len = snprintf(out, PATH_BYTES, "%.*s%s", (int)(file - i->r.path),
                       i->r.path, name);
    return !item_is_detached(i) && len > 0 && len < PATH_BYTES;
}

/* Whether what has that name is a note of ours; it isn't followed. */
static bool is_note(const struct upload *u, const char *path)
{
    char begins[sizeof(NOTE_BEGINS)] = "";
    struct stat st;
    cleanup(close_fd) int fd =
        openat(watch_directory_fd(u->watch), path,
               O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
           pread(fd, begins, sizeof(begins) - 1, 0) > 0 &&
           strcmp(begins, NOTE_BEGINS) == 0;
}

static int write_note(const struct upload *u, const struct item *i)
{
    cleanup(buf_done) struct buf text = {.max = 4096};
    int err = buf_append_str(&text, NOTE_BEGINS);
    if (!err)
        err = filename_append(&text, item_name(i));
    if (!err)
        err = buf_appendf(&text,
                          " did not go up: %s\n"
                          "Change the file, or remove this one, and it is "
                          "tried again.\n",
                          i->r.error);
    if (err)
        return err;
    int root = watch_directory_fd(u->watch);
    (void)unlinkat(root, NOTE_TEMP, 0);
    cleanup(close_fd) int fd =
        openat(root, NOTE_TEMP, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    give_to_owner(u, fd);
    return write(fd, text.data, text.len) == (ssize_t)text.len ? 0 : -EIO;
}

bool place_error(struct upload *u, const struct item *i)
{
    char path[PATH_BYTES];
    int root = watch_directory_fd(u->watch);
    if (root < 0 || !note_path(i, path) || write_note(u, i))
        return false;
    int err = is_note(u, path) && renameat(root, NOTE_TEMP, root, path) == 0
                  ? 0
                  : rename_new(root, NOTE_TEMP, root, path);
    if (err)
        (void)unlinkat(root, NOTE_TEMP, 0);
    return !err;
}

void place_remove_error(struct upload *u, const struct item *i)
{
    char path[PATH_BYTES];
    if (watch_directory_fd(u->watch) >= 0 && note_path(i, path) &&
        is_note(u, path))
        (void)unlinkat(watch_directory_fd(u->watch), path, 0);
}

bool place_has_error(struct upload *u, const struct item *i)
{
    char path[PATH_BYTES];
    struct stat st;
    return !note_path(i, path) || fstatat(watch_directory_fd(u->watch), path,
                                          &st, AT_SYMLINK_NOFOLLOW) == 0;
}
