/*
 * ndjson.h - .assets.ndjson: one object a line, of exact size, served by
 * offset.
 *
 * A snapshot is the rows of a view at one version and the sums of their lines'
 * lengths: 16 bytes an asset. Lines are rendered when they are read; a row
 * that is gone or changed since makes that read fail with -ESTALE, so that
 * nobody ever gets torn lines. The next LOOKUP sees a newer version, which is
 * another inode. Any thread; the lock isn't held while the catalogue works.
 */
#ifndef TWELVEFS_MOUNT_NDJSON_H
#define TWELVEFS_MOUNT_NDJSON_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "catalogue/catalogue.h"
#include "mount/view.h"

#define LINES_MAX 32 /* snapshots kept */
#define LINES_MAX_ROWS                                                         \
    (size_t)(2 << 20) /* … and their rows together, unless                   \
                         one alone has more */

struct lines_table;

int lines_table_new(struct lines_table **ret_table);
void lines_table_free(struct lines_table *t);

/* The size of a view's file at a version, which the reader must have (another
 * commit in between only makes reads fail). Makes the snapshot where it isn't
 * kept. catalogue_select's errors, -ENOMEM. */
int lines_open(struct lines_table *t, const struct view *v,
               struct catalogue_reader *reader, uint64_t version,
               int64_t *ret_size);

/* The size of a kept one; -ESTALE. */
int lines_size(struct lines_table *t, uint32_t view, uint64_t version,
               int64_t *ret_size);

/* Appends up to `size` bytes from `off`. -ESTALE, or the catalogue's errors. */
int lines_read(struct lines_table *t, uint32_t view, uint64_t version,
               struct catalogue_reader *reader, int64_t off, size_t size,
               struct buf *out);

/* The kernel forgot it: it goes when the next one is made. Not at once, for
 * the kernel forgets a new number when it finds that a name has a new one, and
 * then asks again. */
void lines_forget(struct lines_table *t, uint32_t view, uint64_t version);

#endif
