/* SPDX-License-Identifier: MIT */
#include "catalogue/catalogue_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "catalogue/condition.h"
#include "json/leaves.h"
#include "json/scan.h"

/* Longer texts are cut: no path component can ask for one. */
#define EXACT_MAX 256

/* Names. */

void fields_done(struct field_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i].name);
    free(names->items);
    *names = (struct field_names){0};
}

/* Where a name stands, or belongs. */
static size_t field_position(const struct field_names *names, const char *name,
                             bool *ret_found)
{
    size_t low = 0, high = names->count;

    *ret_found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(names->items[middle].name, name);
        if (order == 0) {
            *ret_found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int field_keep(struct field_names *names, size_t at, const char *name,
                      int64_t key, int64_t indexed)
{
    if (array_reserve(names->items, names->count, names->capacity))
        return -ENOMEM;
    char *copy = strdup(name);
    if (!copy)
        return -ENOMEM;
    memmove(&names->items[at + 1], &names->items[at],
            (names->count - at) * sizeof(*names->items));
    names->items[at] =
        (struct field_name){.name = copy, .key = key, .indexed = indexed};
    names->count++;
    return 0;
}

int fields_load(struct catalogue *c)
{
    struct field_names names = {0};
    sqlite3_stmt *s;
    int err = 0;
    int step = db_first(&c->db, S_KEYS, VALUES(), &s);

    while (step > 0 && !err) {
        const char *name = (const char *)sqlite3_column_text(s, 0);
        err = name ? field_keep(&names, names.count, name,
                                sqlite3_column_int64(s, 1),
                                sqlite3_column_int64(s, 2))
                   : -ENOMEM;
        names.with_values += sqlite3_column_int64(s, 2) != 0;
        step = err ? 0 : db_step(&c->db, s);
    }
    if (step < 0 || err) {
        fields_done(&names);
        c->fields.stale = true;
        return err ? err : step;
    }
    fields_done(&c->fields);
    c->fields = names;
    return 0;
}

static int field_add_name(struct catalogue *c, const char *name, size_t at)
{
    int err = db_run(&c->db, S_KEY_ADD, VALUES(TEXT(name)));

    return err ? err
               : field_keep(&c->fields, at, name,
                            sqlite3_last_insert_rowid(c->db.handle), 0);
}

/* Values. */

static int write_value(struct catalogue *c, int64_t key, int64_t row,
                       struct value v, const char *exact, size_t exact_len)
{
    return db_run(
        &c->db, S_VALUE_ADD,
        VALUES(INT(key), INT(row), v,
               BYTES(exact, exact_len < EXACT_MAX ? exact_len : EXACT_MAX)));
}

/* Digits alone, so few that a double holds them. */
static bool is_small_integer(const struct scan_token *t, int64_t *ret_integer)
{
    int64_t n = 0;

    if (t->kind != SCAN_NUMBER || t->len > CONDITION_SHORT_DIGITS)
        return false;
    for (size_t i = 0; i < t->len; i++) {
        if (t->text[i] < '0' || t->text[i] > '9')
            return false;
        n = n * 10 + (t->text[i] - '0');
    }
    *ret_integer = n;
    return true;
}

static int add_any_value(struct catalogue *c, int64_t key, int64_t row,
                         const struct scan_token *t)
{
    cleanup(buf_done) struct buf exact;

    buf_init(&exact, t->len + 64);
    int err = condition_exact_of(t->text, t->len, &exact);
    if (err)
        return err == -ENOMEM ? err : 0; /* no value that can be asked for */
    if (t->kind != SCAN_NUMBER)
        return write_value(
            c, key, row,
            BYTES(exact.data, exact.len < EXACT_MAX ? exact.len : EXACT_MAX),
            "", 0);
    bool is_short = condition_exact_is_short(exact.data, exact.len);
    return write_value(c, key, row, REAL(strtod(t->text, NULL)),
                       is_short ? "" : exact.data, is_short ? 0 : exact.len);
}

static int add_value(struct catalogue *c, int64_t key, int64_t row,
                     const struct scan_token *t)
{
    char text[EXACT_MAX];
    int64_t integer;

    if (is_small_integer(t, &integer))
        return write_value(c, key, row, INT(integer), "", 0);
    if (t->kind == SCAN_OBJECT_OPEN || t->kind == SCAN_ARRAY_OPEN)
        return write_value(c, key, row, BYTES(t->text, 1), "", 0);
    if (t->kind != SCAN_STRING || t->escaped)
        return add_any_value(c, key, row, t);
    size_t len = t->len - 2 < sizeof(text) - 1 ? t->len - 2 : sizeof(text) - 1;
    text[0] = '=';
    memcpy(text + 1, t->text + 1, len);
    return write_value(c, key, row, BYTES(text, len + 1), "", 0);
}

static bool has_values(const struct field_name *n)
{
    return n->indexed || n->building;
}

/* What was there before goes, whatever the object was then. */
static int drop_values(struct catalogue *c, int64_t row)
{
    int err = 0;

    for (size_t i = 0; !err && i < c->fields.count; i++) {
        const struct field_name *n = &c->fields.items[i];
        if (has_values(n))
            err =
                db_run(&c->db, S_VALUES_DELETE, VALUES(INT(n->key), INT(row)));
    }
    return err;
}

static int put_leaf(struct catalogue *c, int64_t row, const struct leaves *w,
                    const struct scan_token *t)
{
    bool found;
    size_t at = field_position(&c->fields, w->path, &found);

    if (found && has_values(&c->fields.items[at]))
        return add_value(c, c->fields.items[at].key, row, t);
    if (found || c->fields.count >= FIELD_MAX_NAMES)
        return 0;
    return field_add_name(c, w->path, at);
}

static int put_leaves(struct catalogue *c, int64_t row, const struct asset *a)
{
    struct leaves w;
    struct scan s;
    struct scan_token t;
    int err;

    leaves_init(&w);
    scan_init(&s, a->json, a->json_len);
    while (!(err = scan_next(&s, &t)) && t.kind != SCAN_END) {
        if (leaves_take(&w, &t) && (err = put_leaf(c, row, &w, &t)))
            return err;
    }
    return err;
}

/* Objects of a shape that was seen have no name that wasn't. */
static uint64_t *shape_slot(struct field_names *names, uint64_t shape)
{
    return &names->shapes[shape % FIELD_SHAPES];
}

int fields_put(struct catalogue *c, int64_t row, bool is_new,
               const struct asset *a)
{
    struct field_names *names = &c->fields;
    bool known = a->shape && *shape_slot(names, a->shape) == a->shape;
    int err = is_new ? 0 : drop_values(c, row);

    if (!err && !(known && names->with_values == 0))
        err = put_leaves(c, row, a);
    if (!err && a->shape)
        *shape_slot(names, a->shape) = a->shape;
    return err;
}

int fields_remove(struct catalogue *c, int64_t row)
{
    return drop_values(c, row);
}

/*
 * Indexing.
 *
 * A field's values are gathered in steps, oldest row first. Meanwhile the
 * writer keeps its values up to date like those of an indexed field; readers
 * ask for them once all rows were passed. What a broken off build left, and
 * what a field that gave way had, is dropped first.
 */

static const struct field_name *oldest_indexed(const struct field_names *names,
                                               size_t *ret_count)
{
    const struct field_name *first = NULL;

    *ret_count = 0;
    for (size_t i = 0; i < names->count; i++) {
        const struct field_name *n = &names->items[i];
        *ret_count += has_values(n);
        if (n->indexed && (!first || n->indexed < first->indexed))
            first = n;
    }
    return first;
}

static int set_indexed(struct catalogue *c, int64_t key, int64_t order)
{
    for (size_t i = 0; i < c->fields.count; i++) {
        struct field_name *n = &c->fields.items[i];
        if (n->key != key)
            continue;
        c->fields.with_values -= has_values(n);
        n->indexed = order;
        n->building = false;
        c->fields.with_values += has_values(n);
    }
    return db_run(&c->db, S_KEY_INDEXED, VALUES(INT(order), INT(key)));
}

/* Room for one more: the one that was built first goes. */
static int field_make_room(struct catalogue *c)
{
    struct field_build *b = &c->fields.build;
    size_t count;
    const struct field_name *first = oldest_indexed(&c->fields, &count);

    if (count < CATALOGUE_MAX_INDEXED || !first)
        return 0;
    b->drop[b->drop_count++] = first->key;
    return set_indexed(c, first->key, 0);
}

static int start_field(struct catalogue *c, const char *name)
{
    struct field_build *b = &c->fields.build;
    bool found;
    size_t at = field_position(&c->fields, name, &found);

    if (found && has_values(&c->fields.items[at]))
        return 0;
    int err = field_make_room(c);
    if (!err && !found)
        err = field_add_name(c, name, at);
    if (err)
        return err;
    struct field_name *n = &c->fields.items[at];
    n->building = true;
    c->fields.with_values++;
    b->drop[b->drop_count++] = n->key;
    b->fields[b->count].name = n->name;
    b->fields[b->count].len = strlen(n->name);
    b->fields[b->count++].key = n->key;
    return 0;
}

static bool is_building(const struct catalogue *c, const char *const *names,
                        size_t count)
{
    bool all = c->fields.build.count > 0;

    for (size_t i = 0; all && i < count; i++) {
        bool found;
        size_t at = field_position(&c->fields, names[i], &found);
        all = found && has_values(&c->fields.items[at]);
    }
    return all;
}

/* Another question came meanwhile: its fields join, and all rows are passed
 * again, for values that are there stay as they are. */
static int start_build(struct catalogue *c, const char *const *names,
                       size_t count)
{
    int err = 0;

    c->fields.build.after_row = 0;
    for (size_t i = 0; !err && i < count; i++)
        err = c->fields.build.count < CATALOGUE_MAX_INDEXED
                  ? start_field(c, names[i])
                  : 0;
    return err;
}

/* Writes a value of a field that is built. What leads to no such field needn't
 * be looked into. */
static int index_leaf(struct catalogue *c, int64_t row, const struct leaves *w,
                      const struct scan_token *t, bool *ret_leads)
{
    const struct field_build *b = &c->fields.build;
    size_t len = w->at.path_len;

    for (size_t i = 0; i < b->count; i++) {
        if (b->fields[i].len < len ||
            memcmp(b->fields[i].name, w->path, len) != 0)
            continue;
        char next = b->fields[i].name[len];
        *ret_leads |= next == '.' || next == '\0';
        int err = next ? 0 : add_value(c, b->fields[i].key, row, t);
        if (err)
            return err;
    }
    return 0;
}

static int index_body(struct catalogue *c, int64_t row, const char *json,
                      size_t len)
{
    struct leaves w;
    struct scan s;
    struct scan_token t;
    int err = 0;

    leaves_init(&w);
    scan_init(&s, json, len);
    while (!err && !scan_next(&s, &t) && t.kind != SCAN_END) {
        if (!leaves_take(&w, &t))
            continue;
        bool leads = t.kind != SCAN_OBJECT_OPEN && t.kind != SCAN_ARRAY_OPEN;
        err = index_leaf(c, row, &w, &t, &leads);
        if (!err && !leads && leaves_skip(&w, &s))
            break;
    }
    return err;
}

static int index_rows(struct catalogue *c, int64_t max_rows, int64_t *ret_count)
{
    struct field_build *b = &c->fields.build;
    sqlite3_stmt *s;
    int64_t count = 0;
    int err = 0;
    int step = db_first(&c->db, S_BODIES,
                        VALUES(INT(b->after_row), INT(max_rows)), &s);

    while (step > 0 && !err) {
        const char *json = sqlite3_column_blob(s, 1);
        b->after_row = sqlite3_column_int64(s, 0);
        err = json ? index_body(c, b->after_row, json,
                                (size_t)sqlite3_column_bytes(s, 1))
                   : db_texts(&c->db);
        count++;
        step = err ? 0 : db_step(&c->db, s);
    }
    if (err)
        (void)sqlite3_reset(s);
    *ret_count = count;
    return err ? err : step;
}

static int end_build(struct catalogue *c)
{
    struct field_build *b = &c->fields.build;
    int64_t last = 0;
    int err = 0;

    for (size_t i = 0; i < c->fields.count; i++)
        if (c->fields.items[i].indexed > last)
            last = c->fields.items[i].indexed;
    for (size_t i = 0; !err && i < b->count; i++)
        err = set_indexed(c, b->fields[i].key, ++last);
    b->count = 0;
    return err;
}

static int drop_some(struct catalogue *c, int64_t max_rows)
{
    struct field_build *b = &c->fields.build;
    int64_t key = b->drop[b->drop_count - 1];
    int err = db_run(&c->db, S_VALUES_DROP, VALUES(INT(key), INT(max_rows)));

    if (!err && sqlite3_changes(c->db.handle) == 0)
        b->drop_count--;
    return err;
}

/* ret_through: all rows were passed. */
static int build_step(struct catalogue *c, int64_t max_rows, bool *ret_through)
{
    int64_t passed = 0;

    if (c->fields.build.drop_count > 0)
        return drop_some(c, max_rows);
    int err = index_rows(c, max_rows, &passed);
    *ret_through = !err && passed < max_rows;
    return err;
}

int catalogue_fields_index_step(struct catalogue *c, const char *const *names,
                                size_t count, int64_t max_rows, bool *ret_done)
{
    bool through = false;
    int err = c->failed;

    assert(c->in_transaction);
    if (!err && !is_building(c, names, count))
        err = start_build(c, names, count);
    if (!err && c->fields.build.count == 0)
        through = true;
    else if (!err)
        err = build_step(c, max_rows, &through);
    if (!err && through)
        err = end_build(c);
    if (!err)
        *ret_done = through;
    return changes_spoil(c, err);
}
