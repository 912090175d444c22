/* SPDX-License-Identifier: MIT */
/*
 * fs_errno.h - which errno each FUSE operation may return.
 *
 * An errno of the network, the disk or the catalogue may mean something else
 * to the program that made the system call: glibc takes ENOENT from READDIR
 * for the end of the directory, Python takes EAGAIN from READ for the end of
 * the file, the kernel takes ENOSYS for "never ask again", and it drops a
 * reply whose errno it has no number for. So one table says which errnos each
 * operation may return; every other one becomes EIO. Pure functions.
 */
#ifndef TWELVEFS_MOUNT_FS_ERRNO_H
#define TWELVEFS_MOUNT_FS_ERRNO_H

/* FUSE's operations; those that are alike are one. */
enum fs_operation {
    FS_LOOKUP,
    FS_GETATTR,
    FS_READLINK,
    FS_READ,
    FS_READDIR, /* and READDIRPLUS */
    FS_STATFS,
    FS_XATTR,   /* GETXATTR and LISTXATTR */
    FS_CHANGE,  /* SYMLINK, UNLINK, RMDIR, WRITE */
    FS_TAG,     /* SETXATTR, REMOVEXATTR */
    FS_COMMAND, /* IOCTL */
    FS_OPERATION_COUNT
};

/* The operation of a FUSE opcode. An opcode that isn't named counts as one
 * that changes something. */
enum fs_operation fs_operation(unsigned opcode);

/* The positive errno to reply for a negative one. */
int fs_errno(enum fs_operation operation, int err);

#endif
