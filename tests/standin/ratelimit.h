/* SPDX-License-Identifier: MIT */
/* The organisation's request budgets, one for each category of endpoints: a
 * fixed window, and what its headers say. Any thread; leaf lock. */
#ifndef STANDIN_RATELIMIT_H
#define STANDIN_RATELIMIT_H

#include <stdbool.h>
#include <stdint.h>

struct ratelimit;

enum retry_style { RETRY_SECONDS, RETRY_DATE, RETRY_MS, RETRY_NONE };
/* Endpoints that share a limit. */
enum category {
    CATEGORY_READ,      /* every GET */
    CATEGORY_CREATE,    /* POST /assets */
    CATEGORY_MULTIPART, /* POST below /assets/multipart-uploads */
    CATEGORY_CHANGE,    /* DELETE, PATCH, PUT */
    CATEGORIES
};

struct ratelimit_setting {
    long limit; /* requests in a window */
    long window_s;
    long used;          /* that others have used already in this window */
    long retry_after_s; /* what Retry-After says; < 0: until the reset */
    bool empty_body;    /* of a 429 */
    enum retry_style style;
};

struct ratelimit_state {
    bool allowed;
    long limit;
    long remaining;
    long used;
    int64_t reset_s;  /* epoch */
    int64_t retry_ms; /* what Retry-After says */
    bool empty_body;
    enum retry_style style;
};

struct ratelimit *ratelimit_new(void); /* generous */
void ratelimit_free(struct ratelimit *r);
/* CATEGORIES: all of them, each with a window of its own. */
void ratelimit_set(struct ratelimit *r, enum category category,
                   const struct ratelimit_setting *s);
void ratelimit_generous(struct ratelimit *r, enum category category);
/* Takes one request from the category's budget. */
struct ratelimit_state ratelimit_take(struct ratelimit *r,
                                      enum category category);
/* "read", …: the category, CATEGORIES for NULL, -1 for another name. */
int ratelimit_category(const char *name);

#endif
