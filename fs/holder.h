/* SPDX-License-Identifier: MIT */
/*
 * holder.h - who uses a cache, and where its mount stands.
 *
 * The daemon leaves a note beside its cache once it is mounted: the device of
 * its file system and the mount point. A mount that was taken away may live on
 * as a copy in another mount namespace (a container, a unit of systemd with
 * PrivateTmp=), which keeps the daemon, and nobody sees why. Whoever finds the
 * cache in use looks for it by that device in /proc.
 */
#ifndef TWELVEFS_HOLDER_H
#define TWELVEFS_HOLDER_H

#include "base/buf.h"

/* Once the mount stands. What can't be noted is told less precisely. */
void holder_note(const char *directory, const char *mountpoint);
/* Before the cache is given up. */
void holder_forget(const char *directory);

/* The line for whoever may not use it, and wanted to mount there: who has it,
 * why there can't be two, and the commands that do instead. Appends. */
void holder_explain(const char *directory, const char *mountpoint,
                    struct buf *line);

#endif
