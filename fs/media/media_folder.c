/* SPDX-License-Identifier: MIT */
#include "media/media_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/directory.h"
#include "base/file.h"

#define NS_PER_S 1000000000

struct media_folder {
    pthread_mutex_t lock; /* held while the folder is made again */
    char *path;
    int fd; /* the same number always, of another folder once the first was
               taken away: who is about to open a file needs no lock */
    uint64_t run; /* tells this run's temporary files from another's */
    _Atomic unsigned serial; /* of temporary files */
};

static int open_folder(struct media_folder *f)
{
    int err = directory_make(f->path);
    if (err)
        return err;
    cleanup(close_fd) int fd =
        open(f->path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (f->fd >= 0)
        return dup3(fd, f->fd, O_CLOEXEC) < 0 ? -errno : 0;
    f->fd = steal_fd(&fd);
    return 0;
}

DEFINE_CLEANUP(close_folder, struct media_folder *, media_folder_close)

int media_folder_open(const char *path, struct media_folder **ret_folder)
{
    cleanup(close_folder) struct media_folder *f = calloc(1, sizeof(*f));
    if (!f)
        return -ENOMEM;
    (void)pthread_mutex_init(&f->lock, NULL);
    arc4random_buf(&f->run, sizeof(f->run));
    f->fd = -1;
    f->path = strdup(path);
    int err = f->path ? open_folder(f) : -ENOMEM;
    if (err)
        return err;
    *ret_folder = steal_ptr(f);
    return 0;
}

void media_folder_close(struct media_folder *f)
{
    if (!f)
        return;
    close_fd(&f->fd);
    (void)pthread_mutex_destroy(&f->lock);
    free(f->path);
    free(f);
}

/* Write. */

static int write_file(struct media_folder *f, const char *name,
                      const struct buf *body)
{
    char temporary[64];
    (void)snprintf(temporary, sizeof(temporary), "new-%016" PRIx64 "-%u",
                   f->run, atomic_fetch_add(&f->serial, 1));
    cleanup(close_fd) int fd =
        openat(f->fd, temporary,
               O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int err = file_write_all(fd, buf_str(body), body->len);
    if (!err && renameat(f->fd, temporary, f->fd, name) < 0)
        err = -errno;
    if (err)
        (void)unlinkat(f->fd, temporary, 0);
    return err;
}

int media_folder_write(struct media_folder *f, const char *name,
                       const struct buf *body)
{
    int err = write_file(f, name, body);
    if (err != -ENOENT)
        return err;
    {
        guard_mutex(&f->lock);
        err = open_folder(f);
    }
    return err ? err : write_file(f, name, body);
}

/* Read. */

static int open_whole(const struct media_folder *f, const char *name,
                      int64_t whole_bytes, int *ret_fd)
{
    struct stat st;
    cleanup(close_fd) int fd =
        openat(f->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return errno == ELOOP ? -ENOENT : -errno;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) || st.st_size != whole_bytes)
        return -ENOENT; /* somebody wrote to it */
    *ret_fd = steal_fd(&fd);
    return 0;
}

int media_folder_read(struct media_folder *f, const char *name,
                      int64_t whole_bytes, void *out, size_t size,
                      int64_t offset)
{
    cleanup(close_fd) int fd = -1;
    int err = open_whole(f, name, whole_bytes, &fd);
    for (size_t got = 0; !err && got < size;) {
        ssize_t n =
            pread(fd, (char *)out + got, size - got, offset + (off_t)got);
        if (n > 0)
            got += (size_t)n;
        else if (n == 0)
            err = -ENOENT; /* it was cut meanwhile */
        else if (errno != EINTR)
            err = -EIO;
    }
    return err;
}

/* The whole folder. */

void media_folder_remove(struct media_folder *f, const char *name)
{
    (void)unlinkat(f->fd, name, 0);
}

static int64_t later_ns(const struct timespec *a, const struct timespec *b)
{
    int64_t first = (int64_t)a->tv_sec * NS_PER_S + a->tv_nsec;
    int64_t second = (int64_t)b->tv_sec * NS_PER_S + b->tv_nsec;
    return first > second ? first : second;
}

static int folder_show(struct media_folder *f, const char *name,
                       media_folder_fn *fn, void *ctx)
{
    struct stat st;
    bool wanted = false;
    int err = 0;
    if (fstatat(f->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISREG(st.st_mode))
        err = fn(ctx, name, st.st_size, later_ns(&st.st_atim, &st.st_mtim),
                 &wanted);
    if (!err && !wanted)
        media_folder_remove(f, name);
    return err;
}

int media_folder_each(struct media_folder *f, media_folder_fn *fn, void *ctx)
{
    cleanup(close_fd) int fd =
        openat(f->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    DIR *folder = fdopendir(fd);
    if (!folder)
        return -ENOMEM;
    (void)steal_fd(&fd);
    int err = 0;
    for (struct dirent *d; !err && (d = readdir(folder));)
        if (d->d_name[0] != '.')
            err = folder_show(f, d->d_name, fn, ctx);
    (void)closedir(folder);
    return err;
}
