#include "wire/api_retry.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define BACKOFF_FIRST_MS 500
#define BACKOFF_MOST_MS  8000

static struct api_verdict fail(int error)
{
    return (struct api_verdict){.error = error};
}

static struct api_verdict try_again(int error, bool host_failed)
{
    return (struct api_verdict){error, true, host_failed};
}

struct api_verdict api_judge_broken(void)
{
    return try_again(-EIO, true);
}

static struct api_verdict judge_transport(const struct http_response *response,
                                          bool picture)
{
    if (response->refused)
        return fail(-EHOSTUNREACH);
    switch (response->error) {
    case -ECANCELED:
    case -ENOMEM:
        return fail(response->error);
    case -EFBIG:
        return fail(picture ? -EFBIG : -EIO);
    case -ELOOP:
        return fail(-EIO);
    case -ETIMEDOUT:
    case -ENETUNREACH:
        return try_again(response->error, true);
    case -EHOSTUNREACH:
    case -ECONNREFUSED:
    case -ECONNRESET:
        return try_again(-EHOSTUNREACH, true);
    default: /* not HTTP, TLS */
        return try_again(-EIO, true);
    }
}

static struct api_verdict judge_refusal(int status, bool picture)
{
    switch (status) {
    case 400:
        return fail(-EINVAL);
    case 401:
    case 403:
        return fail(-EACCES);
    case 404:
        return fail(-ENOENT);
    case 408:
        return picture ? fail(-ETIMEDOUT) : try_again(-ETIMEDOUT, false);
    case 410:
        return fail(picture ? -ESTALE : -ENOENT);
    case 429:
        return picture ? fail(-EAGAIN) : try_again(-EAGAIN, false);
    default:
        return fail(-EIO);
    }
}

static bool is_html(const struct http_response *response)
{
    const char *type = response->content_type;
    return type && strncasecmp(type, "text/html", strlen("text/html")) == 0;
}

struct api_verdict api_judge(const struct http_response *response, bool picture)
{
    if (response->error)
        return judge_transport(response, picture);
    if (response->status == 200 && picture && is_html(response))
        return fail(-EIO); /* some portal's page: it would be kept for good */
    if (response->status == 200)
        return (struct api_verdict){0};
    if (response->status >= 400 && response->status < 500)
        return judge_refusal(response->status, picture);
    /* 5xx; a redirect or an odd 2xx is a captive portal's */
    return try_again(-EIO, true);
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
    return delay_ms > retry_after_ms ? delay_ms : retry_after_ms;
}
