/* SPDX-License-Identifier: MIT */
/*
 * vfs.c - how SQLite accesses the catalogue's file: each page is checked when
 * it is read, and no file is mapped.
 *
 * SQLite doesn't notice a flipped bit in a text. So the last bytes of each
 * page, which SQLite leaves free on request, hold a checksum of the page and
 * its number. It is made when the page is written into the file by a
 * checkpoint (what is in the log has SQLite's own checksums), and checked
 * whenever the page is read from there. A page that differs, or that the file
 * is too short for, is SQLITE_IOERR_DATA: the reader gets -EIO, and the next
 * start sets the file aside. So damage costs nothing until it is met, and is
 * never shown.
 *
 * A process that has mapped a file is killed when another process truncates
 * it. SQLite maps two files: the database if it may, which these methods can't
 * do, and the index of its log, which it shares between processes. Here is
 * only one process (the lock file guarantees that), so the index is in its own
 * memory.
 *
 * A log that was cut short is noticed when the next frame would leave a hole,
 * which would read as zeros.
 */
#include "catalogue/catalogue_internal.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hash.h"

#define SUM_AT        (PAGE_BYTES - PAGE_RESERVED)
#define AT_PAGE_BYTES 16 /* in the header */
#define AT_RESERVED   20

/* What the connections to a file share: the index of its log, in regions that
 * don't move, and SQLite's locks on it. */
struct shm {
    pthread_mutex_t mutex;  /* a leaf; over the rest */
    _Atomic bool has_pages; /* the file can't be empty again */
    unsigned users; /* connections; with the last of them the index goes */
    unsigned char **regions;
    int count;
    int holders[SQLITE_SHM_NLOCK]; /* how many share it; -1: one alone */
};

struct vfs {
    sqlite3_vfs face;
    sqlite3_vfs *real;
    char name[32];
    struct shm shm;      /* shared by the connections to this file: */
    char path[PATH_MAX]; /* as SQLite spells it */
};

struct file {
    sqlite3_file face;
    sqlite3_file *real;         /* right behind */
    struct shm *shm;            /* NULL: a log */
    struct shm own;             /* of a database that one connection has open */
    unsigned shared, exclusive; /* the locks it holds, as bits */
};

bool vfs_header_has_sums(const unsigned char head[HEADER_BYTES])
{
    return head[AT_PAGE_BYTES] == PAGE_BYTES >> 8 &&
           head[AT_PAGE_BYTES + 1] == (PAGE_BYTES & 0xff) &&
           head[AT_RESERVED] == PAGE_RESERVED;
}

static sqlite3_file *real_of(sqlite3_file *f)
{
    return ((struct file *)f)->real;
}

static int plain_read(sqlite3_file *f, void *out, int len, sqlite3_int64 at)
{
    return real_of(f)->pMethods->xRead(real_of(f), out, len, at);
}

static int plain_write(sqlite3_file *f, const void *bytes, int len,
                       sqlite3_int64 at)
{
    return real_of(f)->pMethods->xWrite(real_of(f), bytes, len, at);
}

/* Pages. */

static uint64_t sum_of(const unsigned char *page, sqlite3_int64 at)
{
    return hash_bytes(page, SUM_AT, (uint64_t)(at / PAGE_BYTES) + 1);
}

/* One page, whole. Before there is a first page SQLite asks for it, too. */
static int read_page(sqlite3_file *f, unsigned char *page, sqlite3_int64 at)
{
    uint64_t sum;
    int code = real_of(f)->pMethods->xRead(real_of(f), page, PAGE_BYTES, at);

    if (code == SQLITE_IOERR_SHORT_READ) {
        sqlite3_int64 size = 0;
        code = real_of(f)->pMethods->xFileSize(real_of(f), &size);
        return code             ? code
               : size || at > 0 ? SQLITE_IOERR_DATA
                                : SQLITE_IOERR_SHORT_READ;
    }
    if (code)
        return code;
    atomic_store(&((struct file *)f)->shm->has_pages, true);
    memcpy(&sum, page + SUM_AT, sizeof(sum));
    return sum == sum_of(page, at) ? SQLITE_OK : SQLITE_IOERR_DATA;
}

static int vfs_read(sqlite3_file *f, void *out, int len, sqlite3_int64 at)
{
    unsigned char page[PAGE_BYTES];
    int code = SQLITE_OK;

    if (len == PAGE_BYTES && at % PAGE_BYTES == 0)
        return read_page(f, out, at);
    for (int done = 0; done < len && code == SQLITE_OK;) {
        int from = (int)((at + done) % PAGE_BYTES);
        int part =
            PAGE_BYTES - from < len - done ? PAGE_BYTES - from : len - done;
        code = read_page(f, page, at + done - from);
        if (code == SQLITE_OK)
            memcpy((char *)out + done, page + from, (size_t)part);
        else if (code == SQLITE_IOERR_SHORT_READ)
            memset(out, 0, (size_t)len); /* as xRead must */
        done += part;
    }
    return code;
}

static int vfs_write(sqlite3_file *f, const void *bytes, int len,
                     sqlite3_int64 at)
{
    unsigned char page[PAGE_BYTES];

    if (len != PAGE_BYTES || at % PAGE_BYTES)
        return SQLITE_IOERR_WRITE; /* SQLite writes pages */
    memcpy(page, bytes, SUM_AT);
    uint64_t sum = sum_of(page, at);
    memcpy(page + SUM_AT, &sum, sizeof(sum));
    return plain_write(f, page, len, at);
}

static int log_write(sqlite3_file *f, const void *bytes, int len,
                     sqlite3_int64 at)
{
    sqlite3_int64 size = at;
    int code = len < PAGE_BYTES /* the head of a frame */
                   ? real_of(f)->pMethods->xFileSize(real_of(f), &size)
                   : SQLITE_OK;

    if (code == SQLITE_OK && size < at)
        code = SQLITE_IOERR_DATA;
    return code ? code : plain_write(f, bytes, len, at);
}

/* The log's index. */

static int shm_grow(struct shm *s, int count, int size)
{
    unsigned char **regions =
        reallocarray(s->regions, (size_t)count, sizeof(*regions));

    if (!regions)
        return SQLITE_IOERR_NOMEM;
    s->regions = regions;
    for (; s->count < count; s->count++) {
        regions[s->count] = calloc(1, (size_t)size);
        if (!regions[s->count])
            return SQLITE_IOERR_NOMEM;
    }
    return SQLITE_OK;
}

static int vfs_shm_map(sqlite3_file *f, int region, int size, int extend,
                       void volatile **ret_region)
{
    struct shm *s = ((struct file *)f)->shm;
    int code = SQLITE_OK;

    guard_mutex(&s->mutex);
    if (region >= s->count && extend)
        code = shm_grow(s, region + 1, size);
    *ret_region = region < s->count ? s->regions[region] : NULL;
    return code;
}

static bool shm_is_free(const struct shm *s, int slot, bool exclusive)
{
    return exclusive ? s->holders[slot] == 0 : s->holders[slot] >= 0;
}

static void shm_unlock(struct file *file, int slot)
{
    unsigned bit = 1U << slot;

    if (file->exclusive & bit)
        file->shm->holders[slot] = 0;
    else if (file->shared & bit)
        file->shm->holders[slot]--;
    file->exclusive &= ~bit;
    file->shared &= ~bit;
}

static int vfs_shm_lock(sqlite3_file *f, int first, int count, int flags)
{
    struct file *file = (struct file *)f;
    bool exclusive = flags & SQLITE_SHM_EXCLUSIVE;
    unsigned *mine = exclusive ? &file->exclusive : &file->shared;

    guard_mutex(&file->shm->mutex);
    for (int i = first; i < first + count; i++) {
        if (flags & SQLITE_SHM_UNLOCK)
            shm_unlock(file, i);
        else if (!(*mine & 1U << i) && !shm_is_free(file->shm, i, exclusive))
            return SQLITE_BUSY;
    }
    for (int i = first; (flags & SQLITE_SHM_LOCK) && i < first + count; i++) {
        if (*mine & 1U << i)
            continue;
        file->shm->holders[i] += exclusive ? -1 : 1;
        *mine |= 1U << i;
    }
    return SQLITE_OK;
}

static void vfs_shm_barrier(sqlite3_file *f)
{
    guard_mutex(&((struct file *)f)->shm->mutex);
    atomic_thread_fence(memory_order_seq_cst);
}

static void shm_clear(struct shm *s)
{
    for (int i = 0; i < s->count; i++)
        free(s->regions[i]);
    free(s->regions);
    s->regions = NULL;
    s->count = 0;
    atomic_store(&s->has_pages, false);
}

static int vfs_shm_unmap(sqlite3_file *f, int remove)
{
    struct file *file = (struct file *)f;

    (void)remove;
    guard_mutex(&file->shm->mutex);
    for (int i = 0; i < SQLITE_SHM_NLOCK; i++)
        shm_unlock(file, i);
    return SQLITE_OK;
}

static void shm_init(struct shm *s)
{
    memset(s, 0, sizeof(*s));
    (void)pthread_mutex_init(&s->mutex, NULL);
}

static void shm_join(struct shm *s)
{
    guard_mutex(&s->mutex);
    s->users++;
}

/* After the last connection is closed there may be another file and another
 * log. */
static void shm_leave(struct shm *s)
{
    guard_mutex(&s->mutex);
    if (--s->users == 0)
        shm_clear(s);
}

static void shm_done(struct shm *s)
{
    shm_clear(s);
    (void)pthread_mutex_destroy(&s->mutex);
}

/* All else is passed on. */

static int vfs_close(sqlite3_file *f)
{
    struct file *file = (struct file *)f;
    int code = file->real->pMethods->xClose(file->real);

    if (file->shm == &file->own)
        shm_done(&file->own);
    else if (file->shm)
        shm_leave(file->shm);
    return code;
}

static int vfs_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    return real_of(f)->pMethods->xTruncate(real_of(f), size);
}

static int vfs_sync(sqlite3_file *f, int flags)
{
    return real_of(f)->pMethods->xSync(real_of(f), flags);
}

/* An empty file would be a sound database without tables. */
static int vfs_size(sqlite3_file *f, sqlite3_int64 *ret_size)
{
    struct file *file = (struct file *)f;
    int code = file->real->pMethods->xFileSize(file->real, ret_size);

    if (code == SQLITE_OK && *ret_size == 0 && file->shm &&
        atomic_load(&file->shm->has_pages))
        code = SQLITE_IOERR_DATA;
    return code;
}

static int vfs_lock(sqlite3_file *f, int level)
{
    return real_of(f)->pMethods->xLock(real_of(f), level);
}

static int vfs_unlock(sqlite3_file *f, int level)
{
    return real_of(f)->pMethods->xUnlock(real_of(f), level);
}

static int vfs_is_reserved(sqlite3_file *f, int *ret_reserved)
{
    return real_of(f)->pMethods->xCheckReservedLock(real_of(f), ret_reserved);
}

static int vfs_control(sqlite3_file *f, int what, void *arg)
{
    return real_of(f)->pMethods->xFileControl(real_of(f), what, arg);
}

static int vfs_sector(sqlite3_file *f)
{
    return real_of(f)->pMethods->xSectorSize(real_of(f));
}

static int vfs_traits(sqlite3_file *f)
{
    return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}

#define COMMON_METHODS                                                         \
    .xClose = vfs_close, .xTruncate = vfs_truncate, .xSync = vfs_sync,         \
    .xFileSize = vfs_size, .xLock = vfs_lock, .xUnlock = vfs_unlock,           \
    .xCheckReservedLock = vfs_is_reserved, .xFileControl = vfs_control,        \
    .xSectorSize = vfs_sector, .xDeviceCharacteristics = vfs_traits

/* Version 2 has no xFetch: nothing can be mapped. */
static const sqlite3_io_methods page_methods = {
    .iVersion = 2,
    COMMON_METHODS,
    .xRead = vfs_read,
    .xWrite = vfs_write,
    .xShmMap = vfs_shm_map,
    .xShmLock = vfs_shm_lock,
    .xShmBarrier = vfs_shm_barrier,
    .xShmUnmap = vfs_shm_unmap,
};

/* A database without checksums: of another version, set aside. */
static const sqlite3_io_methods plain_methods = {
    .iVersion = 2,
    COMMON_METHODS,
    .xRead = plain_read,
    .xWrite = plain_write,
    .xShmMap = vfs_shm_map,
    .xShmLock = vfs_shm_lock,
    .xShmBarrier = vfs_shm_barrier,
    .xShmUnmap = vfs_shm_unmap,
};

static const sqlite3_io_methods log_methods = {
    .iVersion = 1,
    COMMON_METHODS,
    .xRead = plain_read,
    .xWrite = log_write,
};

static const sqlite3_io_methods *methods_of(sqlite3_file *real, int flags)
{
    unsigned char head[HEADER_BYTES];

    if (!(flags & SQLITE_OPEN_MAIN_DB))
        return &log_methods;
    int code = real->pMethods->xRead(real, head, sizeof(head), 0);
    return code != SQLITE_OK || vfs_header_has_sums(head) ? &page_methods
                                                          : &plain_methods;
}

static int vfs_open(sqlite3_vfs *face, const char *name, sqlite3_file *f,
                    int flags, int *ret_flags)
{
    struct vfs *v = (struct vfs *)face;
    struct file *file = (struct file *)f;

    if (!(flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)))
        return v->real->xOpen(v->real, name, f, flags, ret_flags);
    *file = (struct file){.real = (sqlite3_file *)(file + 1)};
    int code = v->real->xOpen(v->real, name, file->real, flags, ret_flags);
    if (code != SQLITE_OK)
        return code;
    if (name && strcmp(name, v->path) == 0) {
        file->shm = &v->shm;
        shm_join(file->shm);
    } else if (flags & SQLITE_OPEN_MAIN_DB) {
        file->shm = &file->own;
        shm_init(&file->own);
    }
    file->face.pMethods = methods_of(file->real, flags);
    return SQLITE_OK;
}

int vfs_new(const char *path, struct vfs **ret_vfs)
{
    sqlite3_vfs *real = sqlite3_vfs_find(NULL);
    struct vfs *v = real ? calloc(1, sizeof(*v)) : NULL;

    if (!v)
        return -ENOMEM;
    v->real = real;
    shm_init(&v->shm);
    if (real->xFullPathname(real, path, sizeof(v->path), v->path) &
        ~SQLITE_OK_SYMLINK) {
        vfs_free(v);
        return -ENAMETOOLONG;
    }
    v->face = *real;
    (void)snprintf(v->name, sizeof(v->name), "twelvefs-%p", (void *)v);
    v->face.zName = v->name;
    v->face.szOsFile = (int)sizeof(struct file) + real->szOsFile;
    v->face.xOpen = vfs_open;
    v->face.pNext = NULL;
    if (sqlite3_vfs_register(&v->face, 0) != SQLITE_OK) {
        vfs_free(v);
        return -ENOMEM;
    }
    *ret_vfs = v;
    return 0;
}

const char *vfs_name(const struct vfs *v)
{
    return v->name;
}

void vfs_free(struct vfs *v)
{
    if (!v)
        return;
    (void)sqlite3_vfs_unregister(&v->face);
    shm_done(&v->shm);
    free(v);
}
