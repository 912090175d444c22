/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include <string.h>

#include "wire/http.h"
#include "wire/http_headers.h"

#define NOW_S 1790000000

static void check_count(int64_t number)
{
    require(number >= -1 && number < INT64_C(1) << 53);
}

static void check(const struct http_headers *h)
{
    int64_t wait_ms = http_headers_retry_after_ms(h);
    require(wait_ms >= -1 && wait_ms <= HTTP_RETRY_AFTER_MAX_MS);
    check_count(h->limit);
    check_count(h->limit_remaining);
    check_count(h->request_remaining);
    check_count(h->limit_reset_s);
    require(h->bytes <= HTTP_HEADERS_MAX);
    for (const char *c = h->content_type; *c; c++)
        require(*c >= 0x20 && *c < 0x7f);
}

/* The input is a head, and each of its lines a Retry-After value. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_headers h;
    const char *line = (const char *)data;
    http_headers_init(&h);
    while (size > 0) {
        const char *end = memchr(line, '\n', size);
        size_t len = end ? (size_t)(end - line) + 1 : size;
        if (http_headers_line(&h, line, len, NOW_S) != 0)
            break;
        check(&h);
        int64_t wait_ms = http_parse_retry_after(line, len, NOW_S);
        require(wait_ms >= -1 && wait_ms <= HTTP_RETRY_AFTER_MAX_MS);
        line += len;
        size -= len;
    }
    return 0;
}
