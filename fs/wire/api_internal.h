/* SPDX-License-Identifier: MIT */
/*
 * api_internal.h - what api.c (face), api_call.c (a call's life), api_pump.c
 * (what goes when), api_answer.c (what came) and api_write.c (changes) share.
 *
 * A call is in `calls` from the ask until its callback has returned. While
 * http_ticket is 0 it waits; then only the pump, on the http thread, moves it:
 * it is sent when it is due and may go, or ended (cancelled, too late, its
 * host down). While http_ticket isn't 0 its answer moves it. Both run on the
 * http thread, so that fields marked "http thread" need no lock.
 *
 * Time: the pump is the http thread's tick. It says when it wants to run next,
 * and whoever changes something for it has it run now (http_call_by).
 *
 * Lock order: api.lock, then the http module's own.
 */
#ifndef TWELVEFS_API_INTERNAL_H
#define TWELVEFS_API_INTERNAL_H

#include <pthread.h>
#include <sys/queue.h>

#include "wire/api.h"
#include "wire/api_budget.h"
#include "wire/api_host.h"

#define API_MAX_LIVE     4000
#define API_PICTURES_MAX 8 /* under way at once; more wait here */

/* The part of a call that only changes have. */
struct api_change {
    const char *method;
    char *json; /* or NULL */
    bool once;
    api_reply_fn *fn;
    int status;      /* http thread, and so are the next two */
    bool maybe_done; /* … by one of the attempts so far */
    char words[256];
};

struct api_call {
    TAILQ_ENTRY(api_call) link; /* under api.lock */
    struct api *api;
    uint64_t ticket;
    enum api_lane lane;
    enum api_cause cause;
    bool picture;
    enum api_category category; /* of what isn't a picture */
    struct api_change *change;  /* NULL: it only reads */
    char *url;
    size_t max_bytes;
    int64_t deadline_ms;
    bool by_ids;    /* of a list: asset_ids are among the filters */
    uint64_t asked; /* the moment when */
    api_page_fn *page_fn;
    api_bytes_fn *bytes_fn;
    void *ctx;

    bool cancelled;       /* under api.lock */
    bool withdrawn;       /* under api.lock: it isn't to be sent (again) */
    bool ending;          /* under api.lock: its callback runs */
    bool has_room;        /* under api.lock: its room_bytes are counted */
    uint64_t http_ticket; /* under api.lock; 0 while it waits */
    size_t room_bytes; /* under api.lock: of a picture, that it needs or has */
    struct api_host *host;

    int attempts;          /* http thread */
    int last_error;        /* http thread: of the last attempt */
    int64_t not_before_ms; /* under api.lock: of the next attempt */
    int64_t asked_ms;      /* http thread: when the last attempt was sent, */
    uint64_t sent;         /* and at which moment */
    unsigned key_number;   /* http thread: of the key that it was sent with */
};

struct api {
    pthread_mutex_t lock;
    pthread_cond_t quiet;         /* ended */
    TAILQ_HEAD(, api_call) calls; /* under lock: in order of asking */
    size_t live;                  /* under lock */
    int pictures_in_flight;       /* under lock */
    size_t picture_bytes;         /* under lock: room taken by bodies */
    uint64_t moments;             /* under lock: so far; see api_pause.h */
    bool stopping;                /* under lock */
    bool ended;                   /* under lock: the pump ran the last time */
    char *key_header;             /* under lock: "x-api-key: …" */
    unsigned key_number;          /* under lock: of keys so far */
    struct {
        struct api_budget budget;
        int in_flight;
    } categories[API_CATEGORY_COUNT]; /* under lock */
    struct api_hosts hosts;           /* under lock */
    struct api_host *api_host;        /* of base_url, always held */
    struct api_stats stats;           /* under lock */
    int told_error;                   /* under lock: as the log last heard */
    int told_picture_error;           /* under lock: likewise, of pictures */

    struct http *http;
    char *base_url;
    int64_t timeout_ms;
    bool media_anywhere;
};

/* The http_tick_fn. */
int64_t api_pump(void *ctx);

/* Gives back the room for a picture's body. Lock held. */
void api_give_room(struct api_call *c);

/* Calls back with an error and frees the call. No lock held; `ending` was set
 * under it. */
void api_call_fail(struct api_call *c, int err);
/* Takes the call out of `calls` and frees it, after its callback. */
void api_call_end(struct api_call *c);

/* One call more, or less, is under way. Lock held. */
void api_call_count(struct api_call *c, int change);

/* Takes url over, whatever comes of it. */
int api_ask(struct api *a, const struct api_call *like, char *url,
            uint64_t *ret_ticket);

/* api_write.c. What an answer to a change means, and what is kept of it, … */
struct api_verdict;
struct api_verdict api_change_verdict(struct api_call *c,
                                      const struct http_response *response);
/* … told at the end, … */
void api_change_deliver(struct api_call *c, int err, int64_t now_ms);
/* … and freed. NULL is fine. */
void api_change_free(struct api_change *change);

/* What went wrong, in words. Lock held. */
void api_describe(const struct api *a, const struct api_call *c,
                  const struct http_response *response, char *out, size_t size);

/* The http_done_fn of every attempt. */
void api_on_response(void *ctx, struct http_response *response);

#endif
