/* SPDX-License-Identifier: MIT */
/*
 * request.c - requests to the API, and their answers' way to the sync thread:
 * a mailbox that the http thread fills. Each request is answered once, with an
 * error, too.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "sync/sync_internal.h"

#define TOTAL_MAX (INT64_C(1) << 40)

static void request_deliver(struct request *r)
{
    struct sync *s = r->sync;
    guard_mutex(&s->lock);
    TAILQ_REMOVE(&s->requests.under_way, r, link);
    if (r->spare)
        TAILQ_INSERT_HEAD(&s->requests.answered, r, link);
    else
        TAILQ_INSERT_TAIL(&s->requests.answered, r, link);
    (void)pthread_cond_signal(&s->wake);
}

/* If allocation fails, a preallocated request delivers -ENOMEM. Those are taken
 * before all else, and whoever gets one starts nothing more: so no more are in
 * use than one event asks for pages, a walk's, a poll's and a sweep's. */
static struct request *request_new(struct sync *s, request_fn *fn, void *ctx)
{
    struct request *r = calloc(1, sizeof(*r));
    bool spare = !r;
    for (size_t i = 0; !r && i < array_count(s->requests.spares); i++)
        if (!s->requests.spares[i].spare)
            r = &s->requests.spares[i];
    assert(r);
    *r = (struct request){.sync = s, .fn = fn, .ctx = ctx, .spare = spare};
    s->requests.spares_used += spare;
    return r;
}

static void request_free(struct request *r)
{
    page_done(&r->page);
    if (!r->spare) {
        free(r);
        return;
    }
    r->sync->requests.spares_used--;
    r->spare = false;
}

/* On the http thread. */
static void request_on_page(void *ctx, int err, struct page *page,
                            const struct api_answer *answer)
{
    struct request *r = ctx;
    r->err = err;
    if (!err) {
        r->page = *page;
        *page = (struct page){0};
        r->answer = *answer;
    }
    request_deliver(r);
}

/* What can't be sent is answered like any other, so that no part is called back
 * while it asks. */
static void request_start(struct sync *s, const struct api_list *list,
                          enum api_lane lane, enum api_cause cause,
                          int64_t deadline_ms, int err, struct request *r)
{
    if (!deadline_ms)
        deadline_ms = clock_mono_ms() + s->config.timeout_ms;
    r->number = list->page;
    r->page_limit = list->page_limit;
    if (r->spare)
        err = -ENOMEM;
    {
        guard_mutex(&s->lock);
        s->requests.count++;
        if (s->stopping)
            err = -ESHUTDOWN;
        TAILQ_INSERT_TAIL(&s->requests.under_way, r, link);
    }
    /* The ticket is read by this thread alone. */
    if (!err)
        err = api_list_assets(s->api, list, lane, cause, deadline_ms,
                              request_on_page, r, &r->ticket);
    if (err) {
        r->err = err;
        request_deliver(r);
    }
}

void request_page(struct sync *s, int64_t page, int page_limit,
                  const char *filter, enum api_lane lane, enum api_cause cause,
                  int64_t deadline_ms, request_fn *fn, void *ctx)
{
    const struct api_list list = {
        .page = page, .page_limit = page_limit, .filter = filter};
    struct request *r = request_new(s, fn, ctx);
    r->listed = !filter;
    request_start(s, &list, lane, cause, deadline_ms, 0, r);
}

/* A query of one term: any of these ids. */
static int request_make_query(const struct catalogue_slot *slots, size_t count,
                              struct query *ret_query)
{
    struct query q = {.terms = calloc(1, sizeof(*q.terms)), .count = 1};
    if (!q.terms)
        return -ENOMEM;
    q.terms[0].kind = QUERY_ID;
    q.terms[0].texts = calloc(count, sizeof(char *));
    bool good = q.terms[0].texts;
    for (size_t i = 0; good && i < count; i++) {
        good = (q.terms[0].texts[i] = strdup(slots[i].id));
        q.terms[0].text_count += good;
    }
    if (!good) {
        query_done(&q);
        return -ENOMEM;
    }
    *ret_query = q;
    return 0;
}

void request_ids(struct sync *s, const struct catalogue_slot *slots,
                 size_t count, enum api_lane lane, enum api_cause cause,
                 request_fn *fn, void *ctx)
{
    struct query q = {0};
    cleanup(buf_done) struct buf filter = {.max = 64 << 10};
    int err = request_make_query(slots, count, &q);
    if (!err)
        err = query_ask(&q, &filter);
    query_done(&q);
    const struct api_list list = {
        .page = 1, .page_limit = API_PAGE_LIMIT, .filter = buf_str(&filter)};
    request_start(s, &list, lane, cause, 0, err, request_new(s, fn, ctx));
}

/* Positions are reckoned from the page and the length asked for: what a server
 * answers that keeps to its own would all be counted wrong. */
static bool request_is_misfit(const struct request *r)
{
    const struct page *p = &r->page;
    int64_t count = (int64_t)(p->count + p->skipped);
    int64_t before = (r->number - 1) * r->page_limit;
    bool shorter = p->limit > 0 && p->limit < r->page_limit &&
                   count >= p->limit && before + count < p->total_results;
    bool another = p->page > 0 && p->page != r->number && count;
    return count > r->page_limit || shorter || another;
}

int sync_misfit(struct sync *s, int64_t number, const struct page *page)
{
    if (!s->requests.misfit_logged)
        log_warning("the server doesn't answer the pages it is asked for: "
                    "page %lld brought %zu assets",
                    (long long)number, page->count);
    s->requests.misfit_logged = true;
    return -EIO;
}

static int request_check(struct sync *s, struct request *r)
{
    if (r->page.total_results > TOTAL_MAX)
        r->page.total_results = -1;
    return request_is_misfit(r) ? sync_misfit(s, r->number, &r->page) : 0;
}

void request_take(struct sync *s, struct request *r)
{
    {
        guard_mutex(&s->lock);
        s->requests.count--;
    }
    int err = r->err ? r->err : request_check(s, r);
    if (!err && r->listed)
        (void)apply_order(&r->page);
    if (err == -ECANCELED)
        err = -ESHUTDOWN;
    r->fn(s, r->ctx, err, err ? NULL : &r->page, &r->answer);
    request_free(r);
}

/* How many aren't answered yet. */
size_t requests_cancel(struct sync *s)
{
    uint64_t tickets[64];
    size_t count = 0;
    size_t out;
    {
        guard_mutex(&s->lock);
        struct request *r;
        TAILQ_FOREACH(r, &s->requests.under_way, link)
        if (count < array_count(tickets))
            tickets[count++] = r->ticket;
        out = s->requests.count;
    }
    for (size_t i = 0; i < count; i++)
        api_cancel(s->api, tickets[i]);
    return out;
}

struct request *request_next(struct sync *s)
{
    guard_mutex(&s->lock);
    struct request *r = TAILQ_FIRST(&s->requests.answered);
    if (r)
        TAILQ_REMOVE(&s->requests.answered, r, link);
    return r;
}
