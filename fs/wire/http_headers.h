/* SPDX-License-Identifier: MIT */
/*
 * http_headers.h - the few header fields of an answer that twelvefs reads.
 *
 * Every field is remote data: what is malformed, negative or absurd reads as
 * absent. No shared state: any thread.
 */
#ifndef TWELVEFS_HTTP_HEADERS_H
#define TWELVEFS_HTTP_HEADERS_H

#include <stddef.h>
#include <stdint.h>

#define HTTP_HEADERS_MAX        (64u << 10) /* bytes of all lines together */
#define HTTP_RETRY_AFTER_MAX_MS INT64_C(86400000) /* a day */

/* As struct http_response has them. */
struct http_headers {
    size_t bytes; /* of all lines so far, earlier heads' included */
    int64_t retry_after_ms;
    int64_t retry_after_exact_ms; /* retry-after-ms: wins over Retry-After */
    int64_t limit;
    int64_t limit_remaining;
    int64_t request_remaining;
    int64_t limit_reset_s;
    char content_type[128];
};

void http_headers_init(struct http_headers *h);

/* Takes one line, with or without its line end. A status line begins a new
 * head (a redirect's answer, 100 Continue) and forgets the fields, not the
 * count of bytes. 0, or -E2BIG past HTTP_HEADERS_MAX. */
int http_headers_line(struct http_headers *h, const char *line, size_t len,
                      int64_t now_wall_s);

/* How long to wait, or -1. */
int64_t http_headers_retry_after_ms(const struct http_headers *h);

#endif
