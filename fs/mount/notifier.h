/* SPDX-License-Identifier: MIT */
/*
 * notifier.h - the process that writes notifications to the kernel.
 *
 * A notification waits, unkillably, for the lock of the directory that it is
 * about, or for a page of the file. A request that is in flight may hold that;
 * the kernel takes the lock before anybody here hears of the request, so no
 * look beforehand can tell. While the daemon lives that ends by its reply. But
 * were it killed then, with the notification on a thread of its own, that
 * thread would keep the device open, the request would never be ended, and both
 * would stay until somebody cuts the connection (umount -f).
 *
 * So it is written by another process, on a descriptor of its own
 * (FUSE_DEV_IOC_CLONE), and the daemon waits for its answer on a socket, where
 * it can be killed. When the daemon dies the kernel ends what it had read. What
 * is in line for the lock behind that comes to a third process, which refuses
 * it until the notification is through. Then both end, and the connection with
 * their descriptor.
 *
 * Where such a process can't be made, or is killed, its work is done here.
 * Threads: start and end by whoever owns the mount, write by one at a time.
 */
#ifndef TWELVEFS_MOUNT_NOTIFIER_H
#define TWELVEFS_MOUNT_NOTIFIER_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

struct notifier {
    int device;  /* the daemon's; borrowed */
    int socket;  /* to the process; -1: there is none */
    int alive;   /* closed, it says that the daemon is gone */
    pid_t child; /* 0: none */
};

#define NOTIFIER_NONE                                                          \
    ((struct notifier){.device = -1, .socket = -1, .alive = -1})

/* Once the kernel has the answer to INIT. `apart`: by another process, which
 * is for mounts where requests that hold a directory wait for the network
 * (rmdir); elsewhere it is done here. */
void notifier_start(struct notifier *n, int device, bool apart);
/* Its processes end. NOTIFIER_NONE is fine. */
void notifier_end(struct notifier *n);

/* What writev of a whole notification to the device would do: 0 or -errno. */
int notifier_write(struct notifier *n, const struct iovec *parts, int count);

#endif
