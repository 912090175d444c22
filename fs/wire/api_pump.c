#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "wire/api_internal.h"

#define PICTURE_REDIRECTS 5

static void pump(struct api *a);

static void on_timer(void *ctx, bool cancelled)
{
    struct api *a = ctx;
    if (!cancelled) {
        {
            guard_mutex(&a->lock);
            a->timer_ticket = 0;
        }
        pump(a);
    }
    guard_mutex(&a->lock);
    a->timers_out--;
    (void)pthread_cond_broadcast(&a->quiet);
}

int api_pump_by(struct api *a, int64_t due_ms)
{
    uint64_t ticket = 0;
    if (a->timer_ticket && a->timer_due_ms <= due_ms)
        return 0;
    int64_t now_ms = clock_mono_ms();
    int error = http_after(a->http, due_ms > now_ms ? due_ms - now_ms : 0,
                           on_timer, a, &ticket);
    if (error)
        return error;
    if (a->timer_ticket)
        http_timer_cancel(a->http, a->timer_ticket);
    a->timers_out++;
    a->timer_ticket = ticket;
    a->timer_due_ms = due_ms;
    return 0;
}

static bool is_waiting(const struct api_call *c)
{
    return !c->http_ticket && !c->ending;
}

/* Whether a down host lets this call through; a call that a person waits for
 * takes the probe's part over from one that only waits for its next try. */
static bool may_probe(struct api_call *c)
{
    struct api_circuit *h = c->circuit;
    if (!api_circuit_is_open(h) || !h->probe || h->probe == c)
        return true;
    if (c->lane == API_FOREGROUND && h->probe->lane != API_FOREGROUND &&
        is_waiting(h->probe)) {
        h->probe = c;
        return true;
    }
    return false;
}

/* The server's limit lasts past the deadline. */
static bool is_limited(struct api *a, const struct api_call *c, int64_t now_ms)
{
    if (c->picture)
        return false;
    int64_t until_ms =
        api_budget_limited_until_ms(&a->budget, c->lane, a->in_flight, now_ms);
    return until_ms > now_ms && until_ms != CLOCK_NEVER_MS &&
           until_ms > c->deadline_ms;
}

/* Why a waiting call can't or needn't wait any longer; 0 it can. */
static int reason_to_end(struct api *a, struct api_call *c, int64_t now_ms)
{
    if (c->cancelled || a->stopping)
        return -ECANCELED;
    if (is_limited(a, c, now_ms))
        return -EAGAIN;
    if (c->deadline_ms <= now_ms)
        return c->last_error ? c->last_error : -ETIMEDOUT;
    return may_probe(c) ? 0 : c->circuit->last_error;
}

static struct api_call *take_ended(struct api *a, int64_t now_ms, int *ret_why)
{
    guard_mutex(&a->lock);
    for (struct api_call *c = a->first; c; c = c->next) {
        int why = is_waiting(c) ? reason_to_end(a, c, now_ms) : 0;
        if (!why)
            continue;
        c->ending = true;
        *ret_why = why;
        return c;
    }
    return NULL;
}

/* Somebody waits for the API now: background stands back. A call that sits
 * out its own Retry-After doesn't count. */
static bool foreground_is_busy(const struct api *a, int64_t now_ms)
{
    for (const struct api_call *c = a->first; c; c = c->next) {
        if (c->lane == API_FOREGROUND && !c->picture && !c->ending &&
            (c->http_ticket || c->not_before_ms <= now_ms))
            return true;
    }
    return false;
}

/* When a waiting call may go; CLOCK_NEVER_MS: something else must end first,
 * which runs the pump. */
static int64_t when_ms(struct api *a, const struct api_call *c, bool busy,
                       int64_t now_ms)
{
    int64_t when = c->not_before_ms;
    if (c->picture) {
        bool full = a->pictures_in_flight >= API_PICTURES_MOST;
        return full ? CLOCK_NEVER_MS : when;
    }
    if (c->lane != API_FOREGROUND && busy)
        return CLOCK_NEVER_MS;
    int64_t budget_ms =
        api_budget_when_ms(&a->budget, c->lane, a->in_flight, now_ms);
    return budget_ms > when ? budget_ms : when;
}

/* The next call to send, foreground first, each lane in order of asking; NULL
 * and when to look again. */
static struct api_call *choose(struct api *a, int64_t now_ms,
                               int64_t *ret_next_ms)
{
    int64_t next_ms = CLOCK_NEVER_MS;
    bool busy = foreground_is_busy(a, now_ms);
    for (int lane = API_FOREGROUND; lane <= API_BACKGROUND; lane++) {
        for (struct api_call *c = a->first; c; c = c->next) {
            if (!is_waiting(c) || (int)c->lane != lane)
                continue;
            int64_t when = when_ms(a, c, busy, now_ms);
            if (when <= now_ms)
                return c;
            if (c->deadline_ms < when)
                when = c->deadline_ms;
            if (when < next_ms)
                next_ms = when;
        }
    }
    *ret_next_ms = next_ms;
    return NULL;
}

static int submit(struct api *a, struct api_call *c, int64_t now_ms)
{
    int64_t attempt_ms = now_ms + a->timeout_ms;
    const struct http_request request = {
        .url = c->url,
        .secret_header = c->picture ? NULL : a->key_header,
        .accept = c->picture ? NULL : "application/json",
        .deadline_ms =
            attempt_ms < c->deadline_ms ? attempt_ms : c->deadline_ms,
        .max_bytes = c->max_bytes,
        .redirects = c->picture ? PICTURE_REDIRECTS : 0,
        .public_only = c->picture && !a->media_anywhere,
    };
    int error =
        http_submit(a->http, &request, api_on_response, c, &c->http_ticket);
    if (error)
        return error;
    c->attempts++;
    c->asked_ms = now_ms;
    c->key_number = a->key_number;
    a->stats.sent[c->cause]++;
    if (api_circuit_is_open(c->circuit))
        c->circuit->probe = c;
    if (c->picture) {
        a->pictures_in_flight++;
    } else {
        a->in_flight++;
        api_budget_spend(&a->budget, c->lane, now_ms);
    }
    return 0;
}

/* Sends what may go. Answers a call that couldn't be sent, for the caller to
 * fail without the lock. */
static struct api_call *send_ready(struct api *a, int *ret_error)
{
    int64_t next_ms = 0;
    int64_t now_ms = clock_mono_ms();
    struct api_call *c;
    guard_mutex(&a->lock);
    while ((c = choose(a, now_ms, &next_ms))) {
        /* the circuit may have got its probe just now */
        int error =
            may_probe(c) ? submit(a, c, now_ms) : c->circuit->last_error;
        if (!error)
            continue;
        c->ending = true;
        *ret_error = error == -ESHUTDOWN ? -ECANCELED : error;
        return c;
    }
    if (next_ms == CLOCK_NEVER_MS || api_pump_by(a, next_ms) == 0)
        return NULL;
    /* Nobody would wake the pump: end who waits, one by one. */
    for (c = a->first; c && !is_waiting(c); c = c->next)
        ;
    if (c) {
        c->ending = true;
        *ret_error = -ENOMEM;
    }
    return c;
}

static void pump(struct api *a)
{
    struct api_call *c;
    int why = 0;
    int64_t now_ms = clock_mono_ms();
    while ((c = take_ended(a, now_ms, &why)))
        api_call_fail(c, why);
    while ((c = send_ready(a, &why)))
        api_call_fail(c, why);
}

void api_end_waiting(struct api *a, int error)
{
    for (;;) {
        struct api_call *c;
        {
            guard_mutex(&a->lock);
            for (c = a->first; c && !is_waiting(c); c = c->next)
                ;
            if (!c)
                return;
            c->ending = true;
        }
        api_call_fail(c, error);
    }
}

void api_call_end(struct api_call *c)
{
    struct api *a = c->api;
    {
        guard_mutex(&a->lock);
        *(c->prev ? &c->prev->next : &a->first) = c->next;
        *(c->next ? &c->next->prev : &a->last) = c->prev;
        a->live--;
        api_circuit_release(c->circuit, c);
        /* whoever stood back for it may go; an error shows at the next ask */
        if (a->live > 0)
            (void)api_pump_by(a, 0);
        (void)pthread_cond_broadcast(&a->quiet);
    }
    free(c->url);
    free(c);
}

void api_call_fail(struct api_call *c, int error)
{
    if (c->picture)
        c->bytes_fn(c->ctx, error, NULL, NULL);
    else
        c->page_fn(c->ctx, error, NULL, NULL);
    api_call_end(c);
}
