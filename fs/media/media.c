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
 */
#include "media/media.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "media/media_store.h"

struct waiter {
    uint64_t ticket;
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
    struct buf body;            /* between get and keep */
    struct waiter_list waiters; /* under media's lock */
    uint64_t api_ticket;        /* under media's lock; 0 none */
    uint64_t sync_ticket;       /* under media's lock; 0 none */
    TAILQ_ENTRY(fetch) link;    /* under media's lock */
    TAILQ_ENTRY(fetch) keep_link;
};
TAILQ_HEAD(fetch_list, fetch);

struct media {
    pthread_mutex_t lock;
    pthread_cond_t changed;    /* a fetch ended or waits to be kept */
    struct fetch_list fetches; /* under lock */
    struct fetch_list to_keep; /* under lock */
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

/* Ends a fetch: everybody who waits is answered, outside the lock. */
static void fetch_end(struct fetch *f, int err, struct media_file *file)
{
    struct media *m = f->media;
    struct waiter_list waiters = TAILQ_HEAD_INITIALIZER(waiters);
    {
        guard_mutex(&m->lock);
        TAILQ_CONCAT(&waiters, &f->waiters, link);
    }
    for (struct waiter *w; (w = TAILQ_FIRST(&waiters));) {
        TAILQ_REMOVE(&waiters, w, link);
        w->fn(w->ctx, err, file ? media_store_ref(file) : NULL);
        free(w);
    }
    {
        guard_mutex(&m->lock);
        if (TAILQ_EMPTY(&f->waiters)) {
            TAILQ_REMOVE(&m->fetches, f, link);
            (void)pthread_cond_broadcast(&m->changed);
            fetch_free(f);
            return;
        }
    }
    fetch_end(f, err, file); /* who joined while the others were answered */
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

static void *keep_pictures(void *ctx)
{
    struct media *m = ctx;
    for (;;) {
        struct fetch *f;
        {
            guard_mutex(&m->lock);
            while (!(f = TAILQ_FIRST(&m->to_keep)) &&
                   !(m->stopping && TAILQ_EMPTY(&m->fetches)))
                (void)pthread_cond_wait(&m->changed, &m->lock);
            if (!f)
                return NULL;
            TAILQ_REMOVE(&m->to_keep, f, keep_link);
        }
        fetch_keep(f);
    }
}

/* ---- renew: answered on sync's thread --------------------------------- */

static void on_renewed(void *ctx, int err)
{
    struct fetch *f = ctx;
    {
        guard_mutex(&f->media->lock);
        f->sync_ticket = 0;
    }
    if (err)
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
            TAILQ_INSERT_TAIL(&m->to_keep, f, keep_link);
            (void)pthread_cond_broadcast(&m->changed);
            return;
        }
    }
    if ((err == -EACCES || err == -ESTALE) && !f->renewed)
        fetch_renew(f);
    else
        fetch_end(f, err, NULL);
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
    int err = media_store_name(f->id, url, f->name);
    if (err)
        return err;
    guard_mutex(&m->lock);
    return m->stopping
               ? -ESHUTDOWN
               : api_get_picture(m->api, url, MEDIA_PICTURE_MAX, f->deadline_ms,
                                 on_bytes, f, &f->api_ticket);
}

static void fetch_get(struct fetch *f)
{
    cleanup(free_ptr) char *url = NULL;
    int64_t fetched_s;
    int err = read_url(f->media, f->id, &url, &fetched_s);
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

/* Joins the fetch under way for an id, or begins one, which the caller then
 * must start. Under m->lock. */
static int join(struct media *m, const char *id, int64_t deadline_ms,
                struct waiter *w, struct fetch **ret_new)
{
    struct fetch *f;
    if (m->stopping)
        return -ESHUTDOWN;
    TAILQ_FOREACH(f, &m->fetches, link)
    if (strcmp(f->id, id) == 0)
        break;
    if (!f) {
        f = fetch_new(m, id, deadline_ms);
        if (!f)
            return -ENOMEM;
        TAILQ_INSERT_TAIL(&m->fetches, f, link);
        *ret_new = f;
    }
    TAILQ_INSERT_TAIL(&f->waiters, w, link);
    return 0;
}

int media_fetch(struct media *m, const char *id, int64_t deadline_ms,
                media_file_fn *fn, void *ctx, uint64_t *ret_ticket)
{
    struct fetch *fresh = NULL;
    struct waiter *w = calloc(1, sizeof(*w));
    if (!w)
        return -ENOMEM;
    {
        guard_mutex(&m->lock);
        *w = (struct waiter){.ticket = ++m->last_ticket, .fn = fn, .ctx = ctx};
        uint64_t ticket = w->ticket;
        int err = join(m, id, deadline_ms, w, &fresh);
        if (err) {
            free(w);
            return err;
        }
        if (ret_ticket)
            *ret_ticket = ticket;
    }
    if (fresh)
        fetch_get(fresh);
    return 0;
}

/* The picture is fetched to its end all the same, and kept: whoever asked
 * asks again soon. */
bool media_cancel(struct media *m, uint64_t ticket)
{
    guard_mutex(&m->lock);
    struct fetch *f;
    TAILQ_FOREACH(f, &m->fetches, link)
    {
        struct waiter *w;
        TAILQ_FOREACH(w, &f->waiters, link)
        {
            if (w->ticket != ticket)
                continue;
            TAILQ_REMOVE(&f->waiters, w, link);
            free(w);
            return true;
        }
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
    (void)pthread_cond_init(&m->changed, NULL);
    TAILQ_INIT(&m->fetches);
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
            TAILQ_FOREACH(f, &m->fetches, link)
            if (f->api_ticket || f->sync_ticket)
                break;
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
