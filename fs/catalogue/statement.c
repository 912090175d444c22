/* SPDX-License-Identifier: MIT */
/*
 * statement.c - all SQL that is known in advance, prepared when it is first
 * used and kept with its connection; SQL made from queries is kept for the last
 * few. SQLite's codes become errno here, and damage is noted here.
 */
#include "catalogue/catalogue_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/log.h"

#define ENTRY_COLUMNS                                                          \
    "a.row, a.type, a.created_s, a.changed_s, a.fetched_s, a.metadata_bytes, " \
    "a.line_bytes, a.version, a.id, a.folder, a.picture_url, a.manifest_url "

#define IS_NAMED "a.row >> 18 = ? AND a.folder_hash = ? AND a.folder = ?"

static const char *const texts[STATEMENT_COUNT] = {
    [S_BEGIN_READ] = "BEGIN",
    [S_BEGIN_WRITE] = "BEGIN IMMEDIATE",
    [S_COMMIT] = "COMMIT",
    [S_ROLLBACK] = "ROLLBACK",
    [S_STATE_GET] = "SELECT value FROM state WHERE name = ?",
    [S_STATE_SET] = "INSERT INTO state(name, value) VALUES(?, ?) "
                    "ON CONFLICT(name) DO UPDATE SET value = excluded.value",
    [S_KNOWN] = "SELECT row, type, folder, fetched_s, size_bytes, unfinished, "
                "created_s, changed_s, picture_url IS NOT NULL OR "
                "manifest_url IS NOT NULL FROM asset WHERE id = ?",
    [S_BODY] = "SELECT json FROM body WHERE row = ?",
    [S_INSERT] =
        "INSERT INTO asset(id, type, created_s, created, changed_s, fold, "
        "unfinished, metadata_bytes, line_bytes, picture_url, manifest_url, "
        "size_bytes, fetched_s, version, folder, folder_hash) "
        "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [S_UPDATE] =
        "UPDATE asset SET id = ?, type = ?, created_s = ?, created = ?, "
        "changed_s = ?, fold = ?, unfinished = ?, metadata_bytes = ?, "
        "line_bytes = ?, picture_url = ?, manifest_url = ?, size_bytes = ?, "
        "fetched_s = ?, version = ? WHERE row = ?",
    [S_BODY_SET] = "INSERT OR REPLACE INTO body(row, json) VALUES(?, ?)",
    [S_FETCHED] = "UPDATE asset SET fetched_s = ? WHERE row = ?",
    [S_DELETE] = "DELETE FROM asset WHERE row = ?",
    [S_BODY_DELETE] = "DELETE FROM body WHERE row = ?",
    [S_FIRST_ROW] = "SELECT coalesce(min(row), (SELECT coalesce(max(seq), 0) "
                    "FROM sqlite_sequence WHERE name = 'asset')) FROM asset",
    [S_LAST_ROW] = "SELECT coalesce(max(row), 0) FROM asset",
    [S_NAME_FIND] = "SELECT a.row FROM asset a WHERE " IS_NAMED,
    [S_NAMESAKE_ADD] = "INSERT INTO namesake(safe, row) VALUES(?, ?)",
    [S_NAMESAKE_DELETE] = "DELETE FROM namesake WHERE safe = ? AND row = ?",
    [S_NAMESAKE_FIRST] =
        "SELECT row FROM namesake WHERE safe = ? ORDER BY row LIMIT 1",
    [S_UNNAMED_SET] = "INSERT OR REPLACE INTO unnamed(row, safe) VALUES(?, ?)",
    [S_UNNAMED_DELETE] = "DELETE FROM unnamed WHERE row = ?",
    [S_UNNAMED_NEXT] =
        "SELECT u.row, u.safe, a.id FROM unnamed u JOIN asset a "
        "ON a.row = u.row WHERE u.row > ? ORDER BY u.row LIMIT 1",
    [S_SET_FOLDER] =
        "UPDATE asset SET folder = ?, folder_hash = ? WHERE row = ?",
    [S_STANDING] = "SELECT type, size_bytes, id, folder, picture_url, "
                   "manifest_url IS NOT NULL FROM asset WHERE row = ?",
    [S_KEYS] = "SELECT name, key, indexed FROM field_key ORDER BY name",
    [S_KEY_ADD] = "INSERT INTO field_key(name, indexed) VALUES(?, 0)",
    [S_KEY_INDEXED] = "UPDATE field_key SET indexed = ? WHERE key = ?",
    [S_VALUES_DELETE] = "DELETE FROM field WHERE key = ? AND row = ?",
    [S_VALUES_DROP] =
        "DELETE FROM field WHERE key = ?1 AND row <= (SELECT max(row) FROM "
        "(SELECT row FROM field WHERE key = ?1 ORDER BY row LIMIT ?2))",
    [S_VALUE_ADD] = "INSERT OR IGNORE INTO field(key, row, value, exact) "
                    "VALUES(?, ?, ?, ?)",
    [S_BODIES] =
        "SELECT row, json FROM body WHERE row > ? ORDER BY row LIMIT ?",
    [S_GET] = "SELECT " ENTRY_COLUMNS "FROM asset a WHERE a.row = ?",
    [S_GET_BY_ID] = "SELECT " ENTRY_COLUMNS "FROM asset a WHERE a.id = ?",
    [S_GET_BY_FOLDER] = "SELECT " ENTRY_COLUMNS "FROM asset a WHERE " IS_NAMED,
    [S_LIST] = "SELECT row, type, folder, created_s, id FROM asset "
               "WHERE row > ? AND folder IS NOT NULL ORDER BY row",
    [S_LIST_TYPE] = "SELECT row, type, folder, created_s, id FROM asset "
                    "INDEXED BY asset_listing WHERE type = ? AND row > ? "
                    "AND folder IS NOT NULL ORDER BY row",
    [S_FIELD] = "SELECT indexed FROM field_key WHERE name = ?",
    [S_LINK_ADD] = "INSERT INTO link(place, name, target, created_s) "
                   "VALUES(?, ?, ?, ?)",
    [S_LINK_REMOVE] = "DELETE FROM link WHERE place = ? AND name = ?",
    [S_LINKS] = "SELECT link, created_s, name, target FROM link "
                "WHERE place = ? AND link > ? ORDER BY link",
    [S_LINK_GET] = "SELECT link, created_s, name, target FROM link "
                   "WHERE place = ? AND name = ?",
    [S_LINK_BY_NUMBER] =
        "SELECT link, created_s, name, target FROM link WHERE link = ?",
    [S_WITHIN] =
        "SELECT count(*) FROM asset WHERE created_s >= ? AND created_s < ?",
    [S_OLDER] = "SELECT count(*) FROM asset WHERE created_s < ?",
    [S_OLDER_EQUAL] =
        "SELECT count(*) FROM asset WHERE created_s = ? AND row < ?",
    [S_NEWER] = "SELECT count(*) FROM asset WHERE created_s > ?",
    [S_NEWER_EQUAL] =
        "SELECT count(*) FROM asset WHERE created_s = ? AND row >= ?",
    [S_SLOTS_EQUAL] =
        "SELECT row, created_s, id FROM asset WHERE created_s = ? "
        "AND row < ? AND row > ? ORDER BY created_s DESC, row DESC LIMIT ?",
    [S_SLOTS_OLDER] =
        "SELECT row, created_s, id FROM asset WHERE created_s < ? "
        "AND created_s > ? ORDER BY created_s DESC, row DESC LIMIT ?",
    [S_UNFINISHED] =
        "SELECT row, created_s, id FROM asset WHERE unfinished = 1 "
        "ORDER BY created_s DESC, row DESC LIMIT ?",
    [S_PICTURE_GET] =
        "SELECT label, size_bytes, checksum FROM picture WHERE row = ?",
    [S_PICTURE_SET] =
        "INSERT OR REPLACE INTO picture(row, label, size_bytes, checksum) "
        "SELECT row, ?, ?, ? FROM asset WHERE row = ?",
    [S_PICTURE_DELETE] = "DELETE FROM picture WHERE row = ?",
    [S_NEIGHBOURS] =
        "SELECT row, created_s, id FROM asset WHERE row > ? AND row < ? "
        "AND row <> ? AND fetched_s <= ? "
        "AND (picture_url IS NOT NULL OR manifest_url IS NOT NULL) "
        "ORDER BY type <> ?, abs(row - ?) LIMIT ?",
    [S_OBJECT] = "SELECT a.id, a.type, b.json FROM asset a JOIN body b "
                 "ON b.row = a.row WHERE a.row = ?",
    [S_EVENT_ADD] = "INSERT INTO event(seq, time_ns, end_bytes, line) "
                    "VALUES(?, ?, ?, ?)",
    [S_EVENT_AT] = "SELECT seq, time_ns, end_bytes FROM event WHERE seq = ?",
    [S_EVENT_FIRST] =
        "SELECT seq, time_ns, end_bytes FROM event ORDER BY seq LIMIT 1",
    [S_EVENT_LAST] =
        "SELECT seq, time_ns, end_bytes FROM event ORDER BY seq DESC LIMIT 1",
    [S_EVENT_CUT] = "DELETE FROM event WHERE seq < ?",
    [S_EVENTS] = "SELECT seq, line FROM event WHERE seq >= ? ORDER BY seq",
};

struct value text_value(const char *text)
{
    return BYTES(text, text ? strlen(text) : 0);
}

/* A write past the process's limit (EFBIG): SQLite knows ENOSPC alone for a
 * full disk, and by the time of the question errno is another's. */
static bool is_past_limit(int code)
{
    struct rlimit limit;

    return code == SQLITE_IOERR_WRITE && getrlimit(RLIMIT_FSIZE, &limit) == 0 &&
           limit.rlim_cur != RLIM_INFINITY;
}

static int error_of(sqlite3 *handle, int code)
{
    int system = handle ? sqlite3_system_errno(handle) : 0;

    switch (code & 0xff) {
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_READONLY:
        return -EROFS;
    case SQLITE_CONSTRAINT:
        return -EEXIST;
    case SQLITE_PERM:
        return -EACCES;
    case SQLITE_CANTOPEN:
    case SQLITE_IOERR:
        if (system == EACCES || system == EROFS || system == ENOSPC)
            return -system;
        if (system == EDQUOT || system == EFBIG)
            return -ENOSPC;
        return is_past_limit(code) ? -ENOSPC : -EIO;
    default:
        return -EIO;
    }
}

/* A short reading is the log's: the file's are SQLITE_IOERR_DATA (vfs.c). */
static bool is_damage(int code)
{
    int primary = code & 0xff;

    return primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB ||
           code == SQLITE_IOERR_DATA || code == SQLITE_IOERR_SHORT_READ;
}

/* Each reading of a damaged file fails: it is said once, and not while it is
 * opened, for it is set aside then. */
static void fail_damaged(struct catalogue *c)
{
    if (atomic_exchange(&c->damaged, true) || c->opening)
        return;
    catalogue_mark_damaged(c);
    log_error("catalogue: the cache file is damaged; reads of the damaged part "
              "fail until the next mount, which reads the account again");
}

int db_fail(struct db *d, int code, const char *what)
{
    int err = error_of(d->handle, code);
    char quoted[200];

    if (is_damage(code)) {
        fail_damaged(d->catalogue);
        return err;
    }
    const char *why =
        d->handle ? sqlite3_errmsg(d->handle) : sqlite3_errstr(code);
    log_error("catalogue: %s: %s (%d)", what,
              log_quote(why, strlen(why), quoted, sizeof(quoted)), code);
    return err;
}

int db_exec(struct db *d, const char *sql)
{
    int code = sqlite3_exec(d->handle, sql, NULL, NULL, NULL);

    return code == SQLITE_OK ? 0 : db_fail(d, code, sql);
}

static int statement_bind(sqlite3_stmt *statement, int at,
                          const struct value *v)
{
    switch (v->kind) {
    case VALUE_INT:
        return sqlite3_bind_int64(statement, at, v->integer);
    case VALUE_REAL:
        return sqlite3_bind_double(statement, at, v->real);
    case VALUE_TEXT:
        return sqlite3_bind_text64(statement, at, v->text, v->len,
                                   SQLITE_STATIC, SQLITE_UTF8);
    case VALUE_BLOB:
        return sqlite3_bind_blob64(statement, at, v->text, v->len,
                                   SQLITE_STATIC);
    default:
        return sqlite3_bind_null(statement, at);
    }
}

int db_bind(struct db *d, enum statement which, const struct value *values,
            size_t count, sqlite3_stmt **ret_statement)
{
    sqlite3_stmt **statement = &d->statements[which];
    int code = SQLITE_OK;

    if (*statement)
        (void)sqlite3_reset(*statement);
    else
        code = sqlite3_prepare_v3(d->handle, texts[which], -1,
                                  SQLITE_PREPARE_PERSISTENT, statement, NULL);
    for (size_t i = 0; code == SQLITE_OK && i < count; i++)
        code = statement_bind(*statement, (int)i + 1, &values[i]);
    if (code != SQLITE_OK)
        return db_fail(d, code, texts[which]);
    *ret_statement = *statement;
    return 0;
}

int db_step(struct db *d, sqlite3_stmt *statement)
{
    int code = sqlite3_step(statement);

    if (code == SQLITE_ROW)
        return 1;
    if (code == SQLITE_DONE) {
        (void)sqlite3_reset(statement);
        return 0;
    }
    /* A broken constraint is an answer, not a failure. */
    int err = (code & 0xff) == SQLITE_CONSTRAINT
                  ? -EEXIST
                  : db_fail(d, code, sqlite3_sql(statement));
    (void)sqlite3_reset(statement);
    return err;
}

int db_first(struct db *d, enum statement which, const struct value *values,
             size_t count, sqlite3_stmt **ret_statement)
{
    int err = db_bind(d, which, values, count, ret_statement);

    return err ? err : db_step(d, *ret_statement);
}

int db_texts(struct db *d)
{
    int code = sqlite3_errcode(d->handle);

    return (code & 0xff) == SQLITE_NOMEM ? db_fail(d, code, "a row") : 0;
}

int db_run(struct db *d, enum statement which, const struct value *values,
           size_t count)
{
    sqlite3_stmt *statement;
    int step = db_first(d, which, values, count, &statement);

    while (step > 0)
        step = db_step(d, statement);
    return step;
}

int db_integer(struct db *d, enum statement which, const struct value *values,
               size_t count, int64_t *ret_integer)
{
    sqlite3_stmt *statement = NULL;
    int step = db_first(d, which, values, count, &statement);

    if (step <= 0)
        return step < 0 ? step : -ENOENT;
    *ret_integer = sqlite3_column_int64(statement, 0);
    (void)sqlite3_reset(statement);
    return 0;
}

int db_prepare(struct db *d, const char *sql, sqlite3_stmt **ret_statement)
{
    for (size_t i = 0; i < DB_RECENT; i++) {
        if (d->recent[i].sql && strcmp(d->recent[i].sql, sql) == 0) {
            (void)sqlite3_reset(d->recent[i].statement);
            *ret_statement = d->recent[i].statement;
            return 0;
        }
    }
    char *copy = strdup(sql);
    if (!copy)
        return -ENOMEM;
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v3(d->handle, sql, -1, SQLITE_PREPARE_PERSISTENT,
                                  &statement, NULL);
    if (code != SQLITE_OK) {
        free(copy);
        return db_fail(d, code, "a query");
    }
    unsigned at = d->recent_next++ % DB_RECENT;
    free(d->recent[at].sql);
    (void)sqlite3_finalize(d->recent[at].statement);
    d->recent[at].sql = copy;
    d->recent[at].statement = *ret_statement = statement;
    return 0;
}

void db_close(struct db *d)
{
    for (size_t i = 0; i < STATEMENT_COUNT; i++)
        (void)sqlite3_finalize(d->statements[i]);
    for (size_t i = 0; i < DB_RECENT; i++) {
        free(d->recent[i].sql);
        (void)sqlite3_finalize(d->recent[i].statement);
    }
    (void)sqlite3_close(d->handle);
    *d = (struct db){.catalogue = d->catalogue};
}
