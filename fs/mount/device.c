/* SPDX-License-Identifier: MIT */
#include "mount/device.h"

#include <errno.h>
#include <linux/fuse.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "mount/mount.h"

#define SPIN_NS        50000
#define FOLLOW_TICK_MS 2
#define FOLLOW_QUIET   10
#define NS_PER_S       INT64_C(1000000000)

struct device {
    pthread_mutex_t lock; /* guards `called`, and the follower's sleep */
    pthread_cond_t call;
    bool called;
    _Atomic bool asleep;    /* the follower, until it is called */
    _Atomic bool receiving; /* a thread spins or sleeps on the device */
    _Atomic uint64_t taken; /* requests */
    _Atomic bool leaving;
    int wake_fd;
    bool may_spin; /* there is more than one processor */
    bool (*has_work)(void *ctx);
    void *ctx;

    bool mends_init;
    uint64_t init_unique; /* until it is answered */
    uint32_t init_flags;  /* what the kernel offered */
};

int device_new(bool (*has_work)(void *ctx), void *ctx,
               struct device **ret_device)
{
    struct device *d = calloc(1, sizeof(*d));
    if (!d)
        return -ENOMEM;
    d->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (d->wake_fd < 0) {
        int err = -errno;
        free(d);
        return err;
    }
    clock_cond_init(&d->call);
    (void)pthread_mutex_init(&d->lock, NULL);
    d->may_spin = sysconf(_SC_NPROCESSORS_ONLN) > 1;
    d->has_work = has_work;
    d->ctx = ctx;
    *ret_device = d;
    return 0;
}

void device_free(struct device *d)
{
    if (!d)
        return;
    (void)close(d->wake_fd);
    (void)pthread_cond_destroy(&d->call);
    (void)pthread_mutex_destroy(&d->lock);
    free(d);
}

void device_wake(struct device *d)
{
    uint64_t one = 1;
    ssize_t written = write(d->wake_fd, &one, sizeof(one));
    (void)written; /* a full counter wakes as well */
}

static void device_call_follower(struct device *d)
{
    guard_mutex(&d->lock);
    d->called = true;
    (void)pthread_cond_broadcast(&d->call);
}

void device_leave(struct device *d)
{
    d->leaving = true;
    device_wake(d);
    device_call_follower(d);
}

bool device_is_leaving(const struct device *d)
{
    return d->leaving;
}

static bool device_must_look(const struct device *d)
{
    return d->leaving || d->has_work(d->ctx);
}

static int64_t device_now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * NS_PER_S + t.tv_nsec;
}

/* The next tick is over: true when the receiver is still at the request that
 * it was at before. */
static bool device_tick(struct device *d, uint64_t *seen, int *quiet)
{
    if (clock_cond_wait(&d->call, &d->lock, clock_mono_ms() + FOLLOW_TICK_MS))
        return false;
    uint64_t taken = d->taken;
    bool moved = taken != *seen;
    *seen = taken;
    *quiet = moved ? 0 : *quiet + 1;
    return !moved && !d->receiving;
}

/* Sleeps while another thread receives. */
static void device_follow(struct device *d)
{
    int quiet = 0;
    guard_mutex(&d->lock);
    uint64_t seen = d->taken;
    while (!d->called && !device_must_look(d)) {
        if (quiet < FOLLOW_QUIET) {
            if (device_tick(d, &seen, &quiet))
                break;
            continue;
        }
        /* The receiver counts first and then looks whether we sleep. */
        d->asleep = true;
        if (d->taken == seen)
            (void)pthread_cond_wait(&d->call, &d->lock);
        d->asleep = false;
        quiet = 0;
    }
    d->called = false;
}

/* A moment of spinning is cheaper than to sleep and be woken. */
static ssize_t device_spin(struct device *d, int fd, void *bytes, size_t size)
{
    ssize_t got = -1;
    errno = EAGAIN;
    if (!d->may_spin)
        return got;
    int64_t until_ns = device_now_ns() + SPIN_NS;
    do
        got = read(fd, bytes, size);
    while (got < 0 && errno == EAGAIN && !device_must_look(d) &&
           device_now_ns() < until_ns);
    return got;
}

/* Until there may be a request, or work. */
static void device_sleep(struct device *d, int fd)
{
    struct pollfd fds[] = {{.fd = fd, .events = POLLIN},
                           {.fd = d->wake_fd, .events = POLLIN}};
    if (poll(fds, 2, -1) < 0)
        return;
    /* Before the look, or the next signal could be lost. */
    uint64_t count;
    if (fds[1].revents && read(d->wake_fd, &count, sizeof(count)) < 0)
        return;
}

/* INIT comes first and alone: one thread is there to read and answer it. */
static void device_note_init(struct device *d, const void *bytes, ssize_t len)
{
    const struct fuse_in_header *head = bytes;
    if (len < (ssize_t)(sizeof(*head) + sizeof(struct fuse_init_in)) ||
        head->opcode != FUSE_INIT)
        return;
    const struct fuse_init_in *in = (const void *)(head + 1);
    d->init_flags = in->flags;
    d->init_unique = head->unique;
}

/* A request was taken: the follower must know that there are some, and help
 * where there are more. */
static void device_note_taken(struct device *d, int fd, const void *bytes,
                              ssize_t len)
{
    d->taken++;
    if (d->mends_init)
        device_note_init(d, bytes, len);
    struct pollfd more = {.fd = fd, .events = POLLIN};
    if (d->asleep || poll(&more, 1, 0) > 0)
        device_call_follower(d);
}

/* The reader's part; another thread that comes meanwhile follows. */
static ssize_t device_wait(struct device *d, int fd, void *bytes, size_t size)
{
    if (atomic_exchange(&d->receiving, true)) {
        device_follow(d);
        errno = EAGAIN;
        return -1;
    }
    ssize_t got = device_spin(d, fd, bytes, size);
    int err = errno;
    if (got < 0 && err == EAGAIN)
        device_sleep(d, fd);
    d->receiving = false;
    errno = err;
    return got;
}

ssize_t device_receive(struct device *d, int fd, void *bytes, size_t size)
{
    while (!device_must_look(d)) {
        ssize_t got = read(fd, bytes, size);
        if (got < 0 && errno == EAGAIN)
            got = device_wait(d, fd, bytes, size);
        if (got > 0) {
            device_note_taken(d, fd, bytes, got);
            return got;
        }
        if (got == 0)
            return -ENODEV;
        /* ENOENT: whoever asked was interrupted before it was read. */
        if (errno != EAGAIN && errno != EINTR && errno != ENOENT)
            return -errno;
    }
    return 0;
}

#if TWELVEFS_FUSE_MENDS_INIT
static void device_mend_answer(struct device *d, const struct iovec *iov,
                               int count)
{
    const struct fuse_out_header *head = iov[0].iov_base;
    if (head->unique != d->init_unique || head->error || count < 2 ||
        iov[1].iov_len < FUSE_COMPAT_22_INIT_OUT_SIZE)
        return;
    struct fuse_init_out *out = iov[1].iov_base;
    out->flags |= d->init_flags & FUSE_PARALLEL_DIROPS;
    d->mends_init = false;
}

static ssize_t device_writev(int fd, struct iovec *iov, int count, void *mount)
{
    struct device *d = ((struct mount *)mount)->device;
    if (d->mends_init && iov[0].iov_len == sizeof(struct fuse_out_header))
        device_mend_answer(d, iov, count);
    return writev(fd, iov, count);
}

/* libfuse wants one; nobody calls it. */
static ssize_t device_read(int fd, void *bytes, size_t size, void *mount)
{
    (void)mount;
    return read(fd, bytes, size);
}

bool device_mend_init(struct device *d, struct fuse_session *session)
{
    static const struct fuse_custom_io io = {.writev = device_writev,
                                             .read = device_read};
    d->mends_init =
        fuse_session_custom_io(session, &io, fuse_session_fd(session)) == 0;
    return d->mends_init;
}
#else
bool device_mend_init(struct device *d, struct fuse_session *session)
{
    (void)d;
    (void)session;
    return false;
}
#endif
