/* SPDX-License-Identifier: MIT */
/*
 * directory.h - making private directories, and whether others could put
 * something else in their place. Any thread, but for directory_check, which
 * asks the user and group databases: at the start alone.
 */
#ifndef TWELVEFS_DIRECTORY_H
#define TWELVEFS_DIRECTORY_H

#include <limits.h>

/* With all that is missing on the way, 0700. 0 where it is there already (or
 * something of its name is), else a negative errno. */
int directory_make(const char *path);

struct directory_fault {
    char path[PATH_MAX]; /* the directory or symlink to blame */
    const char *what;    /* "can be written by other users" and the like */
};

/* Whether an absolute path is this user's alone: each directory on the way,
 * itself included, and each symlink there belongs to this user or to root, and
 * no other user can write to the directory, unless it is sticky as /tmp is.
 * What isn't there yet is nobody's fault. 0, -EPERM with the fault, or another
 * errno when it can't be looked at. */
int directory_check(const char *path, struct directory_fault *ret_fault);

#endif
