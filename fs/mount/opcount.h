/* SPDX-License-Identifier: MIT */
/*
 * opcount.h - counts the kernel's requests by kind, where they are dispatched,
 * whichever way they came.
 */
#ifndef TWELVEFS_MOUNT_OPCOUNT_H
#define TWELVEFS_MOUNT_OPCOUNT_H

#include <stdatomic.h>
#include <stdint.h>

#define OPCOUNT_KINDS 64

/* By FUSE opcode; [0] is what has no name of its own. */
struct opcount {
    _Atomic uint64_t counts[OPCOUNT_KINDS];
};

/* Any thread. */
void opcount_add(struct opcount *o, unsigned opcode);

/* fn is called for each kind that was asked, with the kernel's name for it in
 * lower case. Any thread. */
typedef int opcount_fn(void *ctx, const char *name, uint64_t count);
int opcount_each(struct opcount *o, opcount_fn *fn, void *ctx);

#endif
