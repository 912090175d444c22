/* SPDX-License-Identifier: MIT */
/*
 * verify.c - brings the catalogue and the account into agreement where they
 * may differ, and says whether they agree.
 *
 * The proof of completeness, in words:
 *
 *   - One answer is a piece of the list at one moment. Whatever belongs
 *     between its newest and its oldest second was in it, or was not there
 *     (apply.c). So a segment of the list is settled when one answer showed
 *     something newer than the segment, all of it, and something older: no
 *     number is needed for that, and no other answer.
 *   - A walk reads pages that lie side by side. Each is proven within, not
 *     across its border to the next. Where nothing went while it read, and as
 *     many assets are known as the account has, none can be missing at any
 *     border. Else each border is a segment, to be seen within one answer, by
 *     a page of another length.
 *   - How many the account has is seen, too: at which offset the list ends,
 *     with the page after that empty (locate.c). A total that an answer states
 *     is a hint where to look first, and tells from then on, by how it moves,
 *     that something came or went.
 *   - Where the numbers differ the list is a segment whose ends differ: so many
 *     assets are known between them, and so many are there by their offsets.
 *     A page in its middle halves it, until each part agrees or is small
 *     enough to be seen within one answer. So one deletion among a million
 *     assets is found in as many requests as 20,000 pages can be halved.
 *   - A second in which more assets were created than a page holds can't be
 *     seen within one answer. Its edges can, so their number is known. Where
 *     too many are known each is asked for by its id. Where too few are, it is
 *     read again and again by pages of other lengths, and the union is kept,
 *     until it has that number: a server may order equal seconds differently
 *     in every answer.
 *
 * Pairs that cancel out within one segment, one more and one less, are left to
 * the sweep.
 *
 * Segments wait in a stack; several are worked at once, each by one request at
 * a time. Predicted counts are counted anew each time, so that mending one
 * place leaves the others right. Positions count from the foot, that is from
 * the oldest end, and each answer's own total gives them: what is created on
 * top meanwhile changes nothing.
 */
#include "sync/verify.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define REQUESTS_MIN 32

static void verify_run(struct sync *s);

void verify_done(struct sync *s)
{
    struct verify *v = s->verify;
    if (!v)
        return;
    for (size_t i = 0; i < array_count(v->probes); i++)
        catalogue_slots_free(v->probes[i].slots, v->probes[i].slot_count);
    page_done(&v->last);
    free(v);
    s->verify = NULL;
}

static void verify_finish(struct sync *s)
{
    struct verify *v = s->verify;
    struct verify_task task = v->task;
    int err = v->err            ? v->err
              : v->differs_much ? -ESTALE
              : v->unsettled    ? -EAGAIN
                                : 0;
    int64_t requests = v->requests;
    verify_done(s);
    task.on_end(s, err, &task.extent, requests);
}

void verify_interrupt(struct sync *s)
{
    if (!s->verify->err)
        s->verify->err = -EINTR;
}

static void segment_note_created(struct segment *g, int64_t count)
{
    if (g->newer_s == INT64_MAX)
        g->newer_count += count;
}

void verify_note_created(struct verify *v, int64_t count)
{
    for (size_t i = 0; i < v->count; i++)
        segment_note_created(&v->segments[i], count);
    for (size_t i = 0; i < array_count(v->probes); i++) {
        segment_note_created(&v->probes[i].segment, count);
        segment_note_created(&v->probes[i].around, count);
    }
}

int verify_known(struct sync *s, int64_t older_s, int64_t newer_s,
                 int64_t *ret_known)
{
    struct catalogue_reader *r = catalogue_reader_acquire(s->catalogue);
    if (!r)
        return -ENOMEM;
    int err = catalogue_count_within(r, older_s, newer_s, ret_known);
    catalogue_reader_release(r);
    return err;
}

int verify_surplus(struct sync *s, const struct segment *g,
                   int64_t *ret_surplus)
{
    int64_t known;
    int err = verify_known(s, g->older_s, g->newer_s, &known);
    if (!err)
        *ret_surplus = known - (g->newer_count - g->older_count);
    return err;
}

void verify_hear(struct verify *v, const struct page *page)
{
    v->shrank |=
        page->total_results >= 0 && page->total_results < v->task.extent.total;
    v->above = v->task.no_totals ? v->task.extent.count
                                 : extent_at(&v->task.extent, page);
}

void verify_push(struct verify *v, const struct segment *g)
{
    if (g->older_s >= g->newer_s)
        return;
    if (v->count == VERIFY_SEGMENTS_MAX)
        v->unsettled = true;
    else
        v->segments[v->count++] = *g;
}

static struct probe *verify_free_probe(struct verify *v, int parallel)
{
    for (int i = 0; i < parallel; i++)
        if (v->probes[i].kind == PROBE_FREE)
            return &v->probes[i];
    return NULL;
}

static int verify_take_up(struct sync *s, struct probe *p,
                          const struct segment *g)
{
    int64_t surplus = 1;
    int err = g->counted ? verify_surplus(s, g, &surplus) : 0;
    if (err || surplus == 0)
        return err;
    return verify_look_into(s, p, g);
}

static bool verify_next_segment(struct verify *v, struct segment *ret_segment)
{
    if (v->unsettled || v->err)
        return false;
    if (v->count)
        *ret_segment = v->segments[--v->count];
    else if (v->border_next < v->task.border_count)
        *ret_segment = v->task.borders[v->border_next++];
    else
        return false;
    if (v->shrank && v->requests > v->expected && !v->task.after_walk)
        v->unsettled = v->differs_much = true;
    if (v->requests > v->requests_max)
        v->unsettled = true;
    return !v->unsettled;
}

/* Takes up what waits, as far as there are probes for it. */
static void verify_run(struct sync *s)
{
    struct verify *v = s->verify;
    struct probe *p;
    struct segment g;
    while ((p = verify_free_probe(v, s->config.walk_parallel)) &&
           verify_next_segment(v, &g))
        v->err = verify_take_up(s, p, &g);
    if (!v->in_flight)
        verify_finish(s);
}

void verify_release(struct sync *s, struct probe *p)
{
    catalogue_slots_free(p->slots, p->slot_count);
    *p = (struct probe){0};
    verify_run(s);
}

void verify_fail(struct sync *s, struct probe *p, int err)
{
    if (!s->verify->err)
        s->verify->err = err;
    verify_release(s, p);
}

void verify_ask_page(struct sync *s, struct probe *p, int64_t page, int limit,
                     request_fn *fn)
{
    struct verify *v = s->verify;
    p->page = page;
    p->limit = limit;
    if (v->task.lane == API_WALK && v->requests >= v->task.beside_max)
        v->task.lane = API_BACKGROUND;
    v->requests++;
    v->in_flight++;
    request_page(s, page, limit, NULL, v->task.lane, v->task.cause, 0, fn, p);
}

/* Halvings from all the pages down to one. */
static int64_t verify_bisections(int64_t pages)
{
    int64_t n = 0;
    while (pages > 1) {
        pages = (pages + 1) / 2;
        n++;
    }
    return n;
}

/* Whether it is worth it, and what it may cost at most. */
static bool verify_can_be_found(struct verify *v, int64_t differ)
{
    int64_t pages = v->task.extent.count / API_PAGE_LIMIT + 1;
    int64_t each =
        verify_bisections(differ ? (pages + differ - 1) / differ : pages) + 3;
    v->expected = REQUESTS_MIN + differ * each;
    v->requests_max = REQUESTS_MIN + 2 * differ * (each + 2) +
                      2 * verify_bisections(pages) +
                      4 * (int64_t)v->task.border_count;
    if (v->task.after_walk && v->requests_max > 2 * pages + 100)
        v->requests_max = 2 * pages + 100 + 4 * (int64_t)v->task.border_count;
    return v->task.after_walk || differ * each <= pages + 16;
}

/* The extent is known: all of it is one segment. */
static void verify_count(struct sync *s)
{
    struct verify *v = s->verify;
    int64_t foot_s = v->task.foot_s;
    const struct segment all = {.older_s = foot_s + (foot_s > INT64_MIN),
                                .newer_s = INT64_MAX,
                                .newer_count = v->task.extent.count,
                                .counted = true};
    int64_t surplus;
    v->locating = false;
    v->above = v->task.extent.count;
    v->err = verify_surplus(s, &all, &surplus);
    if (!v->err)
        surplus += v->task.unreadable;
    if (!v->err && !verify_can_be_found(v, surplus < 0 ? -surplus : surplus))
        v->unsettled = v->differs_much = true;
    else if (!v->err && surplus)
        verify_push(v, &all);
    verify_run(s);
}

static void verify_locate_on(struct sync *s);

/* The end is sure: what is known beyond its last page is gone. */
static int verify_end_the_list(struct sync *s)
{
    struct verify *v = s->verify;
    const struct apply_options options = {.page = v->last_number,
                                          .page_limit = v->locate.limit,
                                          .named = true,
                                          .last = true};
    struct apply_result result;
    bool held = v->last_number == 1 || v->last.count + v->last.skipped;
    if (v->task.foot_s != INT64_MIN || !held)
        return 0;
    return apply_page(s, &options, &v->last, &v->last_answer, &result);
}

/* Whether the catalogue has what would be beyond this page if it is last. */
static int verify_knows_beyond(struct sync *s, const struct page *page,
                               bool *ret_knows)
{
    int64_t known;
    int64_t all = 0;
    int64_t shown = 0;
    int64_t bottom_s =
        page->count ? page->assets[page->count - 1].created_s : INT64_MAX - 1;
    for (size_t i = page->count; i-- > 0;)
        shown += page->assets[i].created_s <= bottom_s;
    int err = verify_known(s, INT64_MIN, bottom_s + 1, &known);
    if (!err && known > shown)
        err = verify_known(s, INT64_MIN, INT64_MAX, &all);
    if (!err)
        *ret_knows = known > shown &&
                     all + s->account.unreadable != s->verify->locate.low;
    return err;
}

static int verify_take_located(struct sync *s, struct probe *p,
                               struct page *page,
                               const struct api_answer *answer)
{
    struct verify *v = s->verify;
    const struct apply_options options = {
        .page = p->page, .page_limit = p->limit, .named = true};
    struct apply_result result;
    bool beyond = false;
    int err = apply_page(s, &options, page, answer, &result);
    if (err)
        return err;
    locate_take(&v->locate, p->page, page);
    bool short_page = apply_is_short(&options, page);
    bool empty = page->count + page->skipped == 0;
    if (short_page && (!empty || p->page == 1)) {
        err = verify_knows_beyond(s, page, &beyond);
        v->locate.surely |= beyond;
        v->task.extent.total = page->total_results;
        page_done(&v->last);
        v->last = *page;
        v->last_number = p->page;
        v->last_answer = *answer;
        *page = (struct page){0};
    } else if (!empty) {
        v->task.extent.total = page->total_results;
    }
    return err;
}

static void verify_on_located(struct sync *s, void *ctx, int err,
                              struct page *page,
                              const struct api_answer *answer)
{
    struct verify *v = s->verify;
    struct probe *p = ctx;
    v->in_flight--;
    if (!err)
        err = verify_take_located(s, p, page, answer);
    p->kind = PROBE_FREE;
    if (!err && locate_is_found(&v->locate)) {
        v->task.extent.count = v->locate.low;
        if (v->locate.surely)
            err = verify_end_the_list(s);
        if (!err) {
            verify_count(s);
            return;
        }
    }
    if (!err && v->requests > REQUESTS_MIN + 64)
        v->unsettled = true;
    if (err)
        v->err = err;
    if (v->err || v->unsettled)
        verify_finish(s);
    else
        verify_locate_on(s);
}

static void verify_locate_on(struct sync *s)
{
    struct verify *v = s->verify;
    v->probes[0].kind = PROBE_PAGE;
    verify_ask_page(s, &v->probes[0], locate_next_page(&v->locate),
                    v->locate.limit, verify_on_located);
}

void verify_start(struct sync *s, const struct verify_task *task)
{
    struct verify *v = calloc(1, sizeof(*v));
    if (!v) {
        task->on_end(s, -ENOMEM, &task->extent, 0);
        return;
    }
    s->verify = v;
    v->task = *task;
    if (task->extent.count >= 0) {
        verify_count(s);
        return;
    }
    locate_begin(&v->locate, task->foot_s, locate_limit(task->guess),
                 task->guess);
    v->locating = true;
    verify_locate_on(s);
}
