/* SPDX-License-Identifier: MIT */
/*
 * sync_world.h - an account in memory behind the face of wire/api.h, for the
 * tests of sync over the real catalogue.
 *
 * Requests are answered one at a time by a thread that stands for http's, in
 * the order of a seed; before each answer the account may change (`before`).
 * Linking these definitions keeps the real api out of the program.
 *
 * A failed assertion leaves its function by longjmp, which unlocks nothing.
 * The lock knows its owner, and teardown gives back what the test's thread
 * left locked: so asserting under it is fine. On other threads (`before`,
 * `removed`) there is nothing to jump to: use world_fail.
 */
#ifndef TWELVEFS_SYNC_WORLD_H
#define TWELVEFS_SYNC_WORLD_H

#include <errno.h>
#include <ftw.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "sync/sync.h"

#define WORLD_MAX  50000
#define WORLD_PAST 16
#define WORLD_NOW  1790000000

struct thing {
    int number; /* its id, in 24 digits */
    int64_t created_s;
    const char *name;
    bool unfinished;
    bool unreadable; /* an element of data that is no object */
    bool nameless;   /* without an _id */
    bool edited;
    bool pictured; /* has a URL that can be renewed */
};

struct question {
    struct question *next;
    uint64_t ticket;
    int64_t page;
    int limit;
    char *filter;
    enum api_cause cause;
    api_page_fn *fn;
    void *ctx;
    bool cancelled;
};

struct world {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    bool ending, held;              /* held: nobody is answered */
    struct thing things[WORLD_MAX]; /* newest first */
    int count, next_number;
    struct question *waiting;
    uint64_t last_ticket;
    unsigned seed; /* 0: in the order asked */
    int at_once;
    int gather; /* nobody is answered until so many have asked; once */
    uint64_t requests[API_CAUSE_COUNT];
    uint64_t beside; /* of a poll's, those beside rpm that nobody waits for */
    uint64_t ids_requests; /* of these, with asset_ids */
    unsigned held_causes;  /* 1 << cause: these aren't answered */
    int64_t lie;           /* added to total_results */
    bool flaps;            /* … in every other answer */
    int ballast;           /* bytes more in each object … */
    unsigned fat_causes;   /* … in answers to these, 1 << cause */
    int64_t late_page;     /* of the walk; isn't answered */
    bool total_absent;
    bool unsorted;        /* pages come in an order of their own */
    int fail_with;        /* errno for every request */
    int fails_left;       /* … or for so many; 0 sets no end */
    unsigned fail_causes; /* … or for these, 1 << cause; 0 for all */
    int refuse_ids;       /* errno for those with asset_ids */
    int limit_at_most;    /* a server that ignores page_limit; 0 doesn't */
    bool limit_echoed;    /* and says so */
    int empty_pages;      /* so many answers come without data */

    /* moods */
    int total_lag;          /* answers that total_results is behind */
    int totals[WORLD_PAST]; /* a ring: counts, one an answer */
    int64_t total_cap;      /* it is never more; 0: no cap */
    int twin;               /* number of one that is shown as another … */
    int twin_of;            /* … of the same second; 0: none is */
    bool ties_at_random;    /* equal seconds in another order each time */
    int stale;              /* answers may be so many older */
    struct thing *past[WORLD_PAST]; /* a ring: the account, one an answer */
    int past_count[WORLD_PAST];
    unsigned mood_seed;
    uint64_t told;      /* answers given */
    struct thing *view; /* what is answered from, where it isn't `things` */
    void (*removed)(struct world *w, const char *id); /* by sync's commit */

    void (*before)(struct world *w); /* each answer; under the lock */
    int changes_left, answers;
    int edits; /* seen by sync */
    struct catalogue *catalogue;
    struct sync *sync;
    char directory[64];
};

static struct world world;

static inline void world_id(int number, char out[32])
{
    (void)snprintf(out, 32, "%024d", number);
}

/* On any thread: says what is wrong, and ends the program with it at once. */
#define world_fail(...)                                                        \
    do {                                                                       \
        (void)fprintf(stderr, __VA_ARGS__);                                    \
        (void)fputc('\n', stderr);                                             \
        _exit(EXIT_FAILURE);                                                   \
    } while (0)

/* ---- changes (under the lock, or before the start) ---- */

static inline void world_insert(struct world *w, int at, int64_t created_s,
                                const char *name)
{
    if (w->count == WORLD_MAX)
        world_fail("the world holds no more than %d", WORLD_MAX);
    memmove(&w->things[at + 1], &w->things[at],
            (size_t)(w->count - at) * sizeof(w->things[0]));
    w->things[at] = (struct thing){
        .number = w->next_number++, .created_s = created_s, .name = name};
    w->count++;
}

static inline void world_create(struct world *w)
{
    int64_t newest = w->count ? w->things[0].created_s : WORLD_NOW;
    world_insert(w, 0, newest + 1, NULL);
}

static inline void world_delete(struct world *w, int at)
{
    memmove(&w->things[at], &w->things[at + 1],
            (size_t)(w->count - at - 1) * sizeof(w->things[0]));
    w->count--;
}

/* ---- answers ---- */

static inline void world_asset(const struct thing *t, int ballast,
                               struct asset *a)
{
    char id[32];
    char *json = NULL;
    char name[64];
    world_id(t->number, id);
    if (t->nameless)
        (void)snprintf(id, sizeof(id), "noid-%016d", t->number);
    (void)snprintf(name, sizeof(name), "clip-%d.mp4", t->number);
    if (t->name)
        (void)snprintf(name, sizeof(name), "%s", t->name);
    int len =
        asprintf(&json,
                 "{\"_id\":\"%s\",\"filename\":\"%s\","
                 "\"unfinished\":%d,\"edited\":%d,\"created_at\":%lld%*s}",
                 id, name, t->unfinished, t->edited, (long long)t->created_s,
                 ballast, "");
    *a = (struct asset){.id = strdup(id),
                        .filename = strdup(name),
                        .filename_len = strlen(name),
                        .created_s = t->created_s,
                        .type = t->number % 3 ? ASSET_VIDEO : ASSET_IMAGE,
                        .unfinished = t->unfinished,
                        .size_bytes = -1,
                        .picture_url =
                            t->pictured ? strdup("https://c/p.jpg") : NULL,
                        .json = json,
                        .json_len = (size_t)len};
}

static inline bool world_matches(const struct thing *t, const char *filter)
{
    char id[32];
    char name[64];
    if (!filter || !*filter)
        return true;
    if (strstr(filter, "&asset_types="))
        return strstr(filter, t->number % 3 ? "=video" : "=image");
    world_id(t->number, id);
    const char *asked = strstr(filter, "&filename=");
    if (!asked)
        return !t->nameless && strstr(filter, id);
    asked += strlen("&filename=");
    (void)snprintf(name, sizeof(name), "clip-%d.mp4", t->number);
    return strstr(t->name ? t->name : name, asked);
}

static inline void world_turn(struct page *page)
{
    for (size_t i = 0; i < page->count / 2; i++) {
        struct asset other = page->assets[i];
        page->assets[i] = page->assets[page->count - 1 - i];
        page->assets[page->count - 1 - i] = other;
    }
}

/* ---- moods ---- */

/* Each run of equal seconds in an order of its own. */
static inline void world_shuffle_ties(struct world *w, struct thing *things,
                                      int count)
{
    for (int i = 0; i < count;) {
        int end = i;
        while (end < count && things[end].created_s == things[i].created_s)
            end++;
        for (int k = end - 1; k > i; k--) {
            int other = i + rand_r(&w->mood_seed) % (k - i + 1);
            struct thing t = things[k];
            things[k] = things[other];
            things[other] = t;
        }
        i = end;
    }
}

static inline void world_show_twin(const struct world *w, struct thing *things,
                                   int count)
{
    for (int i = 0; i < count; i++)
        if (things[i].number == w->twin)
            things[i].number = w->twin_of;
}

static inline void world_copy(struct thing **to, const struct thing *from,
                              int count)
{
    *to = realloc(*to, ((size_t)count + 1) * sizeof(**to));
    if (!*to)
        world_fail("no memory");
    memcpy(*to, from, (size_t)count * sizeof(**to));
}

/* What one answer is made from, and the total that it states. */
static inline const struct thing *world_view(struct world *w, int *ret_count,
                                             int *ret_counted)
{
    size_t at = w->told % WORLD_PAST;
    uint64_t back =
        w->told < (uint64_t)w->total_lag ? w->told : (uint64_t)w->total_lag;
    w->totals[at] = w->count;
    *ret_counted = w->totals[(w->told - back) % WORLD_PAST];
    *ret_count = w->count;
    const struct thing *things = w->things;
    if (w->stale) {
        world_copy(&w->past[at], w->things, w->count);
        w->past_count[at] = w->count;
        back = (uint64_t)(rand_r(&w->mood_seed) % (w->stale + 1));
        if (back > w->told)
            back = w->told;
        at = (w->told - back) % WORLD_PAST;
        things = w->past[at];
        *ret_count = *ret_counted = w->past_count[at];
    }
    w->told++;
    if (!w->ties_at_random && !w->twin)
        return things;
    world_copy(&w->view, things, *ret_count);
    world_show_twin(w, w->view, *ret_count);
    if (w->ties_at_random)
        world_shuffle_ties(w, w->view, *ret_count);
    return w->view;
}

static inline void world_answer(struct world *w, const struct question *q,
                                struct page *page)
{
    int count, counted;
    const struct thing *things = world_view(w, &count, &counted);
    int limit = w->limit_at_most && q->limit > w->limit_at_most
                    ? w->limit_at_most
                    : q->limit;
    int64_t first = (q->page - 1) * limit;
    int64_t seen = 0;
    *page = (struct page){.page = q->page, .limit = limit};
    if (w->limit_at_most && !w->limit_echoed)
        page->limit = -1;
    page->assets = calloc((size_t)limit, sizeof(struct asset));
    for (int i = 0; i < count; i++) {
        if (!world_matches(&things[i], q->filter))
            continue;
        bool shown = seen >= first && seen < first + limit && !w->empty_pages;
        if (shown && things[i].unreadable)
            page->skipped++;
        else if (shown)
            world_asset(&things[i],
                        w->fat_causes >> q->cause & 1 ? w->ballast : 0,
                        &page->assets[page->count++]);
        seen++;
    }
    w->empty_pages -= w->empty_pages > 0;
    if (w->unsorted)
        world_turn(page);
    if (!q->filter || !*q->filter)
        seen = counted;
    page->total_results = seen + (!w->flaps || ++w->answers % 2 ? w->lie : 0);
    if (page->total_results < 0)
        page->total_results = 0;
    if (w->total_cap && page->total_results > w->total_cap)
        page->total_results = w->total_cap;
    page->total_pages = (page->total_results + limit - 1) / limit;
    if (w->total_absent)
        page->total_results = page->total_pages = -1;
}

/* With SYNC_TRACE in the environment: what was asked, and what it was told. */
static inline void world_trace(const struct world *w, const struct question *q,
                               int err, const struct page *page)
{
    if (!getenv("SYNC_TRACE"))
        return;
    (void)fprintf(stderr, "cause %d page %lld of %d%s%s: ", (int)q->cause,
                  (long long)q->page, q->limit, q->filter ? " " : "",
                  q->filter ? q->filter : "");
    if (err) {
        (void)fprintf(stderr, "error %d\n", err);
        return;
    }
    (void)fprintf(stderr, "%zu (+%zu), total %lld, there are %d", page->count,
                  page->skipped, (long long)page->total_results, w->count);
    if (page->count)
        (void)fprintf(stderr, "; %s at %lld to %s at %lld", page->assets[0].id,
                      (long long)page->assets[0].created_s - WORLD_NOW,
                      page->assets[page->count - 1].id,
                      (long long)page->assets[page->count - 1].created_s -
                          WORLD_NOW);
    (void)fputc('\n', stderr);
}

/* As `before`: once changes_left answers were given none is until eight have
 * asked. */
static inline void world_gather_later(struct world *w)
{
    if (--w->changes_left)
        return;
    w->gather = 8;
    w->before = NULL;
}

static inline struct question *world_take(struct world *w)
{
    int skip = 0;
    int waiting = 0;
    for (struct question *q = w->waiting; q; q = q->next)
        waiting += !(w->held_causes & 1u << q->cause);
    if (w->seed && waiting)
        skip = rand_r(&w->seed) % waiting;
    if (w->at_once >= w->gather)
        w->gather = 0;
    for (struct question **at = &w->waiting; *at; at = &(*at)->next) {
        struct question *q = *at;
        bool held = w->held || w->gather || w->held_causes & 1u << q->cause ||
                    (q->page == w->late_page && q->cause == API_CAUSE_WALK);
        if (!q->cancelled && (held || skip-- > 0))
            continue;
        *at = q->next;
        return q;
    }
    return NULL;
}

static inline void world_reply(struct world *w, struct question *q)
{
    struct page page = {0};
    bool fails = !w->fail_causes || w->fail_causes & 1u << q->cause;
    int err = q->cancelled ? -ECANCELED : fails ? w->fail_with : 0;
    if (!err && q->filter && strstr(q->filter, "&asset_ids="))
        err = w->refuse_ids;
    struct api_answer answer = {.asked_ms = clock_mono_ms()};
    if (!err) {
        if (w->before)
            w->before(w);
        world_answer(w, q, &page);
    }
    world_trace(w, q, err, &page);
    if (w->fails_left && !--w->fails_left)
        w->fail_with = 0;
    w->at_once--;
    (void)pthread_mutex_unlock(&w->lock);
    answer.answered_ms = clock_mono_ms();
    answer.received_s = WORLD_NOW;
    q->fn(q->ctx, err, &page, &answer);
    page_done(&page);
    free(q->filter);
    free(q);
    (void)pthread_mutex_lock(&w->lock);
}

static inline void *world_run(void *ctx)
{
    struct world *w = ctx;
    guard_mutex(&w->lock);
    for (;;) {
        struct question *q = world_take(w);
        if (q)
            world_reply(w, q);
        else if (w->ending)
            return NULL;
        else
            (void)pthread_cond_wait(&w->changed, &w->lock);
    }
}

/* ---- the face of api.h ---- */

int api_list_assets(struct api *a, const struct api_list *list,
                    enum api_lane lane, enum api_cause cause,
                    int64_t deadline_ms, api_page_fn *fn, void *ctx,
                    uint64_t *ret_ticket)
{
    struct question *q = calloc(1, sizeof(*q));
    struct world *w = &world;
    guard_mutex(&w->lock);
    *q = (struct question){.ticket = ++w->last_ticket,
                           .page = list->page,
                           .limit = list->page_limit,
                           .filter = list->filter ? strdup(list->filter) : NULL,
                           .cause = cause,
                           .fn = fn,
                           .ctx = ctx};
    struct question **end = &w->waiting;
    while (*end)
        end = &(*end)->next;
    *end = q;
    w->requests[cause]++;
    w->beside += cause == API_CAUSE_POLL && lane == API_WALK;
    w->ids_requests += q->filter && strstr(q->filter, "&asset_ids=");
    w->at_once++;
    if (ret_ticket)
        *ret_ticket = q->ticket;
    (void)pthread_cond_broadcast(&w->changed);
    return 0;
}

void api_cancel(struct api *a, uint64_t ticket)
{
    struct world *w = &world;
    guard_mutex(&w->lock);
    for (struct question *q = w->waiting; q; q = q->next)
        q->cancelled |= q->ticket == ticket;
    (void)pthread_cond_broadcast(&w->changed);
}

/* ---- set up ---- */

static inline void world_committed(void *ctx, const struct catalogue_diff *diff)
{
    struct world *w = &world;
    guard_mutex(&w->lock);
    for (size_t i = 0; i < diff->count; i++) {
        w->edits += diff->changes[i].kind == CATALOGUE_CHANGED;
        if (w->removed && diff->changes[i].kind == CATALOGUE_REMOVED)
            w->removed(w, diff->changes[i].id);
    }
    (void)pthread_cond_broadcast(&w->changed);
}

static inline int world_remove(const char *path, const struct stat *st,
                               int type, struct FTW *where)
{
    return remove(path);
}

static inline void world_init_lock(struct world *w)
{
    pthread_mutexattr_t attr;
    (void)pthread_mutexattr_init(&attr);
    (void)pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK);
    (void)pthread_mutex_init(&w->lock, &attr);
    (void)pthread_mutexattr_destroy(&attr);
}

static inline int world_setup(void **state)
{
    struct world *w = &world;
    memset(w, 0, sizeof(*w));
    world_init_lock(w);
    clock_cond_init(&w->changed);
    w->next_number = 1;
    (void)snprintf(w->directory, sizeof(w->directory), "/tmp/syncXXXXXX");
    assert_non_null(mkdtemp(w->directory));
    assert_int_equal(catalogue_open(w->directory, &w->catalogue), 0);
    assert_int_equal(pthread_create(&w->thread, NULL, world_run, w), 0);
    log_init(LOG_TO_STDERR, LOG_LEVEL_ERROR);
    return 0;
}

static inline void world_start_paced(struct world *w, int64_t refresh_ms,
                                     int64_t sweep_ms)
{
    const struct sync_config config = {.refresh_ms = refresh_ms,
                                       .timeout_ms = 60000,
                                       .sweep_ms = sweep_ms,
                                       .walk_parallel = 8};
    assert_int_equal(
        sync_new(w->catalogue, NULL, &config, world_committed, NULL, &w->sync),
        0);
    assert_int_equal(sync_start(w->sync), 0);
}

static inline void world_start_sweeping(struct world *w, int64_t sweep_ms)
{
    world_start_paced(w, 3600000, sweep_ms);
}

static inline void world_start(struct world *w)
{
    world_start_sweeping(w, 3600000);
}

static inline int world_teardown(void **state)
{
    struct world *w = &world;
    (void)pthread_mutex_lock(&w->lock); /* unless a failed assertion did */
    (void)pthread_mutex_unlock(&w->lock);
    sync_free(w->sync);
    {
        guard_mutex(&w->lock);
        w->ending = true;
        (void)pthread_cond_broadcast(&w->changed);
    }
    (void)pthread_join(w->thread, NULL);
    catalogue_close(w->catalogue);
    for (size_t i = 0; i < WORLD_PAST; i++)
        free(w->past[i]);
    free(w->view);
    return nftw(w->directory, world_remove, 8, FTW_DEPTH | FTW_PHYS);
}

static inline void world_fill(struct world *w, int count)
{
    for (int i = 0; i < count; i++)
        w->things[i] = (struct thing){.number = count - i,
                                      .created_s = WORLD_NOW + count - i};
    w->count = count;
    w->next_number = count + 1;
}

/* ---- questions ---- */

static inline int world_ask(struct world *w, enum sync_want want,
                            const char *text)
{
    const struct sync_question q = {.want = want, .text = text};
    return sync_wait(w->sync, &q, clock_mono_ms() + 60000);
}

static inline uint64_t world_requests(struct world *w)
{
    guard_mutex(&w->lock);
    uint64_t all = 0;
    for (int i = 0; i < API_CAUSE_COUNT; i++)
        all += w->requests[i];
    return all;
}

static inline bool world_knows(struct world *w, int number)
{
    char id[32];
    struct catalogue_entry e;
    struct catalogue_reader *r = catalogue_reader_acquire(w->catalogue);
    world_id(number, id);
    int err = catalogue_get_by_id(r, id, &e);
    bool named = !err && e.folder;
    catalogue_reader_release(r);
    return named;
}

static inline int64_t world_known(struct world *w)
{
    return catalogue_count(w->catalogue, ASSET_TYPE_COUNT);
}

/* The catalogue and the account hold the same. */
static inline void world_check(struct world *w)
{
    int shown = 0;
    guard_mutex(&w->lock);
    for (int i = 0; i < w->count; i++) {
        const struct thing *t = &w->things[i];
        shown += !t->unreadable;
        if (!t->unreadable && !t->nameless && !world_knows(w, t->number))
            fail_msg("%d of %d is missing", t->number, w->count);
    }
    assert_int_equal(world_known(w), shown);
}

/* The account changes between two answers. */
#define world_change(w, statement)                                             \
    do {                                                                       \
        guard_mutex(&(w)->lock);                                               \
        statement;                                                             \
        (void)pthread_cond_broadcast(&(w)->changed);                           \
    } while (0)

/* Waits for what the account's or the catalogue's next change may bring. */
#define world_await(w, condition)                                              \
    do {                                                                       \
        int64_t await_until_ms = clock_mono_ms() + 60000;                      \
        guard_mutex(&(w)->lock);                                               \
        while (!(condition)) {                                                 \
            if (clock_mono_ms() > await_until_ms)                              \
                fail_msg("in vain: %s", #condition);                           \
            (void)clock_cond_wait(&(w)->changed, &(w)->lock,                   \
                                  clock_mono_ms() + 50);                       \
        }                                                                      \
    } while (0)

/* Common beginnings and costs. */
static inline void world_walked(struct world *w, int count)
{
    world_fill(w, count);
    world_start(w);
    assert_int_equal(world_ask(w, SYNC_COMPLETE, NULL), 0);
}

static inline uint64_t world_poll_cost(struct world *w)
{
    uint64_t before = world_requests(w);
    assert_int_equal(world_ask(w, SYNC_POLL, NULL), 0);
    return world_requests(w) - before;
}

/* ---- answers that are counted ---- */

struct counted {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int answers, last;
    int others; /* that weren't -ESHUTDOWN */
};

static inline void count_answer(void *ctx, int err)
{
    struct counted *c = ctx;
    guard_mutex(&c->lock);
    c->answers++;
    c->others += err != -ESHUTDOWN;
    c->last = err;
    (void)pthread_cond_broadcast(&c->changed);
}

static inline void await_answers(struct counted *c, int answers)
{
    guard_mutex(&c->lock);
    while (c->answers < answers)
        (void)pthread_cond_wait(&c->changed, &c->lock);
}

static struct counted counted = {.lock = PTHREAD_MUTEX_INITIALIZER,
                                 .changed = PTHREAD_COND_INITIALIZER};

/* A question about a query of one segment; counted. */
static inline uint64_t world_ask_query(struct world *w, enum sync_want want,
                                       const char *segment, const char *text,
                                       int64_t wait_ms)
{
    struct query q = {0};
    uint64_t ticket = 0;
    if (segment)
        assert_int_equal(query_add(&q, segment, NULL, NULL), 0);
    const struct sync_question question = {
        .want = want, .query = &q, .text = text};
    assert_int_equal(sync_ask(w->sync, &question, clock_mono_ms() + wait_ms,
                              count_answer, &counted, &ticket),
                     0);
    query_done(&q);
    return ticket;
}

#define world_test(name)                                                       \
    cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

#endif
