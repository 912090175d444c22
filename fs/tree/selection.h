/* SPDX-License-Identifier: MIT */
/*
 * selection.h - the rows that a view selects at one version of the catalogue:
 * what its listing shows and what its .assets.ndjson holds.
 *
 * A query over fields costs a scan, and a directory or a file is read in
 * pieces. So a selection is kept while it was used lately, by (view, version).
 * It is always whole; a selection of a part is never kept. If a reader's
 * selection was thrown out, it is made again at the current version, and the
 * reader continues after the last row that it got. That loses no asset and
 * repeats none, since rows only ascend, and so do versions: a reader never
 * gets an older version, which may lack rows.
 *
 * .assets.ndjson has one object a line, an exact size, and is read by offset.
 * Lines are made when they are read. If a row was removed or changed since,
 * that read fails with -ESTALE, so that nobody gets a mixture of lines. The
 * next LOOKUP gives a newer version, which is another inode.
 *
 * Any thread; no lock is held while the catalogue works.
 */
#ifndef TWELVEFS_TREE_SELECTION_H
#define TWELVEFS_TREE_SELECTION_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/lru.h"
#include "catalogue/catalogue.h"
#include "tree/view.h"

#define SELECTIONS_MAX       256      /* kept at once */
#define SELECTIONS_MAX_BYTES 33554432 /* … together, the newest one apart */

struct selection {
    struct lru_entry kept;
    uint64_t version;
    int64_t *rows;  /* ascending */
    uint64_t *ends; /* bytes of the lines up to and with each row's */
    size_t count;
};

/* The set that keeps them. lru_done ends it. */
void selection_init(struct lru *kept);

/* What a view selects in the reader's snapshot; with a reference.
 * catalogue_select's errors, -ENOMEM. */
int selection_open(struct lru *kept, const struct view *v,
                   struct catalogue_reader *reader,
                   struct selection **ret_selection);

/* The selection of the version with these low bits, which is not newer than
 * the reader's; -ESTALE when it is neither kept nor the reader's own. */
int selection_find(struct lru *kept, const struct view *v,
                   struct catalogue_reader *reader, uint64_t low_bits,
                   unsigned bits, struct selection **ret_selection);

/* NULL is fine. */
void selection_close(struct lru *kept, struct selection *s);

/* The index of the first row past `after`. */
size_t selection_after(const struct selection *s, int64_t after);

/* The size of its lines. */
int64_t selection_bytes(const struct selection *s);

/* Appends up to `size` bytes of the lines from `off`. -ESTALE, or the
 * catalogue's errors. */
int selection_lines(const struct selection *s, struct catalogue_reader *reader,
                    int64_t off, size_t size, struct buf *out);

#endif
