/* SPDX-License-Identifier: MIT */
/*
 * media_store.h - the folder of kept pictures: looked up by name, written by
 * temporary file and rename, bounded by throwing out the least recently used.
 *
 * A name is the digest of what the picture belongs to (asset, URL without its
 * query), so that no remote text becomes a path, and bytes can't be taken for
 * another URL's. What can't be written (full disk, file size limit, a folder
 * that can't be made again) is kept in memory, within MEDIA_STORE_MEMORY. The
 * newest stays, and so does whatever is referenced, limits or not.
 *
 * Any thread; one mutex, held for table work and for making the folder again,
 * never while bytes are read or written.
 */
#ifndef TWELVEFS_MEDIA_STORE_H
#define TWELVEFS_MEDIA_STORE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/digest.h"
#include "media/media_file.h"

struct media_store;

#define MEDIA_STORE_MEMORY (16 << 20) /* bytes kept for want of a disk */

/* Creates directory/media (0700), removes unfinished files, takes stock. */
int media_store_open(const char *directory, int64_t limit_bytes,
                     struct media_store **ret_store);
/* NULL is fine. Referenced media_files stay readable. */
void media_store_close(struct media_store *s);

/* One more reference; answers f. */
struct media_file *media_store_ref(struct media_file *f);

/* The name for an asset's picture; the URL's query string doesn't count. */
int media_store_name(const char *id, const char *url,
                     char ret_name[DIGEST_HEX_SIZE]);
bool media_store_is_called(const struct media_file *f, const char *name);

/* 0 with a reference, or -ENOENT. No look at the disk. */
int media_store_lookup(struct media_store *s, const char *name,
                       struct media_file **ret_file);

/* Keeps bytes under a name, in place of others of that name; takes them out
 * of body. 0 with a reference, or -ENOMEM. */
int media_store_put(struct media_store *s, const char *name, struct buf *body,
                    struct media_file **ret_file);

#endif
