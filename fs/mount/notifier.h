/* SPDX-License-Identifier: MIT */
/*
 * notifier.h - the process that writes notifications to the kernel.
 *
 * A notification waits for the lock of the directory that it is about, or for
 * a page of the file, and can't be killed meanwhile. A request that is being
 * served may hold that lock; the kernel takes it before the daemon hears of
 * the request, so checking beforehand can't help. While the daemon lives its
 * reply ends the wait. But if the daemon were killed while one of its threads
 * writes a notification, that thread would keep the device open, the request
 * would never be ended, and both would hang until somebody cuts the connection
 * (umount -f).
 *
 * So another process writes it, on a descriptor of its own
 * (FUSE_DEV_IOC_CLONE), and the daemon waits for the result on a socket, where
 * it can be killed. When the daemon dies the kernel ends the requests that the
 * daemon had read. Requests that wait for the lock behind those go to a third
 * process, which refuses them until the notification is done. Then both
 * processes end, and with their descriptors the connection.
 *
 * If such a process can't be started, or is killed, the daemon does its work.
 * If it is stopped it is continued after a second. They are this program begun
 * anew (notifier_main), with nothing of the daemon's memory.
 * Threads: start and end by whoever owns the mount, write by one at a time.
 */
#ifndef TWELVEFS_MOUNT_NOTIFIER_H
#define TWELVEFS_MOUNT_NOTIFIER_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

#define NOTIFIER_NAME "twelvefs-notify" /* the argument 0 of its processes */

struct notifier {
    int device;  /* the daemon's; borrowed */
    int socket;  /* to the process; -1: there is none */
    int alive;   /* closed, it says that the daemon is gone */
    pid_t child; /* 0: none */
};

#define NOTIFIER_NONE                                                          \
    ((struct notifier){.device = -1, .socket = -1, .alive = -1})

/* Call once the kernel has the answer to INIT. `apart`: another process
 * writes. That is for mounts where a request that holds a directory's lock
 * waits for the network (rmdir); otherwise the daemon writes. */
void notifier_start(struct notifier *n, int device, bool apart);
/* What its processes do; main calls it. */
void notifier_main(void);
/* Its processes end, within seconds. NOTIFIER_NONE is fine. */
void notifier_end(struct notifier *n);

/* What writev of a whole notification to the device would do: 0 or -errno. */
int notifier_write(struct notifier *n, const struct iovec *parts, int count);

#endif
