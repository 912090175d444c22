/* SPDX-License-Identifier: MIT */
/*
 * question.c - what becomes of each question: answered at once, or by whose
 * end it is answered.
 */
#include <errno.h>

#include "base/clock.h"
#include "sync/sync_internal.h"

#define INDEX_ROWS 512 /* a step of some milliseconds */

static bool question_has_row(void *ctx, const struct catalogue_entry *e)
{
    *(bool *)ctx = true;
    return false;
}

unsigned query_types(const struct query *q)
{
    unsigned types = (1u << ASSET_TYPE_COUNT) - 1;
    for (size_t i = 0; i < q->count; i++) {
        if (q->terms[i].kind != QUERY_TYPE)
            return 0;
        types &= q->terms[i].types;
    }
    return types;
}

/* Whether a listing by types alone has more rows to show now. */
static int question_look_for_more(struct sync *s, const struct waiter *w)
{
    unsigned types = query_types(&w->query);
    bool found = false;
    struct catalogue_reader *r = catalogue_reader_acquire(s->catalogue);
    if (!r)
        return -ENOMEM;
    int err = 0;
    for (unsigned t = 0; !err && !found && t < ASSET_TYPE_COUNT; t++)
        if (types & 1u << t)
            err = catalogue_list(r, (enum asset_type)t, w->after_row,
                                 question_has_row, &found);
    catalogue_reader_release(r);
    if (err)
        return err;
    return found ? 0 : QUESTION_WAITS;
}

/* An on-demand query where one can be asked, else the walk. */
static int question_or_walk(int result)
{
    return result == -EOPNOTSUPP ? QUESTION_WAITS : result;
}

static int question_ask_rows(struct sync *s, struct waiter *w)
{
    if (s->complete || coverage_of(s, &w->query))
        return 0;
    int result = on_demand_query(s, w, &w->query);
    if (result != -EOPNOTSUPP)
        return result;
    return w->want == SYNC_MORE ? question_look_for_more(s, w) : QUESTION_WAITS;
}

static int question_ask_name(struct sync *s, struct waiter *w)
{
    if (s->complete)
        return 0;
    int result = on_demand_query(s, w, &w->query);
    if (result == -EOPNOTSUPP)
        result = on_demand_folder(s, w, w->text);
    return question_or_walk(result);
}

static int question_ask_ready(struct sync *s, struct waiter *w)
{
    w->owner = &s->ready;
    return s->ready ? 0 : s->ready_err ? s->ready_err : QUESTION_WAITS;
}

static size_t question_fields_of(const struct query *q, const char **names)
{
    size_t count = 0;
    for (size_t i = 0; i < q->count && count < CATALOGUE_MAX_INDEXED; i++) {
        const struct query_term *t = &q->terms[i];
        if (t->kind == QUERY_RANGE || t->kind == QUERY_EXACT)
            names[count++] = t->field;
    }
    return count;
}

/* question_step answers. */
static int question_ask_fields(struct sync *s, struct waiter *w)
{
    const char *names[CATALOGUE_MAX_INDEXED];
    w->owner = &s->catalogue;
    return question_fields_of(&w->query, names) ? QUESTION_WAITS : 0;
}

/* Who waits for its fields, and for which: the first of them. */
struct wanted {
    uint64_t ticket;
    struct query query;
    int err;
};

static bool question_find_wanted(struct sync *s, struct waiter *w, void *ctx,
                                 int *ret_err)
{
    struct wanted *wanted = ctx;
    if (!wanted->ticket && w->begun && w->want == SYNC_FIELDS) {
        wanted->ticket = w->ticket;
        wanted->err = query_copy(&w->query, &wanted->query);
    }
    return false;
}

static bool question_is_wanted(struct sync *s, struct waiter *w, void *ctx,
                               int *ret_err)
{
    const struct wanted *wanted = ctx;
    *ret_err = wanted->err;
    return w->ticket == wanted->ticket;
}

static int question_index_some(struct sync *s, const struct query *q,
                               bool *ret_done)
{
    const char *names[CATALOGUE_MAX_INDEXED];
    int err = sync_begin_step(s);
    if (err)
        return err;
    err = catalogue_fields_index_step(s->catalogue, names,
                                      question_fields_of(q, names), INDEX_ROWS,
                                      ret_done);
    return !err && *ret_done ? sync_end(s, 0) : sync_end_step(s, err);
}

bool question_step(struct sync *s)
{
    struct wanted wanted = {0};
    bool done = false;
    waiters_settle(s, question_find_wanted, &wanted);
    if (!wanted.ticket)
        return false;
    if (!wanted.err)
        wanted.err = question_index_some(s, &wanted.query, &done);
    query_done(&wanted.query);
    if (wanted.err || done)
        waiters_settle(s, question_is_wanted, &wanted);
    return true;
}

/* Answers that were asked for before don't bring it back. */
static int question_remove_gone(struct sync *s, const char *id)
{
    struct catalogue_entry entry;
    int err = sync_begin(s);
    if (err)
        return err;
    struct catalogue_reader *r = catalogue_reader_of_writer(s->catalogue);
    err = catalogue_get_by_id(r, id, &entry);
    int64_t row = err ? 0 : entry.row;
    catalogue_reader_release(r);
    if (!err)
        err = catalogue_remove(s->catalogue, row);
    bool removed = !err;
    err = sync_end(s, err == -ENOENT ? 0 : err);
    if (!err)
        tombstones_note_removed(s, id, clock_mono_ms());
    s->account.changes += !err && removed;
    return err;
}

/* What the catalogue commits by itself isn't to wait for what is held. */
static bool question_has_own_transaction(const struct waiter *w)
{
    return w->want == SYNC_LINK_ADD || w->want == SYNC_LINK_REMOVE;
}

static int question_start(struct sync *s, struct waiter *w)
{
    int64_t link;
    int err = question_has_own_transaction(w) ? sync_flush(s) : 0;
    if (err)
        return err;
    switch (w->want) {
    case SYNC_READY:
        return question_ask_ready(s, w);
    case SYNC_COMPLETE:
        return s->complete ? 0 : QUESTION_WAITS;
    case SYNC_MORE:
    case SYNC_QUERY:
        return question_ask_rows(s, w);
    case SYNC_NAME:
        return question_ask_name(s, w);
    case SYNC_ID:
        return s->complete ? 0 : question_or_walk(on_demand_id(s, w, w->text));
    case SYNC_RENEW:
    case SYNC_REREAD:
        return renew_ask(s, w);
    case SYNC_GONE:
        return question_remove_gone(s, w->text);
    case SYNC_POLL:
        w->owner = &s->polls.number;
        return QUESTION_WAITS;
    case SYNC_FIELDS:
        return question_ask_fields(s, w);
    case SYNC_LINK_ADD:
        return catalogue_link_add(s->catalogue, w->place, w->text, w->target,
                                  clock_wall_s(), &link);
    case SYNC_LINK_REMOVE:
        return catalogue_link_remove(s->catalogue, w->place, w->text);
    case SYNC_PICTURE:
        return catalogue_picture_set(s->catalogue, w->row, &w->picture);
    }
    return -EINVAL;
}

int question_begin(struct sync *s, struct waiter *w)
{
    int result = question_start(s, w);
    if (result == QUESTION_WAITS && !w->owner)
        walk_retry_soon(s);
    return result;
}
