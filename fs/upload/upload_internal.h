/* SPDX-License-Identifier: MIT */
/*
 * upload_internal.h - what the files of this folder share.
 *
 * An item is a file in the folder, what the store knows of it, and what is
 * under way for it. Its state (store.h) is as the store has it; item_commit
 * alone changes it. Its phase says whether something is under way. All of it is
 * the uploading thread's: requests come back through a queue (transfer.c), and
 * one that nobody waits for any more has no item.
 *
 *   no record -> (settled, nobody writes) -> HASHING -> WAITING
 *   WAITING -> SENDING, POST /assets (direct.c) -> SENT
 *           -> SESSION, chunks (parts.c)        -> SENT
 *   SENDING, and nobody knows -> two looks (look.c) -> SENT or WAITING
 *   SENT -> ready, of this size (item.c) -> DONE -> put away (place.c)
 *   anything -> refused -> FAILED; changed -> no record
 */
#ifndef TWELVEFS_UPLOAD_INTERNAL_H
#define TWELVEFS_UPLOAD_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include "upload/filename.h"
#include "upload/source.h"
#include "upload/store.h"
#include "upload/upload.h"
#include "upload/watch.h"
#include "wire/api.h"
#include "wire/http.h"

#define UPLOAD_PARALLEL 4 /* files under way at once */
#define UPLOAD_DAY_S    INT64_C(86400)
#define UPLOAD_HOUR_S   INT64_C(3600)
#define UPLOAD_AGAIN_MS 5000 /* after what we can't help: a full disk */

struct item;
struct parts;

enum transfer_kind {
    TRANSFER_DIRECT,
    TRANSFER_LOOK,
    TRANSFER_SESSION,
    TRANSFER_RESUME,
    TRANSFER_URLS,
    TRANSFER_CHUNK,
    TRANSFER_REPORT
};

/* A request: the http thread fills in what came, and queues it. */
struct transfer {
    TAILQ_ENTRY(transfer) link;    /* under lock, in the queue */
    TAILQ_ENTRY(transfer) of_item; /* the uploading thread's */
    struct upload *upload;
    struct item *item; /* the uploading thread's; NULL: nobody waits */
    enum transfer_kind kind;
    struct source *source; /* what it reads; a reference, or NULL */
    uint64_t ticket;
    int64_t chunk;        /* of CHUNK, its number; else as the kind likes */
    _Atomic int64_t sent; /* bytes libcurl took */

    int err; /* set before it is queued, as all below */
    bool maybe_done;
    int status;
    int64_t retry_after_ms;
    struct buf body;
    char etag[128];
    char words[256];
    char token[STORE_TOKEN_SIZE]; /* LOOK: what is looked for */
    char *found;                  /* LOOK: the id of who has it, or NULL */
    int64_t oldest_s; /* LOOK: created_at of the page's last; INT64_MIN: the
                         page was empty */
};
TAILQ_HEAD(transfer_list, transfer);

enum item_phase { ITEM_IDLE, ITEM_HASHING, ITEM_ASKING, ITEM_PARTS };

struct item {
    TAILQ_ENTRY(item) link;
    struct upload_record r;
    bool present;     /* at its path, as r.identity has it */
    bool placed;      /* DONE: nothing is to be put away any more */
    int64_t since_ms; /* it has been as it is */
    enum item_phase phase;
    int64_t not_before_ms;
    int tries;
    int looks;        /* SENDING: that found nothing */
    int shown;        /* SENT: how often sync looked, in vain */
    int64_t seen_ms;  /* SENT: when sync was asked to look */
    uint64_t version; /* SENT: of the catalogue, when it was last looked at */
    struct source *source; /* while it is read */
    struct digest *digest; /* HASHING */
    int64_t hashed_bytes;
    struct parts *parts; /* PARTS */
    struct transfer_list transfers;
    bool direct_only;        /* the account takes no multipart uploads */
    const struct item *same; /* the same bytes are on their way; for words */
    char words[160];         /* what it waits for; "" */
};
TAILQ_HEAD(item_list, item);

struct upload {
    pthread_mutex_t lock;
    pthread_cond_t quiet;        /* asks */
    struct transfer_list queue;  /* under lock: answered */
    bool stopping;               /* under lock */
    bool key_changed;            /* under lock */
    bool asks;                   /* under lock: sync has a question of ours */
    struct upload_status status; /* under lock */
    struct buf list;             /* under lock: lines, for upload_list */

    /* unchanging */
    struct upload_config config;
    char *folder, *directory, *mountpoint;
    struct catalogue *catalogue;
    struct sync *sync;
    int event_fd;

    /* the uploading thread's */
    pthread_t thread;
    bool started;
    struct http *http;
    struct api *api;
    struct watch *watch;
    struct store *store;
    struct item_list items; /* by path, once they are merged */
    size_t active;          /* items in a phase */
    int64_t scan_due_ms, scanned_ms, scan_took_ms;
    int64_t tidy_due_ms;
    int64_t next_ms; /* when a step wants to be taken, at the earliest */
    int64_t paused_until_ms;
    char paused_words[160];
    int troubles; /* with the network, in a row */
    bool changed; /* what upload_list shows */
    int64_t published_ms;
    uint64_t asked; /* sync's ticket */
};

/* turn.c: at the latest then a step is to be taken. */
void upload_wake_by(struct upload *u, int64_t at_ms);
/* Nothing new begins until then, for a reason. */
void upload_pause(struct upload *u, int64_t for_ms, const char *words);
/* Some request came through: troubles are over. */
void upload_went_well(struct upload *u);
/* The folder is to be looked through soon. */
void upload_rescan(struct upload *u);
/* Has the catalogue read an asset anew; nothing where it is busy with another
 * of ours, and then false. */
bool upload_show(struct upload *u, const char *asset_id);

/* transfer.c. One request for an item: -ENOMEM, -ESHUTDOWN, -E2BIG; then
 * nothing comes. source may be NULL. */
int transfer_write(struct upload *u, struct item *i, enum transfer_kind kind,
                   int64_t chunk, const struct api_writing *writing,
                   struct http_body *body);
int transfer_look(struct upload *u, struct item *i, int64_t page);
void transfer_free(struct transfer *t);
/* Nobody waits for any of the item's. */
void transfer_abandon(struct upload *u, struct item *i);
/* The next that was answered; NULL. Its item has it no more. */
struct transfer *transfer_take(struct upload *u);
/* What went wrong, when it isn't the file's fault: waits, or pauses all, as the
 * error wants, and is true. False: it is the file that is refused. */
bool transfer_trouble(struct upload *u, struct item *i,
                      const struct transfer *t);

/* record.c and item.c */
struct item *item_new(struct upload *u, const char *path,
                      const struct source_identity *identity);
void item_free(struct upload *u, struct item *i);
/* Writes the state to the store, and only then has it. After an error the item
 * has the one from before, and waits. */
int item_commit(struct upload *u, struct item *i, enum upload_state state);
/* What it waits for, as others are told. */
void item_say(struct upload *u, struct item *i, const char *words);
void item_phase(struct upload *u, struct item *i, enum item_phase phase);
/* Ends what is under way. */
void item_rest(struct upload *u, struct item *i);
/* It is another file now: its record goes, with what is under way. */
void item_forget(struct upload *u, struct item *i,
                 const struct source_identity *identity);
void item_fail(struct upload *u, struct item *i, const char *words);
/* The account has it. */
void item_sent(struct upload *u, struct item *i, const char *asset_id);
void item_step(struct upload *u, struct item *i, int64_t now_ms);
/* What a scan found: which are new, changed, gone. Takes the paths over. */
void item_merge(struct upload *u, struct watch_file *files, size_t count);
int item_load(struct upload *u);
/* Appends the object for user_metadata. */
int item_append_metadata(const struct item *i, struct buf *out);
const char *item_name(const struct item *i);
/* It is a record without a file at its path any more. */
bool item_is_detached(const struct item *i);
/* The record goes, and with the next scan the item. */
void item_drop(struct upload *u, struct item *i);
int item_new_token(struct item *i);

/* direct.c */
void direct_begin(struct upload *u, struct item *i);
void direct_answered(struct upload *u, struct item *i, struct transfer *t);

/* look.c */
void look_begin(struct upload *u, struct item *i);
void look_answered(struct upload *u, struct item *i, struct transfer *t);

/* parts.c */
void parts_begin(struct upload *u, struct item *i);
void parts_resume(struct upload *u, struct item *i);
void parts_step(struct upload *u, struct item *i, int64_t now_ms);
void parts_answered(struct upload *u, struct item *i, struct transfer *t);
int64_t parts_sent_bytes(const struct item *i);
void parts_free(struct parts *p);

/* session.c: what the API says of multipart sessions. A session's plan, from
 * the answer that began it: 0, -EBADMSG (not the API's, or not for a file of
 * this size), -ENOMEM. The texts are the caller's. */
struct session_plan {
    char *upload_id, *asset_id;
    char *headers; /* an object of strings, as JSON; or NULL */
    int64_t chunk_bytes, chunk_count;
};
void session_plan_done(struct session_plan *p);
int session_read_plan(const struct buf *json, int64_t size_bytes,
                      struct session_plan *ret_plan);
/* Each {chunk_index, url}; url is a string token. */
typedef void session_url_fn(void *ctx, int64_t chunk, const char *url);
void session_each_url(const struct buf *json, session_url_fn *fn, void *ctx);
/* A session's status; how many chunks this page tells of, of which fn hears
 * those that are completed. */
enum session_status { SESSION_ACTIVE, SESSION_COMPLETED, SESSION_ENDED };
typedef void session_chunk_fn(void *ctx, int64_t chunk);
int session_read_status(const struct buf *json, enum session_status *ret_status,
                        size_t *ret_told, session_chunk_fn *fn, void *ctx);
/* Header lines for its chunks, NULL at the end; freed by session_lines_free. */
int session_lines(const char *headers, char ***ret_lines);
void session_lines_free(char **lines);

/* place.c. Puts a confirmed file away; true: nothing is left to do. */
bool place_away(struct upload *u, struct item *i);
/* Removes what has been kept long enough; true: the record may go, too. */
bool place_expire(struct upload *u, struct item *i, int64_t now_s);
/* NAME.error beside it; false: it can't be written, or is somebody else's. */
bool place_error(struct upload *u, const struct item *i);
void place_remove_error(struct upload *u, const struct item *i);
bool place_has_error(struct upload *u, const struct item *i);

/* show.c: fills the status and the list. */
void show_publish(struct upload *u, int64_t now_ms);

#endif
