#include "catalogue/catalogue_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "json/scan.h"

/* Longer texts are cut: no path component can ask for one. */
#define EXACT_MAX 256

#define BUILD_CACHE "-65536" /* KiB */

/* ---- an object's leaves ------------------------------------------------- */

struct level {
    bool object;
    bool lost; /* too deep or too long a name: nothing below counts */
    int parts;
    size_t path_len;
};

struct leaves {
    struct scan scan;
    struct level levels[SCAN_MAX_DEPTH + 1];
    int depth;
    struct level at; /* the value to come */
    bool key_next;
    char path[FIELD_MAX + 1];
    const char *leaf; /* the scalar just passed, or a container's bracket */
    size_t leaf_len;
};

static void enter_key(struct leaves *w, const struct scan_token *t)
{
    const struct level *top = &w->levels[w->depth - 1];
    char name[6 * FIELD_MAX + 2]; /* every byte may be a \u escape */
    size_t at = top->path_len;

    w->at = *top;
    w->key_next = false;
    w->at.parts++;
    w->at.lost =
        top->lost || w->at.parts > FIELD_LEVELS || t->len > sizeof(name);
    if (w->at.lost)
        return;
    size_t len = scan_unescape(t->text, t->len, name);
    if (len + at + 1 > FIELD_MAX || memchr(name, '\0', len)) {
        w->at.lost = true;
        return;
    }
    if (at > 0)
        w->path[at++] = '.';
    memcpy(w->path + at, name, len);
    w->at.path_len = at + len;
    w->path[w->at.path_len] = '\0';
}

static int open_level(struct leaves *w, bool object)
{
    if (w->depth > SCAN_MAX_DEPTH)
        return -E2BIG;
    struct level *level = &w->levels[w->depth++];
    *level = w->at;
    level->object = object;
    w->key_next = object;
    return 0;
}

/* Back to what the enclosing level holds, after a value or a comma. */
static void resume(struct leaves *w, bool comma)
{
    if (w->depth == 0)
        return;
    const struct level *top = &w->levels[w->depth - 1];
    w->key_next = comma && top->object;
    if (!top->object) {
        w->at = *top;
        w->path[top->path_len] = '\0';
    }
}

static bool counts(const struct leaves *w)
{
    return !w->at.lost && w->at.path_len > 0;
}

/* 1 with path and leaf set, 0 at the end, -EBADMSG. A container is passed too,
 * as its opening bracket: that it is there is what `hls=null` asks about. */
static int next_leaf(struct leaves *w)
{
    struct scan_token t;
    int err;

    while ((err = scan_next(&w->scan, &t)) == 0 && t.kind != SCAN_END) {
        switch (t.kind) {
        case SCAN_OBJECT_OPEN:
        case SCAN_ARRAY_OPEN:
            w->leaf = t.text;
            w->leaf_len = t.len;
            err = open_level(w, t.kind == SCAN_OBJECT_OPEN);
            if (err)
                return err;
            if (counts(w))
                return 1;
            break;
        case SCAN_OBJECT_CLOSE:
        case SCAN_ARRAY_CLOSE:
            if (w->depth == 0)
                return -EBADMSG;
            w->depth--;
            resume(w, false);
            break;
        case SCAN_COMMA:
            resume(w, true);
            break;
        case SCAN_COLON:
            break;
        default:
            if (w->key_next) {
                enter_key(w, &t);
                break;
            }
            w->leaf = t.text;
            w->leaf_len = t.len;
            if (counts(w))
                return 1;
        }
    }
    return err;
}

static void leaves_init(struct leaves *w, const char *json, size_t len)
{
    scan_init(&w->scan, json, len);
    w->depth = 0;
    w->at = (struct level){0};
    w->key_next = false;
    w->path[0] = '\0';
}

/* ---- names ----------------------------------------------------------------
 */

void fields_done(struct field_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i].name);
    free(names->items);
    *names = (struct field_names){0};
}

/* Where a name stands, or belongs. */
static size_t position(const struct field_names *names, const char *name,
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

static int keep(struct field_names *names, size_t at, const char *name,
                int64_t key, int64_t indexed)
{
    if (names->count == names->capacity) {
        size_t capacity = names->capacity ? names->capacity * 2 : 64;
        struct field_name *items =
            reallocarray(names->items, capacity, sizeof(*items));
        if (!items)
            return -ENOMEM;
        names->items = items;
        names->capacity = capacity;
    }
    char *copy = strdup(name);
    if (!copy)
        return -ENOMEM;
    memmove(&names->items[at + 1], &names->items[at],
            (names->count - at) * sizeof(*names->items));
    names->items[at] = (struct field_name){copy, key, indexed};
    names->count++;
    return 0;
}

int fields_load(struct catalogue *c)
{
    struct field_names names = {0};
    sqlite3_stmt *s;
    int err = 0;
    int step = db_bind(&c->db, S_KEYS, VALUES(), &s);

    if (step >= 0)
        step = db_step(&c->db, s);
    while (step > 0 && !err) {
        const char *name = (const char *)sqlite3_column_text(s, 0);
        err = name ? keep(&names, names.count, name, sqlite3_column_int64(s, 1),
                          sqlite3_column_int64(s, 2))
                   : -ENOMEM;
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

static int add_name(struct catalogue *c, const char *name, size_t at)
{
    int err = db_run(&c->db, S_KEY_ADD, VALUES(TEXT(name)));

    return err ? err
               : keep(&c->fields, at, name,
                      sqlite3_last_insert_rowid(c->db.handle), 0);
}

/* ---- values ----------------------------------------------------------------
 */

static int add_value(struct catalogue *c, int64_t key, int64_t row,
                     const char *token, size_t len)
{
    cleanup(buf_done) struct buf exact;
    struct value number = {.kind = VALUE_NULL};

    buf_init(&exact, len + 64);
    bool container = *token == '{' || *token == '[';
    int err = container ? buf_append_char(&exact, *token)
                        : query_exact_of(token, len, &exact);
    if (err)
        return err == -ENOMEM ? err : 0; /* no value that can be asked for */
    if (*token != '"' && exact.data[0] == '#')
        number = REAL(strtod(token, NULL));
    size_t kept = exact.len < EXACT_MAX ? exact.len : EXACT_MAX;
    return db_run(&c->db, S_VALUE_ADD,
                  VALUES(INT(key), INT(row), BYTES(exact.data, kept), number));
}

/* What was there before goes, whatever the object was then. */
static int drop_values(struct catalogue *c, int64_t row)
{
    int err = 0;

    for (size_t i = 0; !err && i < c->fields.count; i++) {
        const struct field_name *n = &c->fields.items[i];
        if (n->indexed)
            err =
                db_run(&c->db, S_VALUES_DELETE, VALUES(INT(n->key), INT(row)));
    }
    return err;
}

static int put_leaf(struct catalogue *c, int64_t row, const struct leaves *w)
{
    bool found;
    size_t at = position(&c->fields, w->path, &found);

    if (found && c->fields.items[at].indexed)
        return add_value(c, c->fields.items[at].key, row, w->leaf, w->leaf_len);
    if (found || c->fields.count >= FIELD_MAX_NAMES)
        return 0;
    return add_name(c, w->path, at);
}

int fields_put(struct catalogue *c, int64_t row, bool fresh, const char *json,
               size_t len)
{
    struct leaves w;
    int err = fresh ? 0 : drop_values(c, row);

    leaves_init(&w, json, len);
    while (!err && (err = next_leaf(&w)) == 1)
        err = put_leaf(c, row, &w);
    return err;
}

int fields_remove(struct catalogue *c, int64_t row)
{
    return drop_values(c, row);
}

/* ---- building ---------------------------------------------------------------
 */

static int index_body(struct catalogue *c, int64_t key, const char *field,
                      sqlite3_stmt *s)
{
    struct leaves w;
    int64_t row = sqlite3_column_int64(s, 0);
    const char *json = sqlite3_column_blob(s, 1);
    int err;

    if (!json)
        return db_texts(&c->db);
    leaves_init(&w, json, (size_t)sqlite3_column_bytes(s, 1));
    while ((err = next_leaf(&w)) == 1) {
        err = strcmp(w.path, field) == 0
                  ? add_value(c, key, row, w.leaf, w.leaf_len)
                  : 0;
        if (err)
            return err;
    }
    return err == -EBADMSG || err == -E2BIG ? 0 : err;
}

static int index_bodies(struct catalogue *c, int64_t key, const char *field)
{
    sqlite3_stmt *s;
    int err = 0;
    int step = db_bind(&c->db, S_BODIES, VALUES(), &s);

    if (step >= 0)
        step = db_step(&c->db, s);
    while (step > 0 && !err) {
        err = index_body(c, key, field, s);
        step = err ? 0 : db_step(&c->db, s);
    }
    if (err)
        (void)sqlite3_reset(s);
    return err ? err : step;
}

/* Room for one more: the one that was built first goes. */
static int make_room(struct catalogue *c, int64_t *ret_order)
{
    const struct field_name *first = NULL;
    int64_t last = 0;
    size_t count = 0;

    for (size_t i = 0; i < c->fields.count; i++) {
        const struct field_name *n = &c->fields.items[i];
        if (!n->indexed)
            continue;
        count++;
        if (!first || n->indexed < first->indexed)
            first = n;
        if (n->indexed > last)
            last = n->indexed;
    }
    *ret_order = last + 1;
    if (count < CATALOGUE_MAX_INDEXED)
        return 0;
    int err = db_run(&c->db, S_VALUES_DROP, VALUES(INT(first->key)));
    return err ? err
               : db_run(&c->db, S_KEY_INDEXED, VALUES(INT(0), INT(first->key)));
}

static int build(struct catalogue *c, const char *field)
{
    bool found;
    int64_t order = 0;
    size_t at = position(&c->fields, field, &found);
    int err = found ? 0 : add_name(c, field, at);

    if (err)
        return err;
    int64_t key = c->fields.items[at].key;
    err = make_room(c, &order);
    if (!err)
        err = index_bodies(c, key, field);
    return err ? err
               : db_run(&c->db, S_KEY_INDEXED, VALUES(INT(order), INT(key)));
}

static int index_field(struct catalogue *c, const char *field)
{
    bool found;
    struct catalogue_diff none = {0};
    int err = catalogue_begin(c);

    if (err)
        return err;
    size_t at = position(&c->fields, field, &found);
    if (found && c->fields.items[at].indexed) {
        catalogue_rollback(c);
        return 0;
    }
    err = build(c, field);
    if (err) {
        catalogue_rollback(c);
        return err;
    }
    err = catalogue_commit(c, &none);
    /* Which fields are indexed is read back as it was committed. */
    if (!err)
        c->fields.stale = true;
    return err;
}

/* Values come in the order of rows, in an index they stand by themselves: with
 * little cache a million of them take three times as long. */
int catalogue_index_field(struct catalogue *c, const char *field)
{
    int err = db_exec(&c->db, "PRAGMA cache_size = " BUILD_CACHE);

    if (!err)
        err = index_field(c, field);
    (void)db_exec(&c->db, "PRAGMA cache_size = " WRITER_CACHE);
    (void)sqlite3_db_release_memory(c->db.handle);
    return err;
}
