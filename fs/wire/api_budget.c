/* SPDX-License-Identifier: MIT */
#include "wire/api_budget.h"

#include "base/clock.h"

#define MINUTE_US    INT64_C(60000000)
#define BURST_PART   6     /* of rpm may be sent at once */
#define RESERVE_PART 5     /* 1/5 of the limit stays for others */
#define WINDOW_MS    60000 /* of a limit whose end the server doesn't say */
#define RESET_SLOP_S 5     /* a reset so little past: the clocks differ */

/* Whether `rpm` holds for a lane. */
static bool is_paced(const struct api_budget *b, enum api_lane lane)
{
    return b->paces_all || lane == API_BACKGROUND || lane == API_REWALK;
}

void api_budget_init(struct api_budget *b, int rpm)
{
    int64_t pace = rpm > 0 ? rpm : 1;
    int64_t burst = pace / BURST_PART;
    /* slower by the burst, so that no minute has more than rpm */
    int64_t interval_us = (MINUTE_US + pace - burst - 1) / (pace - burst);
    *b = (struct api_budget){
        .interval_us = interval_us,
        .burst_us = burst > 0 ? (burst - 1) * interval_us : 0,
        .limit = -1,
        .remaining = -1,
        .reset_s = -1,
        .told_end_ms = -1,
    };
}

/* When the server says that its window ends; -1 when it doesn't say, or its
 * clock differs from ours. */
static int64_t told_end_ms(int64_t reset_s, int64_t now_ms, int64_t now_wall_s)
{
    if (reset_s < 0 || reset_s < now_wall_s - RESET_SLOP_S)
        return -1;
    if (reset_s <= now_wall_s)
        return now_ms + 1000;
    int64_t wait_s = reset_s - now_wall_s;
    return wait_s < (CLOCK_NEVER_MS - now_ms) / 1000 ? now_ms + wait_s * 1000
                                                     : CLOCK_NEVER_MS;
}

static bool is_success(const struct http_response *response)
{
    return !response->err && response->status >= 200 && response->status < 300;
}

static void hear_remaining(struct api_budget *b, int64_t remaining,
                           const struct http_response *response, uint64_t sent,
                           struct api_moment now, int64_t now_wall_s)
{
    bool again = is_success(response) && b->remaining == 0 &&
                 sent > b->heard.number && now.ms < b->told_end_ms;
    b->zero_is_wrong = remaining == 0 && (b->zero_is_wrong || again);
    b->remaining = remaining;
    b->heard = now;
    b->told_end_ms = told_end_ms(response->limit_reset_s, now.ms, now_wall_s);
    b->window_end_ms = b->told_end_ms < 0 ? now.ms + WINDOW_MS : b->told_end_ms;
    if (b->window_end_ms > now.ms + API_PAUSE_MAX_MS)
        b->window_end_ms = now.ms + API_PAUSE_MAX_MS;
}

void api_budget_hear(struct api_budget *b, const struct http_response *response,
                     uint64_t sent, struct api_moment now, int64_t now_wall_s)
{
    int64_t remaining = response->limit_remaining >= 0
                            ? response->limit_remaining
                            : response->request_remaining;
    if (response->limit >= 0)
        b->limit = response->limit;
    if (response->limit_reset_s >= 0)
        b->reset_s = response->limit_reset_s;
    if (remaining >= 0)
        hear_remaining(b, remaining, response, sent, now, now_wall_s);
    else if (is_success(response) && sent > b->heard.number)
        b->remaining = -1;
    api_pause_hear(&b->pause, response, sent, now);
}

/* Whether one more request leaves the reserve untouched. A full window always
 * allows one, or a tiny limit would stop background requests for ever. */
static bool is_above_reserve(const struct api_budget *b, int in_flight)
{
    if (b->remaining >= b->limit && in_flight == 0)
        return true;
    return (b->remaining - in_flight - 1) >=
           (b->limit + RESERVE_PART - 1) / RESERVE_PART;
}

static int64_t reserve_when_ms(struct api_budget *b, int in_flight,
                               int64_t now_ms)
{
    if (b->limit < 0 || b->remaining < 0 || b->zero_is_wrong)
        return now_ms;
    if (now_ms >= b->window_end_ms && b->window_end_ms < b->told_end_ms)
        return in_flight ? CLOCK_NEVER_MS : now_ms;
    if (now_ms >= b->window_end_ms && b->remaining < b->limit)
        b->remaining = b->limit;
    if (is_above_reserve(b, in_flight))
        return now_ms;
    if (b->remaining < b->limit && !is_above_reserve(b, 0))
        return b->window_end_ms;
    return CLOCK_NEVER_MS;
}

int64_t api_budget_limited_until_ms(struct api_budget *b, enum api_lane lane,
                                    int in_flight, int64_t deadline_ms,
                                    int64_t now_ms)
{
    if (lane == API_FOREGROUND)
        return api_pause_try_ms(&b->pause, in_flight, deadline_ms, now_ms);
    int64_t pause_ms = api_pause_when_ms(&b->pause, in_flight, now_ms);
    int64_t reserve_ms = reserve_when_ms(b, in_flight, now_ms);
    return pause_ms > reserve_ms ? pause_ms : reserve_ms;
}

int64_t api_budget_when_ms(struct api_budget *b, enum api_lane lane,
                           int in_flight, int64_t deadline_ms, int64_t now_ms)
{
    int64_t when_ms =
        api_budget_limited_until_ms(b, lane, in_flight, deadline_ms, now_ms);
    int64_t pace_ms = api_budget_pace_ms(b, lane);
    return pace_ms > when_ms ? pace_ms : when_ms;
}

int64_t api_budget_pace_ms(const struct api_budget *b, enum api_lane lane)
{
    return is_paced(b, lane) ? (b->next_us - b->burst_us + 999) / 1000 : 0;
}

void api_budget_spend(struct api_budget *b, enum api_lane lane, int64_t now_ms)
{
    if (!is_paced(b, lane))
        return;
    int64_t now_us = now_ms * 1000;
    b->next_us = (b->next_us > now_us ? b->next_us : now_us) + b->interval_us;
}
