/* SPDX-License-Identifier: MIT */
/*
 * sweep.c - reads the whole list slowly, page after page from the oldest end,
 * over and over: the only way to learn that an old asset was edited, and the
 * remedy for changes that cancelled each other out in the total.
 *
 * Positions count from the oldest end, so that creations don't make it read
 * one page twice for ever. A page that fails is asked for again next time.
 *
 * Over a round's hours an account may also give an asset another created_at,
 * so that it stands elsewhere in the list. What a page lacks is therefore
 * asked for by id before it is removed: that alone proves it gone, and shows
 * where it went otherwise. Where nothing is lacking that costs no request.
 */
#include <errno.h>

#include "base/clock.h"
#include "sync/sync_internal.h"

static int64_t sweep_bound_s(const struct sync *s, int64_t total)
{
    int64_t pages = (total + API_PAGE_LIMIT - 1) / API_PAGE_LIMIT;
    /* One round, and the page that was under way when it began. */
    return ((pages + 1) * s->config.sweep_ms + 999) / 1000;
}

void sweep_note_bound(struct sync *s, int64_t total)
{
    guard_mutex(&s->lock);
    s->status.sweep_bound_s = sweep_bound_s(s, total);
}

/* A round is through: the next begins at the oldest end. */
static int sweep_note_round(struct sync *s)
{
    int64_t now_s = clock_wall_s();
    s->sweep.reach = 0;
    {
        guard_mutex(&s->lock);
        s->status.swept_s = now_s;
    }
    int err = sync_begin(s);
    if (!err)
        err = sync_end(s, catalogue_state_set(s->catalogue, "swept_s", now_s));
    return err;
}

static void sweep_step(struct sync *s);

static void sweep_drop_absent(struct sync *s)
{
    struct sweep *w = &s->sweep;
    catalogue_slots_free(w->absent.slots, w->absent.count);
    w->absent = (struct apply_absent){0};
    w->next = w->removed = 0;
    w->confirming = false;
}

/* The page is through. */
static void sweep_take_page(struct sync *s)
{
    struct sweep *w = &s->sweep;
    bool again = w->absent.more && w->removed;
    sweep_drop_absent(s);
    if (again) {
        sweep_step(s); /* more is gone than was asked for */
        return;
    }
    w->under_way = false;
    w->reach = w->total - (w->page - 1) * API_PAGE_LIMIT;
    sweep_note_bound(s, w->total);
    if (w->through)
        (void)sweep_note_round(s);
}

static void sweep_ask_ids(struct sync *s);

/* What can't be asked for stays, until the next round: a server may refuse such
 * a request for ever, which mustn't hold the sweep up. */
static void sweep_on_ids(struct sync *s, void *ctx, int err, struct page *page,
                         const struct api_answer *answer)
{
    struct sweep *w = &s->sweep;
    size_t removed = 0;
    size_t doubtful = 0;
    if (!err && !s->walk)
        err = apply_ids(s, w->absent.slots + w->next, w->asked, page, answer,
                        w->confirming, &removed, &doubtful);
    if (err == -ESHUTDOWN || s->walk) {
        sweep_drop_absent(s);
        w->under_way = false;
        return;
    }
    if (err) {
        w->absent.more = false;
        sweep_take_page(s);
        return;
    }
    w->removed += removed;
    w->confirming = doubtful && !w->confirming;
    if (!w->confirming)
        w->next += w->asked;
    sweep_ask_ids(s);
}

static void sweep_ask_ids(struct sync *s)
{
    struct sweep *w = &s->sweep;
    size_t left = w->absent.count - w->next;
    if (!left) {
        sweep_take_page(s);
        return;
    }
    w->asked = left < API_IDS_LIMIT ? left : API_IDS_LIMIT;
    request_ids(s, w->absent.slots + w->next, w->asked, API_BACKGROUND,
                API_CAUSE_SWEEP, sweep_on_ids, NULL);
}

static void sweep_on_page(struct sync *s, void *ctx, int err, struct page *page,
                          const struct api_answer *answer)
{
    struct sweep *w = &s->sweep;
    const struct apply_options options = {.page = w->page,
                                          .page_limit = API_PAGE_LIMIT,
                                          .named = true,
                                          .absent = &w->absent};
    struct apply_result result;
    if (!err && s->walk)
        err = -EAGAIN; /* a walk reads it all anyway */
    if (!err)
        err = apply_page(s, &options, page, answer, &result);
    if (err) {
        sweep_drop_absent(s);
        w->under_way = false;
        return;
    }
    w->total = extent_at(&s->account.extent, page);
    w->through = w->page <= 1 || !page->count;
    sweep_ask_ids(s);
}

static void sweep_step(struct sync *s)
{
    if (!s->sweep.total)
        s->sweep.total = account_known(s);
    int64_t page = (s->sweep.total - s->sweep.reach - 1) / API_PAGE_LIMIT + 1;
    s->sweep.page = page > 1 ? page : 1;
    s->sweep.under_way = true;
    request_page(s, s->sweep.page, API_PAGE_LIMIT, NULL, API_BACKGROUND,
                 API_CAUSE_SWEEP, 0, sweep_on_page, NULL);
}

int64_t sweep_due_ms(const struct sync *s)
{
    bool may = s->complete && !s->sweep.under_way && !s->walk;
    return may ? s->sweep.at_ms : CLOCK_NEVER_MS;
}

void sweep_run_due(struct sync *s, int64_t now_ms)
{
    if (now_ms < sweep_due_ms(s))
        return;
    s->sweep.at_ms = now_ms + s->config.sweep_ms;
    sweep_step(s);
}

void sweep_postpone(struct sync *s)
{
    s->sweep.at_ms = clock_mono_ms() + s->config.sweep_ms;
}
