/* SPDX-License-Identifier: MIT */
/*
 * changes.c - what a transaction changes.
 *
 * Before a row is first touched its state is copied. At the commit each copy is
 * compared with the row as it is then: the differences are the diff that the
 * kernel is told of, and move the counters. So a row that was changed and
 * changed back is in no diff.
 */
#include "catalogue/catalogue_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"

/* Sizes come from the server: a sum of these can't be made absurd by one. */
#define SIZE_MAX_BYTES ((int64_t)1 << 50)

static size_t slot_of(const struct changes *ch, int64_t row)
{
    uint64_t hash = (uint64_t)row * 0x9e3779b97f4a7c15u;
    size_t at = (size_t)(hash >> 32) & (ch->slot_count - 1);

    while (ch->slots[at] && ch->items[ch->slots[at] - 1].row != row)
        at = (at + 1) & (ch->slot_count - 1);
    return at;
}

static int changes_grow(struct changes *ch)
{
    size_t capacity = ch->capacity ? ch->capacity * 2 : 64;
    struct touched *items =
        reallocarray(ch->items, capacity, sizeof(*ch->items));

    if (!items)
        return -ENOMEM;
    ch->items = items;
    uint32_t *slots = calloc(capacity * 2, sizeof(*slots));
    if (!slots)
        return -ENOMEM;
    free(ch->slots);
    ch->slots = slots;
    ch->slot_count = capacity * 2;
    ch->capacity = capacity;
    for (size_t i = 0; i < ch->count; i++)
        slots[slot_of(ch, items[i].row)] = (uint32_t)i + 1;
    return 0;
}

static void touched_done(struct touched *t)
{
    free(t->id);
    free(t->folder);
    free(t->object);
}

/* SQLite rolls back by itself after some errors: what follows would be written
 * outside any transaction and be in no diff. So the first failure is the
 * transaction's end. */
int changes_spoil(struct catalogue *c, int err)
{
    if (err == -EEXIST) {
        log_error("catalogue: the cache file's tables contradict each other");
        catalogue_mark_damaged(c);
        err = -EIO;
    }
    if (err && c->in_transaction && !c->failed)
        c->failed = err;
    return err;
}

void changes_clear(struct changes *ch)
{
    for (size_t i = 0; i < ch->count; i++)
        touched_done(&ch->items[i]);
    free(ch->items);
    free(ch->slots);
    *ch = (struct changes){0};
}

static char *column_copy(sqlite3_stmt *s, int column)
{
    const char *text = (const char *)sqlite3_column_text(s, column);

    return text ? strdup(text) : NULL;
}

static bool column_is_set(sqlite3_stmt *s, int column)
{
    return sqlite3_column_type(s, column) != SQLITE_NULL;
}

/* How a row stands now; existed is false when it is gone. */
static int changes_read_row(struct catalogue *c, int64_t row, struct touched *t)
{
    sqlite3_stmt *s;
    int step = db_first(&c->db, S_STANDING, VALUES(INT(row)), &s);

    if (step <= 0)
        return step;
    t->existed = true;
    t->type = (enum asset_type)sqlite3_column_int(s, 0);
    if (t->type >= ASSET_TYPE_COUNT)
        t->type = ASSET_OTHER;
    t->size_bytes = sqlite3_column_int64(s, 1);
    t->id = column_copy(s, 2);
    t->folder = column_copy(s, 3);
    const char *url = (const char *)sqlite3_column_text(s, 4);
    int err = db_texts(&c->db);
    if (url)
        asset_picture_extension(url, t->extension);
    t->manifest = sqlite3_column_int(s, 5) != 0;
    bool whole = t->id && (t->folder || !column_is_set(s, 3));
    (void)sqlite3_reset(s);
    return whole ? err : -ENOMEM;
}

int changes_touch(struct catalogue *c, int64_t row, bool is_new,
                  struct touched **ret_touched)
{
    struct changes *ch = &c->changes;

    if (ch->count == ch->capacity) {
        int err = changes_grow(ch);
        if (err)
            return err;
    }
    size_t slot = slot_of(ch, row);
    if (!ch->slots[slot]) {
        struct touched t = {.row = row};
        int err = is_new ? 0 : changes_read_row(c, row, &t);
        if (err) {
            touched_done(&t);
            return err;
        }
        ch->items[ch->count++] = t;
        ch->slots[slot] = (uint32_t)ch->count;
    }
    if (ret_touched)
        *ret_touched = &ch->items[ch->slots[slot] - 1];
    return 0;
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static uint64_t counted_size(const struct touched *t)
{
    if (t->size_bytes < 0)
        return 0;
    return (uint64_t)(t->size_bytes < SIZE_MAX_BYTES ? t->size_bytes
                                                     : SIZE_MAX_BYTES);
}

static void counters_add(struct counters *n, const struct touched *t, int by)
{
    if (t->existed)
        n->total += by;
    if (!t->folder)
        return;
    n->named[t->type] += by;
    n->named[ASSET_TYPE_COUNT] += by;
    n->stored_bytes += by > 0 ? counted_size(t) : -counted_size(t);
}

/* Moves what both states own into one entry of the diff. */
static void changes_fill(struct catalogue_change *change,
                         struct touched *before, struct touched *now)
{
    struct touched *last = now->existed ? now : before;

    change->row = before->row;
    change->type = last->type;
    change->old_type = before->existed ? before->type : now->type;
    change->id = steal_ptr(last->id);
    change->folder = steal_ptr(now->folder);
    change->old_folder = steal_ptr(before->folder);
    memcpy(change->extension, now->extension, ASSET_EXT_SIZE);
    memcpy(change->old_extension, before->extension, ASSET_EXT_SIZE);
    change->manifest = now->manifest;
    change->old_manifest = before->manifest;
}

/* A renewed URL may be one that can't be a link, or the other way round. */
static bool links_differ(const struct touched *before,
                         const struct touched *now)
{
    return before->manifest != now->manifest ||
           strcmp(before->extension, now->extension) != 0;
}

/* 1 when there is a difference, and its kind. */
static int changes_kind(const struct touched *before, const struct touched *now,
                        enum catalogue_change_kind *ret_kind)
{
    if (!before->existed && !now->existed)
        return 0;
    if (!now->existed)
        *ret_kind = CATALOGUE_REMOVED;
    else if (!before->existed || (!before->folder && now->folder))
        *ret_kind = CATALOGUE_ADDED;
    else if (before->type != now->type ||
             !same_text(before->folder, now->folder))
        *ret_kind = CATALOGUE_MOVED;
    else if (before->changed || links_differ(before, now))
        *ret_kind = CATALOGUE_CHANGED;
    else if (before->renewed)
        *ret_kind = CATALOGUE_RENEWED;
    else
        return 0;
    return 1;
}

/* A row that was unnamed was to be seen by its id: that its object changed is
 * news besides its getting a name. */
static int append_changed(struct catalogue_diff *diff)
{
    struct catalogue_change *added = &diff->changes[diff->count - 1];
    struct catalogue_change *changed = &diff->changes[diff->count];

    *changed = *added;
    changed->kind = CATALOGUE_CHANGED;
    changed->old_folder = NULL;
    changed->id = strdup(added->id);
    changed->folder = strdup(added->folder);
    diff->count++;
    return changed->id && changed->folder ? 0 : -ENOMEM;
}

static int diff_one(struct catalogue *c, struct touched *before,
                    struct catalogue_diff *diff, struct counters *counters,
                    bool listing[ASSET_TYPE_COUNT])
{
    struct touched now = {.row = before->row};
    enum catalogue_change_kind kind;
    int err = changes_read_row(c, before->row, &now);

    counters_add(counters, before, -1);
    counters_add(counters, &now, 1);
    if (!err && changes_kind(before, &now, &kind)) {
        bool moved = kind != CATALOGUE_CHANGED && kind != CATALOGUE_RENEWED;
        if (before->folder && moved)
            listing[before->type] = true;
        if (now.folder && moved)
            listing[now.type] = true;
        diff->changes[diff->count].kind = kind;
        changes_fill(&diff->changes[diff->count++], before, &now);
        if (kind == CATALOGUE_ADDED && before->existed && before->changed)
            err = append_changed(diff);
    }
    touched_done(&now);
    return err;
}

int changes_diff(struct catalogue *c, struct catalogue_diff *diff,
                 struct counters *counters, bool listing[ASSET_TYPE_COUNT])
{
    struct changes *ch = &c->changes;
    int err = 0;

    if (ch->count == 0)
        return 0;
    diff->changes = calloc(ch->count * 2, sizeof(*diff->changes));
    if (!diff->changes)
        return -ENOMEM;
    for (size_t i = 0; !err && i < ch->count; i++)
        err = diff_one(c, &ch->items[i], diff, counters, listing);
    return err;
}

void catalogue_diff_done(struct catalogue_diff *d)
{
    for (size_t i = 0; i < d->count; i++) {
        free(d->changes[i].id);
        free(d->changes[i].folder);
        free(d->changes[i].old_folder);
    }
    free(d->changes);
    *d = (struct catalogue_diff){0};
}
