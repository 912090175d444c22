/* SPDX-License-Identifier: MIT */
/*
 * catalogue.h - what is known of the account. The adapter to SQLite.
 *
 * Threads. One writer: every call that takes a struct catalogue * and says
 * "writer" is made by the sync thread alone. Any thread reads, through a
 * struct catalogue_reader that it acquires for the duration of one answer:
 * readers see the last commit, never wait for the writer, and never block it.
 * A checkpoint thread of its own keeps the write-ahead log short.
 *
 * Invariants.
 *  1. A row number is never given twice, not after a rebuild either: it is an
 *     inode's asset part and a directory offset.
 *  2. An asset has one folder name or none yet. Of the named assets with the
 *     same safe name the lowest row has the plain name, each other has a
 *     suffix. A name that was committed changes only when the asset's filename
 *     does, or when the row with the plain name is removed: then the next row
 *     takes the plain name.
 *  3. What a commit changed is in its diff, completely.
 *  4. The list order is (created_s, row), newest first. It predicts the
 *     server's order; among equal created_s it is a guess.
 *
 * Schema (condition.c writes conditions over it):
 *   asset(row INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE, type INT,
 *         created_s INT, created TEXT, changed_s INT, folder TEXT NULL,
 *         folder_hash INT NULL, fold TEXT, unfinished INT, metadata_bytes INT,
 *         line_bytes INT, picture_url TEXT, manifest_url TEXT, size_bytes INT,
 *         fetched_s INT, version INT)
 *         created: created_at as sent; changed_s: when a change was seen, else
 *         created_s; fold: the folded filename; fetched_s: when the list answer
 *         with these URLs came; version: of the commit that last changed it
 *   body(row INTEGER PRIMARY KEY, json BLOB)      the exact object
 *   namesake(safe, row) the rows with a suffix; unnamed(row, safe)
 *   field_key(key INTEGER PRIMARY KEY, name TEXT UNIQUE, indexed INT)
 *         every field name seen (dotted, at most 8 levels and 200 bytes; at
 *         most 10,000 of them); indexed: table field is complete for it
 *   field(key INT, row INT, value ANY, exact TEXT, PRIMARY KEY (key, row,
 *         value, exact)) WITHOUT ROWID
 *         value: a number, or a text that begins with '=' (condition_exact_of);
 *         exact: '', or the text of a number that a double doesn't tell apart;
 *         a scalar element of an array counts as a value of the array's field;
 *         an object or array as a value '{' or '[' of its own
 *   link(link INTEGER PRIMARY KEY AUTOINCREMENT, place TEXT, name TEXT, target
 *         TEXT, created_s INT, UNIQUE (place, name))
 *         place: the path of the directory that it stands in
 *   event(seq INTEGER PRIMARY KEY, time_ns INT, end_bytes INT, line TEXT)
 *         the log of changes (change_log.c); end_bytes: of all lines up to it
 *   state(name TEXT PRIMARY KEY, value)
 *   picture(row INTEGER PRIMARY KEY, label INT, size_bytes INT, checksum INT)
 *         what a picture's bytes were when they were last seen; label: of the
 *         URL that they came from
 *
 * Errors are negative errno: -EIO for a database error (logged here, once),
 * -ENOSPC when the disk is full, -ENOMEM, -ENOENT where said.
 */
#ifndef TWELVEFS_CATALOGUE_H
#define TWELVEFS_CATALOGUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/asset.h"
#include "base/buf.h"
#include "grammar/name.h"
#include "grammar/query.h"

struct catalogue;
struct catalogue_reader;

/* Making and freeing. */

/* Opens directory/catalogue.sqlite, creating both (0700, 0600), and starts
 * the checkpoint thread. A file that is damaged or of another schema version
 * is renamed (*.damaged, one is kept), with one log line. A new file then
 * begins above the old row numbers, if those can still be read. Opening reads
 * no more of a large file than of a small one: damage that it doesn't meet is
 * -EIO later for whoever reads there (one log line, too), and the next open
 * sets the file aside (vfs.c). A lock file keeps a second daemon out: -EBUSY,
 * after some seconds, since a daemon that was unmounted needs some time to
 * end; -EINTR when a blocked SIGTERM or SIGINT comes before. -EACCES, -EROFS,
 * -ENOSPC: the caller picks another directory. */
int catalogue_open(const char *directory, struct catalogue **ret_catalogue);

/* The process that has the directory locked, as far as that can be seen from
 * here; 0 for none. */
pid_t catalogue_holder(const char *directory);

/* After every reader was released. NULL is fine. */
void catalogue_close(struct catalogue *c);

/* What a commit changed. */

enum catalogue_change_kind {
    CATALOGUE_ADDED, /* new row (folder NULL: found by id only), or a row
                        that got its name; if its object changed too, there
                        is a CHANGED beside */
    CATALOGUE_REMOVED,
    CATALOGUE_CHANGED, /* its object changed: pages, attributes and links are
                          old */
    CATALOGUE_RENEWED, /* only query strings of URLs changed: pages are old, the
                          mtime isn't */
    CATALOGUE_MOVED    /* type or folder name changed (object too, perhaps) */
};

struct catalogue_change {
    enum catalogue_change_kind kind;
    int64_t row;
    enum asset_type type, old_type;
    char *id;
    char *folder;                   /* now; NULL when removed or unnamed */
    char *old_folder;               /* before; NULL when added */
    char extension[ASSET_EXT_SIZE]; /* of its picture now; "" none */
    char old_extension[ASSET_EXT_SIZE];
    bool manifest, old_manifest; /* whether it has one */
};

struct catalogue_diff {
    uint64_t version;     /* the commit's */
    int64_t committed_ns; /* wall time: mtime of the directories it touched */
    struct catalogue_change *changes;
    size_t count;
};

void catalogue_diff_done(struct catalogue_diff *d);

/* For the writer. */

int catalogue_begin(struct catalogue *c);
/* Commits and hands over what changed. On failure the transaction is rolled
 * back and ret_diff untouched. */
int catalogue_commit(struct catalogue *c, struct catalogue_diff *ret_diff);
void catalogue_rollback(struct catalogue *c);

/* Ends one step of a longer transaction. Commits like catalogue_commit when
 * there is enough to write (some thousand rows, half a second) or when the
 * log is to be cut. Otherwise the transaction stays open: ret_diff is empty,
 * readers see nothing of it yet, and the next catalogue_begin continues it.
 * Then the writer must commit (begin, commit) by catalogue_commit_due_ms at
 * the latest, and before anything that must be visible at once. A failure
 * undoes all steps; catalogue_lost_steps says so, once. */
int catalogue_commit_later(struct catalogue *c,
                           struct catalogue_diff *ret_diff);
/* Of clock_mono_ms; CLOCK_NEVER_MS when nothing is deferred. */
int64_t catalogue_commit_due_ms(const struct catalogue *c);
bool catalogue_lost_steps(struct catalogue *c);

/* Inserts or updates by id, inside a transaction. named: the set of assets
 * with this safe name is complete up to this one, so a folder name may be
 * given now (an unnamed row is in no listing, yet found by id). Answers the
 * row, and whether it is new. now_s: wall time of the answer it came from. */
int catalogue_put(struct catalogue *c, const struct asset *a, bool named,
                  int64_t now_s, int64_t *ret_row, bool *ret_new);

/* Gives every unnamed row its name, lowest row first. */
int catalogue_name_all(struct catalogue *c);

/* -ENOENT when there is no such row. */
int catalogue_remove(struct catalogue *c, int64_t row);

/* Completes table field for these fields (at most CATALOGUE_MAX_INDEXED; the
 * one built longest ago is dropped for a new one), in one pass over the rows.
 * Each step, inside a transaction, takes at most max_rows of them, some
 * microseconds each. ret_done: the pass is finished, and with the commit all
 * these fields are indexed. The writer may put and remove between steps. A
 * rollback ends the pass, and the next step begins it again. Other fields may
 * join, which costs another pass. */
#define CATALOGUE_MAX_INDEXED 64
int catalogue_fields_index_step(struct catalogue *c, const char *const *names,
                                size_t count, int64_t max_rows, bool *ret_done);

/* Saved links, each in a directory by its path from the root ("", "video").
 * -EEXIST, -ENOENT. Own transaction. */
int catalogue_link_add(struct catalogue *c, const char *path, const char *name,
                       const char *target, int64_t now_s, int64_t *ret_link);
int catalogue_link_remove(struct catalogue *c, const char *path,
                          const char *name);

/* What a picture's bytes are, as long as its URL (without query) has this
 * label. Kept even when the bytes aren't, so that their size can be told.
 * Does nothing when there is no such row. Own transaction. */
struct catalogue_picture {
    uint64_t label;
    int64_t size_bytes;
    uint64_t checksum;
};
int catalogue_picture_set(struct catalogue *c, int64_t row,
                          const struct catalogue_picture *p);

/* Small numbers that outlive the process, e.g. "complete", "polled_s". Inside
 * a transaction or not. */
int catalogue_state_set(struct catalogue *c, const char *name, int64_t value);

/* For readers. */

/* From a pool; NULL when there is no memory. Holds the newest snapshot. Keep
 * it for one answer, never across a wait. */
struct catalogue_reader *catalogue_reader_acquire(struct catalogue *c);
/* The writer's own: sees what isn't committed yet. For the writer's thread,
 * until its next call as the writer. */
struct catalogue_reader *catalogue_reader_of_writer(struct catalogue *c);
void catalogue_reader_release(struct catalogue_reader *r);

/* The version of a reader's snapshot. */
int catalogue_reader_version(struct catalogue_reader *r, uint64_t *ret_version);

/* Version of the last commit, and its wall time; without a reader, any
 * thread, no lock. by_type: the last commit that changed that type's listing;
 * ASSET_TYPE_COUNT: any commit with a difference, since any may move a row
 * into or out of a query. Never goes back, not over a restart either. To show
 * a time beside rows, read it before acquiring the reader: the rows may then
 * be newer than their time, which the next look corrects, but never older. */
uint64_t catalogue_version(const struct catalogue *c);
int64_t catalogue_changed_ns(const struct catalogue *c, enum asset_type type);
/* Named assets of a type, and of all (ASSET_TYPE_COUNT); stored bytes. */
int64_t catalogue_count(const struct catalogue *c, enum asset_type type);
int64_t catalogue_stored_bytes(const struct catalogue *c);

struct catalogue_entry {
    int64_t row;
    enum asset_type type;
    int64_t created_s, changed_s, fetched_s;
    int64_t metadata_bytes, line_bytes;
    uint64_t version;
    const char *id;
    const char *folder;      /* NULL while unnamed */
    const char *picture_url; /* NULL when there is no link */
    const char *manifest_url;
}; /* texts are borrowed from the reader until its next call or release */

/* -ENOENT when there is none. */
int catalogue_get(struct catalogue_reader *r, int64_t row,
                  struct catalogue_entry *ret_entry);
int catalogue_get_by_id(struct catalogue_reader *r, const char *id,
                        struct catalogue_entry *ret_entry);
int catalogue_get_by_folder(struct catalogue_reader *r, const char *folder,
                            struct catalogue_entry *ret_entry);

/* Whether a row meets a query (0) or not (-ENOENT). */
int catalogue_matches(struct catalogue_reader *r, const struct query *q,
                      int64_t row);

/* Appends the exact object. */
int catalogue_body(struct catalogue_reader *r, int64_t row, struct buf *out);

/* Named assets of a type (ASSET_TYPE_COUNT: all) with row > after, ascending,
 * while fn answers true. Only row, created_s, type, folder and id are set.
 * Answered from a covering index. fn may ask the reader for single rows. */
typedef bool catalogue_entry_fn(void *ctx, const struct catalogue_entry *e);
int catalogue_list(struct catalogue_reader *r, enum asset_type type,
                   int64_t after, catalogue_entry_fn *fn, void *ctx);

/* The rows of named assets that meet a query, ascending, with row > after;
 * malloc'ed. line_bytes NULL, or likewise each one's length as a line. */
int catalogue_select(struct catalogue_reader *r, const struct query *q,
                     int64_t after, int64_t **ret_rows, uint32_t **line_bytes,
                     size_t *ret_count);

/* Whether a field name was seen (a query_known_fn: ctx is the reader), and
 * whether table field is complete for it. */
bool catalogue_field_known(void *reader, const char *field);
bool catalogue_field_indexed(struct catalogue_reader *r, const char *field);

struct catalogue_link {
    int64_t link; /* its number, for inode and offset */
    int64_t created_s;
    const char *name, *target;
};
typedef bool catalogue_link_fn(void *ctx, const struct catalogue_link *l);
int catalogue_links(struct catalogue_reader *r, const char *path, int64_t after,
                    catalogue_link_fn *fn, void *ctx);
int catalogue_link_get(struct catalogue_reader *r, const char *path,
                       const char *name, struct catalogue_link *ret_link);
int catalogue_link_by_number(struct catalogue_reader *r, int64_t link,
                             struct catalogue_link *ret_link);

/* -ENOENT when none was set. */
int catalogue_picture_get(struct catalogue_reader *r, int64_t row,
                          struct catalogue_picture *ret_picture);

/* fallback when unset. */
int64_t catalogue_state(struct catalogue_reader *r, const char *name,
                        int64_t fallback);

/* The log of changes. */

/* What happened to assets since the first walk, oldest first, as lines
 * (json/event.h). At most so many, and so many bytes of them. */
#define CATALOGUE_LOG_EVENTS 100000
#define CATALOGUE_LOG_FIRST  1 /* the number of the first event of all */
#define CATALOGUE_LOG_BYTES  ((int64_t)32 << 20)

struct catalogue_log {
    int64_t first, next; /* sequence numbers without a gap; equal: empty */
    int64_t first_ns;    /* when the first one was; 0 when empty */
};
int catalogue_log_bounds(struct catalogue_reader *r,
                         struct catalogue_log *ret_log);
/* The first event that is later than since_ns; log->next where none is. log:
 * this reader's. */
int catalogue_log_seek(struct catalogue_reader *r,
                       const struct catalogue_log *log, int64_t since_ns,
                       int64_t *ret_seq);
/* Appends lines, from seq on, as many as out takes (EVENT_MAX_BYTES: one at
 * least); ret_next: where to go on. */
int catalogue_log_read(struct catalogue_reader *r, int64_t seq, struct buf *out,
                       int64_t *ret_next);

/* For sync: the list in the order that the API is expected to have. */

/* Position from the oldest: how many rows stand before this one in the
 * order (created_s, row), unnamed ones included. */
int catalogue_rank(struct catalogue_reader *r, int64_t created_s, int64_t row,
                   int64_t *ret_rank);
/* How many rows are from older_s on and below newer_s; INT64_MIN and INT64_MAX
 * are the ends. Counts as long as there are rows between. */
int catalogue_count_within(struct catalogue_reader *r, int64_t older_s,
                           int64_t newer_s, int64_t *ret_count);
/* Rows counted, unnamed ones included. */
int64_t catalogue_total(struct catalogue_reader *r);

struct catalogue_slot {
    int64_t row;
    int64_t created_s;
    char *id;
};
/* Slots strictly between two (exclusive), newest first, at most max; NULL is
 * the end of the list on that side. Freed with catalogue_slots_free. */
int catalogue_between(struct catalogue_reader *r,
                      const struct catalogue_slot *newer,
                      const struct catalogue_slot *older, size_t max,
                      struct catalogue_slot **ret_slots, size_t *ret_count);
/* Unfinished assets, newest first, at most max. */
int catalogue_unfinished(struct catalogue_reader *r, size_t max,
                         struct catalogue_slot **ret_slots, size_t *ret_count);
/* Assets with URLs that were received up to latest_s, those of this row's type
 * first and then those that stand nearest to it, from a stretch of the list
 * around it; without itself, at most max. */
int catalogue_neighbours(struct catalogue_reader *r,
                         const struct catalogue_entry *of, int64_t latest_s,
                         size_t max, struct catalogue_slot **ret_slots,
                         size_t *ret_count);
void catalogue_slots_free(struct catalogue_slot *slots, size_t count);

/* The library's, as it runs. */
const char *catalogue_library_version(void);

#endif
