/* SPDX-License-Identifier: MIT */
/*
 * http.h - requests over HTTP, by one thread that drives one curl multi
 * handle. The adapter to libcurl.
 *
 * Any thread may submit and cancel. Callbacks run on the http thread, hold
 * nothing and must not block; a callback may submit and cancel. Every
 * submitted request's `done` is called exactly once, also when it is
 * cancelled (-ECANCELED) or the http is freed.
 *
 * Limits: the whole request ends by its deadline; a body past max_bytes ends
 * it with -EFBIG, before as after decompression; headers past 64 KiB in all
 * end it with -EBADMSG. No redirect is followed but with `redirects`, then
 * http(s) only, and headers that are `secret` are never sent to another
 * origin. Nothing is read from .netrc, no cookies are kept. A name is looked
 * up for each new connection: whoever moved is found at the next one.
 *
 * A body to send is read as it goes, in parts: memory, a range of a file,
 * memory. It has a length from the start (Content-Length). A request that is
 * to be sent `once` has a connection of its own, for libcurl repeats by itself
 * what gets no answer on one that was used before.
 *
 * Environment, read once by http_new, as curl's tool reads it: proxies
 * (http_proxy, https_proxy, all_proxy, no_proxy) and whom to trust
 * (CURL_CA_BUNDLE, SSL_CERT_FILE, SSL_CERT_DIR): see http_environment.h.
 */
#ifndef TWELVEFS_HTTP_H
#define TWELVEFS_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct http;

struct http_limits {
    int max_host_connections; /* per origin; HTTP/2 shares one */
    int max_connections;
    int64_t connect_timeout_ms;
    int64_t idle_timeout_ms; /* under 1 byte a second for so long: -ETIMEDOUT */
};

/* Asked on the http thread before a body holds so many bytes in all, more than
 * the time before; ctx is that of `done`. A negative errno ends the request
 * with it. */
typedef int http_room_fn(void *ctx, size_t bytes);

/* What a request sends: head, then the file's range, then tail. */
struct http_body {
    const char *head; /* copied; may be NULL */
    size_t head_bytes;
    int fd; /* borrowed until done */
    int64_t file_offset;
    int64_t file_bytes; /* 0: no file. One that ends before: -ESTALE */
    const char *tail;   /* copied; may be NULL */
    size_t tail_bytes;
};

struct http_request {
    const char *url;              /* copied */
    const char *method;           /* NULL: GET; a literal */
    const struct http_body *body; /* NULL: none. No redirects with one */
    const char *const *headers;   /* more lines, NULL at the end, or NULL;
                                     copied */
    bool once;                 /* whatever happens it is sent no second time */
    int64_t idle_timeout_ms;   /* 0: as http_limits has it */
    const char *secret_header; /* "x-api-key: …" or NULL; copied, wiped after */
    const char *accept;        /* Accept header's value or NULL */
    int64_t deadline_ms;       /* clock_mono_ms */
    size_t max_bytes;
    http_room_fn *room; /* NULL: a body may have max_bytes as it comes */
    int redirects;      /* how many to follow; 0 with a secret header */
    bool public_only;   /* refuse loopback, link-local, private, multicast
                           addresses at connect: -EHOSTUNREACH. Holds after
                           redirects and whatever DNS says. Through a proxy
                           only the URL's own text can be judged */
};

struct http_response {
    int err;      /* 0 when a whole answer came; else a negative errno:
                       -ECANCELED, -ETIMEDOUT, -ENETUNREACH, -EHOSTUNREACH (also
                       names that don't resolve), -ECONNREFUSED, -ECONNRESET,
                       -EFBIG, -EBADMSG (not HTTP, not TLS, or cut short),
                       -EPROTO (a certificate that can't pass), -ENOMEM,
                       -ELOOP (redirects), -ESTALE (the file to send changed), or
                       what `room` said */
    bool refused; /* we turned it down, and would again: an address by
                     public_only (-EHOSTUNREACH), or where a redirect leads
                     (-EBADMSG) */
    const char *error_text;    /* curl's words, for the log; "" */
    int status;                /* 200, 404 …; 0 when there was none */
    struct buf *body;          /* borrowed; buf_steal it to keep it */
    const char *content_type;  /* "" when absent */
    const char *etag;          /* as sent, quotes and all; "" when absent, or
                                  longer than any is */
    int64_t retry_after_ms;    /* from retry-after-ms, Retry-After (both forms);
                                  -1 when absent or malformed; capped at a day */
    int64_t limit_remaining;   /* X-Ratelimit-Remaining or -1 */
    int64_t request_remaining; /* x-ratelimit-request-remaining or -1 */
    int64_t limit;             /* X-Ratelimit-Limit or -1 */
    int64_t limit_reset_s;     /* X-Ratelimit-Reset, epoch seconds, or -1 */
};

typedef void http_done_fn(void *ctx, struct http_response *response);

/* Starts the thread. */
int http_new(const struct http_limits *limits, struct http **ret_http);
/* Cancels what is under way, ends the thread. NULL is fine. */
void http_free(struct http *h);

/* 0 and a ticket (never 0), or -ENOMEM (also past HTTP_MAX_LIVE requests),
 * -EINVAL (URL, a header with a line break), -ESHUTDOWN; then done isn't
 * called. ret_ticket may be NULL. */
#define HTTP_MAX_LIVE 4096
int http_submit(struct http *h, const struct http_request *request,
                http_done_fn *done, void *ctx, uint64_t *ret_ticket);
/* A ticket that ended already is fine. */
void http_cancel(struct http *h, uint64_t ticket);

/* The one who needs time (there is one at most): fn is called on the http
 * thread as soon as may be after the time that he asked for, and answers when
 * it wants to be called next; CLOCK_NEVER_MS: not before http_call_by. */
typedef int64_t http_tick_fn(void *ctx);
void http_attach(struct http *h, http_tick_fn *fn, void *ctx);
/* Makes the next call earlier, if need be; 0: now. Any thread. */
void http_call_by(struct http *h, int64_t due_ms);
/* fn isn't called again. From within fn only; due before http_free. */
void http_detach(struct http *h);

/* A header's value as this module reads it, for its tests and fuzzers. */
int64_t http_parse_retry_after(const char *value, size_t len,
                               int64_t now_wall_s);

/* The library's, as it runs. */
const char *http_library_version(void);

#endif
