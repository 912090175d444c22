/* The organisation's request budget: a fixed window, and what its headers
 * say. Any thread; leaf lock. */
#ifndef STANDIN_RATELIMIT_H
#define STANDIN_RATELIMIT_H

#include <stdbool.h>
#include <stdint.h>

struct ratelimit;

enum retry_style { RETRY_SECONDS, RETRY_DATE, RETRY_MS };

struct ratelimit_setting {
    long limit; /* requests in a window */
    long window_s;
    long used; /* that others have used already in this window */
    enum retry_style style;
};

struct ratelimit_state {
    bool allowed;
    long limit;
    long remaining;
    long used;
    int64_t reset_s;  /* epoch */
    int64_t retry_ms; /* until then */
    enum retry_style style;
};

struct ratelimit *ratelimit_new(void); /* generous */
void ratelimit_free(struct ratelimit *r);
void ratelimit_set(struct ratelimit *r, const struct ratelimit_setting *s);
void ratelimit_generous(struct ratelimit *r);
/* Takes one request from the budget. */
struct ratelimit_state ratelimit_take(struct ratelimit *r);

#endif
