/* SPDX-License-Identifier: MIT */
/* What account.c (records and mutation) and account_list.c (questions)
 * share; nobody else includes it. */
#ifndef STANDIN_ACCOUNT_PRIVATE_H
#define STANDIN_ACCOUNT_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "account.h"
#include "order.h"

#define CACHED_MATCHES 8

/* An asset's own text, once it has one. */
struct own {
    char *text;
    size_t len;
    char *folded; /* its filename as the filter sees it, "" if none */
    char *id;     /* its _id if that is a string, else NULL */
};

struct record {
    int64_t at; /* key of the order */
    struct own *own;
    uint8_t alive;
    uint8_t type;
    uint8_t status;
};

/* The numbers that a filter found, newest first, kept for its next page. */
struct matches {
    uint64_t version; /* of the account, when they were found */
    unsigned types;
    char *needle;
    uint32_t *number;
    size_t n;
    atomic_int refs;
};

/* What a record was before a change; owns was.own. */
struct undo {
    int64_t at_us; /* when it changed, on clock_us */
    uint32_t number;
    struct record was;
};

/* Changes of the last HISTORY_US, oldest first, for answers from the past. */
struct history {
    struct undo *undo;
    size_t first;
    size_t n; /* behind the last */
    size_t cap;
    bool on;           /* not while the account is filled at the start */
    int64_t pinned_us; /* nothing since this moment is forgotten; 0: no pin */
};

struct account {
    pthread_rwlock_t lock; /* covers all but the cache */
    struct generator gen;
    struct record *record;
    uint32_t nrecords;
    uint32_t cap;
    struct order order;
    uint32_t *odd; /* numbers whose _id is not the generated one */
    uint32_t nodd;
    uint32_t odd_cap;
    uint64_t version; /* counts changes */
    struct history history;

    pthread_mutex_t cache_lock; /* covers what follows; never held with I/O */
    struct matches *cache[CACHED_MATCHES];
    unsigned cache_next;
};

static inline struct asset record_asset(uint32_t n, const struct record *r)
{
    return (struct asset){n, r->at, r->type, r->status};
}

/* The number of the alive asset with this id, or -1. Lock held. */
int64_t account_find(const struct account *a, const char *id, bool internal);
void record_text(const struct account *a, uint32_t n, const struct record *r,
                 struct buf *out);
void own_free(struct own *own);
void account_cache_done(struct account *a);

/* Room for one more change: 0, -ENOMEM. Lock held for writing, as for the
 * next. */
int history_reserve(struct account *a);
/* Record n is about to change to something else than *was, whose own text is
 * taken (freed where no history is kept). After history_reserve. */
void history_push(struct account *a, uint32_t n, const struct record *was);
void history_done(struct account *a);
/* How many were alive then. */
size_t history_count(const struct account *a, int64_t as_of_us);
/* The objects of one page, by a way that knows the past and shuffles. */
int list_past(struct account *a, const struct account_query *q, struct buf *out,
              size_t *ret_total);
bool list_matches(const struct account *a, uint32_t n,
                  const struct record *record, const struct account_query *q,
                  struct buf *name, struct buf *folded);

#endif
