/* SPDX-License-Identifier: MIT */
/*
 * api_answer.c - what an attempt's answer means for its call.
 *
 * An answer counts for the host, for the limits, for status.json and for the
 * log, in that order, all under the lock. Then the call waits for another
 * attempt or its callback gets the result.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "wire/api_internal.h"
#include "wire/api_retry.h"

#define ATTEMPTS_UNTOLD 3

/* Keeps what status.json shows. Lock held. */
static void note_outcome(struct api *a, const struct api_call *c,
                         const struct http_response *response, int err)
{
    struct api_stats *s = &a->stats;
    if (err)
        s->failed[c->cause]++;
    if (response->status == 429)
        s->throttled++;
    /* a CDN's trouble is no trouble with the account, nor is a change's */
    if (c->picture || c->change || err == -ECANCELED)
        return;
    s->last_error = err;
    if (err) {
        api_describe(a, c, response, s->last_error_text,
                     sizeof(s->last_error_text));
        return;
    }
    s->last_error_text[0] = '\0';
    s->last_success_s = clock_wall_s();
}

/* Whether the log should hear of it: once per kind of trouble, not once per
 * request, and not of what the next try mends. Lock held. */
static bool is_news(struct api *a, const struct api_call *c, int err,
                    bool again)
{
    if (c->picture || c->change || err == -ECANCELED || err == a->told_error)
        return false;
    if (err && again && c->attempts < ATTEMPTS_UNTOLD)
        return false;
    a->told_error = err;
    return true;
}

/* Every attempt, at log_level=debug: why, what, how it ended, how long it
 * took. A picture's URL is signed in its query; its host must do. */
static void log_attempt(const struct api_call *c,
                        const struct http_response *response,
                        const struct api_verdict *verdict, int64_t now_ms)
{
    char quoted[256], status[16] = "";
    size_t shown = c->picture ? strcspn(c->url, "?") : strlen(c->url);
    if (response->status)
        (void)snprintf(status, sizeof(status), "HTTP %d", response->status);
    log_debug("%s: %s %s: %s%s%s, %lld ms", api_cause_name(c->cause),
              c->change ? c->change->method : "GET",
              log_quote(c->url, shown, quoted, sizeof(quoted)), status,
              *status && verdict->err ? ": " : "",
              verdict->err ? strerror(-verdict->err) : "",
              (long long)(now_ms - c->asked_ms));
}

/* Once per kind of trouble that pictures have. What a signed URL's end looks
 * like (EACCES, ESTALE) is renewed and no news. Lock held. */
static bool is_picture_news(struct api *a, const struct api_call *c, int err,
                            bool again)
{
    if (!c->picture || again || err == -ECANCELED || err == -EACCES ||
        err == -ESTALE || err == a->told_picture_error)
        return false;
    a->told_picture_error = err;
    return true;
}

static void log_picture_outcome(const struct api_call *c,
                                const struct http_response *response, int err)
{
    char quoted[256];
    size_t shown = strcspn(c->url, "?");
    if (!err)
        log_info("fetching pictures works again");
    else if (response->status)
        log_warning("cannot fetch a picture from %s: HTTP %d",
                    log_quote(c->url, shown, quoted, sizeof(quoted)),
                    response->status);
    else
        log_warning("cannot fetch a picture from %s: %s",
                    log_quote(c->url, shown, quoted, sizeof(quoted)),
                    strerror(-err));
}

static void log_outcome(const char *text, int err)
{
    if (!err)
        log_info("the API answers again");
    else if (err == -EAGAIN)
        log_info("the API limits requests: %s", text);
    else
        log_warning("the API: %s", text);
}

/* What we ended, or turned down, says nothing of the host. */
static void note_host(struct api_call *c, const struct http_response *response,
                      const struct api_verdict *verdict, struct api_moment now)
{
    api_host_ended(c->host, c);
    if (verdict->host_failed)
        api_host_failed(c->host, verdict->err, c->sent, now);
    else if (!response->refused && verdict->err != -ECANCELED &&
             verdict->err != -ENOMEM)
        api_host_succeeded(c->host);
}

/* What the host says of its limits: of this category of its endpoints. */
static void note_limits(struct api_call *c,
                        const struct http_response *response,
                        struct api_moment now)
{
    if (!c->picture)
        api_budget_hear(&c->api->categories[c->category].budget, response,
                        c->sent, now, clock_wall_s());
    else if (c->host)
        api_pause_hear(&c->host->pause, response, c->sent, now);
}

/* Lines the call up for another try, when there is time for one and no other
 * finds out already whether the host is down. Lock held. */
static bool line_up(struct api_call *c, const struct api_verdict *verdict,
                    int64_t retry_after_ms, int64_t now_ms)
{
    if (verdict->err == -ENOBUFS)
        return true; /* it waits for room, and for nothing else */
    if (!verdict->retry || c->cancelled || c->withdrawn || c->api->stopping)
        return false;
    int64_t wait_ms =
        api_retry_delay_ms(c->attempts, retry_after_ms, arc4random());
    if (wait_ms >= c->deadline_ms - now_ms)
        return false;
    if (api_host_is_down(c->host) && c->host->probe)
        return false;
    c->not_before_ms = now_ms + wait_ms;
    c->last_error = verdict->err;
    return true;
}

/* Everything that one answer changes under the lock; true when the call goes
 * on to another try. */
static bool take_in(struct api_call *c, const struct http_response *response,
                    const struct api_verdict *verdict, int64_t now_ms)
{
    struct api *a = c->api;
    char text[sizeof(a->stats.last_error_text)];
    bool tell, tell_picture, again;
    log_attempt(c, response, verdict, now_ms);
    {
        guard_mutex(&a->lock);
        const struct api_moment now = {++a->moments, now_ms};
        c->http_ticket = 0;
        api_call_count(c, -1);
        note_limits(c, response, now);
        note_host(c, response, verdict, now);
        note_outcome(a, c, response, verdict->err);
        memcpy(text, a->stats.last_error_text, sizeof(text));
        again = line_up(c, verdict, response->retry_after_ms, now_ms);
        if (again)
            api_give_room(c);
        tell = is_news(a, c, verdict->err, again);
        tell_picture = is_picture_news(a, c, verdict->err, again);
        c->ending = !again;
        /* there is room for another, or a budget to heed */
        http_call_by(a->http, now_ms);
    }
    if (tell)
        log_outcome(text, verdict->err);
    if (tell_picture)
        log_picture_outcome(c, response, verdict->err);
    return again;
}

static void answer_deliver(struct api_call *c, struct page *page,
                           struct buf *body, int64_t now_ms)
{
    const struct api_answer answer = {
        .asked_ms = c->asked_ms,
        .answered_ms = now_ms,
        .received_s = clock_wall_s(),
    };
    if (c->change)
        api_change_deliver(c, 0, now_ms);
    else if (c->picture)
        c->bytes_fn(c->ctx, 0, body, &answer);
    else
        c->page_fn(c->ctx, 0, page, &answer);
    api_call_end(c);
}

static enum api_kind answer_kind(const struct api_call *c)
{
    if (c->picture)
        return API_KIND_PICTURE;
    return c->by_ids ? API_KIND_LIST_BY_IDS : API_KIND_LIST;
}

void api_on_response(void *ctx, struct http_response *response)
{
    struct api_call *c = ctx;
    struct page page = {0};
    struct api_verdict verdict = c->change
                                     ? api_change_verdict(c, response)
                                     : api_verdict_of(response, answer_kind(c));
    if (!verdict.err && !c->picture && !c->change) {
        int err =
            page_parse(buf_str(response->body), response->body->len, &page);
        if (err == -EBADMSG)
            verdict = api_verdict_of_broken();
        else if (err)
            verdict = (struct api_verdict){.err = err};
    }
    int64_t now_ms = clock_mono_ms();
    if (take_in(c, response, &verdict, now_ms))
        return;
    if (verdict.err) {
        /* the deadline cut the last try short: the one before says why */
        bool cut = verdict.err == -ETIMEDOUT && c->last_error &&
                   now_ms >= c->deadline_ms;
        api_call_fail(c, cut ? c->last_error : verdict.err);
        return;
    }
    answer_deliver(c, &page, response->body, now_ms);
    page_done(&page);
}
