#include "media/media_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <search.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"

#define FOLDER      "media"
#define TEMPORARY   "new-"
#define NS_PER_S    1000000000
#define MAX_ENTRIES 1000000

/* A file is called after its picture and the size it should have, "<digest>.
 * <bytes>": a crash of the machine may leave less of it, and waiting for the
 * disk with every picture costs more than fetching a few again. */
#define FILE_NAME_SIZE (DIGEST_HEX_SIZE + 21)

/* Stands first, so that media_file_unref finds its count behind the face. */
struct counted_file {
    struct media_file file;
    _Atomic unsigned references;
};

struct kept {
    char name[DIGEST_HEX_SIZE]; /* first: tsearch's key */
    int64_t size_bytes;
    int64_t used_ns; /* as found at the start; order alone counts later */
    TAILQ_ENTRY(kept) link;
};

TAILQ_HEAD(kept_list, kept);

struct media_store {
    pthread_mutex_t lock;
    void *by_name;         /* tsearch tree of struct kept; under lock */
    struct kept_list used; /* least recently used first; under lock */
    size_t count;          /* under lock */
    int64_t total_bytes;   /* under lock */
    int64_t limit_bytes;
    int folder_fd;
    _Atomic unsigned serial; /* of temporary files */
    _Atomic int told_error;  /* as the log last heard of writing */
};

struct media_file *media_store_ref(struct media_file *f)
{
    struct counted_file *counted = (struct counted_file *)f;
    (void)atomic_fetch_add(&counted->references, 1);
    return f;
}

void media_file_unref(struct media_file *f)
{
    struct counted_file *counted = (struct counted_file *)f;
    if (!counted || atomic_fetch_sub(&counted->references, 1) != 1)
        return;
    (void)close(counted->file.fd);
    free(counted);
}

/* Takes the descriptor, also on failure. */
static int wrap_file(int fd, struct media_file **ret_file)
{
    struct stat st;
    struct counted_file *counted = calloc(1, sizeof(*counted));
    if (!counted || fstat(fd, &st) < 0) {
        int err = counted ? -errno : -ENOMEM;
        free(counted);
        (void)close(fd);
        return err;
    }
    counted->references = 1;
    counted->file = (struct media_file){
        .fd = fd,
        .size_bytes = st.st_size,
        .fetched_ns =
            (int64_t)st.st_mtim.tv_sec * NS_PER_S + st.st_mtim.tv_nsec,
    };
    *ret_file = &counted->file;
    return 0;
}

static void file_name_of(const char *name, int64_t size_bytes,
                         char out[FILE_NAME_SIZE])
{
    (void)snprintf(out, FILE_NAME_SIZE, "%s.%lld", name, (long long)size_bytes);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(a, b);
}

static struct kept *find(const struct media_store *s, const char *name)
{
    struct kept **found = tfind(name, &s->by_name, compare_names);
    return found ? *found : NULL;
}

static void remove_file(const struct media_store *s, const struct kept *e)
{
    char file_name[FILE_NAME_SIZE];
    file_name_of(e->name, e->size_bytes, file_name);
    (void)unlinkat(s->folder_fd, file_name, 0);
}

static void forget(struct media_store *s, struct kept *e)
{
    (void)tdelete(e, &s->by_name, compare_names);
    TAILQ_REMOVE(&s->used, e, link);
    s->count--;
    s->total_bytes -= e->size_bytes;
    free(e);
}

/* The newest stays even when it alone passes the limit: somebody waits. */
static void make_room(struct media_store *s, const struct kept *newest)
{
    struct kept *e;
    while ((e = TAILQ_FIRST(&s->used)) && e != newest &&
           (s->total_bytes > s->limit_bytes || s->count > MAX_ENTRIES)) {
        remove_file(s, e);
        forget(s, e);
    }
}

static int remember(struct media_store *s, const char *name, int64_t size,
                    int64_t used_ns)
{
    struct kept *e = find(s, name);
    if (e && e->size_bytes != size)
        remove_file(s, e);
    if (e)
        forget(s, e);
    e = calloc(1, sizeof(*e));
    if (!e)
        return -ENOMEM;
    (void)snprintf(e->name, sizeof(e->name), "%s", name);
    e->size_bytes = size;
    e->used_ns = used_ns;
    if (!tsearch(e, &s->by_name, compare_names)) {
        free(e);
        return -ENOMEM;
    }
    TAILQ_INSERT_TAIL(&s->used, e, link);
    s->count++;
    s->total_bytes += size;
    make_room(s, e);
    return 0;
}

/* Reads a kept file's name; its size may turn out to be another. */
static bool read_file_name(const char *text, struct kept *ret)
{
    size_t len = DIGEST_HEX_SIZE - 1;
    char again[FILE_NAME_SIZE];
    if (strspn(text, "0123456789abcdef") != len || text[len] != '.' ||
        strlen(text) >= FILE_NAME_SIZE)
        return false;
    memcpy(ret->name, text, len);
    ret->name[len] = '\0';
    ret->size_bytes = strtoll(text + len + 1, NULL, 10);
    file_name_of(ret->name, ret->size_bytes, again);
    return ret->size_bytes >= 0 && strcmp(text, again) == 0;
}

static int64_t later_ns(const struct timespec *a, const struct timespec *b)
{
    int64_t first = (int64_t)a->tv_sec * NS_PER_S + a->tv_nsec;
    int64_t second = (int64_t)b->tv_sec * NS_PER_S + b->tv_nsec;
    return first > second ? first : second;
}

static int by_use(const void *a, const void *b)
{
    const struct kept *x = a;
    const struct kept *y = b;
    return (x->used_ns > y->used_ns) - (x->used_ns < y->used_ns);
}

/* One file of the folder; false: none that an earlier run kept whole. What
 * isn't is removed. */
static bool examine(const struct media_store *s, const char *file_name,
                    struct kept *ret)
{
    struct stat st;
    if (file_name[0] == '.')
        return false;
    *ret = (struct kept){0};
    if (read_file_name(file_name, ret) &&
        fstatat(s->folder_fd, file_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISREG(st.st_mode) && st.st_size == ret->size_bytes) {
        ret->used_ns = later_ns(&st.st_atim, &st.st_mtim);
        return true;
    }
    (void)unlinkat(s->folder_fd, file_name, 0);
    return false;
}

/* What an earlier run kept, oldest use first. */
static int read_folder(struct media_store *s, DIR *folder,
                       struct kept **ret_entries, size_t *ret_count)
{
    cleanup(free_ptr) struct kept *entries = NULL;
    size_t count = 0;
    for (struct dirent *d; (d = readdir(folder));) {
        struct kept e;
        if (!examine(s, d->d_name, &e) || count == MAX_ENTRIES)
            continue;
        if ((count & (count - 1)) == 0) {
            struct kept *more =
                realloc(entries, (count ? 2 * count : 1) * sizeof(*more));
            if (!more)
                return -ENOMEM;
            entries = more;
        }
        entries[count++] = e;
    }
    if (count)
        qsort(entries, count, sizeof(*entries), by_use);
    *ret_entries = steal_ptr(entries);
    *ret_count = count;
    return 0;
}

static int take_stock(struct media_store *s)
{
    int fd = openat(s->folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    if (!folder) {
        int err = -errno;
        cleanup(close_fd) int unused = fd;
        return unused < 0 ? err : -ENOMEM;
    }
    cleanup(free_ptr) struct kept *entries = NULL;
    size_t count = 0;
    int err = read_folder(s, folder, &entries, &count);
    (void)closedir(folder);
    for (size_t i = 0; !err && i < count; i++)
        err = remember(s, entries[i].name, entries[i].size_bytes,
                       entries[i].used_ns);
    return err;
}

DEFINE_CLEANUP(close_store, struct media_store *, media_store_close)

int media_store_open(const char *directory, int64_t limit_bytes,
                     struct media_store **ret_store)
{
    cleanup(free_ptr) char *path = NULL;
    cleanup(close_store) struct media_store *s = calloc(1, sizeof(*s));
    if (!s || asprintf(&path, "%s/" FOLDER, directory) < 0)
        return -ENOMEM;
    (void)pthread_mutex_init(&s->lock, NULL);
    TAILQ_INIT(&s->used);
    s->limit_bytes = limit_bytes;
    s->folder_fd = -1;
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return -errno;
    s->folder_fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (s->folder_fd < 0)
        return -errno;
    int err = take_stock(s);
    if (err)
        return err;
    *ret_store = steal_ptr(s);
    return 0;
}

void media_store_close(struct media_store *s)
{
    if (!s)
        return;
    for (struct kept *e; (e = TAILQ_FIRST(&s->used));)
        forget(s, e);
    if (s->folder_fd >= 0)
        (void)close(s->folder_fd);
    (void)pthread_mutex_destroy(&s->lock);
    free(s);
}

int media_store_name(const char *id, const char *url,
                     char ret_name[DIGEST_HEX_SIZE])
{
    const struct digest_part parts[] = {
        {id, strlen(id)},
        {url, strcspn(url, "?#")},
    };
    return digest_hex(parts, array_count(parts), ret_name);
}

/* Lock held. */
static int open_kept(struct media_store *s, struct kept *e, int *ret_fd)
{
    char file_name[FILE_NAME_SIZE];
    file_name_of(e->name, e->size_bytes, file_name);
    int fd = openat(s->folder_fd, file_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno != ENOENT)
        return -errno;
    if (fd < 0) { /* somebody cleaned up behind our back */
        forget(s, e);
        return -ENOENT;
    }
    TAILQ_REMOVE(&s->used, e, link);
    TAILQ_INSERT_TAIL(&s->used, e, link);
    *ret_fd = fd;
    return 0;
}

int media_store_lookup(struct media_store *s, const char *name,
                       struct media_file **ret_file)
{
    int fd = -1;
    int64_t size_bytes;
    struct media_file *file = NULL;
    {
        guard_mutex(&s->lock);
        struct kept *e = find(s, name);
        int err = e ? open_kept(s, e, &fd) : -ENOENT;
        if (err)
            return err;
        size_bytes = e->size_bytes;
    }
    int err = wrap_file(fd, &file);
    if (!file)
        return err;
    if (file->size_bytes != size_bytes) { /* somebody wrote to it */
        media_file_unref(file);
        return -ENOENT;
    }
    *ret_file = file;
    return 0;
}

static int write_all(int fd, const char *bytes, size_t len)
{
    while (len) {
        ssize_t written = write(fd, bytes, len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -errno;
        bytes += written;
        len -= (size_t)written;
    }
    return 0;
}

static int write_kept(struct media_store *s, const char *name,
                      const void *bytes, size_t len, int *ret_fd)
{
    char temporary[32];
    char file_name[FILE_NAME_SIZE];
    file_name_of(name, (int64_t)len, file_name);
    (void)snprintf(temporary, sizeof(temporary), TEMPORARY "%u",
                   atomic_fetch_add(&s->serial, 1));
    int fd = openat(s->folder_fd, temporary,
                    O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int err = write_all(fd, bytes, len);
    if (!err && renameat(s->folder_fd, temporary, s->folder_fd, file_name) < 0)
        err = -errno;
    if (err) {
        (void)unlinkat(s->folder_fd, temporary, 0);
        (void)close(fd);
        return err;
    }
    *ret_fd = fd;
    return 0;
}

static int write_memory(const void *bytes, size_t len, int *ret_fd)
{
    int fd = memfd_create("picture", MFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    int err = write_all(fd, bytes, len);
    if (err) {
        (void)close(fd);
        return err;
    }
    *ret_fd = fd;
    return 0;
}

/* One line per kind of trouble, not one per picture. */
static void tell(struct media_store *s, int err)
{
    if (atomic_exchange(&s->told_error, err) != err && err)
        log_warning("pictures can't be kept: %s", strerror(-err));
}

int media_store_put(struct media_store *s, const char *name, const void *bytes,
                    size_t len, struct media_file **ret_file)
{
    int fd = -1;
    int err = write_kept(s, name, bytes, len, &fd);
    tell(s, err);
    if (err)
        return write_memory(bytes, len, &fd) ? err : wrap_file(fd, ret_file);
    {
        guard_mutex(&s->lock);
        err = remember(s, name, (int64_t)len, clock_wall_ns());
    }
    if (!err)
        return wrap_file(fd, ret_file);
    char file_name[FILE_NAME_SIZE];
    file_name_of(name, (int64_t)len, file_name);
    (void)unlinkat(s->folder_fd, file_name, 0);
    (void)close(fd);
    return err;
}
