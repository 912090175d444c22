/* SPDX-License-Identifier: MIT */
/*
 * http_internal.h - one request as curl sees it: options, callbacks, result
 * (http_transfer.c), for http.c.
 *
 * http.c owns each transfer and calls everything here on the http thread,
 * transfer_init and transfer_done aside. A struct http_transfer must not move
 * while it has a handle: curl's callbacks point at it.
 */
#ifndef TWELVEFS_HTTP_INTERNAL_H
#define TWELVEFS_HTTP_INTERNAL_H

#include <curl/curl.h>

#include "wire/http.h"
#include "wire/http_environment.h"
#include "wire/http_headers.h"

/* What is sent, as curl asks for it. */
struct http_sending {
    const char *method; /* NULL: GET */
    bool has_body;
    bool once;
    struct buf head, tail;
    int fd;
    int64_t file_offset, file_bytes;
    http_guard_fn *guard;
    void *guard_ctx;
    _Atomic int64_t *sent;
    int64_t at; /* of the whole body: what curl was given */
};

struct http_transfer {
    CURL *easy; /* NULL before the start and after the end */
    char *url;
    struct curl_slist *header_lines; /* may hold the secret */
    size_t max_bytes;
    bool follows;  /* redirects, */
    int redirects; /* so many still */
    bool public_only;
    const struct http_environment *environment; /* borrowed with the handle */
    bool proxied;                               /* its peer is a proxy */
    int64_t idle_timeout_ms;                    /* 0: the limits' */
    struct http_sending sending;
    struct buf body; /* its max: what it may have by now */
    http_room_fn *room;
    void *room_ctx;
    struct http_headers headers;
    int abort_error; /* why a callback of ours stopped it; 0 it didn't */
    bool refused;    /* as struct http_response has it */
    char error_text[CURL_ERROR_SIZE];
};

/* Copies what the request says. 0 or -ENOMEM; done is due in both cases. */
int transfer_init(struct http_transfer *t, const struct http_request *request,
                  void *ctx);
/* Frees all but the handle, wipes the secret. */
void transfer_done(struct http_transfer *t);

/* Sets up a handle for it. 0 or -ENOMEM. */
int transfer_attach(struct http_transfer *t, CURL *easy,
                    const struct http_limits *limits,
                    const struct http_environment *environment);

/* After an answer: whether it was a redirect that the transfer now follows,
 * once its handle is added to the multi handle again. A redirect that may not
 * or can't be followed makes the result an error. */
bool transfer_follow(struct http_transfer *t);

/* What came of it; borrows from t, whose handle must still be there when
 * curl has ended it with `code`. */
void transfer_result(struct http_transfer *t, CURLcode code,
                     struct http_response *ret_response);
/* The response of a transfer that http.c itself ends. */
void transfer_result_of(struct http_transfer *t, int err, const char *text,
                        struct http_response *ret_response);

/* http_body.c: what the request says of what it sends, copied. 0 or -ENOMEM. */
int http_sending_init(struct http_sending *s,
                      const struct http_request *request);
void http_sending_done(struct http_sending *s);
/* Sets the handle up to send it; true when that fails. */
bool http_sending_attach(struct http_transfer *t, CURL *easy);

#endif
