/*
 * device.h - how serving threads read /dev/fuse: who waits, and how.
 *
 * A thread that has served a request spins a moment before it sleeps, since
 * whoever asks one thing after another asks again within microseconds. And one
 * thread alone receives: were both asleep on the device, each request would
 * wake both, on processors that the asker needs. The other follows: it sleeps
 * apart, and steps in when the first finds more requests than one, or hasn't
 * come back from one for FOLLOW_TICK_MS to 2 * FOLLOW_TICK_MS (a long read, a
 * store that waits for a page). While requests come it looks every tick;
 * after FOLLOW_QUIET ticks without one it sleeps until called.
 *
 * device_read and device_writev are a struct fuse_custom_io's; their userdata
 * is the struct mount.
 */
#ifndef TWELVEFS_MOUNT_DEVICE_H
#define TWELVEFS_MOUNT_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct device;
struct iovec;

/* has_work: whether a thread that would sleep should look around instead. */
int device_new(bool (*has_work)(void *ctx), void *ctx,
               struct device **ret_device);
/* NULL is fine. */
void device_free(struct device *d);

/* There is work. Any thread. */
void device_wake(struct device *d);

/* Every thread returns from device_read, from now on. Any thread. */
void device_leave(struct device *d);
bool device_is_leaving(const struct device *d);

/* Requests taken so far, by kind: fn is called for each kind that was, with the
 * kernel's name for it in lower case. Any thread. */
typedef int device_count_fn(void *ctx, const char *name, uint64_t count);
int device_each_count(struct device *d, device_count_fn *fn, void *ctx);

/* The next request; the descriptor is non-blocking. -1 with EINTR when the
 * thread should look around. */
ssize_t device_read(int fd, void *bytes, size_t size, void *mount);
ssize_t device_writev(int fd, struct iovec *iov, int count, void *mount);

#endif
