/* SPDX-License-Identifier: MIT */
#include "wire/api_retry.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define BACKOFF_FIRST_MS 500
#define BACKOFF_MOST_MS  8000

static struct api_verdict verdict_fail(int err)
{
    return (struct api_verdict){.err = err};
}

static struct api_verdict verdict_retry(int err, bool host_failed)
{
    return (struct api_verdict){err, true, host_failed};
}

struct api_verdict api_verdict_of_broken(void)
{
    return verdict_retry(-EIO, true);
}

static struct api_verdict
verdict_of_transport(const struct http_response *response, enum api_kind kind)
{
    if (response->refused)
        return verdict_fail(response->err == -EHOSTUNREACH ? -EHOSTUNREACH
                                                           : -EIO);
    switch (response->err) {
    case -ECANCELED:
    case -ENOMEM:
        return verdict_fail(response->err);
    case -EFBIG:
        return verdict_fail(kind == API_KIND_PICTURE ? -EFBIG : -EIO);
    case -ELOOP:
        return verdict_fail(-EIO);
    case -ESTALE:
        return verdict_fail(-ESTALE);
    case -ENOBUFS:
        return verdict_retry(-ENOBUFS, false);
    case -EPROTO:
        return (struct api_verdict){-EPROTO, false, true};
    case -ETIMEDOUT:
    case -ENETUNREACH:
        return verdict_retry(response->err, true);
    case -EHOSTUNREACH:
    case -ECONNREFUSED:
    case -ECONNRESET:
        return verdict_retry(-EHOSTUNREACH, true);
    default: /* not HTTP, not TLS */
        return verdict_retry(-EIO, true);
    }
}

/* What isn't there: of the list itself nothing can be missing. */
static int errno_of_absence(int status, enum api_kind kind)
{
    if (kind == API_KIND_LIST)
        return -EIO;
    return kind == API_KIND_PICTURE && status == 410 ? -ESTALE : -ENOENT;
}

static struct api_verdict verdict_of_refusal(int status, enum api_kind kind)
{
    switch (kind == API_KIND_CHANGE ? status : 0) {
    case 402:
        return verdict_fail(-EDQUOT);
    case 409:
        return verdict_fail(-EBUSY);
    case 413:
        return verdict_fail(-EFBIG);
    default:
        break;
    }
    switch (status) {
    case 400:
        return verdict_fail(-EINVAL);
    case 401:
    case 403:
        return verdict_fail(-EACCES);
    case 404:
    case 410:
        return verdict_fail(errno_of_absence(status, kind));
    case 408:
        return kind == API_KIND_PICTURE ? verdict_fail(-ETIMEDOUT)
                                        : verdict_retry(-ETIMEDOUT, false);
    case 429:
        return verdict_retry(-EAGAIN, false);
    default:
        return verdict_fail(-EIO);
    }
}

static bool is_html(const struct http_response *response)
{
    const char *type = response->content_type;
    return type && strncasecmp(type, "text/html", strlen("text/html")) == 0;
}

struct api_verdict api_verdict_of(const struct http_response *response,
                                  enum api_kind kind)
{
    int status = response->status;
    bool picture = kind == API_KIND_PICTURE;
    if (response->err)
        return verdict_of_transport(response, kind);
    if (status == 200 && picture && is_html(response))
        return verdict_fail(
            -EIO); /* some portal's page: it would be kept for good */
    if (status == 200 && kind != API_KIND_CHANGE)
        return (struct api_verdict){0};
    if (kind == API_KIND_CHANGE && status >= 200 && status < 300)
        return is_html(response) ? api_verdict_of_broken()
                                 : (struct api_verdict){0};
    if (status >= 400 && status < 500)
        return verdict_of_refusal(status, kind);
    if (status < 400 && picture)
        return verdict_fail(
            -EIO); /* a redirect to nowhere, part of a picture */
    /* 5xx; a redirect or an odd 2xx is a captive portal's */
    return verdict_retry(-EIO, true);
}

int64_t api_retry_delay_ms(int attempts, int64_t retry_after_ms,
                           uint64_t random)
{
    int64_t bound_ms = BACKOFF_FIRST_MS;
    for (int i = 1; i < attempts && bound_ms < BACKOFF_MOST_MS; i++)
        bound_ms *= 2;
    if (bound_ms > BACKOFF_MOST_MS)
        bound_ms = BACKOFF_MOST_MS;
    int64_t delay_ms = (int64_t)(random % (uint64_t)(bound_ms + 1));
    if (retry_after_ms > API_PAUSE_MAX_MS)
        retry_after_ms = API_PAUSE_MAX_MS;
    return delay_ms > retry_after_ms ? delay_ms : retry_after_ms;
}
