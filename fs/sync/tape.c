/* SPDX-License-Identifier: MIT */
/*
 * tape.c - what a walk has committed so far, and how a page joins it: see the
 * invariants in walk.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/plant.h"
#include "sync/walk.h"

#define STEP_BACK  25   /* positions, where a deletion showed */
#define STEPS_BACK 1000 /* in all, before the walk begins anew */

/* Remembers the newest assets of the tape by their ids. */
static int lengthen_tape(struct walk *w, const struct page *page)
{
    for (size_t i = page->count; i-- > 0;) {
        char *id = strdup(page->assets[i].id);
        if (!id)
            return -ENOMEM;
        if (w->tape_count == WALK_TAPE_MAX) {
            free(w->tape[0]);
            memmove(w->tape, w->tape + 1,
                    (WALK_TAPE_MAX - 1) * sizeof(*w->tape));
            w->tape_count--;
        }
        w->tape[w->tape_count++] = id;
    }
    return 0;
}

static bool shares_with_tape(const struct walk *w, const struct page *page)
{
    for (size_t i = page->count; i-- > 0;)
        for (size_t k = w->tape_count; k-- > 0;)
            if (strcmp(page->assets[i].id, w->tape[k]) == 0)
                return true;
    return false;
}

enum joint { JOINT_SHARED, JOINT_PRESUMED, JOINT_BROKEN };

static enum joint find_joint(const struct walk *w, const struct held *h)
{
    int64_t bottom = held_bottom(h);
    if (shares_with_tape(w, &h->page))
        return JOINT_SHARED;
    if (!w->tape_count)
        return JOINT_SHARED; /* next_held saw that nothing is below it */
    return bottom == w->reach + 1 ? JOINT_PRESUMED : JOINT_BROKEN;
}

static int note_border(struct walk *w, const struct held *h)
{
    if (!h->page.count || !w->tape_count)
        return 0;
    const struct asset *newer = &h->page.assets[h->page.count - 1];
    return bridge_add(w, w->tape[w->tape_count - 1], w->tape_top_s, newer,
                      w->reach);
}

/* Commits a held page on top of the tape. -EAGAIN: it doesn't join. */
int tape_join(struct sync *s, struct held *h)
{
    struct walk *w = s->walk;
    enum joint joint = find_joint(w, h);
    if (joint == JOINT_BROKEN) {
        if (++w->steps_back > STEPS_BACK)
            return -ESTALE;
        w->reach = held_bottom(h) - 1 - STEP_BACK;
        if (w->reach < 0)
            w->reach = 0;
        return -EAGAIN;
    }
    int err = joint == JOINT_PRESUMED ? note_border(w, h) : 0;
    const struct slice slice = {.page = h->number,
                                .page_limit = API_PAGE_LIMIT,
                                .named = true,
                                .step = true};
    struct slice_result result = {0};
    if (!err && !(planted("skipped_page") && h->number == 2))
        err = slice_apply(s, &slice, &h->page, &h->answer, &result);
    if (!err)
        err = lengthen_tape(w, &h->page);
    if (err)
        return err;
    if (h->page.count)
        w->tape_top_s = result.top_s;
    w->reach = held_top(h);
    w->holes += (int64_t)(h->page.skipped + result.lost);
    w->stretch_pages++;
    s->walk_pause_ms = 0; /* it goes on: the next pause is a short one */
    guard_mutex(&s->lock);
    s->status.walked = w->reach;
    s->status.total = w->total;
    s->status.last_error = 0;
    return 0;
}

static void drop_held(struct walk *w, size_t index)
{
    page_done(&w->held[index].page);
    w->held[index] = w->held[--w->held_count];
}

/* The last page of the list isn't full, wherever by its total it begins. */
static int64_t lowest_of(const struct walk *w, const struct held *h)
{
    return w->tape_count ? held_bottom(h) : held_top(h) - API_PAGE_LIMIT + 1;
}

/* The held page that the tape goes on with, or HELD_MAX. */
static size_t next_held(const struct walk *w)
{
    for (size_t i = 0; i < w->held_count; i++)
        if (lowest_of(w, &w->held[i]) <= w->reach + 1 &&
            held_top(&w->held[i]) > w->reach)
            return i;
    return HELD_MAX;
}

int tape_join_held(struct sync *s)
{
    struct walk *w = s->walk;
    for (size_t i; (i = next_held(w)) < HELD_MAX;) {
        int err = tape_join(s, &w->held[i]);
        drop_held(w, i);
        if (err && err != -EAGAIN)
            return err;
    }
    for (size_t i = w->held_count; i-- > 0;)
        if (held_top(&w->held[i]) <= w->reach)
            drop_held(w, i);
    return 0;
}

/* Where a total is too large, nothing stands at the lowest positions by it.
 * Two empty pages show that; one may be a whim of the server's. */
void tape_find_bottom(struct walk *w, int64_t number, const struct page *page)
{
    struct held h = {.number = number, .page = *page};
    int64_t top = held_top(&h);
    int64_t sure = top < w->void_top ? top : w->void_top;
    if (w->tape_count || page->count + page->skipped)
        return;
    if (sure > w->reach)
        w->reach = sure;
    if (top > w->void_top)
        w->void_top = top;
}
