/* SPDX-License-Identifier: MIT */
/*
 * source.h - a file that is to go up: what tells it from another or a changed
 * one, whether somebody writes to it, and its bytes' checksum.
 *
 * A source is one descriptor, opened once and read by offset: what is renamed
 * over the file's name meanwhile is another file. Whoever changed the bytes,
 * the length, the mode or the name changed the ctime, which nobody can set: as
 * long as the identity is the same, so are the bytes.
 *
 * Threads: the functions keep no state but their arguments'. The reference
 * count is the uploading thread's.
 */
#ifndef TWELVEFS_UPLOAD_SOURCE_H
#define TWELVEFS_UPLOAD_SOURCE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/digest.h"

/* Without the device: its number may be another after a restart. */
struct source_identity {
    uint64_t inode;
    int64_t size_bytes;
    int64_t mtime_ns, ctime_ns;
};

void source_identify(const struct stat *st, struct source_identity *ret);
bool source_same(const struct source_identity *a,
                 const struct source_identity *b);

struct source {
    int fd;
    struct source_identity identity;
    int references;
};

/* Opens a regular file below a directory, never through a symlink at its end,
 * without waiting for a FIFO's writer. -ELOOP (a symlink), -EINVAL (no regular
 * file), -ESTALE (not the one expected), or -errno. One reference. */
int source_open(int directory_fd, const char *path,
                const struct source_identity *expected,
                struct source **ret_source);
struct source *source_ref(struct source *s);
/* NULL is fine. */
void source_unref(struct source *s);

/* 0, or -ESTALE: it isn't as it was. An http_guard_fn. */
int source_check(void *source);

/* Whether anybody has it open for writing, as far as can be known: a lease
 * tells, or else /proc for the processes that this user may look into. */
bool source_is_written(const struct source *s);

/* Feeds the digest with up to `most` bytes from an offset on. How many, 0 at
 * the end; -ESTALE where it became shorter; -errno. */
int64_t source_digest(const struct source *s, struct digest *d, int64_t offset,
                      int64_t most);

#endif
