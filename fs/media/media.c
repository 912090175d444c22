/* SPDX-License-Identifier: MIT */
#include "media/media.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/thread.h"
#include "media/media_internal.h"

/* What is known. */

int media_lookup(struct media *m, const char *id, const char *picture_url,
                 struct media_file **ret_file)
{
    char name[DIGEST_HEX_SIZE];
    int err = media_store_name(id, picture_url, name);
    return err ? err : media_store_lookup(m->store, name, ret_file);
}

bool media_is_of(const struct media_file *f, const char *id,
                 const char *picture_url)
{
    char name[DIGEST_HEX_SIZE];
    return media_store_name(id, picture_url, name) == 0 &&
           media_store_is_called(f, name);
}

bool media_content_is_known(const struct media_content *c)
{
    return c->size_bytes >= 0;
}

bool media_content_differs(const struct media_content *a,
                           const struct media_content *b)
{
    bool both = media_content_is_known(a) && media_content_is_known(b);
    return a->label != b->label || (both && (a->size_bytes != b->size_bytes ||
                                             a->checksum != b->checksum));
}

void media_describe_file(const struct media_file *f, const char *picture_url,
                         struct media_content *ret_content)
{
    *ret_content = (struct media_content){.label = media_label(picture_url),
                                          .size_bytes = f->size_bytes,
                                          .checksum = f->checksum};
}

void media_describe(struct media *m, struct catalogue_reader *reader,
                    int64_t row, const char *id, const char *picture_url,
                    struct media_content *ret_content)
{
    struct media_file *file = NULL;
    struct catalogue_picture noted;
    if (media_lookup(m, id, picture_url, &file) == 0) {
        media_describe_file(file, picture_url, ret_content);
        media_file_unref(file);
        return;
    }
    *ret_content = (struct media_content){.label = media_label(picture_url),
                                          .size_bytes = -1};
    if (catalogue_picture_get(reader, row, &noted) ||
        noted.label != ret_content->label)
        return;
    ret_content->size_bytes = noted.size_bytes;
    ret_content->checksum = noted.checksum;
}

/* Asking and cancelling. */

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
static int media_join(struct media *m, const char *id, struct waiter *w,
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
        *ret_start = f;
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
        int err = media_join(m, id, w, &start);
        if (err) {
            free(w);
            return err;
        }
        if (ret_ticket)
            *ret_ticket = w->ticket;
    }
    if (start)
        fetch_begin(start);
    return 0;
}

/* A fetch that has begun goes on, and the picture is kept, since whoever
 * asked often asks again soon. */
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
    err = thread_start(&m->keeper, fetch_keep_all, m);
    if (err)
        return err;
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
