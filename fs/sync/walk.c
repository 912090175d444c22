/* SPDX-License-Identifier: MIT */
/*
 * walk.c - reads the list from a foot to its top: the whole list, once, or all
 * that is new since the list was last known to be whole, where that is more
 * than a page or so. Nothing that stood throughout is missing in the end.
 *
 * The foot is the list's end, or the second down to which nothing is missing.
 * Where it is, is found out by looking (locate.c): at which offset the list
 * passes that second, or ends, with the page after that empty. Positions count
 * from the foot (1 is the oldest asset above it): there a creation on top
 * moves nothing. An asset's position by an answer is how many stand above the
 * foot less the asset's offset; that number moves as the answers' totals do.
 * The walk reads from the foot upwards, several pages at once, and commits
 * strictly in order: row order is creation order, and names are final when
 * shown.
 *
 * What was committed so far is the prefix. Invariants:
 *
 *  1. Between two neighbours of the prefix nothing is missing that stood
 *     throughout: one answer held the seconds of both and what lies
 *     between, or there is a border.
 *  2. A page joins the prefix where it reaches below its top, or shares an
 *     asset with it, or where by its position it begins right above. A page
 *     that by position should share an asset and doesn't shows that something
 *     older is gone: the walk steps back.
 *  3. A stretch of the walk begins and ends with a look at the foot and at
 *     page 1. Where the foot has moved by just as much as is new on top,
 *     nothing was deleted meanwhile (walk_close.c). So the borders of the
 *     stretch are good if the numbers are: then nothing but a deletion could
 *     hide what is missing. Borders of other stretches are kept, and so are
 *     those at which assets are known that neither page showed.
 *  4. In the end as many assets must be known as stand above the foot, and each
 *     border that was kept must be seen within one answer: verify.c. Numbers
 *     that led there may have come by totals that were wrong: so after a
 *     verification the foot and page 1 are looked at once more, and the walk
 *     isn't through while fewer are known than were seen to be there.
 *
 * The walk is through when the prefix reaches page 1, and all is verified. What
 * happened later is the next poll's.
 */
#include "sync/walk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/failpoint.h"

#define PAUSE_FIRST_MS    1000
#define PAUSE_MAX_MS      60000   /* after an error */
#define RESTART_MAX_MS    3600000 /* after a walk in vain */
#define RESTART_WAITED_MS 5000    /* … that somebody waits for */
#define SPARE_REQUESTS    200     /* beside three times the pages */
#define VERIFIED_MAX      3       /* in vain, before it restarts */
#define RECOUNTS_MAX      8      /* verifications after which fewer are known */
#define REWALK_EVERY_MS   600000 /* at most, beside rpm, … */
#define PAGE_MS           1000   /* … and for each of its pages so long */
#define REWALK_PATIENCE   4      /* timeouts for a request that is paced */
#define BESIDE_SPARE      30     /* of a growth, beside three for each page */
#define GROWTH_SMALL      12 /* pages that a growth may have, to keep to it */

static void walk_free(struct walk *w)
{
    for (size_t i = 0; i < w->buffered_count; i++)
        page_done(&w->buffered[i].page);
    free(w->open_top);
    prefix_done(w);
    free(w);
}

static bool walk_waits_for_walk(struct sync *s, struct waiter *w, void *ctx,
                                int *ret_err)
{
    *ret_err = *(int *)ctx;
    return w->begun && !w->owner;
}

/* Each pause is twice the one before it. */
static void walk_pause_walk(struct sync *s, int64_t *pause_ms, int64_t max_ms)
{
    if (*pause_ms < PAUSE_FIRST_MS)
        *pause_ms = PAUSE_FIRST_MS;
    s->walks.failed_ms = clock_mono_ms();
    s->walks.at_ms = s->walks.failed_ms + *pause_ms;
    *pause_ms = *pause_ms * 2 < max_ms ? *pause_ms * 2 : max_ms;
}

void walk_heard(struct walk *w, const struct page *page)
{
    w->count = extent_at(&w->extent, page);
    if (w->count > w->largest)
        w->largest = w->count;
}

bool walk_may_spend(struct walk *w)
{
    if (w->requests++ < SPARE_REQUESTS + 3 * (w->largest / API_PAGE_LIMIT))
        return true;
    w->restart = true;
    return false;
}

/* What is new in bulk is read beside rpm once: whatever that doesn't settle,
 * within it. */
static int64_t walk_beside_left(struct walk *w)
{
    if (walk_is_whole(w))
        return INT64_MAX;
    int64_t left =
        BESIDE_SPARE + 3 * (w->largest / API_PAGE_LIMIT) - w->requests;
    if (left <= 0 && w->lane == API_WALK)
        w->lane = API_REWALK;
    return left > 0 ? left : 0;
}

void walk_ask(struct sync *s, int64_t number, int limit, request_fn *fn,
              void *ctx)
{
    struct walk *w = s->walk;
    int64_t deadline_ms = 0;
    (void)walk_beside_left(w);
    if (w->lane == API_REWALK)
        deadline_ms = clock_mono_ms() + REWALK_PATIENCE * s->config.timeout_ms;
    w->in_flight++;
    request_page(s, number, limit, NULL, w->lane, w->cause, deadline_ms, fn,
                 ctx);
}

/* Lets everybody know; the walk itself goes on after a pause, which grows. */
static void walk_pause_after(struct sync *s, int err)
{
    struct walk *w = s->walk;
    sync_note_error(s, err);
    if (!s->ready) {
        s->ready_err = err;
        waiters_answer(s, &s->ready, err);
    }
    waiters_settle(s, walk_waits_for_walk, &err);
    poll_walk_failed(s, err);
    if (!w->paused) {
        log_warning("reading the whole list pauses: %s", strerror(-err));
        walk_pause_walk(s, &s->walks.retry_ms, PAUSE_MAX_MS);
    }
    w->paused = true;
}

void walk_fail(struct sync *s, int err)
{
    struct walk *w = s->walk;
    if (!walk_is_whole(w)) {
        if (!w->err)
            w->err = err;
    } else if (err == -ESHUTDOWN) {
        w->paused = true; /* whatever comes home starts nothing more */
    } else {
        walk_pause_after(s, err);
    }
}

void walk_lost(struct sync *s, int err)
{
    s->walk->lost = true;
    walk_fail(s, err);
}

void walk_retry_soon(struct sync *s)
{
    int64_t at_ms =
        s->walks.failed_ms + (s->walk ? PAUSE_FIRST_MS : RESTART_WAITED_MS);
    if (s->walks.at_ms != CLOCK_NEVER_MS && at_ms < s->walks.at_ms)
        s->walks.at_ms = at_ms;
}

bool walk_is_backing_off(const struct sync *s)
{
    return !s->walk && s->walks.at_ms != CLOCK_NEVER_MS &&
           s->walks.at_ms - clock_mono_ms() > RESTART_WAITED_MS;
}

/* Whoever waits for the list hears that it can't be had: it isn't known
 * whether what is there is all. */
static void walk_restart_later(struct sync *s)
{
    int err = -EIO;
    log_warning("the list contradicts itself; it is read again in %lld s",
                (long long)(s->walks.restart_ms + 999) / 1000);
    walk_done(s);
    sync_note_error(s, err);
    walk_pause_walk(s, &s->walks.restart_ms, RESTART_MAX_MS);
    if (!walk_is_backing_off(s))
        return;
    waiters_settle(s, walk_waits_for_walk, &err);
    poll_walk_failed(s, err);
}

static void walk_end_growth(struct sync *s, int err)
{
    int64_t total = s->walk->total;
    int64_t top_s = s->walk->top_s;
    s->account.unreadable += s->walk->unreadable;
    s->walks.growths_in_vain = err ? s->walks.growths_in_vain + 1 : 0;
    walk_done(s);
    poll_grown(s, err, total, top_s);
}

bool walk_ended(struct sync *s)
{
    struct walk *w = s->walk;
    if (w->in_flight || (!w->err && !w->restart))
        return false;
    if (!walk_is_whole(w))
        walk_end_growth(s, w->err ? w->err : -ESTALE);
    else if (!w->paused)
        walk_restart_later(s);
    return true;
}

static int walk_note_state(struct sync *s, int64_t now_s)
{
    struct catalogue *c = s->catalogue;
    int err = catalogue_name_all(c);
    if (!err)
        err = catalogue_state_set(c, "complete", 1);
    if (!err)
        err = catalogue_state_set(c, "polled_s", now_s);
    if (!err)
        err = catalogue_state_set(c, "holes", s->account.unreadable);
    if (!err)
        err = catalogue_state_set(c, "linked_s", s->walk->top_s);
    return err ? err : account_save(s);
}

static int walk_note_complete(struct sync *s)
{
    int64_t now_s = clock_wall_s();
    int err = sync_begin(s);
    if (!err)
        err = sync_end(s, walk_note_state(s, now_s));
    if (err)
        return err;
    s->account.linked_s = s->walk->top_s;
    int64_t known = account_known(s);
    guard_mutex(&s->lock);
    s->status.walks++;
    s->status.polled_s = now_s;
    s->status.walked = s->status.total = known;
    s->status.missing = 0;
    s->status.stated_total = s->account.extent.total;
    s->status.counted_total = s->account.extent.count;
    s->status.last_error = 0;
    return 0;
}

/* Elements of the list that are no assets, of which overlapping pages may have
 * told twice. */
static void walk_note_unreadable(struct sync *s, const struct extent *extent)
{
    int64_t apart = extent->count - account_known(s) + s->account.unreadable;
    s->account.unreadable = apart < 0                     ? 0
                            : apart < s->walk->unreadable ? apart
                                                          : s->walk->unreadable;
}

static void walk_end(struct sync *s)
{
    int64_t total = s->walk->total;
    if (!walk_is_whole(s->walk)) {
        walk_end_growth(s, 0);
        return;
    }
    int err = walk_note_complete(s);
    if (err) {
        walk_fail(s, err);
        return;
    }
    bool again = s->complete;
    if (s->account.unreadable)
        log_warning("not shown, since it cannot be read as an asset: %lld "
                    "of the list's elements",
                    (long long)s->account.unreadable);
    walk_done(s);
    s->walks.retry_ms = s->walks.restart_ms = PAUSE_FIRST_MS;
    s->complete = true;
    poll_postpone(s);
    sweep_postpone(s);
    sweep_note_bound(s, account_known(s));
    waiters_settle(s, walk_waits_for_walk, &err);
    if (again)
        poll_walked(s, total);
}

/* Where a verification saw the list end is where to look for the foot from now
 * on: what was heard before may be wrong, and totals that aren't believed don't
 * mend it. */
static void walk_take_extent(struct walk *w, const struct extent *extent)
{
    if (extent->count < 0)
        return;
    w->extent.count = w->count = extent->count;
    w->extent.total = w->distrust ? -1 : extent->total;
    if (w->count > w->largest)
        w->largest = w->count;
}

static void walk_on_verified(struct sync *s, int err,
                             const struct extent *extent, int64_t requests)
{
    struct walk *w = s->walk;
    walk_take_extent(w, extent);
    if (!walk_is_whole(w))
        w->requests += requests;
    if (!err && walk_is_whole(w)) {
        walk_note_unreadable(s, extent);
        s->account.extent = *extent;
    }
    if (!err && !w->measured) {
        walk_end(s); /* nothing had to be found out */
        return;
    }
    /* Once all was settled, what doesn't agree is what changed since. */
    if ((!err || (w->settled && err == -EAGAIN)) &&
        w->recounts++ < RECOUNTS_MAX) {
        w->settled = true;
        w->border_count = w->borders_proven = 0;
        walk_close(s);
        return;
    }
    /* Nor does it agree while the account changes under it. */
    if (err == -EAGAIN && s->account.changes != w->changes &&
        w->recounts++ < RECOUNTS_MAX) {
        walk_verify(s);
        return;
    }
    if (!err)
        err = -EAGAIN;
    w->recounts = 0;
    if (err != -EAGAIN && err != -ESTALE) {
        walk_fail(s, err);
    } else if (!walk_is_whole(w) || ++w->verified >= VERIFIED_MAX) {
        w->restart = true;
    } else {
        log_warning("the list's pages don't agree: %lld assets are known, and "
                    "%lld seem to be there",
                    (long long)account_known(s), (long long)extent->count);
        walk_fail(s, -EIO);
    }
    (void)walk_ended(s);
}

/* Known assets above the foot. */
static int walk_count_known(struct sync *s, int64_t *ret_known)
{
    struct walk *w = s->walk;
    int64_t older = 0;
    struct catalogue_reader *r = catalogue_reader_acquire(s->catalogue);
    if (!r)
        return -ENOMEM;
    int err =
        walk_is_whole(w) ? 0 : catalogue_rank(r, w->foot_s, INT64_MAX, &older);
    if (!err)
        *ret_known = catalogue_total(r) - older;
    catalogue_reader_release(r);
    return err;
}

/* Where nothing went, and as many are known as stand there, no border hides
 * anything. */
static void walk_drop_borders(struct walk *w, bool all_known)
{
    size_t kept = 0;
    for (size_t i = 0; i < w->border_count; i++)
        if (w->borders[i].suspect || (!w->borders[i].good && !all_known))
            w->borders[kept++] = w->borders[i];
    w->border_count = kept;
}

void walk_verify(struct sync *s)
{
    struct walk *w = s->walk;
    if (failpoint("skipped_page")) {
        walk_end(s); /* or it would be found */
        return;
    }
    int64_t known = 0;
    int err = sync_flush(s);
    if (!err)
        err = walk_count_known(s, &known);
    if (err) {
        walk_fail(s, err);
        (void)walk_ended(s);
        return;
    }
    bool closed = w->phase != WALK_VERIFYING;
    if (closed && w->settled && w->foot_now >= 0 &&
        known + w->unreadable >= w->foot_now) {
        walk_end(s);
        return;
    }
    bool agrees = w->proven && known + w->unreadable == w->foot_now;
    w->measured = !agrees || !closed;
    if (closed)
        walk_drop_borders(w, agrees && w->all_proven);
    int64_t beside_max = walk_beside_left(w);
    struct verify_task task = {.foot_s = w->foot_s,
                               .borders = w->borders,
                               .border_count = w->border_count,
                               .unreadable = w->unreadable,
                               .extent = w->extent,
                               .guess = w->count,
                               .after_walk = true,
                               .no_totals = w->distrust || w->verified > 0,
                               .lane = w->lane,
                               .beside_max = beside_max,
                               .cause = w->cause,
                               .on_end = walk_on_verified};
    if (w->measured)
        task.extent.count = -1; /* looks for itself */
    w->phase = WALK_VERIFYING;
    w->changes = s->account.changes;
    verify_start(s, &task);
}

static void walk_become_ready(struct sync *s)
{
    if (s->ready)
        return;
    s->ready = true;
    waiters_answer(s, &s->ready, 0);
}

static int walk_note_known(struct sync *s, struct walk *w)
{
    struct catalogue_reader *r = catalogue_reader_acquire(s->catalogue);
    if (!r)
        return -ENOMEM;
    w->over_known = catalogue_total(r) > 0;
    catalogue_reader_release(r);
    return 0;
}

static void walk_on_opening(struct sync *s, void *ctx, int err,
                            struct page *page, const struct api_answer *answer)
{
    struct walk *w = s->walk;
    w->in_flight--;
    if (!err)
        err = walk_note_known(s, w);
    if (!err)
        err = walk_open(s, page, answer, page->total_results);
    if (err) {
        walk_fail(s, err);
        return;
    }
    int64_t total = page->total_results;
    walk_buffer(w, 1, page, answer);
    {
        guard_mutex(&s->lock);
        s->status.total = total;
        s->status.walked = 0;
    }
    walk_become_ready(s);
    walk_locate(s);
}

/* Beside rpm goes what people wait for; and reading a known account again,
 * now and then: no more, over time, than a page a second. */
static enum api_lane walk_choose_lane(struct sync *s)
{
    int64_t now_ms = clock_mono_ms();
    int64_t pages = s->account.extent.count / API_PAGE_LIMIT;
    if (s->complete && !poll_is_waited_for(s)) {
        if (now_ms < s->walks.rewalk_at_ms)
            return API_REWALK;
        s->walks.rewalk_at_ms =
            now_ms + (pages * PAGE_MS > REWALK_EVERY_MS ? pages * PAGE_MS
                                                        : REWALK_EVERY_MS);
    }
    return API_WALK;
}

static int walk_begin_walk(struct sync *s)
{
    struct walk *w = calloc(1, sizeof(*w));
    if (!w)
        return -ENOMEM;
    w->foot_s = INT64_MIN;
    w->foot_now = w->open_foot = -1;
    w->all_proven = true;
    w->lane = walk_choose_lane(s);
    w->cause = API_CAUSE_WALK;
    s->walk = w;
    return 0;
}

static void walk_take_up(struct sync *s)
{
    struct walk *w = s->walk;
    w->paused = false;
    switch (w->phase) {
    case WALK_LOCATING:
        while (w->buffered_count)
            walk_drop(w, 0);
        w->phase = WALK_OPENING;
        /* fall through */
    case WALK_OPENING:
        walk_ask(s, 1, API_PAGE_LIMIT, walk_on_opening, NULL);
        break;
    case WALK_READING:
    case WALK_FOOT:
    case WALK_TOP:
        w->phase = WALK_READING;
        w->ask_from = w->reach + 1;
        walk_pump(s);
        break;
    case WALK_VERIFYING:
        walk_verify(s);
        break;
    }
}

/* Begins a walk, or takes up one that paused. */
void walk_start(struct sync *s)
{
    s->walks.at_ms = CLOCK_NEVER_MS;
    if (s->walk && s->walk->lost) {
        if (s->walk->in_flight || s->verify) {
            s->walks.at_ms = clock_mono_ms() + PAUSE_FIRST_MS;
            return;
        }
        walk_done(s);
    }
    int err = s->walk ? 0 : walk_begin_walk(s);
    if (err) {
        walk_pause_walk(s, &s->walks.retry_ms, PAUSE_MAX_MS);
        poll_walk_failed(s, err);
        return;
    }
    walk_take_up(s);
}

int walk_grow(struct sync *s, const struct page *page,
              const struct api_answer *answer, int64_t guess,
              enum api_lane lane)
{
    struct walk *w = calloc(1, sizeof(*w));
    if (!w)
        return -ENOMEM;
    s->walk = w;
    w->foot_s = s->account.linked_s ? s->account.linked_s : INT64_MIN + 1;
    w->over_known = true;
    w->foot_now = w->open_foot = -1;
    w->all_proven = true;
    w->lane =
        guess > (int64_t)GROWTH_SMALL * API_PAGE_LIMIT && lane == API_BACKGROUND
            ? s->walks.growths_in_vain ? API_REWALK : API_WALK
            : lane;
    w->cause = API_CAUSE_POLL;
    int err = walk_open(s, page, answer, guess);
    if (err)
        walk_done(s);
    else
        walk_locate(s);
    return err;
}

bool walk_has_unreadable(const struct sync *s)
{
    return s->walk && s->walk->unreadable;
}

void walk_hurry(struct sync *s)
{
    if (!s->walk || s->walk->lane != API_REWALK)
        return;
    s->walk->lane = API_WALK;
    if (s->verify)
        s->verify->task.lane = API_WALK;
}

bool walk_is_due(const struct sync *s)
{
    return s->walk || s->walks.at_ms != CLOCK_NEVER_MS;
}

void walk_done(struct sync *s)
{
    if (s->walk)
        walk_free(s->walk);
    s->walk = NULL;
}

int64_t walk_due_ms(const struct sync *s)
{
    return s->walks.at_ms;
}

void walk_run_due(struct sync *s, int64_t now_ms)
{
    if (now_ms >= s->walks.at_ms)
        walk_start(s);
}
