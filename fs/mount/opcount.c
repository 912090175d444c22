/* SPDX-License-Identifier: MIT */
#include "mount/opcount.h"

#include <linux/fuse.h>
#include <stdbool.h>

/* What a read-mostly file system is asked; the rest counts as "other". */
static const char *const names[OPCOUNT_KINDS] = {
    [0] = "other",
    [FUSE_LOOKUP] = "lookup",
    [FUSE_FORGET] = "forget",
    [FUSE_GETATTR] = "getattr",
    [FUSE_SETATTR] = "setattr",
    [FUSE_READLINK] = "readlink",
    [FUSE_SYMLINK] = "symlink",
    [FUSE_UNLINK] = "unlink",
    [FUSE_OPEN] = "open",
    [FUSE_READ] = "read",
    [FUSE_WRITE] = "write",
    [FUSE_STATFS] = "statfs",
    [FUSE_GETXATTR] = "getxattr",
    [FUSE_LISTXATTR] = "listxattr",
    [FUSE_OPENDIR] = "opendir",
    [FUSE_READDIR] = "readdir",
    [FUSE_READDIRPLUS] = "readdirplus",
    [FUSE_IOCTL] = "ioctl",
    [FUSE_INTERRUPT] = "interrupt",
    [FUSE_BATCH_FORGET] = "batch_forget",
};

void opcount_add(struct opcount *o, unsigned opcode)
{
    bool named = opcode < OPCOUNT_KINDS && names[opcode];
    (void)atomic_fetch_add_explicit(&o->counts[named ? opcode : 0], 1,
                                    memory_order_relaxed);
}

int opcount_each(struct opcount *o, opcount_fn *fn, void *ctx)
{
    int err = 0;
    for (unsigned i = 0; !err && i < OPCOUNT_KINDS; i++)
        if (o->counts[i])
            err = fn(ctx, names[i], o->counts[i]);
    return err;
}
