/* SPDX-License-Identifier: MIT */
/*
 * filename.h - what names in the watched folder mean. Pure functions.
 */
#ifndef TWELVEFS_UPLOAD_FILENAME_H
#define TWELVEFS_UPLOAD_FILENAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/asset.h"
#include "base/buf.h"

#define FILENAME_MAX_BYTES 255 /* NAME_MAX of Linux */

/* Names of what isn't there yet, or is ours: dot files, *.part, *.crdownload,
 * *.tmp, *.partial, *.download, *~, *.error. They wait for their rename. */
bool filename_waits(const char *name);

/* What the API takes, by the extension (any case). */
struct filename_kind {
    const char *extension; /* ".mp4" */
    const char *mime;
    enum asset_type type;
};
/* NULL: none that it takes. */
const struct filename_kind *filename_kind(const char *name);

/* Why a file can't go up, in words; NULL: it may. head: its first bytes. */
const char *filename_refusal(const char *name, int64_t size_bytes,
                             const char *head, size_t head_bytes);

/* Whether it is to go in chunks, being so large (from_bytes). */
bool filename_goes_in_chunks(const struct filename_kind *kind,
                             int64_t size_bytes, int64_t from_bytes);

/* Appends the name as the API is told it: UTF-8, each byte that isn't as
 * U+FFFD. */
int filename_append(struct buf *out, const char *name);
/* Appends what the list can be asked for by `filename`, encoded for a URL: the
 * longest run of ASCII letters and digits, which any notion of a substring
 * finds. Nothing where it is shorter than three. */
int filename_append_filter(struct buf *out, const char *name);

/* "NAME.error", of at most FILENAME_MAX_BYTES, another for each name. */
void filename_of_error(const char *name, char out[FILENAME_MAX_BYTES + 1]);

/* The n-th name to keep NAME by in another directory: itself, then with
 * ".1" before its extension, … */
void filename_of_copy(const char *name, int n,
                      char out[FILENAME_MAX_BYTES + 1]);

/* Appends members of user_metadata (json/tag.h) for each directory on a path
 * that is called user_metadata.KEY=VALUE; of a key twice the inner one. */
int filename_append_tags(struct buf *out, const char *path);
/* Whether a directory's name is one of these, and good: a key and a value that
 * the API can store. */
bool filename_is_tag(const char *name);

#endif
