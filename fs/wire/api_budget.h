/* SPDX-License-Identifier: MIT */
/*
 * api_budget.h - when requests of one category of endpoints may go.
 *
 * Three rules over plain numbers. `rpm` a minute: the background lanes alone,
 * or all of them (paces_all).
 * Refusals pause (api_pause.h). Only a request for which a person waits may
 * leave less than 20 % of the limit that the server states, until its window
 * ends. If the server puts that end API_PAUSE_MAX_MS or more away, a single
 * request tries after API_PAUSE_MAX_MS; an answer that doesn't mention the
 * limit ends it. "0 remain" isn't believed of a server that went on answering
 * after it, within the same window.
 *
 * No clock, no lock: the caller brings the first and holds the second.
 */
#ifndef TWELVEFS_API_BUDGET_H
#define TWELVEFS_API_BUDGET_H

#include "wire/api.h"
#include "wire/api_pause.h"

struct api_budget {
    int64_t interval_us; /* between requests at the steady pace */
    int64_t burst_us;    /* how far ahead of it they may run */
    int64_t next_us;     /* when the pace would have the next one */
    bool paces_all;
    struct api_pause pause;
    int64_t limit, remaining, reset_s; /* as last heard; -1 unknown */
    struct api_moment heard;           /* when `remaining` was */
    int64_t told_end_ms;   /* of the window, as the server has it; -1 not */
    int64_t window_end_ms; /* when to look again */
    bool zero_is_wrong;    /* it answers though none remain */
};

void api_budget_init(struct api_budget *b, int rpm);

/* What an answer says; sent: the moment when its request was. */
void api_budget_hear(struct api_budget *b, const struct http_response *response,
                     uint64_t sent, struct api_moment now, int64_t now_wall_s);

/* Until when the server's limit (stated or assumed) holds a request of this
 * lane back: like the next function, without `rpm`. */
int64_t api_budget_limited_until_ms(struct api_budget *b, enum api_lane lane,
                                    int in_flight, int64_t deadline_ms,
                                    int64_t now_ms);

/* When a request of this lane may be sent, given how many are under way: now
 * or before, a time, or CLOCK_NEVER_MS: not before one of these is answered. */
int64_t api_budget_when_ms(struct api_budget *b, enum api_lane lane,
                           int in_flight, int64_t deadline_ms, int64_t now_ms);

/* When `rpm` allows the next one; 0: it doesn't hold for this lane. */
int64_t api_budget_pace_ms(const struct api_budget *b, enum api_lane lane);

/* One is sent now. */
void api_budget_spend(struct api_budget *b, enum api_lane lane, int64_t now_ms);

#endif
