/* SPDX-License-Identifier: MIT */
/*
 * kernel.h - notifications to the kernel, as they are written to /dev/fuse.
 *
 * libfuse has calls for this, too, but they print the kernel's answers to
 * stderr, and many of those are no failures: a directory whose entries are
 * cached can't be dropped at once (-ENOTEMPTY), and an unknown name can't be
 * forgotten (-ENOENT).
 *
 * Called between the answer to INIT and the end of the session, on the notify
 * thread. Each call may wait in the kernel, so it may be written by another
 * process (notifier.h). Returns 0 or the kernel's negative errno.
 */
#ifndef TWELVEFS_MOUNT_KERNEL_H
#define TWELVEFS_MOUNT_KERNEL_H

#include <stddef.h>
#include <stdint.h>

#include "mount/notifier.h"

/* Forgets attributes, and pages from off on (-1: none). */
int kernel_inval_inode(struct notifier *n, uint64_t ino, int64_t off);

/* Drops what the kernel has under a name; tells whether it had anything. */
int kernel_inval_entry(struct notifier *n, uint64_t parent, const char *name);

/* Makes the kernel look a name up again at its next use. Kernels before 6.2
 * forget the name. */
int kernel_expire_entry(struct notifier *n, uint64_t parent, const char *name);

/* The name was deleted; inotify watches are told. */
int kernel_delete_entry(struct notifier *n, uint64_t parent, uint64_t child,
                        const char *name);

/* Puts bytes into the page cache. Any thread. It waits for a READ that holds
 * a page, so only for files whose READs are answered without waiting. */
int kernel_store(int fd, uint64_t ino, uint64_t off, const void *bytes,
                 uint32_t size);

#endif
