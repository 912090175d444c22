#include "wire/api_budget.h"

#include "base/clock.h"

#define MINUTE_US         INT64_C(60000000)
#define BURST_PART        6     /* of rpm may come at once */
#define RESERVE_PART      5     /* 1/5 of the limit stays for others */
#define WINDOW_MS         60000 /* of a limit whose end isn't told */
#define WINDOW_MOST_S     INT64_C(86400)
#define RESET_SLOP_S      5 /* a reset so little past is our clock's error */
#define THROTTLE_FIRST_MS 1000
#define THROTTLE_MOST_MS  60000

void api_budget_init(struct api_budget *b, int rpm)
{
    int64_t pace = rpm > 0 ? rpm : 1;
    int64_t burst = pace / BURST_PART;
    /* slower by what the burst allows, so that no minute holds more than rpm */
    int64_t interval_us = (MINUTE_US + pace - burst - 1) / (pace - burst);
    *b = (struct api_budget){
        .interval_us = interval_us,
        .burst_us = burst > 0 ? (burst - 1) * interval_us : 0,
        .limit = -1,
        .remaining = -1,
        .reset_s = -1,
    };
}

static int64_t window_ms(int64_t reset_s, int64_t now_wall_s)
{
    if (reset_s < 0 || reset_s < now_wall_s - RESET_SLOP_S)
        return WINDOW_MS; /* absent, or told by another clock than ours */
    if (reset_s <= now_wall_s)
        return 1000;
    int64_t wait_s = reset_s - now_wall_s;
    return (wait_s < WINDOW_MOST_S ? wait_s : WINDOW_MOST_S) * 1000;
}

void api_budget_hear(struct api_budget *b, const struct http_response *response,
                     int64_t now_ms, int64_t now_wall_s)
{
    int64_t remaining = response->limit_remaining >= 0
                            ? response->limit_remaining
                            : response->request_remaining;
    if (response->limit >= 0)
        b->limit = response->limit;
    if (response->limit_reset_s >= 0)
        b->reset_s = response->limit_reset_s;
    if (remaining >= 0) {
        b->remaining = remaining;
        b->window_end_ms =
            now_ms + window_ms(response->limit_reset_s, now_wall_s);
    }
    if (response->status >= 200 && response->status < 300)
        b->throttles = 0;
}

void api_budget_throttled(struct api_budget *b, int64_t retry_after_ms,
                          int64_t now_ms)
{
    int64_t pause_ms = retry_after_ms;
    /* One more answer of those that were on their way, or to somebody who
     * waits, says nothing of how long: only what comes after the pause does. */
    if (pause_ms < 0 && now_ms < b->paused_until_ms)
        return;
    if (pause_ms < 0) {
        int doublings = b->throttles < 6 ? b->throttles : 6;
        pause_ms = (int64_t)THROTTLE_FIRST_MS << doublings;
        if (pause_ms > THROTTLE_MOST_MS)
            pause_ms = THROTTLE_MOST_MS;
    }
    b->throttles++;
    if (now_ms + pause_ms > b->paused_until_ms)
        b->paused_until_ms = now_ms + pause_ms;
}

/* Whether one more leaves the reserve untouched. A whole window always holds
 * one: or a tiny limit would shut the background out for ever. */
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
    if (b->limit < 0 || b->remaining < 0)
        return now_ms;
    if (now_ms >= b->window_end_ms && b->remaining < b->limit)
        b->remaining = b->limit;
    if (is_above_reserve(b, in_flight))
        return now_ms;
    if (b->remaining < b->limit && !is_above_reserve(b, 0))
        return b->window_end_ms;
    return CLOCK_NEVER_MS;
}

int64_t api_budget_limited_until_ms(struct api_budget *b, enum api_lane lane,
                                    int in_flight, int64_t now_ms)
{
    if (lane == API_FOREGROUND)
        return now_ms;
    if (b->paused_until_ms <= now_ms && b->throttles && in_flight)
        return CLOCK_NEVER_MS; /* one finds out whether a pause was enough */
    int64_t when_ms = reserve_when_ms(b, in_flight, now_ms);
    return b->paused_until_ms > when_ms ? b->paused_until_ms : when_ms;
}

int64_t api_budget_when_ms(struct api_budget *b, enum api_lane lane,
                           int in_flight, int64_t now_ms)
{
    int64_t when_ms = api_budget_limited_until_ms(b, lane, in_flight, now_ms);
    int64_t pace_ms = (b->next_us - b->burst_us + 999) / 1000;
    if (lane == API_BACKGROUND && pace_ms > when_ms)
        when_ms = pace_ms;
    return when_ms;
}

void api_budget_spend(struct api_budget *b, enum api_lane lane, int64_t now_ms)
{
    if (lane != API_BACKGROUND)
        return;
    int64_t now_us = now_ms * 1000;
    b->next_us = (b->next_us > now_us ? b->next_us : now_us) + b->interval_us;
}
