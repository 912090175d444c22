/* SPDX-License-Identifier: MIT */
/*
 * walk_close.c - how a stretch of a walk ends, and whether its borders are
 * proven: see walk.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sync/walk.h"

#define CLOSINGS_MAX 8 /* without a step forward */
#define GAP_PAGES    4 /* below a page 1 that waits for them */
#define LOOKS_MAX    3 /* at foot and top, until both stand still */

int walk_open_stretch(struct walk *w, const struct page *page)
{
    char *top = page->count ? strdup(page->assets[0].id) : NULL;
    if (page->count && !top)
        return -ENOMEM;
    free(w->open_top);
    w->open_top = top;
    w->total = page->total_results;
    return 0;
}

/* How many assets are new on top since the stretch was opened; -1: it can't be
 * told. */
static int64_t walk_count_new(const struct walk *w, const struct page *page)
{
    for (size_t i = 0; w->open_top && i < page->count; i++)
        if (strcmp(page->assets[i].id, w->open_top) == 0)
            return (int64_t)i;
    return -1;
}

/* Nothing above the foot was deleted in the stretch when the foot moved by just
 * what is new on top. The foot was looked at before page 1: what was created
 * in between makes it seem too little, never enough. */
static void walk_prove_stretch(struct walk *w, int64_t created)
{
    w->proven = created >= 0 && w->open_foot >= 0 && w->foot_now >= 0 &&
                w->foot_now - w->open_foot == created;
}

/* Then positions were exact, unless totals that they went by were wrong in
 * between; and within one second a position says nothing of what stands
 * there. */
static void walk_prove_borders(struct walk *w, int64_t created, int64_t moved)
{
    for (size_t i = w->borders_proven; i < w->border_count; i++) {
        struct segment *b = &w->borders[i];
        b->good = w->proven && (created == 0 || created == moved) &&
                  !b->suspect && b->newer_s - 1 > b->older_s;
    }
    w->borders_proven = w->border_count;
    w->all_proven &= w->proven;
}

/* Where the prefix ends a little below page 1, since something came on top
 * again, page 1 waits for what lies between. Nothing of that can be lost: what
 * comes on top meanwhile pushes it further down. */
static bool walk_buffers_top(struct walk *w, struct page *page,
                             const struct api_answer *answer)
{
    int64_t gap = w->count - API_PAGE_LIMIT - w->reach;
    size_t before = w->buffered_count;
    if (gap > (int64_t)GAP_PAGES * API_PAGE_LIMIT)
        return false;
    walk_buffer(w, 1, page, answer);
    return w->buffered_count > before;
}

/* Page 1 ends the prefix; an account that was emptied meanwhile has none. */
static int walk_join_first_page(struct sync *s, struct page *page,
                                const struct api_answer *answer)
{
    struct buffered h = {.number = 1, .answer = *answer, .page = *page};
    if (page->count + page->skipped)
        return prefix_join(s, &h);
    return 0;
}

static void walk_on_top(struct sync *s, void *ctx, int err, struct page *page,
                        const struct api_answer *answer)
{
    struct walk *w = s->walk;
    w->in_flight--;
    if (err)
        walk_fail(s, err);
    if (err || w->lost) {
        (void)walk_ended(s);
        return;
    }
    int64_t created = walk_count_new(w, page);
    walk_prove_stretch(w, created);
    if (w->proven && !w->distrust)
        w->extent.total = page->total_results; /* nothing came in between */
    walk_heard(w, page);
    if (!w->proven && created > 0 && w->open_foot >= 0 &&
        ++w->looks < LOOKS_MAX) {
        walk_close(s); /* what was created just now may be all */
        return;
    }
    bool last = w->reach + API_PAGE_LIMIT >= w->count;
    int64_t moved = page->total_results - w->total;
    err = walk_open_stretch(w, page);
    if (!err && last)
        err = walk_join_first_page(s, page, answer);
    walk_prove_borders(w, created, moved);
    /* Where something was created after the foot was seen, that was its place
     * at no moment that is known. */
    w->open_foot = w->proven || created == 0 ? w->foot_now : -1;
    w->looks = w->pages = 0;
    if (!err && last) {
        walk_verify(s);
        return;
    }
    if (err == -EAGAIN)
        err = 0;
    w->finishing = !err && !last && walk_buffers_top(w, page, answer);
    w->phase = WALK_READING;
    w->ask_from = w->reach + 1;
    w->closings = w->reach > w->closed_reach ? 0 : w->closings + 1;
    if (w->closings > CLOSINGS_MAX)
        err = -ESTALE; /* page 1 answers, and nothing between */
    w->closed_reach = w->reach;
    if (err == -ESTALE)
        w->restart = true;
    else if (err)
        walk_fail(s, err);
    walk_pump(s);
}

static void walk_ask_top(struct sync *s)
{
    struct walk *w = s->walk;
    w->phase = WALK_TOP;
    (void)walk_may_spend(w);
    walk_ask(s, 1, API_PAGE_LIMIT, walk_on_top, NULL);
}

static void walk_on_foot(struct sync *s, void *ctx, int err, struct page *page,
                         const struct api_answer *answer)
{
    struct walk *w = s->walk;
    w->in_flight--;
    if (err)
        walk_fail(s, err);
    if (err || w->lost) {
        (void)walk_ended(s);
        return;
    }
    walk_heard(w, page);
    locate_take(&w->locate, w->foot_page, page);
    w->foot_now = locate_is_found(&w->locate) ? w->locate.low : -1;
    if (w->foot_now >= 0) {
        w->extent.count = w->count = w->foot_now;
        w->extent.total = w->distrust ? -1 : page->total_results;
    }
    walk_ask_top(s);
}

/* The foot once more, then page 1. */
void walk_close(struct sync *s)
{
    struct walk *w = s->walk;
    w->phase = WALK_FOOT;
    locate_begin(&w->locate, w->foot_s, locate_limit(w->count), w->count);
    w->foot_page = locate_next_page(&w->locate);
    (void)walk_may_spend(w);
    walk_ask(s, w->foot_page, w->locate.limit, walk_on_foot, NULL);
}
