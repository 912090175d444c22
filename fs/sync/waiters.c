/* SPDX-License-Identifier: MIT */
/*
 * Who waits, for what, until when. A waiter is in the list from sync_ask on;
 * who takes it out of the list, under the lock, is the one that answers it:
 * so it is answered once, and sync_cancel's true is final. While the sync
 * thread looks at a new question it holds the waiter, which a cancellation
 * then leaves to it to free.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "sync/sync_internal.h"

void waiter_free(struct waiter *w)
{
    if (!w)
        return;
    query_done(&w->query);
    free(w->text);
    free(w->place);
    free(w->target);
    free(w);
}

static char *waiter_copy(const char *text, bool *failed)
{
    char *made = text ? strdup(text) : NULL;
    *failed |= text && !made;
    return made;
}

DEFINE_CLEANUP(free_waiter, struct waiter *, waiter_free)

static int waiter_new(const struct sync_question *q, int64_t deadline_ms,
                      sync_answer_fn *answer, void *ctx,
                      struct waiter **ret_waiter)
{
    bool failed = false;
    cleanup(free_waiter) struct waiter *w = calloc(1, sizeof(*w));
    if (!w)
        return -ENOMEM;
    w->want = q->want;
    w->after_row = q->after_row;
    w->row = q->row;
    w->asked_ms = clock_mono_ms();
    if (q->picture)
        w->picture = *q->picture;
    w->deadline_ms = deadline_ms;
    w->answer = answer;
    w->ctx = ctx;
    w->text = waiter_copy(q->text, &failed);
    w->place = waiter_copy(q->place, &failed);
    w->target = waiter_copy(q->target, &failed);
    if (failed || (q->query && query_copy(q->query, &w->query)))
        return -ENOMEM;
    *ret_waiter = steal_ptr(w);
    return 0;
}

int sync_ask(struct sync *s, const struct sync_question *question,
             int64_t deadline_ms, sync_answer_fn *answer, void *ctx,
             uint64_t *ret_ticket)
{
    struct waiter *w;
    int err = waiter_new(question, deadline_ms, answer, ctx, &w);
    if (err)
        return err;
    guard_mutex(&s->lock);
    if (s->stopping) {
        waiter_free(w);
        return -ESHUTDOWN;
    }
    w->ticket = ++s->last_ticket;
    if (ret_ticket)
        *ret_ticket = w->ticket;
    TAILQ_INSERT_TAIL(&s->waiters, w, link);
    s->nudged = true;
    (void)pthread_cond_signal(&s->wake);
    return 0;
}

bool sync_cancel(struct sync *s, uint64_t ticket)
{
    guard_mutex(&s->lock);
    struct waiter *w;
    TAILQ_FOREACH(w, &s->waiters, link)
    {
        if (w->ticket != ticket)
            continue;
        TAILQ_REMOVE(&s->waiters, w, link);
        w->cancelled = true;
        if (!w->held)
            waiter_free(w);
        return true;
    }
    return false;
}

struct waiter *waiter_hold_new(struct sync *s)
{
    guard_mutex(&s->lock);
    struct waiter *w;
    s->nudged = false;
    TAILQ_FOREACH(w, &s->waiters, link)
    if (!w->begun)
        break;
    if (w)
        w->begun = w->held = true;
    return w;
}

void waiter_unhold(struct sync *s, struct waiter *w, int result)
{
    {
        guard_mutex(&s->lock);
        w->held = false;
        if (!w->cancelled && result == QUESTION_WAITS)
            return;
        if (!w->cancelled)
            TAILQ_REMOVE(&s->waiters, w, link);
    }
    if (!w->cancelled)
        w->answer(w->ctx, result);
    waiter_free(w);
}

static void waiter_answer_all(struct waiter_list *taken)
{
    for (struct waiter *w; (w = TAILQ_FIRST(taken));) {
        TAILQ_REMOVE(taken, w, link);
        /* The error was noted where it was asked. */
        w->answer(w->ctx, w->err);
        waiter_free(w);
    }
}

void waiters_settle(struct sync *s, waiter_settled_fn *settled, void *ctx)
{
    struct waiter_list taken = TAILQ_HEAD_INITIALIZER(taken);
    {
        guard_mutex(&s->lock);
        for (struct waiter *w = TAILQ_FIRST(&s->waiters), *next; w; w = next) {
            int err;
            next = TAILQ_NEXT(w, link);
            if (w->held || !settled(s, w, ctx, &err))
                continue;
            TAILQ_REMOVE(&s->waiters, w, link);
            w->err = err;
            TAILQ_INSERT_TAIL(&taken, w, link);
        }
    }
    waiter_answer_all(&taken);
}

struct owner_end {
    const void *owner;
    int err;
};

static bool waiter_is_owned(struct sync *s, struct waiter *w, void *ctx,
                            int *ret_err)
{
    const struct owner_end *end = ctx;
    *ret_err = end->err;
    return w->begun && w->owner == end->owner;
}

void waiters_answer(struct sync *s, const void *owner, int err)
{
    struct owner_end end = {owner, err};
    waiters_settle(s, waiter_is_owned, &end);
}

static bool waiter_is_any(struct sync *s, struct waiter *w, void *ctx,
                          int *ret_err)
{
    *ret_err = -ESHUTDOWN;
    return true;
}

void waiters_end(struct sync *s)
{
    waiters_settle(s, waiter_is_any, NULL);
}

struct expiry {
    int64_t now_ms, next_ms;
};

static bool waiter_is_expired(struct sync *s, struct waiter *w, void *ctx,
                              int *ret_err)
{
    struct expiry *x = ctx;
    *ret_err = -ETIMEDOUT;
    if (w->deadline_ms <= x->now_ms)
        return true;
    if (w->deadline_ms < x->next_ms)
        x->next_ms = w->deadline_ms;
    return false;
}

int64_t waiters_expire(struct sync *s, int64_t now_ms)
{
    struct expiry x = {now_ms, CLOCK_NEVER_MS};
    waiters_settle(s, waiter_is_expired, &x);
    return x.next_ms;
}

struct gate {
    pthread_mutex_t lock;
    pthread_cond_t open;
    bool is_open; /* under lock */
    int err;      /* under lock */
};

static void waiter_open_gate(void *ctx, int err)
{
    struct gate *g = ctx;
    guard_mutex(&g->lock);
    g->is_open = true;
    g->err = err;
    (void)pthread_cond_signal(&g->open);
}

int sync_wait(struct sync *s, const struct sync_question *question,
              int64_t deadline_ms)
{
    struct gate g = {.lock = PTHREAD_MUTEX_INITIALIZER,
                     .open = PTHREAD_COND_INITIALIZER};
    int err = sync_ask(s, question, deadline_ms, waiter_open_gate, &g, NULL);
    if (err)
        return err;
    guard_mutex(&g.lock);
    while (!g.is_open)
        (void)pthread_cond_wait(&g.open, &g.lock);
    return g.err;
}
