/* SPDX-License-Identifier: MIT */
/*
 * schema.c - the tables, and opening their file.
 *
 * Before SQLite sees a file its header is read: what isn't ours, is of another
 * version or has no checksums is renamed aside and a new file is begun, which
 * takes over the saved links and goes on with the row numbers of the old one.
 * What the lock file says of the last daemon tells whether it ended amid that.
 */
#include "catalogue/catalogue_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"

#define BUSY_MS       10000
#define CARRIED_LINKS "10000"

/* The listing's index covers what READDIRPLUS needs; the scan's covers
 * filename queries and .assets.ndjson, so that neither touches the URLs. A
 * field's values stand in the order of rows alone: a question passes over all
 * of them, at 0.2 us each; an order by value would double what it takes to
 * gather and to keep them. */
static const char tables[] =
    "CREATE TABLE asset("
    " row INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,"
    " type INT NOT NULL, created_s INT NOT NULL, created TEXT,"
    " changed_s INT NOT NULL, folder TEXT, folder_hash INT,"
    " fold TEXT NOT NULL,"
    " unfinished INT NOT NULL, metadata_bytes INT NOT NULL,"
    " line_bytes INT NOT NULL, size_bytes INT NOT NULL,"
    " fetched_s INT NOT NULL, version INT NOT NULL,"
    " picture_url TEXT, manifest_url TEXT) STRICT;"
    "CREATE INDEX asset_listing ON asset(type, row, folder, created_s, id,"
    " line_bytes) WHERE folder IS NOT NULL;"
    "CREATE INDEX asset_scan ON asset(row, type, line_bytes, fold)"
    " WHERE folder IS NOT NULL;"
    "CREATE INDEX asset_folder ON asset(row >> 18, folder_hash)"
    " WHERE folder_hash IS NOT NULL;"
    "CREATE INDEX asset_order ON asset(created_s);"
    "CREATE INDEX asset_unfinished ON asset(created_s) WHERE unfinished = 1;"
    "CREATE TABLE body(row INTEGER PRIMARY KEY, json BLOB NOT NULL) STRICT;"
    "CREATE TABLE namesake(safe TEXT, row INT, PRIMARY KEY(safe, row))"
    " STRICT, WITHOUT ROWID;"
    "CREATE TABLE unnamed(row INTEGER PRIMARY KEY, safe TEXT NOT NULL) STRICT;"
    "CREATE TABLE field_key(key INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
    " indexed INT NOT NULL) STRICT;"
    "CREATE TABLE field(key INT, row INT, value ANY, exact TEXT,"
    " PRIMARY KEY(key, row, value, exact)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE link(link INTEGER PRIMARY KEY AUTOINCREMENT,"
    " place TEXT NOT NULL, name TEXT NOT NULL, target TEXT NOT NULL,"
    " created_s INT NOT NULL, UNIQUE(place, name)) STRICT;"
    "CREATE TABLE picture(row INTEGER PRIMARY KEY, label INT NOT NULL,"
    " size_bytes INT NOT NULL, checksum INT NOT NULL) STRICT;"
    "CREATE TABLE event(seq INTEGER PRIMARY KEY, time_ns INT NOT NULL,"
    " end_bytes INT NOT NULL, line TEXT NOT NULL) STRICT;"
    "CREATE TABLE state(name TEXT PRIMARY KEY, value INT NOT NULL)"
    " STRICT, WITHOUT ROWID;";

static const char connection[] = "PRAGMA synchronous = NORMAL;"
                                 "PRAGMA temp_store = MEMORY;"
                                 "PRAGMA wal_autocheckpoint = 0;"
                                 "PRAGMA secure_delete = OFF;"
                                 "PRAGMA trusted_schema = OFF;";

int schema_connect(struct catalogue *c, struct db *ret_db)
{
    struct db d = {.catalogue = c};
    int flags =
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int code = sqlite3_open_v2(c->path, &d.handle, flags, vfs_name(c->vfs));

    if (code != SQLITE_OK) {
        int err = db_fail(&d, code, "open");
        db_close(&d);
        return err;
    }
    (void)sqlite3_busy_timeout(d.handle, BUSY_MS);
    (void)sqlite3_db_config(d.handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_db_config(d.handle, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    (void)sqlite3_db_config(d.handle, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    int err = db_exec(&d, connection);
    if (err) {
        db_close(&d);
        return err;
    }
    *ret_db = d;
    return 0;
}

/* Without logging: what is asked of a file that may be anything. -EIO when it
 * can't answer, -ENOMEM when we can't ask. */
static int schema_probe(struct db *d, const char *sql, const char *text,
                        int64_t *ret_integer)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(d->handle, sql, -1, &statement, NULL);

    if (code == SQLITE_OK && text)
        code = sqlite3_bind_text(statement, 1, text, -1, SQLITE_STATIC);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW && ret_integer)
        *ret_integer = sqlite3_column_int64(statement, 0);
    (void)sqlite3_finalize(statement);
    if (code == SQLITE_ROW || (code == SQLITE_DONE && !ret_integer))
        return 0;
    return (code & 0xff) == SQLITE_NOMEM ? -ENOMEM : -EIO;
}

/* Whether a pragma's first answer is this word: 0, -EIO when it isn't, or
 * -ENOMEM. */
static int schema_answers(struct db *d, const char *pragma,
                          const char *expected)
{
    sqlite3_stmt *statement = NULL;
    int err = -EIO;
    int code = sqlite3_prepare_v2(d->handle, pragma, -1, &statement, NULL);

    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        const char *word = (const char *)sqlite3_column_text(statement, 0);
        err = word && strcmp(word, expected) == 0 ? 0 : -EIO;
        code = sqlite3_errcode(d->handle);
    }
    (void)sqlite3_finalize(statement);
    return (code & 0xff) == SQLITE_NOMEM ? -ENOMEM : err;
}

/* What a file is. */

enum verdict {
    VERDICT_EMPTY,
    VERDICT_SOUND, /* as far as its first bytes tell: vfs.c sees to the rest */
    VERDICT_FOREIGN,
    VERDICT_DAMAGED
};

/* Offsets are those of SQLite's file format. */
#define AT_VERSION 60
#define AT_APP_ID  68

static uint32_t big_endian(const unsigned char *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 |
           (uint32_t)at[2] << 8 | at[3];
}

static enum verdict schema_verdict(const unsigned char *head, ssize_t len)
{
    static const char magic[] = "SQLite format 3";

    if (len == 0)
        return VERDICT_EMPTY;
    if (len < HEADER_BYTES || memcmp(head, magic, sizeof(magic)) != 0)
        return VERDICT_DAMAGED;
    if (big_endian(head + AT_APP_ID) != CATALOGUE_APP_ID ||
        big_endian(head + AT_VERSION) != CATALOGUE_SCHEMA)
        return VERDICT_FOREIGN;
    return vfs_header_has_sums(head) ? VERDICT_SOUND : VERDICT_DAMAGED;
}

/* Takes what it can from the file that was set aside: the row numbers, so that
 * none is given twice, and the saved links, which no server has. */
static int64_t carry_over(struct db *d, const char *aside)
{
    int64_t seed = -1;
    int64_t fallback = clock_wall_s() << 1;

    if (schema_probe(d, "ATTACH ? AS old", aside, NULL) == 0) {
        if (schema_probe(
                d,
                "SELECT coalesce(max(seq), 0) FROM old.sqlite_sequence "
                "WHERE name = 'asset'",
                NULL, &seed))
            seed = -1;
        (void)schema_probe(
            d,
            "INSERT OR IGNORE INTO main.link SELECT link, place, name,"
            " target, created_s FROM old.link LIMIT " CARRIED_LINKS,
            NULL, NULL);
        (void)schema_probe(d, "DETACH old", NULL, NULL);
    }
    /* Two for each second since 1970: clear of whatever was numbered. */
    return seed >= 0 && seed < CATALOGUE_MAX_ROW ? seed : fallback;
}

static int no_log(struct db *d)
{
    int code = sqlite3_errcode(d->handle);

    if (code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE)
        return -EACCES;
    return db_fail(d, code, "journal_mode");
}

/* What tells a file from another's is in it before its log is: a file whose
 * tables are still in the log is known, too. */
static int schema_create(struct db *d, const char *aside)
{
    char sql[256];
    int reserved = PAGE_RESERVED;
    int code = sqlite3_file_control(d->handle, "main",
                                    SQLITE_FCNTL_RESERVE_BYTES, &reserved);

    if (code != SQLITE_OK)
        return db_fail(d, code, "reserved bytes");
    (void)snprintf(sql, sizeof(sql),
                   "PRAGMA page_size = %d; BEGIN IMMEDIATE;"
                   "PRAGMA application_id = %d; PRAGMA user_version = %d;"
                   "COMMIT",
                   PAGE_BYTES, CATALOGUE_APP_ID, CATALOGUE_SCHEMA);
    int err = db_exec(d, sql);
    if (!err && (err = schema_answers(d, "PRAGMA journal_mode = WAL", "wal")))
        return err == -ENOMEM ? err : no_log(d);
    if (!err)
        err = db_exec(d, "BEGIN IMMEDIATE");
    if (!err)
        err = db_exec(d, tables);
    if (!err)
        err = db_exec(d, "COMMIT");
    if (err || !aside)
        return err;

    int64_t seed = carry_over(d, aside);
    (void)snprintf(sql, sizeof(sql),
                   "INSERT INTO sqlite_sequence(name, seq) "
                   "VALUES('asset', %lld)",
                   (long long)seed);
    return db_exec(d, sql);
}

static int schema_rename(const char *from, const char *to)
{
    return rename(from, to) < 0 && errno != ENOENT ? -errno : 0;
}

static int schema_remove(const char *path)
{
    return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

/* Names beside the file's own. */
struct names {
    char wal[PATH_MAX], shm[PATH_MAX];
    char aside[PATH_MAX], aside_wal[PATH_MAX], aside_shm[PATH_MAX];
};

static int make_names(const struct catalogue *c, struct names *n)
{
    const struct {
        char *name;
        const char *suffix;
    } all[] = {
        {n->wal, "-wal"},
        {n->shm, "-shm"},
        {n->aside, ".damaged"},
        {n->aside_wal, ".damaged-wal"},
        {n->aside_shm, ".damaged-shm"},
    };
    for (size_t i = 0; i < array_count(all); i++)
        if (snprintf(all[i].name, PATH_MAX, "%s%s", c->path, all[i].suffix) >=
            PATH_MAX)
            return -ENAMETOOLONG;
    return 0;
}

/* The log goes first: left beside a new file it would be played into it. The
 * file goes last: without one, this was done before. */
static int set_aside(struct catalogue *c, const struct names *n,
                     const char *why)
{
    if (access(c->path, F_OK) < 0 && errno == ENOENT)
        return 0;
    int err = schema_remove(n->aside_wal);
    if (!err)
        err = schema_rename(n->wal, n->aside_wal);
    if (!err)
        err = schema_remove(n->shm);
    (void)unlink(n->aside_shm);
    if (!err)
        err = schema_rename(c->path, n->aside);
    if (!err)
        log_warning("catalogue: the cache file is %s; set aside as "
                    "%s.damaged, reading the account again",
                    why, CATALOGUE_FILE);
    return err;
}

/* A file that was being made when a daemon ended holds nothing yet. */
static int remove_begun(struct catalogue *c, const struct names *n)
{
    int err = schema_remove(n->wal);
    if (!err)
        err = schema_remove(n->shm);
    return err ? err : schema_remove(c->path);
}

/* Private from its first byte; SQLite gives its log the same mode. */
static int open_file(const char *path, enum verdict *ret_verdict)
{
    cleanup(close_fd) int fd =
        open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    unsigned char head[HEADER_BYTES];
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EACCES;
    ssize_t len = pread(fd, head, sizeof(head), 0);
    if (len < 0)
        return -errno;
    *ret_verdict = schema_verdict(head, len);
    return 0;
}

/* Opens a file of this version, which has no tables yet where a daemon ended
 * while it made them. */
static int open_sound(struct catalogue *c)
{
    int64_t objects = 0;
    int err = schema_connect(c, &c->db);

    if (!err)
        err = schema_probe(&c->db, "SELECT count(*) FROM sqlite_schema", NULL,
                           &objects);
    if (err == -EIO)
        return -EUCLEAN;
    return !err && objects == 0 ? schema_create(&c->db, NULL) : err;
}

/* Opens what is there: -EUCLEAN when it must be set aside. */
static int open_kept(struct catalogue *c, const char **ret_why)
{
    enum verdict verdict = VERDICT_DAMAGED;
    int err = open_file(c->path, &verdict);

    if (err)
        return err;
    *ret_why = verdict == VERDICT_FOREIGN ? "of another version" : "damaged";
    if (verdict == VERDICT_EMPTY) {
        err = schema_connect(c, &c->db);
        return err ? err : schema_create(&c->db, NULL);
    }
    if (verdict != VERDICT_SOUND)
        return -EUCLEAN;
    return open_sound(c);
}

/* Whoever is ended in here leaves a word for the next one: a file without its
 * log could pass for sound, and a new one has yet to be given what only the
 * old one holds. */
static int schema_rebuild(struct catalogue *c, char left, const char *why)
{
    struct names n;
    enum verdict verdict = VERDICT_DAMAGED;
    int err = make_names(c, &n);

    if (!err && left != LOCK_ASIDE) {
        lock_note(c, LOCK_DAMAGED);
        err = set_aside(c, &n, why);
    }
    if (err)
        return err;
    lock_note(c, LOCK_ASIDE);
    err = remove_begun(c, &n);
    if (!err)
        err = open_file(c->path, &verdict);
    if (!err)
        err = schema_connect(c, &c->db);
    return err ? err : schema_create(&c->db, n.aside);
}

int schema_open(struct catalogue *c, char left)
{
    const char *why = "damaged";
    int err = left == LOCK_DAMAGED || left == LOCK_ASIDE ? -EUCLEAN
                                                         : open_kept(c, &why);

    if (err != -EUCLEAN)
        return err;
    db_close(&c->db);
    atomic_store(&c->damaged, false);
    return schema_rebuild(c, left, why);
}
