/* SPDX-License-Identifier: MIT */
/*
 * media_folder.h - the folder that kept pictures lie in: files written whole or
 * not at all, opened for each read, made again when somebody takes it away.
 * Any thread.
 */
#ifndef TWELVEFS_MEDIA_FOLDER_H
#define TWELVEFS_MEDIA_FOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct media_folder;

/* Creates path (0700) and its parents. */
int media_folder_open(const char *path, struct media_folder **ret_folder);
/* NULL is fine. */
void media_folder_close(struct media_folder *f);

/* Writes by temporary file and rename. */
int media_folder_write(struct media_folder *f, const char *name,
                       const struct buf *body);

/* Reads a part, which must lie within whole_bytes. -ENOENT when the file is
 * gone or isn't of that size; or why it can't be read. */
int media_folder_read(struct media_folder *f, const char *name,
                      int64_t whole_bytes, void *out, size_t size,
                      int64_t offset);

void media_folder_remove(struct media_folder *f, const char *name);

/* Shows each regular file (size, last use); removes what fn doesn't want, and
 * whatever isn't one. An error of fn ends it. */
typedef int media_folder_fn(void *ctx, const char *name, int64_t size_bytes,
                            int64_t used_ns, bool *ret_wanted);
int media_folder_each(struct media_folder *f, media_folder_fn *fn, void *ctx);

#endif
