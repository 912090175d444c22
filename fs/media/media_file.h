/*
 * media_file.h - one picture's bytes, open: pinned, whatever happens to its
 * name. Counted references, any thread.
 */
#ifndef TWELVEFS_MEDIA_FILE_H
#define TWELVEFS_MEDIA_FILE_H

#include <stdint.h>

struct media_file {
    int fd;
    int64_t size_bytes;
    int64_t fetched_ns; /* wall time: its mtime */
};
void media_file_unref(struct media_file *f); /* NULL is fine */

#endif
