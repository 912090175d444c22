/* SPDX-License-Identifier: MIT */
/*
 * writer.c - transactions, and what they write.
 *
 * A put looks its row up by id. A new id becomes a row, with a folder name
 * where one may be given already (folder.c). A known one is compared byte by
 * byte: the same object writes nothing, one with renewed signatures writes the
 * row but doesn't change its mtime, any other difference is a change. Each row
 * is noted in changes.c before it is first touched, so that the commit can tell
 * what it changed. The first error spoils the transaction: then it can only be
 * rolled back.
 */
#include "catalogue/catalogue_internal.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "json/metadata.h"
#include "json/renewal.h"

#define FETCHED_STALE_S 600 /* a younger fetched_s isn't written again */
#define DEFER_ROWS      4096
#define DEFER_MS        500
#define FOLD_GROWTH     4 /* case folding makes a byte at most three */

/* Transactions. */

int catalogue_begin(struct catalogue *c)
{
    assert(!c->in_transaction);
    if (c->deferred) {
        c->deferred = false;
        c->in_transaction = true;
        return 0;
    }
    int err = c->fields.stale ? fields_load(c) : 0;

    checkpoint_let(c);
    if (!err)
        err = db_run(&c->db, S_BEGIN_WRITE, VALUES());
    if (err)
        return err;
    c->in_transaction = true;
    c->failed = 0;
    c->has_steps = false;
    c->commit_due_ms = clock_mono_ms() + DEFER_MS;
    c->changes_before = sqlite3_total_changes64(c->db.handle);
    return 0;
}

void catalogue_rollback(struct catalogue *c)
{
    if (!sqlite3_get_autocommit(c->db.handle))
        (void)db_run(&c->db, S_ROLLBACK, VALUES());
    c->lost |= c->has_steps;
    c->in_transaction = c->deferred = c->has_steps = false;
    c->failed = 0;
    c->fields.stale = true;
    c->log.begins = false;
    changes_clear(&c->changes);
}

bool catalogue_lost_steps(struct catalogue *c)
{
    bool lost = c->lost;

    c->lost = false;
    return lost;
}

/* number -1: a name without one. */
static int writer_save(struct catalogue *c, const char *name, int number,
                       int64_t value)
{
    char text[32];

    if (number < 0)
        (void)snprintf(text, sizeof(text), "%s", name);
    else
        (void)snprintf(text, sizeof(text), "%s.%d", name, number);
    return db_run(&c->db, S_STATE_SET, VALUES(TEXT(text), INT(value)));
}

static int save_counters(struct catalogue *c, const struct counters *now)
{
    int err = 0;

    if (now->total != c->counters.total)
        err = writer_save(c, "total", -1, now->total);
    if (!err && now->stored_bytes != c->counters.stored_bytes)
        err = writer_save(c, "stored", -1, (int64_t)now->stored_bytes);
    for (int i = 0; !err && i <= ASSET_TYPE_COUNT; i++) {
        if (now->named[i] != c->counters.named[i])
            err = writer_save(c, "named", i, now->named[i]);
    }
    return err;
}

/* Wall time, but later than any commit before: clocks are set back. */
static int64_t next_ns(const struct catalogue *c)
{
    int64_t ns = clock_wall_ns();

    for (int i = 0; i <= ASSET_TYPE_COUNT; i++) {
        int64_t last = atomic_load(&c->changed_ns[i]);
        if (ns <= last)
            ns = last + 1;
    }
    return ns;
}

struct commit {
    struct catalogue_diff diff;
    struct counters counters;
    struct log_state log;
    bool listing[ASSET_TYPE_COUNT];
};

/* Any difference may move a row into or out of a query. */
static bool is_touched(const struct commit *m, int type)
{
    return type == ASSET_TYPE_COUNT ? m->diff.count > 0 : m->listing[type];
}

static int prepare_commit(struct catalogue *c, struct commit *m)
{
    int err = c->failed;

    m->counters = c->counters;
    m->log = c->log;
    m->diff.committed_ns = next_ns(c);
    if (!err)
        err = change_log_write(c, m->diff.committed_ns, &m->log);
    if (!err)
        err = changes_diff(c, &m->diff, &m->counters, m->listing);
    m->diff.version = atomic_load(&c->version) + (m->diff.count > 0);
    if (!err)
        err = save_counters(c, &m->counters);
    if (!err && m->diff.count > 0)
        err = writer_save(c, "version", -1, (int64_t)m->diff.version);
    for (int i = 0; !err && i <= ASSET_TYPE_COUNT; i++) {
        if (is_touched(m, i))
            err = writer_save(c, "changed", i, m->diff.committed_ns);
    }
    return err;
}

/* After `commits` has moved: who sees a listing's new time gets a reader of
 * the new listing. */
static void writer_publish(struct catalogue *c, const struct commit *m)
{
    c->counters = m->counters;
    c->log = m->log;
    for (int i = 0; i <= ASSET_TYPE_COUNT; i++) {
        atomic_store(&c->named[i], m->counters.named[i]);
        if (is_touched(m, i))
            atomic_store(&c->changed_ns[i], m->diff.committed_ns);
    }
    atomic_store(&c->stored_bytes, m->counters.stored_bytes);
    atomic_store(&c->version, m->diff.version);
}

/* After a commit: readers start again, the log may be cut. Needs
 * changes_before as it was at the begin. */
static void writer_written(struct catalogue *c)
{
    if (sqlite3_total_changes64(c->db.handle) == c->changes_before)
        return;
    (void)atomic_fetch_add(&c->commits, 1);
    checkpoint_poke(c, c->wal_pages);
}

int catalogue_commit(struct catalogue *c, struct catalogue_diff *ret_diff)
{
    assert(c->in_transaction);
    struct commit m = {0};
    int err = prepare_commit(c, &m);

    if (failpoint("partial_commit"))
        (void)db_exec(&c->db, "DELETE FROM asset WHERE row = "
                              "(SELECT max(row) FROM asset)");
    if (!err)
        err = db_run(&c->db, S_COMMIT, VALUES());
    if (err) {
        catalogue_diff_done(&m.diff);
        catalogue_rollback(c);
        return err;
    }
    c->in_transaction = false;
    changes_clear(&c->changes);
    writer_written(c);
    writer_publish(c, &m);
    *ret_diff = m.diff;
    return 0;
}

int catalogue_commit_later(struct catalogue *c, struct catalogue_diff *ret_diff)
{
    assert(c->in_transaction);
    if (c->failed || c->changes.count >= DEFER_ROWS ||
        clock_mono_ms() >= c->commit_due_ms || checkpoint_is_cutting(c))
        return catalogue_commit(c, ret_diff);
    c->in_transaction = false;
    c->deferred = true;
    c->has_steps = true;
    *ret_diff = (struct catalogue_diff){0};
    return 0;
}

int64_t catalogue_commit_due_ms(const struct catalogue *c)
{
    return c->deferred ? c->commit_due_ms : CLOCK_NEVER_MS;
}

/* Putting an asset. */

/* What a row is made of besides the asset's own fields. */
struct derived {
    char safe[NAME_SIZE];
    struct buf fold;
    size_t rendered, line;
};

static void derived_done(struct derived *d)
{
    buf_done(&d->fold);
}

static int writer_derive(const struct asset *a, struct derived *d)
{
    d->rendered = a->rendered_bytes;
    d->line = a->line_bytes;
    if (d->line == 0 &&
        metadata_measure(a->json, a->json_len, &d->rendered, &d->line))
        return -EBADMSG;
    (void)name_make(a->filename, a->filename_len, d->safe);
    buf_init(&d->fold, a->filename_len * FOLD_GROWTH + 64);
    return query_fold(a->filename ? a->filename : "", a->filename_len,
                      &d->fold);
}

/* The row of an id as it stands. */
struct known {
    int64_t row;
    enum asset_type type;
    char folder[NAME_SIZE]; /* "" unnamed */
    int64_t fetched_s, size_bytes, created_s, changed_s;
    bool unfinished, has_url;
};

static int writer_find(struct catalogue *c, const char *id, struct known *k)
{
    sqlite3_stmt *s;
    int step = db_first(&c->db, S_KNOWN, VALUES(TEXT(id)), &s);

    if (step <= 0)
        return step < 0 ? step : -ENOENT;
    k->row = sqlite3_column_int64(s, 0);
    k->type = (enum asset_type)sqlite3_column_int(s, 1);
    const char *folder = (const char *)sqlite3_column_text(s, 2);
    (void)snprintf(k->folder, sizeof(k->folder), "%s", folder ? folder : "");
    k->fetched_s = sqlite3_column_int64(s, 3);
    k->size_bytes = sqlite3_column_int64(s, 4);
    k->unfinished = sqlite3_column_int(s, 5) != 0;
    k->created_s = sqlite3_column_int64(s, 6);
    k->changed_s = sqlite3_column_int64(s, 7);
    k->has_url = sqlite3_column_int(s, 8) != 0;
    int err = db_texts(&c->db);
    (void)sqlite3_reset(s);
    return err;
}

static int write_body(struct catalogue *c, const struct asset *a, int64_t row)
{
    return db_run(&c->db, S_BODY_SET,
                  VALUES(INT(row), BLOB(a->json, a->json_len)));
}

/* Where nobody knows when, and no neighbour in the list tells, it is 1970. */
static int64_t created_s(const struct asset *a)
{
    return a->created_s == ASSET_NO_TIME ? 0 : a->created_s;
}

/* name: of a new row, NULL for none; row: of one that is there. */
static int write_row(struct catalogue *c, const struct asset *a,
                     const struct derived *d, int64_t changed_s, int64_t now_s,
                     const char *name, int64_t row)
{
    const struct value values[] = {
        TEXT(a->id),
        INT(a->type),
        INT(created_s(a)),
        TEXT(a->created_at),
        INT(changed_s),
        BYTES(buf_str(&d->fold), d->fold.len),
        INT(a->unfinished),
        INT((int64_t)d->rendered),
        INT((int64_t)d->line),
        TEXT(a->picture_url),
        TEXT(a->manifest_url),
        INT(a->size_bytes),
        INT(now_s),
        INT((int64_t)atomic_load(&c->version) + 1),
        row ? INT(row) : TEXT(name),
        name ? INT(folder_hash(name)) : TEXT(NULL),
    };

    return row ? db_run(&c->db, S_UPDATE, values, array_count(values) - 1)
               : db_run(&c->db, S_INSERT, values, array_count(values));
}

static int insert_row(struct catalogue *c, const struct asset *a,
                      const struct derived *d, const char *name, int64_t now_s,
                      int64_t *ret_row)
{
    int err = write_row(c, a, d, created_s(a), now_s, name, 0);

    if (err)
        return err;
    int64_t row = sqlite3_last_insert_rowid(c->db.handle);
    if (row >= CATALOGUE_MAX_ROW)
        return -ENOSPC; /* an inode's asset part ends there */
    folder_note_row(c, row);
    err = changes_touch(c, row, true, NULL);
    if (!err)
        err = write_body(c, a, row);
    if (!err)
        err = fields_put(c, row, true, a);
    *ret_row = row;
    return err;
}

static int writer_insert(struct catalogue *c, const struct asset *a,
                         const struct derived *d, bool named, int64_t now_s,
                         int64_t *ret_row)
{
    struct folder_name name;
    int choice = named ? folder_choose(c, a->id, d->safe, &name) : -EAGAIN;

    if (choice && choice != -EEXIST && choice != -EAGAIN)
        return choice;
    int err = insert_row(c, a, d, choice ? NULL : name.text, now_s, ret_row);
    if (err)
        return err;
    if (!choice)
        return folder_note(c, *ret_row, d->safe, &name);
    return choice == -EEXIST ? folder_refuse(c, *ret_row, d->safe, false)
                             : db_run(&c->db, S_UNNAMED_SET,
                                      VALUES(INT(*ret_row), TEXT(d->safe)));
}

/* The name that a known row shall have from now on. */
static int rename_row(struct catalogue *c, const struct asset *a,
                      const struct derived *d, const struct known *k,
                      bool named)
{
    bool has = k->folder[0] != '\0';

    if (!has && !named)
        return db_run(&c->db, S_UNNAMED_SET,
                      VALUES(INT(k->row), TEXT(d->safe)));
    if (has && folder_is_of(k->folder, d->safe))
        return 0;
    int err = has ? folder_take(c, k->row, k->folder) : 0;
    return err ? err : folder_give(c, k->row, a->id, d->safe);
}

enum sameness { SAME, RENEWED, DIFFERENT };

static int writer_compare(struct catalogue *c, const struct asset *a,
                          const struct known *k, enum sameness *ret_sameness)
{
    sqlite3_stmt *s;
    int step = db_first(&c->db, S_BODY, VALUES(INT(k->row)), &s);

    if (step <= 0) {
        *ret_sameness = DIFFERENT;
        return step;
    }
    const char *json = sqlite3_column_blob(s, 0);
    size_t len = (size_t)sqlite3_column_bytes(s, 0);
    int err = json ? 0 : db_texts(&c->db);
    bool derived_alike = a->type == k->type && a->size_bytes == k->size_bytes &&
                         a->unfinished == k->unfinished;
    if (!derived_alike || !json)
        *ret_sameness = DIFFERENT;
    else if (len == a->json_len && memcmp(json, a->json, len) == 0)
        *ret_sameness = SAME;
    else
        *ret_sameness =
            renewal_is(json, len, a->json, a->json_len) ? RENEWED : DIFFERENT;
    (void)sqlite3_reset(s);
    return err;
}

/* Polls and the sweep read the same objects all day: they write nothing but,
 * now and then, how old the URLs are. */
static int refresh_row(struct catalogue *c, const struct asset *a,
                       const struct derived *d, const struct known *k,
                       bool named, int64_t now_s)
{
    int err = 0;

    if (named && k->folder[0] == '\0')
        err = folder_give(c, k->row, a->id, d->safe);
    if (!err && k->has_url && now_s - k->fetched_s >= FETCHED_STALE_S)
        err = db_run(&c->db, S_FETCHED, VALUES(INT(now_s), INT(k->row)));
    return err;
}

static int writer_update(struct catalogue *c, const struct asset *a,
                         const struct derived *d, const struct known *k,
                         bool named, int64_t now_s)
{
    struct touched *touched;
    enum sameness sameness;
    int err = writer_compare(c, a, k, &sameness);

    if (err || sameness == SAME)
        return err ? err : refresh_row(c, a, d, k, named, now_s);
    err = changes_touch(c, k->row, false, &touched);
    if (err)
        return err;
    if (sameness == RENEWED)
        touched->renewed = true;
    else
        touched->changed = true;
    err = touched->changed ? change_log_keep(c, touched) : 0;
    if (err)
        return err;
    err = write_row(c, a, d, sameness == RENEWED ? k->changed_s : now_s, now_s,
                    NULL, k->row);
    if (!err)
        err = write_body(c, a, k->row);
    if (!err)
        err = fields_put(c, k->row, false, a);
    return err ? err : rename_row(c, a, d, k, named);
}

int catalogue_put(struct catalogue *c, const struct asset *a, bool named,
                  int64_t now_s, int64_t *ret_row, bool *ret_new)
{
    cleanup(derived_done) struct derived d = {0};
    struct known known;
    int64_t row = 0;

    assert(c->in_transaction);
    if (c->failed)
        return c->failed;
    int err = writer_derive(a, &d);
    if (err)
        return err;
    err = writer_find(c, a->id, &known);
    bool is_new = err == -ENOENT;
    if (is_new)
        err = writer_insert(c, a, &d, named, now_s, &row);
    else if (!err)
        err = writer_update(c, a, &d, &known, named, now_s);
    if (err)
        return changes_spoil(c, err);
    *ret_row = is_new ? row : known.row;
    *ret_new = is_new;
    return 0;
}

/* Names, removal, state. */

static int name_next(struct catalogue *c, int64_t *after)
{
    char safe[NAME_SIZE];
    sqlite3_stmt *s;
    int step = db_first(&c->db, S_UNNAMED_NEXT, VALUES(INT(*after)), &s);

    if (step <= 0)
        return step < 0 ? step : -ENOENT;
    *after = sqlite3_column_int64(s, 0);
    const char *text = (const char *)sqlite3_column_text(s, 1);
    (void)snprintf(safe, sizeof(safe), "%s", text ? text : "");
    text = text ? (const char *)sqlite3_column_text(s, 2) : NULL;
    cleanup(free_ptr) char *id = text ? strdup(text) : NULL;
    (void)sqlite3_reset(s);
    return id ? folder_give(c, *after, id, safe) : -ENOMEM;
}

int catalogue_name_all(struct catalogue *c)
{
    assert(c->in_transaction);
    int64_t after = 0;
    int err = c->failed;

    while (!err)
        err = name_next(c, &after);
    return err == -ENOENT ? 0 : changes_spoil(c, err);
}

static int remove_row(struct catalogue *c, int64_t row)
{
    char folder[NAME_SIZE];
    struct touched *touched;
    int err = changes_touch(c, row, false, &touched);

    if (!err)
        err = change_log_keep(c, touched);
    if (err)
        return err;
    touched->removed = true;
    sqlite3_stmt *s;
    int step = db_first(&c->db, S_STANDING, VALUES(INT(row)), &s);
    if (step <= 0)
        return step < 0 ? step : -ENOENT;
    const char *name = (const char *)sqlite3_column_text(s, 3);
    (void)snprintf(folder, sizeof(folder), "%s", name ? name : "");
    err = db_texts(&c->db);
    (void)sqlite3_reset(s);
    if (err)
        return err;
    err = folder[0] ? folder_take(c, row, folder)
                    : db_run(&c->db, S_UNNAMED_DELETE, VALUES(INT(row)));
    if (!err)
        err = fields_remove(c, row);
    if (!err)
        err = db_run(&c->db, S_PICTURE_DELETE, VALUES(INT(row)));
    if (!err)
        err = db_run(&c->db, S_BODY_DELETE, VALUES(INT(row)));
    return err ? err : db_run(&c->db, S_DELETE, VALUES(INT(row)));
}

int catalogue_remove(struct catalogue *c, int64_t row)
{
    assert(c->in_transaction);
    if (c->failed)
        return c->failed;
    int err = remove_row(c, row);
    if (failpoint("reused_row"))
        (void)db_exec(&c->db, "UPDATE sqlite_sequence SET seq = "
                              "(SELECT max(row) FROM asset)");
    return err == -ENOENT ? err : changes_spoil(c, err);
}

int writer_run(struct catalogue *c, enum statement which,
               const struct value *values, size_t count)
{
    if (c->failed)
        return c->failed;
    if (!c->in_transaction)
        c->changes_before = sqlite3_total_changes64(c->db.handle);
    int err = db_run(&c->db, which, values, count);
    if (!err && !c->in_transaction)
        writer_written(c);
    return err;
}

int catalogue_state_set(struct catalogue *c, const char *name, int64_t value)
{
    int err = writer_run(c, S_STATE_SET, VALUES(TEXT(name), INT(value)));

    if (!err && value && strcmp(name, "complete") == 0)
        change_log_begin(c);
    return changes_spoil(c, err);
}
