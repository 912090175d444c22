/* SPDX-License-Identifier: MIT */
/*
 * scan.c - tokens and grammar are apart: scan_next knows no grammar,
 * scan_accept sees no bytes. Who walks over a value feeds each token to both,
 * and to whatever else wants to see it.
 */
#include "json/scan.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/ascii.h"
#include "base/utf8.h"

void scan_init(struct scan *s, const char *text, size_t len)
{
    s->at = text;
    s->end = len ? text + len : text; /* text may be NULL then */
}

/* The four digits after "\u"; false when they aren't. */
static bool read_hex4(const char *text, size_t len, uint32_t *ret_code)
{
    if (len < 4)
        return false;
    uint32_t code = 0;
    for (size_t i = 0; i < 4; i++) {
        int digit = ascii_hex_value(text[i]);
        if (digit < 0)
            return false;
        code = code << 4 | (uint32_t)digit;
    }
    *ret_code = code;
    return true;
}

static size_t unicode_escape(const char *text, size_t len, uint32_t *ret_code)
{
    uint32_t high = 0;
    uint32_t low = 0;
    if (!read_hex4(text + 2, len - 2, &high))
        return 0;
    *ret_code = high;
    if (high < 0xd800 || high > 0xdbff || len < 12 || text[6] != '\\' ||
        text[7] != 'u' || !read_hex4(text + 8, len - 8, &low) || low < 0xdc00 ||
        low > 0xdfff)
        return 6;
    *ret_code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
    return 12;
}

size_t scan_escape(const char *text, size_t len, uint32_t *ret_code)
{
    static const char letters[] = "\"\\/bfnrt";
    static const char values[] = "\"\\/\b\f\n\r\t";
    if (len < 2 || text[0] != '\\')
        return 0;
    if (text[1] == 'u')
        return unicode_escape(text, len, ret_code);
    const char *letter = memchr(letters, text[1], sizeof(letters) - 1);
    if (!letter)
        return 0;
    *ret_code = (unsigned char)values[letter - letters];
    return 2;
}

/* What ends a run of a string's plain bytes: quote, backslash, controls. */
static const bool ends_run[256] = {
    [0 ... 0x1f] = true,
    ['"'] = true,
    ['\\'] = true,
};

/* Eight bytes at once, as long as none of them ends a run: one that is
 * smaller than 0x20, a quote or a backslash borrows into its top bit. */
static const char *run_end(const char *at, const char *end)
{
    static const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t w;

    for (; end - at >= (ptrdiff_t)sizeof(w); at += sizeof(w)) {
        memcpy(&w, at, sizeof(w));
        uint64_t quote = w ^ ones * '"';
        uint64_t backslash = w ^ ones * '\\';
        uint64_t found = ((w - ones * 0x20) & ~w) | ((quote - ones) & ~quote) |
                         ((backslash - ones) & ~backslash);
        if (found & ones * 0x80)
            break;
    }
    while (at < end && !ends_run[(unsigned char)*at])
        at++;
    return at;
}

/* The end of the string that starts at the quote `at`, NULL when malformed. */
static const char *string_end(const char *at, const char *end,
                              bool *ret_escaped)
{
    for (at++;;) {
        at = run_end(at, end);
        if (at == end || (unsigned char)*at < 0x20)
            return NULL;
        if (*at == '"')
            return at + 1;
        uint32_t code;
        size_t len = scan_escape(at, (size_t)(end - at), &code);
        if (len == 0)
            return NULL;
        *ret_escaped = true;
        at += len;
    }
}

static const char *scan_skip_digits(const char *at, const char *end)
{
    while (at < end && ascii_is_digit(*at))
        at++;
    return at;
}

static const char *scan_number_end(const char *at, const char *end)
{
    if (*at == '-')
        at++;
    if (at == end || !ascii_is_digit(*at))
        return NULL;
    at = *at == '0' ? at + 1 : scan_skip_digits(at, end);
    if (at < end && *at == '.') {
        const char *fraction = at + 1;
        at = scan_skip_digits(fraction, end);
        if (at == fraction)
            return NULL;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        if (at < end && (*at == '+' || *at == '-'))
            at++;
        const char *exponent = at;
        at = scan_skip_digits(exponent, end);
        if (at == exponent)
            return NULL;
    }
    /* "01" and "1x" are no two tokens */
    return at < end && ascii_is_digit(*at) ? NULL : at;
}

static const char *word_end(const char *at, const char *end, const char *word)
{
    size_t len = strlen(word);
    if ((size_t)(end - at) < len || memcmp(at, word, len) != 0)
        return NULL;
    return at + len;
}

/* The kind of the token that starts with c; SCAN_END for none. */
static enum scan_kind scan_kind_of(char c)
{
    switch (c) {
    case '{':
        return SCAN_OBJECT_OPEN;
    case '}':
        return SCAN_OBJECT_CLOSE;
    case '[':
        return SCAN_ARRAY_OPEN;
    case ']':
        return SCAN_ARRAY_CLOSE;
    case ':':
        return SCAN_COLON;
    case ',':
        return SCAN_COMMA;
    case '"':
        return SCAN_STRING;
    case 't':
        return SCAN_TRUE;
    case 'f':
        return SCAN_FALSE;
    case 'n':
        return SCAN_NULL;
    default:
        return ascii_is_digit(c) || c == '-' ? SCAN_NUMBER : SCAN_END;
    }
}

static const char *token_end(enum scan_kind kind, const char *at,
                             const char *end, bool *ret_escaped)
{
    switch (kind) {
    case SCAN_STRING:
        return string_end(at, end, ret_escaped);
    case SCAN_NUMBER:
        return scan_number_end(at, end);
    case SCAN_TRUE:
        return word_end(at, end, "true");
    case SCAN_FALSE:
        return word_end(at, end, "false");
    case SCAN_NULL:
        return word_end(at, end, "null");
    case SCAN_END:
        return NULL;
    default:
        return at + 1;
    }
}

static const char *skip_space(const char *at, const char *end)
{
    while (at < end &&
           (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
        at++;
    return at;
}

int scan_next(struct scan *s, struct scan_token *ret_token)
{
    const char *at = skip_space(s->at, s->end);
    if (at == s->end) {
        *ret_token = (struct scan_token){.kind = SCAN_END, .text = at};
        s->at = at;
        return 0;
    }
    enum scan_kind kind = scan_kind_of(*at);
    bool escaped = false;
    const char *end = token_end(kind, at, s->end, &escaped);
    if (!end)
        return -EBADMSG;
    *ret_token = (struct scan_token){kind, at, (size_t)(end - at), escaped};
    s->at = end;
    return 0;
}

static bool top_is_object(const struct scan_grammar *g)
{
    size_t level = g->depth - 1;
    return g->is_object[level / 8] >> (level % 8) & 1;
}

static void value_ended(struct scan_grammar *g)
{
    g->expect = g->depth ? SCAN_EXPECT_COMMA_OR_CLOSE : SCAN_EXPECT_NOTHING;
}

static int accept_open(struct scan_grammar *g, bool object)
{
    if (g->expect != SCAN_EXPECT_VALUE &&
        g->expect != SCAN_EXPECT_VALUE_OR_CLOSE)
        return -EBADMSG;
    if (g->depth == SCAN_MAX_DEPTH)
        return -E2BIG;
    unsigned char bit = (unsigned char)(1U << (g->depth % 8));
    unsigned char *bits = &g->is_object[g->depth / 8];
    *bits = (unsigned char)(object ? *bits | bit : *bits & ~bit);
    g->depth++;
    g->expect = object ? SCAN_EXPECT_NAME_OR_CLOSE : SCAN_EXPECT_VALUE_OR_CLOSE;
    return 0;
}

static int accept_close(struct scan_grammar *g, bool object)
{
    bool empty = object ? g->expect == SCAN_EXPECT_NAME_OR_CLOSE
                        : g->expect == SCAN_EXPECT_VALUE_OR_CLOSE;
    if ((!empty && g->expect != SCAN_EXPECT_COMMA_OR_CLOSE) ||
        top_is_object(g) != object)
        return -EBADMSG;
    g->depth--;
    value_ended(g);
    return 0;
}

static int accept_scalar(struct scan_grammar *g, enum scan_kind kind)
{
    if (g->expect == SCAN_EXPECT_VALUE ||
        g->expect == SCAN_EXPECT_VALUE_OR_CLOSE) {
        value_ended(g);
        return 0;
    }
    if (kind != SCAN_STRING || (g->expect != SCAN_EXPECT_NAME &&
                                g->expect != SCAN_EXPECT_NAME_OR_CLOSE))
        return -EBADMSG;
    g->expect = SCAN_EXPECT_COLON;
    return 0;
}

int scan_accept(struct scan_grammar *g, enum scan_kind kind)
{
    switch (kind) {
    case SCAN_OBJECT_OPEN:
    case SCAN_ARRAY_OPEN:
        return accept_open(g, kind == SCAN_OBJECT_OPEN);
    case SCAN_OBJECT_CLOSE:
    case SCAN_ARRAY_CLOSE:
        return accept_close(g, kind == SCAN_OBJECT_CLOSE);
    case SCAN_COLON:
        if (g->expect != SCAN_EXPECT_COLON)
            return -EBADMSG;
        g->expect = SCAN_EXPECT_VALUE;
        return 0;
    case SCAN_COMMA:
        if (g->expect != SCAN_EXPECT_COMMA_OR_CLOSE)
            return -EBADMSG;
        g->expect = top_is_object(g) ? SCAN_EXPECT_NAME : SCAN_EXPECT_VALUE;
        return 0;
    case SCAN_END:
        return -EBADMSG;
    default:
        return accept_scalar(g, kind);
    }
}

int scan_value(struct scan *s, const char **ret_text, size_t *ret_len)
{
    struct scan ahead = *s;
    struct scan_grammar grammar = {0};
    const char *start = skip_space(s->at, s->end);
    while (grammar.expect != SCAN_EXPECT_NOTHING) {
        struct scan_token token;
        int err = scan_next(&ahead, &token);
        if (!err)
            err = scan_accept(&grammar, token.kind);
        if (err)
            return err;
    }
    *ret_text = start;
    *ret_len = (size_t)(ahead.at - start);
    s->at = ahead.at;
    return 0;
}

const char *scan_skip_string(const char *at, const char *end)
{
    for (at++; at < end; at++) {
        if (*at == '"')
            return at + 1;
        if (*at == '\\' && ++at == end)
            break;
    }
    return NULL;
}

/* What brackets are counted by. */
static const bool counts[256] = {
    ['{'] = true,
    ['['] = true,
    ['}'] = true,
    [']'] = true,
};

const char *scan_skip_brackets(const char *at, const char *end, size_t depth)
{
    bool object = depth == 0 && *at == '{';
    bool any = depth > 0;

    while (at && at < end) {
        char c = *at;
        if (c == '"') {
            at = scan_skip_string(at, end);
            continue;
        }
        at++;
        if (!counts[(unsigned char)c])
            continue;
        if (c == '{' || c == '[')
            depth++;
        else if (--depth == 0)
            return any || (c == '}') == object ? at : NULL;
    }
    return NULL;
}

/* A string's characters one by one, its escapes undone. */
struct string_reader {
    const char *at;
    const char *end; /* at the closing quote */
};

static struct string_reader string_reader(const char *token, size_t len)
{
    if (len < 2)
        return (struct string_reader){token, token};
    return (struct string_reader){token + 1, token + len - 1};
}

/* The next bytes, 1 to 4; 0 at the end. */
static size_t string_read(struct string_reader *r, char out[4])
{
    uint32_t code;
    if (r->at == r->end)
        return 0;
    size_t len = scan_escape(r->at, (size_t)(r->end - r->at), &code);
    if (len == 0) {
        out[0] = *r->at++;
        return 1;
    }
    r->at += len;
    return utf8_encode(code, out);
}

bool scan_equals(const char *token, size_t len, const char *text,
                 size_t text_len)
{
    struct string_reader reader = string_reader(token, len);
    const char *end = text + text_len;
    char bytes[4];
    size_t count;
    while ((count = string_read(&reader, bytes)) > 0) {
        if ((size_t)(end - text) < count || memcmp(text, bytes, count) != 0)
            return false;
        text += count;
    }
    return text == end;
}

size_t scan_unescape(const char *token, size_t len, char *out)
{
    struct string_reader reader = string_reader(token, len);
    char *start = out;
    while (reader.at < reader.end) {
        size_t left = (size_t)(reader.end - reader.at);
        const char *escape = memchr(reader.at, '\\', left);
        size_t plain = escape ? (size_t)(escape - reader.at) : left;
        memcpy(out, reader.at, plain);
        out += plain;
        reader.at += plain;
        char bytes[4];
        size_t count = string_read(&reader, bytes);
        memcpy(out, bytes, count);
        out += count;
    }
    return (size_t)(out - start);
}

static int next_of_kind(struct scan *s, enum scan_kind kind)
{
    struct scan_token token;
    int err = scan_next(s, &token);
    return err ? err : token.kind == kind ? 0 : -EBADMSG;
}

int scan_member(const char *object, size_t len, const char *name,
                size_t name_len, const char **ret_value, size_t *ret_len)
{
    struct scan s;
    struct scan_token token;
    const char *found = NULL;
    size_t found_len = 0;
    scan_init(&s, object, len);
    if (next_of_kind(&s, SCAN_OBJECT_OPEN) || scan_next(&s, &token))
        return -EBADMSG;

    while (token.kind != SCAN_OBJECT_CLOSE) {
        const char *value;
        size_t value_len;
        struct scan_token label = token;
        if (label.kind != SCAN_STRING || next_of_kind(&s, SCAN_COLON) ||
            scan_value(&s, &value, &value_len) || scan_next(&s, &token))
            return -EBADMSG;
        if (scan_equals(label.text, label.len, name, name_len)) {
            found = value;
            found_len = value_len;
        }
        if (token.kind == SCAN_COMMA) {
            /* "{"a":1,}" is malformed: a name must follow */
            if (scan_next(&s, &token) || token.kind != SCAN_STRING)
                return -EBADMSG;
        } else if (token.kind != SCAN_OBJECT_CLOSE) {
            return -EBADMSG;
        }
    }
    if (next_of_kind(&s, SCAN_END))
        return -EBADMSG;
    if (!found)
        return -ENOENT;
    *ret_value = found;
    *ret_len = found_len;
    return 0;
}
