/* SPDX-License-Identifier: MIT */
/*
 * lock.c - one daemon for each directory: an flock(2) on a file beside the
 * database. A letter in it says how the last daemon ended.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "catalogue/catalogue_internal.h"

#define LOCK_FILE "catalogue.lock"

/* fusermount3 returns before the daemon has ended, which has a log to write
 * back. So a new mount right after that waits for it. */
#define PATIENCE_MS        2000
#define PATIENCE_ENDING_MS 10000
#define ASK_AGAIN_MS       10

void lock_note(struct catalogue *c, char word)
{
    if (pwrite(c->lock_fd, &word, 1, 0) != 1)
        log_debug("catalogue: lock file not written: %s", strerror(errno));
}

/* The signals that end the daemon are still blocked here, so they are looked
 * for. */
static bool lock_should_stop(void)
{
    sigset_t pending;

    return sigpending(&pending) == 0 && (sigismember(&pending, SIGTERM) == 1 ||
                                         sigismember(&pending, SIGINT) == 1);
}

static int lock_wait(int fd)
{
    int64_t start_ms = clock_mono_ms();

    while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        char word = LOCK_OPEN;
        if (errno != EWOULDBLOCK)
            return -errno;
        bool ending = pread(fd, &word, 1, 0) == 1 && word == LOCK_ENDING;
        if (clock_mono_ms() - start_ms >
            (ending ? PATIENCE_ENDING_MS : PATIENCE_MS))
            return -EBUSY;
        if (lock_should_stop())
            return -EINTR;
        (void)poll(NULL, 0, ASK_AGAIN_MS);
    }
    return 0;
}

int lock_directory(struct catalogue *c, char *ret_word)
{
    char path[PATH_MAX];
    char word = LOCK_OPEN;

    if (snprintf(path, sizeof(path), "%s/" LOCK_FILE, c->directory) >=
        (int)sizeof(path))
        return -ENAMETOOLONG;
    c->lock_fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (c->lock_fd < 0)
        return -errno;
    int err = lock_wait(c->lock_fd);
    if (err)
        return err;
    ssize_t len = pread(c->lock_fd, &word, 1, 0);
    if (len < 0)
        return -errno;
    *ret_word = word;
    return 0;
}

/* /proc/locks: "1: FLOCK ADVISORY WRITE 1234 08:01:5678 0 EOF". On some file
 * systems the device differs from what stat says, so only the inode is
 * compared. */
pid_t catalogue_holder(const char *directory)
{
    char path[PATH_MAX], line[256];
    struct stat st;
    pid_t holder = 0;

    if (snprintf(path, sizeof(path), "%s/" LOCK_FILE, directory) >=
            (int)sizeof(path) ||
        stat(path, &st) < 0)
        return 0;
    FILE *locks = fopen("/proc/locks", "re");
    while (locks && !holder && fgets(line, sizeof(line), locks)) {
        long pid;
        unsigned long long inode;
        if (sscanf(line, /* NOLINT(cert-err34-c): the kernel's numbers */
                   "%*s FLOCK %*s %*s %ld %*x:%*x:%llu", &pid, &inode) == 2 &&
            pid > 0 && inode == st.st_ino)
            holder = (pid_t)pid;
    }
    if (locks)
        (void)fclose(locks);
    return holder;
}

void catalogue_mark_damaged(struct catalogue *c)
{
    atomic_store(&c->damaged, true);
    lock_note(c, LOCK_DAMAGED);
}
