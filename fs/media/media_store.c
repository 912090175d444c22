/* SPDX-License-Identifier: MIT */
/*
 * Two tiers: files in the folder, bytes in memory. An entry stands in the
 * table, by name, and in its tier's list, in order of use; it leaves both when
 * it is replaced, found gone, or evicted. While somebody has a reference the
 * entry and its file stay; both go with the last reference.
 */
#include "media/media_store.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <search.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "base/log.h"
#include "media/media_folder.h"

#define FOLDER      "media"
#define MAX_ENTRIES 1000000

/* A file is called after its picture and what it should hold, "<digest>.
 * <bytes>.<checksum>": a crash of the machine may leave less of it, and
 * waiting for the disk with every picture costs more than fetching a few
 * again. */
#define FILE_NAME_SIZE (DIGEST_HEX_SIZE + 21 + 17)

struct store_entry {
    char name[DIGEST_HEX_SIZE]; /* first: tsearch's key */
    struct media_file file;
    struct media_store *store;
    char *bytes;         /* in memory; NULL: in the folder */
    int64_t used_ns;     /* as found at the start; order alone counts later */
    unsigned references; /* under the store's lock, as is */
    bool listed;         /* in the table and in its tier's list */
    TAILQ_ENTRY(store_entry) link;
};
TAILQ_HEAD(entry_list, store_entry);

struct tier {
    struct entry_list used; /* least recently used first */
    size_t count;
    int64_t total_bytes, limit_bytes;
};

struct media_store {
    pthread_mutex_t lock;
    void *by_name; /* tsearch tree of struct store_entry; under lock */
    struct tier folder, memory; /* under lock */
    size_t referenced;          /* entries that are; under lock */
    bool closed;                /* under lock */
    struct media_folder *disk;
    _Atomic int told_error; /* as the log last heard of writing */
};

static struct store_entry *entry_of(const struct media_file *f)
{
    return (struct store_entry *)((char *)(uintptr_t)f -
                                  offsetof(struct store_entry, file));
}

static void file_name_of(const struct store_entry *e, char out[FILE_NAME_SIZE])
{
    (void)snprintf(out, FILE_NAME_SIZE, "%s.%lld.%016" PRIx64, e->name,
                   (long long)e->file.size_bytes, e->file.checksum);
}

/* Table and tiers: lock held. */

static int compare_names(const void *a, const void *b)
{
    return strcmp(a, b);
}

static struct store_entry *store_find(const struct media_store *s,
                                      const char *name)
{
    struct store_entry **found = tfind(name, &s->by_name, compare_names);
    return found ? *found : NULL;
}

static struct tier *store_tier_of(struct media_store *s,
                                  const struct store_entry *e)
{
    return e->bytes ? &s->memory : &s->folder;
}

static bool is_same_file(const struct store_entry *a,
                         const struct store_entry *b)
{
    return !a->bytes && !b->bytes && a->file.size_bytes == b->file.size_bytes &&
           a->file.checksum == b->file.checksum;
}

/* Of an entry that is neither listed nor referenced. At the end of a run files
 * stay. */
static void store_discard(struct store_entry *e)
{
    char file_name[FILE_NAME_SIZE];
    struct media_store *s = e->store;
    const struct store_entry *successor = store_find(s, e->name);
    file_name_of(e, file_name);
    if (!e->bytes && !s->closed && !(successor && is_same_file(successor, e)))
        media_folder_remove(s->disk, file_name);
    free(e->bytes);
    free(e);
}

static void store_unlist(struct store_entry *e)
{
    struct tier *tier = store_tier_of(e->store, e);
    (void)tdelete(e, &e->store->by_name, compare_names);
    TAILQ_REMOVE(&tier->used, e, link);
    tier->count--;
    tier->total_bytes -= e->file.size_bytes;
    e->listed = false;
}

static void store_forget(struct store_entry *e)
{
    store_unlist(e);
    if (!e->references)
        store_discard(e);
}

/* The newest stays even when it alone passes the limit: somebody waits. */
static void store_evict(struct tier *tier, const struct store_entry *newest)
{
    struct store_entry *next;
    for (struct store_entry *e = TAILQ_FIRST(&tier->used); e && e != newest;
         e = next) {
        next = TAILQ_NEXT(e, link);
        if (tier->total_bytes <= tier->limit_bytes &&
            tier->count <= MAX_ENTRIES)
            return;
        if (!e->references)
            store_forget(e);
    }
}

/* In place of one of its name. */
static int store_list(struct media_store *s, struct store_entry *e)
{
    struct store_entry *before = store_find(s, e->name);
    struct tier *tier = store_tier_of(s, e);
    if (before)
        store_unlist(before);
    if (!tsearch(e, &s->by_name, compare_names)) {
        if (before && !before->references)
            store_discard(before);
        return -ENOMEM;
    }
    e->listed = true;
    TAILQ_INSERT_TAIL(&tier->used, e, link);
    tier->count++;
    tier->total_bytes += e->file.size_bytes;
    if (before && !before->references)
        store_discard(before); /* now that it sees its successor */
    store_evict(tier, e);
    return 0;
}

static void store_reference(struct store_entry *e)
{
    if (e->references++ == 0)
        e->store->referenced++;
}

/* References. */

static void store_destroy(struct media_store *s)
{
    media_folder_close(s->disk);
    (void)pthread_mutex_destroy(&s->lock);
    free(s);
}

struct media_file *media_store_ref(struct media_file *f)
{
    struct store_entry *e = entry_of(f);
    guard_mutex(&e->store->lock);
    store_reference(e);
    return f;
}

void media_file_unref(struct media_file *f)
{
    if (!f)
        return;
    struct store_entry *e = entry_of(f);
    struct media_store *s = e->store;
    bool last = false;
    {
        guard_mutex(&s->lock);
        if (--e->references)
            return;
        s->referenced--;
        if (!e->listed)
            store_discard(e);
        last = s->closed && s->referenced == 0;
    }
    if (last)
        store_destroy(s);
}

/* What an earlier run kept. */

static bool is_hex(const char *text, size_t len)
{
    return strspn(text, "0123456789abcdef") == len;
}

/* Reads a kept file's name; its size may turn out to be another. */
static bool read_file_name(const char *text, struct store_entry *ret)
{
    size_t len = DIGEST_HEX_SIZE - 1;
    char again[FILE_NAME_SIZE];
    char *end;
    if (strlen(text) >= FILE_NAME_SIZE || !is_hex(text, len) ||
        text[len] != '.')
        return false;
    memcpy(ret->name, text, len);
    ret->name[len] = '\0';
    ret->file.size_bytes = strtoll(text + len + 1, &end, 10);
    if (*end != '.')
        return false;
    ret->file.checksum = strtoull(end + 1, NULL, 16);
    file_name_of(ret, again);
    return ret->file.size_bytes >= 0 && strcmp(text, again) == 0;
}

static int by_use(const void *a, const void *b)
{
    const struct store_entry *x = a;
    const struct store_entry *y = b;
    return (x->used_ns > y->used_ns) - (x->used_ns < y->used_ns);
}

struct listing {
    struct store_entry *entries;
    size_t count, capacity;
};

static void listing_done(struct listing *k)
{
    free(k->entries);
}

static int store_examine(void *ctx, const char *file_name, int64_t size_bytes,
                         int64_t used_ns, bool *ret_wanted)
{
    struct listing *k = ctx;
    struct store_entry e = {.used_ns = used_ns};
    if (k->count == MAX_ENTRIES || !read_file_name(file_name, &e) ||
        e.file.size_bytes != size_bytes)
        return 0;
    if (array_reserve(k->entries, k->count, k->capacity))
        return -ENOMEM;
    k->entries[k->count++] = e;
    *ret_wanted = true;
    return 0;
}

static int list_copy(struct media_store *s, const struct store_entry *found)
{
    struct store_entry *e = malloc(sizeof(*e));
    if (!e)
        return -ENOMEM;
    *e = *found;
    e->store = s;
    int err = store_list(s, e);
    if (err)
        free(e);
    return err;
}

/* Oldest use first. */
static int store_load(struct media_store *s)
{
    cleanup(listing_done) struct listing listing = {0};
    int err = media_folder_each(s->disk, store_examine, &listing);
    if (!err && listing.count)
        qsort(listing.entries, listing.count, sizeof(listing.entries[0]),
              by_use);
    for (size_t i = 0; !err && i < listing.count; i++)
        err = list_copy(s, &listing.entries[i]);
    return err;
}

/* Making and freeing. */

DEFINE_CLEANUP(close_store, struct media_store *, media_store_close)

static void tier_init(struct tier *tier, int64_t limit_bytes)
{
    TAILQ_INIT(&tier->used);
    tier->limit_bytes = limit_bytes;
}

int media_store_open(const char *directory, int64_t limit_bytes,
                     struct media_store **ret_store)
{
    cleanup(close_store) struct media_store *s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    (void)pthread_mutex_init(&s->lock, NULL);
    tier_init(&s->folder, limit_bytes);
    tier_init(&s->memory, MEDIA_STORE_MEMORY);
    cleanup(free_ptr) char *path = NULL;
    if (asprintf(&path, "%s/" FOLDER, directory) < 0) {
        path = NULL;
        return -ENOMEM;
    }
    int err = media_folder_open(path, &s->disk);
    if (!err)
        err = store_load(s);
    if (err)
        return err;
    *ret_store = steal_ptr(s);
    return 0;
}

void media_store_close(struct media_store *s)
{
    if (!s)
        return;
    bool last;
    {
        guard_mutex(&s->lock);
        s->closed = true;
        for (struct store_entry *e; (e = TAILQ_FIRST(&s->folder.used));)
            store_forget(e);
        for (struct store_entry *e; (e = TAILQ_FIRST(&s->memory.used));)
            store_forget(e);
        last = s->referenced == 0;
    }
    if (last)
        store_destroy(s);
}

/* Lookup and read. */

int media_store_name(const char *id, const char *url,
                     char ret_name[DIGEST_HEX_SIZE])
{
    const struct digest_part parts[] = {
        {id, strlen(id)},
        {url, strcspn(url, "?#")},
    };
    return digest_hex(parts, array_count(parts), ret_name);
}

bool media_store_is_called(const struct media_file *f, const char *name)
{
    return strcmp(entry_of(f)->name, name) == 0;
}

int media_store_lookup(struct media_store *s, const char *name,
                       struct media_file **ret_file)
{
    guard_mutex(&s->lock);
    struct store_entry *e = store_find(s, name);
    if (!e)
        return -ENOENT;
    struct tier *tier = store_tier_of(s, e);
    TAILQ_REMOVE(&tier->used, e, link);
    TAILQ_INSERT_TAIL(&tier->used, e, link);
    store_reference(e);
    *ret_file = &e->file;
    return 0;
}

int media_file_read(struct media_file *f, void *out, size_t size,
                    int64_t offset, size_t *ret_got)
{
    struct store_entry *e = entry_of(f);
    if (offset < 0 || offset >= f->size_bytes)
        size = 0;
    else if ((int64_t)size > f->size_bytes - offset)
        size = (size_t)(f->size_bytes - offset);
    if (e->bytes) {
        if (size)
            memcpy(out, e->bytes + offset, size);
        *ret_got = size;
        return 0;
    }
    char file_name[FILE_NAME_SIZE];
    file_name_of(e, file_name);
    int err = media_folder_read(e->store->disk, file_name, f->size_bytes, out,
                                size, offset);
    if (!err)
        *ret_got = size;
    if (err == -ENOENT) {
        guard_mutex(&e->store->lock);
        if (e->listed)
            store_unlist(e);
    }
    return err;
}

/* Putting a picture. */

/* One line per kind of trouble, not one per picture. */
static void store_tell(struct media_store *s, int err)
{
    if (atomic_exchange(&s->told_error, err) != err && err)
        log_warning(
            "cannot write to the picture cache: %s; keeping some pictures in "
            "memory",
            strerror(-err));
}

/* The bytes themselves, without the room that their buffer had to grow. */
static char *take_bytes(struct buf *body)
{
    size_t len;
    char *bytes = buf_steal(body, &len);
    char *fitting = bytes ? realloc(bytes, len + 1) : NULL;
    return fitting ? fitting : bytes;
}

int media_store_put(struct media_store *s, const char *name, struct buf *body,
                    struct media_file **ret_file)
{
    struct store_entry *e = calloc(1, sizeof(*e));
    if (!e)
        return -ENOMEM;
    (void)snprintf(e->name, sizeof(e->name), "%s", name);
    e->store = s;
    e->file.size_bytes = (int64_t)body->len;
    e->file.checksum = hash_bytes(buf_str(body), body->len, 0);
    char file_name[FILE_NAME_SIZE];
    file_name_of(e, file_name);
    int err = media_folder_write(s->disk, file_name, body);
    store_tell(s, err);
    if (err)
        e->bytes = take_bytes(body);
    else
        buf_done(body);
    guard_mutex(&s->lock);
    if ((err && !e->bytes) || store_list(s, e)) {
        store_discard(e);
        return -ENOMEM;
    }
    store_reference(e);
    *ret_file = &e->file;
    return 0;
}
