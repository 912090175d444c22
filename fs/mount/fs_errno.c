/* SPDX-License-Identifier: MIT */
#include "mount/fs_errno.h"

#include <errno.h>
#include <linux/fuse.h>
#include <stddef.h>

#include "base/cleanup.h"

#define BESIDE_MAX 6

/* Every caller can bear these: they say that it failed, and nothing else. */
static const int anywhere[] = {
    EIO,    EACCES, ENOMEM, EINTR,     ENETUNREACH, EHOSTUNREACH, ETIMEDOUT,
    ENOSPC, ENFILE, EMFILE, ESHUTDOWN, ESTALE,      EPROTO,
};

/* Missing on purpose:
 *  ENOENT    LOOKUP has a reply of its own for an absence that was seen; to
 *            GETATTR, READ and READLINK it is a file that went meanwhile, which
 *            find, tar, rsync and realpath pass over; READDIR's is the end
 *  EAGAIN    in READ: Python takes it for the end, others poll for ever
 *  EINVAL    in READLINK: not a link, says realpath, and is content
 *  EISDIR    in READ: grep passes over it
 *  ENOTCONN  anywhere: the daemon died, say mount tools, and unmount */
static const int beside[FS_OPERATION_COUNT][BESIDE_MAX] = {
    [FS_LOOKUP] = {EAGAIN, ENAMETOOLONG, ENOTDIR},
    [FS_GETATTR] = {EAGAIN, EFBIG},
    [FS_READ] = {EBUSY, EFBIG},
    [FS_READDIR] = {EAGAIN},
    [FS_XATTR] = {ENODATA, EOPNOTSUPP, ERANGE, E2BIG},
    [FS_COMMAND] = {ENOENT, EEXIST, EAGAIN},
    [FS_CHANGE] = {ENOENT, EEXIST, EROFS, EAGAIN, ENAMETOOLONG},
};

enum fs_operation fs_operation(unsigned opcode)
{
    switch (opcode) {
    case FUSE_LOOKUP:
        return FS_LOOKUP;
    case FUSE_GETATTR:
    case FUSE_SETATTR:
        return FS_GETATTR;
    case FUSE_READLINK:
        return FS_READLINK;
    case FUSE_READ:
        return FS_READ;
    case FUSE_READDIR:
    case FUSE_READDIRPLUS:
        return FS_READDIR;
    case FUSE_STATFS:
        return FS_STATFS;
    case FUSE_GETXATTR:
    case FUSE_LISTXATTR:
        return FS_XATTR;
    case FUSE_IOCTL:
        return FS_COMMAND;
    default:
        return FS_CHANGE;
    }
}

int fs_errno(enum fs_operation operation, int err)
{
    int number = -err;
    /* What EAGAIN says (the API's limit, too many that wait), by a word that
     * isn't read as "not yet". */
    if (operation == FS_READ && number == EAGAIN)
        number = EBUSY;
    for (size_t i = 0; i < array_count(anywhere); i++)
        if (anywhere[i] == number)
            return number;
    for (size_t i = 0; i < BESIDE_MAX && beside[operation][i]; i++)
        if (beside[operation][i] == number)
            return number;
    return EIO;
}
