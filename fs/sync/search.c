/* SPDX-License-Identifier: MIT */
/*
 * search.c - finds what was deleted, or inserted late, somewhere in a list.
 *
 * A cut is a place between two seconds of created_at. By any answer that holds
 * it, so many assets are older than it; the catalogue predicts how many should
 * be. Between two cuts at which prediction and account differ by the same,
 * nothing has happened (but for pairs that cancel out, which the sweep finds).
 * So:
 *
 *   - A segment is a pair of cuts; the first is the whole list.
 *   - A segment whose ends differ is halved by reading the page in its middle.
 *     slice_apply mends what that page shows, and its own cuts end the two
 *     segments that are left.
 *   - A segment of few assets is read whole, by a page of such a length that
 *     it fits. Where it can't be, or where one second fills it, the assets
 *     that the catalogue has there are asked for by id.
 *
 * Cuts keep only what the account said; what the catalogue predicts is counted
 * anew each time, so that mending one place leaves the others right. Positions
 * count from the oldest end, and each answer's own total gives them: creations
 * on top change nothing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "sync/sync_internal.h"

#define SEGMENTS_MAX 4096
#define SMALL        36 /* assets that a page of some length can hold whole */
#define LIMIT_LOW    40
#define ASK_MAX      4096 /* places to ask for by id in one segment */

struct segment {
    struct cut older, newer;
    bool read; /* it was read whole: what is left is asked for by id */
};

struct search {
    struct segment segments[SEGMENTS_MAX];
    size_t count;
    struct segment now; /* the one under way */
    int64_t page;
    int limit;
    int64_t total; /* as last heard */
    int64_t requests, budget;
    bool contradicted;
    struct catalogue_place *places; /* to ask for by id */
    size_t place_count, place_next, place_asked;
    enum api_lane lane;
    search_done_fn *done;
};

static void step(struct sync *s);

void search_done(struct sync *s)
{
    struct search *x = s->search;
    if (!x)
        return;
    catalogue_places_free(x->places, x->place_count);
    free(x);
    s->search = NULL;
}

static void finish(struct sync *s, int err)
{
    search_done_fn *done = s->search->done;
    int64_t total = s->search->total;
    bool contradicted = s->search->contradicted;
    search_done(s);
    if (!err && contradicted && sync_known_total(s) != total)
        err = -ESTALE;
    done(s, err, total);
}

/* How many assets the catalogue has on the older side of a cut. */
static int predict(struct catalogue_reader *r, const struct cut *cut,
                   int64_t *ret_older)
{
    if (cut->created_s == INT64_MIN)
        *ret_older = 0;
    else if (cut->created_s == INT64_MAX)
        *ret_older = catalogue_total(r);
    else
        return catalogue_rank(r, cut->created_s, 0, ret_older);
    return 0;
}

/* Assets predicted in a segment, less those that the account has there. */
static int find_surplus(struct sync *s, const struct segment *g,
                        int64_t *ret_surplus)
{
    int64_t older, newer;
    struct catalogue_reader *r = catalogue_reader_acquire(s->catalogue);
    if (!r)
        return -ENOMEM;
    int err = predict(r, &g->older, &older);
    if (!err)
        err = predict(r, &g->newer, &newer);
    catalogue_reader_release(r);
    if (!err)
        *ret_surplus = newer - older - (g->newer.older - g->older.older);
    return err;
}

static void push(struct search *x, const struct cut *older,
                 const struct cut *newer, bool read)
{
    if (older->created_s >= newer->created_s)
        return;
    if (x->count == SEGMENTS_MAX)
        x->contradicted = true;
    else
        x->segments[x->count++] = (struct segment){*older, *newer, read};
}

/* ---- by id ---- */

static void ask_ids(struct sync *s);

static void on_ids(struct sync *s, void *ctx, int err, struct page *page,
                   const struct api_answer *answer)
{
    struct search *x = s->search;
    size_t removed;
    if (!err)
        err = slice_apply_ids(s, x->places + x->place_next, x->place_asked,
                              page, answer, &removed);
    if (err) {
        finish(s, err);
        return;
    }
    x->place_next += x->place_asked;
    ask_ids(s);
}

static void ask_ids(struct sync *s)
{
    struct search *x = s->search;
    int64_t surplus = 0;
    int err = find_surplus(s, &x->now, &surplus);
    if (err) {
        finish(s, err);
        return;
    }
    if (surplus <= 0 || x->place_next == x->place_count) {
        x->contradicted |= surplus != 0;
        step(s);
        return;
    }
    size_t left = x->place_count - x->place_next;
    x->place_asked = left < API_IDS_LIMIT ? left : API_IDS_LIMIT;
    x->requests++;
    errand_ids(s, x->places + x->place_next, x->place_asked, x->lane,
               API_CAUSE_SEARCH, on_ids, NULL);
}

static int read_places(struct sync *s)
{
    struct search *x = s->search;
    const struct cut *newer = &x->now.newer;
    const struct cut *older = &x->now.older;
    const struct catalogue_place above = {.created_s = newer->created_s};
    const struct catalogue_place below = {
        .created_s = older->created_s - (older->created_s > INT64_MIN),
        .row = INT64_MAX};
    catalogue_places_free(x->places, x->place_count);
    x->places = NULL;
    x->place_count = x->place_next = 0;
    struct catalogue_reader *r = catalogue_reader_acquire(s->catalogue);
    if (!r)
        return -ENOMEM;
    int err =
        catalogue_between(r, newer->created_s == INT64_MAX ? NULL : &above,
                          older->created_s == INT64_MIN ? NULL : &below,
                          ASK_MAX, &x->places, &x->place_count);
    catalogue_reader_release(r);
    return err;
}

static void resolve_by_id(struct sync *s)
{
    int err = read_places(s);
    if (err)
        finish(s, err);
    else
        ask_ids(s);
}

/* ---- by page ---- */

static void on_page(struct sync *s, void *ctx, int err, struct page *page,
                    const struct api_answer *answer)
{
    struct search *x = s->search;
    const struct slice slice = {
        .page = x->page, .page_limit = x->limit, .named = true};
    struct slice_result result;
    if (!err && page->total_results < 0)
        err = -EIO;
    if (!err)
        err = slice_apply(s, &slice, page, answer, &result);
    if (err) {
        finish(s, err);
        return;
    }
    x->total = page->total_results;
    const struct cut *older = &x->now.older;
    const struct cut *newer = &x->now.newer;
    bool inside = result.has_cuts &&
                  result.newest.created_s > older->created_s &&
                  result.oldest.created_s < newer->created_s;
    if (inside) {
        push(x, older, &result.oldest, false);
        push(x, &result.newest, newer, false);
    } else {
        push(x, older, newer, true);
    }
    step(s);
}

static void ask_page(struct sync *s, int64_t offset, int limit)
{
    struct search *x = s->search;
    x->limit = limit;
    x->page = offset / limit + 1;
    x->requests++;
    errand_list_page(s, x->page, limit, NULL, x->lane, API_CAUSE_SEARCH, 0,
                     on_page, NULL);
}

/* A length under which the segment and a neighbour on either side are on one
 * page; 0 for none. */
static int limit_for(int64_t first, int64_t last)
{
    for (int limit = API_PAGE_LIMIT; limit >= LIMIT_LOW; limit--)
        if (first / limit == last / limit)
            return limit;
    return 0;
}

static void look_into(struct sync *s)
{
    struct search *x = s->search;
    struct segment *g = &x->now;
    int64_t held = g->newer.older - g->older.older;
    int64_t first = x->total - g->newer.older - 1; /* offsets, newest first */
    int64_t last = x->total - g->older.older;
    if (first < 0)
        first = 0;
    if (last >= x->total)
        last = x->total - 1;
    if (last < first)
        last = first; /* it has shrunk meanwhile */
    if (held <= SMALL) {
        int limit = limit_for(first, last);
        if (limit && !g->read) {
            g->read = true;
            ask_page(s, first, limit);
            return;
        }
        resolve_by_id(s);
        return;
    }
    if (g->read) {
        resolve_by_id(s); /* one second fills the page in the middle */
        return;
    }
    ask_page(s, first + (last - first) / 2, API_PAGE_LIMIT);
}

static void step(struct sync *s)
{
    struct search *x = s->search;
    while (x->count) {
        int64_t surplus;
        x->now = x->segments[--x->count];
        int err = find_surplus(s, &x->now, &surplus);
        if (err) {
            finish(s, err);
            return;
        }
        if (surplus == 0)
            continue;
        if (x->requests > x->budget) {
            finish(s, -ESTALE);
            return;
        }
        look_into(s);
        return;
    }
    finish(s, 0);
}

/* Halvings from all the pages down to one. */
static int64_t halvings(int64_t pages)
{
    int64_t n = 0;
    while (pages > 1) {
        pages = (pages + 1) / 2;
        n++;
    }
    return n;
}

void search_start(struct sync *s, int64_t total, enum api_lane lane,
                  search_done_fn *done)
{
    int64_t known = sync_known_total(s);
    int64_t differ = known > total ? known - total : total - known;
    int64_t pages = total / API_PAGE_LIMIT + 1;
    int64_t each = halvings(differ ? (pages + differ - 1) / differ : pages) + 3;
    if (known < 0) {
        done(s, (int)known, total);
        return;
    }
    if (differ * each > pages + 16) {
        done(s, -ESTALE, total); /* a walk costs less */
        return;
    }
    struct search *x = calloc(1, sizeof(*x));
    if (!x) {
        done(s, -ENOMEM, total);
        return;
    }
    s->search = x;
    x->total = total;
    x->lane = lane;
    x->done = done;
    x->budget = 32 + 2 * differ * (each + 2) + 2 * halvings(pages);
    const struct cut oldest = {INT64_MIN, 0};
    const struct cut newest = {INT64_MAX, total};
    push(x, &oldest, &newest, false);
    step(s);
}
