/* SPDX-License-Identifier: MIT */
/*
 * selection.h - the rows that a view selects at one version of the catalogue:
 * what its listing shows and what its .assets.ndjson holds.
 *
 * A query over fields costs a scan, and a directory or a file is read in
 * pieces; so a selection is kept while it was used lately, by (view, version).
 * It is always whole: what covers a part has no place in here. Whoever goes on
 * after his selection gave way selects again, at the version of that moment,
 * and begins after the last row that he was shown. That loses no asset and
 * repeats none, since rows only ascend and versions too; an older version's
 * rows, which may lack some, he is never given.
 *
 * .assets.ndjson has one object a line, is of exact size and served by offset.
 * Lines are rendered when they are read; a row that is gone or changed since
 * makes that read fail with -ESTALE, so that nobody ever gets torn lines. The
 * next LOOKUP sees a newer version, which is another inode.
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

/* That of the version whose low bits are these, not newer than the reader's:
 * -ESTALE where it is neither kept nor the reader's own. */
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
