/* SPDX-License-Identifier: MIT */
/*
 * fs_errno.h - which errno each FUSE operation can bear.
 *
 * What goes wrong in here comes from the network, the disk and the catalogue,
 * and means there what it may not mean to whoever asked: glibc takes ENOENT
 * from READDIR for the end of the directory, Python takes EAGAIN from READ for
 * the end of the file, the kernel takes ENOSYS for "never ask again" and leaves
 * a request without an answer whose errno it has no number for. So one table
 * says what may leave, and all else leaves as EIO. Pure functions.
 */
#ifndef TWELVEFS_MOUNT_FS_ERRNO_H
#define TWELVEFS_MOUNT_FS_ERRNO_H

/* FUSE's operations, those alike as one. */
enum fs_operation {
    FS_LOOKUP,
    FS_GETATTR,
    FS_READLINK,
    FS_READ,
    FS_READDIR, /* and READDIRPLUS */
    FS_STATFS,
    FS_XATTR,   /* GETXATTR and LISTXATTR */
    FS_CHANGE,  /* SYMLINK, UNLINK, WRITE */
    FS_COMMAND, /* IOCTL */
    FS_OPERATION_COUNT
};

/* That of a FUSE opcode; one that isn't named here can change something. */
enum fs_operation fs_operation(unsigned opcode);

/* The errno, positive, that leaves for a negative one. */
int fs_errno(enum fs_operation operation, int err);

#endif
