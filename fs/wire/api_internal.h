/*
 * api_internal.h - what api.c (face and life), api_pump.c (what goes when)
 * and api_answer.c (what came) share.
 *
 * A call is in `live` from the ask until its callback has returned. While
 * http_ticket is 0 it waits; then only the pump, on the http thread, moves it:
 * it is sent when it is due and may go, or ended (cancelled, too late, its
 * host down). While http_ticket isn't 0 its answer moves it. Both run on the
 * http thread, so that fields marked "http thread" need no lock.
 *
 * Lock order: api.lock, then the http module's own.
 */
#ifndef TWELVEFS_API_INTERNAL_H
#define TWELVEFS_API_INTERNAL_H

#include <pthread.h>

#include "wire/api.h"
#include "wire/api_budget.h"
#include "wire/api_circuit.h"

#define API_MAX_LIVE      4000
#define API_PICTURES_MOST 8 /* under way at once; more wait here */

struct api_call {
    struct api_call *prev, *next; /* under api.lock */
    struct api *api;
    uint64_t ticket;
    enum api_lane lane;
    enum api_cause cause;
    bool picture;
    char *url;
    size_t max_bytes;
    int64_t deadline_ms;
    api_page_fn *page_fn;
    api_bytes_fn *bytes_fn;
    void *ctx;

    bool cancelled;       /* under api.lock */
    bool ending;          /* under api.lock: its callback runs */
    uint64_t http_ticket; /* under api.lock; 0 while it waits */
    struct api_circuit *circuit;

    int attempts;          /* http thread */
    int last_error;        /* http thread: of the last attempt */
    int64_t not_before_ms; /* under api.lock: of the next attempt */
    int64_t asked_ms;      /* http thread: when the last attempt was sent */
    unsigned key_number;   /* http thread: of the key that it was sent with */
};

struct api {
    pthread_mutex_t lock;
    pthread_cond_t quiet;            /* live is empty, or timers_out 0 */
    struct api_call *first, *last;   /* under lock: in order of asking */
    size_t live;                     /* under lock */
    int in_flight;                   /* under lock: to the API */
    int pictures_in_flight;          /* under lock */
    uint64_t last_ticket;            /* under lock */
    bool stopping;                   /* under lock */
    char *key_header;                /* under lock: "x-api-key: …" */
    unsigned key_number;             /* under lock: of keys so far */
    struct api_budget budget;        /* under lock */
    struct api_circuits circuits;    /* under lock */
    struct api_circuit *api_circuit; /* of base_url, always held */
    struct api_stats stats;          /* under lock */
    int told_error;                  /* under lock: as the log last heard */
    int told_picture_error;          /* under lock: likewise, of pictures */
    uint64_t timer_ticket;           /* under lock: of the next pump; 0 none */
    int64_t timer_due_ms;            /* under lock */
    int timers_out;                  /* under lock: not yet called back */

    struct http *http;
    char *base_url;
    int64_t timeout_ms;
    bool media_anywhere;
};

/* Has the pump run by due_ms. Lock held. 0, -ENOMEM, -ESHUTDOWN. */
int api_pump_by(struct api *a, int64_t due_ms);

/* Ends what waits without the http thread's help. */
void api_end_waiting(struct api *a, int error);

/* Calls back with an error and frees the call. No lock held; `ending` was set
 * under it. */
void api_call_fail(struct api_call *c, int error);
/* Takes the call out of live and frees it, after its callback. */
void api_call_end(struct api_call *c);

/* The http_done_fn of every attempt. */
void api_on_response(void *ctx, struct http_response *response);

/* Replaces the key by asterisks in text, a part of it at the end too (there
 * the text may have been cut). Lock held. */
void api_scrub_key(const struct api *a, char *text);

#endif
