/* SPDX-License-Identifier: MIT */
#include "mount/fs_errno.h"

#include <errno.h>
#include <linux/fuse.h>
#include <stddef.h>

#include "base/cleanup.h"

#define BESIDE_MAX 12

/* Safe for every operation: programs take these for a failure and for nothing
 * else. */
static const int anywhere[] = {
    EIO,    EACCES, ENOMEM, EINTR,     ENETUNREACH, EHOSTUNREACH, ETIMEDOUT,
    ENOSPC, ENFILE, EMFILE, ESHUTDOWN, ESTALE,      EPROTO,
};

/* Left out on purpose, since some program would misunderstand it:
 *  ENOENT    for GETATTR, READ and READLINK: find, tar, rsync and realpath skip
 *            the file as one that was just deleted. For READDIR it means the
 *            end. (LOOKUP replies an absence in another way.)
 *  EAGAIN    for READ: Python takes it for the end, others retry for ever. For
 *            SETXATTR the kernel makes EOPNOTSUPP of it.
 *  EINVAL    for READLINK: realpath takes it for "not a link", no error
 *  EISDIR    for READ: grep skips the file
 *  ENOTCONN  for any: mount tools think that the daemon died, and unmount
 */
static const int beside[FS_OPERATION_COUNT][BESIDE_MAX] = {
    [FS_LOOKUP] = {EAGAIN, ENAMETOOLONG, ENOTDIR},
    [FS_GETATTR] = {EAGAIN, EFBIG},
    [FS_READ] = {EBUSY, EFBIG},
    [FS_READDIR] = {EAGAIN},
    [FS_XATTR] = {ENODATA, EOPNOTSUPP, ERANGE, E2BIG},
    [FS_COMMAND] = {ENOENT, EEXIST, EAGAIN},
    [FS_CHANGE] = {ENOENT, EEXIST, EROFS, EAGAIN, ENAMETOOLONG, EPERM, EBUSY,
                   EINVAL, EDQUOT},
    [FS_TAG] = {ENOENT, EEXIST, EROFS, EBUSY, ENODATA, EPERM, EINVAL,
                EOPNOTSUPP, ERANGE, E2BIG, EDQUOT},
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
    case FUSE_SETXATTR:
    case FUSE_REMOVEXATTR:
        return FS_TAG;
    case FUSE_IOCTL:
        return FS_COMMAND;
    default:
        return FS_CHANGE;
    }
}

int fs_errno(enum fs_operation operation, int err)
{
    int number = -err;
    /* EAGAIN (the API's limit, too many operations that wait) becomes EBUSY,
     * which no program takes for "not yet". */
    if ((operation == FS_READ || operation == FS_TAG) && number == EAGAIN)
        number = EBUSY;
    for (size_t i = 0; i < array_count(anywhere); i++)
        if (anywhere[i] == number)
            return number;
    for (size_t i = 0; i < BESIDE_MAX && beside[operation][i]; i++)
        if (beside[operation][i] == number)
            return number;
    return EIO;
}
