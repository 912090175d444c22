/*
 * api_budget.h - when background requests may go.
 *
 * Three rules over plain numbers: `rpm` a minute (the background lane alone),
 * none before a 429's Retry-After is over and then one at a time until one
 * succeeds, none that would leave less than 20 % of the limit that the server
 * states. No clock, no lock: the caller brings the first and holds the second.
 */
#ifndef TWELVEFS_API_BUDGET_H
#define TWELVEFS_API_BUDGET_H

#include "wire/api.h"

struct api_budget {
    int64_t interval_us; /* between requests at the steady pace */
    int64_t burst_us;    /* how far ahead of it they may run */
    int64_t next_us;     /* when the pace would have the next one */
    int64_t paused_until_ms;
    int throttles;                     /* 429s in a row */
    int64_t limit, remaining, reset_s; /* as last heard; -1 unknown */
    int64_t window_end_ms; /* when `remaining` will be `limit` again */
};

void api_budget_init(struct api_budget *b, int rpm);

/* What an answer's header fields say. */
void api_budget_hear(struct api_budget *b, const struct http_response *response,
                     int64_t now_ms, int64_t now_wall_s);

/* A 429 came; retry_after_ms -1 when it doesn't say how long. */
void api_budget_throttled(struct api_budget *b, int64_t retry_after_ms,
                          int64_t now_ms);

/* Until when the server's limit, told or guessed, keeps a request of this lane
 * back: as below, but for our own pace. */
int64_t api_budget_limited_until_ms(struct api_budget *b, enum api_lane lane,
                                    int in_flight, int64_t now_ms);

/* When a request of this lane may go, given how many are under way: now or
 * before, a time, or CLOCK_NEVER_MS: not before one of these is answered. */
int64_t api_budget_when_ms(struct api_budget *b, enum api_lane lane,
                           int in_flight, int64_t now_ms);

/* One goes now. */
void api_budget_spend(struct api_budget *b, enum api_lane lane, int64_t now_ms);

#endif
