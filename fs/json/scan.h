/* SPDX-License-Identifier: MIT */
/*
 * scan.h - a bounded JSON scanner that walks exact bytes.
 *
 * It exists because metadata must be lossless: cJSON turns numbers into
 * doubles, refuses lone surrogates and cuts strings at \u0000. The scanner
 * copies nothing, allocates nothing, recurses nowhere and never reads past
 * `end`. It accepts RFC 8259 JSON with at most SCAN_MAX_DEPTH levels; bytes
 * in strings that aren't UTF-8 pass through.
 */
#ifndef TWELVEFS_SCAN_H
#define TWELVEFS_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCAN_MAX_DEPTH 512

enum scan_kind {
    SCAN_OBJECT_OPEN,
    SCAN_OBJECT_CLOSE,
    SCAN_ARRAY_OPEN,
    SCAN_ARRAY_CLOSE,
    SCAN_COLON,
    SCAN_COMMA,
    SCAN_STRING,
    SCAN_NUMBER,
    SCAN_TRUE,
    SCAN_FALSE,
    SCAN_NULL,
    SCAN_END
};

struct scan_token {
    enum scan_kind kind;
    const char *text; /* strings with their quotes */
    size_t len;
    bool escaped; /* a string with a backslash in it */
};

/* A part of a text, not its own; text NULL: absent. */
struct span {
    const char *text;
    size_t len;
};

struct scan {
    const char *at;
    const char *end;
};

void scan_init(struct scan *s, const char *text, size_t len);

/* Next token (lexical only). 0, or -EBADMSG for bytes that start none; then
 * the scanner stays where it was. So it is with scan_value. */
int scan_next(struct scan *s, struct scan_token *ret_token);

/* The grammar of one value, fed token by token: what scan_value and
 * metadata.c share. Zero-filled is a value that hasn't begun. */
struct scan_grammar {
    unsigned char is_object[SCAN_MAX_DEPTH / 8]; /* a bit per open level */
    size_t depth;
    enum {
        SCAN_EXPECT_VALUE,
        SCAN_EXPECT_VALUE_OR_CLOSE,
        SCAN_EXPECT_NAME,
        SCAN_EXPECT_NAME_OR_CLOSE,
        SCAN_EXPECT_COLON,
        SCAN_EXPECT_COMMA_OR_CLOSE,
        SCAN_EXPECT_NOTHING
    } expect; /* SCAN_EXPECT_NOTHING: the value is complete */
};

/* 0; -EBADMSG when such a token can't stand here; -E2BIG past the depth. */
int scan_accept(struct scan_grammar *g, enum scan_kind kind);

/* Passes one whole value, checking its grammar. 0 with its bounds; -EBADMSG
 * for a malformed value (incl. the end of input); -E2BIG past the depth. */
int scan_value(struct scan *s, const char **ret_text, size_t *ret_len);

/* Of text that may be malformed: the end of the string that starts at `at`, of
 * the container that does (its last bracket must fit its first, else the count
 * went astray), or of the one that is open there (depth 1). NULL: none. */
const char *scan_skip_string(const char *at, const char *end);
const char *scan_skip_brackets(const char *at, const char *end, size_t depth);

/* The value of a member of an object given by its exact text; of several with
 * one name the last. 0; -ENOENT; -EBADMSG when the text is no object or is
 * malformed. Names compare after unescaping. */
int scan_member(const char *object, size_t len, const char *name,
                size_t name_len, const char **ret_value, size_t *ret_len);

/* Whether a string token stands for exactly this text. */
bool scan_equals(const char *token, size_t len, const char *text,
                 size_t text_len);

/* The code point of the escape that text (a backslash first) starts with, a
 * surrogate pair taken as one. Returns the escape's length, 0 for none. */
size_t scan_escape(const char *text, size_t len, uint32_t *ret_code);

/* Decodes a string token (with its quotes) into out, which needs len bytes:
 * decoding never lengthens. A lone surrogate becomes its three bytes (WTF-8).
 * Returns the decoded length. */
size_t scan_unescape(const char *token, size_t len, char *out);

#endif
