/* SPDX-License-Identifier: MIT */
/*
 * prefix.c - what a walk has committed so far, from the foot upwards, and how
 * a page joins it: see walk.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/failpoint.h"
#include "sync/walk.h"

#define STEP_BACK  25   /* positions, where a deletion showed */
#define STEPS_BACK 1000 /* in all, before the walk restarts */
#define DISTRUST   3    /* of them, until positions go by no totals */
#define GAP_MAX    60   /* known assets at a border that are looked at */

void prefix_done(struct walk *w)
{
    for (size_t i = 0; i < w->id_count; i++)
        free(w->ids[i]);
    free(w->borders);
}

/* Remembers the newest assets by their ids. */
static int prefix_lengthen(struct walk *w, const struct page *page)
{
    for (size_t i = page->count; i-- > 0;) {
        char *id = strdup(page->assets[i].id);
        if (!id)
            return -ENOMEM;
        if (w->id_count == PREFIX_IDS) {
            free(w->ids[0]);
            memmove(w->ids, w->ids + 1, (PREFIX_IDS - 1) * sizeof(*w->ids));
            w->id_count--;
        }
        w->ids[w->id_count++] = id;
    }
    return 0;
}

static bool prefix_has_id(const struct walk *w, const char *id)
{
    for (size_t k = w->id_count; k-- > 0;)
        if (strcmp(id, w->ids[k]) == 0)
            return true;
    return false;
}

static bool prefix_shares(const struct walk *w, const struct page *page)
{
    for (size_t i = page->count; i-- > 0;)
        if (prefix_has_id(w, page->assets[i].id))
            return true;
    return false;
}

static int64_t prefix_oldest_s(const struct page *page)
{
    int64_t oldest = INT64_MAX;
    for (size_t i = 0; i < page->count; i++)
        if (page->assets[i].created_s < oldest)
            oldest = page->assets[i].created_s;
    return oldest;
}

static int64_t prefix_newest_s(const struct page *page)
{
    int64_t newest = INT64_MIN;
    for (size_t i = 0; i < page->count; i++)
        if (page->assets[i].created_s > newest)
            newest = page->assets[i].created_s;
    return newest;
}

/* Whether it belongs there: it shares something with the prefix, or
 * begins right above it, by its position. One that should share something and
 * doesn't shows that something older is gone. */
static bool prefix_joins(const struct walk *w, const struct buffered *h)
{
    const struct page *page = &h->page;
    if (!w->id_count || !page->count)
        return true;
    return prefix_oldest_s(page) <= w->top_s || prefix_shares(w, page) ||
           buffered_bottom(w, h) == w->reach + 1;
}

static int prefix_add_border(struct walk *w, int64_t older_s, int64_t newer_s,
                             bool suspect)
{
    if (!w->borders || w->border_count == w->border_capacity) {
        size_t capacity = w->border_capacity ? 2 * w->border_capacity : 64;
        struct segment *borders =
            reallocarray(w->borders, capacity, sizeof(*borders));
        if (!borders)
            return -ENOMEM;
        w->borders = borders;
        w->border_capacity = capacity;
    }
    struct segment *last =
        w->border_count ? &w->borders[w->border_count - 1] : NULL;
    if (last && w->border_count > w->borders_proven &&
        last->older_s == older_s && last->newer_s == newer_s) {
        last->suspect |= suspect;
        return 0;
    }
    w->borders[w->border_count++] =
        (struct segment){.older_s = older_s,
                         .newer_s = newer_s,
                         .older_count = w->reach > 0 ? w->reach - 1 : 0,
                         .newer_count = w->reach + 1,
                         .placed = true,
                         .suspect = suspect};
    return 0;
}

/* Whether assets are known at a border that neither of its pages showed. */
static int prefix_find_suspects(struct sync *s, const struct page *page,
                                int64_t older_s, int64_t newer_s,
                                bool *ret_suspect)
{
    struct walk *w = s->walk;
    const struct catalogue_slot newer = {.created_s = newer_s,
                                         .row = INT64_MAX};
    const struct catalogue_slot older = {.created_s = older_s, .row = -1};
    struct catalogue_slot *slots = NULL;
    size_t count = 0;
    struct catalogue_reader *r = catalogue_reader_of_writer(s->catalogue);
    int err = catalogue_between(r, &newer, &older, GAP_MAX, &slots, &count);
    catalogue_reader_release(r);
    *ret_suspect = false;
    for (size_t i = 0; !err && i < count && count < GAP_MAX; i++)
        *ret_suspect |=
            !prefix_has_id(w, slots[i].id) && !page_has_id(page, slots[i].id);
    catalogue_slots_free(slots, count);
    return err;
}

/* Between the prefix and the page, unless the page reaches below it. */
static int prefix_note_border(struct sync *s, const struct buffered *h)
{
    struct walk *w = s->walk;
    const struct page *page = &h->page;
    int64_t newer_s = prefix_oldest_s(page);
    int64_t older_s = w->id_count ? w->top_s : w->foot_s;
    bool ends = h->last || page->count + page->skipped < API_PAGE_LIMIT;
    bool suspect = false;
    if (!page->count || newer_s < older_s ||
        (!w->id_count && (walk_is_whole(w) ? ends : newer_s <= older_s)))
        return 0;
    if (w->over_known) {
        int err = prefix_find_suspects(s, page, older_s, newer_s, &suspect);
        if (err)
            return err;
    }
    return prefix_add_border(w, older_s, newer_s + 1, suspect);
}

static int prefix_step_back(struct walk *w, const struct buffered *h)
{
    if (++w->steps_back > STEPS_BACK)
        return -ESTALE;
    w->distrust |= w->steps_back > DISTRUST;
    if (w->distrust)
        w->extent.total = -1;
    w->reach = buffered_bottom(w, h) - 1 - STEP_BACK;
    if (w->reach < 0)
        w->reach = 0;
    return -EAGAIN;
}

static void prefix_note_progress(struct sync *s)
{
    struct walk *w = s->walk;
    s->walks.retry_ms = 0; /* it goes on: the next pause is a short one */
    guard_mutex(&s->lock);
    if (!walk_is_whole(w))
        return;
    s->status.walked = w->reach;
    s->status.total = w->count;
    s->status.last_error = 0;
}

int prefix_join(struct sync *s, struct buffered *h)
{
    struct walk *w = s->walk;
    if (!prefix_joins(w, h))
        return prefix_step_back(w, h);
    const struct apply_options options = {.page = h->number,
                                          .page_limit = API_PAGE_LIMIT,
                                          .named = true,
                                          .step = true,
                                          .last = h->last};
    struct apply_result result = {0};
    int err = 0;
    if (!(failpoint("skipped_page") && h->number == 2))
        err = apply_page(s, &options, &h->page, &h->answer, &result);
    if (!err)
        err = prefix_note_border(s, h);
    if (!err)
        err = prefix_lengthen(w, &h->page);
    if (err)
        return err;
    if (h->page.count)
        w->top_s = prefix_newest_s(&h->page);
    w->reach = buffered_top(w, h);
    w->unreadable += (int64_t)(h->page.skipped + result.lost);
    w->pages++;
    prefix_note_progress(s);
    return 0;
}
