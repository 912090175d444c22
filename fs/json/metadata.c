/* SPDX-License-Identifier: MIT */
/*
 * metadata.c - one walk over the tokens makes both forms, or measures them:
 * lengths and bytes can't disagree.
 */
#include "json/metadata.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/utf8.h"
#include "json/scan.h"

#define INDENT_BYTES 2

enum form { FORM_RENDERED, FORM_LINE };

/* Where the one walker below puts its bytes: measuring and making can't
 * disagree, since they are the same walk. */
struct sink {
    struct buf *out; /* NULL: only the lengths are wanted */
    char *at;        /* out's end, ahead of out->len until the walk's end */
    char *room_end;
    enum form form;              /* of what goes to out */
    struct metadata_sizes sizes; /* of both forms so far */
    int err; /* the first of out's; nothing is written after it */
};

static bool sink_make_room(struct sink *s, size_t len)
{
    if (s->err)
        return false;
    if (s->at)
        s->out->len = (size_t)(s->at - s->out->data);
    s->err = buf_reserve(s->out, len);
    if (s->err)
        return false;
    s->at = s->out->data + s->out->len;
    s->room_end = s->out->data + s->out->capacity - 1; /* before the NUL */
    return true;
}

static inline void write_out(struct sink *s, const char *bytes, size_t len)
{
    if (s->err ||
        ((size_t)(s->room_end - s->at) < len && !sink_make_room(s, len)))
        return;
    memcpy(s->at, bytes, len);
    s->at += len;
}

/* Bytes of both forms. */
static inline void sink_put(struct sink *s, const char *bytes, size_t len)
{
    s->sizes.rendered += len;
    s->sizes.line += len;
    if (s->out)
        write_out(s, bytes, len);
}

/* White space, which the line form doesn't have. */
static inline void sink_put_space(struct sink *s, const char *bytes, size_t len)
{
    s->sizes.rendered += len;
    if (s->out && s->form == FORM_RENDERED)
        write_out(s, bytes, len);
}

static void sink_put_newline(struct sink *s, size_t depth)
{
    static const char white[] = "\n                                ";
    size_t max = sizeof(white) - 2; /* spaces */
    size_t left = depth * INDENT_BYTES;
    size_t len = left < max ? left : max;
    sink_put_space(s, white, 1 + len);
    while ((left -= len) > 0) {
        len = left < max ? left : max;
        sink_put_space(s, white + 1, len);
    }
}

static bool is_noncharacter(uint32_t code)
{
    return (code & 0xfffe) == 0xfffe || (code >= 0xfdd0 && code <= 0xfdef);
}

/* What may stand in the file as itself: a person who reads it sees it, no
 * editor takes it for a line end or a byte order mark, and text around it
 * isn't reordered. */
static bool is_printable(uint32_t code)
{
    return !utf8_is_control(code) && code != '"' && code != '\\' &&
           !utf8_is_surrogate(code) && !utf8_is_bidi_override(code) &&
           code != 0x61c && code != 0x200e && code != 0x200f &&
           code != 0x2028 && code != 0x2029 && code != 0xfeff &&
           !is_noncharacter(code);
}

static void sink_put_string(struct sink *s, const char *text, size_t len)
{
    const char *end = text + len;
    const char *plain = text; /* start of what is not yet put */
    const char *at = text;
    while (at < end && (at = memchr(at, '\\', (size_t)(end - at)))) {
        uint32_t code = 0;
        size_t escape_len = scan_escape(at, (size_t)(end - at), &code);
        if (at[1] == 'u' && is_printable(code)) {
            char bytes[4];
            sink_put(s, plain, (size_t)(at - plain));
            sink_put(s, bytes, utf8_encode(code, bytes));
            plain = at + escape_len;
        }
        at += escape_len;
    }
    sink_put(s, plain, (size_t)(end - plain));
}

static void sink_put_token(struct sink *s, const struct scan_token *token,
                           const struct scan_grammar *after)
{
    bool after_open = s->sizes.after_open;

    s->sizes.after_open =
        token->kind == SCAN_OBJECT_OPEN || token->kind == SCAN_ARRAY_OPEN;
    switch (token->kind) {
    case SCAN_OBJECT_CLOSE:
    case SCAN_ARRAY_CLOSE:
        if (!after_open)
            sink_put_newline(s, after->depth);
        break;
    case SCAN_COLON:
        sink_put(s, ":", 1);
        sink_put_space(s, " ", 1);
        return;
    case SCAN_COMMA:
        sink_put(s, ",", 1);
        sink_put_newline(s, after->depth);
        return;
    case SCAN_OBJECT_OPEN:
    case SCAN_ARRAY_OPEN:
        if (after_open)
            sink_put_newline(s, after->depth - 1);
        break;
    default:
        if (after_open)
            sink_put_newline(s, after->depth);
        break;
    }
    if (token->escaped)
        sink_put_string(s, token->text, token->len);
    else
        sink_put(s, token->text, token->len);
}

static int metadata_walk(const char *json, size_t len, struct sink *s)
{
    struct scan scan;
    struct scan_grammar grammar = {0};
    struct scan_token token;
    scan_init(&scan, json, len);
    while (grammar.expect != SCAN_EXPECT_NOTHING) {
        if (scan_next(&scan, &token) || scan_accept(&grammar, token.kind))
            return -EBADMSG;
        sink_put_token(s, &token, &grammar);
    }
    if (scan_next(&scan, &token) || token.kind != SCAN_END)
        return -EBADMSG;
    sink_put(s, "\n", 1);
    return s->err;
}

static int metadata_make(const char *json, size_t len, enum form form,
                         struct buf *out)
{
    struct sink sink = {.out = out, .form = form};
    size_t before = out->len;
    int err = metadata_walk(json, len, &sink);
    if (!sink.at)
        return err; /* nothing was written */
    out->len = err ? before : (size_t)(sink.at - out->data);
    out->data[out->len] = '\0';
    return err;
}

int metadata_render(const char *json, size_t len, struct buf *out)
{
    return metadata_make(json, len, FORM_RENDERED, out);
}

int metadata_line(const char *json, size_t len, struct buf *out)
{
    return metadata_make(json, len, FORM_LINE, out);
}

int metadata_measure(const char *json, size_t len, size_t *ret_rendered,
                     size_t *ret_line)
{
    struct sink sink = {0};
    int err = metadata_walk(json, len, &sink);
    if (err)
        return err;
    *ret_rendered = sink.sizes.rendered;
    *ret_line = sink.sizes.line;
    return 0;
}

void metadata_measure_token(struct metadata_sizes *m,
                            const struct scan_token *token,
                            const struct scan_grammar *after)
{
    struct sink sink = {.sizes = *m};

    sink_put_token(&sink, token, after);
    *m = sink.sizes;
}

void metadata_measure_end(struct metadata_sizes *m)
{
    m->rendered++; /* the newline */
    m->line++;
}
