/* SPDX-License-Identifier: MIT */
#include "upload/watch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "upload/filename.h"

#define WATCH_LOCK_NAME ".twelvefs.lock"
/* Not each write: who still writes is asked about before a file is taken. */
#define WATCH_EVENTS                                                           \
    (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE |    \
     IN_MOVE_SELF | IN_DELETE_SELF | IN_ONLYDIR)

struct watch {
    char *path;
    int fd;
    int lock_fd; /* where the folder itself can't be locked; else -1 */
    dev_t device;
    ino_t inode;
    int inotify_fd;
    bool told_limit;
    bool told_missing;
};

/* ---- life ---- */

/* Some network file systems lock no directories. */
static int watch_lock_file(struct watch *w)
{
    w->lock_fd = openat(w->fd, WATCH_LOCK_NAME,
                        O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (w->lock_fd < 0)
        return -errno;
    if (flock(w->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    return errno == EWOULDBLOCK ? -EBUSY : -errno;
}

static int watch_lock(struct watch *w)
{
    if (flock(w->fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    return errno == EWOULDBLOCK ? -EBUSY : watch_lock_file(w);
}

/* The folder that stands at the path now. */
static int watch_attach(struct watch *w)
{
    struct stat st;
    w->fd = open(w->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (w->fd < 0 || fstat(w->fd, &st) < 0)
        return -errno;
    w->device = st.st_dev;
    w->inode = st.st_ino;
    if (faccessat(w->fd, ".", R_OK | W_OK | X_OK, AT_EACCESS) < 0)
        return -errno;
    return watch_lock(w);
}

static void watch_detach(struct watch *w)
{
    close_fd(&w->lock_fd);
    close_fd(&w->fd);
    w->lock_fd = w->fd = -1;
}

static int watch_begin(struct watch *w, const char *path)
{
    w->path = strdup(path);
    if (!w->path)
        return -ENOMEM;
    int err = watch_attach(w);
    if (err)
        return err;
    w->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (w->inotify_fd < 0)
        log_warning("uploads: no inotify (%s): the folder is looked through "
                    "each minute",
                    strerror(errno));
    return 0;
}

DEFINE_CLEANUP(close_watch, struct watch *, watch_close)

int watch_open(const char *path, struct watch **ret_watch)
{
    cleanup(close_watch) struct watch *w = calloc(1, sizeof(*w));
    if (!w)
        return -ENOMEM;
    w->fd = w->lock_fd = w->inotify_fd = -1;
    int err = watch_begin(w, path);
    if (!err)
        *ret_watch = steal_ptr(w);
    return err;
}

void watch_close(struct watch *w)
{
    if (!w)
        return;
    close_fd(&w->inotify_fd);
    watch_detach(w);
    free(w->path);
    free(w);
}

int watch_directory_fd(const struct watch *w)
{
    return w->fd;
}

int watch_event_fd(const struct watch *w)
{
    return w->inotify_fd;
}

bool watch_take_events(struct watch *w)
{
    _Alignas(struct inotify_event) char bytes[4096];
    bool any = false;
    while (w->inotify_fd >= 0 && read(w->inotify_fd, bytes, sizeof(bytes)) > 0)
        any = true;
    return any;
}

/* ---- scanning ---- */

struct scanning {
    struct watch *watch;
    struct watch_file *files;
    size_t count, room;
    char path[PATH_MAX]; /* of the directory, with a slash at its end, or "" */
    size_t path_len;
};

/* Watching what is watched already changes nothing. */
static void scan_watch(struct watch *w, int fd)
{
    char name[64];
    if (w->inotify_fd < 0)
        return;
    (void)snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    if (inotify_add_watch(w->inotify_fd, name, WATCH_EVENTS) >= 0 ||
        w->told_limit)
        return;
    w->told_limit = true;
    log_warning("uploads: a directory can't be watched (%s): it is looked "
                "through each minute",
                errno == ENOSPC ? "fs.inotify.max_user_watches is reached"
                                : strerror(errno));
}

static int scan_add(struct scanning *s, const char *name, const struct stat *st)
{
    if (s->count == s->room) {
        size_t room = s->room ? 2 * s->room : 64;
        struct watch_file *more = reallocarray(s->files, room, sizeof(*more));
        if (!more)
            return -ENOMEM;
        s->files = more;
        s->room = room;
    }
    struct watch_file *file = &s->files[s->count];
    if (asprintf(&file->path, "%.*s%s", (int)s->path_len, s->path, name) < 0)
        return -ENOMEM;
    source_identify(st, &file->identity);
    s->count++;
    return 0;
}

static void watch_close_directory(DIR **directory)
{
    if (*directory)
        (void)closedir(*directory);
}

/* A directory below, and back; false: it is too deep, or its path too long. */
static bool scan_enter(struct scanning *s, const char *name)
{
    size_t len = strlen(name);
    size_t depth = 0;
    for (size_t i = 0; i < s->path_len; i++)
        depth += s->path[i] == '/';
    if (depth >= WATCH_MAX_DEPTH ||
        s->path_len + len + 2 + FILENAME_MAX_BYTES >= sizeof(s->path))
        return false;
    memcpy(s->path + s->path_len, name, len);
    s->path_len += len;
    s->path[s->path_len++] = '/';
    s->path[s->path_len] = '\0';
    return true;
}

static int scan_directory(struct scanning *s, int fd);

static int scan_below(struct scanning *s, int fd, const char *name)
{
    size_t before = s->path_len;
    if (!scan_enter(s, name))
        return 0;
    int below =
        openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int err = below < 0 ? 0 : scan_directory(s, below);
    s->path_len = before;
    s->path[before] = '\0';
    return err;
}

static int scan_entry(struct scanning *s, int fd, const char *name)
{
    struct stat st;
    if (s->count >= WATCH_MAX_FILES || name[0] == '.' ||
        fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
        st.st_dev != s->watch->device)
        return 0;
    if (S_ISDIR(st.st_mode))
        return scan_below(s, fd, name);
    return S_ISREG(st.st_mode) && !filename_waits(name) ? scan_add(s, name, &st)
                                                        : 0;
}

/* Takes the descriptor over. The watch comes first, so that what changes after
 * it was read is told. */
static int scan_directory(struct scanning *s, int fd) /* NOLINT(misc-no-rec*) */
{
    struct dirent *entry;
    int err = 0;
    scan_watch(s->watch, fd);
    cleanup(watch_close_directory) DIR *directory = fdopendir(fd);
    if (!directory) {
        err = -errno;
        (void)close(fd);
        return err;
    }
    while (!err && (errno = 0, entry = readdir(directory)))
        err = scan_entry(s, fd, entry->d_name);
    return err ? err : -errno;
}

static int compare_files(const void *a, const void *b)
{
    return strcmp(((const struct watch_file *)a)->path,
                  ((const struct watch_file *)b)->path);
}

static bool watch_is_there(const struct watch *w)
{
    struct stat st;
    return w->fd >= 0 && stat(w->path, &st) == 0 && st.st_dev == w->device &&
           st.st_ino == w->inode;
}

static void tell_missing(struct watch *w, int err)
{
    if (!err == !w->told_missing)
        return;
    w->told_missing = err;
    if (err)
        log_warning("uploads: the folder %s: %s; nothing goes up until it is "
                    "back",
                    w->path, strerror(-err));
    else
        log_info("uploads: the folder %s is back", w->path);
}

/* Where the folder was put away or mounted over, the one that is there now. */
static int watch_follow(struct watch *w)
{
    int err = 0;
    if (!watch_is_there(w)) {
        watch_detach(w);
        err = watch_attach(w);
    }
    if (err)
        watch_detach(w);
    tell_missing(w, err);
    return err ? -ENOTCONN : 0;
}

int watch_scan(struct watch *w, struct watch_file **ret_files,
               size_t *ret_count)
{
    struct scanning s = {.watch = w};
    int err = watch_follow(w);
    if (err)
        return err;
    int fd = openat(w->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    err = fd < 0 ? -errno : scan_directory(&s, fd);
    if (!err && !watch_is_there(w))
        err = -ENOTCONN;
    if (err) {
        watch_files_free(s.files, s.count);
        return err;
    }
    if (s.count)
        qsort(s.files, s.count, sizeof(*s.files), compare_files);
    *ret_files = s.files;
    *ret_count = s.count;
    return 0;
}

void watch_files_free(struct watch_file *files, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(files[i].path);
    free(files);
}
