/* SPDX-License-Identifier: MIT */
/*
 * watch.h - the watched folder: that something changed in it, and what is in
 * it.
 *
 * inotify says only that there was a change; what there is, a scan says. So no
 * name is ever taken from an event, a queue that overflowed is one more change,
 * and where no watch can be had the folder is scanned each minute all the same.
 *
 * A scan sees regular files in the folder and in directories below it, on the
 * folder's own file system: not what waits by its name (filename.h), no
 * symlinks, no dot directories. Threads: one at a time.
 */
#ifndef TWELVEFS_UPLOAD_WATCH_H
#define TWELVEFS_UPLOAD_WATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "upload/source.h"

#define WATCH_MAX_FILES                                                        \
    100000 /* what is beyond waits until others are gone                       \
            */
#define WATCH_MAX_DEPTH 16

struct watch;

/* Opens the folder and locks it: -EBUSY where another process watches it;
 * -ENOTDIR, -ENOENT, -EACCES (it must be writable), -errno. */
int watch_open(const char *path, struct watch **ret_watch);
/* NULL is fine. */
void watch_close(struct watch *w);

/* The folder itself, borrowed until the next scan; -1: it isn't there. */
int watch_directory_fd(const struct watch *w);
/* Readable when something may have changed; -1: there is none. */
int watch_event_fd(const struct watch *w);
/* Reads the events off; true: there were some. */
bool watch_take_events(struct watch *w);

struct watch_file {
    char *path; /* below the folder */
    struct source_identity identity;
};

/* All files, by path (strcmp); freed by watch_files_free. Where another folder
 * stands at the path now, it is watched from now on. -ENOTCONN: there is none
 * that can be: nothing is known of what is in it. */
int watch_scan(struct watch *w, struct watch_file **ret_files,
               size_t *ret_count);
void watch_files_free(struct watch_file *files, size_t count);

#endif
