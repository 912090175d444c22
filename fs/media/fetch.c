/* SPDX-License-Identifier: MIT */
/*
 * fetch.c - one struct fetch per picture under way, however many wait for it:
 *
 *   begin -> (URL stale: renew ->) pending -> get -> keep -> answer
 *                            ^                 |
 *                            +---- 403, 410 ---+   once for one URL
 *
 * renew runs on sync's thread, get on http's, keep on a thread of our own, so
 * that a slow disk never holds the network up. A fetch belongs to whichever of
 * these has it; m->lock guards the table and the waiters alone.
 *
 * PARALLEL fetches are active at once, from get to the end. The others are
 * pending, and the keeper starts them in the order of asking. Renewing needs
 * no such turn: all that have to be renewed ask at once, and sync puts them
 * into few requests.
 *
 * Memory: bodies that came and aren't yet kept are at most MEDIA_ARRIVED_MAX.
 * As many are active as would fit if each were as large as the largest of
 * late. One that doesn't fit all the same is dropped, and fetched again when
 * nothing else is.
 *
 * A fetch ends at its deadline, which is that of some waiter. The keeper
 * answers a waiter whose own deadline is earlier, or comes while the fetch is
 * pending.
 *
 * Lock order: m->lock, then those of sync, api and the store.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "media/image.h"
#include "media/media_internal.h"

#define PARALLEL 8

uint64_t media_label(const char *url)
{
    return hash_bytes(url, strcspn(url, "?#"), 0);
}

static void fetch_free(struct fetch *f)
{
    buf_done(&f->body);
    free(f->id);
    free(f);
}

/* Moves the waiters that this end concerns to `ended`. If the deadline was
 * the cause, waiters with a later one stay. Under m->lock. */
static void take_waiters(struct fetch *f, int err, struct waiter_list *ended)
{
    struct waiter *next;
    int64_t now_ms = clock_mono_ms();
    bool late = err == -ETIMEDOUT && now_ms >= f->deadline_ms;
    for (struct waiter *w = TAILQ_FIRST(&f->waiters); w; w = next) {
        next = TAILQ_NEXT(w, link);
        if (late && w->deadline_ms > now_ms)
            continue;
        TAILQ_REMOVE(&f->waiters, w, link);
        TAILQ_INSERT_TAIL(ended, w, link);
    }
}

/* Readies a fetch that some still wait for; under m->lock. */
static void rewind_fetch(struct fetch *f)
{
    for (struct waiter *w = TAILQ_FIRST(&f->waiters); w;
         w = TAILQ_NEXT(w, link)) {
        if (w->deadline_ms > f->deadline_ms)
            f->deadline_ms = w->deadline_ms;
    }
    f->renewed = false;
    f->rejected = false;
}

static void fetch_answer_all(struct waiter_list *ended, int err,
                             struct media_file *file)
{
    struct waiter *next;
    for (struct waiter *w = TAILQ_FIRST(ended); w; w = next) {
        next = TAILQ_NEXT(w, link);
        w->fn(w->ctx, err, file ? media_store_ref(file) : NULL);
        free(w);
    }
}

/* Slots: under m->lock. */

static void release_slot(struct fetch *f)
{
    if (!f->has_slot)
        return;
    f->has_slot = false;
    f->media->active--;
    (void)pthread_cond_broadcast(&f->media->changed);
}

/* A fetch marked `alone` is the only active one. */
static bool has_room(const struct media *m, const struct fetch *f)
{
    const struct fetch *other = TAILQ_FIRST(&m->fetches);
    if (m->stopping || m->active == 0)
        return true;
    if (f->alone || m->active >= PARALLEL ||
        ((size_t)m->active + 1) * m->expected_bytes > MEDIA_ARRIVED_MAX)
        return false;
    while (other && !(other->alone && other->has_slot))
        other = TAILQ_NEXT(other, link);
    return !other;
}

static void give_slot(struct fetch *f)
{
    f->has_slot = true;
    f->media->active++;
}

/* True: it may begin now. */
static bool take_turn(struct fetch *f)
{
    struct media *m = f->media;
    guard_mutex(&m->lock);
    if (TAILQ_EMPTY(&m->pending) && has_room(m, f)) {
        give_slot(f);
        return true;
    }
    f->pending = true;
    TAILQ_INSERT_TAIL(&m->pending, f, queue_link);
    (void)pthread_cond_broadcast(&m->changed);
    return false;
}

/* The end of a fetch. */

/* Nobody can join it from here on: whoever asks now gets an answer of its
 * own, not one from before its question. */
void fetch_end(struct fetch *f, int err, struct media_file *file)
{
    struct media *m = f->media;
    struct waiter_list ended = TAILQ_HEAD_INITIALIZER(ended);
    bool goes_on;
    {
        guard_mutex(&m->lock);
        take_waiters(f, err, &ended);
        goes_on = !TAILQ_EMPTY(&f->waiters);
        f->ending = !goes_on;
        if (goes_on) {
            rewind_fetch(f);
            release_slot(f);
        }
        (void)pthread_cond_broadcast(&m->changed);
    }
    fetch_answer_all(&ended, err, file);
    if (goes_on) {
        fetch_begin(f);
        return;
    }
    guard_mutex(&m->lock);
    TAILQ_REMOVE(&m->fetches, f, link);
    release_slot(f);
    (void)pthread_cond_broadcast(&m->changed);
    fetch_free(f);
}

/* Keep: on the keeper's thread. */

/* Size and checksum are kept longer than the bytes: the next look at the size
 * costs nothing. */
static void note_answered(void *ctx, int err)
{
    (void)ctx;
    (void)err;
}

static void note_content(const struct fetch *f, const struct media_file *file)
{
    struct media *m = f->media;
    const struct catalogue_picture now = {.label = f->label,
                                          .size_bytes = file->size_bytes,
                                          .checksum = file->checksum};
    struct catalogue_picture known;
    struct catalogue_reader *r = catalogue_reader_acquire(m->catalogue);
    bool noted = r && catalogue_picture_get(r, f->row, &known) == 0 &&
                 known.label == now.label &&
                 known.size_bytes == now.size_bytes &&
                 known.checksum == now.checksum;
    catalogue_reader_release(r);
    const struct sync_question question = {
        .want = SYNC_PICTURE, .row = f->row, .picture = &now};
    if (!noted)
        (void)sync_ask(m->sync, &question, CLOCK_NEVER_MS, note_answered, NULL,
                       NULL);
}

/* Logs one line until there is a picture again, not one for each. */
static int check_image(const struct fetch *f)
{
    char begins[80];
    char id[80];
    bool is_one = image_is_one(buf_str(&f->body), f->body.len);
    if (atomic_exchange(&f->media->told_unlike, !is_one) || is_one)
        return is_one ? 0 : -EIO;
    size_t len = f->body.len < 16 ? f->body.len : 16;
    log_warning("the picture of %s is of no image format: it begins with %s",
                log_quote(f->id, strlen(f->id), id, sizeof(id)),
                log_quote(buf_str(&f->body), len, begins, sizeof(begins)));
    return -EIO;
}

static void fetch_keep(struct fetch *f)
{
    struct media *m = f->media;
    struct media_file *file = NULL;
    size_t bytes = f->body.capacity;
    int err = check_image(f);
    if (!err)
        err = media_store_put(m->store, f->name, &f->body, &file);
    buf_done(&f->body);
    {
        guard_mutex(&m->lock);
        m->arrived_bytes -= bytes;
    }
    if (!err)
        note_content(f, file);
    fetch_end(f, err, file);
    media_file_unref(file);
}

struct work {
    struct fetch *keep, *start; /* one of them, or neither */
    struct waiter_list late;    /* whose deadlines have passed */
};

/* Moves a fetch's late waiters to `late`; notes when the next one will be. */
static void take_late(struct fetch *f, bool pending, int64_t now_ms,
                      struct waiter_list *late, int64_t *next_ms)
{
    struct waiter *next;
    for (struct waiter *w = TAILQ_FIRST(&f->waiters); w; w = next) {
        next = TAILQ_NEXT(w, link);
        if (!pending && w->deadline_ms >= f->deadline_ms)
            continue;
        if (w->deadline_ms <= now_ms) {
            TAILQ_REMOVE(&f->waiters, w, link);
            TAILQ_INSERT_TAIL(late, w, link);
        } else if (w->deadline_ms < *next_ms) {
            *next_ms = w->deadline_ms;
        }
    }
}

/* A pending fetch that nobody is left to wait for needn't begin. */
static int64_t take_all_late(struct media *m, struct waiter_list *late)
{
    struct fetch *f, *next;
    int64_t now_ms = clock_mono_ms();
    int64_t next_ms = CLOCK_NEVER_MS;
    for (f = TAILQ_FIRST(&m->fetches); f; f = TAILQ_NEXT(f, link))
        take_late(f, f->pending, now_ms, late, &next_ms);
    for (f = TAILQ_FIRST(&m->pending); f; f = next) {
        next = TAILQ_NEXT(f, queue_link);
        if (!TAILQ_EMPTY(&f->waiters))
            continue;
        TAILQ_REMOVE(&m->pending, f, queue_link);
        TAILQ_REMOVE(&m->fetches, f, link);
        fetch_free(f);
    }
    return next_ms;
}

/* The next fetch to keep or to start, if one is due now. Under m->lock. */
static void fetch_take_next(struct media *m, struct work *work)
{
    struct fetch *f = TAILQ_FIRST(&m->to_keep);
    if (f) {
        TAILQ_REMOVE(&m->to_keep, f, queue_link);
        work->keep = f;
        return;
    }
    f = TAILQ_FIRST(&m->pending);
    if (!f || !has_room(m, f))
        return;
    TAILQ_REMOVE(&m->pending, f, queue_link);
    f->pending = false;
    give_slot(f);
    work->start = f;
}

/* Waits for some; false: there will be none. */
static bool take_work(struct media *m, struct work *work)
{
    guard_mutex(&m->lock);
    for (;;) {
        work->keep = work->start = NULL;
        TAILQ_INIT(&work->late);
        int64_t next_ms = take_all_late(m, &work->late);
        fetch_take_next(m, work);
        if (work->keep || work->start || !TAILQ_EMPTY(&work->late))
            return true;
        if (m->stopping && TAILQ_EMPTY(&m->fetches))
            return false;
        (void)clock_cond_wait(&m->changed, &m->lock, next_ms);
    }
}

static void fetch_get(struct fetch *f);

void *fetch_keep_all(void *media)
{
    struct work work;
    while (take_work(media, &work)) {
        fetch_answer_all(&work.late, -ETIMEDOUT, NULL);
        if (work.keep)
            fetch_keep(work.keep);
        else if (work.start)
            fetch_get(work.start);
    }
    return NULL;
}

/* Renew: answered on sync's thread. */

static void fetch_on_renewed(void *ctx, int err)
{
    struct fetch *f = ctx;
    {
        guard_mutex(&f->media->lock);
        f->sync_ticket = 0;
    }
    /* Renewing was a precaution: the old URL may still work. */
    if (err && (f->rejected || err == -ESHUTDOWN))
        fetch_end(f, err, NULL);
    else
        fetch_begin(f);
}

/* The ticket is noted under the lock that media_free takes to cancel it; the
 * answer may have come, and the fetch be gone, before sync_ask returns, so the
 * lock is held across: on_renewed waits for it. */
static void fetch_renew(struct fetch *f)
{
    struct media *m = f->media;
    const struct sync_question question = {.want = SYNC_RENEW, .text = f->id};
    int err = -ESHUTDOWN;
    f->renewed = true;
    {
        guard_mutex(&m->lock);
        release_slot(f);
        if (!m->stopping)
            err = sync_ask(m->sync, &question, f->deadline_ms, fetch_on_renewed,
                           f, &f->sync_ticket);
    }
    if (err)
        fetch_end(f, err, NULL);
}

/* Get: answered on http's thread. */

/* Its buffer grew by doubling. */
static void fetch_trim(struct buf *body)
{
    char *bytes = body->data ? realloc(body->data, body->len + 1) : NULL;
    if (!bytes)
        return;
    body->data = bytes;
    body->capacity = body->len + 1;
}

/* Takes the body over, or has it fetched again, alone. Under m->lock. */
static void take_body(struct fetch *f, struct buf *body)
{
    struct media *m = f->media;
    size_t faded = m->expected_bytes - m->expected_bytes / 8;
    m->expected_bytes = body->capacity > faded ? body->capacity : faded;
    bool fits = m->arrived_bytes == 0 ||
                m->arrived_bytes + body->capacity <= MEDIA_ARRIVED_MAX;
    if (fits) {
        m->arrived_bytes += body->capacity;
        f->body = *body; /* moved: the http module finds it empty */
        *body = (struct buf){.max = body->max};
        TAILQ_INSERT_TAIL(&m->to_keep, f, queue_link);
    } else {
        f->alone = true;
        f->pending = true;
        release_slot(f);
        TAILQ_INSERT_HEAD(&m->pending, f, queue_link);
    }
    (void)pthread_cond_broadcast(&m->changed);
}

/* What the catalogue says of the asset's picture now. */
static int read_url(struct fetch *f, char **ret_url, int64_t *ret_fetched_s)
{
    struct catalogue_entry entry;
    cleanup(free_ptr) char *url = NULL;
    struct catalogue_reader *r = catalogue_reader_acquire(f->media->catalogue);
    if (!r)
        return -ENOMEM;
    int err = catalogue_get_by_id(r, f->id, &entry);
    if (!err && !entry.picture_url)
        err = -ENOENT;
    if (!err) {
        f->row = entry.row;
        *ret_fetched_s = entry.fetched_s;
        url = strdup(entry.picture_url);
        err = url ? 0 : -ENOMEM;
    }
    catalogue_reader_release(r);
    if (!err)
        err = media_store_name(f->id, url, f->name);
    if (err)
        return err;
    f->label = media_label(url);
    f->url_hash = hash_bytes(url, strlen(url), 0);
    *ret_url = steal_ptr(url);
    return 0;
}

static void on_bytes(void *ctx, int err, struct buf *body,
                     const struct api_answer *answer);

static int submit_get(struct fetch *f, const char *url)
{
    struct media *m = f->media;
    guard_mutex(&m->lock);
    return m->stopping
               ? -ESHUTDOWN
               : api_get_picture(m->api, url, MEDIA_PICTURE_MAX, f->deadline_ms,
                                 on_bytes, f, &f->api_ticket);
}

/* Its URL may have been renewed, with others, while it was fetched. */
static void fetch_rejected(struct fetch *f, int err)
{
    cleanup(free_ptr) char *url = NULL;
    int64_t fetched_s;
    uint64_t asked = f->url_hash;
    int read_err = read_url(f, &url, &fetched_s);
    if (!read_err && f->url_hash == asked && !f->renewed) {
        f->rejected = true;
        fetch_renew(f);
        return;
    }
    if (!read_err && f->url_hash != asked)
        err = submit_get(f, url);
    if (err)
        fetch_end(f, read_err ? read_err : err, NULL);
}

static void on_bytes(void *ctx, int err, struct buf *body,
                     const struct api_answer *answer)
{
    struct fetch *f = ctx;
    struct media *m = f->media;
    if (!err)
        fetch_trim(body);
    {
        guard_mutex(&m->lock);
        f->api_ticket = 0;
        if (!err) {
            take_body(f, body);
            return;
        }
    }
    if (err == -EACCES || err == -ESTALE)
        fetch_rejected(f, err);
    else
        fetch_end(f, err, NULL);
}

/* The picture may have been kept since its asker looked. */
static bool end_with_kept(struct fetch *f)
{
    struct media_file *file = NULL;
    if (media_store_lookup(f->media->store, f->name, &file))
        return false;
    fetch_end(f, 0, file);
    media_file_unref(file);
    return true;
}

/* With a slot. The URL is read again: it may have had to wait for that. */
static void fetch_get(struct fetch *f)
{
    cleanup(free_ptr) char *url = NULL;
    int64_t fetched_s = 0;
    int err = read_url(f, &url, &fetched_s);
    if (!err && end_with_kept(f))
        return;
    if (!err)
        err = submit_get(f, url);
    if (err)
        fetch_end(f, err, NULL);
}

void fetch_begin(struct fetch *f)
{
    cleanup(free_ptr) char *url = NULL;
    int64_t fetched_s = 0;
    int err = read_url(f, &url, &fetched_s);
    if (err) {
        fetch_end(f, err, NULL);
        return;
    }
    if (end_with_kept(f))
        return;
    if (!f->renewed && media_url_is_stale(url, fetched_s, clock_wall_s()))
        fetch_renew(f);
    else if (take_turn(f))
        fetch_get(f);
}
