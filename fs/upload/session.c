/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/asset.h"
#include "base/cleanup.h"
#include "json/scan.h"
#include "upload/upload_internal.h"

#define CHUNKS_MAX      200000
#define HEADERS_MAX     20
#define HEADER_MAX      2000
#define ID_MAX          200
#define URL_MAX         8000
#define CHUNK_BYTES_MAX (INT64_C(1) << 33)

static int member(const struct buf *json, const char *name, const char **value,
                  size_t *len)
{
    return scan_member(buf_str(json), json->len, name, strlen(name), value,
                       len);
}

static int64_t read_number(const char *value, size_t len)
{
    return len && len < 19 && value[0] >= '0' && value[0] <= '9'
               ? strtoll(value, NULL, 10)
               : -1;
}

static int64_t member_number(const struct buf *json, const char *name)
{
    const char *value;
    size_t len;
    return member(json, name, &value, &len) ? -1 : read_number(value, len);
}

/* A string without a NUL, of at most `most` bytes; NULL: none. */
static char *copy_string(const char *token, size_t len, size_t most)
{
    if (len < 2 || token[0] != '"' || len > most)
        return NULL;
    char *text = malloc(len);
    if (!text)
        return NULL;
    size_t text_len = scan_unescape(token, len, text);
    text[text_len] = '\0';
    if (text_len && strlen(text) == text_len)
        return text;
    free(text);
    return NULL;
}

static char *member_string(const struct buf *json, const char *name,
                           size_t most)
{
    const char *value;
    size_t len;
    return member(json, name, &value, &len) ? NULL
                                            : copy_string(value, len, most);
}

/* Each element of an array. */
static void each_element(const char *array, size_t len,
                         void (*fn)(void *ctx, const char *text, size_t len),
                         void *ctx)
{
    struct scan s;
    struct scan_token token;
    scan_init(&s, array, len);
    if (scan_next(&s, &token) || token.kind != SCAN_ARRAY_OPEN)
        return;
    for (;;) {
        const char *text;
        size_t text_len;
        if (scan_value(&s, &text, &text_len))
            return;
        fn(ctx, text, text_len);
        if (scan_next(&s, &token) || token.kind != SCAN_COMMA)
            return;
    }
}

/* ---- a session's beginning ---- */

void session_plan_done(struct session_plan *p)
{
    free(p->upload_id);
    free(p->asset_id);
    free(p->headers);
    *p = (struct session_plan){0};
}

static bool is_plan_for(const struct session_plan *p, int64_t size_bytes)
{
    if (p->chunk_bytes < 1 || p->chunk_bytes > CHUNK_BYTES_MAX ||
        p->chunk_count < 1 || p->chunk_count > CHUNKS_MAX)
        return false;
    return p->chunk_bytes * p->chunk_count >= size_bytes &&
           p->chunk_bytes * (p->chunk_count - 1) < size_bytes;
}

int session_read_plan(const struct buf *json, int64_t size_bytes,
                      struct session_plan *ret_plan)
{
    const char *headers;
    size_t headers_len;
    cleanup(session_plan_done) struct session_plan p = {
        .upload_id = member_string(json, "upload_id", ID_MAX),
        .asset_id = member_string(json, "asset_id", ID_MAX),
        .chunk_bytes = member_number(json, "chunk_size"),
        .chunk_count = member_number(json, "total_chunks"),
    };
    if (!p.upload_id || !p.asset_id || !is_plan_for(&p, size_bytes))
        return -EBADMSG;
    if (!member(json, "upload_headers", &headers, &headers_len) &&
        headers[0] == '{') {
        p.headers = strndup(headers, headers_len);
        if (!p.headers)
            return -ENOMEM;
    }
    *ret_plan = p;
    p = (struct session_plan){0};
    return 0;
}

struct urls {
    session_url_fn *fn;
    void *ctx;
};

static void session_take_url(void *ctx, const char *text, size_t len)
{
    const struct urls *u = ctx;
    const struct buf json = {.data = (char *)text, .len = len};
    int64_t chunk = member_number(&json, "chunk_index");
    cleanup(free_ptr) char *url = member_string(&json, "url", URL_MAX);
    if (chunk > 0 && url && asset_url_is_clean(url, strlen(url)))
        u->fn(u->ctx, chunk, url);
}

void session_each_url(const struct buf *json, session_url_fn *fn, void *ctx)
{
    struct urls u = {fn, ctx};
    const char *array;
    size_t len;
    if (!member(json, "upload_urls", &array, &len))
        each_element(array, len, session_take_url, &u);
}

/* ---- its status ---- */

struct statuses {
    session_chunk_fn *fn;
    void *ctx;
    size_t told;
};

static void take_status(void *ctx, const char *text, size_t len)
{
    struct statuses *s = ctx;
    const struct buf json = {.data = (char *)text, .len = len};
    int64_t chunk = member_number(&json, "index");
    const char *value;
    size_t value_len;
    s->told++;
    if (chunk > 0 && !member(&json, "status", &value, &value_len) &&
        scan_equals(value, value_len, "completed", strlen("completed")))
        s->fn(s->ctx, chunk);
}

int session_read_status(const struct buf *json, enum session_status *ret_status,
                        size_t *ret_told, session_chunk_fn *fn, void *ctx)
{
    struct statuses s = {fn, ctx, 0};
    const char *value;
    size_t len;
    if (member(json, "status", &value, &len))
        return -EBADMSG;
    enum session_status status = SESSION_ENDED;
    if (scan_equals(value, len, "active", strlen("active")))
        status = SESSION_ACTIVE;
    else if (scan_equals(value, len, "completed", strlen("completed")))
        status = SESSION_COMPLETED;
    if (!member(json, "uploaded_chunks", &value, &len))
        each_element(value, len, take_status, &s);
    *ret_status = status;
    *ret_told = s.told;
    return 0;
}

/* ---- headers ---- */

void session_lines_free(char **lines)
{
    for (char **line = lines; line && *line; line++)
        free(*line);
    free(lines);
}

/* What would change where the request goes, or whose it is, isn't taken. */
static bool is_good_header(const char *name, const char *value)
{
    static const char *const ours[] = {
        "host",      "content-length", "content-type", "transfer-encoding",
        "x-api-key", "connection",     "expect"};
    for (const char *c = name; *c; c++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                    "0123456789-_",
                    *c))
            return false;
    for (const unsigned char *c = (const unsigned char *)value; *c; c++)
        if (*c < 0x20 || *c == 0x7f)
            return false;
    for (size_t i = 0; i < array_count(ours); i++)
        if (strcasecmp(name, ours[i]) == 0)
            return false;
    return true;
}

static int add_line(char **lines, size_t *count, const struct scan_token *name,
                    const char *value, size_t value_len)
{
    cleanup(free_ptr) char *key =
        copy_string(name->text, name->len, HEADER_MAX);
    cleanup(free_ptr) char *text = copy_string(value, value_len, HEADER_MAX);
    if (!key || !text || !is_good_header(key, text) || *count >= HEADERS_MAX)
        return 0;
    char *line;
    if (asprintf(&line, "%s: %s", key, text) < 0)
        return -ENOMEM;
    lines[(*count)++] = line;
    return 0;
}

static int session_read_lines(const char *headers, char **lines)
{
    struct scan s;
    struct scan_token token, name;
    size_t count = 0;
    const char *value;
    size_t len;
    lines[count] = strdup("Content-Type: application/octet-stream");
    if (!lines[count++])
        return -ENOMEM;
    scan_init(&s, headers ? headers : "", headers ? strlen(headers) : 0);
    if (scan_next(&s, &token) || token.kind != SCAN_OBJECT_OPEN)
        return 0;
    while (!scan_next(&s, &name) && name.kind == SCAN_STRING &&
           !scan_next(&s, &token) && token.kind == SCAN_COLON &&
           !scan_value(&s, &value, &len)) {
        int err = add_line(lines, &count, &name, value, len);
        if (err)
            return err;
        if (scan_next(&s, &token) || token.kind != SCAN_COMMA)
            break;
    }
    return 0;
}

DEFINE_CLEANUP(free_lines, char **, session_lines_free)

int session_lines(const char *headers, char ***ret_lines)
{
    cleanup(free_lines) char **lines = calloc(HEADERS_MAX + 1, sizeof(*lines));
    int err = lines ? session_read_lines(headers, lines) : -ENOMEM;
    if (!err)
        *ret_lines = steal_ptr(lines);
    return err;
}
