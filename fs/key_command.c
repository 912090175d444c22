/* SPDX-License-Identifier: MIT */
#include "key_command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define KILL_MS 1000 /* a process that hangs in the kernel is left there */

struct run {
    pid_t pid;
    int pid_fd;
    int signal_fd;
    int out_fd; /* non-blocking */
    bool out_ended;
    int64_t deadline_ms;
    char *bytes;
    size_t size, len;
};

static void run_done(struct run *r)
{
    close_fd(&r->pid_fd);
    close_fd(&r->signal_fd);
    close_fd(&r->out_fd);
}

/* The command gets no blocked or ignored signal of ours: it should end as it
 * would anywhere else. */
static int key_command_spawn(const char *command, int out_fd, pid_t *ret_pid)
{
    char *const argv[] = {(char *)"sh", (char *)"-c", (char *)command, NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, pipe_signal;
    (void)sigemptyset(&none);
    (void)sigemptyset(&pipe_signal);
    (void)sigaddset(&pipe_signal, SIGPIPE);
    (void)posix_spawnattr_init(&attributes);
    (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK |
                                                    POSIX_SPAWN_SETSIGDEF);
    (void)posix_spawnattr_setsigmask(&attributes, &none);
    (void)posix_spawnattr_setsigdefault(&attributes, &pipe_signal);
    (void)posix_spawn_file_actions_init(&files);
    int err = posix_spawn_file_actions_adddup2(&files, out_fd, STDOUT_FILENO);
    if (!err)
        err =
            posix_spawn(ret_pid, "/bin/sh", &files, &attributes, argv, environ);
    (void)posix_spawn_file_actions_destroy(&files);
    (void)posix_spawnattr_destroy(&attributes);
    return -err;
}

static int key_command_start(struct run *r, const char *command)
{
    int ends[2];
    sigset_t ending;
    (void)sigemptyset(&ending);
    (void)sigaddset(&ending, SIGTERM);
    (void)sigaddset(&ending, SIGINT);
    r->signal_fd = signalfd(-1, &ending, SFD_CLOEXEC);
    if (r->signal_fd < 0 || pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    r->out_fd = ends[0];
    int err = fcntl(r->out_fd, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
    if (!err)
        err = key_command_spawn(command, ends[1], &r->pid);
    (void)close(ends[1]);
    if (err)
        return err;
    r->pid_fd = pidfd_open(r->pid, 0);
    return r->pid_fd < 0 ? -errno : 0;
}

static void take_output(struct run *r)
{
    ssize_t got = read(r->out_fd, r->bytes + r->len, r->size - r->len);
    if (got > 0)
        r->len += (size_t)got;
    else if (got == 0 || (errno != EAGAIN && errno != EINTR))
        r->out_ended = true;
}

/* Until it has ended and what it printed was read, or there was too much. */
static int key_command_await(struct run *r)
{
    while (r->len < r->size) {
        struct pollfd fds[] = {
            {.fd = r->pid_fd, .events = POLLIN},
            {.fd = r->signal_fd, .events = POLLIN},
            {.fd = r->out_ended ? -1 : r->out_fd, .events = POLLIN},
        };
        int64_t left_ms = r->deadline_ms - clock_mono_ms();
        if (left_ms <= 0)
            return -ETIMEDOUT;
        if (poll(fds, array_count(fds), (int)left_ms) < 0) {
            if (errno != EINTR)
                return -errno;
            continue;
        }
        if (fds[1].revents)
            return -EINTR;
        if (fds[2].revents)
            take_output(r);
        else if (fds[0].revents)
            return 0;
    }
    return 0;
}

/* How it ended, with a hand where it didn't by itself. */
static int key_command_end(const struct run *r)
{
    int status = 0;
    struct pollfd ended = {.fd = r->pid_fd, .events = POLLIN};
    if (poll(&ended, 1, 0) == 0) {
        (void)kill(r->pid, SIGKILL);
        (void)poll(&ended, 1, KILL_MS);
        (void)waitpid(r->pid, &status, WNOHANG);
        return 0;
    }
    (void)waitpid(r->pid, &status, 0);
    return status;
}

int key_command_run(const char *command, int64_t deadline_ms, char *bytes,
                    size_t size, size_t *ret_len, int *ret_status)
{
    cleanup(run_done) struct run r = {
        .pid_fd = -1,
        .signal_fd = -1,
        .out_fd = -1,
        .deadline_ms = deadline_ms,
        .bytes = bytes,
        .size = size,
    };
    int err = key_command_start(&r, command);
    if (!err)
        err = key_command_await(&r);
    int status = r.pid > 0 ? key_command_end(&r) : 0;
    if (err)
        return err;
    *ret_len = r.len;
    *ret_status = status;
    return 0;
}
