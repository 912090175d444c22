/* SPDX-License-Identifier: MIT */
/*
 * The thread: takes answers and questions in turn, looks at the clock, sleeps
 * until either has more.
 */
#include "sync/sync.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/log.h"
#include "sync/sync_internal.h"

#define PARALLEL_MAX 16 /* half the spare requests */

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

void sync_serve(struct sync *s)
{
    (void)waiters_expire(s, clock_mono_ms());
}

static void sync_run_due(struct sync *s, int64_t now_ms)
{
    if (now_ms >= catalogue_commit_due_ms(s->catalogue))
        (void)sync_flush(s); /* a failure is the walk's: sync_on_lost */
    walk_run_due(s, now_ms);
    poll_run_due(s, now_ms);
    sweep_run_due(s, now_ms);
}

static int64_t sync_next_due(const struct sync *s, int64_t deadline_ms)
{
    const int64_t dues_ms[] = {catalogue_commit_due_ms(s->catalogue),
                               walk_due_ms(s), poll_due_ms(s), sweep_due_ms(s)};
    for (size_t i = 0; i < array_count(dues_ms); i++)
        if (dues_ms[i] < deadline_ms)
            deadline_ms = dues_ms[i];
    return deadline_ms;
}

/* stopping: as the caller saw it; if it has begun since, its signal is past. */
static void sync_sleep_until(struct sync *s, int64_t due_ms, bool stopping)
{
    guard_mutex(&s->lock);
    if (s->nudged || !TAILQ_EMPTY(&s->requests.answered) ||
        s->stopping != stopping)
        return;
    (void)clock_cond_wait(&s->wake, &s->lock, due_ms);
}

/* A transaction failed, and steps of the walk are gone with it. */
static void sync_on_lost(struct sync *s)
{
    if (s->walk)
        walk_lost(s, s->commits.lost_err);
    s->commits.lost_err = 0;
}

static void *sync_run(void *ctx)
{
    struct sync *s = ctx;
    for (;;) {
        struct request *r;
        struct waiter *w;
        if (s->commits.lost_err)
            sync_on_lost(s);
        while (!s->requests.spares_used && (w = waiter_hold_new(s)))
            waiter_unhold(s, w, question_begin(s, w));
        if ((r = request_next(s))) {
            request_take(s, r);
            continue;
        }
        bool stopping = sync_is_stopping(s);
        if (stopping && requests_cancel(s) == 0) {
            waiters_end(s);
            return NULL;
        }
        int64_t now_ms = clock_mono_ms();
        int64_t deadline_ms = waiters_expire(s, now_ms);
        if (!stopping)
            sync_run_due(s, now_ms);
        if (!stopping && question_step(s))
            continue;
        sync_sleep_until(
            s, stopping ? CLOCK_NEVER_MS : sync_next_due(s, deadline_ms),
            stopping);
    }
}

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
    TAILQ_INIT(&s->requests.answered);
    TAILQ_INIT(&s->requests.under_way);
    TAILQ_INIT(&s->waiters);
    s->catalogue = catalogue;
    s->api = api;
    s->config = *config;
    if (s->config.walk_parallel > PARALLEL_MAX)
        s->config.walk_parallel = PARALLEL_MAX;
    if (s->config.walk_parallel < 1)
        s->config.walk_parallel = 1;
    s->commits.told = committed;
    s->commits.ctx = ctx;
    s->status.total = s->status.stated_total = s->status.counted_total = -1;
    *ret_sync = s;
    return 0;
}

int sync_start(struct sync *s)
{
    int err = account_load(s);
    if (err)
        return err;
    int64_t now_ms = clock_mono_ms();
    s->ready = s->complete;
    sweep_note_bound(s, s->status.walked);
    s->walks.at_ms = s->complete ? CLOCK_NEVER_MS : now_ms;
    s->polls.at_ms = now_ms;
    sweep_postpone(s);
    err = pthread_create(&s->thread, NULL, sync_run, s);
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
    coverage_done(s);
    walk_done(s);
    verify_done(s);
    poll_done(s);
    news_done(s);
    on_demand_done(s);
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
