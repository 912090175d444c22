/* SPDX-License-Identifier: MIT */
/*
 * poll.c - what is new, and whether anything is gone, for one request.
 *
 * It begins with what is new (news.c), or a walk of that where it is much; and
 * with the unfinished assets that page 1 didn't show. Creations and what
 * becomes ready wait for nothing else: while a poll goes on to look for
 * deletions, for however long, both are looked at again each `refresh` (a
 * glance).
 *
 * Then the account's total must be what the catalogue counts. Where it isn't,
 * or where none is stated, or the last one was wrong, the list's end is looked
 * at (one more request), and what differs is found by verify.c, or by a walk
 * where that costs less.
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
#define SPENT_MORE        40 /* … requests beyond what a walk costs */

struct poll {
    uint64_t number;
    enum api_lane lane;
    int64_t bottom_s; /* what is newer was read just now */
    int64_t total;    /* as page 1 states it */
    bool finished;    /* the unfinished were read */
    bool settling;    /* verifies or walks: what is new was read */
    bool put_off;     /* its next look at page 1, until a glance is over */
    bool walking;     /* waits for a walk … */
    bool own_walk;    /* … that began after it */
    int rounds;
    int64_t spent;    /* requests of its verifications */
    bool in_vain;     /* one of them didn't agree */
    int err;          /* it isn't fresh in the end, whatever else went well */
    uint64_t changes; /* s->account.changes before a verification or walk */
    uint64_t counted; /* … and as page 1, whose total is compared, has it */
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
    if (!err)
        err = account_save(s);
    err = sync_end(s, err);
    if (!err && account_known(s) == 0)
        err = account_note_linked(s, 0);
    if (err)
        return err;
    int64_t known = account_known(s);
    guard_mutex(&s->lock);
    s->status.polled_s = now_s;
    s->status.polls++;
    s->status.last_error = 0;
    s->status.walked = known;
    s->status.total = known + s->status.missing;
    return 0;
}

static void poll_note_behind(struct sync *s, bool behind)
{
    guard_mutex(&s->lock);
    s->status.behind = behind;
}

static void poll_end(struct sync *s, int err)
{
    if (!err)
        err = poll_note_polled(s);
    poll_note_behind(s, false);
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

static void poll_count(struct sync *s);

static void poll_on_unfinished(struct sync *s, int err)
{
    struct poll *p = s->poll;
    if (err || p->err)
        poll_end(s, err ? err : p->err);
    else
        poll_count(s);
}

static void poll_read_unfinished(struct sync *s)
{
    s->poll->finished = true;
    unfinished_start(s, s->poll->bottom_s, s->poll->lane, poll_on_unfinished);
}

/* Nothing is left to be done, or can be. */
static void poll_conclude(struct sync *s)
{
    if (s->poll->finished)
        poll_end(s, s->poll->err);
    else
        poll_read_unfinished(s);
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
        poll_conclude(s);
    } else if (++p->rounds >= ROUNDS_MAX) {
        p->err = -EAGAIN;
        poll_conclude(s);
    } else if (p->spent >= pages + SPENT_MORE) {
        p->spent = 0;
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
        poll_conclude(s);
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
    s->poll->settling = true;
    if (poll_is_waited_for(s)) {
        walk_retry_soon(s);
        walk_hurry(s);
    }
    if (walk_is_backing_off(s)) {
        s->poll->err = -EIO;
        poll_conclude(s);
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
    poll_conclude(s);
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
                             const struct extent *extent, int64_t requests)
{
    struct poll *p = s->poll;
    p->spent += requests;
    p->in_vain |= err == -EAGAIN;
    if (err == -EINTR || (err == -EAGAIN && s->account.changes != p->changes)) {
        poll_settled(s, false);
    } else if (err == -ESTALE) {
        log_info("the account is not as predicted; reading it all again");
        poll_walk_instead(s);
    } else if (err == -EAGAIN) {
        poll_disagrees(s);
    } else if (err) {
        poll_end(s, err);
    } else {
        s->polls.wrong_totals =
            s->account.changes == p->changes ? s->polls.wrong_totals + 1 : 0;
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
                                     .no_totals = s->polls.failures > 0 ||
                                                  s->poll->in_vain,
                                     .lane = s->poll->lane,
                                     .cause = API_CAUSE_VERIFY,
                                     .on_end = poll_on_verified};
    {
        guard_mutex(&s->lock);
        s->status.searches++;
    }
    s->poll->settling = true;
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
        poll_conclude(s);
    } else if (s->polls.number < s->polls.backoff_until &&
               !poll_is_waited_for(s)) {
        account_note_missing(s, expected - known);
        s->poll->err = -EIO;
        poll_conclude(s);
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

/* A total tells nothing of what later answers took away: one that went since
 * would make up for one that isn't known to be gone. Then page 1 is asked
 * again. */
static void poll_count(struct sync *s)
{
    struct poll *p = s->poll;
    if (s->account.changes == p->counted)
        poll_compare(s, p->total);
    else
        poll_settled(s, false);
}

/* What is new was read, down to this second. */
static void poll_has_news(struct sync *s, int64_t total, int64_t bottom_s)
{
    s->poll->total = total;
    s->poll->bottom_s = bottom_s;
    if (s->poll->finished)
        poll_count(s);
    else
        poll_read_unfinished(s);
}

/* It is more than a few pages. */
static int poll_grow(struct sync *s, const struct page *page,
                     const struct api_answer *answer)
{
    int64_t guess;
    int64_t above;
    if (walk_is_due(s)) {
        poll_walk_instead(s);
        return 0;
    }
    int err = news_guess(s, page, &guess, &above);
    if (err)
        return err;
    return walk_grow(s, page, answer, guess, s->poll->lane);
}

void poll_grown(struct sync *s, int err, int64_t total, int64_t top_s)
{
    int64_t bottom_s = s->account.linked_s;
    if (err == -ESTALE) {
        poll_disagrees(s);
        return;
    }
    if (!err)
        err = account_note_linked(s, top_s);
    if (err) {
        poll_end(s, err);
        return;
    }
    account_note_missing(s, 0);
    s->poll->counted = s->account.changes; /* the walk has counted */
    poll_has_news(s, total, bottom_s);
}

static void poll_on_news(struct sync *s, int err,
                         const struct news_result *news)
{
    if (err == -E2BIG)
        err = poll_grow(s, news->page, news->answer);
    else if (!err) {
        s->poll->counted += news->changes;
        poll_has_news(s, news->total, news->bottom_s);
    }
    if (err)
        poll_end(s, err);
}

static void poll_ask_page(struct sync *s)
{
    s->poll->settling = false;
    s->poll->put_off = s->polls.glancing;
    s->poll->counted = s->account.changes;
    if (!s->poll->put_off)
        news_start(s, s->poll->lane, poll_on_news);
}

/* ---- glances ---- */

static void glance_end(struct sync *s, int err)
{
    s->polls.glancing = false;
    if (err && err != -ESHUTDOWN)
        log_info("page 1 can't be looked at: %s", strerror(-err));
    if (s->poll && s->poll->put_off)
        poll_ask_page(s);
}

/* What is much more than page 1 is a walk's, for which a verification gives
 * way. */
static void glance_on_news(struct sync *s, int err,
                           const struct news_result *news)
{
    if (err == -E2BIG && s->verify && !s->walk)
        verify_interrupt(s);
    if (err) {
        glance_end(s, err == -E2BIG ? 0 : err);
        return;
    }
    account_note_missing(s, 0);
    if (s->verify)
        verify_note_created(s->verify, (int64_t)news->added);
    unfinished_start(s, news->bottom_s, API_BACKGROUND, glance_end);
}

/* Elements that can't be read are counted by what is known in the end. */
static bool poll_may_glance(const struct sync *s)
{
    return s->poll->settling && !s->polls.glancing && !s->account.unreadable &&
           !walk_has_unreadable(s);
}

static void poll_glance(struct sync *s)
{
    s->polls.glancing = true;
    s->polls.looks++;
    poll_note_behind(s, true);
    news_start(s, API_BACKGROUND, glance_on_news);
}

/* Somebody waits for the next poll, and so for this one. */
static void poll_hurry(struct sync *s)
{
    s->poll->lane = API_FOREGROUND;
    if (s->verify && !s->walk)
        s->verify->task.lane = API_FOREGROUND;
    if (s->poll->walking)
        walk_hurry(s);
}

static void poll_start(struct sync *s)
{
    struct poll *p = calloc(1, sizeof(*p));
    if (!p)
        return; /* the next one is due soon */
    bool somebody_waits = false;
    s->poll = p;
    p->number = ++s->polls.number;
    s->polls.looks++;
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
    if (!s->complete || (s->polls.glancing && !s->poll))
        return;
    waiters_settle(s, poll_is_wanted, &wanted);
    if (s->poll && wanted && !poll_is_waited_for(s))
        poll_hurry(s);
    bool due = now_ms >= s->polls.at_ms;
    if (s->poll ? !due || !poll_may_glance(s) : !due && !wanted)
        return;
    s->polls.at_ms = now_ms + poll_jittered(s->config.refresh_ms);
    if (s->poll)
        poll_glance(s);
    else
        poll_start(s);
}

int64_t poll_due_ms(const struct sync *s)
{
    bool may = s->poll ? poll_may_glance(s) : !s->polls.glancing;
    return s->complete && may ? s->polls.at_ms : CLOCK_NEVER_MS;
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
