/* SPDX-License-Identifier: MIT */
/*
 * unfinished.c - assets that may still change by themselves (processing, a
 * thumbnail pending …) are asked for by id until they are done: the newest
 * UNFINISHED_MAX, 50 a request, at each poll. One that is stuck, unfinished
 * after REST_AFTER polls, then waits twice as long each time, up to REST_MAX
 * polls.
 */
#include <errno.h>
#include <stdlib.h>

#include "sync/sync_internal.h"

#define UNFINISHED_MAX 500
#define REST_AFTER     120
#define REST_MAX       32

struct rest {
    int64_t row;
    uint64_t due;   /* number of the poll whose turn it is */
    unsigned polls; /* how long it last rested */
    unsigned reads; /* how often it was asked for */
};

struct unfinished {
    struct rest rests[UNFINISHED_MAX]; /* of the newest, as of the last poll */
    size_t rest_count;
    struct catalogue_slot *slots;
    size_t count, next, asked;
    enum api_lane lane;
    unfinished_end_fn *on_end;
};

static void unfinished_ask(struct sync *s);

void unfinished_free(struct sync *s)
{
    struct unfinished *u = s->unfinished;
    if (!u)
        return;
    catalogue_slots_free(u->slots, u->count);
    free(u);
    s->unfinished = NULL;
}

static const struct rest *unfinished_find(const struct unfinished *u,
                                          int64_t row)
{
    for (size_t i = 0; i < u->rest_count; i++)
        if (u->rests[i].row == row)
            return &u->rests[i];
    return NULL;
}

static void unfinished_finish(struct sync *s, int err)
{
    s->unfinished->on_end(s, err);
}

static void unfinished_on_ids(struct sync *s, void *ctx, int err,
                              struct page *page,
                              const struct api_answer *answer)
{
    struct unfinished *u = s->unfinished;
    size_t removed;
    size_t doubtful;
    if (!err)
        err = apply_ids(s, u->slots + u->next, u->asked, page, answer, false,
                        &removed, &doubtful);
    if (err) {
        unfinished_finish(s, err);
        return;
    }
    u->next += u->asked;
    unfinished_ask(s);
}

static void unfinished_ask(struct sync *s)
{
    struct unfinished *u = s->unfinished;
    size_t left = u->count - u->next;
    if (!left) {
        unfinished_finish(s, 0);
        return;
    }
    u->asked = left < API_IDS_LIMIT ? left : API_IDS_LIMIT;
    request_ids(s, u->slots + u->next, u->asked, u->lane, API_CAUSE_UNFINISHED,
                unfinished_on_ids, NULL);
}

/* Keeps those whose turn it is, and notes who rests until when. What page 1
 * showed was read just now. */
static void unfinished_choose(struct sync *s, int64_t bottom_s)
{
    struct unfinished *u = s->unfinished;
    struct rest rests[UNFINISHED_MAX];
    size_t kept = 0;
    for (size_t i = 0; i < u->count; i++) {
        struct catalogue_slot place = u->slots[i];
        const struct rest *before = unfinished_find(u, place.row);
        struct rest rest =
            before ? *before
                   : (struct rest){.row = place.row, .due = s->polls.looks};
        bool due = place.created_s <= bottom_s && rest.due <= s->polls.looks;
        if (due) {
            rest.polls = ++rest.reads <= REST_AFTER ? 1 : rest.polls * 2;
            if (rest.polls > REST_MAX)
                rest.polls = REST_MAX;
            rest.due = s->polls.looks + rest.polls;
        }
        rests[i] = rest;
        u->slots[i] = u->slots[kept];
        u->slots[kept] = place;
        kept += due;
    }
    u->rest_count = u->count;
    for (size_t i = 0; i < u->count; i++)
        u->rests[i] = rests[i];
    for (size_t i = kept; i < u->count; i++)
        free(u->slots[i].id);
    u->count = kept;
}

static int unfinished_read_slots(struct sync *s, int64_t bottom_s)
{
    struct unfinished *u = s->unfinished;
    catalogue_slots_free(u->slots, u->count);
    u->slots = NULL;
    u->count = u->next = 0;
    struct catalogue_reader *r = catalogue_reader_acquire(s->catalogue);
    if (!r)
        return -ENOMEM;
    int err = catalogue_unfinished(r, UNFINISHED_MAX, &u->slots, &u->count);
    catalogue_reader_release(r);
    if (err)
        return err;
    {
        guard_mutex(&s->lock);
        s->status.unfinished = (int64_t)u->count;
    }
    unfinished_choose(s, bottom_s);
    return 0;
}

void unfinished_start(struct sync *s, int64_t bottom_s, enum api_lane lane,
                      unfinished_end_fn *on_end)
{
    if (!s->unfinished)
        s->unfinished = calloc(1, sizeof(*s->unfinished));
    if (!s->unfinished) {
        on_end(s, -ENOMEM);
        return;
    }
    s->unfinished->lane = lane;
    s->unfinished->on_end = on_end;
    int err = unfinished_read_slots(s, bottom_s);
    if (err)
        unfinished_finish(s, err);
    else
        unfinished_ask(s);
}
