/* SPDX-License-Identifier: MIT */
/*
 * verify_group.c - one second in which more assets were created than a page
 * holds: no answer can show all of it at once, and a server may have its assets
 * in another order each time.
 *
 * Where it begins and ends can be seen, so its number is known. Then: too few
 * known, another round of pages, of another length each time, and the union is
 * kept. As many or more known, each is asked for by its id, and what is gone is
 * removed. Measured again after either; it is settled when it measured as many
 * as are known and each of these was still there afterwards.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sync/verify.h"

#define LIMIT_LOW    37
#define TRIES_WHOLE  4  /* to have it in one page, before numbers must do */
#define ROUNDS_MAX   25 /* so many requests for each of its pages, … */
#define ROUNDS_EXTRA 60 /* … and these */

static int group_measure(struct sync *s, struct probe *p);

static void group_give_up(struct sync *s, struct probe *p)
{
    s->verify->unsettled = true;
    verify_release(s, p);
}

static void group_ask_ids(struct sync *s, struct probe *p);

static void group_on_ids(struct sync *s, void *ctx, int err, struct page *page,
                         const struct api_answer *answer)
{
    struct probe *p = ctx;
    size_t removed = 0;
    size_t doubtful = 0;
    s->verify->in_flight--;
    if (!err)
        err = apply_ids(s, p->slots + p->slot_next, p->slot_asked, page, answer,
                        p->confirming, &removed, &doubtful);
    if (err) {
        verify_fail(s, p, err);
        return;
    }
    p->removed += removed;
    p->confirming = doubtful && !p->confirming;
    if (!p->confirming)
        p->slot_next += p->slot_asked;
    group_ask_ids(s, p);
}

/* The next that are known in the segment. */
static int group_read_slots(struct sync *s, struct probe *p)
{
    int64_t older_s = p->segment.older_s;
    const struct catalogue_slot below = {
        .created_s = older_s - (older_s > INT64_MIN), .row = INT64_MAX};
    catalogue_slots_free(p->slots, p->slot_count);
    p->slots = NULL;
    p->slot_count = p->slot_next = 0;
    struct catalogue_reader *r = catalogue_reader_acquire(s->catalogue);
    if (!r)
        return -ENOMEM;
    int err = catalogue_between(r, &p->after, &below, API_IDS_LIMIT, &p->slots,
                                &p->slot_count);
    catalogue_reader_release(r);
    if (!err && p->slot_count) {
        p->after = p->slots[p->slot_count - 1];
        p->after.id = NULL;
    }
    return err;
}

static void group_ids_asked(struct sync *s, struct probe *p, int64_t surplus)
{
    bool differs = surplus > 0 || surplus + s->verify->task.unreadable < 0;
    if (p->kind == PROBE_GROUP && (p->removed || differs)) {
        int err = group_measure(s, p);
        if (err)
            verify_fail(s, p, err);
        return;
    }
    /* Each that is left was there by its id: where more seem to be known than
     * there are, the count is of another moment. */
    verify_release(s, p);
}

/* Of a group all, of another segment until no more is known than is there. */
static void group_ask_ids(struct sync *s, struct probe *p)
{
    struct verify *v = s->verify;
    int64_t surplus = 0;
    int err = verify_surplus(s, &p->segment, &surplus);
    bool more = surplus > 0 || p->kind == PROBE_GROUP;
    if (!err && more && p->slot_next == p->slot_count)
        err = group_read_slots(s, p);
    if (err) {
        verify_fail(s, p, err);
        return;
    }
    size_t left = p->slot_count - p->slot_next;
    if (!more || !left) {
        group_ids_asked(s, p, surplus);
        return;
    }
    p->slot_asked = left < API_IDS_LIMIT ? left : API_IDS_LIMIT;
    p->requests++;
    v->requests++;
    v->in_flight++;
    request_ids(s, p->slots + p->slot_next, p->slot_asked, v->task.lane,
                v->task.cause, group_on_ids, p);
}

static void group_begin_ids(struct sync *s, struct probe *p)
{
    p->after = (struct catalogue_slot){.created_s = p->segment.newer_s};
    p->slot_next = p->slot_count;
    p->removed = 0;
    group_ask_ids(s, p);
}

int verify_ask_by_id(struct sync *s, struct probe *p)
{
    p->kind = PROBE_IDS;
    group_begin_ids(s, p);
    return 0;
}

static void group_ask_page(struct sync *s, struct probe *p, int64_t number,
                           int limit, request_fn *fn)
{
    p->requests++;
    s->verify->requests_max++; /* a group keeps its own account */
    verify_ask_page(s, p, number, limit, fn);
}

static int group_apply_page(struct sync *s, struct probe *p, struct page *page,
                            const struct api_answer *answer)
{
    const struct apply_options options = {
        .page = p->page, .page_limit = p->limit, .named = true};
    struct apply_result result;
    int err = apply_page(s, &options, page, answer, &result);
    if (!err)
        verify_hear(s->verify, page);
    return err;
}

static int group_ask_round(struct sync *s, struct probe *p);

static void group_on_round(struct sync *s, void *ctx, int err,
                           struct page *page, const struct api_answer *answer)
{
    struct probe *p = ctx;
    s->verify->in_flight--;
    if (!err)
        err = group_apply_page(s, p, page, answer);
    p->offset += p->limit;
    if (!err)
        err = group_ask_round(s, p);
    if (err)
        verify_fail(s, p, err);
}

/* The next page of the round; after the last, or when enough is known, it is
 * measured again. */
static int group_ask_round(struct sync *s, struct probe *p)
{
    struct range range = {0};
    int64_t surplus;
    int err = verify_surplus(s, &p->segment, &surplus);
    if (!err)
        err = verify_presume(s, &p->segment, &range);
    if (err)
        return err;
    if (surplus >= 0 || p->offset > range.last)
        return group_measure(s, p);
    group_ask_page(s, p, p->offset / p->limit + 1, p->limit, group_on_round);
    return 0;
}

static int group_begin_round(struct sync *s, struct probe *p)
{
    struct range range;
    int err = verify_presume(s, &p->segment, &range);
    if (err)
        return err;
    p->round_limit =
        p->round_limit > LIMIT_LOW ? p->round_limit - 1 : API_PAGE_LIMIT;
    p->limit = p->round_limit;
    p->offset = range.first / p->limit * p->limit;
    return group_ask_round(s, p);
}

int verify_group(struct sync *s, struct probe *p)
{
    const struct segment *g = &p->segment;
    int64_t pages = (g->newer_count - g->older_count) / API_PAGE_LIMIT + 1;
    int64_t surplus;
    int err = verify_surplus(s, g, &surplus);
    if (err)
        return err;
    p->kind = PROBE_GROUP;
    p->split = true;
    p->second = g->older_s;
    p->requests_max = ROUNDS_MAX * pages + ROUNDS_EXTRA;
    if (p->requests > p->requests_max)
        group_give_up(s, p);
    else if (surplus + s->verify->task.unreadable < 0)
        return group_begin_round(s, p);
    else
        group_begin_ids(s, p);
    return 0;
}

/* Whether somebody else is at that second already. */
static bool group_is_taken(const struct verify *v, const struct probe *p)
{
    for (size_t i = 0; i < array_count(v->probes); i++)
        if (&v->probes[i] != p && v->probes[i].kind == PROBE_GROUP &&
            v->probes[i].split && v->probes[i].second == p->second)
            return true;
    return false;
}

/* What lies around it in the segment is left to others. */
static void group_split(struct verify *v, struct probe *p, int64_t older_count)
{
    struct segment above = p->around;
    struct segment below = p->around;
    above.older_s = p->second + 1;
    above.older_count = p->upper_count;
    below.newer_s = p->second;
    below.newer_count = older_count;
    verify_push(v, &above);
    verify_push(v, &below);
    p->split = true;
}

/* Both edges are known. */
static int group_take_measure(struct sync *s, struct probe *p,
                              int64_t older_count)
{
    struct verify *v = s->verify;
    bool first = !p->split;
    if (first)
        group_split(v, p, older_count);
    p->segment = (struct segment){.older_s = p->second,
                                  .newer_s = p->second + 1,
                                  .older_count = older_count,
                                  .newer_count = p->upper_count,
                                  .counted = true,
                                  .tries = p->around.tries + 1};
    struct range range;
    int err = verify_presume(s, &p->segment, &range);
    if (err)
        return err;
    if (first && group_is_taken(v, p)) {
        verify_release(s, p);
        return 0;
    }
    if (!verify_limit_for(&range) || p->segment.tries > TRIES_WHOLE)
        return verify_group(s, p);
    p->segment.counted = false; /* a page can hold it */
    verify_push(v, &p->segment);
    verify_release(s, p);
    return 0;
}

static int group_seek_edge(struct sync *s, struct probe *p, int64_t second);

/* The edges were seen at two moments, between which the totals differ: they are
 * wrong, or something moved. Where the upper edge hasn't moved, what was seen
 * is the number, whatever went below. If it has, what the totals say has to lie
 * between the number as it was seen before and after. */
static int group_check_measure(struct sync *s, struct probe *p)
{
    struct verify *v = s->verify;
    int64_t before = p->lower_offset - p->upper_offset;
    int64_t after = p->lower_offset - p->locate.low;
    int64_t count = p->upper_count - p->lower_count;
    p->checking = false;
    if (before == after) {
        p->upper_count = v->above - p->upper_offset;
        return group_take_measure(s, p, v->above - p->lower_offset);
    }
    if (count >= (before < after ? before : after) &&
        count <= (before > after ? before : after))
        return group_take_measure(s, p, p->lower_count);
    return group_measure(s, p);
}

static int group_take_edge(struct sync *s, struct probe *p)
{
    int64_t offset = p->locate.low;
    int64_t older_count = s->verify->above - offset;
    if (p->checking)
        return group_check_measure(s, p);
    if (p->locate.second == p->second) {
        p->upper_offset = offset;
        p->upper_count = older_count;
        return group_seek_edge(s, p, p->second - 1);
    }
    if (offset - p->upper_offset == p->upper_count - older_count)
        return group_take_measure(s, p, older_count);
    p->lower_offset = offset;
    p->lower_count = older_count;
    p->checking = true;
    return group_seek_edge(s, p, p->second);
}

static void group_on_edge(struct sync *s, void *ctx, int err, struct page *page,
                          const struct api_answer *answer)
{
    struct verify *v = s->verify;
    struct probe *p = ctx;
    v->in_flight--;
    if (!err)
        err = group_apply_page(s, p, page, answer);
    if (err) {
        verify_fail(s, p, err);
        return;
    }
    locate_take(&p->locate, p->page, page);
    if (!locate_is_found(&p->locate)) {
        if (p->requests > p->requests_max)
            group_give_up(s, p);
        else
            group_ask_page(s, p, locate_next_page(&p->locate), API_PAGE_LIMIT,
                           group_on_edge);
        return;
    }
    err = group_take_edge(s, p);
    if (err)
        verify_fail(s, p, err);
}

/* Looks for the number of assets newer than a second. */
static int group_seek_edge(struct sync *s, struct probe *p, int64_t second)
{
    int64_t known = 0;
    int err = verify_known(s, second + 1, INT64_MAX, &known);
    if (err)
        return err;
    locate_begin(&p->locate, second, API_PAGE_LIMIT, known);
    group_ask_page(s, p, locate_next_page(&p->locate), API_PAGE_LIMIT,
                   group_on_edge);
    return 0;
}

static int group_measure(struct sync *s, struct probe *p)
{
    p->checking = false;
    if (p->requests > p->requests_max) {
        group_give_up(s, p);
        return 0;
    }
    return group_seek_edge(s, p, p->second);
}

int verify_find_edges(struct sync *s, struct probe *p, int64_t second)
{
    p->kind = PROBE_GROUP;
    p->second = second;
    p->around = p->segment;
    p->split = false;
    p->requests_max = ROUNDS_EXTRA;
    return group_measure(s, p);
}
