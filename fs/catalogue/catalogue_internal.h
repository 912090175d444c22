/* SPDX-License-Identifier: MIT */
/*
 * catalogue_internal.h - what the catalogue's files share.
 *
 * catalogue.c  life: counters, commit times
 * lock.c       one daemon a directory
 * schema.c     the tables; opening a file, or setting it aside
 * vfs.c        SQLite's way to its file: pages with checksums, nothing mapped
 * statement.c  prepared statements, binding, SQLite's codes to errno
 * writer.c     transactions, put, remove, state
 * folder.c     folder names and who inherits the bare one
 * changes.c    rows touched by a transaction, and its difference
 * change_log.c the log of what happened, within bounds
 * condition.c  queries as SQL conditions
 * field.c      field names seen, values of the fields asked for
 * reader.c     the pool of readers; entries, listings, queries
 * order.c      the predicted list
 * link.c       saved links
 * picture.c    what pictures' bytes were
 * checkpoint.c the thread that keeps the write-ahead log short
 */
#ifndef TWELVEFS_CATALOGUE_INTERNAL_H
#define TWELVEFS_CATALOGUE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <sqlite3.h>

#include "catalogue/catalogue.h"

#define CATALOGUE_FILE    "catalogue.sqlite"
#define CATALOGUE_SCHEMA  3
#define CATALOGUE_APP_ID  0x74776673 /* "twfs" */
#define WRITER_CACHE      "-8192"    /* KiB of pages */
#define CATALOGUE_MAX_ROW ((int64_t)1 << 33)
#define PAGE_BYTES        4096
#define PAGE_RESERVED     8   /* at each page's end, for its checksum */
#define HEADER_BYTES      100 /* of a database file */

struct vfs;

/* statement.c */

#define FIELD_MAX_NAMES 10000
#define FIELD_SHAPES    1024

enum statement {
    S_BEGIN_READ,
    S_BEGIN_WRITE,
    S_COMMIT,
    S_ROLLBACK,
    S_STATE_GET,
    S_STATE_SET,
    S_KNOWN,
    S_BODY,
    S_INSERT,
    S_UPDATE,
    S_BODY_SET,
    S_FETCHED,
    S_DELETE,
    S_BODY_DELETE,
    S_FIRST_ROW,
    S_LAST_ROW,
    S_NAME_FIND,
    S_NAMESAKE_ADD,
    S_NAMESAKE_DELETE,
    S_NAMESAKE_FIRST,
    S_UNNAMED_SET,
    S_UNNAMED_DELETE,
    S_UNNAMED_NEXT,
    S_SET_FOLDER,
    S_STANDING,
    S_KEYS,
    S_KEY_ADD,
    S_KEY_INDEXED,
    S_VALUES_DELETE,
    S_VALUES_DROP,
    S_VALUE_ADD,
    S_BODIES,
    S_GET,
    S_GET_BY_ID,
    S_GET_BY_FOLDER,
    S_LIST,
    S_LIST_TYPE,
    S_FIELD,
    S_LINK_ADD,
    S_LINK_REMOVE,
    S_LINKS,
    S_LINK_GET,
    S_LINK_BY_NUMBER,
    S_WITHIN,
    S_OLDER,
    S_OLDER_EQUAL,
    S_NEWER,
    S_NEWER_EQUAL,
    S_SLOTS_EQUAL,
    S_SLOTS_OLDER,
    S_UNFINISHED,
    S_PICTURE_GET,
    S_PICTURE_SET,
    S_PICTURE_DELETE,
    S_NEIGHBOURS,
    S_OBJECT,
    S_EVENT_ADD,
    S_EVENT_AT,
    S_EVENT_FIRST,
    S_EVENT_LAST,
    S_EVENT_CUT,
    S_EVENTS,
    STATEMENT_COUNT
};

#define DB_RECENT 8

/* A connection. One thread at a time: SQLITE_OPEN_NOMUTEX. */
struct db {
    struct catalogue *catalogue;
    sqlite3 *handle;
    sqlite3_stmt *statements[STATEMENT_COUNT];
    struct {
        char *sql;
        sqlite3_stmt *statement;
    } recent[DB_RECENT]; /* made from queries; the next to give way: */
    unsigned recent_next;
};

struct value {
    enum { VALUE_NULL, VALUE_INT, VALUE_REAL, VALUE_TEXT, VALUE_BLOB } kind;
    int64_t integer;
    double real;
    const char *text; /* NULL binds NULL; must outlive the statement's run */
    size_t len;
};

#define VALUE_OF(...) ((struct value){__VA_ARGS__})
#define INT(v)        VALUE_OF(.kind = VALUE_INT, .integer = (v))
#define REAL(v)       VALUE_OF(.kind = VALUE_REAL, .real = (v))
#define BYTES(p, n)   VALUE_OF(.kind = VALUE_TEXT, .text = (p), .len = (n))
#define BLOB(p, n)    VALUE_OF(.kind = VALUE_BLOB, .text = (p), .len = (n))
#define TEXT(p)       text_value(p)
#define VALUES_(...)                                                           \
    (const struct value[])                                                     \
    {                                                                          \
        __VA_ARGS__                                                            \
    }
#define VALUES(...)                                                            \
    VALUES_(__VA_ARGS__), sizeof(VALUES_(__VA_ARGS__)) / sizeof(struct value)

struct value text_value(const char *text);

/* Logs a failure once and says it as an errno. Damage marks the file. */
int db_fail(struct db *d, int code, const char *what);
int db_exec(struct db *d, const char *sql);

/* Resets, binds. 0 with the statement, or a negative errno. */
int db_bind(struct db *d, enum statement which, const struct value *values,
            size_t count, sqlite3_stmt **ret_statement);
/* Binds and runs to the first row: 1 with the statement, 0 when there is none
 * (the statement is reset), or a negative errno. */
int db_first(struct db *d, enum statement which, const struct value *values,
             size_t count, sqlite3_stmt **ret_statement);
/* To the next row, with the same answers. */
int db_step(struct db *d, sqlite3_stmt *statement);
/* Whether the texts just read from a row are what it holds: 0, or -ENOMEM when
 * one is NULL for want of memory alone. */
int db_texts(struct db *d);
/* Runs to the end; rows are passed over. -EEXIST for a broken constraint. */
int db_run(struct db *d, enum statement which, const struct value *values,
           size_t count);
/* The first row's first column. -ENOENT when there is no row. */
int db_integer(struct db *d, enum statement which, const struct value *values,
               size_t count, int64_t *ret_integer);
/* A statement made at run time, from a small cache. */
int db_prepare(struct db *d, const char *sql, sqlite3_stmt **ret_statement);

void db_close(struct db *d);

/* schema.c */

/* Opens a connection with everything set. */
int schema_connect(struct catalogue *c, struct db *ret_db);

/* Opens the writer's connection on a sound file of this version; sets aside
 * what isn't. left: the lock file's word. */
int schema_open(struct catalogue *c, char left);

/* vfs.c */

/* For the connections to one file, which must be closed before. */
int vfs_new(const char *path, struct vfs **ret_vfs);
const char *vfs_name(const struct vfs *v);
void vfs_free(struct vfs *v); /* NULL is fine */
/* Whether a database's first bytes say that its pages have checksums. */
bool vfs_header_has_sums(const unsigned char head[HEADER_BYTES]);

/* writer.c */

/* One statement, as its own transaction or within the open one. */
int writer_run(struct catalogue *c, enum statement which,
               const struct value *values, size_t count);

/* changes.c */

/* How a row stood before the transaction first touched it. */
struct touched {
    int64_t row;
    bool existed;
    bool changed; /* its object differs */
    bool renewed; /* … in signatures alone */
    bool removed;
    enum asset_type type;
    int64_t size_bytes;
    char *id;
    char *folder;
    char extension[ASSET_EXT_SIZE];
    bool manifest;
    char *object; /* what it was, where the log needs it (change_log.c) */
    size_t object_len;
};

struct changes {
    struct touched *items; /* in the order of their first touch */
    size_t count, capacity;
    uint32_t *slots; /* open addressing by row: index + 1, 0 empty */
    size_t slot_count;
    size_t kept_bytes; /* of objects */
};

struct counters {
    int64_t named[ASSET_TYPE_COUNT + 1];
    uint64_t stored_bytes; /* sums wrap, so that taking away is exact */
    int64_t total;         /* rows, unnamed ones too */
};

/* Notes a row before its first change. is_new: it was just inserted. The
 * answer is valid until the next call. */
int changes_touch(struct catalogue *c, int64_t row, bool is_new,
                  struct touched **ret_touched);
/* The transaction's difference; counts into `counters`, and sets `listing`
 * for each type whose listing is another now. */
int changes_diff(struct catalogue *c, struct catalogue_diff *diff,
                 struct counters *counters, bool listing[ASSET_TYPE_COUNT]);
void changes_clear(struct changes *changes);
/* A failure is the end of its transaction. Answers err. */
int changes_spoil(struct catalogue *c, int err);

/* change_log.c */

/* The log as it was committed, or as the transaction leaves it. */
struct log_state {
    bool on;             /* a first walk is through: changes are written */
    bool begins;         /* … with this transaction */
    int64_t first, next; /* sequence numbers; equal: empty */
    int64_t last_ns;     /* the last event's time */
    int64_t begin_bytes, end_bytes; /* event.end_bytes of the first, the last */
};

int change_log_load(struct catalogue *c);
/* The list is complete: with the commit the log begins, if it hasn't. */
void change_log_begin(struct catalogue *c);
/* Keeps the object of a touched row, which is about to be replaced or removed;
 * only where the log is on, and as long as there is room. */
int change_log_keep(struct catalogue *c, struct touched *t);
/* Before changes_diff: writes what the transaction did. */
int change_log_write(struct catalogue *c, int64_t committed_ns,
                     struct log_state *log);

/* field.c */

struct field_name {
    char *name;
    int64_t key;
    int64_t indexed; /* 0, or the place in the order of building */
    bool building;   /* its values are kept, and not complete yet */
};

struct field_build {
    int64_t after_row; /* rows up to it were passed */
    struct {
        const char *name; /* field_name's */
        size_t len;
        int64_t key;
    } fields[CATALOGUE_MAX_INDEXED];
    int64_t drop[2 * CATALOGUE_MAX_INDEXED]; /* keys whose values go first */
    size_t count, drop_count;
};

/* Every field name of field_key, sorted: a put asks no SQL for a known one. */
struct field_names {
    struct field_name *items;
    size_t count, capacity;
    size_t with_values; /* of those that are indexed, or will be */
    bool stale;         /* rolled back: read again before use */
    struct field_build build;
    uint64_t shapes[FIELD_SHAPES]; /* of objects that brought no new name */
};

int fields_load(struct catalogue *c);
void fields_done(struct field_names *names);
/* Notes an object's field names, writes its values of the indexed fields. */
int fields_put(struct catalogue *c, int64_t row, bool is_new,
               const struct asset *a);
int fields_remove(struct catalogue *c, int64_t row);

/* folder.c */

/* The index of names is one for each block of rows (folder.c). */
#define FOLDER_BLOCK_BITS 18
int64_t folder_hash(const char *folder);
/* Which blocks there are: as kept, and with a new row. */
int folder_load(struct catalogue *c);
void folder_note_row(struct catalogue *c, int64_t row);

struct folder_name {
    char text[NAME_SIZE];
    bool has_suffix;
};
/* The name that a new row is to have; -EEXIST when both are taken. The caller
 * writes it into the row, and notes it. */
int folder_choose(struct catalogue *c, const char *id, const char *safe,
                  struct folder_name *ret_name);
int folder_note(struct catalogue *c, int64_t row, const char *safe,
                const struct folder_name *name);
/* After -EEXIST: the row stays without a name. again: it is no news. */
int folder_refuse(struct catalogue *c, int64_t row, const char *safe,
                  bool again);
/* Names a row that has no name. */
int folder_give(struct catalogue *c, int64_t row, const char *id,
                const char *safe);
/* Takes a row's name away; the bare one goes to the next in line. */
int folder_take(struct catalogue *c, int64_t row, const char *folder);
/* Whether a folder name was made from this safe name. */
bool folder_is_of(const char *folder, const char *safe);

/* checkpoint.c */

int checkpoint_start(struct catalogue *c);
void checkpoint_stop(struct catalogue *c);
/* After a commit, with the log's length in pages. */
void checkpoint_poke(struct catalogue *c, int pages);
/* Waits for the writer's lock, or has it. */
bool checkpoint_is_cutting(struct catalogue *c);
/* Before a transaction: lets a cut of the log, a matter of milliseconds,
 * end. */
void checkpoint_let(struct catalogue *c);

/* lock.c */

/* What the lock file says of the last daemon: */
#define LOCK_OPEN    'o' /* it had the file open */
#define LOCK_ENDING  'e' /* it closed it, or was about to */
#define LOCK_DAMAGED 'd' /* it found the file damaged */
#define LOCK_ASIDE   'a' /* it set the file aside and was making another */

/* Locks the directory, waiting for a daemon that ends; answers what the last
 * one left in the lock file. */
int lock_directory(struct catalogue *c, char *ret_word);
void lock_note(struct catalogue *c, char word);

/* The next open sets the file aside. Any thread. */
void catalogue_mark_damaged(struct catalogue *c);

/* The catalogue itself. */

struct catalogue_reader {
    struct db *db; /* its own connection, or the writer's */
    struct db connection;
    struct catalogue *catalogue;
    uint64_t commits;      /* the process's counter when the snapshot began */
    sqlite3_stmt *pending; /* its row is lent to the caller */
    struct catalogue_reader *next; /* in the pool */
};

struct checkpoint {
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    pthread_t thread;
    bool started;
    bool wanted; /* under mutex, as are */
    bool cutting;
    bool ending;
    struct db db; /* the thread's own */
};

struct catalogue {
    pthread_mutex_t pool_mutex;    /* a leaf: nothing is locked under it */
    struct catalogue_reader *pool; /* under pool_mutex, as is */
    unsigned pool_count;

    char *directory;
    char *path;
    int lock_fd;
    struct vfs *vfs;
    bool opened;
    _Atomic bool damaged;
    bool opening; /* damage is no news, it is looked for */

    /* the writer's alone */
    struct db db;
    struct catalogue_reader own; /* of the writer's connection */
    bool in_transaction;
    bool deferred;  /* between its steps */
    bool has_steps; /* deferred before, and not committed yet */
    bool lost;      /* a rollback took such steps with it */
    int64_t commit_due_ms;
    int failed; /* the transaction can only be rolled back */
    int wal_pages;
    int64_t changes_before; /* sqlite3_total_changes64 at its begin */
    struct changes changes;
    struct counters counters;
    struct log_state log;
    struct field_names fields;

    struct checkpoint checkpoint;
    _Atomic bool short_reads; /* a checkpoint waits: end at release */

    _Atomic int64_t first_block, last_block; /* of rows, for their names */

    /* published after each commit */
    _Atomic uint64_t commits; /* any, of this process */
    _Atomic uint64_t version;
    _Atomic int64_t changed_ns[ASSET_TYPE_COUNT + 1];
    _Atomic int64_t named[ASSET_TYPE_COUNT + 1];
    _Atomic uint64_t stored_bytes;
};

/* db_first for a reader; the row it had lent is taken back. reader_row lends
 * the first row until the reader's next call: 0, -ENOENT, or another errno. */
int reader_first(struct catalogue_reader *r, enum statement which,
                 const struct value *values, size_t count,
                 sqlite3_stmt **ret_statement);
int reader_row(struct catalogue_reader *r, enum statement which,
               const struct value *values, size_t count,
               sqlite3_stmt **ret_statement);

/* Ends the snapshots of readers that nobody uses. reader.c, for checkpoints. */
void readers_end_idle(struct catalogue *c);
void readers_close(struct catalogue *c);
/* Opens as many as are used at once: later the file's name may be gone, or
 * descriptors short. */
int readers_open(struct catalogue *c);

#endif
