/* SPDX-License-Identifier: MIT */
/*
 * api_host.h - what is known of each host: whether it is down, and how long it
 * asked for a pause. What one host says doesn't affect another.
 *
 * A host whose answers failed API_CIRCUIT_FAILURES times in a row is down.
 * Then one call at a time, its probe, finds out whether it still is, at the
 * earliest a second after the failure before. Others wait for the result: a
 * success lets them all go, a failure fails those that were asked before it.
 * Failures of requests that were under way together count once, or one short
 * fault during a parallel walk would mark the host as down.
 *
 * `pause` is of pictures; the lists' is in api_budget.h. Protected by api's
 * lock.
 */
#ifndef TWELVEFS_API_HOST_H
#define TWELVEFS_API_HOST_H

#include "wire/api.h"
#include "wire/api_pause.h"

#define API_HOSTS_MAX 32

struct api_call;

struct api_host {
    char origin[128]; /* "https://host:port"; "" free */
    int failures;     /* in a row */
    int last_error;
    struct api_moment failed;     /* when the last one counted */
    const struct api_call *probe; /* under way while it is down */
    struct api_pause pause;
    int pictures_in_flight;
    int calls;     /* that hold this host */
    uint64_t used; /* when last used; the oldest is thrown out */
};

struct api_hosts {
    struct api_host hosts[API_HOSTS_MAX];
    uint64_t uses;
};

/* A URL's host, held until api_host_release. NULL when all places are held,
 * or its name is absurdly long: such a call is made without. */
struct api_host *api_host_hold(struct api_hosts *all, const char *url);

/* All that follow take a NULL host. */
void api_host_release(struct api_host *h, const struct api_call *call);

bool api_host_is_down(const struct api_host *h);
/* Now, later, or CLOCK_NEVER_MS: its probe must end first. */
int64_t api_host_when_ms(const struct api_host *h, int64_t now_ms);
/* It is down, and a failure since the moment `asked` has shown that. */
bool api_host_failed_since(const struct api_host *h, uint64_t asked);

/* A call was sent, and what came of it. sent: the moment when. */
void api_host_sent(struct api_host *h, const struct api_call *call);
void api_host_succeeded(struct api_host *h);
void api_host_failed(struct api_host *h, int err, uint64_t sent,
                     struct api_moment now);
/* The call isn't under way any more. */
void api_host_ended(struct api_host *h, const struct api_call *call);

#endif
