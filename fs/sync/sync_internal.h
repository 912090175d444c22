/* SPDX-License-Identifier: MIT */
/*
 * sync_internal.h - what the files of this module share. Private to it.
 *
 * Everything here is called on the sync thread alone, unless it says so. The
 * parts are event-driven: each sends requests to the API and is called back, on
 * this thread, with their answers.
 *
 * Lock order: s->lock is a leaf; nothing is called under it.
 */
#ifndef TWELVEFS_SYNC_INTERNAL_H
#define TWELVEFS_SYNC_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include "base/cleanup.h"
#include "sync/sync.h"

struct walk;
struct news;
struct poll;
struct on_demand;
struct verify;
struct renewal;
struct unfinished;

typedef void request_fn(struct sync *s, void *ctx, int err, struct page *page,
                        const struct api_answer *answer);

struct request {
    struct sync *sync;
    request_fn *fn;
    void *ctx;
    int64_t number; /* of the page asked for, and its length */
    int page_limit;
    bool listed; /* pages of the whole list: put in order */
    bool spare;  /* one of s->spares, in use */
    uint64_t ticket;
    int err;
    struct page page;
    struct api_answer answer;
    TAILQ_ENTRY(request) link; /* in the mailbox, once answered */
};
TAILQ_HEAD(request_list, request);

/* fn is called exactly once, on the sync thread, after the asker has returned:
 * also with -ENOMEM or -ESHUTDOWN where the request can't be made. An answer
 * that isn't the page asked for is -EIO; a total beyond reason counts as absent
 * (-1). deadline_ms 0: the configured timeout from now. */
void request_page(struct sync *s, int64_t page, int page_limit,
                  const char *filter, enum api_lane lane, enum api_cause cause,
                  int64_t deadline_ms, request_fn *fn, void *ctx);

/* asset_ids of up to API_IDS_LIMIT slots. */
void request_ids(struct sync *s, const struct catalogue_slot *slots,
                 size_t count, enum api_lane lane, enum api_cause cause,
                 request_fn *fn, void *ctx);

struct waiter {
    uint64_t ticket;
    enum sync_want want;
    struct query query;
    char *text, *place, *target;
    int64_t after_row;
    int64_t row;
    struct catalogue_picture picture;
    int64_t asked_ms;
    int64_t deadline_ms;
    sync_answer_fn *answer;
    void *ctx;
    bool begun;        /* the sync thread has looked at it */
    bool held;         /* … or is looking */
    bool cancelled;    /* while it was held */
    int err;           /* once it is settled */
    const void *owner; /* whose end it waits for; NULL: of the walk */
    uint64_t poll;     /* POLL: number of the poll that answers it */
    TAILQ_ENTRY(waiter) link;
};
TAILQ_HEAD(waiter_list, waiter);

/* Whether a waiter is settled, and with what; called under the lock. */
typedef bool waiter_settled_fn(struct sync *s, struct waiter *w, void *ctx,
                               int *ret_err);

/* A question that is new, held; NULL when there is none. */
struct waiter *waiter_hold_new(struct sync *s);
/* Lets go of it: QUESTION_WAITS, or its answer, 0 or an error. */
#define QUESTION_WAITS 1
void waiter_unhold(struct sync *s, struct waiter *w, int result);

/* Answers every waiter that is settled, outside the lock. */
void waiters_settle(struct sync *s, waiter_settled_fn *settled, void *ctx);
/* Those of one owner. */
void waiters_answer(struct sync *s, const void *owner, int err);
/* Those whose deadline passed; answers the next deadline. */
int64_t waiters_expire(struct sync *s, int64_t now_ms);
void waiter_free(struct waiter *w);
/* All that are left, with -ESHUTDOWN. */
void waiters_end(struct sync *s);

struct tombstones {
    struct {
        int64_t row, seen_ms;
    } added[256]; /* a ring */
    size_t next_added;
    int64_t floor_ms; /* additions up to there may be forgotten */
    struct {
        uint64_t id_hash;
        int64_t seen_ms;
    } removed[1024]; /* a ring; what it forgets a poll finds once more */
    size_t next_removed;
    int64_t last_removed_ms;
    struct {
        uint64_t id_hash;
        int64_t changed_ms;
    } changed[1024]; /* a ring: by us */
    size_t next_changed;
    int64_t last_changed_ms;
    int64_t changed_floor_ms; /* changes up to there may be forgotten */
};

/* An answer of this time showed it. */
void tombstones_note_added(struct sync *s, int64_t row, int64_t seen_ms);
void tombstones_note_removed(struct sync *s, const char *id, int64_t seen_ms);
/* Whether an answer that was asked for then may be older than the row. */
bool tombstones_row_may_be_newer(const struct sync *s, int64_t row,
                                 int64_t asked_ms);
/* The API has changed an asset; what is asked for from then on shows it. */
void tombstones_note_changed(struct sync *s, const char *id,
                             int64_t changed_ms);
/* Whether an answer that was asked for then may be older than the change. */
bool tombstones_has_changed(const struct sync *s, const char *id,
                            int64_t asked_ms);
/* Whether it may be older than what showed that this id is gone. */
bool tombstones_has(const struct sync *s, const char *id, int64_t asked_ms);

/* A boundary in the list between two seconds of created_at; the order within
 * one second doesn't matter. */
struct boundary {
    int64_t created_s; /* of its newer side */
    int64_t newer;     /* assets on its newer side when it was answered */
};

/* Assets that an answer lacks where they were known to be, of which it isn't
 * said yet that they are gone: whoever reads the list slowly asks for each by
 * its id. Freed with catalogue_slots_free. */
struct apply_absent {
    struct catalogue_slot *slots;
    size_t count;
    bool more; /* there may be more than one transaction takes */
};

struct apply_options {
    int64_t page; /* number and limit as asked */
    int page_limit;
    bool named; /* new assets may be given their folder name */
    bool last;  /* the page after it was seen empty: the list ends here */
    bool step;  /* one of many; it needn't be committed at once */
    struct apply_absent *absent; /* empty: what the answer lacks is handed over
                                    here; NULL: it is removed */
};

struct apply_result {
    size_t added, removed;
    size_t lost;  /* assets that can't be kept: they are unreadable */
    bool ordered; /* newest first, as it should be */
    bool has_boundaries;
    struct boundary newest, oldest; /* of the boundaries within it */
    bool exact;              /* their numbers are: no element is no asset */
    int64_t top_s, bottom_s; /* created_s of its newest and oldest asset */
};

/* How many assets stand above some place of the list, and what the total was
 * in the same answer: by that of another answer the number then is known. */
struct extent {
    int64_t count;
    int64_t total; /* -1: none was stated */
};
int64_t extent_at(const struct extent *extent, const struct page *page);

/* Whether it is shorter than asked for: where an honest list ends. */
bool apply_is_short(const struct apply_options *options,
                    const struct page *page);

/* Inserts or updates one asset within a transaction, and notes what else goes
 * with that. One that can't be kept costs itself alone: 0, and row 0. */
struct apply_outcome {
    bool added; /* it wasn't known */
    bool gone;  /* the answer is older than one that shows it to be gone */
    int64_t row;
};
int apply_asset(struct sync *s, const struct asset *a, bool named,
                const struct api_answer *answer,
                struct apply_outcome *ret_outcome);

/* Commits what an answer shows: its assets put, oldest first, and what it
 * disproves removed. 0 or the catalogue's error. */
int apply_page(struct sync *s, const struct apply_options *options,
               struct page *page, const struct api_answer *answer,
               struct apply_result *ret_result);

/* Whether an id was made by page.c, for an asset that has none: asking for it
 * proves nothing. */
bool apply_is_made_id(const char *id);

/* Commits an answer to asset_ids: what it holds is put; of the slots asked
 * for, those that a whole answer lacks are removed. It is whole when its total
 * says so, or when an answer before it, too, lacked them (confirmed). Answers
 * how many it lacks that weren't removed. */
int apply_ids(struct sync *s, const struct catalogue_slot *slots, size_t count,
              struct page *page, const struct api_answer *answer,
              bool confirmed, size_t *ret_removed, size_t *ret_doubtful);

/* Whether a page has an asset of this id. */
bool page_has_id(const struct page *page, const char *id);

/* The server answers other pages than it is asked for: -EIO, and a line. */
int sync_misfit(struct sync *s, int64_t number, const struct page *page);

/* Between two steps of something long: ends what is overdue. */
void sync_serve(struct sync *s);

/* Keeps how far totals are off. Within a transaction. */
int account_save(struct sync *s);

/* Gives what has no second its neighbour's; false when out of order. */
bool apply_order(struct page *page);

/* Begin and end of a transaction; end commits, tells `committed`, and settles
 * who waited for rows. */
int sync_begin(struct sync *s);
int sync_end(struct sync *s, int err);
/* Of one of many that may be committed together (catalogue_commit_later). What
 * is held is committed by sync_flush: before any other transaction, and in
 * time. */
int sync_begin_step(struct sync *s);
int sync_end_step(struct sync *s, int err);
int sync_flush(struct sync *s);

/* account.c: the account as it was last found out. */
struct account {
    struct extent extent; /* all the list */
    int64_t unreadable;   /* list elements that are no assets */
    int64_t linked_s;     /* nothing is missing from there down, as far as is
                             known; 0: not known. Above it, single assets may
                             have come by other ways */
    uint64_t changes;     /* assets added or removed by answers */
};

/* walk.c: when the next one begins, or the one that pauses goes on. */
struct walk_schedule {
    int64_t at_ms;            /* CLOCK_NEVER_MS: none is due */
    int64_t failed_ms;        /* when the last one paused or was in vain */
    int64_t retry_ms;         /* the next pause after an error, … */
    int64_t restart_ms;       /* … and after a walk in vain */
    unsigned growths_in_vain; /* in a row */
    int64_t rewalk_at_ms;     /* until then one of what is known keeps to rpm */
};

/* poll.c */
struct poll_schedule {
    int64_t at_ms;
    uint64_t number;        /* of the last one begun */
    uint64_t looks;         /* at page 1: polls and glances */
    unsigned wrong_totals;  /* totals in a row that told of nothing */
    unsigned failures;      /* verifications in a row that didn't agree */
    uint64_t backoff_until; /* none before this poll */
    bool glancing;          /* a poll under way looks at page 1 again */
};

/* sweep.c */
struct sweep {
    int64_t at_ms;
    int64_t page;  /* under way */
    int64_t reach; /* position of the newest asset swept */
    int64_t total; /* as it last heard */
    bool under_way;
    bool through;               /* the page is the round's last */
    struct apply_absent absent; /* what the page lacks, asked for by id */
    size_t next, asked;         /* of these; so many before, and now */
    bool confirming;            /* asked again, since the total differs */
    size_t removed;             /* of these */
};

/* request.c; the first three under sync.lock. */
struct requests {
    struct request_list answered; /* the mailbox */
    struct request_list under_way;
    size_t count;              /* of both */
    struct request spares[32]; /* deliver -ENOMEM */
    size_t spares_used;
    bool misfit_logged; /* that the server answers other pages than asked */
};

/* commit.c */
struct commits {
    sync_committed_fn *told;
    void *ctx;
    bool has_unnamed; /* rows without a folder name, as of begin */
    int lost_err;     /* steps of a walk are gone with a transaction */
};

/* coverage.c; under sync.lock. */
#define COVERAGE_MAX 64
struct coverage {
    char *texts[COVERAGE_MAX]; /* on-demand queries that were answered … */
    int64_t until_ms[COVERAGE_MAX]; /* … and until when */
};

/* Each part writes its own fields only. */
struct sync {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct waiter_list waiters; /* under lock */
    uint64_t last_ticket;       /* under lock */
    bool stopping;              /* under lock */
    bool nudged;                /* under lock: a question is new */
    struct sync_status status;  /* under lock */
    struct coverage coverage;
    struct requests requests;

    _Atomic bool complete;
    struct catalogue *catalogue;
    struct api *api;
    struct sync_config config;
    pthread_t thread;
    bool started;

    /* the sync thread's own */
    bool ready;
    int ready_err;
    struct commits commits;
    struct account account;
    struct tombstones tombstones;
    struct walk_schedule walks;
    struct walk *walk; /* NULL when none is under way */
    struct poll_schedule polls;
    struct poll *poll; /* likewise */
    struct news *news; /* likewise */
    struct sweep sweep;
    struct unfinished *unfinished;
    struct verify *verify;       /* NULL when none is under way */
    struct on_demand *on_demand; /* under way */
    struct renewal *renewal;     /* likewise; NULL none */
};

/* request.c: the next answer; calls back with it. NULL: there is none. */
struct request *request_next(struct sync *s);
void request_take(struct sync *s, struct request *r);
/* Answers how many aren't answered yet. */
size_t requests_cancel(struct sync *s);

/* So many assets are known to be missing, from now on. */
void account_note_missing(struct sync *s, int64_t missing);
/* The API's total, beside what was counted. */
void account_note_total(struct sync *s, int64_t total);
/* Nothing is missing from this second down. */
int account_note_linked(struct sync *s, int64_t linked_s);
int account_load(struct sync *s);

/* When the next one begins; CLOCK_NEVER_MS: nothing is due. Begin what is. */
int64_t walk_due_ms(const struct sync *s);
int64_t poll_due_ms(const struct sync *s);
int64_t sweep_due_ms(const struct sync *s);
void walk_run_due(struct sync *s, int64_t now_ms);
void poll_run_due(struct sync *s, int64_t now_ms);
void sweep_run_due(struct sync *s, int64_t now_ms);
/* After a walk nothing is as old as it was. */
void poll_postpone(struct sync *s);
void sweep_postpone(struct sync *s);

void walk_start(struct sync *s);
void walk_done(struct sync *s);
/* What it had joined but not committed is gone: it begins from the start. */
void walk_lost(struct sync *s, int err);
/* Under way, or about to begin (again). */
bool walk_is_due(const struct sync *s);
/* None is under way, and after some in vain none will be soon. */
bool walk_is_backing_off(const struct sync *s);
/* Somebody waits for it now: a pause after an error ends a second after that,
 * and one after a walk in vain five seconds after. */
void walk_retry_soon(struct sync *s);
/* Reads what is new, presumably so much, where page 1 wasn't all of it; then
 * poll_grown. */
int walk_grow(struct sync *s, const struct page *page,
              const struct api_answer *answer, int64_t guess,
              enum api_lane lane);
/* Some of what the whole walk under way read can't be kept. */
bool walk_has_unreadable(const struct sync *s);
/* Somebody waits for a walk of what is known: no longer within rpm. */
void walk_hurry(struct sync *s);
void poll_done(struct sync *s);

/* news.c: reads and applies what is new. -E2BIG: it is more than page 1 and
 * some below it, a walk's; then page and answer are page 1's, borrowed. */
struct news_result {
    const struct page *page;
    const struct api_answer *answer;
    int64_t total; /* as page 1 states it */
    int64_t top_s; /* newest and oldest second read */
    int64_t bottom_s;
    size_t added;
    uint64_t changes; /* of the account, without what later pages removed */
};
typedef void news_end_fn(struct sync *s, int err,
                         const struct news_result *result);
void news_start(struct sync *s, enum api_lane lane, news_end_fn *on_end);
void news_done(struct sync *s);
/* How many assets presumably are newer than what is whole, and how many of
 * those are known. */
int news_guess(struct sync *s, const struct page *page, int64_t *ret_guess,
               int64_t *ret_above);
/* Somebody asked for the poll that is under way. */
bool poll_is_waited_for(const struct sync *s);
/* A walk of what was complete is through, at this total. */
void poll_walked(struct sync *s, int64_t total);
/* All that is new was read, up to this second, at this total; or an error, or
 * -ESTALE: the whole list has to be read. */
void poll_grown(struct sync *s, int err, int64_t total, int64_t top_s);
/* … or it, or the first one, pauses. */
void poll_walk_failed(struct sync *s, int err);
void on_demand_done(struct sync *s);
void verify_done(struct sync *s);
/* After a poll's page 1, whose oldest second was bottom_s. */
typedef void unfinished_end_fn(struct sync *s, int err);
void unfinished_start(struct sync *s, int64_t bottom_s, enum api_lane lane,
                      unfinished_end_fn *done);
void unfinished_free(struct sync *s);
void sweep_note_bound(struct sync *s, int64_t total);

/* Puts a held waiter's question: its answer where that is known at once, else
 * QUESTION_WAITS, with its owner set. */
int question_begin(struct sync *s, struct waiter *w);
/* Some milliseconds of work for questions that wait for nothing else: fields to
 * be indexed. False when there is none. */
bool question_step(struct sync *s);

/* Rows counted, and unreadable elements: what the account's total should be; a
 * negative errno. */
int64_t account_known(struct sync *s);

/* on_demand.c: joins or begins an on-demand query for a waiter. QUESTION_WAITS,
 * -EOPNOTSUPP when there is none to be asked, or an error. */
int on_demand_query(struct sync *s, struct waiter *w, const struct query *q);
int on_demand_folder(struct sync *s, struct waiter *w, const char *folder);
int on_demand_id(struct sync *s, struct waiter *w, const char *id);

/* renew.c: has an asset re-read, soon and together with others. QUESTION_WAITS,
 * or an error. */
int renew_ask(struct sync *s, struct waiter *w);
void renew_free(struct sync *s);

/* The types (1 << enum asset_type) of a query that asks for types alone, all
 * for an empty one; 0 for any other query. */
unsigned query_types(const struct query *q);

bool coverage_of(struct sync *s, const struct query *q);
void coverage_add(struct sync *s, const struct query *q);
void coverage_done(struct sync *s);

bool sync_is_stopping(struct sync *s);
void sync_note_error(struct sync *s, int err);

#endif
