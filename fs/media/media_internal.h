/* SPDX-License-Identifier: MIT */
/*
 * media_internal.h - what media.c (who asks, life) and fetch.c (how a picture
 * comes) share. Private to the two.
 */
#ifndef TWELVEFS_MEDIA_INTERNAL_H
#define TWELVEFS_MEDIA_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include "base/cleanup.h"
#include "media/media.h"
#include "media/media_store.h"

struct waiter {
    uint64_t ticket;
    int64_t deadline_ms;
    media_file_fn *fn;
    void *ctx;
    TAILQ_ENTRY(waiter) link;
};
TAILQ_HEAD(waiter_list, waiter);

struct fetch {
    struct media *media;
    char *id;
    int64_t row;
    uint64_t label;             /* of the URL, as last read */
    uint64_t url_hash;          /* of all of it */
    char name[DIGEST_HEX_SIZE]; /* in the store */
    int64_t deadline_ms;
    bool renewed;
    bool rejected;              /* by the CDN: 403 or 410 */
    bool ending;                /* under media's lock: takes no more waiters */
    bool pending;               /* under media's lock: in that queue */
    bool has_slot;              /* under media's lock: one of `active` */
    bool alone;                 /* under media's lock: shares no memory */
    struct buf body;            /* between get and keep */
    struct waiter_list waiters; /* under media's lock */
    uint64_t api_ticket;        /* under media's lock; 0 none */
    uint64_t sync_ticket;       /* under media's lock; 0 none */
    TAILQ_ENTRY(fetch) link;    /* under media's lock */
    TAILQ_ENTRY(fetch) queue_link; /* under media's lock: pending, to_keep */
};
TAILQ_HEAD(fetch_list, fetch);

struct media {
    pthread_mutex_t lock;
    pthread_cond_t changed;    /* there may be work, or a nearer deadline */
    struct fetch_list fetches; /* under lock */
    struct fetch_list pending; /* under lock */
    struct fetch_list to_keep; /* under lock */
    int active;                /* under lock */
    size_t arrived_bytes;      /* under lock: of bodies not yet kept */
    size_t expected_bytes;     /* under lock: the largest of late, fading */
    uint64_t last_ticket;      /* under lock */
    bool stopping;             /* under lock */
    _Atomic bool told_unlike;  /* the log heard of what is no picture */
    struct catalogue *catalogue;
    struct sync *sync;
    struct api *api;
    struct media_store *store;
    pthread_t keeper;
    bool keeper_runs;
};

uint64_t media_label(const char *url);

/* Begins one that was just made and is in `fetches`; from here on it belongs
 * to the threads it goes through. No lock held. */
void fetch_begin(struct fetch *f);
/* Answers all waiters and frees the fetch. No lock held. */
void fetch_end(struct fetch *f, int err, struct media_file *file);
/* The keeper's thread, until media is stopping and no fetch is left. */
void *fetch_keep_all(void *media);

#endif
