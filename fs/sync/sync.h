/* SPDX-License-Identifier: MIT */
/*
 * sync.h - keeps the catalogue complete and fresh; answers what it can't.
 *
 * One thread, the catalogue's one writer, does everything in here in turn:
 * first walk (walk.c), delta polls and the search for deletions (poll.c,
 * apply.c), the unfinished (unfinished.c), the sweep (sweep.c),
 * on-demand queries (on_demand.c). Others queue to it. After each commit it
 * calls `committed` with the difference, before any waiter is answered.
 *
 * Questions are parked, not blocked: sync_ask returns at once; `answer` is
 * called once, on the sync thread, with 0 when the catalogue now holds the
 * whole answer to that question (look there, and believe an absence), or with
 * a negative errno: -ETIMEDOUT (deadline), -EACCES, -EAGAIN, -ENETUNREACH,
 * -EHOSTUNREACH, -EIO, -ENOMEM, -ESHUTDOWN. Two askers of one question cost
 * one request.
 */
#ifndef TWELVEFS_SYNC_H
#define TWELVEFS_SYNC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "catalogue/catalogue.h"
#include "grammar/query.h"
#include "wire/api.h"

struct sync;

struct sync_config {
    int64_t refresh_ms; /* between polls; jittered by a twentieth, downwards */
    int64_t timeout_ms; /* of one background request, retries included */
    int64_t sweep_ms;   /* between the sweep's pages, at least; 60,000 */
    int walk_parallel;  /* pages asked for at once; 8 */
};

/* On the sync thread, no lock held; the diff is borrowed. */
typedef void sync_committed_fn(void *ctx, const struct catalogue_diff *diff);

/* Borrows catalogue and api until sync_free. */
int sync_new(struct catalogue *catalogue, struct api *api,
             const struct sync_config *config, sync_committed_fn *committed,
             void *ctx, struct sync **ret_sync);

/* Starts the thread and the first walk, or where the kept catalogue is
 * complete a first poll. */
int sync_start(struct sync *s);

/* Ends what is under way; answers every waiter, and whoever asks from now on,
 * with -ESHUTDOWN. Any thread; returns at once. */
void sync_stop(struct sync *s);

/* Stops it, and waits for the thread. NULL is fine. */
void sync_free(struct sync *s);

/* Whether the catalogue is complete: an absence is an absence. Any thread. */
bool sync_is_complete(const struct sync *s);

/* Whether the catalogue holds the whole answer to a query now: it is complete,
 * or this on-demand query (or a wider one of its terms) was answered within
 * `refresh`. Any thread. */
bool sync_covers(struct sync *s, const struct query *q);

enum sync_want {
    SYNC_READY,    /* the mount is usable: page 1 in, or a complete catalogue
                      kept. Errors come at once, not at the deadline, when the
                      key is refused (-EACCES) or the host can't be reached */
    SYNC_COMPLETE, /* the first walk is through */
    SYNC_MORE,     /* query may have rows after after_row, or is covered */
    SYNC_NAME,   /* the asset with this folder name that meets query, if any */
    SYNC_QUERY,  /* query is covered */
    SYNC_ID,     /* the asset with this id, named or not */
    SYNC_RENEW,  /* re-read the asset with this id now, and others near it:
                    fresh URLs; see renew.c */
    SYNC_REREAD, /* the same, by a request that is sent after the question; the
                    asset was changed, and no older answer undoes that */
    SYNC_GONE,   /* the asset with this id was deleted, says the API */
    SYNC_POLL,   /* a poll that began after the question, unfinished included */
    SYNC_FIELDS, /* query's fields are indexed (catalogue_field_indexed) */
    SYNC_LINK_ADD,    /* save text -> target in place */
    SYNC_LINK_REMOVE, /* text in place */
    SYNC_PICTURE      /* note what the bytes of row's picture are */
};

struct sync_question {
    enum sync_want want;
    const struct query *query; /* MORE, NAME, QUERY, FIELDS; copied */
    const char *text;          /* folder name, id or link name; copied */
    const char *place;         /* links; copied */
    const char *target;        /* LINK_ADD; copied */
    int64_t after_row;         /* MORE */
    int64_t row;               /* PICTURE */
    const struct catalogue_picture *picture; /* PICTURE; copied */
};

typedef void sync_answer_fn(void *ctx, int err);

/* 0 and a ticket, or -ENOMEM, -ESHUTDOWN (then answer isn't called). The
 * answer may come before sync_ask returns, on the sync thread. */
int sync_ask(struct sync *s, const struct sync_question *question,
             int64_t deadline_ms, sync_answer_fn *answer, void *ctx,
             uint64_t *ret_ticket);

/* Takes a waiter out: true when its answer has not been and will not be
 * called. Any thread, also within another's answer. */
bool sync_cancel(struct sync *s, uint64_t ticket);

/* Like sync_ask, and waits; for start-up alone. */
int sync_wait(struct sync *s, const struct sync_question *question,
              int64_t deadline_ms);

struct sync_status {
    bool complete;           /* the first walk is through */
    int64_t walked, total;   /* assets; total -1 unknown */
    int64_t missing;         /* known to be there and not read yet, … */
    int64_t missing_since_s; /* … since this wall time */
    int64_t stated_total;    /* as the API last had it; -1 not at all */
    int64_t counted_total;   /* … when these were counted; they may differ */
    int64_t polled_s;        /* wall time of the last complete poll; 0 none */
    int64_t poll_age_ms;     /* since; -1 none */
    int64_t sweep_bound_s;   /* an old asset's edit shows within this */
    int64_t swept_s;         /* wall time of the last complete sweep; 0 none */
    bool behind;             /* a poll that is due waits for one that still
                                looks for what was deleted */
    int last_error;          /* errno that keeps it from being fresh, or 0 */
    uint64_t polls, walks, searches; /* counted since start */
    int64_t unfinished;
};
void sync_status(struct sync *s, struct sync_status *ret_status);

#endif
