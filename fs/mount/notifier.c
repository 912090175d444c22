/* SPDX-License-Identifier: MIT */
#include "mount/notifier.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "mount/device.h"

#define DEVICE_PATH        "/dev/fuse"
#define NOTIFICATION_BYTES 4096 /* a name and its header */
#define STOPPED_MS         1000 /* without an answer: it may be stopped */
#define ENDING_MS          2000 /* then it is killed */

/* The children's descriptors. */
enum {
    CHILD_DEVICE,
    CHILD_SOCKET, /* the writer's */
    CHILD_ALIVE,  /* the other child's: the daemon's end closes when it dies */
    CHILD_FIRST_FREE
};

/* ---- the process that writes ---- */

static void notifier_serve(void)
{
    char bytes[NOTIFICATION_BYTES];
    for (;;) {
        ssize_t size = recv(CHILD_SOCKET, bytes, sizeof(bytes), 0);
        if (size <= 0)
            return;
        int32_t err = 0;
        if (write(CHILD_DEVICE, bytes, (size_t)size) < 0)
            err = -errno;
        (void)send(CHILD_SOCKET, &err, sizeof(err), MSG_NOSIGNAL);
    }
}

/* ---- the process that refuses what a dead daemon can't answer ---- */

static bool has_reply(uint32_t opcode)
{
    return opcode != FUSE_FORGET && opcode != FUSE_BATCH_FORGET &&
           opcode != FUSE_INTERRUPT;
}

/* False: the connection has ended. */
static bool refuse_next(void)
{
    static char bytes[DEVICE_BUFFER_BYTES];
    struct fuse_in_header head;
    ssize_t size = read(CHILD_DEVICE, bytes, sizeof(bytes));
    if (size < (ssize_t)sizeof(head))
        return size >= 0 || errno == EINTR || errno == EAGAIN ||
               errno == ENOENT;
    memcpy(&head, bytes, sizeof(head));
    const struct fuse_out_header out = {
        .len = sizeof(out), .error = -ENOTCONN, .unique = head.unique};
    if (has_reply(head.opcode))
        (void)!write(CHILD_DEVICE, &out, sizeof(out));
    return true;
}

/* Until the writer's end of a pipe is closed. */
static void refuse_all(int writer)
{
    struct pollfd fds[] = {{.fd = writer},
                           {.fd = CHILD_DEVICE, .events = POLLIN}};
    while (!fds[0].revents) {
        if (poll(fds, array_count(fds), -1) < 0 && errno != EINTR)
            return;
        if (fds[1].revents && !refuse_next())
            fds[1].fd = -1;
    }
}

/* True: the daemon died while the writer lives, which may be waiting. At an
 * orderly end the writer ends first. */
static bool await_death(int writer)
{
    struct pollfd fds[] = {{.fd = writer}, {.fd = CHILD_ALIVE}};
    while (poll(fds, array_count(fds), -1) < 0)
        if (errno != EINTR)
            return false;
    return !fds[0].revents;
}

/* Closes all other descriptors; these may have any numbers. */
static bool keep_only(int device, int socket, int alive)
{
    const int from[] = {device, socket, alive};
    int above[array_count(from)];
    for (size_t i = 0; i < array_count(from); i++) {
        above[i] = fcntl(from[i], F_DUPFD_CLOEXEC, CHILD_FIRST_FREE);
        if (above[i] < 0)
            return false;
    }
    for (size_t i = 0; i < array_count(from); i++)
        if (dup2(above[i], (int)i) < 0)
            return false;
    return close_range(CHILD_FIRST_FREE, ~0U, 0) == 0;
}

/* The second process makes the third. */
void notifier_main(void)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return;
    (void)prctl(PR_SET_NAME, NOTIFIER_NAME);
    pid_t writer = fork();
    if (writer == 0) {
        (void)close(CHILD_ALIVE);
        (void)close(ends[0]);
        notifier_serve();
        _exit(0);
    }
    (void)close(CHILD_SOCKET);
    (void)close(ends[1]);
    if (writer < 0)
        return;
    if (await_death(ends[0]))
        refuse_all(ends[0]);
}

/* In a copy of the daemon, which had threads: only async-signal-safe calls.
 * The program begins anew, so that neither the API key nor anything else of
 * the daemon's memory and environment stays in a process that never changes.
 * A group of its own can be continued or killed as one. */
static void run_child(int device, int socket, int alive)
{
    char *const arguments[] = {NOTIFIER_NAME, NULL}, *const environment[] = {
                                                         NULL};
    (void)setpgid(0, 0);
    if (keep_only(device, socket, alive))
        (void)execve("/proc/self/exe", arguments, environment);
}

/* ---- the daemon's side ---- */

static int clone_device(int device)
{
    cleanup(close_fd) int fd =
        open(DEVICE_PATH, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    uint32_t from = (uint32_t)device;
    if (fd < 0 || ioctl(fd, FUSE_DEV_IOC_CLONE, &from) < 0)
        return -errno;
    return steal_fd(&fd);
}

/* Signals to the daemon's group don't concern it: it ends when the daemon
 * does. */
static pid_t fork_deaf(int device, int socket, int alive)
{
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t child = fork();
    if (child == 0) {
        run_child(device, socket, alive);
        _exit(0);
    }
    int err = errno;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = err;
    return child;
}

static int notifier_fork(struct notifier *n)
{
    int sockets[2], ends[2];
    cleanup(close_fd) int device = clone_device(n->device);
    if (device < 0)
        return device;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
        return -errno;
    n->socket = sockets[0];
    cleanup(close_fd) int child_socket = sockets[1];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    n->alive = ends[1];
    cleanup(close_fd) int child_alive = ends[0];
    pid_t child = fork_deaf(device, child_socket, child_alive);
    if (child < 0)
        return -errno;
    (void)setpgid(child, child); /* whoever comes first */
    n->child = child;
    return 0;
}

void notifier_start(struct notifier *n, int device, bool apart)
{
    *n = NOTIFIER_NONE;
    n->device = device;
    int err = apart ? notifier_fork(n) : 0;
    if (!err)
        return;
    log_warning("no process of its own tells the kernel of changes: %s",
                strerror(-err));
    notifier_end(n);
}

/* The pipe has no reader any more. */
static bool has_ended(const struct notifier *n, int wait_ms)
{
    struct pollfd alive = {.fd = n->alive};
    return poll(&alive, 1, wait_ms) > 0;
}

void notifier_end(struct notifier *n)
{
    close_fd(&n->socket);
    if (n->child > 0) {
        (void)kill(-n->child, SIGCONT);
        if (!has_ended(n, ENDING_MS))
            (void)kill(-n->child, SIGKILL);
        while (waitpid(n->child, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    close_fd(&n->alive);
    n->socket = n->alive = -1;
    n->child = 0;
}

/* It may rightly wait for a lock for as long as a request lasts. But if
 * somebody stopped it, it goes on. */
static bool notifier_await(const struct notifier *n)
{
    struct pollfd answer = {.fd = n->socket, .events = POLLIN};
    int ready;
    while ((ready = poll(&answer, 1, STOPPED_MS)) <= 0) {
        if (ready < 0 && errno != EINTR)
            return false;
        if (ready == 0)
            (void)kill(-n->child, SIGCONT);
    }
    return true;
}

static bool notifier_ask(const struct notifier *n, const struct iovec *parts,
                         int count, int32_t *ret_err)
{
    const struct msghdr message = {.msg_iov = (struct iovec *)parts,
                                   .msg_iovlen = (size_t)count};
    ssize_t size;
    while ((size = sendmsg(n->socket, &message, MSG_NOSIGNAL)) < 0 &&
           errno == EINTR)
        ;
    if (size < 0 || !notifier_await(n))
        return false;
    while ((size = recv(n->socket, ret_err, sizeof(*ret_err), 0)) < 0 &&
           errno == EINTR)
        ;
    return size == (ssize_t)sizeof(*ret_err);
}

int notifier_write(struct notifier *n, const struct iovec *parts, int count)
{
    int32_t err;
    if (n->child > 0) {
        if (!has_ended(n, 0) && notifier_ask(n, parts, count, &err))
            return err;
        log_warning("the process that tells the kernel of changes has ended");
        notifier_end(n);
    }
    return writev(n->device, parts, count) < 0 ? -errno : 0;
}
