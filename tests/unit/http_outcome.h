/* SPDX-License-Identifier: MIT */
/*
 * http_outcome.h - what came of a request, kept for a test to wait for.
 */
#ifndef TWELVEFS_TESTS_HTTP_OUTCOME_H
#define TWELVEFS_TESTS_HTTP_OUTCOME_H

#include "base/clock.h"
#include "loopback.h"
#include "wire/http.h"

struct outcome {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int calls;
    int err, status;
    bool refused;
    char text[256];
    char type[128];
    char etag[256];
    char *body;
    size_t len;
    int64_t retry_after_ms, limit, remaining, request_remaining, reset_s;
};

static inline void outcome_init(struct outcome *o)
{
    memset(o, 0, sizeof(*o));
    pthread_mutex_init(&o->lock, NULL);
    pthread_cond_init(&o->changed, NULL);
}

static inline void outcome_done(struct outcome *o)
{
    free(o->body);
    pthread_cond_destroy(&o->changed);
    pthread_mutex_destroy(&o->lock);
}

static inline void on_done(void *ctx, struct http_response *r)
{
    struct outcome *o = ctx;
    pthread_mutex_lock(&o->lock);
    o->calls++;
    o->err = r->err;
    o->status = r->status;
    o->refused = r->refused;
    snprintf(o->text, sizeof(o->text), "%s", r->error_text);
    snprintf(o->type, sizeof(o->type), "%s", r->content_type);
    snprintf(o->etag, sizeof(o->etag), "%s", r->etag);
    free(o->body);
    o->body = buf_steal(r->body, &o->len);
    o->retry_after_ms = r->retry_after_ms;
    o->limit = r->limit;
    o->remaining = r->limit_remaining;
    o->request_remaining = r->request_remaining;
    o->reset_s = r->limit_reset_s;
    pthread_cond_broadcast(&o->changed);
    pthread_mutex_unlock(&o->lock);
}

static inline void outcome_wait(struct outcome *o)
{
    pthread_mutex_lock(&o->lock);
    while (o->calls == 0)
        pthread_cond_wait(&o->changed, &o->lock);
    pthread_mutex_unlock(&o->lock);
}

static const struct http_limits limits = {
    .max_host_connections = 4,
    .max_connections = 8,
    .connect_timeout_ms = 5000,
    .idle_timeout_ms = 20000,
};

static inline struct http *new_http(void)
{
    struct http *h = NULL;
    assert_int_equal(http_new(&limits, &h), 0);
    return h;
}

static inline struct http_request request_of(char *url, size_t size, int port,
                                             const char *path)
{
    snprintf(url, size, "http://127.0.0.1:%d%s", port, path);
    return (struct http_request){.url = url,
                                 .deadline_ms = clock_mono_ms() + 20000,
                                 .max_bytes = 1 << 20};
}

#endif
