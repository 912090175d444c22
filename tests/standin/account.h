/* SPDX-License-Identifier: MIT */
/*
 * The account: which assets there are, in which order, and what their texts
 * say. A record is 24 bytes; its text is generated on the way out unless a
 * mutation gave it one of its own.
 *
 * Order is created_at, then the order of creation; lists are newest first.
 * Numbers are never reused, so "stood throughout" is: alive now, and with a
 * number below the account's mark then.
 *
 * Every function locks for itself (one read-write lock) and may be called
 * from any thread.
 */
#ifndef STANDIN_ACCOUNT_H
#define STANDIN_ACCOUNT_H

#include <stdint.h>

#include "generate.h"
#include "json.h"

#define ACCOUNT_IDS_MAX 10000
#define HISTORY_US      ((int64_t)120000000)

struct account;

/* A question as GET /assets puts it. */
struct account_query {
    long page;  /* from 1 */
    long limit; /* from 1 */
    bool by_ids;
    const char **ids; /* borrowed */
    size_t nids;
    unsigned types;     /* mask of 1 << enum asset_type; 0: all */
    const char *needle; /* folded by account_fold; NULL: all */
    /* The list as it was then, on clock_us, if that is within HISTORY_US or
     * pinned; 0: now. */
    int64_t as_of_us;
    int64_t total_as_of_us; /* the same for *ret_total alone; not by ids */
    /* Not 0: a seed for another order of assets of one second. */
    uint64_t shuffle;
};

/* `total` assets; the hostile profile's own are among them (and all there
 * even if they are more). NULL if memory is short. */
struct account *account_new(const struct generator *g, uint32_t total);
void account_free(struct account *a);
const struct generator *account_generator(const struct account *a);

/* Writes "[…]" with the page's objects; *ret_total is the whole number. */
int account_list(struct account *a, const struct account_query *q,
                 struct buf *out, size_t *ret_total);
/* The object with this _id: 0, -ENOENT. Also by internal id if `internal`. */
int account_get(struct account *a, const char *id, bool internal,
                struct buf *out);
/* The same as it was then. */
int account_get_past(struct account *a, const char *id, int64_t as_of_us,
                     struct buf *out);
/* Nothing since this moment is forgotten; 0: as HISTORY_US says. */
void account_pin(struct account *a, int64_t moment_us);
/* Whether generated assets without user_metadata lack it or have {}. */
void account_omit_empty_metadata(struct account *a, bool omit);
bool account_has(struct account *a, const char *id);
/* The asset's decoded filename: 0, -ENOENT; empty if it has none. */
int account_filename(struct account *a, const char *id, struct buf *out);
/* Lower case as the filename filter compares: towlower per code point of
 * C.UTF-8, bytes that are no UTF-8 as they are. */
void account_fold(const char *text, struct buf *out);

/* All alive ids below `mark` (0: all) as a JSON array, newest first. */
void account_ids(struct account *a, uint32_t mark, struct buf *out);
/* Exact texts, one a line, newest first (newlines in a text as spaces). */
void account_dump(struct account *a, struct buf *out);
size_t account_count(struct account *a);
uint32_t account_mark(struct account *a);

/* A new asset. created_at < 0: now, or the newest one's if that is later.
 * `fields` (an object or empty) is merged over what is generated. */
int account_create(struct account *a, enum asset_status status,
                   int64_t created_at, struct slice fields,
                   char ret_id[ID_LENGTH + 1]);
/* A new asset with this very text; created_at orders it. Its `$ID`, `$AT`
 * and `$MEDIA` are filled in. */
int account_create_text(struct account *a, int64_t created_at,
                        struct slice text, char ret_id[ID_LENGTH + 1]);
/* All three: 0, -ENOENT, -ENOMEM. */
int account_delete(struct account *a, const char *id);
int account_edit(struct account *a, const char *id, struct slice patch);
/* With patch members on top; ready brings what readiness brings. */
int account_set_status(struct account *a, const char *id,
                       enum asset_status status, struct slice patch);
/* Takes an asset out of every list and answer, or brings it back, as it was:
 * 0, -ENOENT, -ENOMEM. By its internal id. */
int account_show(struct account *a, const char *id, bool shown);
/* The id at a place, 0 = newest: 0, -ENOENT. */
int account_id_at(struct account *a, size_t place, char ret_id[ID_LENGTH + 1]);

/* Adds the hostile assets (hostile.c): 0 or -ENOMEM. */
int hostile_fill(struct account *a);

#endif
