/* SPDX-License-Identifier: MIT */
/*
 * transfer.c - requests for items: what the http thread hears of them is put
 * into the request itself, which goes into the queue of the uploading thread.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "json/scan.h"
#include "upload/upload_internal.h"

#define TOKEN_KEY        "twelvefs_upload"
#define TRANSFER_BODY    (8u << 20)
#define TROUBLE_FIRST_MS 1000
#define TROUBLE_MOST_MS  300000
#define LIMIT_GUESS_MS   60000
#define QUOTA_MS         900000
#define KEY_MS           300000
#define SHORT_MS         60000 /* that a small request may be tried again */
#define FILTER_MAX       400

void transfer_free(struct transfer *t)
{
    if (!t)
        return;
    source_unref(t->source);
    buf_done(&t->body);
    free(t->found);
    free(t);
}

/* ---- the http thread ---- */

static void transfer_enqueue(struct transfer *t)
{
    struct upload *u = t->upload;
    const uint64_t one = 1;
    guard_mutex(&u->lock);
    TAILQ_INSERT_TAIL(&u->queue, t, link);
    if (write(u->event_fd, &one, sizeof(one)) < 0)
        return; /* it is full: whoever reads it wakes anyway */
}

static void transfer_on_reply(void *ctx, int err, const struct api_reply *reply)
{
    struct transfer *t = ctx;
    t->err = err;
    t->maybe_done = reply->maybe_done;
    t->status = reply->status;
    t->retry_after_ms = reply->retry_after_ms;
    if (!err)
        (void)buf_append(&t->body, reply->body, reply->body_bytes);
    (void)snprintf(t->etag, sizeof(t->etag), "%s", reply->etag);
    (void)snprintf(t->words, sizeof(t->words), "%s", reply->words);
    transfer_enqueue(t);
}

/* Whether an asset's user_metadata has the token. */
static bool has_token(const struct asset *asset, const char *token)
{
    const char *metadata, *value;
    size_t metadata_len, len;
    if (!asset->json ||
        scan_member(asset->json, asset->json_len, "user_metadata",
                    strlen("user_metadata"), &metadata, &metadata_len) ||
        scan_member(metadata, metadata_len, TOKEN_KEY, strlen(TOKEN_KEY),
                    &value, &len))
        return false;
    return scan_equals(value, len, token, strlen(token));
}

static void transfer_on_page(void *ctx, int err, struct page *page,
                             const struct api_answer *answer)
{
    struct transfer *t = ctx;
    t->err = err;
    t->oldest_s = INT64_MIN;
    for (size_t i = 0; page && i < page->count; i++) {
        const struct asset *asset = &page->assets[i];
        t->oldest_s =
            asset->created_s == ASSET_NO_TIME ? INT64_MAX : asset->created_s;
        if (!t->found && has_token(asset, t->token)) {
            t->found = strdup(asset->id);
            if (!t->found)
                t->err = -ENOMEM;
        }
    }
    transfer_enqueue(t);
}

/* ---- the uploading thread ---- */

static struct transfer *transfer_new(struct upload *u, struct item *i,
                                     enum transfer_kind kind)
{
    struct transfer *t = calloc(1, sizeof(*t));
    if (!t)
        return NULL;
    t->upload = u;
    t->kind = kind;
    t->item = i;
    t->retry_after_ms = -1;
    buf_init(&t->body, TRANSFER_BODY);
    return t;
}

DEFINE_CLEANUP(free_transfer, struct transfer *, transfer_free)

int transfer_write(struct upload *u, struct item *i, enum transfer_kind kind,
                   int64_t chunk, const struct api_writing *writing,
                   struct http_body *body)
{
    cleanup(free_transfer) struct transfer *t = transfer_new(u, i, kind);
    struct api_writing asked = *writing;
    if (!t)
        return -ENOMEM;
    t->chunk = chunk;
    if (body) {
        t->source = source_ref(i->source);
        body->sent = &t->sent;
        asked.body = body;
        asked.idle_timeout_ms = 4 * u->config.timeout_ms;
    }
    asked.cause = API_CAUSE_UPLOAD;
    int err = api_write(u->api, &asked, clock_mono_ms() + SHORT_MS,
                        transfer_on_reply, t, &t->ticket);
    if (err)
        return err;
    TAILQ_INSERT_TAIL(&i->transfers, t, of_item);
    t = NULL; /* the queue's */
    return 0;
}

int transfer_look(struct upload *u, struct item *i, int64_t page)
{
    cleanup(buf_done) struct buf filter = {.max = FILTER_MAX};
    cleanup(free_transfer) struct transfer *t =
        transfer_new(u, i, TRANSFER_LOOK);
    if (!t)
        return -ENOMEM;
    t->chunk = page;
    memcpy(t->token, i->r.token, sizeof(t->token));
    int err = buf_append_str(&filter, "&filename=");
    size_t empty = filter.len;
    if (!err)
        err = filename_append_filter(&filter, item_name(i));
    if (err)
        return err;
    const struct api_list list = {
        .page = page,
        .page_limit = API_PAGE_LIMIT,
        .filter = filter.len > empty ? buf_str(&filter) : NULL,
    };
    err = api_list_assets(u->api, &list, API_FOREGROUND, API_CAUSE_UPLOAD,
                          clock_mono_ms() + SHORT_MS, transfer_on_page, t,
                          &t->ticket);
    if (err)
        return err;
    TAILQ_INSERT_TAIL(&i->transfers, t, of_item);
    t = NULL;
    return 0;
}

void transfer_abandon(struct upload *u, struct item *i)
{
    struct transfer *t;
    while ((t = TAILQ_FIRST(&i->transfers))) {
        TAILQ_REMOVE(&i->transfers, t, of_item);
        t->item = NULL;
        api_cancel(u->api, t->ticket);
    }
}

struct transfer *transfer_take(struct upload *u)
{
    struct transfer *t;
    {
        guard_mutex(&u->lock);
        t = TAILQ_FIRST(&u->queue);
        if (t)
            TAILQ_REMOVE(&u->queue, t, link);
    }
    if (t && t->item)
        TAILQ_REMOVE(&t->item->transfers, t, of_item);
    return t;
}

/* Again after a while that doubles. */
static void wait_for_network(struct upload *u, const char *words)
{
    int64_t for_ms = TROUBLE_FIRST_MS;
    for (int n = 0; n < u->troubles && for_ms < TROUBLE_MOST_MS; n++)
        for_ms *= 2;
    u->troubles++;
    upload_pause(u, for_ms < TROUBLE_MOST_MS ? for_ms : TROUBLE_MOST_MS, words);
}

bool transfer_trouble(struct upload *u, struct item *i,
                      const struct transfer *t)
{
    const char *words = t->words[0] ? t->words : strerror(-t->err);
    switch (t->err) {
    case -EAGAIN:
        upload_pause(u,
                     t->retry_after_ms > 0 ? t->retry_after_ms : LIMIT_GUESS_MS,
                     words);
        return true;
    case -EDQUOT:
        upload_pause(u, QUOTA_MS, words);
        return true;
    case -EACCES:
        upload_pause(u, KEY_MS, words);
        return true;
    case -EIO:
        if (t->status >= 400 && t->status < 500)
            return false;
        wait_for_network(u, words);
        return true;
    case -ETIMEDOUT:
    case -ENETUNREACH:
    case -EHOSTUNREACH:
    case -EPROTO:
        wait_for_network(u, words);
        return true;
    case -ENOMEM:
    case -ESHUTDOWN:
    case -ECANCELED:
        i->not_before_ms = clock_mono_ms() + UPLOAD_AGAIN_MS;
        return true;
    default:
        return false;
    }
}
