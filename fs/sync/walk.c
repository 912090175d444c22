/* SPDX-License-Identifier: MIT */
/*
 * walk.c - reads the whole list, once, so that nothing that stood throughout
 * is missing.
 *
 * Positions count from the oldest end (1 is the oldest asset): there a
 * creation on top moves nothing. An asset's position by an answer is that
 * answer's total less the asset's offset. The walk reads from the oldest end
 * towards the newest, several pages at once, and commits strictly in order:
 * row order is creation order, and names are final when shown.
 *
 * What was committed so far is the tape. Invariants:
 *
 *  1. Between two neighbours of the tape nothing is missing that stood
 *     throughout: some answer held both, or their border is presumed.
 *  2. A page joins the tape where it shares an asset with its newest part, or
 *     where its position begins right above the tape: then the border is
 *     presumed. A page that by position should share an asset and doesn't
 *     shows that something older is gone: the walk steps back.
 *  3. A stretch of the walk begins and ends with a reading of page 1. Where
 *     the total has grown by just the assets that are new on top, nothing
 *     older was deleted meanwhile; then positions were exact, and what was
 *     presumed in that stretch is proven. Else each presumed border is looked
 *     across (bridge.c).
 *
 * The walk is through when the tape reaches page 1. What happened later is the
 * next poll's. Where the catalogue held something before, rows that the walk
 * didn't see are asked for by id (judge.c).
 */
#include "sync/walk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

#define STRETCH_PAGES  256
#define HELD_BYTES_MAX (32 << 20)
#define CLOSINGS_MAX   8 /* without a step forward */
#define PAUSE_FIRST_MS 1000
#define PAUSE_MAX_MS   60000   /* after an error */
#define ANEW_MAX_MS    3600000 /* after a walk in vain */
#define FAR_OFF_MS     5000
#define SPARE_REQUESTS 200 /* beside three times the pages */

static void pump(struct sync *s);

static int64_t page_of(const struct walk *w, int64_t position)
{
    return (w->total - position) / API_PAGE_LIMIT + 1;
}

/* ---- end ---- */

static void walk_free(struct walk *w)
{
    for (size_t i = 0; i < w->held_count; i++)
        page_done(&w->held[i].page);
    for (size_t i = 0; i < w->tape_count; i++)
        free(w->tape[i]);
    free(w->open_top);
    walk_forget_judged(w);
    bridges_done(w);
    free(w);
}

static bool waits_for_walk(struct sync *s, struct waiter *w, void *ctx,
                           int *ret_err)
{
    *ret_err = *(int *)ctx;
    return w->begun && !w->owner;
}

/* Each pause is twice the one before it. */
static void pause_walk(struct sync *s, int64_t *pause_ms, int64_t max_ms)
{
    if (*pause_ms < PAUSE_FIRST_MS)
        *pause_ms = PAUSE_FIRST_MS;
    s->walk_at_ms = clock_mono_ms() + *pause_ms;
    *pause_ms = *pause_ms * 2 < max_ms ? *pause_ms * 2 : max_ms;
}

void walk_heard(struct walk *w, int64_t total)
{
    w->total = total;
    if (total > w->most)
        w->most = total;
}

bool walk_may_spend(struct walk *w)
{
    if (w->requests++ < SPARE_REQUESTS + 3 * (w->most / API_PAGE_LIMIT))
        return true;
    w->anew = true;
    return false;
}

/* Lets everybody know; the walk itself goes on after a pause, which grows. */
void walk_fail(struct sync *s, int err)
{
    struct walk *w = s->walk;
    if (err == -ESHUTDOWN) {
        w->paused = true; /* whatever comes home starts nothing more */
        return;
    }
    sync_note_error(s, err);
    if (!s->ready) {
        s->ready_err = err;
        waiters_answer(s, &s->ready, err);
    }
    waiters_settle(s, waits_for_walk, &err);
    poll_walk_failed(s, err);
    if (!w->paused) {
        log_warning("reading the whole list pauses: %s", strerror(-err));
        pause_walk(s, &s->walk_pause_ms, PAUSE_MAX_MS);
        w->failed_ms = clock_mono_ms();
    }
    w->paused = true;
}

void walk_lost(struct sync *s, int err)
{
    s->walk->lost = true;
    walk_fail(s, err);
}

void walk_hasten(struct sync *s)
{
    if (!s->walk || !s->walk->paused)
        return;
    int64_t at_ms = s->walk->failed_ms + PAUSE_FIRST_MS;
    if (at_ms < s->walk_at_ms)
        s->walk_at_ms = at_ms;
}

bool walk_is_far_off(const struct sync *s)
{
    return !s->walk && s->walk_at_ms != CLOCK_NEVER_MS &&
           s->walk_at_ms - clock_mono_ms() > FAR_OFF_MS;
}

void walk_anew(struct sync *s)
{
    log_warning("the list contradicts itself; it is read anew in %lld s",
                (long long)(s->walk_anew_ms + 999) / 1000);
    walk_done(s);
    sync_note_error(s, -EIO);
    pause_walk(s, &s->walk_anew_ms, ANEW_MAX_MS);
    if (walk_is_far_off(s))
        poll_walk_failed(s, -EIO);
}

static int note_complete(struct sync *s)
{
    int err = sync_begin(s);
    if (err)
        return err;
    int64_t now_s = clock_wall_s();
    err = catalogue_name_all(s->catalogue);
    if (!err)
        err = catalogue_state_set(s->catalogue, "complete", 1);
    if (!err)
        err = catalogue_state_set(s->catalogue, "polled_s", now_s);
    if (!err)
        err = catalogue_state_set(s->catalogue, "holes", s->walk->holes);
    if (!err)
        err =
            catalogue_state_set(s->catalogue, "linked_s", s->walk->tape_top_s);
    err = sync_end(s, err);
    if (err)
        return err;
    s->linked_s = s->walk->tape_top_s;
    s->holes = s->walk->holes;
    int64_t known = sync_known_total(s);
    guard_mutex(&s->lock);
    s->status.walks++;
    s->status.polled_s = now_s;
    s->status.walked = s->status.total = known;
    s->status.last_error = 0;
    return 0;
}

void walk_end(struct sync *s)
{
    int err = note_complete(s);
    if (err) {
        walk_fail(s, err);
        return;
    }
    bool again = s->complete;
    int64_t total = s->walk->total;
    if (s->holes)
        log_warning("not shown, since it cannot be read as an asset: %lld "
                    "of the list's elements",
                    (long long)s->holes);
    walk_done(s);
    s->marking = false;
    s->walk_pause_ms = s->walk_anew_ms = PAUSE_FIRST_MS;
    s->complete = true;
    s->poll_at_ms = clock_mono_ms() + s->config.refresh_ms;
    s->sweep_at_ms = clock_mono_ms() + s->config.sweep_ms;
    sweep_note_bound(s, sync_known_total(s));
    waiters_settle(s, waits_for_walk, &err);
    if (again)
        poll_walked(s, total);
}

void walk_bridged(struct sync *s)
{
    if (s->marking)
        judge_unseen(s);
    else
        walk_end(s);
}

/* ---- stretches ---- */

static int open_stretch(struct walk *w, const struct page *page)
{
    char *top = page->count ? strdup(page->assets[0].id) : NULL;
    if (page->count && !top)
        return -ENOMEM;
    free(w->open_top);
    w->open_top = top;
    w->open_total = page->total_results;
    w->stretch_pages = 0;
    return 0;
}

/* Whether nothing was deleted below what is new on top since it was opened. */
static bool is_proven(const struct walk *w, const struct page *page)
{
    for (size_t i = 0; w->open_top && i < page->count; i++)
        if (strcmp(page->assets[i].id, w->open_top) == 0)
            return page->total_results - w->open_total == (int64_t)i;
    return false;
}

/* Page 1 ends the tape; an account that was emptied meanwhile has none. */
static int join_first_page(struct sync *s, struct page *page,
                           const struct api_answer *answer)
{
    struct held h = {.number = 1, .answer = *answer, .page = *page};
    if (page->count + page->skipped)
        return tape_join(s, &h);
    const struct slice slice = {.page = 1, .page_limit = API_PAGE_LIMIT};
    struct slice_result result;
    return slice_apply(s, &slice, page, answer, &result);
}

/* A walk goes by totals. That of page 1 must cover at least a page that is
 * full, or this page would pass for the whole list. */
static int check_total(const struct page *page)
{
    size_t count = page->count + page->skipped;
    if (page->total_results < 0)
        log_warning("the API's answer has no page_info.total_results");
    else if (count >= API_PAGE_LIMIT && (size_t)page->total_results < count)
        log_warning("the API states a total of %lld, and page 1 alone holds "
                    "%zu",
                    (long long)page->total_results, count);
    else
        return 0;
    return -EIO;
}

static void on_closing(struct sync *s, void *ctx, int err, struct page *page,
                       const struct api_answer *answer)
{
    struct walk *w = s->walk;
    w->closing = false;
    if (w->lost)
        return;
    if (!err)
        err = check_total(page);
    if (err) {
        walk_fail(s, err);
        return;
    }
    walk_heard(w, page->total_results);
    bool proven = is_proven(w, page);
    bool last = w->reach + API_PAGE_LIMIT >= w->total;
    err = open_stretch(w, page);
    if (!err && last)
        err = join_first_page(s, page, answer);
    if (!err && last)
        err = sync_flush(s);
    bridges_close(w, proven);
    if (!err && last) {
        bridges_start(s);
        return;
    }
    if (err == -EAGAIN)
        err = 0;
    w->ask_from = w->reach + 1;
    w->closings = w->reach > w->closed_reach ? 0 : w->closings + 1;
    if (!err && w->closings > CLOSINGS_MAX)
        err = -ESTALE; /* page 1 answers, and nothing between */
    w->closed_reach = w->reach;
    if (err == -ESTALE)
        walk_anew(s);
    else if (err)
        walk_fail(s, err);
    else
        pump(s);
}

/* ---- pages ---- */

static void on_page(struct sync *s, void *ctx, int err, struct page *page,
                    const struct api_answer *answer)
{
    struct walk *w = s->walk;
    struct asked *asked = ctx;
    int64_t number = asked->number;
    asked->number = 0;
    w->in_flight--;
    if (w->lost)
        return;
    if (!err && page->total_results < 0)
        err = -EIO;
    if (err) {
        walk_fail(s, err);
        return;
    }
    walk_heard(w, page->total_results);
    tape_find_bottom(w, number, page);
    if (page->count + page->skipped && w->held_count < HELD_MAX) {
        w->held[w->held_count++] = (struct held){number, *page, *answer};
        *page = (struct page){0};
    }
    err = tape_join_held(s);
    if (err == -ESTALE)
        w->anew = true;
    else if (err)
        walk_fail(s, err);
    pump(s);
}

/* The lowest position that an answer under way should bring. */
static int64_t lowest_asked(const struct walk *w)
{
    int64_t lowest = INT64_MAX;
    for (size_t i = 0; i < WALK_PARALLEL_MAX; i++)
        if (w->asked[i].number && w->asked[i].from < lowest)
            lowest = w->asked[i].from;
    for (size_t i = 0; i < w->held_count; i++)
        if (held_bottom(&w->held[i]) < lowest)
            lowest = held_bottom(&w->held[i]);
    return lowest;
}

static struct asked *free_slot(struct walk *w)
{
    for (size_t i = 0; i < WALK_PARALLEL_MAX; i++)
        if (!w->asked[i].number)
            return &w->asked[i];
    return NULL;
}

static void ask(struct sync *s, int64_t number, int64_t from)
{
    struct asked *slot = free_slot(s->walk);
    *slot = (struct asked){number, from};
    s->walk->in_flight++;
    errand_list_page(s, number, API_PAGE_LIMIT, NULL, API_WALK, API_CAUSE_WALK,
                     0, on_page, slot);
}

/* Pages that came before their turn stay in memory until it is. */
static bool holds_much(const struct walk *w)
{
    size_t bytes = 0;
    for (size_t i = 0; i < w->held_count; i++)
        for (size_t k = 0; k < w->held[i].page.count; k++)
            bytes += w->held[i].page.assets[k].json_len;
    return bytes > HELD_BYTES_MAX;
}

/* The one that all others wait for can always be asked for. */
static bool may_ask(const struct sync *s)
{
    const struct walk *w = s->walk;
    if (w->in_flight && holds_much(w))
        return false;
    return !w->paused && !w->anew && w->in_flight < s->config.walk_parallel &&
           w->in_flight < WALK_PARALLEL_MAX &&
           w->held_count + (size_t)w->in_flight < HELD_MAX &&
           w->stretch_pages + w->in_flight < STRETCH_PAGES;
}

/* Asks for the pages from one position to another, page 1 apart; answers the
 * position that comes next. */
static int64_t ask_range(struct sync *s, int64_t from, int64_t end)
{
    struct walk *w = s->walk;
    while (from <= w->total && from < end && may_ask(s)) {
        int64_t number = page_of(w, from);
        if (number <= 1 || !walk_may_spend(w))
            break;
        ask(s, number, from);
        from = w->total - (number - 1) * API_PAGE_LIMIT + 1;
    }
    return from;
}

/* Asks for what comes next. Page 1 closes the stretch once all else is in. */
static void pump(struct sync *s)
{
    struct walk *w = s->walk;
    int64_t lowest = lowest_asked(w);
    if (lowest == INT64_MAX)
        w->ask_from = w->reach + 1;
    else
        (void)ask_range(s, w->reach + 1, lowest); /* a gap, if any */
    w->ask_from = ask_range(s, w->ask_from, INT64_MAX);
    if (w->in_flight || w->closing || w->paused)
        return;
    if (w->anew) {
        walk_anew(s);
        return;
    }
    (void)walk_may_spend(w);
    w->closing = true;
    errand_list_page(s, 1, API_PAGE_LIMIT, NULL, API_WALK, API_CAUSE_WALK, 0,
                     on_closing, NULL);
}

/* ---- begin ---- */

static void become_ready(struct sync *s)
{
    if (s->ready)
        return;
    s->ready = true;
    waiters_answer(s, &s->ready, 0);
}

static int begin_marking(struct sync *s)
{
    struct catalogue_reader *r = catalogue_reader_acquire(s->catalogue);
    if (!r)
        return -ENOMEM;
    s->marking = catalogue_total(r) > 0;
    catalogue_reader_release(r);
    return s->marking ? catalogue_mark_begin(s->catalogue) : 0;
}

static void on_first(struct sync *s, void *ctx, int err, struct page *page,
                     const struct api_answer *answer)
{
    struct walk *w = s->walk;
    if (!err)
        err = check_total(page);
    if (!err)
        err = begin_marking(s);
    if (!err)
        err = open_stretch(w, page);
    if (err) {
        walk_fail(s, err);
        return;
    }
    w->opened = true;
    walk_heard(w, page->total_results);
    w->ask_from = 1;
    {
        guard_mutex(&s->lock);
        s->status.total = w->total;
        s->status.walked = 0;
    }
    become_ready(s);
    if (w->total > (int64_t)(page->count + page->skipped)) {
        pump(s);
        return;
    }
    const struct slice slice = {
        .page = 1, .page_limit = API_PAGE_LIMIT, .named = true};
    struct slice_result result;
    err = slice_apply(s, &slice, page, answer, &result);
    if (err) {
        walk_fail(s, err);
        return;
    }
    w->holes = (int64_t)(page->skipped + result.lost);
    w->tape_top_s = result.top_s;
    walk_bridged(s);
}

/* Begins a walk, or takes up one that paused. */
void walk_start(struct sync *s)
{
    s->walk_at_ms = CLOCK_NEVER_MS;
    if (s->walk && s->walk->lost) {
        if (s->walk->in_flight || s->walk->closing) {
            s->walk_at_ms = clock_mono_ms() + PAUSE_FIRST_MS;
            return;
        }
        walk_done(s);
    }
    if (!s->walk)
        s->walk = calloc(1, sizeof(*s->walk));
    if (!s->walk) {
        pause_walk(s, &s->walk_pause_ms, PAUSE_MAX_MS);
        poll_walk_failed(s, -ENOMEM);
        return;
    }
    struct walk *w = s->walk;
    w->paused = false;
    if (!w->opened) {
        errand_list_page(s, 1, API_PAGE_LIMIT, NULL, API_WALK, API_CAUSE_WALK,
                         0, on_first, NULL);
    } else if (w->judging) {
        judge_unseen(s);
    } else if (w->bridging) {
        bridges_start(s);
    } else {
        w->ask_from = w->reach + 1;
        pump(s);
    }
}

bool walk_is_due(const struct sync *s)
{
    return s->walk || s->walk_at_ms != CLOCK_NEVER_MS;
}

void walk_done(struct sync *s)
{
    if (s->walk)
        walk_free(s->walk);
    s->walk = NULL;
}
