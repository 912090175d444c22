/* SPDX-License-Identifier: MIT */
#include "wire/http_headers.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>

#include "base/ascii.h"
#include "wire/http.h"

#define HTTP_DATE_SIZE 64

static void forget_fields(struct http_headers *h)
{
    h->retry_after_ms = -1;
    h->retry_after_exact_ms = -1;
    h->limit = -1;
    h->limit_remaining = -1;
    h->request_remaining = -1;
    h->limit_reset_s = -1;
    h->content_type[0] = '\0';
    h->etag[0] = '\0';
}

void http_headers_init(struct http_headers *h)
{
    h->bytes = 0;
    forget_fields(h);
}

static void headers_trim(const char **text, size_t *len)
{
    while (*len > 0 && ((*text)[0] == ' ' || (*text)[0] == '\t')) {
        (*text)++;
        (*len)--;
    }
    while (*len > 0 && strchr(" \t\r\n", (*text)[*len - 1]))
        (*len)--;
}

/* -1 for what is no number. Past 2^53 they are absurd here. */
static int64_t parse_count(const char *text, size_t len)
{
    int64_t count = -1;
    (void)ascii_parse_count(text, len, ((int64_t)1 << 53) - 1, &count);
    return count;
}

static int64_t cap_wait(int64_t ms)
{
    return ms < HTTP_RETRY_AFTER_MAX_MS ? ms : HTTP_RETRY_AFTER_MAX_MS;
}

/* A number with its fraction dropped after `decimals` places, as an integer of
 * the smaller unit; -1 when it is none. */
static int64_t headers_parse_decimal(const char *text, size_t len, int decimals)
{
    int64_t scale = 1;
    for (int i = 0; i < decimals; i++)
        scale *= 10;

    const char *point = memchr(text, '.', len);
    size_t whole_len = point ? (size_t)(point - text) : len;
    int64_t whole = parse_count(text, whole_len);
    if (whole < 0 || (point && whole_len + 1 == len))
        return -1;
    if (whole > HTTP_RETRY_AFTER_MAX_MS)
        whole = HTTP_RETRY_AFTER_MAX_MS;
    int64_t number = whole * scale;
    for (size_t i = whole_len + 1; i < len; i++) {
        if (!ascii_is_digit(text[i]))
            return -1;
        scale /= 10;
        number += (text[i] - '0') * scale;
    }
    return number;
}

int64_t http_parse_retry_after(const char *value, size_t len,
                               int64_t now_wall_s)
{
    headers_trim(&value, &len);
    int64_t ms = headers_parse_decimal(value, len, 3);
    if (ms >= 0)
        return cap_wait(ms);
    char date[HTTP_DATE_SIZE];
    if (len >= sizeof(date))
        return -1;
    memcpy(date, value, len);
    date[len] = '\0';
    int64_t when_s = curl_getdate(date, NULL);
    if (when_s < 0)
        return -1;
    if (when_s <= now_wall_s)
        return 0;
    int64_t wait_s = when_s - now_wall_s;
    return wait_s < HTTP_RETRY_AFTER_MAX_MS / 1000 ? wait_s * 1000
                                                   : HTTP_RETRY_AFTER_MAX_MS;
}

static void keep_text(char *out, size_t size, const char *text, size_t len)
{
    if (len >= size)
        len = size - 1;
    for (size_t i = 0; i < len; i++) {
        bool printable = text[i] >= 0x20 && text[i] < 0x7f;
        out[i] = '?';
        if (printable)
            out[i] = text[i];
    }
    out[len] = '\0';
}

static bool is_name(const char *line, size_t len, const char *name)
{
    return strlen(name) == len && strncasecmp(line, name, len) == 0;
}

static void take_field(struct http_headers *h, const char *name,
                       size_t name_len, const char *value, size_t len,
                       int64_t now_wall_s)
{
    if (is_name(name, name_len, "content-type")) {
        keep_text(h->content_type, sizeof(h->content_type), value, len);
    } else if (is_name(name, name_len, "etag")) {
        /* a part of one would be another one */
        if (len < sizeof(h->etag))
            keep_text(h->etag, sizeof(h->etag), value, len);
    } else if (is_name(name, name_len, "retry-after")) {
        h->retry_after_ms = http_parse_retry_after(value, len, now_wall_s);
    } else if (is_name(name, name_len, "retry-after-ms")) {
        int64_t ms = headers_parse_decimal(value, len, 0);
        h->retry_after_exact_ms = ms < 0 ? -1 : cap_wait(ms);
    } else if (is_name(name, name_len, "x-ratelimit-limit")) {
        h->limit = parse_count(value, len);
    } else if (is_name(name, name_len, "x-ratelimit-remaining")) {
        h->limit_remaining = parse_count(value, len);
    } else if (is_name(name, name_len, "x-ratelimit-request-remaining")) {
        h->request_remaining = parse_count(value, len);
    } else if (is_name(name, name_len, "x-ratelimit-reset")) {
        h->limit_reset_s = parse_count(value, len);
    }
}

int http_headers_line(struct http_headers *h, const char *line, size_t len,
                      int64_t now_wall_s)
{
    if (len > HTTP_HEADERS_MAX - h->bytes)
        return -E2BIG;
    h->bytes += len;
    if (len >= 5 && memcmp(line, "HTTP/", 5) == 0) {
        forget_fields(h);
        return 0;
    }
    const char *colon = memchr(line, ':', len);
    if (!colon)
        return 0;
    const char *value = colon + 1;
    size_t value_len = len - (size_t)(value - line);
    headers_trim(&value, &value_len);
    take_field(h, line, (size_t)(colon - line), value, value_len, now_wall_s);
    return 0;
}

int64_t http_headers_retry_after_ms(const struct http_headers *h)
{
    return h->retry_after_exact_ms >= 0 ? h->retry_after_exact_ms
                                        : h->retry_after_ms;
}
