/* SPDX-License-Identifier: MIT */
/*
 * walk_read.c - which pages a walk asks for, several at once, and those that
 * came and wait for their turn.
 */
#include <errno.h>
#include <string.h>

#include "sync/walk.h"

#define STRETCH_PAGES  256
#define HELD_BYTES_MAX (32 << 20)

/* ---- held ---- */

void walk_hold(struct walk *w, int64_t number, struct page *page,
               const struct api_answer *answer)
{
    if (page->count + page->skipped == 0 || w->held_count == HELD_MAX)
        return;
    w->held[w->held_count++] = (struct held){number, *page, *answer, false};
    *page = (struct page){0};
}

void walk_drop(struct walk *w, size_t index)
{
    page_done(&w->held[index].page);
    w->held[index] = w->held[--w->held_count];
}

/* The held page that the prefix goes on with, or HELD_MAX. */
static size_t next_held(const struct walk *w)
{
    for (size_t i = 0; i < w->held_count; i++)
        if (held_bottom(w, &w->held[i]) <= w->reach + 1 &&
            held_top(w, &w->held[i]) > w->reach)
            return i;
    return HELD_MAX;
}

int walk_join_held(struct sync *s)
{
    struct walk *w = s->walk;
    for (size_t i; (i = next_held(w)) < HELD_MAX;) {
        bool top = w->held[i].number == 1;
        int err = prefix_join(s, &w->held[i]);
        walk_drop(w, i);
        w->through |= top && !err;
        if (err && err != -EAGAIN)
            return err;
    }
    for (size_t i = w->held_count; i-- > 0;)
        if (held_top(w, &w->held[i]) <= w->reach)
            walk_drop(w, i);
    return 0;
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

/* ---- asked ---- */

static void walk_on_page(struct sync *s, void *ctx, int err, struct page *page,
                         const struct api_answer *answer)
{
    struct walk *w = s->walk;
    struct asked *asked = ctx;
    int64_t number = asked->number;
    asked->number = 0;
    w->in_flight--;
    if (!err && !w->lost) {
        walk_heard(w, page);
        walk_hold(w, number, page, answer);
        err = walk_join_held(s);
    }
    if (err == -ESTALE)
        w->restart = true;
    else if (err)
        walk_fail(s, err);
    if (s->walk == w)
        walk_pump(s);
}

/* The lowest position that an answer under way should bring. */
static int64_t lowest_asked(const struct walk *w)
{
    int64_t lowest = INT64_MAX;
    for (size_t i = 0; i < WALK_PARALLEL_MAX; i++)
        if (w->asked[i].number && w->asked[i].from < lowest)
            lowest = w->asked[i].from;
    for (size_t i = 0; i < w->held_count; i++)
        if (held_bottom(w, &w->held[i]) < lowest)
            lowest = held_bottom(w, &w->held[i]);
    return lowest;
}

static struct asked *free_slot(struct walk *w)
{
    for (size_t i = 0; i < WALK_PARALLEL_MAX; i++)
        if (!w->asked[i].number)
            return &w->asked[i];
    return NULL;
}

/* The one that all others wait for can always be asked for. */
static bool may_ask(const struct sync *s)
{
    const struct walk *w = s->walk;
    if (w->in_flight && holds_much(w))
        return false;
    return !w->paused && !w->restart && !w->err &&
           w->in_flight < s->config.walk_parallel &&
           w->in_flight < WALK_PARALLEL_MAX &&
           w->held_count + (size_t)w->in_flight < HELD_MAX &&
           w->pages + w->in_flight < STRETCH_PAGES;
}

/* Where what is held from this position on ends; the position itself if
 * nothing is. */
static int64_t past_held(const struct walk *w, int64_t from)
{
    for (size_t i = 0; i < w->held_count; i++)
        if (held_bottom(w, &w->held[i]) <= from &&
            held_top(w, &w->held[i]) >= from)
            return held_top(w, &w->held[i]) + 1;
    return from;
}

/* Asks for the pages from one position to another, page 1 apart; answers the
 * position that comes next. */
static int64_t ask_range(struct sync *s, int64_t from, int64_t end)
{
    struct walk *w = s->walk;
    while (from <= w->count && from < end && may_ask(s)) {
        int64_t past = past_held(w, from);
        if (past > from) {
            from = past;
            continue;
        }
        int64_t number = (w->count - from) / API_PAGE_LIMIT + 1;
        if (number <= 1 || !walk_may_spend(w))
            break;
        struct asked *slot = free_slot(w);
        *slot = (struct asked){number, from};
        walk_ask(s, number, API_PAGE_LIMIT, walk_on_page, slot);
        from = w->count - (number - 1) * API_PAGE_LIMIT + 1;
    }
    return from;
}

void walk_pump(struct sync *s)
{
    struct walk *w = s->walk;
    int64_t lowest = lowest_asked(w);
    if (lowest == INT64_MAX)
        w->ask_from = w->reach + 1;
    else
        (void)ask_range(s, w->reach + 1, lowest); /* a gap, if any */
    w->ask_from = ask_range(s, w->ask_from, INT64_MAX);
    if (w->in_flight || walk_ended(s) || w->paused)
        return;
    while (w->held_count)
        walk_drop(w, 0); /* they fit nowhere */
    if (w->finishing && w->through)
        walk_verify(s);
    else
        walk_close(s);
}
