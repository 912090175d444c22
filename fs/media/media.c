/*
 * One struct fetch per picture under way, however many wait for it:
 *
 *   start -> (URL stale: renew ->) get -> keep -> answer
 *                  ^               |
 *                  +-- 403, 410 ---+   once
 *
 * renew runs on sync's thread, get on http's, keep on a thread of our own, so
 * that a slow disk never holds the network up. A fetch belongs to whichever of
 * these has it; m->lock guards the table and the waiters alone.
 *
 * PARALLEL fetches are active at once, from their start to their end: bodies
 * stay in memory until they are kept, and a disk slower than the network must
 * not let them pile up. The others are pending; the keeper starts them, in
 * order of asking.
 *
 * A fetch ends by its deadline, that of some waiter. Whose own comes before,
 * or while the fetch is pending, is answered by the keeper.
 *
 * Lock order: m->lock, then those of sync, api and the store.
 */
#include "media/media.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "media/media_store.h"

#define PARALLEL 8

struct waiter {
    uint64_t ticket;
    int64_t deadline_ms;
    media_file_fn *fn;
    void *ctx;
    TAILQ_ENTRY(waiter) link;
};
TAILQ_HEAD(waiter_list, waiter);

struct fetch {
    struct media *media;
    char *id;
    char name[DIGEST_HEX_SIZE]; /* in the store */
    int64_t deadline_ms;
    bool renewed;
    bool ending;                /* under media's lock: takes no more waiters */
    bool pending;               /* under media's lock: in that queue */
    bool rejected;              /* by the CDN: 403 or 410 */
    struct buf body;            /* between get and keep */
    struct waiter_list waiters; /* under media's lock */
    uint64_t api_ticket;        /* under media's lock; 0 none */
    uint64_t sync_ticket;       /* under media's lock; 0 none */
    TAILQ_ENTRY(fetch) link;    /* under media's lock */
    TAILQ_ENTRY(fetch) queue_link; /* under media's lock: pending, to_keep */
};
TAILQ_HEAD(fetch_list, fetch);

struct media {
    pthread_mutex_t lock;
    pthread_cond_t changed;    /* there may be work, or a nearer deadline */
    struct fetch_list fetches; /* under lock */
    struct fetch_list pending; /* under lock */
    struct fetch_list to_keep; /* under lock */
    int active;                /* under lock */
    uint64_t last_ticket;      /* under lock */
    bool stopping;             /* under lock */
    struct catalogue *catalogue;
    struct sync *sync;
    struct api *api;
    struct media_store *store;
    pthread_t keeper;
    bool keeper_runs;
};

static void fetch_get(struct fetch *f);

static void fetch_free(struct fetch *f)
{
    buf_done(&f->body);
    free(f->id);
    free(f);
}

/* Moves to `ended` whom this end concerns. When the deadline was the cause,
 * whoever may wait longer stays. Under m->lock. */
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

static void answer_all(struct waiter_list *ended, int err,
                       struct media_file *file)
{
    struct waiter *next;
    for (struct waiter *w = TAILQ_FIRST(ended); w; w = next) {
        next = TAILQ_NEXT(w, link);
        w->fn(w->ctx, err, file ? media_store_ref(file) : NULL);
        free(w);
    }
}

/* Ends a fetch: everybody who waits is answered, outside the lock. Nobody
 * joins it from here on: whoever asks now gets an answer of his own, not one
 * from before his question. */
static void fetch_end(struct fetch *f, int err, struct media_file *file)
{
    struct media *m = f->media;
    struct waiter_list ended = TAILQ_HEAD_INITIALIZER(ended);
    bool goes_on;
    {
        guard_mutex(&m->lock);
        take_waiters(f, err, &ended);
        goes_on = !TAILQ_EMPTY(&f->waiters);
        f->ending = !goes_on;
        if (goes_on)
            rewind_fetch(f);
        (void)pthread_cond_broadcast(&m->changed);
    }
    answer_all(&ended, err, file);
    if (goes_on) {
        fetch_get(f);
        return;
    }
    guard_mutex(&m->lock);
    TAILQ_REMOVE(&m->fetches, f, link);
    m->active--;
    (void)pthread_cond_broadcast(&m->changed);
    fetch_free(f);
}

/* ---- keep: on the keeper's thread ------------------------------------ */

static void fetch_keep(struct fetch *f)
{
    struct media_file *file = NULL;
    int err = media_store_put(f->media->store, f->name, f->body.data,
                              f->body.len, &file);
    buf_done(&f->body);
    fetch_end(f, err, err ? NULL : file);
    if (!err)
        media_file_unref(file);
}

struct work {
    struct fetch *keep, *start; /* one of them, or neither */
    struct waiter_list late;    /* to be told that their time is over */
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
static void take_next(struct media *m, struct work *work)
{
    struct fetch *f = TAILQ_FIRST(&m->to_keep);
    if (f) {
        TAILQ_REMOVE(&m->to_keep, f, queue_link);
        work->keep = f;
        return;
    }
    f = TAILQ_FIRST(&m->pending);
    if (!f || (m->active >= PARALLEL && !m->stopping))
        return;
    TAILQ_REMOVE(&m->pending, f, queue_link);
    f->pending = false;
    m->active++;
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
        take_next(m, work);
        if (work->keep || work->start || !TAILQ_EMPTY(&work->late))
            return true;
        if (m->stopping && TAILQ_EMPTY(&m->fetches))
            return false;
        (void)clock_cond_wait(&m->changed, &m->lock, next_ms);
    }
}

static void *keep_pictures(void *ctx)
{
    struct work work;
    while (take_work(ctx, &work)) {
        answer_all(&work.late, -ETIMEDOUT, NULL);
        if (work.keep)
            fetch_keep(work.keep);
        else if (work.start)
            fetch_get(work.start);
    }
    return NULL;
}

/* ---- renew: answered on sync's thread --------------------------------- */

static void on_renewed(void *ctx, int err)
{
    struct fetch *f = ctx;
    {
        guard_mutex(&f->media->lock);
        f->sync_ticket = 0;
    }
    /* Renewed as a precaution: the old URL may well do. */
    if (err && (f->rejected || err == -ESHUTDOWN))
        fetch_end(f, err, NULL);
    else
        fetch_get(f);
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
        if (!m->stopping)
            err = sync_ask(m->sync, &question, f->deadline_ms, on_renewed, f,
                           &f->sync_ticket);
    }
    if (err)
        fetch_end(f, err, NULL);
}

/* ---- get: answered on http's thread ------------------------------------ */

static void on_bytes(void *ctx, int err, struct buf *body,
                     const struct api_answer *answer)
{
    struct fetch *f = ctx;
    struct media *m = f->media;
    {
        guard_mutex(&m->lock);
        f->api_ticket = 0;
        if (!err) {
            f->body = *body; /* moved: the http module finds it empty */
            *body = (struct buf){.max = body->max};
            TAILQ_INSERT_TAIL(&m->to_keep, f, queue_link);
            (void)pthread_cond_broadcast(&m->changed);
            return;
        }
    }
    bool rejected = err == -EACCES || err == -ESTALE;
    if (rejected && !f->renewed) {
        f->rejected = true;
        fetch_renew(f);
    } else {
        fetch_end(f, err, NULL);
    }
}

/* What the catalogue says of the asset's picture now. */
static int read_url(struct media *m, const char *id, char **ret_url,
                    int64_t *ret_fetched_s)
{
    struct catalogue_entry entry;
    struct catalogue_reader *r = catalogue_reader_acquire(m->catalogue);
    if (!r)
        return -ENOMEM;
    int err = catalogue_get_by_id(r, id, &entry);
    if (!err && !entry.picture_url)
        err = -ENOENT;
    if (!err) {
        *ret_fetched_s = entry.fetched_s;
        *ret_url = strdup(entry.picture_url);
        err = *ret_url ? 0 : -ENOMEM;
    }
    catalogue_reader_release(r);
    return err;
}

static int submit_get(struct fetch *f, const char *url)
{
    struct media *m = f->media;
    guard_mutex(&m->lock);
    return m->stopping
               ? -ESHUTDOWN
               : api_get_picture(m->api, url, MEDIA_PICTURE_MAX, f->deadline_ms,
                                 on_bytes, f, &f->api_ticket);
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

static void fetch_get(struct fetch *f)
{
    cleanup(free_ptr) char *url = NULL;
    int64_t fetched_s = 0;
    int err = read_url(f->media, f->id, &url, &fetched_s);
    if (!err)
        err = media_store_name(f->id, url, f->name);
    if (!err && end_with_kept(f))
        return;
    if (!err && !f->renewed &&
        media_url_is_stale(url, fetched_s, clock_wall_s())) {
        fetch_renew(f);
        return;
    }
    if (!err)
        err = submit_get(f, url);
    if (err)
        fetch_end(f, err, NULL);
}

/* ---- face ---------------------------------------------------------------- */

int media_lookup(struct media *m, const char *id, const char *picture_url,
                 struct media_file **ret_file)
{
    char name[DIGEST_HEX_SIZE];
    int err = media_store_name(id, picture_url, name);
    return err ? err : media_store_lookup(m->store, name, ret_file);
}

static struct fetch *fetch_new(struct media *m, const char *id,
                               int64_t deadline_ms)
{
    struct fetch *f = calloc(1, sizeof(*f));
    if (!f)
        return NULL;
    f->media = m;
    f->deadline_ms = deadline_ms;
    TAILQ_INIT(&f->waiters);
    f->id = strdup(id);
    if (!f->id) {
        free(f);
        return NULL;
    }
    return f;
}

static struct fetch *find_fetch(const struct media *m, const char *id)
{
    struct fetch *f = TAILQ_FIRST(&m->fetches);
    while (f && (f->ending || strcmp(f->id, id) != 0))
        f = TAILQ_NEXT(f, link);
    return f;
}

/* Joins the fetch under way for an id, or begins one; ret_start: one that the
 * caller then must start. Under m->lock. */
static int join(struct media *m, const char *id, struct waiter *w,
                struct fetch **ret_start)
{
    if (m->stopping)
        return -ESHUTDOWN;
    struct fetch *f = find_fetch(m, id);
    if (!f) {
        f = fetch_new(m, id, w->deadline_ms);
        if (!f)
            return -ENOMEM;
        TAILQ_INSERT_TAIL(&m->fetches, f, link);
        if (m->active < PARALLEL && TAILQ_EMPTY(&m->pending)) {
            m->active++;
            *ret_start = f;
        } else {
            f->pending = true;
            TAILQ_INSERT_TAIL(&m->pending, f, queue_link);
        }
    }
    TAILQ_INSERT_TAIL(&f->waiters, w, link);
    if (f->pending || w->deadline_ms < f->deadline_ms)
        (void)pthread_cond_broadcast(&m->changed);
    return 0;
}

int media_fetch(struct media *m, const char *id, int64_t deadline_ms,
                media_file_fn *fn, void *ctx, uint64_t *ret_ticket)
{
    struct fetch *start = NULL;
    struct waiter *w = calloc(1, sizeof(*w));
    if (!w)
        return -ENOMEM;
    {
        guard_mutex(&m->lock);
        *w = (struct waiter){.ticket = ++m->last_ticket,
                             .deadline_ms = deadline_ms,
                             .fn = fn,
                             .ctx = ctx};
        int err = join(m, id, w, &start);
        if (err) {
            free(w);
            return err;
        }
        if (ret_ticket)
            *ret_ticket = w->ticket;
    }
    if (start)
        fetch_get(start);
    return 0;
}

/* A fetch that has begun goes on to its end all the same, and the picture is
 * kept: whoever asked asks again soon. */
bool media_cancel(struct media *m, uint64_t ticket)
{
    guard_mutex(&m->lock);
    for (struct fetch *f = TAILQ_FIRST(&m->fetches); f;
         f = TAILQ_NEXT(f, link)) {
        struct waiter *w = TAILQ_FIRST(&f->waiters);
        while (w && w->ticket != ticket)
            w = TAILQ_NEXT(w, link);
        if (!w)
            continue;
        TAILQ_REMOVE(&f->waiters, w, link);
        free(w);
        return true;
    }
    return false;
}

DEFINE_CLEANUP(free_media, struct media *, media_free)

int media_new(const struct media_config *config, struct catalogue *catalogue,
              struct sync *sync, struct api *api, struct media **ret_media)
{
    cleanup(free_media) struct media *m = calloc(1, sizeof(*m));
    if (!m)
        return -ENOMEM;
    (void)pthread_mutex_init(&m->lock, NULL);
    clock_cond_init(&m->changed);
    TAILQ_INIT(&m->fetches);
    TAILQ_INIT(&m->pending);
    TAILQ_INIT(&m->to_keep);
    m->catalogue = catalogue;
    m->sync = sync;
    m->api = api;
    int err =
        media_store_open(config->directory, config->cache_bytes, &m->store);
    if (err)
        return err;
    err = pthread_create(&m->keeper, NULL, keep_pictures, m);
    if (err)
        return -err;
    m->keeper_runs = true;
    *ret_media = steal_ptr(m);
    return 0;
}

/* A fetch that waits for sync is ended here when its answer will not come. */
static void cancel_all(struct media *m)
{
    for (;;) {
        struct fetch *f;
        bool ours = false;
        {
            guard_mutex(&m->lock);
            m->stopping = true;
            (void)pthread_cond_broadcast(&m->changed);
            f = TAILQ_FIRST(&m->fetches);
            while (f && !f->api_ticket && !f->sync_ticket)
                f = TAILQ_NEXT(f, link);
            if (!f)
                return;
            if (f->api_ticket) {
                api_cancel(m->api, f->api_ticket);
                f->api_ticket = 0;
            } else {
                ours = sync_cancel(m->sync, f->sync_ticket);
                f->sync_ticket = 0;
            }
        }
        if (ours)
            fetch_end(f, -ESHUTDOWN, NULL);
    }
}

void media_free(struct media *m)
{
    if (!m)
        return;
    cancel_all(m);
    if (m->keeper_runs)
        (void)pthread_join(m->keeper, NULL);
    media_store_close(m->store);
    (void)pthread_cond_destroy(&m->changed);
    (void)pthread_mutex_destroy(&m->lock);
    free(m);
}
