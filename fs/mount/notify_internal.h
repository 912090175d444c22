/* SPDX-License-Identifier: MIT */
/*
 * notify_internal.h - what notify.c (the queue, its thread, the kernel) and
 * notify_commit.c (what a commit means in the tree) share. notify_add and
 * notify_add_directory are called between notify_begin and notify_end.
 */
#ifndef TWELVEFS_MOUNT_NOTIFY_INTERNAL_H
#define TWELVEFS_MOUNT_NOTIFY_INTERNAL_H

#include "mount/notify.h"

enum item_kind {
    ITEM_ENTRY,
    ITEM_EXPIRE,
    ITEM_DELETE,
    ITEM_PAGES,
    ITEM_LISTING
};

/* Queues one thing to tell: ino is the inode, or the directory; child
 * DELETE's; name ENTRY's, EXPIRE's and DELETE's. What can't be queued makes all
 * of it coarse. */
void notify_add(struct notify *n, enum item_kind kind, uint64_t ino,
                uint64_t child, const char *name);
/* The attributes of a fixed view's directory, or of all query directories. */
void notify_add_directory(struct notify *n, uint32_t view);

/* Takes the lock; false where nothing runs, and then it isn't held. */
bool notify_begin(struct notify *n);
/* Wakes the thread and lets the lock go. */
void notify_end(struct notify *n);
struct view_table *notify_views_of(const struct notify *n);

#endif
