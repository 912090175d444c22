/* SPDX-License-Identifier: MIT */
/*
 * walk_locate.c - how a walk begins: page 1, and where the foot is. See walk.c.
 */
#include "sync/walk.h"

#define CONTRADICTIONS 3 /* pages after the last, until none are believed */

int walk_open(struct sync *s, const struct page *page,
              const struct api_answer *answer, int64_t guess)
{
    struct walk *w = s->walk;
    int err = walk_open_stretch(w, page);
    if (err)
        return err;
    w->extent = (struct extent){guess, page->total_results};
    w->opened = true;
    w->opened_answer = *answer;
    w->largest = w->count = guess;
    locate_begin(&w->locate, w->foot_s, API_PAGE_LIMIT, guess);
    w->locate.surely = walk_is_whole(w);
    locate_take(&w->locate, 1, page);
    return 0;
}

/* Keeps the page that showed where the foot is, for that moment the walk's
 * proof begins with. If the list ends within it nothing older is; that the page
 * after a full one was empty, at another moment, doesn't say so. */
static void walk_keep_foot(struct walk *w)
{
    size_t found = BUFFERED_MAX;
    for (size_t i = w->buffered_count; i-- > 0 && found == BUFFERED_MAX;) {
        struct buffered *h = &w->buffered[i];
        int64_t before = (h->number - 1) * API_PAGE_LIMIT;
        int64_t elements = (int64_t)(h->page.count + h->page.skipped);
        int64_t end = before + elements;
        if (before < w->locate.low && w->locate.low <= end)
            found = i;
        h->last = walk_is_whole(w) && end == w->locate.low &&
                  elements < API_PAGE_LIMIT;
    }
    for (size_t i = w->buffered_count; i-- > 0;)
        if (i != found)
            walk_drop(w, i);
}

/* All that there is came with page 1, within which the list ends. */
static bool walk_is_one_page(const struct walk *w)
{
    return walk_is_whole(w) && w->locate.low < API_PAGE_LIMIT;
}

static int walk_take_one_page(struct sync *s)
{
    struct walk *w = s->walk;
    struct buffered none = {
        .number = 1, .answer = w->opened_answer, .last = true};
    struct buffered *h = w->buffered_count ? &w->buffered[0] : &none;
    return prefix_join(s, h);
}

static void walk_on_found(struct sync *s)
{
    struct walk *w = s->walk;
    int err = 0;
    w->extent.count = w->count = w->open_foot = w->locate.low;
    w->largest = w->count;
    walk_keep_foot(w);
    if (walk_is_one_page(w)) {
        err = walk_take_one_page(s);
        w->proven = true;
        w->foot_now = w->locate.low;
        if (!err) {
            walk_verify(s);
            return;
        }
        walk_fail(s, err);
        return;
    }
    w->phase = WALK_READING;
    w->ask_from = 1;
    err = walk_join_buffered(s);
    if (err)
        walk_fail(s, err);
    walk_pump(s);
}

static void walk_on_located(struct sync *s, void *ctx, int err,
                            struct page *page, const struct api_answer *answer)
{
    struct walk *w = s->walk;
    struct asked *asked = ctx;
    int64_t number = asked->number;
    asked->number = 0;
    w->in_flight--;
    if (err) {
        walk_fail(s, err);
    } else {
        if (page->count + page->skipped)
            w->extent.total = page->total_results;
        locate_take(&w->locate, number, page);
        if (w->locate.contradictions > CONTRADICTIONS)
            walk_fail(s, sync_misfit(s, number, page));
        walk_buffer(w, number, page, answer);
    }
    if (w->in_flight || walk_ended(s) || w->paused)
        return;
    if (locate_is_found(&w->locate))
        walk_on_found(s);
    else
        walk_locate(s);
}

static void walk_ask_located(struct sync *s, size_t slot, int64_t number)
{
    struct walk *w = s->walk;
    if (!walk_may_spend(w))
        return;
    w->asked[slot].number = number;
    walk_ask(s, number, API_PAGE_LIMIT, walk_on_located, &w->asked[slot]);
}

/* The page where the foot should be, and for the list's end the one after it,
 * which should be empty. */
void walk_locate(struct sync *s)
{
    struct walk *w = s->walk;
    int64_t number = locate_next_page(&w->locate);
    bool next_too = walk_is_whole(w) && w->locate.low != w->locate.high;
    w->phase = WALK_LOCATING;
    walk_ask_located(s, 0, number);
    if (next_too)
        walk_ask_located(s, 1, number + 1);
    if (!w->in_flight)
        (void)walk_ended(s);
}
