/* SPDX-License-Identifier: MIT */
/*
 * bridge.c - looks across borders between pages that were only presumed.
 *
 * Pages of 50 all end at the same borders. A page of another length, chosen so
 * that the border falls well inside it, holds both sides at one moment:
 * whatever stands between them is then seen and committed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sync/walk.h"

#define TRIES_MAX  20
#define LIMIT_LOW  37
#define LIMIT_HIGH 49

static void bridge_free(struct bridge *b)
{
    free(b->older_id);
    free(b->newer_id);
}

static int grow(struct walk *w)
{
    if (w->bridge_count < w->bridge_capacity)
        return 0;
    size_t capacity = w->bridge_capacity ? 2 * w->bridge_capacity : 64;
    struct bridge *bridges =
        reallocarray(w->bridges, capacity, sizeof(*bridges));
    if (!bridges)
        return -ENOMEM;
    w->bridges = bridges;
    w->bridge_capacity = capacity;
    return 0;
}

int bridge_add(struct walk *w, const char *older_id, int64_t older_s,
               const struct asset *newer, int64_t position)
{
    int err = grow(w);
    if (err)
        return err;
    struct bridge b = {.older_id = strdup(older_id),
                       .newer_id = strdup(newer->id),
                       .older_s = older_s,
                       .newer_s = newer->created_s,
                       .position = position};
    if (!b.older_id || !b.newer_id) {
        bridge_free(&b);
        return -ENOMEM;
    }
    w->bridges[w->bridge_count++] = b;
    return 0;
}

void bridges_close(struct walk *w, bool proven)
{
    if (!proven)
        w->bridges_closed = w->bridge_count;
    while (w->bridge_count > w->bridges_closed)
        bridge_free(&w->bridges[--w->bridge_count]);
}

void bridges_done(struct walk *w)
{
    for (size_t i = 0; i < w->bridge_count; i++)
        bridge_free(&w->bridges[i]);
    free(w->bridges);
    w->bridges = NULL;
    w->bridge_count = w->bridge_capacity = w->bridges_closed = 0;
}

/* The page length under which an offset lies farthest from both ends. */
static int limit_around(int64_t offset)
{
    int best = LIMIT_HIGH;
    int64_t best_room = -1;
    for (int limit = LIMIT_LOW; limit <= LIMIT_HIGH; limit++) {
        int64_t at = offset % limit;
        int64_t room = at < limit - 1 - at ? at : limit - 1 - at;
        if (room > best_room) {
            best_room = room;
            best = limit;
        }
    }
    return best;
}

static bool reaches_older(const struct bridge *b, const struct page *page)
{
    for (size_t i = 0; i < page->count; i++)
        if (page->assets[i].created_s < b->older_s ||
            strcmp(page->assets[i].id, b->older_id) == 0)
            return true;
    return false;
}

static bool reaches_newer(const struct bridge *b, const struct page *page)
{
    for (size_t i = 0; i < page->count; i++)
        if (page->assets[i].created_s > b->newer_s ||
            strcmp(page->assets[i].id, b->newer_id) == 0)
            return true;
    return false;
}

struct crossing {
    struct bridge bridge; /* owned while it is asked for */
    int64_t page;
    int limit;
};

/* Whether the bridge is crossed; else it is aimed anew. Beyond the list's ends
 * nothing stands. */
static bool cross(struct bridge *b, const struct slice *slice,
                  const struct page *page, const struct slice_result *result)
{
    int limit = slice->page_limit;
    bool older = reaches_older(b, page) || slice_is_last(slice, page);
    bool newer = reaches_newer(b, page) || slice->page == 1;
    if (older && newer)
        return true;
    if (older) {
        /* All up to the page's top is known now: the border moves there. */
        char *id = page->count ? strdup(page->assets[0].id) : NULL;
        if (id) {
            free(b->older_id);
            b->older_id = id;
            b->older_s = result->top_s;
        }
        b->position += limit / 2;
    } else {
        b->position -= newer ? limit / 2 : limit / 4;
    }
    return false;
}

static void on_crossing(struct sync *s, void *ctx, int err, struct page *page,
                        const struct api_answer *answer)
{
    struct walk *w = s->walk;
    struct crossing *c = ctx;
    struct slice_result result = {0};
    const struct slice slice = {
        .page = c->page, .page_limit = c->limit, .named = true};
    bool crossed = false;
    w->in_flight--;
    if (!err && page->total_results < 0)
        err = -EIO;
    if (!err)
        err = slice_apply(s, &slice, page, answer, &result);
    if (!err) {
        walk_heard(w, page->total_results);
        crossed = cross(&c->bridge, &slice, page, &result) ||
                  page->total_results <= 1;
    }
    if (crossed) {
        bridge_free(&c->bridge);
    } else {
        c->bridge.tries += !err;
        w->anew |= c->bridge.tries > TRIES_MAX;
        w->bridges[w->bridge_count++] = c->bridge; /* where it came from */
    }
    free(c);
    if (err)
        walk_fail(s, err);
    bridges_start(s);
}

static int ask(struct sync *s)
{
    struct walk *w = s->walk;
    struct crossing *c = calloc(1, sizeof(*c));
    if (!c)
        return -ENOMEM;
    c->bridge = w->bridges[--w->bridge_count];
    if (c->bridge.position < 1)
        c->bridge.position = 1;
    if (c->bridge.position >= w->total)
        c->bridge.position = w->total > 1 ? w->total - 1 : 1;
    int64_t offset = w->total - c->bridge.position;
    c->limit = limit_around(offset);
    c->page = offset / c->limit + 1;
    w->in_flight++;
    errand_list_page(s, c->page, c->limit, NULL, API_WALK, API_CAUSE_WALK, 0,
                     on_crossing, c);
    return 0;
}

void bridges_start(struct sync *s)
{
    struct walk *w = s->walk;
    w->bridging = true;
    while (!w->paused && !w->anew && w->bridge_count &&
           w->in_flight < s->config.walk_parallel && walk_may_spend(w)) {
        int err = ask(s);
        if (err)
            walk_fail(s, err);
    }
    if (w->in_flight || w->paused)
        return;
    if (w->anew)
        walk_anew(s);
    else
        walk_bridged(s);
}
