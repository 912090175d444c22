/* SPDX-License-Identifier: MIT */
/*
 * walk_read.c - which pages a walk asks for, several at once, and those that
 * came and wait for their turn.
 */
#include <errno.h>
#include <string.h>

#include "sync/walk.h"

#define STRETCH_PAGES      256
#define BUFFERED_BYTES_MAX (32 << 20)

void walk_buffer(struct walk *w, int64_t number, struct page *page,
                 const struct api_answer *answer)
{
    if (page->count + page->skipped == 0 || w->buffered_count == BUFFERED_MAX)
        return;
    w->buffered[w->buffered_count++] =
        (struct buffered){number, *page, *answer, false};
    *page = (struct page){0};
}

void walk_drop(struct walk *w, size_t index)
{
    page_done(&w->buffered[index].page);
    w->buffered[index] = w->buffered[--w->buffered_count];
}

/* The buffered page that the prefix goes on with, or BUFFERED_MAX. */
static size_t walk_next_buffered(const struct walk *w)
{
    for (size_t i = 0; i < w->buffered_count; i++)
        if (buffered_bottom(w, &w->buffered[i]) <= w->reach + 1 &&
            buffered_top(w, &w->buffered[i]) > w->reach)
            return i;
    return BUFFERED_MAX;
}

int walk_join_buffered(struct sync *s)
{
    struct walk *w = s->walk;
    for (size_t i; (i = walk_next_buffered(w)) < BUFFERED_MAX;) {
        bool top = w->buffered[i].number == 1;
        int err = prefix_join(s, &w->buffered[i]);
        walk_drop(w, i);
        w->through |= top && !err;
        if (err && err != -EAGAIN)
            return err;
    }
    for (size_t i = w->buffered_count; i-- > 0;)
        if (buffered_top(w, &w->buffered[i]) <= w->reach)
            walk_drop(w, i);
    return 0;
}

/* Pages that came before their turn stay in memory until it is. */
static bool walk_buffers_much(const struct walk *w)
{
    size_t bytes = 0;
    for (size_t i = 0; i < w->buffered_count; i++)
        for (size_t k = 0; k < w->buffered[i].page.count; k++)
            bytes += w->buffered[i].page.assets[k].json_len;
    return bytes > BUFFERED_BYTES_MAX;
}

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
        walk_buffer(w, number, page, answer);
        err = walk_join_buffered(s);
    }
    if (err == -ESTALE)
        w->restart = true;
    else if (err)
        walk_fail(s, err);
    if (s->walk == w)
        walk_pump(s);
}

/* The lowest position that an answer under way should bring. */
static int64_t walk_lowest_asked(const struct walk *w)
{
    int64_t lowest = INT64_MAX;
    for (size_t i = 0; i < WALK_PARALLEL_MAX; i++)
        if (w->asked[i].number && w->asked[i].from < lowest)
            lowest = w->asked[i].from;
    for (size_t i = 0; i < w->buffered_count; i++)
        if (buffered_bottom(w, &w->buffered[i]) < lowest)
            lowest = buffered_bottom(w, &w->buffered[i]);
    return lowest;
}

static struct asked *walk_free_slot(struct walk *w)
{
    for (size_t i = 0; i < WALK_PARALLEL_MAX; i++)
        if (!w->asked[i].number)
            return &w->asked[i];
    return NULL;
}

/* The one that all others wait for can always be asked for. */
static bool walk_may_ask(const struct sync *s)
{
    const struct walk *w = s->walk;
    if (w->in_flight && walk_buffers_much(w))
        return false;
    return !w->paused && !w->restart && !w->err &&
           w->in_flight < s->config.walk_parallel &&
           w->in_flight < WALK_PARALLEL_MAX &&
           w->buffered_count + (size_t)w->in_flight < BUFFERED_MAX &&
           w->pages + w->in_flight < STRETCH_PAGES;
}

/* Where what is buffered from this position on ends; the position itself if
 * nothing is. */
static int64_t walk_past_buffered(const struct walk *w, int64_t from)
{
    for (size_t i = 0; i < w->buffered_count; i++)
        if (buffered_bottom(w, &w->buffered[i]) <= from &&
            buffered_top(w, &w->buffered[i]) >= from)
            return buffered_top(w, &w->buffered[i]) + 1;
    return from;
}

/* Asks for the pages from one position to another, page 1 apart; answers the
 * position that comes next. */
static int64_t walk_ask_range(struct sync *s, int64_t from, int64_t end)
{
    struct walk *w = s->walk;
    while (from <= w->count && from < end && walk_may_ask(s)) {
        int64_t past = walk_past_buffered(w, from);
        if (past > from) {
            from = past;
            continue;
        }
        int64_t number = (w->count - from) / API_PAGE_LIMIT + 1;
        if (number <= 1 || !walk_may_spend(w))
            break;
        struct asked *slot = walk_free_slot(w);
        *slot = (struct asked){number, from};
        walk_ask(s, number, API_PAGE_LIMIT, walk_on_page, slot);
        from = w->count - (number - 1) * API_PAGE_LIMIT + 1;
    }
    return from;
}

void walk_pump(struct sync *s)
{
    struct walk *w = s->walk;
    int64_t lowest = walk_lowest_asked(w);
    if (lowest == INT64_MAX)
        w->ask_from = w->reach + 1;
    else
        (void)walk_ask_range(s, w->reach + 1, lowest); /* a gap, if any */
    w->ask_from = walk_ask_range(s, w->ask_from, INT64_MAX);
    if (w->in_flight || walk_ended(s) || w->paused)
        return;
    while (w->buffered_count)
        walk_drop(w, 0); /* they fit nowhere */
    if (w->finishing && w->through)
        walk_verify(s);
    else
        walk_close(s);
}
