/* SPDX-License-Identifier: MIT */
/*
 * api_call.c - a call's life: asked, counted while it is under way, described
 * where it failed, answered, freed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "wire/api_internal.h"

#define KEY_PART_MIN 4 /* bytes of a key that are worth hiding */

const char *api_cause_name(enum api_cause cause)
{
    static const char *const names[API_CAUSE_COUNT] = {
        [API_CAUSE_WALK] = "walk",     [API_CAUSE_POLL] = "poll",
        [API_CAUSE_VERIFY] = "verify", [API_CAUSE_UNFINISHED] = "unfinished",
        [API_CAUSE_SWEEP] = "sweep",   [API_CAUSE_QUERY] = "query",
        [API_CAUSE_RENEW] = "renew",   [API_CAUSE_PICTURE] = "picture",
        [API_CAUSE_TAG] = "tag",       [API_CAUSE_DELETE] = "delete",
        [API_CAUSE_UPLOAD] = "upload",
    };
    return (unsigned)cause < API_CAUSE_COUNT ? names[cause] : "other";
}

/* Takes the call over when it answers 0. */
static int call_enqueue(struct api *a, struct api_call *c, uint64_t *ret_ticket)
{
    guard_mutex(&a->lock);
    if (a->stopping)
        return -ESHUTDOWN;
    if (a->live >= API_MAX_LIVE)
        return -ENOMEM;
    c->api = a;
    c->ticket = c->asked = ++a->moments;
    if (ret_ticket)
        *ret_ticket = c->ticket;
    if (!c->change)
        c->host = api_host_hold(&a->hosts, c->url);
    TAILQ_INSERT_TAIL(&a->calls, c, link);
    a->live++;
    http_call_by(a->http, 0);
    return 0;
}

int api_ask(struct api *a, const struct api_call *like, char *url,
            uint64_t *ret_ticket)
{
    struct api_call *c = malloc(sizeof(*c));
    int err = c && url ? 0 : -ENOMEM;
    if (!err) {
        *c = *like;
        c->url = url;
        err = call_enqueue(a, c, ret_ticket);
    }
    if (err) {
        free(url);
        free(c);
    }
    return err;
}

void api_call_count(struct api_call *c, int change)
{
    struct api *a = c->api;
    if (c->picture)
        a->pictures_in_flight += change;
    else
        a->categories[c->category].in_flight += change;
    if (c->picture && c->host)
        c->host->pictures_in_flight += change;
}

void api_give_room(struct api_call *c)
{
    if (c->has_room)
        c->api->picture_bytes -= c->room_bytes;
    c->has_room = false;
}

static const char *call_key(const struct api *a)
{
    return a->key_header + strlen("x-api-key: ");
}

/* Replaces the key by asterisks in text, a part of it at the end too (there
 * the text may have been cut). Lock held. */
static void call_scrub_key(const struct api *a, char *text)
{
    const char *key = call_key(a);
    size_t key_len = strlen(key);
    if (key_len == 0)
        return;
    for (char *at = text; (at = strstr(at, key)); at += key_len)
        memset(at, '*', key_len);
    size_t text_len = strlen(text);
    size_t part = key_len < text_len ? key_len : text_len;
    for (; part >= KEY_PART_MIN; part--) {
        char *tail = text + text_len - part;
        if (memcmp(tail, key, part) == 0) {
            memset(tail, '*', part);
            return;
        }
    }
}

/* Describes a failure for status.json and the log. The server may echo the
 * key. If the key was replaced since the call was sent, the old one can't be
 * searched for in the server's words, so they are left out. Lock held. */
void api_describe(const struct api *a, const struct api_call *c,
                  const struct http_response *response, char *out, size_t size)
{
    char code[64] = "", message[512] = "", quoted[96];
    if (response->err) {
        char words[256];
        (void)snprintf(words, sizeof(words), "%s", response->error_text);
        call_scrub_key(a, words);
        log_quote(words, strlen(words), quoted, sizeof(quoted));
        (void)snprintf(out, size, "%.60s: %s", strerror(-response->err),
                       quoted);
        return;
    }
    if (c->key_number == a->key_number)
        page_parse_error(buf_str(response->body), response->body->len, code,
                         sizeof(code), message, sizeof(message));
    call_scrub_key(a, code);
    call_scrub_key(a, message);
    if (response->status == 200) {
        (void)snprintf(out, size, "HTTP 200, but not the API's JSON");
    } else if (code[0] || message[0]) {
        char quoted_code[48];
        log_quote(code, strlen(code), quoted_code, sizeof(quoted_code));
        log_quote(message, strlen(message), quoted, sizeof(quoted));
        (void)snprintf(out, size, "HTTP %d %s: %s", response->status,
                       quoted_code, quoted);
    } else {
        (void)snprintf(out, size, "HTTP %d", response->status);
    }
}

void api_lines_free(char **lines)
{
    for (char **line = lines; line && *line; line++)
        free(*line);
    free(lines);
}

void api_change_free(struct api_change *change)
{
    if (!change)
        return;
    free((char *)change->body.head);
    free((char *)change->body.tail);
    api_lines_free(change->headers);
    buf_done(&change->answer);
    free(change);
}

void api_change_fill(const struct api_change *change,
                     struct http_request *request)
{
    request->method = change->method;
    request->once = change->once;
    request->idle_timeout_ms = change->idle_timeout_ms;
    if (change->has_body) {
        request->body = &change->body;
        request->headers = (const char *const *)change->headers;
    }
    if (change->idle_timeout_ms)
        request->deadline_ms = CLOCK_NEVER_MS;
    if (!change->elsewhere)
        return;
    request->secret_header = NULL;
    request->accept = NULL;
    request->public_only = change->public_only;
}

void api_change_deliver(struct api_call *c, int err, int64_t now_ms)
{
    const struct api_change *change = c->change;
    /* while it is under way its result is unknown */
    const struct api_reply reply = {
        .status = change->status,
        .maybe_done = err && change->maybe_done,
        .words = change->words,
        .answered_ms = now_ms,
        .body = buf_str(&change->answer),
        .body_bytes = change->answer.len,
        .etag = change->etag,
        .retry_after_ms = change->retry_after_ms,
    };
    change->fn(c->ctx, err, &reply);
}
void api_call_end(struct api_call *c)
{
    struct api *a = c->api;
    {
        guard_mutex(&a->lock);
        TAILQ_REMOVE(&a->calls, c, link);
        a->live--;
        api_give_room(c);
        api_host_release(c->host, c);
        http_call_by(a->http, 0); /* calls that waited for it may be sent */
    }
    api_change_free(c->change);
    free(c->url);
    free(c);
}

void api_call_fail(struct api_call *c, int err)
{
    if (c->change)
        api_change_deliver(c, err, clock_mono_ms());
    else if (c->picture)
        c->bytes_fn(c->ctx, err, NULL, NULL);
    else
        c->page_fn(c->ctx, err, NULL, NULL);
    api_call_end(c);
}
