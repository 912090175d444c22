#include "wire/api_circuit.h"

#include <string.h>
#include <strings.h>

static size_t origin_len(const char *url)
{
    const char *host = strstr(url, "://");
    if (!host)
        return 0;
    host += strlen("://");
    return (size_t)(host - url) + strcspn(host, "/?#");
}

struct api_circuit *api_circuit_hold(struct api_circuits *c, const char *url)
{
    struct api_circuit *chosen = NULL;
    size_t len = origin_len(url);
    if (len == 0 || len >= sizeof(chosen->origin))
        return NULL;
    for (size_t i = 0; i < API_CIRCUIT_HOSTS; i++) {
        struct api_circuit *h = &c->hosts[i];
        if (strncasecmp(h->origin, url, len) == 0 && h->origin[len] == '\0') {
            chosen = h;
            break;
        }
        if (h->calls == 0 && (!chosen || h->used < chosen->used))
            chosen = h;
    }
    if (!chosen)
        return NULL;
    if (strncasecmp(chosen->origin, url, len) != 0 ||
        chosen->origin[len] != '\0') {
        *chosen = (struct api_circuit){0};
        memcpy(chosen->origin, url, len);
    }
    chosen->calls++;
    chosen->used = ++c->uses;
    return chosen;
}

void api_circuit_release(struct api_circuit *h, const struct api_call *call)
{
    if (!h)
        return;
    if (h->probe == call)
        h->probe = NULL;
    h->calls--;
}

bool api_circuit_is_open(const struct api_circuit *h)
{
    return h && h->failures >= API_CIRCUIT_FAILURES;
}

void api_circuit_succeeded(struct api_circuit *h)
{
    if (!h)
        return;
    h->failures = 0;
    h->last_error = 0;
    h->probe = NULL;
}

void api_circuit_failed(struct api_circuit *h, int error, int64_t asked_ms,
                        int64_t now_ms)
{
    if (!h)
        return;
    h->last_error = error;
    if (h->failures > 0 && asked_ms <= h->failed_ms)
        return;
    h->failed_ms = now_ms;
    if (h->failures < API_CIRCUIT_FAILURES)
        h->failures++;
}
