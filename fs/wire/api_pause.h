/* SPDX-License-Identifier: MIT */
/*
 * api_pause.h - how long refusals (429, and 503 with a Retry-After) keep
 * requests back: of a host, or of one category of its endpoints.
 *
 * No header is believed blindly: a pause lasts as long as the server says, but
 * API_PAUSE_MAX_MS at most. Then one request at a time finds out, until one
 * succeeds. A success ends the pause whenever it comes, if it was asked for
 * after the last refusal. Who can wait for the end of the pause waits; a
 * person who can't may try, API_PAUSE_TRY_MS after the last refusal at the
 * earliest, while nothing is under way.
 *
 * Plain numbers: the caller brings clock and order, and holds the lock.
 */
#ifndef TWELVEFS_API_PAUSE_H
#define TWELVEFS_API_PAUSE_H

#include "wire/api.h"

#define API_PAUSE_TRY_MS 5000

/* What comes before what: all that happens under the api's lock is numbered,
 * for many things happen in one millisecond. */
struct api_moment {
    uint64_t number;
    int64_t ms;
};

struct api_pause {
    int refusals;              /* in a row; 0: there is no pause */
    struct api_moment refused; /* when the last one came */
    int64_t until_ms;
};

/* Takes in an answer to a request that was sent at the moment `sent`. */
void api_pause_hear(struct api_pause *p, const struct http_response *response,
                    uint64_t sent, struct api_moment now);

/* When a request may go, given how many are under way: now or before, a time,
 * or CLOCK_NEVER_MS: not before one of these is answered. */
int64_t api_pause_when_ms(const struct api_pause *p, int in_flight,
                          int64_t now_ms);

/* The same for what a person waits for until deadline_ms. */
int64_t api_pause_try_ms(const struct api_pause *p, int in_flight,
                         int64_t deadline_ms, int64_t now_ms);

/* Whether it lasts past the deadline, as a refusal has said that came since
 * the moment `asked`: news enough to fail with. */
bool api_pause_refused(const struct api_pause *p, uint64_t asked,
                       int64_t deadline_ms);

#endif
