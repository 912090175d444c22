/* SPDX-License-Identifier: MIT */
/*
 * api.h - the API's calls as typed questions: authentication, budget,
 * retries, and HTTP results as errno.
 *
 * Callbacks run on the http thread, exactly once, and must not block. Any
 * thread may ask and cancel.
 *
 * Retries: 408, 429, 5xx and transport faults, until the deadline, with
 * exponential backoff from 500 ms to 8 s under full jitter; Retry-After
 * is obeyed (a wait past the deadline fails at once). A 200 that isn't the
 * API's JSON (captive portal, truncated body) is retried likewise and ends as
 * -EIO. A redirect of the API is a broken answer: it isn't followed. What would
 * be no better the next time isn't tried again: refusals, a certificate that
 * can't pass, a picture's redirect to where we don't go. A host that failed
 * API_CIRCUIT_FAILURES times in a row (failures of requests under way together
 * count once) is asked by one probe at a time, a second apart at least: all
 * others wait for what comes of it, and fail with its error when it fails.
 *
 * Limits belong to who states them: the lists' to the lists, those of each
 * category of changes to that, a picture host's to that host. A 429, or a 503
 * with Retry-After, pauses for as long as it says, but API_PAUSE_MAX_MS at
 * most; then one request finds out, and any success ends the pause. What a
 * person waits for waits for the end of a pause that his deadline allows;
 * otherwise it may try, one at a time and 5 s after the last refusal, and ends
 * with -EAGAIN when that is refused. In the background such a pause is -EAGAIN
 * at once.
 *
 * Budget: the lanes after API_FOREGROUND stand back while foreground requests
 * are queued or under way, and stay above 20 % of what X-Ratelimit-Remaining
 * says of X-Ratelimit-Limit, until X-Ratelimit-Reset (api_budget.h). Under
 * `rpm` a minute are API_BACKGROUND and API_REWALK together.
 */
#ifndef TWELVEFS_API_H
#define TWELVEFS_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "json/page.h"
#include "wire/http.h"

#define API_PAGE_LIMIT       50 /* assets a page, the API's largest */
#define API_IDS_LIMIT        50 /* asset_ids in one request */
#define API_CIRCUIT_FAILURES 5
#define API_PAUSE_MAX_MS     300000      /* that a header can ask for */
#define API_PICTURE_BYTES    (64u << 20) /* of all pictures under way */

struct api;

/* Earlier lanes go first, each in order of asking. */
enum api_lane {
    API_FOREGROUND, /* a person waits */
    API_WALK,       /* pages that are known to be missing, beside rpm: the first
                       reading of an account, and creations in bulk. Its bound
                       is who uses it: a request for each 50 assets that are
                       missing, as often as three times where lists shift */
    API_BACKGROUND, /* polls, verification, the sweep: under rpm */
    API_REWALK,     /* reading all of a known account again: under rpm, after
                       the polls. Its deadlines must allow for the pace */
    API_LANE_COUNT
};

/* Why a request was made, as status.json counts them. */
enum api_cause {
    API_CAUSE_WALK,
    API_CAUSE_POLL,
    API_CAUSE_VERIFY,
    API_CAUSE_UNFINISHED,
    API_CAUSE_SWEEP,
    API_CAUSE_QUERY,
    API_CAUSE_RENEW,
    API_CAUSE_PICTURE,
    API_CAUSE_TAG,
    API_CAUSE_DELETE,
    API_CAUSE_COUNT
};
const char *api_cause_name(enum api_cause cause);

/* Endpoints that share a limit, as far as anybody knows. */
enum api_category {
    API_LISTS,
    API_TAGS,      /* PATCH, PUT, DELETE of user-metadata */
    API_DELETIONS, /* of assets; at most delete_rpm a minute */
    API_CATEGORY_COUNT
};

struct api_config {
    const char *base_url; /* with /v1.3; checked: http(s), no credentials */
    const char *key;      /* copied, wiped at api_free */
    int64_t timeout_ms;   /* of one attempt at most */
    int rpm;              /* requests a minute of the paced lanes */
    int delete_rpm;       /* … of deletions, whoever asks; 0: 1 */
    bool media_anywhere;  /* pictures may live on private addresses: set by
                             api_new itself when the API host is on one */
};

/* -EINVAL for an unusable base URL. http is borrowed until api_free, and its
 * tick is the api's. */
int api_new(struct http *http, const struct api_config *config,
            struct api **ret_api);
/* Cancels all its requests and waits for their callbacks. NULL is fine. */
void api_free(struct api *a);
/* Replaces the key (SIGHUP); requests under way end with the old one. */
int api_set_key(struct api *a, const char *key);

struct api_list {
    int64_t page;       /* from 1 */
    int page_limit;     /* API_PAGE_LIMIT; another only to look across a page
                           border */
    const char *filter; /* query_ask's text or NULL; copied */
};

/* What an answer says beside its page. */
struct api_answer {
    int64_t asked_ms; /* clock_mono_ms when the successful attempt was sent */
    int64_t answered_ms;
    int64_t received_s; /* wall time */
};

/* err: 0 with the page (borrowed: the callback may move it out, leaving zeros),
 * or, with page and answer NULL, -EACCES (401, 403), -EINVAL (400), -ENOENT
 * (404 or 410 to a question for asset_ids; of the list itself nothing can be
 * absent: -EIO), -EAGAIN (rate limit beyond the deadline), -ETIMEDOUT,
 * -ENETUNREACH, -EHOSTUNREACH (also refused, reset), -EIO (broken answer, 5xx
 * to the end), -EPROTO (a certificate that can't pass), -ECANCELED, -ENOMEM. */
typedef void api_page_fn(void *ctx, int err, struct page *page,
                         const struct api_answer *answer);

/* 0 and a ticket, or -ENOMEM (also past 4,000 calls), -E2BIG (URL of over 8,000
 * bytes), -ESHUTDOWN (then fn isn't called). deadline_ms by clock_mono_ms. */
int api_list_assets(struct api *a, const struct api_list *list,
                    enum api_lane lane, enum api_cause cause,
                    int64_t deadline_ms, api_page_fn *fn, void *ctx,
                    uint64_t *ret_ticket);

/* Picture bytes from the CDN (8 at a time, others wait): without key, at most
 * max_bytes (API_PICTURE_BYTES at most), at most 5 redirects, public addresses
 * only unless the API itself is on a private one. All bodies under way have
 * API_PICTURE_BYTES together: one for which there is no room comes again when
 * there is, in its turn. Errors as above; -EACCES for 401 and 403, -ENOENT for
 * 404, -ESTALE for 410, -EFBIG, -EHOSTUNREACH for an address and -EIO for a
 * redirect that was refused. Bodies are borrowed like pages. Of 4xx only 429 is
 * retried. */
typedef void api_bytes_fn(void *ctx, int err, struct buf *body,
                          const struct api_answer *answer);
int api_get_picture(struct api *a, const char *url, size_t max_bytes,
                    int64_t deadline_ms, api_bytes_fn *fn, void *ctx,
                    uint64_t *ret_ticket);

/* Something is to be changed. 2xx is a success, but for a web page. What is
 * harmless to repeat is retried like a list; of what isn't (`once`) only what
 * certainly wasn't done: no connection, 429. It goes its way whatever the state
 * of the host and the lists' limits. */
struct api_writing {
    const char *method; /* a literal */
    const char *path;   /* "/assets/…", after the base URL; copied */
    const char *json;   /* the body, copied; or NULL */
    enum api_category category;
    enum api_cause cause;
    bool once;
};

struct api_reply {
    int status;          /* of the last answer; 0: none came */
    bool maybe_done;     /* after an error: it may be done all the same */
    const char *words;   /* why not, printable, never with the key; "" */
    int64_t answered_ms; /* clock_mono_ms */
};

/* err: 0; -EINVAL (400), -EACCES (401, 403), -ENOENT (404, 410), -EBUSY (409),
 * -EFBIG (413), -EDQUOT (402, no credit), or as of lists. The reply is borrowed
 * and always there. */
typedef void api_reply_fn(void *ctx, int err, const struct api_reply *reply);
int api_write(struct api *a, const struct api_writing *writing,
              int64_t deadline_ms, api_reply_fn *fn, void *ctx,
              uint64_t *ret_ticket);

void api_cancel(struct api *a, uint64_t ticket);
/* What is under way goes on; what isn't, is not sent, or not again: then its
 * callback has -ECANCELED or why it failed before. */
void api_withdraw(struct api *a, uint64_t ticket);

/* For status.json; any thread. */
struct api_stats {
    uint64_t sent[API_CAUSE_COUNT];    /* HTTP requests, retries included */
    uint64_t failed[API_CAUSE_COUNT];  /* of these, without a usable answer */
    uint64_t throttled;                /* 429s */
    int64_t limit, remaining, reset_s; /* as last heard; -1 unknown */
    int64_t background_pause_ms;       /* how long the budget rests from now */
    bool circuit_open;
    int last_error;            /* errno of the last failure, 0 after a success;
                                  pictures don't count here */
    char last_error_text[160]; /* printable, never holding the key */
    int64_t last_success_s;    /* wall time; 0 none */
};
void api_stats(struct api *a, struct api_stats *ret_stats);

#endif
