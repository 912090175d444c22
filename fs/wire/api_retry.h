/* SPDX-License-Identifier: MIT */
/*
 * api_retry.h - what an answer means: an errno, whether to try again and
 * after how long, whether the host is to blame. Pure: any thread.
 */
#ifndef TWELVEFS_API_RETRY_H
#define TWELVEFS_API_RETRY_H

#include "wire/api.h"

struct api_verdict {
    int err;          /* 0: usable */
    bool retry;       /* another try may do better */
    bool host_failed; /* counts against the host */
};

/* Which rules hold for an answer. */
enum api_kind {
    API_KIND_LIST,
    API_KIND_LIST_BY_IDS, /* a 404 may mean that there is no such id */
    API_KIND_PICTURE,
    API_KIND_CHANGE,
};

/* By an answer's status and headers. */
struct api_verdict api_verdict_of(const struct http_response *response,
                                  enum api_kind kind);

/* A 200 whose body isn't the API's. */
struct api_verdict api_verdict_of_broken(void);

/* Full jitter under an exponential bound: up to 500 ms doubled per
 * attempt that went before, 8 s at most; at least retry_after_ms (-1 none), as
 * far as API_PAUSE_MAX_MS. */
int64_t api_retry_delay_ms(int attempts, int64_t retry_after_ms,
                           uint64_t random);

#endif
