/* SPDX-License-Identifier: MIT */
/*
 * api_write.c - requests that change something. They are calls like all
 * others; only these have a body, further refusals, and the question whether a
 * failed one was done all the same.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "json/page.h"
#include "wire/api_internal.h"
#include "wire/api_retry.h"

#define WRITE_URL_MAX 8000
#define WRITE_BODY_MAX                                                         \
    (8u << 20) /* of an answer: URLs of thousands of chunks */

DEFINE_CLEANUP(free_change, struct api_change *, api_change_free)

static int copy_bytes(const char **bytes, size_t size)
{
    if (!*bytes)
        return 0;
    char *copy = malloc(size + 1);
    if (!copy)
        return -ENOMEM;
    memcpy(copy, *bytes, size);
    copy[size] = '\0';
    *bytes = copy;
    return 0;
}

static int copy_lines(const char *const *lines, char ***ret_copy)
{
    size_t count = 0;
    while (lines && lines[count])
        count++;
    char **copy = calloc(count + 1, sizeof(*copy));
    if (!copy)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        copy[i] = strdup(lines[i]);
        if (!copy[i]) {
            api_lines_free(copy);
            return -ENOMEM;
        }
    }
    *ret_copy = copy;
    return 0;
}

static int copy_body(struct api_change *change, const struct http_body *body,
                     const char *const *headers)
{
    const char *head = body->head, *tail = body->tail;
    int err = copy_lines(headers, &change->headers);
    if (!err)
        err = copy_bytes(&head, body->head_bytes);
    if (err)
        return err;
    change->body = *body;
    change->body.head = head;
    change->body.tail = NULL;
    change->has_body = true;
    err = copy_bytes(&tail, body->tail_bytes);
    if (!err)
        change->body.tail = tail;
    return err;
}

static int change_make_call(const struct api *a,
                            const struct api_writing *writing, api_reply_fn *fn,
                            struct api_change **ret_change)
{
    static const char *const json_lines[] = {"Content-Type: application/json",
                                             NULL};
    const struct http_body json = {
        .head = writing->json,
        .head_bytes = writing->json ? strlen(writing->json) : 0,
        .fd = -1,
    };
    cleanup(free_change) struct api_change *change = calloc(1, sizeof(*change));
    if (!change)
        return -ENOMEM;
    change->method = writing->method;
    change->once = writing->once;
    change->elsewhere = writing->category == API_STORES;
    change->public_only = change->elsewhere && !a->media_anywhere;
    change->idle_timeout_ms = writing->idle_timeout_ms;
    change->retry_after_ms = -1;
    buf_init(&change->answer, WRITE_BODY_MAX);
    change->fn = fn;
    int err = 0;
    if (writing->body)
        err = copy_body(change, writing->body, writing->headers);
    else if (writing->json)
        err = copy_body(change, &json, json_lines);
    if (err)
        return err;
    *ret_change = steal_ptr(change);
    return 0;
}

int api_write(struct api *a, const struct api_writing *writing,
              int64_t deadline_ms, api_reply_fn *fn, void *ctx,
              uint64_t *ret_ticket)
{
    cleanup(buf_done) struct buf url = {.max = WRITE_URL_MAX};
    cleanup(free_change) struct api_change *change = NULL;
    int err = buf_appendf(&url, "%s%s",
                          writing->category == API_STORES ? "" : a->base_url,
                          writing->path);
    if (!err)
        err = change_make_call(a, writing, fn, &change);
    if (err)
        return err;
    const struct api_call like = {
        .lane = API_FOREGROUND,
        .cause = writing->cause,
        .category = writing->category,
        .change = change,
        .max_bytes = WRITE_BODY_MAX,
        .deadline_ms = deadline_ms,
        .ctx = ctx,
    };
    err = api_ask(a, &like, buf_steal(&url, NULL), ret_ticket);
    if (!err)
        change = NULL; /* the call's */
    return err;
}

/* The errno that only the body of a refusal tells. */
static int change_errno_of_code(const struct http_response *response)
{
    char code[64] = "", message[8] = "";
    page_parse_error(buf_str(response->body), response->body->len, code,
                     sizeof(code), message, sizeof(message));
    if (strcmp(code, "usage_limit_exceeded") == 0)
        return -EDQUOT;
    return strcmp(code, "video_filesize_too_large") == 0 ? -EFBIG : -EINVAL;
}

/* Whether the server may have done it though it didn't say so: it was sent,
 * and neither refused nor answered. */
static bool is_in_doubt(const struct http_response *response)
{
    switch (response->err) {
    case 0:
        return response->status == 408 || response->status >= 500 ||
               response->status < 400;
    case -ECONNREFUSED:
    case -EHOSTUNREACH:
    case -ENETUNREACH:
    case -EPROTO:
    case -ENOMEM:
    case -ESTALE: /* the guard ended it before it was whole */
        return false;
    default:
        return true;
    }
}

/* The body of a success is empty or JSON; anything else isn't the API's. */
static bool is_foreign(const struct http_response *response)
{
    const char *text = buf_str(response->body);
    text += strspn(text, " \t\r\n");
    return *text && *text != '{';
}

static void keep_answer(struct api_change *change,
                        const struct http_response *response)
{
    buf_reset(&change->answer);
    (void)buf_append(&change->answer, buf_str(response->body),
                     response->body->len); /* what is cut is no JSON */
    (void)snprintf(change->etag, sizeof(change->etag), "%s", response->etag);
}

struct api_verdict api_change_verdict(struct api_call *c,
                                      const struct http_response *response)
{
    struct api_change *change = c->change;
    struct api_verdict verdict = api_verdict_of(response, API_KIND_CHANGE);
    /* a 404 counts as deleted, so it must be the API's own */
    if (!change->elsewhere && (!verdict.err || verdict.err == -ENOENT) &&
        is_foreign(response))
        verdict = api_verdict_of_broken();
    if (verdict.err == -EINVAL && response->status == 400)
        verdict.err = change_errno_of_code(response);
    bool in_doubt = verdict.err && is_in_doubt(response);
    verdict.retry = verdict.retry && !(change->once && in_doubt);
    change->maybe_done = change->maybe_done || in_doubt;
    change->status = response->status;
    change->retry_after_ms = response->retry_after_ms;
    change->words[0] = '\0';
    if (!verdict.err)
        keep_answer(change, response);
    if (verdict.err) {
        guard_mutex(&c->api->lock);
        api_describe(c->api, c, response, change->words, sizeof(change->words));
    }
    return verdict;
}
