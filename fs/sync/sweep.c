/* SPDX-License-Identifier: MIT */
/*
 * sweep.c - reads the whole list slowly, page after page from the oldest end,
 * over and over: the only way to learn that an old asset was edited, and the
 * remedy for changes that cancelled each other out in the total.
 *
 * Positions count from the oldest end, so that creations don't make it read
 * one page twice for ever. A page that fails is asked for again next time.
 */
#include <errno.h>

#include "base/clock.h"
#include "sync/sync_internal.h"

static int64_t bound_s(const struct sync *s, int64_t total)
{
    int64_t pages = (total + API_PAGE_LIMIT - 1) / API_PAGE_LIMIT;
    /* One round, and the page that was under way when it began. */
    return ((pages + 1) * s->config.sweep_ms + 999) / 1000;
}

void sweep_note_bound(struct sync *s, int64_t total)
{
    guard_mutex(&s->lock);
    s->status.sweep_bound_s = bound_s(s, total);
}

/* A round is through: the next begins at the oldest end. */
static int note_round(struct sync *s)
{
    int64_t now_s = clock_wall_s();
    s->sweep_reach = 0;
    {
        guard_mutex(&s->lock);
        s->status.swept_s = now_s;
    }
    int err = sync_begin(s);
    if (!err)
        err = sync_end(s, catalogue_state_set(s->catalogue, "swept_s", now_s));
    return err;
}

static void on_page(struct sync *s, void *ctx, int err, struct page *page,
                    const struct api_answer *answer)
{
    const struct slice slice = {.page = s->sweep_page,
                                .page_limit = API_PAGE_LIMIT,
                                .named = true,
                                .crossing = true};
    struct slice_result result;
    s->sweeping = false;
    if (!err && s->walk)
        err = -EAGAIN; /* a walk reads it all anyway */
    if (!err)
        err = slice_apply(s, &slice, page, answer, &result);
    if (err)
        return;
    s->sweep_total = extent_at(&s->extent, page);
    s->sweep_reach = s->sweep_total - (s->sweep_page - 1) * API_PAGE_LIMIT;
    sweep_note_bound(s, s->sweep_total);
    if (s->sweep_page <= 1 || !page->count)
        (void)note_round(s);
}

void sweep_step(struct sync *s)
{
    if (!s->sweep_total)
        s->sweep_total = sync_known_total(s);
    int64_t page = (s->sweep_total - s->sweep_reach - 1) / API_PAGE_LIMIT + 1;
    s->sweep_page = page > 1 ? page : 1;
    s->sweeping = true;
    errand_list_page(s, s->sweep_page, API_PAGE_LIMIT, NULL, API_BACKGROUND,
                     API_CAUSE_SWEEP, 0, on_page, NULL);
}
