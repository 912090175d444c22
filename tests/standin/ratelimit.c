/* SPDX-License-Identifier: MIT */
#include "ratelimit.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

struct window {
    struct ratelimit_setting setting;
    long used;
    int64_t reset_ms; /* wall clock; 0: no window yet */
};

struct ratelimit {
    pthread_mutex_t lock; /* covers all */
    struct window window[CATEGORIES];
};

static const struct ratelimit_setting generous = {
    .limit = 1000000,
    .window_s = 60,
    .retry_after_s = -1,
};

struct ratelimit *ratelimit_new(void)
{
    struct ratelimit *r = calloc(1, sizeof(*r));
    if (!r)
        return NULL;
    pthread_mutex_init(&r->lock, NULL);
    ratelimit_generous(r, CATEGORIES);
    return r;
}

void ratelimit_free(struct ratelimit *r)
{
    if (!r)
        return;
    pthread_mutex_destroy(&r->lock);
    free(r);
}

void ratelimit_set(struct ratelimit *r, enum category category,
                   const struct ratelimit_setting *s)
{
    pthread_mutex_lock(&r->lock);
    for (int i = 0; i < CATEGORIES; i++)
        if (category == CATEGORIES || category == (enum category)i)
            r->window[i] = (struct window){
                *s, s->used, clock_wall_ms() + s->window_s * 1000};
    pthread_mutex_unlock(&r->lock);
}

void ratelimit_generous(struct ratelimit *r, enum category category)
{
    ratelimit_set(r, category, &generous);
}

int ratelimit_category(const char *name)
{
    static const char *const names[CATEGORIES] = {"read", "create", "multipart",
                                                  "change"};
    for (int i = 0; name && i < CATEGORIES; i++)
        if (!strcmp(names[i], name))
            return i;
    return name ? -1 : CATEGORIES;
}

struct ratelimit_state ratelimit_take(struct ratelimit *r,
                                      enum category category)
{
    struct ratelimit_state state = {0};
    int64_t now = clock_wall_ms();
    pthread_mutex_lock(&r->lock);
    struct window *w = &r->window[category];
    if (now >= w->reset_ms) {
        w->used = 0;
        w->reset_ms = now + w->setting.window_s * 1000;
    }
    state.allowed = w->used < w->setting.limit;
    if (state.allowed)
        w->used++;
    state.limit = w->setting.limit;
    state.used = w->used;
    state.remaining = state.limit - w->used;
    if (state.remaining < 0)
        state.remaining = 0;
    state.reset_s = (w->reset_ms + 999) / 1000;
    state.retry_ms = w->setting.retry_after_s < 0
                         ? w->reset_ms - now
                         : w->setting.retry_after_s * 1000;
    state.empty_body = w->setting.empty_body;
    state.style = w->setting.style;
    pthread_mutex_unlock(&r->lock);
    return state;
}
