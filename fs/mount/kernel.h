/* SPDX-License-Identifier: MIT */
/*
 * kernel.h - what is told to the kernel unasked, as it is written to /dev/fuse.
 *
 * libfuse has calls for this, too. But they print to stderr what the kernel
 * answers, and much of that is no failure: a directory whose entries it keeps
 * isn't taken away at once (-ENOTEMPTY), and what it doesn't know it can't
 * forget (-ENOENT).
 *
 * Between the answer to INIT and the end of the session, on the notify thread:
 * each may wait in the kernel, so another process writes it (notifier.h). 0 or
 * the kernel's negative errno.
 */
#ifndef TWELVEFS_MOUNT_KERNEL_H
#define TWELVEFS_MOUNT_KERNEL_H

#include <stddef.h>
#include <stdint.h>

#include "mount/notifier.h"

/* Forgets attributes, and pages from off on (-1: none). */
int kernel_inval_inode(struct notifier *n, uint64_t ino, int64_t off);

/* Forgets what stands under a name, and whether anything does. */
int kernel_inval_entry(struct notifier *n, uint64_t parent, const char *name);

/* Asks again about a name when it is next looked up. Kernels before 6.2 forget
 * it. */
int kernel_expire_entry(struct notifier *n, uint64_t parent, const char *name);

/* The name is gone, and whoever watches it is told. */
int kernel_delete_entry(struct notifier *n, uint64_t parent, uint64_t child,
                        const char *name);

/* Puts bytes into the page cache. Any thread; waits for a READ that holds a
 * page, of files whose READs wait for nothing. */
int kernel_store(int fd, uint64_t ino, uint64_t off, const void *bytes,
                 uint32_t size);

#endif
