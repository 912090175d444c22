/* SPDX-License-Identifier: MIT */
/*
 * poll.c - what is new, and whether anything is gone, for one request.
 *
 * Page 1 shows what was created; reading goes on until a known asset, no newer
 * than where the list was last known to be whole: above that a known one may
 * stand alone, brought by its id, or by a poll that was broken off. Then the
 * account's total must be what the catalogue counts: where it isn't, search.c
 * finds the difference, or gives up and the whole list is walked. Last come the
 * unfinished assets that page 1 didn't show. At most one search a poll; where
 * even a walk found nothing the next ones wait, doubling.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "sync/sync_internal.h"

#define FRUITLESS_MAX 4   /* at most 16 polls between two searches */
#define AGREED_MIN    4   /* totals as expected, until searches are trusted */
#define PAGES_MAX     256 /* of creations; more is for a walk */
#define HALF_AT_LEAST 50  /* fewer may halve without a second look */
#define ROUNDS_MAX    8   /* of one poll, while the account changes */

struct poll {
    uint64_t number;
    enum api_lane lane;
    int64_t page;
    int64_t top_s, bottom_s; /* newest and oldest second that page 1 showed */
    bool linked;             /* the reading went down to what is whole */
    bool confirmed;          /* that most of the account is gone */
    bool walking;            /* waits for a walk */
    int rounds;
    int err;          /* it isn't fresh in the end, whatever else went well */
    uint64_t changes; /* s->changes before a search or walk, … */
    int64_t total;    /* … and what was to be reached */
};

int64_t sync_known_total(struct sync *s)
{
    struct catalogue_reader *r = catalogue_reader_acquire(s->catalogue);
    if (!r)
        return -ENOMEM;
    int64_t total = catalogue_total(r);
    catalogue_reader_release(r);
    return total + s->holes;
}

static bool is_answered_by(struct sync *s, struct waiter *w, void *ctx,
                           int *ret_err)
{
    *ret_err = *(int *)ctx;
    return w->want == SYNC_POLL && w->begun && w->poll &&
           w->poll <= s->poll_number;
}

/* Whoever asked before a poll begins is answered by it. */
static bool is_attached(struct sync *s, struct waiter *w, void *ctx,
                        int *ret_err)
{
    if (w->want == SYNC_POLL && w->begun && !w->poll) {
        w->poll = s->poll_number;
        *(bool *)ctx = true;
    }
    return false;
}

static int note_polled(struct sync *s)
{
    int64_t now_s = clock_wall_s();
    int err = sync_begin(s);
    if (err)
        return err;
    err = catalogue_state_set(s->catalogue, "polled_s", now_s);
    if (!err && s->poll->linked)
        err = catalogue_state_set(s->catalogue, "linked_s", s->poll->top_s);
    err = sync_end(s, err);
    if (err)
        return err;
    if (s->poll->linked)
        s->linked_s = s->poll->top_s;
    int64_t known = sync_known_total(s);
    guard_mutex(&s->lock);
    s->status.polled_s = now_s;
    s->status.polls++;
    s->status.last_error = 0;
    s->status.walked = s->status.total = known;
    return 0;
}

static void poll_end(struct sync *s, int err)
{
    if (!err)
        err = note_polled(s);
    if (err && err != -ECANCELED && err != -ESHUTDOWN) {
        guard_mutex(&s->lock);
        if (s->status.last_error != err)
            log_warning("a poll failed, what is known is served: %s",
                        strerror(-err));
        s->status.last_error = err;
    }
    free(s->poll);
    s->poll = NULL;
    waiters_settle(s, is_answered_by, &err);
}

static void on_unfinished(struct sync *s, int err)
{
    poll_end(s, err ? err : s->poll->err);
}

static void read_unfinished(struct sync *s)
{
    unfinished_start(s, s->poll->bottom_s, s->poll->lane, on_unfinished);
}

/* A total that led to nothing is not to be trusted: the next polls but one let
 * it be, for twice as long each time. That it isn't reached while it moves says
 * nothing of it, though, as long as there is something to find. */
static void note_search(struct sync *s, int64_t total)
{
    bool found = s->changes != s->poll->changes;
    if (found && sync_known_total(s) == total) {
        s->fruitless = 0;
        return;
    }
    if (found && total != s->poll->total)
        return;
    if (s->fruitless < FRUITLESS_MAX)
        s->fruitless++;
    s->search_from_poll = s->poll_number + (UINT64_C(1) << s->fruitless) - 1;
}

static void ask_page(struct sync *s);

/* While a search or a walk looked elsewhere something else may have gone, and
 * something come on top, so that not even the total tells. Page 1 does: where
 * it shows nothing new, and the total that it should, all stood still. Where
 * nothing moved or was found at all, another round won't find more. */
static bool go_another_round(struct sync *s, int64_t total)
{
    struct poll *p = s->poll;
    bool still = s->changes == p->changes && total == p->total;
    if (still || ++p->rounds >= ROUNDS_MAX)
        return false;
    p->walking = false;
    p->page = 1;
    ask_page(s);
    return true;
}

void poll_walked(struct sync *s, int64_t total)
{
    if (!s->poll || !s->poll->walking || go_another_round(s, total))
        return;
    note_search(s, total);
    read_unfinished(s);
}

static bool is_poll(struct sync *s, struct waiter *w, void *ctx, int *ret_err)
{
    *ret_err = *(int *)ctx;
    return w->want == SYNC_POLL && w->begun;
}

/* The walk goes on later. Polls do meanwhile; before the first walk is through
 * there are none, and who wants one hears why. */
void poll_walk_failed(struct sync *s, int err)
{
    if (!s->complete)
        waiters_settle(s, is_poll, &err);
    else if (s->poll && s->poll->walking)
        poll_end(s, err);
}

/* The whole list has to be read: by the walk that is under way or due, or by a
 * new one; but while it is slept over that some were in vain there is none,
 * and the poll is one that failed. */
static void walk_instead(struct sync *s)
{
    if (walk_is_far_off(s)) {
        s->poll->err = -EIO;
        read_unfinished(s);
        return;
    }
    s->poll->walking = true;
    if (!walk_is_due(s))
        walk_start(s);
    else
        walk_hasten(s);
}

static void on_searched(struct sync *s, int err, int64_t total)
{
    if (!err && go_another_round(s, total))
        return;
    if (!err) {
        note_search(s, total);
        read_unfinished(s);
        return;
    }
    if (err != -ESTALE) {
        poll_end(s, err);
        return;
    }
    log_info("the account is not as predicted; walking it anew");
    walk_instead(s);
}

/* A total as expected, or one that says nothing. */
static void agree(struct sync *s, bool as_expected)
{
    s->agreed += as_expected;
    if (s->agreed >= AGREED_MIN || (as_expected && s->poll->rounds)) {
        s->fruitless = 0;
        s->search_from_poll = 0;
    }
    read_unfinished(s);
}

/* The catalogue against the account's total. */
static void compare(struct sync *s, int64_t total)
{
    int64_t known = sync_known_total(s);
    if (known < 0) {
        poll_end(s, (int)known);
        return;
    }
    if (total < 0 || known == total) {
        agree(s, known == total);
        return;
    }
    s->agreed = 0;
    if (s->poll_number < s->search_from_poll) {
        read_unfinished(s);
        return;
    }
    s->poll->changes = s->changes;
    s->poll->total = total;
    if (walk_is_due(s)) {
        walk_instead(s);
        return;
    }
    {
        guard_mutex(&s->lock);
        s->status.searches++;
    }
    search_start(s, total, s->poll->lane, on_searched);
}

/* Whether an answer takes away so much that it wants a second look. */
static bool wants_confirmation(struct sync *s, const struct page *page)
{
    int64_t known = sync_known_total(s);
    return s->poll->page == 1 && !s->poll->confirmed &&
           page->total_results >= 0 && known >= HALF_AT_LEAST &&
           page->total_results < known / 2;
}

static bool is_linked(const struct sync *s, const struct slice_result *result)
{
    return result->known_at_end && (!s->linked_s || !result->ordered ||
                                    result->bottom_s <= s->linked_s);
}

static void on_page(struct sync *s, void *ctx, int err, struct page *page,
                    const struct api_answer *answer)
{
    struct poll *p = s->poll;
    const struct slice slice = {
        .page = p->page, .page_limit = API_PAGE_LIMIT, .named = true};
    struct slice_result result = {0};
    if (!err && wants_confirmation(s, page)) {
        p->confirmed = true;
        ask_page(s);
        return;
    }
    if (!err)
        err = slice_apply(s, &slice, page, answer, &result);
    if (err) {
        poll_end(s, err);
        return;
    }
    if (p->page == 1) {
        p->top_s = result.top_s;
        p->bottom_s = page->count ? result.bottom_s : INT64_MAX;
    }
    bool more = page->count == API_PAGE_LIMIT && !is_linked(s, &result) &&
                p->page * API_PAGE_LIMIT < page->total_results;
    if (!more) {
        p->linked = is_linked(s, &result) || page->count < API_PAGE_LIMIT ||
                    page->total_results >= 0; /* the list's end */
        compare(s, page->total_results);
        return;
    }
    if (p->page == PAGES_MAX) {
        p->changes = s->changes;
        p->total = page->total_results;
        walk_instead(s);
        return;
    }
    p->page++;
    ask_page(s);
}

static void ask_page(struct sync *s)
{
    errand_list_page(s, s->poll->page, API_PAGE_LIMIT, NULL, s->poll->lane,
                     API_CAUSE_POLL, 0, on_page, NULL);
}

void poll_start(struct sync *s)
{
    struct poll *p = calloc(1, sizeof(*p));
    if (!p)
        return; /* the next one is due soon */
    bool somebody_waits = false;
    s->poll = p;
    p->number = ++s->poll_number;
    p->page = 1;
    waiters_settle(s, is_attached, &somebody_waits);
    p->lane = somebody_waits ? API_FOREGROUND : API_BACKGROUND;
    ask_page(s);
}

void poll_done(struct sync *s)
{
    free(s->poll);
    s->poll = NULL;
}
