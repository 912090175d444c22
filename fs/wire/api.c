/* SPDX-License-Identifier: MIT */
#include "wire/api.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/asset.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "wire/address.h"
#include "wire/api_internal.h"

#define LIST_BODY_MAX (32u << 20)
#define URL_MAX       8000
#define PICTURE_ROOM  (1u << 20) /* to begin with: few need more */

/* Without the slashes at its end; -EINVAL for what can't be a base. */
static int copy_base_url(const char *url, char **ret_copy)
{
    if (!url)
        return -EINVAL;
    size_t len = strlen(url);
    while (len > 0 && url[len - 1] == '/')
        len--;
    if (!asset_url_is_clean(url, len) || memchr(url, '?', len) ||
        memchr(url, '#', len) || len > URL_MAX / 2)
        return -EINVAL;
    char *copy = strndup(url, len);
    if (!copy)
        return -ENOMEM;
    *ret_copy = copy;
    return 0;
}

static void free_secret(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
}

/* A key with a line break in it would be a header of its own. */
static int make_key_header(const char *key, char **ret_header)
{
    for (const char *c = key; *c; c++) {
        if (*c < 0x20 || *c >= 0x7f)
            return -EINVAL;
    }
    size_t size = strlen("x-api-key: ") + strlen(key) + 1;
    char *header = malloc(size);
    if (!header)
        return -ENOMEM;
    (void)snprintf(header, size, "x-api-key: %s", key);
    *ret_header = header;
    return 0;
}

static void api_destroy(struct api *a)
{
    free_secret(a->key_header);
    free(a->base_url);
    (void)pthread_cond_destroy(&a->quiet);
    (void)pthread_mutex_destroy(&a->lock);
    free(a);
}

static void init_state(struct api *a, const struct api_config *config)
{
    for (int i = 0; i < API_CATEGORY_COUNT; i++)
        api_budget_init(&a->categories[i].budget, config->rpm);
    api_budget_init(&a->categories[API_DELETIONS].budget, config->delete_rpm);
    a->categories[API_DELETIONS].budget.paces_all = true;
    a->api_host = api_host_hold(&a->hosts, a->base_url);
    a->stats.limit = a->stats.remaining = a->stats.reset_s = -1;
}

int api_new(struct http *http, const struct api_config *config,
            struct api **ret_api)
{
    struct api *a = calloc(1, sizeof(*a));
    if (!a)
        return -ENOMEM;
    (void)pthread_mutex_init(&a->lock, NULL);
    (void)pthread_cond_init(&a->quiet, NULL);
    TAILQ_INIT(&a->calls);
    a->http = http;
    a->timeout_ms = config->timeout_ms;
    int err = copy_base_url(config->base_url, &a->base_url);
    if (!err)
        err = make_key_header(config->key, &a->key_header);
    if (err) {
        api_destroy(a);
        return err;
    }
    a->media_anywhere =
        config->media_anywhere || address_url_is_private(a->base_url);
    init_state(a, config);
    http_attach(http, api_pump, a);
    *ret_api = a;
    return 0;
}

void api_free(struct api *a)
{
    if (!a)
        return;
    {
        guard_mutex(&a->lock);
        a->stopping = true;
        struct api_call *c;
        TAILQ_FOREACH(c, &a->calls, link)
        if (c->http_ticket)
            http_cancel(a->http, c->http_ticket);
        http_call_by(a->http, 0);
        while (!a->ended)
            (void)pthread_cond_wait(&a->quiet, &a->lock);
    }
    api_destroy(a);
}

int api_set_key(struct api *a, const char *key)
{
    char *header = NULL;
    int err = make_key_header(key, &header);
    if (err)
        return err;
    {
        guard_mutex(&a->lock);
        char *old = a->key_header;
        a->key_header = header;
        a->key_number++;
        header = old;
    }
    free_secret(header);
    return 0;
}

int api_list_assets(struct api *a, const struct api_list *list,
                    enum api_lane lane, enum api_cause cause,
                    int64_t deadline_ms, api_page_fn *fn, void *ctx,
                    uint64_t *ret_ticket)
{
    cleanup(buf_done) struct buf url = {.max = URL_MAX};
    int err = buf_appendf(&url, "%s/assets?page=%lld&page_limit=%d%s",
                          a->base_url, (long long)list->page, list->page_limit,
                          list->filter ? list->filter : "");
    if (err)
        return err;
    const struct api_call like = {
        .lane = lane,
        .cause = cause,
        .max_bytes = LIST_BODY_MAX,
        .deadline_ms = deadline_ms,
        .by_ids = list->filter && strstr(list->filter, "&asset_ids="),
        .page_fn = fn,
        .ctx = ctx,
    };
    return api_ask(a, &like, buf_steal(&url, NULL), ret_ticket);
}

int api_get_picture(struct api *a, const char *url, size_t max_bytes,
                    int64_t deadline_ms, api_bytes_fn *fn, void *ctx,
                    uint64_t *ret_ticket)
{
    if (max_bytes > API_PICTURE_BYTES)
        return -EINVAL;
    const struct api_call like = {
        .lane = API_FOREGROUND,
        .cause = API_CAUSE_PICTURE,
        .picture = true,
        .max_bytes = max_bytes,
        .room_bytes = max_bytes < PICTURE_ROOM ? max_bytes : PICTURE_ROOM,
        .deadline_ms = deadline_ms,
        .bytes_fn = fn,
        .ctx = ctx,
    };
    return api_ask(a, &like, strdup(url), ret_ticket);
}

static struct api_call *find_call(struct api *a, uint64_t ticket)
{
    struct api_call *c;
    TAILQ_FOREACH(c, &a->calls, link)
    if (c->ticket == ticket)
        break;
    return c && !c->ending ? c : NULL;
}

void api_cancel(struct api *a, uint64_t ticket)
{
    guard_mutex(&a->lock);
    struct api_call *c = find_call(a, ticket);
    if (!c)
        return;
    c->cancelled = true;
    if (c->http_ticket)
        http_cancel(a->http, c->http_ticket);
    else
        http_call_by(a->http, 0);
}

void api_withdraw(struct api *a, uint64_t ticket)
{
    guard_mutex(&a->lock);
    struct api_call *c = find_call(a, ticket);
    if (!c)
        return;
    c->withdrawn = true;
    http_call_by(a->http, 0);
}

void api_stats(struct api *a, struct api_stats *ret_stats)
{
    int64_t now_ms = clock_mono_ms();
    struct api_budget *budget = &a->categories[API_LISTS].budget;
    guard_mutex(&a->lock);
    int64_t when_ms = api_budget_when_ms(
        budget, API_WALK, a->categories[API_LISTS].in_flight, 0, now_ms);
    *ret_stats = a->stats;
    ret_stats->limit = budget->limit;
    ret_stats->remaining = budget->remaining;
    ret_stats->reset_s = budget->reset_s;
    bool rests = when_ms > now_ms && when_ms != CLOCK_NEVER_MS;
    ret_stats->background_pause_ms = rests ? when_ms - now_ms : 0;
    ret_stats->circuit_open = api_host_is_down(a->api_host);
}
