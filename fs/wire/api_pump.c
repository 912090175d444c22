/* SPDX-License-Identifier: MIT */
/*
 * api_pump.c - which call goes when.
 *
 * The pump runs on the http thread whenever something may have changed. It
 * first ends the calls that can't or needn't wait any longer, then sends those
 * that may go, in the order of lanes, and says when it wants to run again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "wire/api_internal.h"

#define PICTURE_REDIRECTS 5

static bool is_waiting(const struct api_call *c)
{
    return !c->http_ticket && !c->ending;
}

/* The server's limit lasts past the deadline. */
static bool is_limited(struct api *a, const struct api_call *c, int64_t now_ms)
{
    if (c->picture)
        return c->host &&
               api_pause_refused(&c->host->pause, c->asked, c->deadline_ms);
    struct api_budget *budget = &a->categories[c->category].budget;
    if (c->lane == API_FOREGROUND)
        return api_pause_refused(&budget->pause, c->asked, c->deadline_ms) ||
               api_budget_pace_ms(budget, c->lane) > c->deadline_ms;
    int64_t until_ms = api_budget_limited_until_ms(
        budget, c->lane, a->categories[c->category].in_flight, c->deadline_ms,
        now_ms);
    return until_ms > now_ms && until_ms != CLOCK_NEVER_MS &&
           until_ms > c->deadline_ms;
}

static int reason_of_lateness(const struct api_call *c)
{
    if (c->last_error)
        return c->last_error;
    return api_host_is_down(c->host) ? c->host->last_error : -ETIMEDOUT;
}

/* Why a waiting call can't or needn't wait any longer; 0 it can. What was
 * tried already goes on by itself, its host down or not. */
static int reason_to_end(struct api *a, struct api_call *c, int64_t now_ms)
{
    if (c->cancelled || c->withdrawn || a->stopping)
        return -ECANCELED;
    if (is_limited(a, c, now_ms))
        return -EAGAIN;
    if (c->deadline_ms <= now_ms)
        return reason_of_lateness(c);
    bool down = !c->attempts && api_host_failed_since(c->host, c->asked);
    return down ? c->host->last_error : 0;
}

static struct api_call *pump_take_ended(struct api *a, int64_t now_ms,
                                        int *ret_why)
{
    guard_mutex(&a->lock);
    struct api_call *c;
    TAILQ_FOREACH(c, &a->calls, link)
    {
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
    const struct api_call *c;
    TAILQ_FOREACH(c, &a->calls, link)
    {
        if (c->lane == API_FOREGROUND && !c->picture && !c->change &&
            !c->ending && (c->http_ticket || c->not_before_ms <= now_ms))
            return true;
    }
    return false;
}

static int64_t pump_later(int64_t a_ms, int64_t b_ms)
{
    return a_ms > b_ms ? a_ms : b_ms;
}

static bool has_room_for(const struct api *a, const struct api_call *c)
{
    return c->room_bytes <= API_PICTURE_BYTES - a->picture_bytes;
}

static int64_t picture_when_ms(const struct api *a, const struct api_call *c,
                               int64_t now_ms)
{
    if (a->pictures_in_flight >= API_PICTURES_MAX)
        return CLOCK_NEVER_MS;
    if (!c->host)
        return now_ms;
    return api_pause_try_ms(&c->host->pause, c->host->pictures_in_flight,
                            c->deadline_ms, now_ms);
}

/* When a waiting call may go; CLOCK_NEVER_MS: something else must end first,
 * which runs the pump. */
static int64_t when_ms(struct api *a, const struct api_call *c, bool busy,
                       int64_t now_ms)
{
    if (c->lane != API_FOREGROUND && busy)
        return CLOCK_NEVER_MS;
    int64_t when =
        pump_later(c->not_before_ms, api_host_when_ms(c->host, now_ms));
    return pump_later(
        when, c->picture ? picture_when_ms(a, c, now_ms)
                         : api_budget_when_ms(
                               &a->categories[c->category].budget, c->lane,
                               a->categories[c->category].in_flight,
                               c->deadline_ms, now_ms));
}

/* The next call to send, foreground first, each lane in order of asking; NULL
 * and when to look again. */
static struct api_call *pump_choose(struct api *a, int64_t now_ms,
                                    int64_t *ret_next_ms)
{
    int64_t next_ms = CLOCK_NEVER_MS;
    bool busy = foreground_is_busy(a, now_ms);
    bool full = false; /* smaller pictures don't pass a larger one for ever */
    for (int lane = API_FOREGROUND; lane < API_LANE_COUNT; lane++) {
        struct api_call *c;
        TAILQ_FOREACH(c, &a->calls, link)
        {
            if (!is_waiting(c) || (int)c->lane != lane)
                continue;
            int64_t when = when_ms(a, c, busy, now_ms);
            if (when <= now_ms && c->picture)
                full = full || !has_room_for(a, c);
            if (when <= now_ms && !(c->picture && full))
                return c;
            if (when <= now_ms)
                when = CLOCK_NEVER_MS;
            if (c->deadline_ms < when)
                when = c->deadline_ms;
            if (when < next_ms)
                next_ms = when;
        }
    }
    *ret_next_ms = next_ms;
    return NULL;
}

static void take_room(struct api_call *c)
{
    if (c->picture && !c->has_room)
        c->api->picture_bytes += c->room_bytes;
    c->has_room = c->picture;
}

/* The http_room_fn of pictures. */
static int get_picture_room(void *ctx, size_t bytes)
{
    struct api_call *c = ctx;
    struct api *a = c->api;
    guard_mutex(&a->lock);
    if (bytes <= c->room_bytes)
        return 0;
    api_give_room(c);
    c->room_bytes = bytes;
    if (!has_room_for(a, c))
        return -ENOBUFS;
    take_room(c);
    return 0;
}

static int pump_submit(struct api *a, struct api_call *c, int64_t now_ms)
{
    int64_t attempt_ms = now_ms + a->timeout_ms;
    static const char *const json_lines[] = {"Content-Type: application/json",
                                             NULL};
    const struct api_change *change = c->change;
    const struct http_body body = {
        .head = change ? change->json : NULL,
        .head_bytes = change && change->json ? strlen(change->json) : 0,
    };
    const struct http_request request = {
        .method = change ? change->method : NULL,
        .body = body.head ? &body : NULL,
        .headers = body.head ? json_lines : NULL,
        .once = change && change->once,
        .url = c->url,
        .secret_header = c->picture ? NULL : a->key_header,
        .accept = c->picture ? NULL : "application/json",
        .deadline_ms =
            attempt_ms < c->deadline_ms ? attempt_ms : c->deadline_ms,
        .max_bytes = c->max_bytes,
        .room = c->picture ? get_picture_room : NULL,
        .redirects = c->picture ? PICTURE_REDIRECTS : 0,
        .public_only = c->picture && !a->media_anywhere,
    };
    int err =
        http_submit(a->http, &request, api_on_response, c, &c->http_ticket);
    if (err)
        return err;
    c->attempts++;
    c->asked_ms = now_ms;
    c->sent = ++a->moments;
    c->key_number = a->key_number;
    a->stats.sent[c->cause]++;
    api_host_sent(c->host, c);
    take_room(c);
    api_call_count(c, 1);
    if (!c->picture)
        api_budget_spend(&a->categories[c->category].budget, c->lane, now_ms);
    return 0;
}

/* Sends what may go. Answers a call that couldn't be sent, for the caller to
 * fail without the lock, or NULL and when to look again. */
static struct api_call *send_ready(struct api *a, int *ret_error,
                                   int64_t *ret_next_ms)
{
    int64_t now_ms = clock_mono_ms();
    struct api_call *c;
    guard_mutex(&a->lock);
    while ((c = pump_choose(a, now_ms, ret_next_ms))) {
        int err = pump_submit(a, c, now_ms);
        if (!err)
            continue;
        c->ending = true;
        *ret_error = err == -ESHUTDOWN ? -ECANCELED : err;
        return c;
    }
    return NULL;
}

/* Nothing is left, nor will be: whoever frees the api may go on. */
static void note_end(struct api *a)
{
    guard_mutex(&a->lock);
    if (!a->stopping || a->live > 0)
        return;
    http_detach(a->http);
    a->ended = true;
    (void)pthread_cond_broadcast(&a->quiet);
}

int64_t api_pump(void *ctx)
{
    struct api *a = ctx;
    struct api_call *c;
    int why = 0;
    int64_t next_ms = CLOCK_NEVER_MS;
    int64_t now_ms = clock_mono_ms();
    while ((c = pump_take_ended(a, now_ms, &why)))
        api_call_fail(c, why);
    while ((c = send_ready(a, &why, &next_ms)))
        api_call_fail(c, why);
    note_end(a);
    return next_ms;
}
