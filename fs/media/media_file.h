/* SPDX-License-Identifier: MIT */
/*
 * media_file.h - one picture that is kept: a name in the store or, where the
 * disk won't take it, bytes in memory. It holds no descriptor: its file is
 * opened for each read. While somebody has a reference the store doesn't throw
 * it out. Counted references, any thread.
 */
#ifndef TWELVEFS_MEDIA_FILE_H
#define TWELVEFS_MEDIA_FILE_H

#include <stddef.h>
#include <stdint.h>

struct media_file {
    int64_t size_bytes;
    uint64_t checksum; /* hash_bytes of all of it */
};

/* Reads at an offset; less than size only at the end. -ENOENT when somebody
 * removed the file or wrote to it: the store then has forgotten it. Or the
 * errno of reading. */
int media_file_read(struct media_file *f, void *out, size_t size,
                    int64_t offset, size_t *ret_got);

void media_file_unref(struct media_file *f); /* NULL is fine */

#endif
