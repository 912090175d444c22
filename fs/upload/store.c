/* SPDX-License-Identifier: MIT */
#include "upload/store.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"

#define STORE_VERSION     1
#define STORE_APPLICATION 0x31326675 /* "12fu" */

enum statement {
    STORE_LIST,
    STORE_INSERT,
    STORE_UPDATE,
    STORE_REMOVE,
    STORE_CHUNK,
    STORE_CHUNKS,
    STORE_CHUNKS_REMOVE,
    STORE_BEGIN,
    STORE_COMMIT,
    STORE_ROLLBACK,
    STORE_STATEMENTS
};

#define COLUMNS                                                                \
    "path, inode, size, mtime, ctime, state, token, digest, sent_s, done_s, "  \
    "upload_id, asset_id, chunk_bytes, chunk_count, kept, error, headers"

static const char *const texts[STORE_STATEMENTS] = {
    [STORE_LIST] = "SELECT " COLUMNS ", number FROM upload WHERE root = ?1",
    [STORE_INSERT] = "INSERT INTO upload(" COLUMNS ", root) VALUES(?1, ?2, ?3, "
                     "?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, "
                     "?16, ?17, ?18)",
    [STORE_UPDATE] = "UPDATE upload SET (" COLUMNS ") = (?1, ?2, ?3, ?4, ?5, "
                     "?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17) "
                     "WHERE number = ?18",
    [STORE_REMOVE] = "DELETE FROM upload WHERE number = ?1",
    [STORE_CHUNK] = ("INSERT OR REPLACE INTO chunk(upload, number, etag) "
                     "VALUES(?1, ?2, ?3)"),
    [STORE_CHUNKS] = "SELECT number, etag FROM chunk WHERE upload = ?1",
    [STORE_CHUNKS_REMOVE] = "DELETE FROM chunk WHERE upload = ?1",
    [STORE_BEGIN] = "BEGIN IMMEDIATE",
    [STORE_COMMIT] = "COMMIT",
    [STORE_ROLLBACK] = "ROLLBACK",
};

/* The lock is held from the first reading on, and so the log's index needs no
 * file that other processes map. */
static const char store_connection[] = "PRAGMA locking_mode = EXCLUSIVE;"
                                       "PRAGMA journal_mode = WAL;"
                                       "PRAGMA synchronous = FULL;"
                                       "PRAGMA trusted_schema = OFF;"
                                       "PRAGMA temp_store = MEMORY;"
                                       "BEGIN IMMEDIATE; COMMIT;";

static const char store_tables[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE upload(number INTEGER PRIMARY KEY AUTOINCREMENT,"
    " root BLOB NOT NULL, path BLOB NOT NULL, inode INT NOT NULL,"
    " size INT NOT NULL, mtime INT NOT NULL, ctime INT NOT NULL,"
    " state INT NOT NULL, token TEXT NOT NULL, digest TEXT NOT NULL,"
    " sent_s INT NOT NULL, done_s INT NOT NULL, upload_id TEXT, asset_id TEXT,"
    " chunk_bytes INT NOT NULL, chunk_count INT NOT NULL, kept BLOB,"
    " error TEXT, headers TEXT) STRICT;"
    "CREATE TABLE chunk(upload INT NOT NULL, number INT NOT NULL,"
    " etag TEXT NOT NULL, PRIMARY KEY(upload, number)) STRICT, WITHOUT ROWID;"
    "PRAGMA application_id = 825386613;"
    "PRAGMA user_version = 1;"
    "COMMIT;";

struct store {
    sqlite3 *handle;
    sqlite3_stmt *statements[STORE_STATEMENTS];
    char *path;
};

void upload_record_done(struct upload_record *r)
{
    free(r->path);
    free(r->upload_id);
    free(r->asset_id);
    free(r->kept);
    free(r->error);
    free(r->headers);
    *r = (struct upload_record){0};
}

static int store_errno(struct store *s, int code)
{
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return 0;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return -EBADMSG;
    default:
        break;
    }
    int system = sqlite3_system_errno(s->handle);
    return system == ENOSPC || system == EDQUOT || system == EFBIG ? -ENOSPC
                                                                   : -EIO;
}

static int store_fail(struct store *s, int code)
{
    int err = store_errno(s, code);
    if (err)
        log_error("uploads: " STORE_NAME ": %s", sqlite3_errmsg(s->handle));
    return err;
}

/* ---- opening ---- */

static int store_pragma(struct store *s, const char *sql, int64_t *ret_value)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(s->handle, sql, -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        *ret_value = sqlite3_column_int64(statement, 0);
    (void)sqlite3_finalize(statement);
    return code == SQLITE_ROW ? 0 : store_fail(s, code);
}

static int store_prepare_tables(struct store *s)
{
    int64_t version = 0, application = 0, tables = 0;
    int err = store_pragma(s, "PRAGMA user_version", &version);
    if (!err)
        err = store_pragma(s, "PRAGMA application_id", &application);
    if (!err)
        err = store_pragma(s, "SELECT count(*) FROM sqlite_schema", &tables);
    if (err)
        return err;
    if (version == 0 && tables == 0)
        return store_fail(
            s, sqlite3_exec(s->handle, store_tables, NULL, NULL, NULL));
    return version == STORE_VERSION && application == STORE_APPLICATION
               ? 0
               : -EBADMSG;
}

/* Private from its first byte on, whatever the umask. */
static int store_create_file(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    (void)close(fd);
    return 0;
}

static int store_connect(struct store *s)
{
    int flags =
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int err = store_create_file(s->path);
    if (err)
        return err;
    int code = sqlite3_open_v2(s->path, &s->handle, flags, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_exec(s->handle, store_connection, NULL, NULL, NULL);
    err = store_errno(s, code);
    if (err)
        return err;
    (void)sqlite3_db_config(s->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    return store_prepare_tables(s);
}

DEFINE_CLEANUP(close_store, struct store *, store_close)

int store_open(const char *directory, struct store **ret_store)
{
    cleanup(close_store) struct store *s = calloc(1, sizeof(*s));
    if (!s || asprintf(&s->path, "%s/" STORE_NAME, directory) < 0)
        return -ENOMEM;
    int err = store_connect(s);
    if (!err)
        *ret_store = steal_ptr(s);
    return err;
}

void store_close(struct store *s)
{
    if (!s)
        return;
    for (int i = 0; i < STORE_STATEMENTS; i++)
        (void)sqlite3_finalize(s->statements[i]);
    (void)sqlite3_close(s->handle);
    free(s->path);
    free(s);
}

/* ---- statements ---- */

static int store_take(struct store *s, enum statement which,
                      sqlite3_stmt **ret_statement)
{
    sqlite3_stmt **statement = &s->statements[which];
    int code = SQLITE_OK;
    if (*statement)
        (void)sqlite3_reset(*statement);
    else
        code = sqlite3_prepare_v3(s->handle, texts[which], -1,
                                  SQLITE_PREPARE_PERSISTENT, statement, NULL);
    *ret_statement = *statement;
    return store_fail(s, code);
}

static int store_run(struct store *s, sqlite3_stmt *statement)
{
    int code = sqlite3_step(statement);
    int err = store_fail(s, code);
    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
    return err;
}

static int store_plain(struct store *s, enum statement which)
{
    sqlite3_stmt *statement;
    int err = store_take(s, which, &statement);
    return err ? err : store_run(s, statement);
}

/* With one number. */
static int store_run_for(struct store *s, enum statement which, int64_t number)
{
    sqlite3_stmt *statement;
    int err = store_take(s, which, &statement);
    if (!err)
        err = store_fail(s, sqlite3_bind_int64(statement, 1, number));
    return err ? err : store_run(s, statement);
}

static int store_end(struct store *s, int err)
{
    if (!err)
        err = store_plain(s, STORE_COMMIT);
    if (err && !sqlite3_get_autocommit(s->handle))
        (void)store_plain(s, STORE_ROLLBACK);
    return err;
}

static int bind_text(sqlite3_stmt *statement, int at, const char *text)
{
    return text ? sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC)
                : sqlite3_bind_null(statement, at);
}

/* Names are bytes. */
static int bind_name(sqlite3_stmt *statement, int at, const char *name)
{
    return name ? sqlite3_bind_blob64(statement, at, name, strlen(name),
                                      SQLITE_STATIC)
                : sqlite3_bind_null(statement, at);
}

static int store_bind(sqlite3_stmt *statement, const struct upload_record *r)
{
    const int64_t numbers[][2] = {
        {2, (int64_t)r->identity.inode},
        {3, r->identity.size_bytes},
        {4, r->identity.mtime_ns},
        {5, r->identity.ctime_ns},
        {6, r->state},
        {9, r->sent_s},
        {10, r->done_s},
        {13, r->chunk_bytes},
        {14, r->chunk_count},
    };
    int code = bind_name(statement, 1, r->path);
    for (size_t i = 0; code == SQLITE_OK && i < array_count(numbers); i++)
        code = sqlite3_bind_int64(statement, (int)numbers[i][0], numbers[i][1]);
    if (code == SQLITE_OK)
        code = bind_text(statement, 7, r->token);
    if (code == SQLITE_OK)
        code = bind_text(statement, 8, r->digest);
    if (code == SQLITE_OK)
        code = bind_text(statement, 11, r->upload_id);
    if (code == SQLITE_OK)
        code = bind_text(statement, 12, r->asset_id);
    if (code == SQLITE_OK)
        code = bind_name(statement, 15, r->kept);
    if (code == SQLITE_OK)
        code = bind_text(statement, 16, r->error);
    return code == SQLITE_OK ? bind_text(statement, 17, r->headers) : code;
}

static int store_write(struct store *s, const char *root,
                       const struct upload_record *r)
{
    sqlite3_stmt *statement;
    int err =
        store_take(s, r->number ? STORE_UPDATE : STORE_INSERT, &statement);
    if (err)
        return err;
    int code = store_bind(statement, r);
    if (code == SQLITE_OK)
        code = r->number ? sqlite3_bind_int64(statement, 18, r->number)
                         : bind_name(statement, 18, root);
    err = store_fail(s, code);
    return err ? err : store_run(s, statement);
}

int store_put(struct store *s, const char *root, struct upload_record *r)
{
    int err = store_plain(s, STORE_BEGIN);
    if (err)
        return err;
    err = store_write(s, root, r);
    if (!err && r->number && !(r->state == UPLOAD_SESSION && r->upload_id))
        err = store_run_for(s, STORE_CHUNKS_REMOVE, r->number);
    int64_t number =
        r->number ? r->number : sqlite3_last_insert_rowid(s->handle);
    err = store_end(s, err);
    if (!err)
        r->number = number;
    return err;
}

int store_remove(struct store *s, int64_t number)
{
    int err = store_plain(s, STORE_BEGIN);
    if (err)
        return err;
    err = store_run_for(s, STORE_REMOVE, number);
    if (!err)
        err = store_run_for(s, STORE_CHUNKS_REMOVE, number);
    return store_end(s, err);
}

/* ---- reading ---- */

static char *store_column_copy(sqlite3_stmt *statement, int at, bool *failed)
{
    if (sqlite3_column_type(statement, at) == SQLITE_NULL)
        return NULL;
    const void *bytes = sqlite3_column_blob(statement, at);
    size_t len = (size_t)sqlite3_column_bytes(statement, at);
    char *copy = malloc(len + 1);
    *failed |= !copy || (len && !bytes);
    if (copy && len && bytes)
        memcpy(copy, bytes, len);
    if (copy)
        copy[len] = '\0';
    return copy;
}

static void store_column_text(sqlite3_stmt *statement, int at, char *out,
                              size_t size)
{
    const char *text = (const char *)sqlite3_column_text(statement, at);
    (void)snprintf(out, size, "%s", text ? text : "");
}

static int store_read(sqlite3_stmt *statement, struct upload_record *ret)
{
    bool failed = false;
    struct upload_record r = {
        .number = sqlite3_column_int64(statement, 17),
        .identity = {.inode = (uint64_t)sqlite3_column_int64(statement, 1),
                     .size_bytes = sqlite3_column_int64(statement, 2),
                     .mtime_ns = sqlite3_column_int64(statement, 3),
                     .ctime_ns = sqlite3_column_int64(statement, 4)},
        .state = (enum upload_state)sqlite3_column_int(statement, 5),
        .sent_s = sqlite3_column_int64(statement, 8),
        .done_s = sqlite3_column_int64(statement, 9),
        .chunk_bytes = sqlite3_column_int64(statement, 12),
        .chunk_count = sqlite3_column_int64(statement, 13),
    };
    r.path = store_column_copy(statement, 0, &failed);
    r.upload_id = store_column_copy(statement, 10, &failed);
    r.asset_id = store_column_copy(statement, 11, &failed);
    r.kept = store_column_copy(statement, 14, &failed);
    r.error = store_column_copy(statement, 15, &failed);
    r.headers = store_column_copy(statement, 16, &failed);
    store_column_text(statement, 6, r.token, sizeof(r.token));
    store_column_text(statement, 7, r.digest, sizeof(r.digest));
    if (failed || !r.path) {
        upload_record_done(&r);
        return -ENOMEM;
    }
    *ret = r;
    return 0;
}

int store_each(struct store *s, const char *root, store_record_fn *fn,
               void *ctx)
{
    sqlite3_stmt *statement;
    int code = SQLITE_DONE;
    int err = store_take(s, STORE_LIST, &statement);
    if (!err)
        err = store_fail(s, bind_name(statement, 1, root));
    while (!err && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        struct upload_record r;
        err = store_read(statement, &r);
        if (!err)
            err = fn(ctx, &r);
    }
    if (!err)
        err = store_fail(s, code);
    (void)sqlite3_reset(s->statements[STORE_LIST]);
    return err;
}

int store_chunk(struct store *s, int64_t number, int64_t chunk,
                const char *etag)
{
    sqlite3_stmt *statement;
    int err = store_take(s, STORE_CHUNK, &statement);
    if (err)
        return err;
    int code = sqlite3_bind_int64(statement, 1, number);
    if (code == SQLITE_OK)
        code = sqlite3_bind_int64(statement, 2, chunk);
    if (code == SQLITE_OK)
        code = bind_text(statement, 3, etag);
    err = store_fail(s, code);
    return err ? err : store_run(s, statement);
}

int store_each_chunk(struct store *s, int64_t number, store_chunk_fn *fn,
                     void *ctx)
{
    sqlite3_stmt *statement;
    int code = SQLITE_DONE;
    int err = store_take(s, STORE_CHUNKS, &statement);
    if (!err)
        err = store_fail(s, sqlite3_bind_int64(statement, 1, number));
    while (!err && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        const char *etag = (const char *)sqlite3_column_text(statement, 1);
        err = fn(ctx, sqlite3_column_int64(statement, 0), etag ? etag : "");
    }
    if (!err)
        err = store_fail(s, code);
    (void)sqlite3_reset(s->statements[STORE_CHUNKS]);
    return err;
}
