/* SPDX-License-Identifier: MIT */
#include "http.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *request_header(const struct request *r, const char *name)
{
    return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

void request_asset_id(const struct request *r, struct buf *out)
{
    const char *from = r->path + strlen(ASSETS_PATH "/");
    path_decode(from, strcspn(from, "/"), out);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void decode(const char *text, size_t n, bool plus, struct buf *out)
{
    for (size_t i = 0; i < n; i++) {
        int high = i + 2 < n ? hex_digit(text[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
        if (text[i] == '%' && low >= 0) {
            buf_char(out, (char)(high * 16 + low));
            i += 2;
        } else {
            buf_char(out, plus && text[i] == '+' ? ' ' : text[i]);
        }
    }
    buf_add(out, "", 0);
}

void path_decode(const char *text, size_t n, struct buf *out)
{
    decode(text, n, false, out);
}

bool query_next(const char **pos, struct buf *name, struct buf *value)
{
    const char *p = *pos;
    while (*p == '&')
        p++;
    if (!*p)
        return false;
    size_t n = strcspn(p, "&");
    const char *equals = memchr(p, '=', n);
    size_t name_n = equals ? (size_t)(equals - p) : n;
    buf_clear(name);
    buf_clear(value);
    decode(p, name_n, true, name);
    if (equals)
        decode(equals + 1, n - name_n - 1, true, value);
    else
        buf_add(value, "", 0);
    *pos = p + n;
    return !name->failed && !value->failed;
}

bool query_text(const char *query, const char *name, struct buf *out)
{
    struct buf key BUF_SCOPE = {0};
    while (query_next(&query, &key, out))
        if (!strcmp(key.data, name))
            return true;
    buf_clear(out);
    return false;
}

int64_t query_number(const char *query, const char *name, int64_t otherwise)
{
    struct buf value BUF_SCOPE = {0};
    if (!query_text(query, name, &value))
        return otherwise;
    return strtoll(value.data, NULL, 10);
}

void answer_done(struct answer *a)
{
    buf_done(&a->body);
}

void answer_header(struct answer *a, const char *name, const char *format, ...)
{
    va_list args;
    if (a->nheaders == ANSWER_HEADERS)
        return;
    a->header[a->nheaders].name = name;
    va_start(args, format);
    vsnprintf(a->header[a->nheaders].value, sizeof(a->header[0].value), format,
              args);
    va_end(args);
    a->nheaders++;
}

void answer_error(struct answer *a, int status, const char *code,
                  const char *format, ...)
{
    char message[500];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    buf_clear(&a->body);
    a->status = status;
    a->type = "application/json; charset=utf-8";
    buf_str(&a->body, "{\"code\":");
    buf_json(&a->body, code);
    buf_str(&a->body, ",\"message\":");
    buf_json(&a->body, message);
    buf_str(&a->body, ",\"docs_url\":\"https://docs.twelvelabs.io/v1.3/"
                      "api-reference/error-codes\"}");
}
