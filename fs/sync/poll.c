/* SPDX-License-Identifier: MIT */
/*
 * poll.c - what is new, and whether anything is gone, for one request.
 *
 * Page 1 shows what was created. Where it reaches down to a known asset, no
 * newer than where the list was last known to be whole, it shows all of it:
 * above that a known one may stand alone, brought by its id, or by a poll that
 * was broken off. Else what is new is read by a walk of its own, many pages at
 * once, and the poll waits for it.
 *
 * Then the account's total must be what the catalogue counts. Where it isn't,
 * or where none is stated, or the last one was wrong, the list's end is looked
 * at (one more request), and what differs is found by verify.c, or by a walk
 * where that costs less. Last come the unfinished assets that page 1 didn't
 * show.
 *
 * What changes while a verification is under way may hide from it what had
 * changed before. So it is another round until one finds the account at rest;
 * or until the rounds have cost what a walk does: a walk that begins after the
 * poll is right whatever moves. A poll is done when it compared equal, or was
 * walked, and any other one says that it failed, so that what is shown is known
 * to be stale: one that ran out of rounds, and one that passed over a
 * verification, since several in vain are followed by ever longer rests. Who
 * asks for a poll is never told so without a try.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "sync/sync_internal.h"
#include "sync/verify.h"

#define BACKOFF_DOUBLINGS 4  /* at most 16 polls between two verifications */
#define FAILURES_WALK     3  /* in a row, until the whole list is read */
#define WRONG_TOTALS_MAX  2  /* totals that led to nothing, in a row */
#define JITTER_PARTS      20 /* early by a twentieth at most, not late */
#define ROUNDS_MAX        32 /* of one poll, while the account changes, … */
#define ROUND_PAGES                                                            \
    20              /* … if a walk costs more than so many pages for each    \
                     */
#define GONE_MAX 50 /* more at once on page 1's word want a second look */

struct poll {
    uint64_t number;
    enum api_lane lane;
    int64_t top_s;    /* newest second that was read */
    int64_t bottom_s; /* what is newer was read just now */
    bool linked;      /* the reading went down to what is whole */
    bool confirmed;   /* that much is gone from the top */
    bool walking;     /* waits for a walk … */
    bool own_walk;    /* … that began after it */
    int rounds;
    int err;          /* it isn't fresh in the end, whatever else went well */
    uint64_t changes; /* s->account.changes before a verification or walk */
};

static bool poll_is_answered_by(struct sync *s, struct waiter *w, void *ctx,
                                int *ret_err)
{
    *ret_err = *(int *)ctx;
    return w->want == SYNC_POLL && w->begun && w->poll &&
           w->poll <= s->polls.number;
}

/* Whoever asked before a poll begins is answered by it. */
static bool poll_is_attached(struct sync *s, struct waiter *w, void *ctx,
                             int *ret_err)
{
    if (w->want == SYNC_POLL && w->begun && !w->poll) {
        w->poll = s->polls.number;
        *(bool *)ctx = true;
    }
    return false;
}

static int poll_note_polled(struct sync *s)
{
    int64_t now_s = clock_wall_s();
    int err = sync_begin(s);
    if (err)
        return err;
    err = catalogue_state_set(s->catalogue, "polled_s", now_s);
    if (!err && s->poll->linked)
        err = catalogue_state_set(s->catalogue, "linked_s", s->poll->top_s);
    if (!err)
        err = account_save(s);
    err = sync_end(s, err);
    if (err)
        return err;
    if (s->poll->linked)
        s->account.linked_s = s->poll->top_s;
    int64_t known = account_known(s);
    guard_mutex(&s->lock);
    s->status.polled_s = now_s;
    s->status.polls++;
    s->status.last_error = 0;
    s->status.walked = known;
    s->status.total = known + s->status.missing;
    return 0;
}

static void poll_end(struct sync *s, int err)
{
    if (!err)
        err = poll_note_polled(s);
    if (err && err != -ECANCELED && err != -ESHUTDOWN) {
        guard_mutex(&s->lock);
        if (s->status.last_error != err)
            log_warning("a poll failed, what is known is served: %s",
                        strerror(-err));
        s->status.last_error = err;
    }
    free(s->poll);
    s->poll = NULL;
    waiters_settle(s, poll_is_answered_by, &err);
}

static void poll_on_unfinished(struct sync *s, int err)
{
    poll_end(s, err ? err : s->poll->err);
}

static void poll_read_unfinished(struct sync *s)
{
    unfinished_start(s, s->poll->bottom_s, s->poll->lane, poll_on_unfinished);
}

static void poll_ask_page(struct sync *s);

static void poll_walk_instead(struct sync *s);

/* While it was looked elsewhere something else may have gone, and something
 * come on top, so that not even the total tells. Page 1 does: where it shows
 * nothing new, and the total that it should, all stood still. Where nothing was
 * found at all, and as many are known as were counted, another round won't find
 * more. */
static void poll_settled(struct sync *s, bool agrees)
{
    struct poll *p = s->poll;
    int64_t pages = s->account.extent.count / API_PAGE_LIMIT;
    if (s->account.changes == p->changes && agrees) {
        poll_read_unfinished(s);
    } else if (++p->rounds >= ROUNDS_MAX) {
        p->err = -EAGAIN;
        poll_read_unfinished(s);
    } else if (p->rounds * ROUND_PAGES >= pages + 2 * ROUND_PAGES) {
        poll_walk_instead(s);
    } else {
        poll_ask_page(s);
    }
}

void poll_walked(struct sync *s, int64_t total)
{
    if (!s->poll || !s->poll->walking)
        return;
    s->poll->walking = false;
    account_note_missing(s, 0);
    account_note_total(s, total);
    if (s->poll->own_walk)
        poll_read_unfinished(s);
    else
        poll_settled(s, true);
}

bool poll_is_waited_for(const struct sync *s)
{
    return s->poll && s->poll->lane == API_FOREGROUND;
}

static bool poll_is_poll(struct sync *s, struct waiter *w, void *ctx,
                         int *ret_err)
{
    *ret_err = *(int *)ctx;
    return w->want == SYNC_POLL && w->begun;
}

/* The walk goes on later. Polls do meanwhile; before the first walk is through
 * there are none, and who wants one hears why. */
void poll_walk_failed(struct sync *s, int err)
{
    if (!s->complete)
        waiters_settle(s, poll_is_poll, &err);
    else if (s->poll && s->poll->walking)
        poll_end(s, err);
}

/* The whole list has to be read: by the walk that is under way or due, or by a
 * new one; but while it is slept over that some were in vain there is none
 * unless somebody waits for it, and the poll is one that failed. */
static void poll_walk_instead(struct sync *s)
{
    if (poll_is_waited_for(s))
        walk_retry_soon(s);
    if (walk_is_backing_off(s)) {
        s->poll->err = -EIO;
        poll_read_unfinished(s);
        return;
    }
    s->poll->walking = true;
    s->poll->own_walk = !s->walk;
    if (!walk_is_due(s))
        walk_start(s);
    else
        walk_retry_soon(s);
}

/* The answers don't agree with each other: perhaps the next ones will. */
static void poll_disagrees(struct sync *s)
{
    if (++s->polls.failures >= FAILURES_WALK &&
        s->polls.failures % FAILURES_WALK == 0) {
        log_info("the list's pages don't agree; reading it all again");
        poll_walk_instead(s);
        return;
    }
    unsigned doublings = s->polls.failures < BACKOFF_DOUBLINGS
                             ? s->polls.failures
                             : BACKOFF_DOUBLINGS;
    s->polls.backoff_until = s->polls.number + (UINT64_C(1) << doublings) - 1;
    s->poll->err = -EIO;
    poll_read_unfinished(s);
}

static void poll_agrees(struct sync *s)
{
    s->polls.failures = 0;
    s->polls.backoff_until = 0;
    account_note_missing(s, 0);
}

/* What can't be read as an asset may have gone, too. */
static void poll_note_found(struct sync *s, const struct extent *extent)
{
    int64_t apart = extent->count - account_known(s) + s->account.unreadable;
    if (apart < s->account.unreadable)
        s->account.unreadable = apart > 0 ? apart : 0;
    s->account.extent = *extent;
}

static void poll_on_verified(struct sync *s, int err,
                             const struct extent *extent)
{
    if (err == -ESTALE) {
        log_info("the account is not as predicted; reading it all again");
        poll_walk_instead(s);
    } else if (err == -EAGAIN) {
        poll_disagrees(s);
    } else if (err) {
        poll_end(s, err);
    } else {
        s->polls.wrong_totals = s->account.changes == s->poll->changes
                                    ? s->polls.wrong_totals + 1
                                    : 0;
        poll_note_found(s, extent);
        account_note_total(s, extent->total);
        poll_agrees(s);
        poll_settled(s, account_known(s) == extent->count);
    }
}

static void poll_verify_all(struct sync *s, int64_t guess)
{
    const struct verify_task task = {.foot_s = INT64_MIN,
                                     .unreadable = s->account.unreadable,
                                     .extent = {-1, -1},
                                     .guess = guess,
                                     .no_totals = s->polls.failures > 0,
                                     .lane = s->poll->lane,
                                     .cause = API_CAUSE_VERIFY,
                                     .on_end = poll_on_verified};
    {
        guard_mutex(&s->lock);
        s->status.searches++;
    }
    verify_start(s, &task);
}

/* The catalogue against the account's total. */
static void poll_compare(struct sync *s, int64_t total)
{
    int64_t known = account_known(s);
    const struct page page = {.total_results = total};
    int64_t expected = extent_at(&s->account.extent, &page);
    /* One that was wrong by some number may be one that never moves. */
    bool believed =
        total >= 0 && s->account.extent.total == s->account.extent.count;
    s->poll->changes = s->account.changes;
    if (believed && known == expected)
        s->account.extent = (struct extent){known, total};
    account_note_total(s, total);
    if (known < 0) {
        poll_end(s, (int)known);
    } else if (believed && known == expected) {
        poll_agrees(s);
        poll_read_unfinished(s);
    } else if (s->polls.number < s->polls.backoff_until &&
               !poll_is_waited_for(s)) {
        account_note_missing(s, expected - known);
        s->poll->err = -EIO;
        poll_read_unfinished(s);
    } else if (walk_is_due(s) || s->account.unreadable) {
        /* Elements that can't be read stand anywhere: what is gone could be
         * taken for one of them, unless each page is looked at. */
        poll_walk_instead(s);
    } else {
        poll_verify_all(s, believed && s->polls.wrong_totals < WRONG_TOTALS_MAX
                               ? expected
                               : known);
    }
}

/* How many known assets are newer than a second; counted from that end. */
static int poll_count_newer(struct sync *s, int64_t second, int64_t *ret_newer)
{
    int64_t rank = 0;
    struct catalogue_reader *r = catalogue_reader_acquire(s->catalogue);
    if (!r)
        return -ENOMEM;
    int err = catalogue_rank(r, second, INT64_MAX, &rank);
    *ret_newer = catalogue_total(r) - rank;
    catalogue_reader_release(r);
    return err;
}

static int poll_is_known(struct sync *s, const char *id, bool *ret_known)
{
    struct catalogue_entry entry;
    struct catalogue_reader *r = catalogue_reader_acquire(s->catalogue);
    if (!r)
        return -ENOMEM;
    int err = catalogue_get_by_id(r, id, &entry);
    catalogue_reader_release(r);
    *ret_known = !err;
    return err == -ENOENT ? 0 : err;
}

/* Whether page 1 shows all that is new. */
static int poll_links(struct sync *s, const struct page *page, bool *ret_links)
{
    *ret_links = page->count + page->skipped < API_PAGE_LIMIT;
    if (*ret_links || !page->count)
        return 0;
    bool known;
    bool ordered = true;
    for (size_t i = 1; i < page->count; i++)
        ordered &= page->assets[i - 1].created_s >= page->assets[i].created_s;
    const struct asset *last = &page->assets[page->count - 1];
    int err = poll_is_known(s, last->id, &known);
    *ret_links = !err && known &&
                 (!s->account.linked_s || !ordered ||
                  last->created_s <= s->account.linked_s);
    return err;
}

static int poll_grow(struct sync *s, const struct page *page,
                     const struct api_answer *answer)
{
    int64_t above = 0;
    int64_t known = account_known(s);
    int err = known < 0 ? (int)known
                        : poll_count_newer(s, s->account.linked_s, &above);
    if (err)
        return err;
    if (walk_is_due(s)) {
        poll_walk_instead(s);
        return 0;
    }
    int64_t guess = extent_at(&s->account.extent, page) - known + above;
    account_note_missing(s, guess > above ? guess - above : API_PAGE_LIMIT);
    return walk_grow(s, page, answer, guess, s->poll->lane);
}

void poll_grown(struct sync *s, int err, int64_t total, int64_t top_s)
{
    struct poll *p = s->poll;
    if (err == -ESTALE) {
        poll_disagrees(s);
        return;
    }
    if (err) {
        poll_end(s, err);
        return;
    }
    p->linked = true;
    p->bottom_s = s->account.linked_s;
    p->top_s = top_s;
    account_note_missing(s, 0);
    poll_compare(s, total);
}

/* Whether an answer takes away so much that it wants a second look. */
static int poll_wants_confirmation(struct sync *s, const struct page *page,
                                   bool *ret_wants)
{
    int64_t newer = 0;
    *ret_wants = false;
    if (s->poll->confirmed || !page->count)
        return 0;
    int err = poll_count_newer(s, page->assets[0].created_s, &newer);
    *ret_wants = s->poll->confirmed = !err && newer > GONE_MAX;
    return err;
}

static int poll_take_first(struct sync *s, struct page *page,
                           const struct api_answer *answer)
{
    struct poll *p = s->poll;
    const struct apply_options options = {
        .page = 1, .page_limit = API_PAGE_LIMIT, .named = true};
    struct apply_result result = {0};
    int err = apply_page(s, &options, page, answer, &result);
    if (err)
        return err;
    p->linked = true;
    p->top_s = result.top_s;
    p->bottom_s = page->count ? result.bottom_s : INT64_MAX;
    return 0;
}

static void poll_on_page(struct sync *s, void *ctx, int err, struct page *page,
                         const struct api_answer *answer)
{
    bool again = false;
    bool linked = false;
    if (!err)
        err = poll_wants_confirmation(s, page, &again);
    if (!err && again) {
        poll_ask_page(s);
        return;
    }
    if (!err)
        err = poll_links(s, page, &linked);
    if (!err && linked) {
        int64_t total = page->total_results;
        err = poll_take_first(s, page, answer);
        if (!err) {
            poll_compare(s, total);
            return;
        }
    } else if (!err) {
        err = poll_grow(s, page, answer);
    }
    if (err)
        poll_end(s, err);
}

static void poll_ask_page(struct sync *s)
{
    request_page(s, 1, API_PAGE_LIMIT, NULL, s->poll->lane, API_CAUSE_POLL, 0,
                 poll_on_page, NULL);
}

static void poll_start(struct sync *s)
{
    struct poll *p = calloc(1, sizeof(*p));
    if (!p)
        return; /* the next one is due soon */
    bool somebody_waits = false;
    s->poll = p;
    p->number = ++s->polls.number;
    p->bottom_s = INT64_MAX;
    waiters_settle(s, poll_is_attached, &somebody_waits);
    p->lane = somebody_waits ? API_FOREGROUND : API_BACKGROUND;
    poll_ask_page(s);
}

static int64_t poll_jittered(int64_t ms)
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

/* Polls begin once the list is complete; until then the walk brings what is
 * new. */
void poll_run_due(struct sync *s, int64_t now_ms)
{
    bool wanted = false;
    if (!s->complete || s->poll)
        return;
    waiters_settle(s, poll_is_wanted, &wanted);
    if (!wanted && now_ms < s->polls.at_ms)
        return;
    s->polls.at_ms = now_ms + poll_jittered(s->config.refresh_ms);
    poll_start(s);
}

int64_t poll_due_ms(const struct sync *s)
{
    return s->complete && !s->poll ? s->polls.at_ms : CLOCK_NEVER_MS;
}

void poll_postpone(struct sync *s)
{
    s->polls.at_ms = clock_mono_ms() + s->config.refresh_ms;
}

void poll_done(struct sync *s)
{
    free(s->poll);
    s->poll = NULL;
}
