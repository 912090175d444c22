/* SPDX-License-Identifier: MIT */
/*
 * order.c - the list as it is predicted, ordered by (created_s, row).
 *
 * Among equal created_s the server's order isn't known; rows are in order of
 * their numbers.
 */
#include "catalogue/catalogue_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

#define STRETCH 1000 /* rows on either side that neighbours are among */

int64_t catalogue_total(struct catalogue_reader *r)
{
    return catalogue_state(r, "total", 0);
}

static int count_two(struct catalogue_reader *r, enum statement strictly,
                     enum statement equally, int64_t created_s, int64_t row,
                     int64_t *ret_count)
{
    int64_t apart = 0, equal = 0;
    int err = db_integer(r->db, strictly, VALUES(INT(created_s)), &apart);

    if (!err)
        err = db_integer(r->db, equally, VALUES(INT(created_s), INT(row)),
                         &equal);
    *ret_count = apart + equal;
    return err;
}

/* Counting is linear, so it goes from the nearer end, as far as row numbers
 * tell: polls ask about the newest. */
int catalogue_rank(struct catalogue_reader *r, int64_t created_s, int64_t row,
                   int64_t *ret_rank)
{
    int64_t total = 0, count;
    int err = db_integer(r->db, S_STATE_GET, VALUES(TEXT("total")), &total);

    if (err && err != -ENOENT)
        return err;
    if (row > total / 2) {
        err = count_two(r, S_NEWER, S_NEWER_EQUAL, created_s, row, &count);
        count = total - count;
    } else {
        err = count_two(r, S_OLDER, S_OLDER_EQUAL, created_s, row, &count);
    }
    if (!err)
        *ret_rank = count;
    return err;
}

int catalogue_count_within(struct catalogue_reader *r, int64_t older_s,
                           int64_t newer_s, int64_t *ret_count)
{
    if (older_s == INT64_MIN && newer_s == INT64_MAX) {
        *ret_count = catalogue_total(r);
        return 0;
    }
    return db_integer(r->db, S_WITHIN, VALUES(INT(older_s), INT(newer_s)),
                      ret_count);
}

struct slots {
    struct catalogue_slot *items;
    size_t count, capacity;
};

static int order_append(struct slots *p, sqlite3_stmt *s)
{
    const char *id = (const char *)sqlite3_column_text(s, 2);

    if (array_reserve(p->items, p->count, p->capacity))
        return -ENOMEM;
    struct catalogue_slot *slot = &p->items[p->count];
    slot->row = sqlite3_column_int64(s, 0);
    slot->created_s = sqlite3_column_int64(s, 1);
    slot->id = id ? strdup(id) : NULL;
    if (!slot->id)
        return -ENOMEM;
    p->count++;
    return 0;
}

static int order_collect(struct catalogue_reader *r, enum statement which,
                         const struct value *values, size_t count,
                         struct slots *p)
{
    sqlite3_stmt *s;
    int err = 0;
    int step = reader_first(r, which, values, count, &s);

    while (step > 0 && !err) {
        err = order_append(p, s);
        if (err)
            (void)sqlite3_reset(s);
        else
            step = db_step(r->db, s);
    }
    return err ? err : step;
}

static int hand_over(struct slots *p, int err,
                     struct catalogue_slot **ret_slots, size_t *ret_count)
{
    if (err) {
        catalogue_slots_free(p->items, p->count);
        return err;
    }
    *ret_slots = p->items;
    *ret_count = p->count;
    return 0;
}

/* Three runs, each a range of the index: the rest of the newer one's second,
 * the seconds between, the beginning of the older one's second. */
static int collect_between(struct catalogue_reader *r, int64_t newer_s,
                           int64_t newer_row, int64_t older_s,
                           int64_t older_row, int64_t max, struct slots *p)
{
    bool one = newer_s == older_s;

    if (newer_s < older_s)
        return 0;
    int err = order_collect(r, S_SLOTS_EQUAL,
                            VALUES(INT(newer_s), INT(newer_row),
                                   INT(one ? older_row : -1), INT(max)),
                            p);

    if (!err && newer_s > older_s && (int64_t)p->count < max)
        err = order_collect(
            r, S_SLOTS_OLDER,
            VALUES(INT(newer_s), INT(older_s), INT(max - (int64_t)p->count)),
            p);
    if (!err && !one && (int64_t)p->count < max)
        err = order_collect(r, S_SLOTS_EQUAL,
                            VALUES(INT(older_s), INT(INT64_MAX), INT(older_row),
                                   INT(max - (int64_t)p->count)),
                            p);
    return err;
}

/* SQL counts in 64 bits with a sign; SIZE_MAX is all, whatever its width. */
static int64_t limit_of(size_t max)
{
    return (int64_t)((uint64_t)max & INT64_MAX);
}

int catalogue_between(struct catalogue_reader *r,
                      const struct catalogue_slot *newer,
                      const struct catalogue_slot *older, size_t max,
                      struct catalogue_slot **ret_slots, size_t *ret_count)
{
    struct slots p = {0};
    int err = collect_between(r, newer ? newer->created_s : INT64_MAX,
                              newer ? newer->row : INT64_MAX,
                              older ? older->created_s : INT64_MIN,
                              older ? older->row : -1, limit_of(max), &p);

    return hand_over(&p, err, ret_slots, ret_count);
}

int catalogue_unfinished(struct catalogue_reader *r, size_t max,
                         struct catalogue_slot **ret_slots, size_t *ret_count)
{
    struct slots p = {0};
    int err = order_collect(r, S_UNFINISHED, VALUES(INT(limit_of(max))), &p);

    return hand_over(&p, err, ret_slots, ret_count);
}

/* The stretch bounds the work: an account may hold many, all read later. */
int catalogue_neighbours(struct catalogue_reader *r,
                         const struct catalogue_entry *of, int64_t latest_s,
                         size_t max, struct catalogue_slot **ret_slots,
                         size_t *ret_count)
{
    struct slots p = {0};
    int64_t row = of->row;
    int err = order_collect(r, S_NEIGHBOURS,
                            VALUES(INT(row - STRETCH), INT(row + STRETCH),
                                   INT(row), INT(latest_s), INT(of->type),
                                   INT(row), INT(limit_of(max))),
                            &p);

    return hand_over(&p, err, ret_slots, ret_count);
}

void catalogue_slots_free(struct catalogue_slot *slots, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(slots[i].id);
    free(slots);
}
