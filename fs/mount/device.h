/* SPDX-License-Identifier: MIT */
/*
 * device.h - how serving threads read /dev/fuse: which of them waits, and how.
 *
 * A thread that has served a request spins a moment before it sleeps, since a
 * program that sends one request after another sends the next within
 * microseconds. Only one thread receives: if both slept on the device, each
 * request would wake both, and take a processor from the program that sent it.
 * The other thread, the follower, sleeps elsewhere. It steps in when the
 * receiver finds more than one request, or hasn't come back from a request for
 * FOLLOW_TICK_MS to 2 * FOLLOW_TICK_MS (a long read, a store that waits for a
 * page). While requests come the follower checks every tick; after
 * FOLLOW_QUIET ticks without one it sleeps until it is called.
 *
 * libfuse could read the device, too, but only in its own loop. What is read
 * here is passed to fuse_session_process_buf.
 */
#ifndef TWELVEFS_MOUNT_DEVICE_H
#define TWELVEFS_MOUNT_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct device;
struct fuse_session;

/* The most that a WRITE brings, and so a READ may ask for: what the kernel's
 * readahead asks for by default. Buffers hold that and its header. */
#define DEVICE_WRITE_BYTES  131072
#define DEVICE_BUFFER_BYTES (DEVICE_WRITE_BYTES + 4096)

/* has_work: whether a thread that would sleep should look around instead. */
int device_new(bool (*has_work)(void *ctx), void *ctx,
               struct device **ret_device);
/* NULL is fine. */
void device_free(struct device *d);

/* There is work. Any thread. */
void device_wake(struct device *d);

/* Every thread returns from device_receive, from now on. Any thread. */
void device_leave(struct device *d);
bool device_is_leaving(const struct device *d);

/* The next request's length; the descriptor is non-blocking. 0 when the thread
 * should look around, -ENODEV when the mount is gone, another -errno when the
 * device is broken. */
ssize_t device_receive(struct device *d, int fd, void *bytes, size_t size);

/* libfuse before 3.17.1 never answers FUSE_PARALLEL_DIROPS, and then one slow
 * LOOKUP blocks all others in its directory, within the kernel. With such a
 * libfuse its answer to INIT is corrected before it is sent. Call this after
 * fuse_session_mount, before INIT is read. Some builds of libfuse refuse that
 * at run time: returns whether it will be done. */
bool device_mend_init(struct device *d, struct fuse_session *session);

#endif
