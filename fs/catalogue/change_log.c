/* SPDX-License-Identifier: MIT */
/*
 * change_log.c - what happened to the account's assets, for `twelvefs watch`.
 *
 * Table event is written in the transaction that makes the change, from the
 * rows that it touched (struct changes). Before a row's object is replaced or
 * removed its text is kept there, and at the commit the two are compared. A
 * row that was removed and a row that was added with the same id are one asset
 * (apply.c does that to a row without a name), so they are a change, or
 * nothing. Sequence numbers have no gaps. Times ascend and no two events share
 * one, so the time of the last event that a reader has seen says where to
 * continue, in another mount too. Nothing is written until the first walk is
 * through; its end is the log's first event, with the number of assets.
 *
 * The log is bounded by events and by bytes: past either, the oldest events
 * are deleted.
 */
#include "catalogue/catalogue_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/asset.h"
#include "base/cleanup.h"
#include "json/event.h"

#define KEPT_MAX_BYTES ((size_t)16 << 20) /* of objects, in one transaction */
#define CUT_PART       64 /* part of the bound that a cut deletes beyond it */

static int change_log_read_place(struct db *d, enum statement which,
                                 const struct value *values, size_t count,
                                 int64_t ret_columns[3])
{
    sqlite3_stmt *s;
    int step = db_bind(d, which, values, count, &s);

    if (step >= 0)
        step = db_step(d, s);
    if (step <= 0)
        return step < 0 ? step : -ENOENT;
    for (int i = 0; i < 3; i++)
        ret_columns[i] = sqlite3_column_int64(s, i);
    (void)sqlite3_reset(s);
    return 0;
}

int change_log_load(struct catalogue *c)
{
    struct log_state log = {.first = CATALOGUE_LOG_FIRST,
                            .next = CATALOGUE_LOG_FIRST};
    int64_t first[3] = {0}, last[3] = {0}, complete = 0;
    int err =
        db_integer(&c->db, S_STATE_GET, VALUES(TEXT("complete")), &complete);

    if (err && err != -ENOENT)
        return err;
    log.on = complete != 0;
    err = change_log_read_place(&c->db, S_EVENT_FIRST, VALUES(), first);
    if (!err)
        err = change_log_read_place(&c->db, S_EVENT_LAST, VALUES(), last);
    if (err && err != -ENOENT)
        return err;
    if (!err) {
        log.first = first[0];
        log.next = last[0] + 1;
        log.last_ns = last[1];
        log.begin_bytes = first[2];
        log.end_bytes = last[2];
    }
    c->log = log;
    return 0;
}

void change_log_begin(struct catalogue *c)
{
    c->log.begins = !c->log.on;
}

int change_log_keep(struct catalogue *c, struct touched *t)
{
    sqlite3_stmt *s;
    size_t *kept = &c->changes.kept_bytes;

    if (!c->log.on || !t->existed || t->object)
        return 0;
    int step = db_bind(&c->db, S_BODY, VALUES(INT(t->row)), &s);
    if (step >= 0)
        step = db_step(&c->db, s);
    if (step <= 0)
        return step;
    const char *json = sqlite3_column_blob(s, 0);
    size_t len = (size_t)sqlite3_column_bytes(s, 0);
    int err = json ? 0 : db_texts(&c->db);
    if (json && *kept + len <= KEPT_MAX_BYTES) {
        t->object = malloc(len ? len : 1);
        if (t->object) {
            memcpy(t->object, json, len);
            t->object_len = len;
            *kept += len;
        } else {
            err = -ENOMEM;
        }
    }
    (void)sqlite3_reset(s);
    return err;
}

/* A row that the transaction removed. */
struct gone {
    const struct touched *row;
    bool is_back; /* its asset is there again, as another row */
};

/* A log that is being written, and the line under way. */
struct log_writer {
    struct catalogue *catalogue;
    struct log_state *log;
    int64_t committed_ns;
    struct buf line;
    struct gone *gone; /* by id */
    size_t gone_count;
};

static void log_writer_done(struct log_writer *w)
{
    buf_done(&w->line);
    free(w->gone);
}

static int64_t change_log_next_event_ns(const struct log_writer *w)
{
    return w->committed_ns > w->log->last_ns ? w->committed_ns
                                             : w->log->last_ns + 1;
}

/* Adds the line; err: what came of making it. */
static int change_log_add_event(struct log_writer *w, int64_t time_ns, int err)
{
    struct log_state *log = w->log;

    if (err)
        return err;
    int64_t end = log->end_bytes + (int64_t)w->line.len;
    err = db_run(&w->catalogue->db, S_EVENT_ADD,
                 VALUES(INT(log->next), INT(time_ns), INT(end),
                        BYTES(w->line.data, w->line.len)));
    if (err)
        return err;
    if (log->next == log->first)
        log->begin_bytes = end;
    log->next++;
    log->end_bytes = end;
    log->last_ns = time_ns;
    return 0;
}

/* All assets, as the transaction leaves them. */
static int64_t change_log_count_assets(const struct catalogue *c)
{
    int64_t count = c->counters.total;

    for (size_t i = 0; i < c->changes.count; i++) {
        const struct touched *t = &c->changes.items[i];
        if (t->existed == t->removed)
            count += t->existed ? -1 : 1;
    }
    return count;
}

static int change_log_add_complete(struct log_writer *w)
{
    int64_t time_ns = change_log_next_event_ns(w);
    int err = event_append_complete(
        time_ns, change_log_count_assets(w->catalogue), &w->line);

    err = change_log_add_event(w, time_ns, err);
    if (!err)
        w->log->on = true;
    w->log->begins = false;
    return err;
}

static int change_log_by_id(const void *left, const void *right)
{
    const struct gone *a = left, *b = right;

    return strcmp(a->row->id, b->row->id);
}

/* Sorts removed rows by id, so that one which was added again is found. */
static int change_log_gather_gone(struct log_writer *w)
{
    const struct changes *ch = &w->catalogue->changes;
    size_t count = 0;

    for (size_t i = 0; i < ch->count; i++)
        count += ch->items[i].existed && ch->items[i].removed;
    if (count == 0)
        return 0;
    w->gone = calloc(count, sizeof(*w->gone));
    if (!w->gone)
        return -ENOMEM;
    for (size_t i = 0; i < ch->count; i++)
        if (ch->items[i].existed && ch->items[i].removed)
            w->gone[w->gone_count++].row = &ch->items[i];
    qsort(w->gone, w->gone_count, sizeof(*w->gone), change_log_by_id);
    return 0;
}

/* The row that an id had before this transaction removed it; NULL. */
static const struct touched *change_log_take_gone(struct log_writer *w,
                                                  const char *id)
{
    const struct touched row = {.id = (char *)id};
    const struct gone key = {.row = &row};
    struct gone *found = w->gone ? bsearch(&key, w->gone, w->gone_count,
                                           sizeof(key), change_log_by_id)
                                 : NULL;

    if (!found)
        return NULL;
    found->is_back = true;
    return found->row;
}

/* What became of a row that is there now; the texts are lent by its statement.
 */
static int change_log_add_present(struct log_writer *w, const struct touched *t,
                                  struct event *e)
{
    const struct touched *before =
        t->existed ? t : change_log_take_gone(w, e->id);
    int err;

    if (!before) {
        e->kind = "created";
        err = event_append(e, &w->line);
    } else {
        e->kind = "changed";
        err = event_append_change(e, before->object, before->object_len,
                                  &w->line);
    }
    return err == -ENODATA ? 0 : change_log_add_event(w, e->time_ns, err);
}

static int change_log_add_row(struct log_writer *w, const struct touched *t)
{
    struct db *d = &w->catalogue->db;
    sqlite3_stmt *s;

    if (t->removed || (t->existed && !t->changed))
        return 0;
    buf_reset(&w->line);
    int step = db_bind(d, S_OBJECT, VALUES(INT(t->row)), &s);
    if (step >= 0)
        step = db_step(d, s);
    if (step <= 0)
        return step;
    struct event e = {
        .time_ns = change_log_next_event_ns(w),
        .id = (const char *)sqlite3_column_text(s, 0),
        .type = asset_type_name((enum asset_type)sqlite3_column_int(s, 1)),
        .object = sqlite3_column_blob(s, 2),
        .object_len = (size_t)sqlite3_column_bytes(s, 2),
    };
    int err = e.id && e.object ? 0 : -ENOMEM;
    if (!err)
        err = change_log_add_present(w, t, &e);
    (void)sqlite3_reset(s);
    return err;
}

static int change_log_add_gone(struct log_writer *w, const struct touched *t)
{
    struct event e = {
        .time_ns = change_log_next_event_ns(w),
        .kind = "deleted",
        .id = t->id,
        .type = asset_type_name(t->type),
        .object = t->object,
        .object_len = t->object_len,
    };

    buf_reset(&w->line);
    return change_log_add_event(w, e.time_ns, event_append(&e, &w->line));
}

/* The first event whose end is past so many bytes: ends ascend. */
static int change_log_find_event(struct db *d, const struct log_state *log,
                                 int column, int64_t past, int64_t *ret_seq)
{
    int64_t low = log->first, high = log->next, columns[3];

    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        int err =
            change_log_read_place(d, S_EVENT_AT, VALUES(INT(middle)), columns);
        if (err)
            return err == -ENOENT ? -EIO : err;
        if (columns[column] > past)
            high = middle;
        else
            low = middle + 1;
    }
    *ret_seq = low;
    return 0;
}

/* Deletes a little more than it must, so that few commits have to. */
static int change_log_cut(struct log_writer *w)
{
    struct log_state *log = w->log;
    struct db *d = &w->catalogue->db;
    int64_t first = log->first, columns[3];
    int err = 0;

    if (log->next - log->first > CATALOGUE_LOG_EVENTS)
        first =
            log->next - CATALOGUE_LOG_EVENTS + CATALOGUE_LOG_EVENTS / CUT_PART;
    if (log->end_bytes - log->begin_bytes > CATALOGUE_LOG_BYTES) {
        int64_t by_bytes = first;
        err = change_log_find_event(d, log, 2,
                                    log->end_bytes - CATALOGUE_LOG_BYTES +
                                        CATALOGUE_LOG_BYTES / CUT_PART,
                                    &by_bytes);
        first = by_bytes > first ? by_bytes : first;
    }
    if (err || first == log->first)
        return err;
    err = db_run(d, S_EVENT_CUT, VALUES(INT(first)));
    if (!err)
        err = change_log_read_place(d, S_EVENT_AT, VALUES(INT(first)), columns);
    if (err)
        return err;
    log->first = first;
    log->begin_bytes = columns[2];
    return 0;
}

static int change_log_write_changes(struct log_writer *w)
{
    const struct changes *ch = &w->catalogue->changes;
    int err = change_log_gather_gone(w);

    for (size_t i = 0; !err && i < ch->count; i++)
        err = change_log_add_row(w, &ch->items[i]);
    for (size_t i = 0; !err && i < w->gone_count; i++)
        if (!w->gone[i].is_back)
            err = change_log_add_gone(w, w->gone[i].row);
    return err;
}

int change_log_write(struct catalogue *c, int64_t committed_ns,
                     struct log_state *log)
{
    cleanup(log_writer_done) struct log_writer w = {
        .catalogue = c,
        .log = log,
        .committed_ns = committed_ns,
        .line = {.max = EVENT_MAX_BYTES},
    };
    int err = 0;

    if (log->begins)
        err = change_log_add_complete(&w);
    else if (log->on && c->changes.count)
        err = change_log_write_changes(&w);
    return err ? err : change_log_cut(&w);
}

int catalogue_log_bounds(struct catalogue_reader *r,
                         struct catalogue_log *ret_log)
{
    int64_t first[3] = {0}, last[3] = {0};
    int err = change_log_read_place(r->db, S_EVENT_FIRST, VALUES(), first);

    if (!err)
        err = change_log_read_place(r->db, S_EVENT_LAST, VALUES(), last);
    if (err == -ENOENT) {
        *ret_log = (struct catalogue_log){.first = CATALOGUE_LOG_FIRST,
                                          .next = CATALOGUE_LOG_FIRST};
        return 0;
    }
    if (err)
        return err;
    *ret_log = (struct catalogue_log){
        .first = first[0], .next = last[0] + 1, .first_ns = first[1]};
    return 0;
}

int catalogue_log_seek(struct catalogue_reader *r,
                       const struct catalogue_log *log, int64_t since_ns,
                       int64_t *ret_seq)
{
    const struct log_state place = {.first = log->first, .next = log->next};

    return change_log_find_event(r->db, &place, 1, since_ns, ret_seq);
}

int catalogue_log_read(struct catalogue_reader *r, int64_t seq, struct buf *out,
                       int64_t *ret_next)
{
    sqlite3_stmt *s;
    int step = reader_first(r, S_EVENTS, VALUES(INT(seq)), &s);
    int err = 0;

    while (step > 0 && !err) {
        const void *line = sqlite3_column_blob(s, 1);
        err = line ? buf_append(out, line, (size_t)sqlite3_column_bytes(s, 1))
                   : -ENOMEM;
        if (!err) {
            seq = sqlite3_column_int64(s, 0) + 1;
            step = db_step(r->db, s);
        }
    }
    if (err)
        (void)sqlite3_reset(s);
    if (step < 0 || (err && err != -E2BIG))
        return step < 0 ? step : err;
    *ret_next = seq;
    return 0;
}
