/* SPDX-License-Identifier: MIT */
/*
 * The thread: takes answers and questions in turn, looks at the clock, sleeps
 * until either has more.
 */
#include "sync/sync.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/log.h"
#include "sync/sync_internal.h"

#define JITTER_PARTS 20 /* polls are early by a twentieth at most, not late */
#define PARALLEL_MAX 16 /* half the spare errands */
#define TOTAL_MAX    (INT64_C(1) << 40)

bool sync_is_stopping(struct sync *s)
{
    guard_mutex(&s->lock);
    return s->stopping;
}

void sync_note_error(struct sync *s, int err)
{
    guard_mutex(&s->lock);
    s->status.last_error = err;
}

/* ---- errands ---- */

static void deliver(struct errand *e)
{
    struct sync *s = e->sync;
    guard_mutex(&s->lock);
    TAILQ_REMOVE(&s->under_way, e, link);
    if (e->spare)
        TAILQ_INSERT_HEAD(&s->answered, e, link);
    else
        TAILQ_INSERT_TAIL(&s->answered, e, link);
    (void)pthread_cond_signal(&s->wake);
}

/* Where there is no memory a spare errand brings -ENOMEM home. They are taken
 * before all else, and whoever gets one starts nothing more: so no more are in
 * use than one event asks for pages, a walk's, a poll's and a sweep's. */
static struct errand *make_errand(struct sync *s, errand_fn *fn, void *ctx)
{
    struct errand *e = calloc(1, sizeof(*e));
    bool spare = !e;
    for (size_t i = 0; !e && i < array_count(s->spares); i++)
        if (!s->spares[i].spare)
            e = &s->spares[i];
    assert(e);
    *e = (struct errand){.sync = s, .fn = fn, .ctx = ctx, .spare = spare};
    s->spares_used += spare;
    return e;
}

static void errand_free(struct errand *e)
{
    page_done(&e->page);
    if (!e->spare) {
        free(e);
        return;
    }
    e->sync->spares_used--;
    e->spare = false;
}

/* On the http thread. */
static void on_page(void *ctx, int err, struct page *page,
                    const struct api_answer *answer)
{
    struct errand *e = ctx;
    e->err = err;
    if (!err) {
        e->page = *page;
        *page = (struct page){0};
        e->answer = *answer;
    }
    deliver(e);
}

/* What can't be sent comes home like any other, so that no part is called back
 * while it asks. */
static void start(struct sync *s, const struct api_list *list,
                  enum api_lane lane, enum api_cause cause, int64_t deadline_ms,
                  int err, struct errand *e)
{
    if (!deadline_ms)
        deadline_ms = clock_mono_ms() + s->config.timeout_ms;
    e->number = list->page;
    e->page_limit = list->page_limit;
    if (e->spare)
        err = -ENOMEM;
    {
        guard_mutex(&s->lock);
        s->errands++;
        if (s->stopping)
            err = -ESHUTDOWN;
        TAILQ_INSERT_TAIL(&s->under_way, e, link);
    }
    /* The ticket is read by this thread alone. */
    if (!err)
        err = api_list_assets(s->api, list, lane, cause, deadline_ms, on_page,
                              e, &e->ticket);
    if (err) {
        e->err = err;
        deliver(e);
    }
}

void errand_list_page(struct sync *s, int64_t page, int page_limit,
                      const char *filter, enum api_lane lane,
                      enum api_cause cause, int64_t deadline_ms, errand_fn *fn,
                      void *ctx)
{
    const struct api_list list = {
        .page = page, .page_limit = page_limit, .filter = filter};
    struct errand *e = make_errand(s, fn, ctx);
    e->listed = !filter;
    start(s, &list, lane, cause, deadline_ms, 0, e);
}

/* A query of one term: any of these ids. */
static int make_ids_query(const struct catalogue_slot *places, size_t count,
                          struct query *ret_query)
{
    struct query q = {.terms = calloc(1, sizeof(*q.terms)), .count = 1};
    if (!q.terms)
        return -ENOMEM;
    q.terms[0].kind = QUERY_ID;
    q.terms[0].texts = calloc(count, sizeof(char *));
    bool good = q.terms[0].texts;
    for (size_t i = 0; good && i < count; i++) {
        good = (q.terms[0].texts[i] = strdup(places[i].id));
        q.terms[0].text_count += good;
    }
    if (!good) {
        query_done(&q);
        return -ENOMEM;
    }
    *ret_query = q;
    return 0;
}

void errand_ids(struct sync *s, const struct catalogue_slot *places,
                size_t count, enum api_lane lane, enum api_cause cause,
                errand_fn *fn, void *ctx)
{
    struct query q = {0};
    cleanup(buf_done) struct buf filter = {.max = 64 << 10};
    int err = make_ids_query(places, count, &q);
    if (!err)
        err = query_ask(&q, &filter);
    query_done(&q);
    const struct api_list list = {
        .page = 1, .page_limit = API_PAGE_LIMIT, .filter = buf_str(&filter)};
    start(s, &list, lane, cause, 0, err, make_errand(s, fn, ctx));
}

/* Positions are reckoned from the page and the length asked for: what a server
 * answers that keeps to its own would all be counted wrong. */
static bool is_misfit(const struct errand *e)
{
    const struct page *p = &e->page;
    int64_t count = (int64_t)(p->count + p->skipped);
    int64_t before = (e->number - 1) * e->page_limit;
    bool shorter = p->limit > 0 && p->limit < e->page_limit &&
                   count >= p->limit && before + count < p->total_results;
    bool another = p->page > 0 && p->page != e->number && count;
    return count > e->page_limit || shorter || another;
}

int sync_misfit(struct sync *s, int64_t number, const struct page *page)
{
    if (!s->misfit_logged)
        log_warning("the server doesn't answer the pages it is asked for: "
                    "page %lld brought %zu assets",
                    (long long)number, page->count);
    s->misfit_logged = true;
    return -EIO;
}

static int check_answer(struct sync *s, struct errand *e)
{
    if (e->page.total_results > TOTAL_MAX)
        e->page.total_results = -1;
    return is_misfit(e) ? sync_misfit(s, e->number, &e->page) : 0;
}

static void take_answer(struct sync *s, struct errand *e)
{
    {
        guard_mutex(&s->lock);
        s->errands--;
    }
    int err = e->err ? e->err : check_answer(s, e);
    if (!err && e->listed)
        (void)slice_put_in_order(&e->page);
    if (err == -ECANCELED)
        err = -ESHUTDOWN;
    e->fn(s, e->ctx, err, err ? NULL : &e->page, &e->answer);
    errand_free(e);
}

/* Answers how many errands haven't come home. */
static size_t cancel_errands(struct sync *s)
{
    uint64_t tickets[64];
    size_t count = 0;
    size_t out;
    {
        guard_mutex(&s->lock);
        struct errand *e;
        TAILQ_FOREACH(e, &s->under_way, link)
        if (count < array_count(tickets))
            tickets[count++] = e->ticket;
        out = s->errands;
    }
    for (size_t i = 0; i < count; i++)
        api_cancel(s->api, tickets[i]);
    return out;
}

void sync_serve(struct sync *s)
{
    (void)waiters_expire(s, clock_mono_ms());
}

/* ---- transactions ---- */

int sync_save_extent(struct sync *s)
{
    int64_t off = s->extent.total < 0 ? 0 : s->extent.total - s->extent.count;
    return catalogue_state_set(s->catalogue, "total_off", off);
}

int sync_begin_step(struct sync *s)
{
    struct catalogue_reader *r = catalogue_reader_acquire(s->catalogue);
    if (!r)
        return -ENOMEM;
    s->has_unnamed =
        catalogue_total(r) != catalogue_count(s->catalogue, ASSET_TYPE_COUNT);
    catalogue_reader_release(r);
    return catalogue_begin(s->catalogue);
}

int sync_begin(struct sync *s)
{
    int err = sync_flush(s);
    return err ? err : sync_begin_step(s);
}

/* Who lists a type while the walk goes on has rows of it to look for. */
static bool has_more(struct sync *s, struct waiter *w, void *ctx, int *ret_err)
{
    const struct catalogue_diff *diff = ctx;
    if (!w->begun || w->want != SYNC_MORE || w->owner)
        return false;
    unsigned types = query_types(&w->query);
    *ret_err = 0;
    for (size_t i = 0; types && i < diff->count; i++) {
        const struct catalogue_change *c = &diff->changes[i];
        if (c->row > w->after_row && c->folder && types & 1u << c->type)
            return true;
    }
    return false;
}

/* What the walk had held is gone with a failed transaction. */
static int note_lost(struct sync *s, int err)
{
    if (catalogue_lost_steps(s->catalogue) && s->walk)
        walk_lost(s, err);
    return err;
}

typedef int commit_fn(struct catalogue *c, struct catalogue_diff *ret_diff);

static int end_with(struct sync *s, int err, commit_fn *commit)
{
    struct catalogue_diff diff = {0};
    if (err)
        catalogue_rollback(s->catalogue);
    else
        err = commit(s->catalogue, &diff);
    if (err)
        return note_lost(s, err);
    if (diff.count) {
        s->committed(s->committed_ctx, &diff);
        waiters_settle(s, has_more, &diff);
    }
    catalogue_diff_done(&diff);
    return 0;
}

int sync_end(struct sync *s, int err)
{
    return end_with(s, err, catalogue_commit);
}

int sync_end_step(struct sync *s, int err)
{
    return end_with(s, err, catalogue_commit_later);
}

int sync_flush(struct sync *s)
{
    if (catalogue_commit_due_ms(s->catalogue) == CLOCK_NEVER_MS)
        return 0;
    int err = catalogue_begin(s->catalogue);
    return err ? err : sync_end(s, 0);
}

/* ---- clockwork ---- */

static int64_t jittered(int64_t ms)
{
    int64_t spread = ms / JITTER_PARTS;
    return ms - arc4random_uniform((uint32_t)spread);
}

static bool poll_is_wanted(struct sync *s, struct waiter *w, void *ctx,
                           int *ret_err)
{
    *(bool *)ctx |= w->want == SYNC_POLL && w->begun;
    return false;
}

/* Polls and sweeps begin once the list is complete; until then the walk
 * brings what is new. */
static void run_due(struct sync *s, int64_t now_ms)
{
    if (now_ms >= catalogue_commit_due_ms(s->catalogue))
        (void)sync_flush(s); /* a failure is the walk's: walk_lost */
    if (now_ms >= s->walk_at_ms)
        walk_start(s);
    if (!s->complete)
        return;
    bool wanted = false;
    if (!s->poll)
        waiters_settle(s, poll_is_wanted, &wanted);
    if (!s->poll && (wanted || now_ms >= s->poll_at_ms)) {
        s->poll_at_ms = now_ms + jittered(s->config.refresh_ms);
        poll_start(s);
    }
    if (!s->sweeping && !s->walk && now_ms >= s->sweep_at_ms) {
        s->sweep_at_ms = now_ms + s->config.sweep_ms;
        sweep_step(s);
    }
}

static int64_t next_due(const struct sync *s, int64_t deadline_ms)
{
    int64_t due = deadline_ms;
    if (catalogue_commit_due_ms(s->catalogue) < due)
        due = catalogue_commit_due_ms(s->catalogue);
    if (s->walk_at_ms < due)
        due = s->walk_at_ms;
    if (s->complete && !s->poll && s->poll_at_ms < due)
        due = s->poll_at_ms;
    if (s->complete && !s->sweeping && !s->walk && s->sweep_at_ms < due)
        due = s->sweep_at_ms;
    return due;
}

/* stopping: as the caller saw it; if it has begun since, its signal is past. */
static void sleep_until(struct sync *s, int64_t due_ms, bool stopping)
{
    guard_mutex(&s->lock);
    if (s->nudged || !TAILQ_EMPTY(&s->answered) || s->stopping != stopping)
        return;
    (void)clock_cond_wait(&s->wake, &s->lock, due_ms);
}

static struct errand *next_answer(struct sync *s)
{
    guard_mutex(&s->lock);
    struct errand *e = TAILQ_FIRST(&s->answered);
    if (e)
        TAILQ_REMOVE(&s->answered, e, link);
    return e;
}

static void *run(void *ctx)
{
    struct sync *s = ctx;
    for (;;) {
        struct errand *e;
        struct waiter *w;
        while (!s->spares_used && (w = waiter_hold_new(s)))
            waiter_unhold(s, w, question_begin(s, w));
        if ((e = next_answer(s))) {
            take_answer(s, e);
            continue;
        }
        bool stopping = sync_is_stopping(s);
        if (stopping && cancel_errands(s) == 0) {
            waiters_end(s);
            return NULL;
        }
        int64_t now_ms = clock_mono_ms();
        int64_t deadline_ms = waiters_expire(s, now_ms);
        if (!stopping)
            run_due(s, now_ms);
        if (!stopping && question_step(s))
            continue;
        sleep_until(s, stopping ? CLOCK_NEVER_MS : next_due(s, deadline_ms),
                    stopping);
    }
}

/* ---- face ---- */

bool sync_is_complete(const struct sync *s)
{
    return s->complete;
}

int sync_new(struct catalogue *catalogue, struct api *api,
             const struct sync_config *config, sync_committed_fn *committed,
             void *ctx, struct sync **ret_sync)
{
    struct sync *s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    clock_cond_init(&s->wake);
    (void)pthread_mutex_init(&s->lock, NULL);
    TAILQ_INIT(&s->answered);
    TAILQ_INIT(&s->under_way);
    TAILQ_INIT(&s->waiters);
    s->catalogue = catalogue;
    s->api = api;
    s->config = *config;
    if (s->config.walk_parallel > PARALLEL_MAX)
        s->config.walk_parallel = PARALLEL_MAX;
    if (s->config.walk_parallel < 1)
        s->config.walk_parallel = 1;
    s->committed = committed;
    s->committed_ctx = ctx;
    s->status.total = s->status.stated_total = s->status.counted_total = -1;
    *ret_sync = s;
    return 0;
}

int sync_start(struct sync *s)
{
    struct catalogue_reader *r = catalogue_reader_acquire(s->catalogue);
    if (!r)
        return -ENOMEM;
    int64_t now_ms = clock_mono_ms();
    s->complete = catalogue_state(r, "complete", 0);
    s->ready = s->complete;
    s->status.complete = s->complete;
    s->status.polled_s = catalogue_state(r, "polled_s", 0);
    s->holes = catalogue_state(r, "holes", 0);
    s->linked_s = catalogue_state(r, "linked_s", 0);
    s->status.swept_s = catalogue_state(r, "swept_s", 0);
    s->status.walked = s->status.total = catalogue_total(r);
    s->extent.count = catalogue_total(r) + s->holes;
    s->extent.total = s->extent.count + catalogue_state(r, "total_off", 0);
    if (!s->complete)
        s->status.total = -1;
    catalogue_reader_release(r);
    sweep_note_bound(s, s->status.walked);
    s->walk_at_ms = s->complete ? CLOCK_NEVER_MS : now_ms;
    s->poll_at_ms = now_ms;
    s->sweep_at_ms = now_ms + s->config.sweep_ms;
    int err = pthread_create(&s->thread, NULL, run, s);
    s->started = !err;
    return -err;
}

void sync_stop(struct sync *s)
{
    guard_mutex(&s->lock);
    s->stopping = true;
    (void)pthread_cond_signal(&s->wake);
}

void sync_free(struct sync *s)
{
    if (!s)
        return;
    sync_stop(s);
    if (s->started)
        (void)pthread_join(s->thread, NULL);
    else
        waiters_end(s);
    for (size_t i = 0; i < array_count(s->covered); i++)
        free(s->covered[i]);
    walk_done(s);
    verify_done(s);
    poll_done(s);
    narrow_done(s);
    renew_free(s);
    unfinished_free(s);
    (void)pthread_cond_destroy(&s->wake);
    (void)pthread_mutex_destroy(&s->lock);
    free(s);
}

void sync_status(struct sync *s, struct sync_status *ret_status)
{
    guard_mutex(&s->lock);
    *ret_status = s->status;
    ret_status->complete = s->complete;
    int64_t age_s = clock_wall_s() - s->status.polled_s;
    if (s->status.missing) {
        int64_t missing_s = clock_wall_s() - s->status.missing_since_s;
        age_s = missing_s > age_s ? missing_s : age_s;
    }
    ret_status->poll_age_ms =
        s->status.polled_s ? (age_s > 0 ? age_s : 0) * 1000 : -1;
}
