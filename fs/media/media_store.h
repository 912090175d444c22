/*
 * media_store.h - the folder of kept pictures: looked up by name, written by
 * temporary file and rename, bounded by throwing out the least recently used.
 *
 * A name is the digest of what the picture belongs to, so that no remote text
 * becomes a path. Any thread; one mutex, held for table work, open and unlink,
 * never while bytes are written.
 */
#ifndef TWELVEFS_MEDIA_STORE_H
#define TWELVEFS_MEDIA_STORE_H

#include "base/digest.h"
#include "media/media_file.h"

struct media_store;

/* Creates directory/media (0700), removes unfinished files, takes stock. */
int media_store_open(const char *directory, int64_t limit_bytes,
                     struct media_store **ret_store);
/* NULL is fine. Open media_files stay readable. */
void media_store_close(struct media_store *s);

/* One more reference; answers f. */
struct media_file *media_store_ref(struct media_file *f);

/* The name for an asset's picture; the URL's query string doesn't count. */
int media_store_name(const char *id, const char *url,
                     char ret_name[DIGEST_HEX_SIZE]);

/* 0 with a reference, -ENOENT, or why it can't be opened. */
int media_store_lookup(struct media_store *s, const char *name,
                       struct media_file **ret_file);

/* Keeps bytes under a name. Where the disk is full they are served from
 * memory, once, and not kept. 0 with a reference; -ENOSPC, -EIO, -ENOMEM. */
int media_store_put(struct media_store *s, const char *name, const void *bytes,
                    size_t len, struct media_file **ret_file);

#endif
