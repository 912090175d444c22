/* SPDX-License-Identifier: MIT */
/*
 * api_write.c - requests that change something. They are calls like all others;
 * here is what only they have: a body, more ways to be refused, and the
 * question whether one that failed was done all the same.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "json/page.h"
#include "wire/api_internal.h"
#include "wire/api_retry.h"

#define WRITE_URL_MAX  8000
#define WRITE_BODY_MAX (1u << 20) /* of an answer */

DEFINE_CLEANUP(free_change, struct api_change *, api_change_free)

static int change_make_call(const struct api_writing *writing, api_reply_fn *fn,
                            struct api_change **ret_change)
{
    cleanup(free_change) struct api_change *change = calloc(1, sizeof(*change));
    if (!change)
        return -ENOMEM;
    change->method = writing->method;
    change->once = writing->once;
    change->fn = fn;
    if (writing->json) {
        change->json = strdup(writing->json);
        if (!change->json)
            return -ENOMEM;
    }
    *ret_change = steal_ptr(change);
    return 0;
}

int api_write(struct api *a, const struct api_writing *writing,
              int64_t deadline_ms, api_reply_fn *fn, void *ctx,
              uint64_t *ret_ticket)
{
    cleanup(buf_done) struct buf url = {.max = WRITE_URL_MAX};
    cleanup(free_change) struct api_change *change = NULL;
    int err = buf_appendf(&url, "%s%s", a->base_url, writing->path);
    if (!err)
        err = change_make_call(writing, fn, &change);
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

/* What only the body of a refusal tells. */
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
        return false;
    default:
        return true;
    }
}

/* A success says nothing, or says it in JSON; else it isn't the API's. */
static bool is_foreign(const struct http_response *response)
{
    const char *text = buf_str(response->body);
    text += strspn(text, " \t\r\n");
    return *text && *text != '{';
}

struct api_verdict api_change_verdict(struct api_call *c,
                                      const struct http_response *response)
{
    struct api_change *change = c->change;
    struct api_verdict verdict = api_verdict_of(response, API_KIND_CHANGE);
    /* an absence is believed of the API alone: it means that it is deleted */
    if ((!verdict.err || verdict.err == -ENOENT) && is_foreign(response))
        verdict = api_verdict_of_broken();
    if (verdict.err == -EINVAL && response->status == 400)
        verdict.err = change_errno_of_code(response);
    bool in_doubt = verdict.err && is_in_doubt(response);
    verdict.retry = verdict.retry && !(change->once && in_doubt);
    change->maybe_done = change->maybe_done || in_doubt;
    change->status = response->status;
    change->words[0] = '\0';
    if (verdict.err) {
        guard_mutex(&c->api->lock);
        api_describe(c->api, c, response, change->words, sizeof(change->words));
    }
    return verdict;
}
