/* SPDX-License-Identifier: MIT */
#include "json.h"

#include <string.h>

#define MERGE_DEPTH 64

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static size_t skip_space(struct slice s, size_t at)
{
    while (at < s.n && is_space(s.p[at]))
        at++;
    return at;
}

/* Behind the string that begins at `at`, or s.n if it never ends. */
static size_t skip_string(struct slice s, size_t at)
{
    for (at++; at < s.n; at++) {
        if (s.p[at] == '\\')
            at++;
        else if (s.p[at] == '"')
            return at + 1;
    }
    return s.n;
}

static size_t skip_value(struct slice s, size_t at)
{
    size_t depth = 0;
    while (at < s.n) {
        char c = s.p[at];
        if (c == '"') {
            at = skip_string(s, at);
        } else if (c == '{' || c == '[') {
            depth++;
            at++;
        } else if (c == '}' || c == ']') {
            if (!depth)
                return at;
            depth--;
            at++;
        } else if (!depth && (c == ',' || is_space(c))) {
            return at;
        } else {
            at++;
            continue; /* inside a number or word */
        }
        if (!depth)
            return at;
    }
    return at;
}

bool json_next(struct slice object, size_t *pos, struct slice *ret_key,
               struct slice *ret_value)
{
    size_t at = skip_space(object, *pos);
    if (*pos == 0) {
        if (at >= object.n || object.p[at] != '{')
            return false;
        at++;
    }
    while (at < object.n && (is_space(object.p[at]) || object.p[at] == ','))
        at++;
    if (at >= object.n || object.p[at] != '"')
        return false;
    size_t key = at;
    size_t key_end = skip_string(object, at);
    at = skip_space(object, key_end);
    if (at >= object.n || object.p[at] != ':')
        return false;
    size_t value = skip_space(object, at + 1);
    size_t end = skip_value(object, value);
    *ret_key = (struct slice){object.p + key, key_end - key};
    *ret_value = (struct slice){object.p + value, end - value};
    *pos = end;
    return true;
}

static bool key_is(struct slice key, const char *name)
{
    size_t n = strlen(name);
    return key.n == n + 2 && memcmp(key.p + 1, name, n) == 0;
}

bool json_find(struct slice object, const char *name, struct slice *ret_value)
{
    size_t pos = 0;
    bool found = false;
    struct slice key, value;
    while (json_next(object, &pos, &key, &value)) {
        if (key_is(key, name)) {
            *ret_value = value;
            found = true;
        }
    }
    return found;
}

static int hex4(const char *p)
{
    int code = 0;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        int digit;
        if (c >= '0' && c <= '9')
            digit = c - '0';
        else if ((c | 32) >= 'a' && (c | 32) <= 'f')
            digit = (c | 32) - 'a' + 10;
        else
            return -1;
        code = code * 16 + digit;
    }
    return code;
}

/* Decodes the escape whose letter stands at `at`; returns where to go on. */
static size_t decode_escape(struct slice s, size_t at, struct buf *out)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    char c = s.p[at];
    const char *known = memchr(from, c, sizeof(from) - 1);
    if (c != 'u' || at + 5 > s.n) {
        buf_char(out, known ? to[known - from] : c);
        return at + 1;
    }
    int code = hex4(s.p + at + 1);
    at += 5;
    if (code < 0)
        return at;
    if (code >= 0xd800 && code < 0xdc00 && at + 6 <= s.n && s.p[at] == '\\' &&
        s.p[at + 1] == 'u') {
        int low = hex4(s.p + at + 2);
        if (low >= 0xdc00 && low < 0xe000) {
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
            at += 6;
        }
    }
    buf_utf8(out, (unsigned)code);
    return at;
}

bool json_decode(struct slice s, struct buf *out)
{
    if (s.n < 2 || s.p[0] != '"' || s.p[s.n - 1] != '"')
        return false;
    s.n--;
    for (size_t at = 1; at < s.n;) {
        if (s.p[at] == '\\' && at + 1 < s.n)
            at = decode_escape(s, at + 1, out);
        else
            buf_char(out, s.p[at++]);
    }
    buf_add(out, "", 0); /* an empty string is a string too */
    return true;
}

bool json_find_string(struct slice object, const char *name, struct buf *out)
{
    struct slice value;
    return json_find(object, name, &value) && json_decode(value, out);
}

static bool is_null(struct slice s)
{
    return s.n == 4 && memcmp(s.p, "null", 4) == 0;
}

static bool is_object(struct slice s)
{
    size_t at = skip_space(s, 0);
    return at < s.n && s.p[at] == '{';
}

/* Keys as they are meant: "\\u00e9" is "é". */
static bool is_same_key(struct slice a, struct slice b)
{
    struct buf left BUF_SCOPE = {0}, right BUF_SCOPE = {0};
    if (a.n == b.n && memcmp(a.p, b.p, a.n) == 0)
        return true;
    if (!memchr(a.p, '\\', a.n) && !memchr(b.p, '\\', b.n))
        return false;
    return json_decode(a, &left) && json_decode(b, &right) &&
           left.len == right.len &&
           memcmp(left.data, right.data, left.len) == 0;
}

static bool find_key(struct slice object, struct slice key,
                     struct slice *ret_value)
{
    size_t pos = 0;
    struct slice k, v;
    bool found = false;
    while (json_next(object, &pos, &k, &v)) {
        if (is_same_key(k, key)) {
            *ret_value = v;
            found = true;
        }
    }
    return found;
}

static void merge(struct slice target, struct slice patch, struct buf *out,
                  int depth)
{
    if (!is_object(patch) || depth > MERGE_DEPTH) {
        buf_add(out, patch.p, patch.n);
        return;
    }
    if (!is_object(target))
        target = (struct slice){"{}", 2};
    struct slice key, value, change;
    bool first = true;
    buf_char(out, '{');
    for (size_t pos = 0; json_next(target, &pos, &key, &value);) {
        bool changed = find_key(patch, key, &change);
        if (changed && is_null(change))
            continue;
        if (!first)
            buf_char(out, ',');
        first = false;
        buf_add(out, key.p, key.n);
        buf_char(out, ':');
        if (changed)
            merge(value, change, out, depth + 1);
        else
            buf_add(out, value.p, value.n);
    }
    for (size_t pos = 0; json_next(patch, &pos, &key, &value);) {
        if (is_null(value) || find_key(target, key, &change))
            continue;
        if (!first)
            buf_char(out, ',');
        first = false;
        buf_add(out, key.p, key.n);
        buf_char(out, ':');
        merge((struct slice){"", 0}, value, out, depth + 1);
    }
    buf_char(out, '}');
}

void json_merge(struct slice target, struct slice patch, struct buf *out)
{
    merge(target, patch, out, 0);
}
