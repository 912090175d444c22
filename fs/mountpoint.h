/* SPDX-License-Identifier: MIT */
/*
 * mountpoint.h - whether a directory can take the mount.
 */
#ifndef TWELVEFS_MOUNTPOINT_H
#define TWELVEFS_MOUNTPOINT_H

#include <stdbool.h>

#include "base/buf.h"
#include "options.h"

/* Replaces path by the one name that the kernel lists a mount there by: no
 * symlinks, no trailing slash. Also where a dead mount stands; where nothing
 * stands it is left as it is, for mountpoint_check to say so. 0, -ENOMEM. */
int mountpoint_resolve(char **path);

/* Checks that path, resolved, is an empty directory. A twelvefs whose daemon
 * died is still mounted there ("Transport endpoint is not connected"): it is
 * taken away first, with a log line. EXIT_MOUNTED, or EXIT_MOUNT_POINT and a
 * line. */
enum exit_status mountpoint_check(const char *path, struct buf *error);

/* Whether path is "/dev/fd/N": a mount that somebody with more rights has made
 * (mount.fuse3 -o drop_privileges) and whose /dev/fuse is our descriptor N.
 * There is nothing to resolve or to check then. */
bool mountpoint_is_descriptor(const char *path);

/* Changes the kernel's flags (ro, rw, noatime) of a mount of ours:
 * mount -o remount. Root's alone. */
enum exit_status mountpoint_remount(struct options *o, struct buf *error);

/* Whether a directory that may not be there yet would stand below a mount on
 * path, resolved and empty: hidden from us, or had from ourselves. */
bool mountpoint_would_hide(const char *path, const char *directory);

/* Unmounts what is dead, at once, whoever still looks into it. 0 or -errno. */
int mountpoint_take_away(const char *path);

#endif
