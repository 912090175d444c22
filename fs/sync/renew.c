/* SPDX-License-Identifier: MIT */
/*
 * renew.c - assets whose URLs are past their time are re-read by id, up to 50
 * in one request: the one that is needed, all others that wait, and those near
 * it in the list whose URLs are about as old as its own, of its type first.
 * Whoever looks at one picture soon looks at the next.
 *
 * One request is under way at a time; who asks meanwhile joins it where it
 * brings his asset too, else waits for the next. A request that the server
 * refuses may be so for one of its ids: then those that somebody waits for are
 * asked for one by one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "sync/sync_internal.h"

#define AS_OLD_S 60 /* URLs that came within as much are as old */

struct renewal {
    bool under_way;
    int64_t deadline_ms; /* of what is under way */
    int64_t run_s;       /* wall time: since then one follows the other */
    int64_t asked_s;     /* … of the last one */
    struct catalogue_slot slots[API_IDS_LIMIT];
    size_t count;
    char *brought[API_IDS_LIMIT]; /* ids that the last one brought, … */
    size_t brought_count;
    int64_t brought_ms; /* … and when they were committed */
    size_t singly;      /* so many requests to come are for one id each */
};

static void renew_start(struct sync *s);

static bool renewal_has(const struct renewal *b, const char *id)
{
    for (size_t i = 0; i < b->count; i++)
        if (strcmp(b->slots[i].id, id) == 0)
            return true;
    return false;
}

static void renewal_clear(struct renewal *b)
{
    for (size_t i = 0; i < b->count; i++)
        free(b->slots[i].id);
    b->count = 0;
}

static void renewal_forget(struct renewal *b)
{
    for (size_t i = 0; i < b->brought_count; i++)
        free(b->brought[i]);
    b->brought_count = 0;
}

/* Who asked before the last request's answer was in is answered by it, as if
 * he had joined it: the thread was busy with it. */
static bool renewal_answers(const struct renewal *b, const struct waiter *w)
{
    for (size_t i = 0; i < b->brought_count; i++)
        if (strcmp(b->brought[i], w->text) == 0)
            return w->asked_ms <= b->brought_ms;
    return false;
}

/* Takes place.id over. */
static void renewal_add(struct renewal *b, const struct catalogue_slot *place)
{
    if (place->id && b->count < API_IDS_LIMIT && !renewal_has(b, place->id))
        b->slots[b->count++] = *place;
    else
        free(place->id);
}

/* Under the waiters' lock. Answers nobody: it only moves who waits for the
 * next request to the one that is being made. */
static bool renewal_take(struct sync *s, struct waiter *w, void *ctx,
                         int *ret_err)
{
    struct renewal *b = ctx;
    size_t limit = b->singly ? 1 : API_IDS_LIMIT;
    (void)ret_err;
    if (w->owner != &s->renewal)
        return false;
    if (b->count < limit)
        renewal_add(b, &(struct catalogue_slot){.id = strdup(w->text)});
    if (renewal_has(b, w->text))
        w->owner = b;
    return false;
}

/* A text that a server can't take for several ids, or for none. */
static bool renew_is_plain_id(const char *id)
{
    size_t len = strspn(id, "0123456789abcdefghijklmnopqrstuvwxyz"
                            "ABCDEFGHIJKLMNOPQRSTUVWXYZ-_");
    return len > 0 && !id[len] && !apply_is_made_id(id);
}

/* When their URLs came, at the latest. What came since renewing began is no
 * longer old. */
static int64_t renew_find_latest(const struct renewal *b, int64_t fetched_s)
{
    if (fetched_s >= b->run_s)
        return fetched_s;
    return fetched_s + AS_OLD_S < b->run_s ? fetched_s + AS_OLD_S
                                           : b->run_s - 1;
}

static int renew_add_neighbours(struct sync *s, struct renewal *b)
{
    struct catalogue_entry entry;
    struct catalogue_slot *near = NULL;
    size_t count = 0;
    struct catalogue_reader *r = catalogue_reader_acquire(s->catalogue);
    if (!r)
        return -ENOMEM;
    int err = catalogue_get_by_id(r, b->slots[0].id, &entry);
    if (!err)
        err = catalogue_neighbours(r, &entry,
                                   renew_find_latest(b, entry.fetched_s),
                                   API_IDS_LIMIT, &near, &count);
    catalogue_reader_release(r);
    for (size_t i = 0; i < count; i++) {
        if (!renew_is_plain_id(near[i].id))
            continue;
        renewal_add(b, &near[i]);
        near[i].id = NULL;
    }
    catalogue_slots_free(near, count);
    return err == -ENOENT ? 0 : err;
}

/* Where an asset stands that says no time of its own. */
static void renew_keep_created(struct sync *s, struct asset *a)
{
    struct catalogue_entry entry;
    struct catalogue_reader *r =
        a->created_s ? NULL : catalogue_reader_acquire(s->catalogue);
    if (r && catalogue_get_by_id(r, a->id, &entry) == 0)
        a->created_s = entry.created_s;
    catalogue_reader_release(r);
}

static int renewal_commit(struct sync *s, struct page *page,
                          const struct api_answer *answer)
{
    int err = sync_begin(s);
    if (err)
        return err;
    for (size_t i = page->count; !err && i-- > 0;) {
        struct apply_outcome out;
        renew_keep_created(s, &page->assets[i]);
        err = apply_asset(s, &page->assets[i], false, answer, &out);
    }
    return sync_end(s, err);
}

struct renewal_outcome {
    const struct renewal *renewal;
    const struct page *page; /* NULL after an error */
    int err;
    bool again; /* who can wait waits for the next request */
    size_t waiting;
};

static bool renewal_found(const struct page *page, const char *id)
{
    for (size_t i = 0; i < page->count; i++)
        if (strcmp(page->assets[i].id, id) == 0)
            return true;
    return false;
}

static bool renewal_settles(struct sync *s, struct waiter *w, void *ctx,
                            int *ret_err)
{
    struct renewal_outcome *o = ctx;
    if (w->owner != o->renewal)
        return false;
    bool late = o->err == -ETIMEDOUT &&
                w->deadline_ms > o->renewal->deadline_ms &&
                clock_mono_ms() >= o->renewal->deadline_ms;
    if (o->again || late) {
        w->owner = &s->renewal;
        o->waiting++;
        return false;
    }
    *ret_err = o->err;
    if (!o->err && !renewal_found(o->page, w->text))
        *ret_err =
            o->page->total_results == (int64_t)o->page->count ? -ENOENT : -EIO;
    return true;
}

static bool renew_is_refusal(int err)
{
    return err == -EINVAL || err == -ENOENT || err == -E2BIG;
}

static void renew_on_page(struct sync *s, void *ctx, int err, struct page *page,
                          const struct api_answer *answer)
{
    struct renewal *b = ctx;
    b->under_way = false;
    if (!err)
        err = renewal_commit(s, page, answer);
    struct renewal_outcome o = {.renewal = b, .page = page, .err = err};
    o.again = renew_is_refusal(err) && b->count > 1;
    if (renew_is_refusal(err))
        o.err = -EIO; /* a gateway's looks the same: nothing is gone by that */
    waiters_settle(s, renewal_settles, &o);
    renewal_forget(b);
    for (size_t i = 0; !err && i < b->count; i++)
        if (renewal_found(page, b->slots[i].id))
            b->brought[b->brought_count++] = steal_ptr(b->slots[i].id);
    b->brought_ms = clock_mono_ms();
    renewal_clear(b);
    if (o.again)
        b->singly = o.waiting;
    if (err != -ESHUTDOWN)
        renew_start(s);
}

static void renewal_send(struct sync *s, struct renewal *b)
{
    b->under_way = true;
    b->deadline_ms = clock_mono_ms() + s->config.timeout_ms;
    request_ids(s, b->slots, b->count, API_FOREGROUND, API_CAUSE_RENEW,
                renew_on_page, b);
}

/* The next request, if somebody waits for it. */
static void renew_start(struct sync *s)
{
    struct renewal *b = s->renewal;
    int64_t now_s = clock_wall_s();
    if (b->under_way)
        return;
    waiters_settle(s, renewal_take, b);
    if (b->count == 0) {
        b->singly = 0;
        return;
    }
    if (now_s - b->asked_s > AS_OLD_S)
        b->run_s = now_s;
    b->asked_s = now_s;
    if (b->singly)
        b->singly--;
    else
        (void)renew_add_neighbours(s, b); /* it goes without them as well */
    renewal_send(s, b);
}

int renew_ask(struct sync *s, struct waiter *w)
{
    if (!s->renewal)
        s->renewal = calloc(1, sizeof(*s->renewal));
    struct renewal *b = s->renewal;
    if (!b)
        return -ENOMEM;
    bool joins = w->want == SYNC_RENEW;
    if (!joins)
        tombstones_note_changed(s, w->text, w->asked_ms);
    if (joins && renewal_answers(b, w))
        return 0;
    if (b->under_way) {
        w->owner =
            joins && renewal_has(b, w->text) ? (const void *)b : &s->renewal;
        return QUESTION_WAITS;
    }
    struct catalogue_slot needed = {.id = strdup(w->text)};
    if (!needed.id)
        return -ENOMEM;
    renewal_add(b, &needed);
    w->owner = b;
    renew_start(s);
    return QUESTION_WAITS;
}

void renew_free(struct sync *s)
{
    if (s->renewal) {
        renewal_clear(s->renewal);
        renewal_forget(s->renewal);
    }
    free(s->renewal);
    s->renewal = NULL;
}
