/* SPDX-License-Identifier: MIT */
#include "upload/source.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

#define READ_BYTES 65536
#define NS_PER_S   INT64_C(1000000000)

static int64_t ns_of(const struct timespec *t)
{
    return (int64_t)t->tv_sec * NS_PER_S + t->tv_nsec;
}

void source_identify(const struct stat *st, struct source_identity *ret)
{
    *ret = (struct source_identity){
        .inode = st->st_ino,
        .size_bytes = st->st_size,
        .mtime_ns = ns_of(&st->st_mtim),
        .ctime_ns = ns_of(&st->st_ctim),
    };
}

bool source_same(const struct source_identity *a,
                 const struct source_identity *b)
{
    return a->inode == b->inode && a->size_bytes == b->size_bytes &&
           a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns;
}

int source_open(int directory_fd, const char *path,
                const struct source_identity *expected,
                struct source **ret_source)
{
    struct stat st;
    cleanup(close_fd) int fd =
        openat(directory_fd, path,
               O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EINVAL;
    cleanup(free_ptr) struct source *s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    source_identify(&st, &s->identity);
    if (expected && !source_same(&s->identity, expected))
        return -ESTALE;
    s->fd = steal_fd(&fd);
    s->references = 1;
    *ret_source = steal_ptr(s);
    return 0;
}

struct source *source_ref(struct source *s)
{
    s->references++;
    return s;
}

void source_unref(struct source *s)
{
    if (!s || --s->references > 0)
        return;
    (void)close(s->fd);
    free(s);
}

int source_check(void *source)
{
    const struct source *s = source;
    struct source_identity now;
    struct stat st;
    if (fstat(s->fd, &st) < 0)
        return -ESTALE;
    source_identify(&st, &now);
    return source_same(&now, &s->identity) ? 0 : -ESTALE;
}

/* ---- writers ---- */

/* A descriptor that may write, by the octal "flags:" of its fdinfo. */
static bool may_write(int process_fd, const char *number)
{
    char path[64], text[256];
    if (snprintf(path, sizeof(path), "fdinfo/%.20s", number) < 0)
        return false;
    cleanup(close_fd) int fd = openat(process_fd, path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (len <= 0)
        return false;
    text[len] = '\0';
    const char *flags = strstr(text, "flags:");
    if (!flags)
        return false;
    return (strtoul(flags + strlen("flags:"), NULL, 8) & O_ACCMODE) != O_RDONLY;
}

static void source_close_directory(DIR **directory)
{
    if (*directory)
        (void)closedir(*directory);
}

static bool process_writes(int proc_fd, const char *process,
                           const struct stat *file)
{
    struct stat st;
    struct dirent *entry;
    cleanup(close_fd) int process_fd =
        openat(proc_fd, process, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fds = process_fd < 0 ? -1
                             : openat(process_fd, "fd",
                                      O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cleanup(source_close_directory) DIR *directory =
        fds < 0 ? NULL : fdopendir(fds);
    if (!directory)
        return false;
    while ((entry = readdir(directory)))
        if (fstatat(fds, entry->d_name, &st, 0) == 0 &&
            st.st_ino == file->st_ino && st.st_dev == file->st_dev &&
            may_write(process_fd, entry->d_name))
            return true;
    return false;
}

static bool proc_shows_writer(int fd)
{
    struct stat file;
    struct dirent *entry;
    cleanup(source_close_directory) DIR *proc = opendir("/proc");
    if (!proc || fstat(fd, &file) < 0)
        return false;
    while ((entry = readdir(proc)))
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
            process_writes(dirfd(proc), entry->d_name, &file))
            return true;
    return false;
}

/* The kernel grants a read lease only where nobody has the file open for
 * writing. Who opens it while we have one would wait for us, and we be told
 * by a signal: it is given back at once, and the signal is one that is ignored
 * by default. */
bool source_is_written(const struct source *s)
{
    if (fcntl(s->fd, F_SETSIG, SIGURG) < 0)
        return proc_shows_writer(s->fd);
    if (fcntl(s->fd, F_SETLEASE, F_RDLCK) < 0)
        return errno == EAGAIN || proc_shows_writer(s->fd);
    (void)fcntl(s->fd, F_SETLEASE, F_UNLCK);
    return false;
}

int64_t source_digest(const struct source *s, struct digest *d, int64_t offset,
                      int64_t most)
{
    char bytes[READ_BYTES];
    int64_t done = 0;
    if (most > s->identity.size_bytes - offset)
        most = s->identity.size_bytes - offset;
    while (done < most) {
        int64_t left = most - done;
        size_t room = left < READ_BYTES ? (size_t)left : READ_BYTES;
        ssize_t count = pread(s->fd, bytes, room, offset + done);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return count < 0 ? -errno : -ESTALE;
        int err = digest_feed(d, bytes, (size_t)count);
        if (err)
            return err;
        done += count;
    }
    return done;
}
