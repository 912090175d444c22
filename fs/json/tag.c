/* SPDX-License-Identifier: MIT */
#include "json/tag.h"

#include <errno.h>
#include <string.h>

#include "base/utf8.h"
#include "json/scan.h"
#include "json/text.h"

static bool is_text(const char *text, size_t len)
{
    for (size_t at = 0; at < len;) {
        uint32_t code = 0;
        size_t count = utf8_decode(text + at, len - at, &code);
        if (count == 0 || code == 0 || utf8_is_surrogate(code))
            return false;
        at += count;
    }
    return len > 0;
}

/* Whether the whole text is one token of a kind that isn't a string. */
static bool is_typed(const char *text, size_t len)
{
    struct scan s;
    struct scan_token token;
    scan_init(&s, text, len);
    return scan_next(&s, &token) == 0 && token.len == len &&
           (token.kind == SCAN_NUMBER || token.kind == SCAN_TRUE ||
            token.kind == SCAN_FALSE);
}

static int append_value(struct buf *out, const char *value, size_t len)
{
    if (is_typed(value, len))
        return buf_append(out, value, len);
    if (len >= 2 && value[0] == '"' && value[len - 1] == '"') {
        value++;
        len -= 2;
    }
    return is_text(value, len) ? text_append_string(out, value, len) : -EINVAL;
}

int tag_append(struct buf *out, const char *key, const char *value, size_t len)
{
    size_t before = out->len;
    if (!is_text(key, strlen(key)))
        return -EINVAL;
    int err = buf_append_char(out, before ? ',' : '{');
    if (!err)
        err = text_append_string(out, key, strlen(key));
    if (!err)
        err = buf_append_char(out, ':');
    if (!err)
        err =
            value ? append_value(out, value, len) : buf_append_str(out, "null");
    if (err)
        buf_truncate(out, before);
    return err;
}

int tag_end(struct buf *out)
{
    return buf_append_char(out, '}');
}

static bool is_empty_string(const struct scan_token *token)
{
    return token->kind == SCAN_STRING && token->len <= 2;
}

/* A member, and the comma or brace behind it. */
static bool pass_member(struct scan *s, struct scan_token *ret_after)
{
    struct scan_token key, colon, value;
    if (scan_next(s, &key) || key.kind != SCAN_STRING ||
        is_empty_string(&key) || scan_next(s, &colon) ||
        colon.kind != SCAN_COLON || scan_next(s, &value) ||
        is_empty_string(&value))
        return false;
    switch (value.kind) {
    case SCAN_STRING:
    case SCAN_NUMBER:
    case SCAN_TRUE:
    case SCAN_FALSE:
    case SCAN_NULL:
        break;
    default:
        return false;
    }
    return scan_next(s, ret_after) == 0;
}

bool tag_is_patch(const char *text, size_t len)
{
    struct scan s;
    struct scan_token token;
    scan_init(&s, text, len);
    if (scan_next(&s, &token) || token.kind != SCAN_OBJECT_OPEN)
        return false;
    do {
        if (!pass_member(&s, &token))
            return false;
    } while (token.kind == SCAN_COMMA);
    return token.kind == SCAN_OBJECT_CLOSE && scan_next(&s, &token) == 0 &&
           token.kind == SCAN_END;
}
