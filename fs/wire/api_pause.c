/* SPDX-License-Identifier: MIT */
#include "wire/api_pause.h"

#include "base/clock.h"

#define GUESS_FIRST_MS 1000
#define GUESS_MOST_MS  60000

/* The pause that a refusal asks for; a guess if it doesn't say how long. */
static int64_t asked_for_ms(const struct api_pause *p, int64_t retry_after_ms)
{
    if (retry_after_ms >= 0)
        return retry_after_ms < API_PAUSE_MAX_MS ? retry_after_ms
                                                 : API_PAUSE_MAX_MS;
    int doublings = p->refusals < 6 ? p->refusals : 6;
    int64_t guess_ms = (int64_t)GUESS_FIRST_MS << doublings;
    return guess_ms < GUESS_MOST_MS ? guess_ms : GUESS_MOST_MS;
}

static void pause_longer(struct api_pause *p, int64_t retry_after_ms,
                         struct api_moment now)
{
    p->refused = now;
    /* A further refusal of requests that were under way, or that a person had
     * us try, doesn't lengthen the pause: only one that comes after the pause
     * does. */
    if (retry_after_ms < 0 && p->refusals && now.ms < p->until_ms)
        return;
    int64_t until_ms = now.ms + asked_for_ms(p, retry_after_ms);
    if (!p->refusals || until_ms > p->until_ms)
        p->until_ms = until_ms;
    p->refusals++;
}

void api_pause_hear(struct api_pause *p, const struct http_response *response,
                    uint64_t sent, struct api_moment now)
{
    if (response->err)
        return;
    if (response->status == 429 ||
        (response->status == 503 && response->retry_after_ms >= 0))
        pause_longer(p, response->retry_after_ms, now);
    else if (response->status >= 200 && response->status < 300 &&
             sent > p->refused.number)
        p->refusals = 0;
}

int64_t api_pause_when_ms(const struct api_pause *p, int in_flight,
                          int64_t now_ms)
{
    if (!p->refusals)
        return now_ms;
    if (now_ms < p->until_ms)
        return p->until_ms;
    return in_flight ? CLOCK_NEVER_MS : now_ms;
}

int64_t api_pause_try_ms(const struct api_pause *p, int in_flight,
                         int64_t deadline_ms, int64_t now_ms)
{
    if (!p->refusals || now_ms >= p->until_ms || p->until_ms <= deadline_ms)
        return api_pause_when_ms(p, in_flight, now_ms);
    if (in_flight)
        return CLOCK_NEVER_MS;
    return p->refused.ms + API_PAUSE_TRY_MS;
}

bool api_pause_refused(const struct api_pause *p, uint64_t asked,
                       int64_t deadline_ms)
{
    return p->refusals && p->refused.number > asked &&
           p->until_ms > deadline_ms;
}
