/* SPDX-License-Identifier: MIT */
/*
 * history.h - what the last commits changed, so that `twelvefs refresh` can
 * say what a poll brought. Counts are exact; only the last HISTORY_NAMES names
 * are kept. Any thread.
 */
#ifndef TWELVEFS_MOUNT_HISTORY_H
#define TWELVEFS_MOUNT_HISTORY_H

#include <stdint.h>

#include "base/buf.h"
#include "catalogue/catalogue.h"

#define HISTORY_NAMES 100

struct history;

/* A moment, as what had been counted by then. */
struct history_mark {
    uint64_t created, deleted, changed;
};

int history_new(struct history **ret_history);
/* NULL is fine. */
void history_free(struct history *h);

void history_add(struct history *h, const struct catalogue_diff *diff);
void history_now(struct history *h, struct history_mark *ret_mark);

/* Appends lines: the counts since, and the names. 0, -ENOMEM, -E2BIG. */
int history_text(struct history *h, const struct history_mark *since,
                 struct buf *out);

#endif
