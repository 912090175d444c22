/* SPDX-License-Identifier: MIT */
/*
 * api_world.h - an api over a loopback server, and answers to wait for.
 */
#ifndef TWELVEFS_TESTS_API_WORLD_H
#define TWELVEFS_TESTS_API_WORLD_H

#include "base/clock.h"
#include "loopback.h"
#include "wire/api.h"
#include "wire/http.h"

#define KEY "tlk_OPENSESAME"

struct answer {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int calls, err;
    size_t count;
    int64_t total, asked_ms, answered_ms;
    char body[64];
};

static inline void answer_init(struct answer *o)
{
    memset(o, 0, sizeof(*o));
    pthread_mutex_init(&o->lock, NULL);
    pthread_cond_init(&o->changed, NULL);
}

static inline void answer_come(struct answer *o, int err,
                               const struct api_answer *answer)
{
    o->calls++;
    o->err = err;
    if (answer) {
        o->asked_ms = answer->asked_ms;
        o->answered_ms = answer->answered_ms;
    }
    pthread_cond_broadcast(&o->changed);
}

static inline void on_page(void *ctx, int err, struct page *page,
                           const struct api_answer *answer)
{
    struct answer *o = ctx;
    pthread_mutex_lock(&o->lock);
    if (page) {
        struct page mine = *page; /* moved out, as the header allows */
        *page = (struct page){0};
        o->count = mine.count;
        o->total = mine.total_results;
        page_done(&mine);
    }
    answer_come(o, err, answer);
    pthread_mutex_unlock(&o->lock);
}

static inline void on_bytes(void *ctx, int err, struct buf *body,
                            const struct api_answer *answer)
{
    struct answer *o = ctx;
    pthread_mutex_lock(&o->lock);
    if (body)
        snprintf(o->body, sizeof(o->body), "%s", buf_str(body));
    answer_come(o, err, answer);
    pthread_mutex_unlock(&o->lock);
}

static inline int answer_wait(struct answer *o)
{
    pthread_mutex_lock(&o->lock);
    while (!o->calls)
        pthread_cond_wait(&o->changed, &o->lock);
    int err = o->err;
    pthread_mutex_unlock(&o->lock);
    return err;
}

static inline bool answer_came(struct answer *o)
{
    pthread_mutex_lock(&o->lock);
    bool came = o->calls > 0;
    pthread_mutex_unlock(&o->lock);
    return came;
}

struct world {
    struct http *http;
    struct api *api;
    struct loopback *server;
};

static inline void world_open_at(struct world *w, const char *base_url, int rpm)
{
    static const struct http_limits limits = {.max_host_connections = 16,
                                              .max_connections = 32,
                                              .connect_timeout_ms = 5000,
                                              .idle_timeout_ms = 20000};
    const struct api_config config = {
        .base_url = base_url, .key = KEY, .timeout_ms = 10000, .rpm = rpm};
    assert_int_equal(http_new(&limits, &w->http), 0);
    assert_int_equal(api_new(w->http, &config, &w->api), 0);
}

static inline void world_open(struct world *w, loopback_fn *handle, int rpm)
{
    char url[128];
    w->server = loopback_start(handle, NULL);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/v1.3//", w->server->port);
    world_open_at(w, url, rpm);
}

static inline void world_close(struct world *w)
{
    api_free(w->api);
    http_free(w->http);
    if (w->server)
        loopback_stop(w->server);
}

static inline uint64_t ask_page(struct world *w, int64_t page,
                                enum api_lane lane, int64_t within_ms,
                                struct answer *o)
{
    uint64_t ticket = 0;
    const struct api_list list = {.page = page, .page_limit = API_PAGE_LIMIT};
    answer_init(o);
    assert_int_equal(api_list_assets(w->api, &list, lane, API_CAUSE_POLL,
                                     clock_mono_ms() + within_ms, on_page, o,
                                     &ticket),
                     0);
    return ticket;
}

/* One page in the foreground, to its end. */
static inline int get_page(struct world *w, int64_t within_ms)
{
    struct answer o;
    ask_page(w, 1, API_FOREGROUND, within_ms, &o);
    return answer_wait(&o);
}

/* Every answer of the handler is this. */
#define ALWAYS(name, ...)                                                      \
    static bool name(struct loopback *s, int fd, int number, const char *r)    \
    {                                                                          \
        __VA_ARGS__;                                                           \
        return true;                                                           \
    }

#endif
