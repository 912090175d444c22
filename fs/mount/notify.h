/* SPDX-License-Identifier: MIT */
/*
 * notify.h - tells the kernel what a commit changed.
 *
 * Only one thread does it: a notification waits for kernel locks that the
 * request being served may hold, so no serving thread may send one. Callers
 * only queue. The queue is bounded: when it would overflow, whole directories
 * are dropped instead.
 *
 * A notification about a name waits for the lock of its directory. A request
 * that is parked in that directory holds the lock, and whoever comes after the
 * notification then waits as well. So it is postponed while there is such a
 * request. A request that is parked at that very moment may still be met; then
 * the process that waits is one that nobody else waits for (notifier.h).
 *
 * What it tells (row: the asset; TYPE: its type's directory):
 *   added    TYPE's name, if the kernel may hold its absence; TYPE's attributes
 *   removed  TYPE's name as deleted; TYPE's attributes; the files
 *   moved    the name there dropped, and added here: it may move back
 *   changed  the files' pages; in the folder and in .media/<id> the names that
 *            came or went, and the listing
 *   renewed  the files' pages
 * and likewise for its names in .id and .media. Query directories validate
 * themselves within `refresh`. On top of that their attributes are dropped
 * after each commit, and the names that it touched expire in them, where that
 * isn't too much: whoever asked for a poll sees what it brought.
 *
 * Of a directory the attributes are dropped, but not the pages: its new mtime
 * makes the kernel read the listing again for the next reader. If the pages
 * were dropped, a listing that a reader left unfinished could neither be
 * completed nor begun again, and the directory would not be cached again while
 * it is known. The price: a reader that begins before another has completed
 * such a listing may see a name that was removed between.
 */
#ifndef TWELVEFS_MOUNT_NOTIFY_H
#define TWELVEFS_MOUNT_NOTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "catalogue/catalogue.h"
#include "tree/view.h"

#define NOTIFY_MAX       65536 /* notifications that wait */
#define NOTIFY_MAX_VIEWS 1024  /* query directories that are told */
#define NOTIFY_MAX_NAMES 4096  /* names in them that one commit expires */

struct notify;

/* The kernel's side (kernel.h), its negative errno. On the notify
 * thread. inval_inode with off -1 is about the attributes alone. is_held:
 * whether a request is parked that holds the directory's lock. */
struct notify_kernel {
    bool (*is_held)(void *ctx, uint64_t directory);
    int (*inval_inode)(void *ctx, uint64_t ino, int64_t off);
    int (*inval_entry)(void *ctx, uint64_t parent, const char *name);
    int (*expire_entry)(void *ctx, uint64_t parent, const char *name);
    int (*delete_entry)(void *ctx, uint64_t parent, uint64_t child,
                        const char *name);
};

int notify_new(const struct notify_kernel *kernel, void *ctx,
               struct view_table *views, struct notify **ret_notify);
/* Stops first. NULL is fine. */
void notify_free(struct notify *n);

int notify_start(struct notify *n);
/* Ends the thread. Queued items are dropped, and later ones ignored. */
void notify_stop(struct notify *n);

/* Any thread; quick. Before notify_start and after notify_stop nothing is
 * queued: there is no kernel to tell. negatives: the kernel may have been told
 * absences that it believes until it hears otherwise. */
void notify_commit(struct notify *n, const struct catalogue_diff *diff,
                   bool negatives);
/* The root's other/ appeared or disappeared. It may come back, so it is never
 * notified as deleted. negatives as above; without them its coming isn't
 * notified, since a LOOKUP parked in the root would hold that up. */
void notify_other(struct notify *n, bool shown, bool negatives);
/* Calls fn once the kernel was told everything that was queued before and
 * isn't postponed: on the notify thread, or at once when that doesn't run.
 * -ENOMEM: fn isn't called. */
int notify_after(struct notify *n, void (*fn)(void *ctx), void *ctx);
/* True: what notify_after was given with ctx won't be called. Any thread;
 * quick. */
bool notify_cancel(struct notify *n, const void *ctx);
/* A saved query of a view came or went. */
void notify_saved(struct notify *n, uint32_t view, const char *name);
/* The kernel should forget the query directories that nobody uses. */
void notify_views(struct notify *n);
/* Some directory's lock may be free now. Any thread; quick. */
void notify_go_on(struct notify *n);
/* The pages of an asset's files may be older than the catalogue. */
void notify_pages(struct notify *n, int64_t row);
/* A name leads to something else now, or may. */
void notify_name(struct notify *n, uint64_t directory, const char *name);
/* The kernel may hold what somebody wrote to a file that can't be written. */
void notify_written(struct notify *n, uint64_t file);

#endif
