/* SPDX-License-Identifier: MIT */
/*
 * reader.c - readers, each with a connection and a snapshot.
 *
 * A reader goes back into a pool with its snapshot open, which saves the next
 * user two statements. It is dropped when there was a commit since, when it
 * stays unused (the write-ahead log can't be cut while somebody reads from it),
 * and after use while a checkpoint waits.
 */
#include "catalogue/catalogue_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "catalogue/condition.h"

#define POOL_MAX   16 /* readers kept when nobody uses them */
#define POOL_READY 6  /* … and opened at the start */
#define SQL_MAX    (64 << 10)

/* Pool. */

/* SQLite ends a transaction by itself after some errors: ask it. */
static bool has_snapshot(const struct catalogue_reader *r)
{
    return r->db->handle && !sqlite3_get_autocommit(r->db->handle);
}

static void end_snapshot(struct catalogue_reader *r)
{
    if (has_snapshot(r))
        (void)db_run(r->db, S_COMMIT, VALUES());
}

static void reader_free(struct catalogue_reader *r)
{
    end_snapshot(r);
    db_close(r->db);
    free(r);
}

static struct catalogue_reader *reader_new(struct catalogue *c)
{
    struct catalogue_reader *r = calloc(1, sizeof(*r));

    if (!r)
        return NULL;
    r->catalogue = c;
    r->db = &r->connection;
    if (schema_connect(c, r->db) == 0 &&
        db_exec(r->db, "PRAGMA query_only = ON") == 0)
        return r;
    reader_free(r);
    return NULL;
}

/* A snapshot is kept from one answer to the next while it is the newest. The
 * counter is read first: a commit in between makes the snapshot newer than
 * its number, and the next acquire starts again for nothing. */
static int renew_snapshot(struct catalogue_reader *r)
{
    uint64_t commits = atomic_load(&r->catalogue->commits);

    if (has_snapshot(r) && r->commits == commits)
        return 0;
    end_snapshot(r);
    r->commits = commits;
    return db_run(r->db, S_BEGIN_READ, VALUES());
}

struct catalogue_reader *catalogue_reader_acquire(struct catalogue *c)
{
    struct catalogue_reader *r;

    (void)pthread_mutex_lock(&c->pool_mutex);
    r = c->pool;
    if (r) {
        c->pool = r->next;
        c->pool_count--;
    }
    (void)pthread_mutex_unlock(&c->pool_mutex);
    if (!r)
        r = reader_new(c);
    if (r && renew_snapshot(r)) {
        reader_free(r);
        return NULL;
    }
    return r;
}

static void drop_pending(struct catalogue_reader *r)
{
    if (r->pending)
        (void)sqlite3_reset(r->pending);
    r->pending = NULL;
}

struct catalogue_reader *catalogue_reader_of_writer(struct catalogue *c)
{
    c->own.catalogue = c;
    c->own.db = &c->db;
    return &c->own;
}

void catalogue_reader_release(struct catalogue_reader *r)
{
    if (!r)
        return;
    struct catalogue *c = r->catalogue;
    drop_pending(r);
    if (r == &c->own)
        return;
    if (atomic_load(&c->short_reads))
        end_snapshot(r);
    (void)pthread_mutex_lock(&c->pool_mutex);
    bool keep = c->pool_count < POOL_MAX;
    if (keep) {
        r->next = c->pool;
        c->pool = r;
        c->pool_count++;
    }
    (void)pthread_mutex_unlock(&c->pool_mutex);
    if (!keep)
        reader_free(r);
}

int readers_open(struct catalogue *c)
{
    struct catalogue_reader *readers[POOL_READY];
    int err = 0;

    for (size_t i = 0; i < array_count(readers); i++) {
        readers[i] = catalogue_reader_acquire(c);
        err = readers[i] ? err : -ENOMEM;
    }
    for (size_t i = 0; i < array_count(readers); i++) {
        if (readers[i])
            end_snapshot(readers[i]);
        catalogue_reader_release(readers[i]);
    }
    return err;
}

static struct catalogue_reader *take_pool(struct catalogue *c)
{
    guard_mutex(&c->pool_mutex);

    struct catalogue_reader *all = c->pool;
    c->pool = NULL;
    c->pool_count = 0;
    return all;
}

/* Taken out of the pool meanwhile: no SQLite under the pool's lock. */
void readers_end_idle(struct catalogue *c)
{
    struct catalogue_reader *r, *next;

    for (r = take_pool(c); r; r = next) {
        next = r->next;
        end_snapshot(r);
        catalogue_reader_release(r);
    }
}

void readers_close(struct catalogue *c)
{
    struct catalogue_reader *r, *next;

    for (r = take_pool(c); r; r = next) {
        next = r->next;
        reader_free(r);
    }
}

/* One row. */

int reader_first(struct catalogue_reader *r, enum statement which,
                 const struct value *values, size_t count,
                 sqlite3_stmt **ret_statement)
{
    drop_pending(r);
    return db_first(r->db, which, values, count, ret_statement);
}

int reader_row(struct catalogue_reader *r, enum statement which,
               const struct value *values, size_t count,
               sqlite3_stmt **ret_statement)
{
    sqlite3_stmt *s;
    int step = reader_first(r, which, values, count, &s);

    if (step <= 0)
        return step < 0 ? step : -ENOENT;
    r->pending = s;
    *ret_statement = s;
    return 0;
}

static enum asset_type type_of(sqlite3_stmt *s, int column)
{
    int type = sqlite3_column_int(s, column);

    return type >= 0 && type < ASSET_TYPE_COUNT ? (enum asset_type)type
                                                : ASSET_OTHER;
}

static int reader_entry(struct catalogue_reader *r, enum statement which,
                        const struct value *values, size_t count,
                        struct catalogue_entry *ret_entry)
{
    sqlite3_stmt *s;
    int err = reader_row(r, which, values, count, &s);

    if (err)
        return err;
    struct catalogue_entry e = {
        .row = sqlite3_column_int64(s, 0),
        .type = type_of(s, 1),
        .created_s = sqlite3_column_int64(s, 2),
        .changed_s = sqlite3_column_int64(s, 3),
        .fetched_s = sqlite3_column_int64(s, 4),
        .metadata_bytes = sqlite3_column_int64(s, 5),
        .line_bytes = sqlite3_column_int64(s, 6),
        .version = (uint64_t)sqlite3_column_int64(s, 7),
        .id = (const char *)sqlite3_column_text(s, 8),
        .folder = (const char *)sqlite3_column_text(s, 9),
        .picture_url = (const char *)sqlite3_column_text(s, 10),
        .manifest_url = (const char *)sqlite3_column_text(s, 11),
    };
    err = db_texts(r->db);
    if (!err)
        *ret_entry = e;
    return err;
}

int catalogue_get(struct catalogue_reader *r, int64_t row,
                  struct catalogue_entry *ret_entry)
{
    return reader_entry(r, S_GET, VALUES(INT(row)), ret_entry);
}

int catalogue_get_by_id(struct catalogue_reader *r, const char *id,
                        struct catalogue_entry *ret_entry)
{
    return reader_entry(r, S_GET_BY_ID, VALUES(TEXT(id)), ret_entry);
}

int catalogue_get_by_folder(struct catalogue_reader *r, const char *folder,
                            struct catalogue_entry *ret_entry)
{
    /* Newest first. What is newer than the snapshot holds nothing for it. */
    int64_t first = atomic_load(&r->catalogue->first_block);
    int64_t block = atomic_load(&r->catalogue->last_block);
    int64_t hash = folder_hash(folder);
    int err = -ENOENT;

    for (; err == -ENOENT && block >= first; block--)
        err = reader_entry(r, S_GET_BY_FOLDER,
                           VALUES(INT(block), INT(hash), TEXT(folder)),
                           ret_entry);
    return err;
}

int catalogue_body(struct catalogue_reader *r, int64_t row, struct buf *out)
{
    sqlite3_stmt *s;
    int err = reader_row(r, S_BODY, VALUES(INT(row)), &s);

    if (err)
        return err;
    const void *json = sqlite3_column_blob(s, 0);
    err = db_texts(r->db);
    if (!err)
        err = buf_append(out, json ? json : "",
                         (size_t)sqlite3_column_bytes(s, 0));
    drop_pending(r);
    return err;
}

/* Listings. */

int catalogue_list(struct catalogue_reader *r, enum asset_type type,
                   int64_t after, catalogue_entry_fn *fn, void *ctx)
{
    sqlite3_stmt *s;
    int step =
        type == ASSET_TYPE_COUNT
            ? reader_first(r, S_LIST, VALUES(INT(after)), &s)
            : reader_first(r, S_LIST_TYPE, VALUES(INT(type), INT(after)), &s);

    while (step > 0) {
        struct catalogue_entry e = {
            .row = sqlite3_column_int64(s, 0),
            .type = type_of(s, 1),
            .folder = (const char *)sqlite3_column_text(s, 2),
            .created_s = sqlite3_column_int64(s, 3),
            .id = (const char *)sqlite3_column_text(s, 4),
        };
        int err = db_texts(r->db);
        if (err || !fn(ctx, &e)) {
            (void)sqlite3_reset(s);
            return err;
        }
        step = db_step(r->db, s);
    }
    return step;
}

/* Queries. */

static int bind_query(sqlite3_stmt *s, const struct condition_values *values,
                      int64_t last)
{
    int code = SQLITE_OK;

    for (size_t i = 0; code == SQLITE_OK && i < values->count; i++) {
        const struct condition_value *v = &values->items[i];
        int at = (int)i + 1;
        if (v->kind == CONDITION_BIND_INT)
            code = sqlite3_bind_int64(s, at, v->integer);
        else if (v->kind == CONDITION_BIND_DOUBLE)
            code = sqlite3_bind_double(s, at, v->number);
        else
            code = sqlite3_bind_text64(s, at, v->text, v->text_len,
                                       SQLITE_TRANSIENT, SQLITE_UTF8);
    }
    if (code == SQLITE_OK)
        code = sqlite3_bind_int64(s, (int)values->count + 1, last);
    return code;
}

/* before, the condition, then `AND a.row <after> ?`, bound to row. */
static int prepare_query(struct catalogue_reader *r, const struct query *q,
                         enum condition_form form, const char *before,
                         const char *after, int64_t row,
                         sqlite3_stmt **ret_statement)
{
    cleanup(buf_done) struct buf sql;
    cleanup(condition_values_done) struct condition_values values = {0};

    buf_init(&sql, SQL_MAX);
    drop_pending(r);
    int err = buf_append_str(&sql, before);
    if (!err)
        err = condition_write(q, form, &sql, &values);
    if (!err)
        err = buf_append_str(&sql, after);
    if (!err)
        err = db_prepare(r->db, sql.data, ret_statement);
    if (err)
        return err;
    int code = bind_query(*ret_statement, &values, row);
    return code == SQLITE_OK ? 0 : db_fail(r->db, code, "a query");
}

int catalogue_matches(struct catalogue_reader *r, const struct query *q,
                      int64_t row)
{
    sqlite3_stmt *s;
    int err =
        prepare_query(r, q, CONDITION_POINT, "SELECT 1 FROM asset a WHERE ",
                      " AND a.row = ?", row, &s);

    if (err)
        return err;
    int step = db_step(r->db, s);
    (void)sqlite3_reset(s);
    return step > 0 ? 0 : step < 0 ? step : -ENOENT;
}

struct selection {
    int64_t *rows;
    uint32_t *lines;
    size_t count, row_capacity, line_capacity;
};

static void selection_done(struct selection *sel)
{
    free(sel->rows);
    free(sel->lines);
}

static int selection_add(struct selection *sel, int64_t row, int64_t line)
{
    if (array_reserve(sel->rows, sel->count, sel->row_capacity) ||
        array_reserve(sel->lines, sel->count, sel->line_capacity))
        return -ENOMEM;
    sel->rows[sel->count] = row;
    sel->lines[sel->count++] = line < 0            ? 0
                               : line > UINT32_MAX ? UINT32_MAX
                                                   : (uint32_t)line;
    return 0;
}

int catalogue_select(struct catalogue_reader *r, const struct query *q,
                     int64_t after, int64_t **ret_rows, uint32_t **line_bytes,
                     size_t *ret_count)
{
    cleanup(selection_done) struct selection sel = {0};
    sqlite3_stmt *s = NULL;
    int err = prepare_query(r, q, CONDITION_SCAN,
                            "SELECT a.row, a.line_bytes FROM asset a "
                            "WHERE a.folder IS NOT NULL AND ",
                            " AND a.row > ? ORDER BY a.row", after, &s);
    int step = err ? err : db_step(r->db, s);

    while (step > 0 && !err) {
        err = selection_add(&sel, sqlite3_column_int64(s, 0),
                            sqlite3_column_int64(s, 1));
        step = err ? 0 : db_step(r->db, s);
    }
    if (err && step >= 0)
        (void)sqlite3_reset(s);
    if (err || step < 0)
        return err ? err : step;
    *ret_rows = steal_ptr(sel.rows);
    if (line_bytes)
        *line_bytes = steal_ptr(sel.lines);
    *ret_count = sel.count;
    return 0;
}

/* Fields, state. */

static int reader_integer(struct catalogue_reader *r, enum statement which,
                          const char *name, int64_t *ret_integer)
{
    drop_pending(r);
    return db_integer(r->db, which, VALUES(TEXT(name)), ret_integer);
}

bool catalogue_field_known(void *reader, const char *field)
{
    int64_t indexed;

    /* A failure is no absence: whoever reads on meets it again. */
    return reader_integer(reader, S_FIELD, field, &indexed) != -ENOENT;
}

bool catalogue_field_indexed(struct catalogue_reader *r, const char *field)
{
    int64_t indexed = 0;

    return reader_integer(r, S_FIELD, field, &indexed) == 0 && indexed != 0;
}

int catalogue_reader_version(struct catalogue_reader *r, uint64_t *ret_version)
{
    int64_t version = 0;
    int err = reader_integer(r, S_STATE_GET, "version", &version);

    if (err && err != -ENOENT) /* nothing was committed yet */
        return err;
    *ret_version = (uint64_t)version;
    return 0;
}

int64_t catalogue_state(struct catalogue_reader *r, const char *name,
                        int64_t fallback)
{
    int64_t value;

    return reader_integer(r, S_STATE_GET, name, &value) == 0 ? value : fallback;
}
