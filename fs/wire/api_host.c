/* SPDX-License-Identifier: MIT */
#include "wire/api_host.h"

#include <string.h>
#include <strings.h>

#include "base/clock.h"

#define PROBE_PAUSE_MS 1000

static size_t origin_len(const char *url)
{
    const char *host = strstr(url, "://");
    if (!host)
        return 0;
    host += strlen("://");
    return (size_t)(host - url) + strcspn(host, "/?#");
}

static bool is_origin(const struct api_host *h, const char *url, size_t len)
{
    return strncasecmp(h->origin, url, len) == 0 && h->origin[len] == '\0';
}

/* The host's place in the table, or else the least recently used one that no
 * call holds. */
static struct api_host *host_choose(struct api_hosts *all, const char *url,
                                    size_t len)
{
    struct api_host *chosen = NULL;
    for (size_t i = 0; i < API_HOSTS_MAX; i++) {
        struct api_host *h = &all->hosts[i];
        if (is_origin(h, url, len))
            return h;
        if (h->calls == 0 && (!chosen || h->used < chosen->used))
            chosen = h;
    }
    return chosen;
}

struct api_host *api_host_hold(struct api_hosts *all, const char *url)
{
    size_t len = origin_len(url);
    if (len == 0 || len >= sizeof(all->hosts[0].origin))
        return NULL;
    struct api_host *h = host_choose(all, url, len);
    if (!h)
        return NULL;
    if (!is_origin(h, url, len)) {
        *h = (struct api_host){0};
        memcpy(h->origin, url, len);
    }
    h->calls++;
    h->used = ++all->uses;
    return h;
}

void api_host_release(struct api_host *h, const struct api_call *call)
{
    if (!h)
        return;
    api_host_ended(h, call);
    h->calls--;
}

bool api_host_is_down(const struct api_host *h)
{
    return h && h->failures >= API_CIRCUIT_FAILURES;
}

int64_t api_host_when_ms(const struct api_host *h, int64_t now_ms)
{
    if (!api_host_is_down(h))
        return now_ms;
    return h->probe ? CLOCK_NEVER_MS : h->failed.ms + PROBE_PAUSE_MS;
}

bool api_host_failed_since(const struct api_host *h, uint64_t asked)
{
    return api_host_is_down(h) && h->failed.number > asked;
}

void api_host_sent(struct api_host *h, const struct api_call *call)
{
    if (api_host_is_down(h))
        h->probe = call;
}

void api_host_ended(struct api_host *h, const struct api_call *call)
{
    if (h && h->probe == call)
        h->probe = NULL;
}

void api_host_succeeded(struct api_host *h)
{
    if (!h)
        return;
    h->failures = 0;
    h->last_error = 0;
    h->probe = NULL;
}

void api_host_failed(struct api_host *h, int err, uint64_t sent,
                     struct api_moment now)
{
    if (!h)
        return;
    h->last_error = err;
    if (h->failures > 0 && sent < h->failed.number)
        return;
    h->failed = now;
    if (h->failures < API_CIRCUIT_FAILURES)
        h->failures++;
}
