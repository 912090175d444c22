/* SPDX-License-Identifier: MIT */
/*
 * verify_read.c - one segment of what is to be verified: how it is looked at,
 * and what the answer says of it. See verify.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sync/verify.h"

#define TRIES_MAX   12
#define TRIES_WHOLE 4 /* to have all in one page; then second by second */
#define LIMIT_LOW   37

int verify_presume(struct sync *s, const struct segment *g,
                   struct range *ret_range)
{
    struct verify *v = s->verify;
    int64_t newer = v->above - g->newer_count;
    int64_t older = v->above - g->older_count;
    if (!g->counted && !g->placed) {
        int err = verify_known(s, g->newer_s, INT64_MAX, &newer);
        if (!err)
            err = verify_known(s, g->older_s, INT64_MAX, &older);
        if (err)
            return err;
    }
    newer += g->shift;
    older += g->shift;
    if (older > v->above) { /* the list is shorter than it was */
        newer -= older - v->above;
        older = v->above;
    }
    ret_range->first = newer > 0 ? newer - 1 : 0;
    ret_range->last = older > ret_range->first ? older : ret_range->first;
    return 0;
}

/* A length under which the range is on one page, in its middle if possible; 0
 * for none. */
int verify_limit_for(const struct range *range)
{
    int best = 0;
    int64_t best_room = -1;
    for (int limit = API_PAGE_LIMIT; limit >= LIMIT_LOW; limit--) {
        int64_t before = range->first % limit;
        int64_t after = limit - 1 - range->last % limit;
        int64_t room = before < after ? before : after;
        if (range->first / limit == range->last / limit && room > best_room) {
            best_room = room;
            best = limit;
        }
    }
    return best;
}

/* What a page showed of its segment. */
struct seen {
    bool newer, older; /* something beyond it on that side, or the list's end */
    int64_t newest_s, oldest_s;
    bool empty;
    bool inside;      /* something of the segment itself, … */
    int64_t inside_s; /* … of this second */
};

static struct seen verify_see(const struct segment *g,
                              const struct apply_options *options,
                              const struct page *page)
{
    struct seen seen = {.newer = options->page == 1,
                        .older = apply_is_short(options, page),
                        .newest_s = INT64_MIN,
                        .oldest_s = INT64_MAX,
                        .empty = page->count == 0};
    for (size_t i = 0; i < page->count; i++) {
        int64_t second = page->assets[i].created_s;
        if (second > seen.newest_s)
            seen.newest_s = second;
        if (second < seen.oldest_s)
            seen.oldest_s = second;
        if (second >= g->older_s && second < g->newer_s) {
            seen.inside = true;
            seen.inside_s = second;
        }
    }
    seen.newer |= !seen.empty && seen.newest_s >= g->newer_s;
    seen.older |= !seen.empty && seen.oldest_s < g->older_s;
    return seen;
}

/* It was presumed elsewhere: where it should be instead, as far as the page
 * tells. */
static int verify_correct(struct sync *s, struct probe *p,
                          const struct seen *seen)
{
    struct segment *g = &p->segment;
    struct range range;
    int64_t known = 0;
    int64_t begin = (p->page - 1) * p->limit;
    int64_t end = begin + p->limit;
    if (g->placed) { /* from where it stood in the walk; now by what is known */
        g->placed = false;
        g->shift = 0;
        return 0;
    }
    int err = verify_presume(s, g, &range);
    if (err)
        return err;
    if (seen->empty) {
        g->shift += begin - 1 - range.last;
    } else if (seen->oldest_s >= g->newer_s) {
        err = verify_known(s, g->newer_s, seen->oldest_s, &known);
        g->shift += end + known - 1 - range.first;
    } else if (seen->newest_s < g->older_s) {
        err = verify_known(s, seen->newest_s + 1, g->older_s, &known);
        g->shift -= range.last - (begin - known);
    } else if (seen->newer != seen->older) {
        g->shift += seen->newer ? p->limit / 3 : -p->limit / 3;
    } else {
        g->shift += p->limit; /* it told nothing: its neighbour may */
    }
    return err;
}

/* Part of it lay between two boundaries within the page, and was seen: what is
 * left is newer or older. */
static bool verify_bisect(struct verify *v, const struct segment *g,
                          const struct apply_result *result)
{
    if (!result->has_boundaries || result->newest.created_s <= g->older_s ||
        result->oldest.created_s >= g->newer_s)
        return false;
    if (!result->exact && g->counted &&
        g->newer_count - g->older_count > INT64_C(3) * API_PAGE_LIMIT)
        return false; /* a neighbour tells more */
    struct segment older = *g;
    struct segment newer = *g;
    older.newer_s = result->oldest.created_s;
    older.newer_count = v->above - result->oldest.newer;
    newer.older_s = result->newest.created_s;
    newer.older_count = v->above - result->newest.newer;
    older.tries = newer.tries = 0;
    older.shift = newer.shift = 0;
    older.counted = newer.counted = g->counted && result->exact;
    older.placed = newer.placed = false;
    verify_push(v, &older);
    verify_push(v, &newer);
    return true;
}

static int verify_take_over(int err)
{
    return err ? err : 1;
}

/* The page wasn't all that was wanted. 1: the probe goes on by another way. */
static int verify_go_on(struct sync *s, struct probe *p,
                        const struct seen *seen,
                        const struct apply_result *result)
{
    struct verify *v = s->verify;
    struct segment *g = &p->segment;
    bool fills = seen->inside && seen->newest_s == seen->oldest_s &&
                 !seen->newer && !seen->older;
    if (verify_bisect(v, g, result))
        return 0;
    if (g->counted && !result->ordered)
        return verify_take_over(verify_ask_by_id(s, p));
    if (++g->tries > TRIES_MAX) {
        int64_t surplus = 0;
        int err = g->counted ? verify_surplus(s, g, &surplus) : 0;
        v->unsettled |= surplus + v->task.unreadable < 0 || !g->counted;
        return err || surplus <= 0 ? err
                                   : verify_take_over(verify_ask_by_id(s, p));
    }
    if (fills || (seen->inside && g->tries > TRIES_WHOLE))
        return verify_take_over(verify_find_edges(s, p, seen->inside_s));
    int err = verify_correct(s, p, seen);
    if (!err)
        verify_push(v, g);
    return err;
}

static void verify_on_page(struct sync *s, void *ctx, int err,
                           struct page *page, const struct api_answer *answer)
{
    struct verify *v = s->verify;
    struct probe *p = ctx;
    const struct apply_options options = {
        .page = p->page, .page_limit = p->limit, .named = true};
    struct apply_result result;
    v->in_flight--;
    if (!err)
        err = apply_page(s, &options, page, answer, &result);
    if (!err) {
        verify_hear(v, page);
        const struct seen seen = verify_see(&p->segment, &options, page);
        if (!seen.newer || !seen.older)
            err = verify_go_on(s, p, &seen, &result);
        else if (p->segment.counted &&
                 (!result.ordered || apply_is_short(&options, page)))
            err = verify_take_over(
                verify_ask_by_id(s, p)); /* what it didn't prove */
    }
    if (err < 0)
        verify_fail(s, p, err);
    else if (!err)
        verify_release(s, p);
}

int verify_look_into(struct sync *s, struct probe *p, const struct segment *g)
{
    struct range range;
    int err = verify_presume(s, g, &range);
    if (err)
        return err;
    *p = (struct probe){.segment = *g};
    int limit = verify_limit_for(&range);
    if (!limit && g->newer_s - 1 == g->older_s)
        return g->counted ? verify_group(s, p)
                          : verify_find_edges(s, p, g->older_s);
    int64_t offset = range.first;
    if (!limit) {
        limit = API_PAGE_LIMIT;
        offset += (range.last - range.first) / 2;
    }
    p->kind = PROBE_PAGE;
    verify_ask_page(s, p, offset / limit + 1, limit, verify_on_page);
    return 0;
}
