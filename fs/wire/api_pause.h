/* SPDX-License-Identifier: MIT */
/*
 * api_pause.h - how long refusals (429, and 503 with a Retry-After) keep
 * requests back: of a host, or of one category of its endpoints.
 *
 * No header is obeyed without a bound: a pause lasts as long as the server
 * says, but API_PAUSE_MAX_MS at most. Then one request at a time tries, until
 * one succeeds. A success ends the pause whenever it comes, if it was asked
 * for after the last refusal. A request that can wait for the end of the pause
 * waits. One for which a person waits, and which can't, may be tried while
 * nothing is under way, API_PAUSE_TRY_MS after the last refusal at the
 * earliest.
 *
 * Plain numbers: the caller brings clock and order, and holds the lock.
 */
#ifndef TWELVEFS_API_PAUSE_H
#define TWELVEFS_API_PAUSE_H

#include "wire/api.h"

#define API_PAUSE_TRY_MS 5000

/* A moment in the order of events: all that happens under the api's lock is
 * numbered, since many things happen in one millisecond. */
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

/* Whether the pause lasts past the deadline, by a refusal that came since the
 * moment `asked`: then the call can fail now. */
bool api_pause_refused(const struct api_pause *p, uint64_t asked,
                       int64_t deadline_ms);

#endif
