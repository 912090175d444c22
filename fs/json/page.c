/* SPDX-License-Identifier: MIT */
/*
 * page.c - a list answer to records.
 *
 * Each element is read in one pass (object.c). One that isn't well formed is
 * read again with its control characters escaped; where that doesn't help it is
 * passed over by its brackets alone and counted, so that one bad asset never
 * costs its page.
 */
#include "json/page.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/ascii.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/utf8.h"
#include "json/object.h"
#include "json/scan.h"
#include "json/text.h"

static struct span page_member(struct span object, const char *name)
{
    struct span value = {0};
    if (scan_member(object.text, object.len, name, strlen(name), &value.text,
                    &value.len))
        return (struct span){0};
    return value;
}

static bool page_is_string(struct span value)
{
    return value.text && value.text[0] == '"';
}

static bool is_one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c);
}

/* The end of what isn't JSON at all, NaN say. */
static const char *skip_word(const char *at, const char *end)
{
    const char *start = at;
    while (at < end && !is_one_of(*at, " \t\r\n,:[]{}\""))
        at++;
    return at == start ? NULL : at;
}

/* Passes a value of any depth and content: one asset that is too deep or
 * malformed must not cost its page. -EBADMSG where its end can't be told. */
static int skip_value(struct scan *s, struct span *ret_value)
{
    const char *start = s->at;
    while (start < s->end && is_one_of(*start, " \t\r\n"))
        start++;
    if (start == s->end)
        return -EBADMSG;

    const char *end;
    if (*start == '"')
        end = scan_skip_string(start, s->end);
    else if (*start == '{' || *start == '[')
        end = scan_skip_brackets(start, s->end, 0);
    else
        end = skip_word(start, s->end);
    if (!end)
        return -EBADMSG;
    *ret_value = (struct span){start, (size_t)(end - start)};
    s->at = end;
    return 0;
}

/* Passes the next token if it is of this kind. */
static bool page_pass(struct scan *s, enum scan_kind kind)
{
    struct scan ahead = *s;
    struct scan_token token;
    if (scan_next(&ahead, &token) || token.kind != kind)
        return false;
    *s = ahead;
    return true;
}

/* Some writers leave control characters in strings as they are. Appends the
 * text with those escaped: the same value, as JSON spells it. */
static int escape_controls(struct span text, struct buf *out)
{
    bool in_string = false;
    const char *plain = text.text;
    const char *end = text.text + text.len;
    for (const char *at = plain; at < end; at++) {
        int err = 0;
        if (*at == '"') {
            in_string = !in_string;
        } else if (in_string && *at == '\\' && at + 1 < end) {
            at++;
        } else if (in_string && (unsigned char)*at < 0x20) {
            err = buf_append(out, plain, (size_t)(at - plain));
            if (!err)
                err = buf_appendf(out, "\\u%04x", (unsigned char)*at);
            plain = at + 1;
        }
        if (err)
            return err;
    }
    return buf_append(out, plain, (size_t)(end - plain));
}

/* The object that the scanner stands before. */
static int add_asset(struct scan *s, struct page *p, size_t *capacity)
{
    int err = array_reserve(p->assets, p->count, *capacity);
    if (!err)
        err = object_read(s, &p->assets[p->count]);
    if (!err)
        p->count++;
    return err;
}

/* An element that isn't well formed: an asset all the same where only its
 * control characters were at fault. */
static int read_malformed(struct scan *s, struct page *p, size_t *capacity)
{
    struct span element = {0};
    struct scan whole;
    int err = skip_value(s, &element);
    if (err)
        return err;
    cleanup(buf_done) struct buf mended = {.max = 6 * element.len};
    err = escape_controls(element, &mended);
    if (err)
        return err;
    scan_init(&whole, buf_str(&mended), mended.len);
    err = mended.len == element.len ? -EBADMSG : add_asset(&whole, p, capacity);
    if (err == -ENOMEM)
        return err;
    p->skipped += err != 0;
    return 0;
}

static int read_element(struct scan *s, struct page *p, size_t *capacity)
{
    if (p->count + p->skipped == PAGE_MAX_ASSETS)
        return -EBADMSG;
    int err = add_asset(s, p, capacity);
    return err && err != -ENOMEM ? read_malformed(s, p, capacity) : err;
}

static int read_elements(struct scan *s, struct page *p)
{
    size_t capacity = 0;
    if (!page_pass(s, SCAN_ARRAY_OPEN))
        return -EBADMSG;
    if (page_pass(s, SCAN_ARRAY_CLOSE))
        return 0;
    do {
        int err = read_element(s, p, &capacity);
        if (err)
            return err;
    } while (page_pass(s, SCAN_COMMA));
    return page_pass(s, SCAN_ARRAY_CLOSE) ? 0 : -EBADMSG;
}

/* A member that is a plain non-negative integer, else -1. */
static int64_t count_of(struct span info, const char *name)
{
    struct span value = page_member(info, name);
    int64_t count = -1;
    (void)ascii_parse_count(value.text, value.len, INT64_MAX, &count);
    return count;
}

/* One member of the envelope; of several with one name the last. */
static int read_member(struct scan *s, struct page *p, bool *ret_has_data,
                       struct span *ret_info)
{
    struct scan_token name;
    struct span value;
    /* an object without a member has no data either */
    if (scan_next(s, &name) || name.kind != SCAN_STRING ||
        !page_pass(s, SCAN_COLON))
        return -EBADMSG;
    if (scan_equals(name.text, name.len, "data", strlen("data"))) {
        page_done(p);
        *ret_has_data = true;
        return read_elements(s, p);
    }
    if (skip_value(s, &value))
        return -EBADMSG;
    if (scan_equals(name.text, name.len, "page_info", strlen("page_info")))
        *ret_info = value;
    return 0;
}

int page_parse(const char *bytes, size_t len, struct page *ret_page)
{
    cleanup(page_done) struct page p = {0};
    struct span info = {0};
    struct scan s;
    bool has_data = false;
    scan_init(&s, bytes, len);
    if (!page_pass(&s, SCAN_OBJECT_OPEN))
        return -EBADMSG;
    do {
        int err = read_member(&s, &p, &has_data, &info);
        if (err)
            return err;
    } while (page_pass(&s, SCAN_COMMA));
    if (!page_pass(&s, SCAN_OBJECT_CLOSE) || !page_pass(&s, SCAN_END) ||
        !has_data)
        return -EBADMSG;
    p.page = count_of(info, "page");
    p.limit = count_of(info, "limit_per_page");
    p.total_pages = count_of(info, "total_page");
    p.total_results = count_of(info, "total_results");
    *ret_page = p;
    p = (struct page){0};
    return 0;
}

int page_parse_asset(const char *bytes, size_t len, struct asset *ret_asset)
{
    struct scan s;
    cleanup(asset_done) struct asset a = {0};
    scan_init(&s, bytes, len);
    int err = object_read(&s, &a);
    if (err)
        return err == -ENOMEM ? err : -EBADMSG;
    if (!page_pass(&s, SCAN_END))
        return -EBADMSG;
    *ret_asset = a;
    a = (struct asset){0};
    return 0;
}

void page_done(struct page *p)
{
    for (size_t i = 0; i < p->count; i++)
        asset_done(&p->assets[i]);
    free(p->assets);
    *p = (struct page){0};
}

/* Replaces control characters and cuts to size at a character's end. */
static void page_copy_text(const char *text, size_t len, char *out, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < len;) {
        uint32_t code = 0;
        size_t count = utf8_decode(text + i, len - i, &code);
        bool replaced =
            count == 0 || utf8_is_control(code) || utf8_is_surrogate(code);
        count = count ? count : 1;
        if (used + (replaced ? 1 : count) >= size)
            break;
        if (replaced)
            out[used++] = ' ';
        else
            memcpy(out + used, text + i, count);
        used += replaced ? 0 : count;
        i += count;
    }
    out[used] = '\0';
}

static void copy_member(struct span object, const char *name, char *out,
                        size_t size)
{
    struct span token = page_member(object, name);
    size_t len = 0;
    if (size == 0)
        return;
    out[0] = '\0';
    if (!page_is_string(token))
        return;
    cleanup(free_ptr) char *text = text_decode(token.text, token.len, &len);
    if (text)
        page_copy_text(text, len, out, size);
}

void page_parse_error(const char *bytes, size_t len, char *ret_code,
                      size_t code_size, char *ret_message, size_t message_size)
{
    struct span body = {bytes, len};
    copy_member(body, "code", ret_code, code_size);
    copy_member(body, "message", ret_message, message_size);
}
