/*
 * listing.h - the rows of a query directory, kept while it is read.
 *
 * A query over fields costs a scan; a directory is read in pieces of some 200
 * entries. So the rows selected for the first piece serve the others, until
 * the listing was read to its end, nobody asked for LISTING_IDLE_MS, or the
 * table is full; then the rest is selected anew from the row after the last
 * one shown, which is sound since rows only ascend. Any thread; the lock isn't
 * held while the catalogue selects.
 */
#ifndef TWELVEFS_MOUNT_LISTING_H
#define TWELVEFS_MOUNT_LISTING_H

#include <stddef.h>
#include <stdint.h>

#include "catalogue/catalogue.h"
#include "mount/view.h"

#define LISTING_MAX      16                /* kept at once */
#define LISTING_MAX_ROWS (size_t)(4 << 20) /* … and their rows together */
#define LISTING_IDLE_MS  30000

struct listing_table;

struct listing {
    const int64_t *rows; /* ascending */
    size_t count;
};

int listing_table_new(struct listing_table **ret_table);
void listing_table_free(struct listing_table *t);

/* The rows of a view. fresh: those of the version, selected anew where none
 * are kept; else the kept ones of any version, or those after `after`. With a
 * reference. catalogue_select's errors, -ENOMEM. */
int listing_open(struct listing_table *t, const struct view *v,
                 struct catalogue_reader *reader, uint64_t version, bool fresh,
                 int64_t after, struct listing **ret_listing);

/* ended: it was read to its end and need not be kept. NULL is fine. */
void listing_close(struct listing_table *t, struct listing *l, bool ended);

/* The index of the first row past `after`. */
size_t listing_after(const struct listing *l, int64_t after);

#endif
