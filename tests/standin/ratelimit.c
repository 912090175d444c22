#include "ratelimit.h"

#include <pthread.h>
#include <stdlib.h>

#include "clock.h"

struct ratelimit {
    pthread_mutex_t lock; /* covers all */
    struct ratelimit_setting setting;
    long used;
    int64_t reset_ms; /* wall clock; 0: no window yet */
};

static const struct ratelimit_setting generous = {
    .limit = 1000000,
    .window_s = 60,
};

struct ratelimit *ratelimit_new(void)
{
    struct ratelimit *r = calloc(1, sizeof(*r));
    if (!r)
        return NULL;
    pthread_mutex_init(&r->lock, NULL);
    r->setting = generous;
    return r;
}

void ratelimit_free(struct ratelimit *r)
{
    if (!r)
        return;
    pthread_mutex_destroy(&r->lock);
    free(r);
}

void ratelimit_set(struct ratelimit *r, const struct ratelimit_setting *s)
{
    pthread_mutex_lock(&r->lock);
    r->setting = *s;
    r->used = s->used;
    r->reset_ms = clock_wall_ms() + s->window_s * 1000;
    pthread_mutex_unlock(&r->lock);
}

void ratelimit_generous(struct ratelimit *r)
{
    ratelimit_set(r, &generous);
}

struct ratelimit_state ratelimit_take(struct ratelimit *r)
{
    struct ratelimit_state state = {0};
    int64_t now = clock_wall_ms();
    pthread_mutex_lock(&r->lock);
    if (now >= r->reset_ms) {
        r->used = 0;
        r->reset_ms = now + r->setting.window_s * 1000;
    }
    state.allowed = r->used < r->setting.limit;
    if (state.allowed)
        r->used++;
    state.limit = r->setting.limit;
    state.used = r->used;
    state.remaining = state.limit - r->used;
    if (state.remaining < 0)
        state.remaining = 0;
    state.reset_s = (r->reset_ms + 999) / 1000;
    state.retry_ms = r->reset_ms - now;
    state.style = r->setting.style;
    pthread_mutex_unlock(&r->lock);
    return state;
}
