/* SPDX-License-Identifier: MIT */
/*
 * utf8.h - one code point to bytes and back.
 *
 * For text that is neither trusted to be UTF-8 nor to be replaced when it
 * isn't. Pure functions, inline: they run per character of every name.
 */
#ifndef TWELVEFS_UTF8_H
#define TWELVEFS_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool utf8_is_surrogate(uint32_t code)
{
    return code >= 0xd800 && code <= 0xdfff;
}

/* C0, DEL and C1 */
static inline bool utf8_is_control(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code <= 0x9f);
}

/* Embeddings, overrides and isolates: they make text read as other text. */
static inline bool utf8_is_bidi_override(uint32_t code)
{
    return (code >= 0x202a && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069);
}

/* Writes 1 to 4 bytes; surrogates become their three bytes (WTF-8). */
static inline size_t utf8_encode(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xe0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

/* The length of the character that text starts with, 1 to 4; 0 when the bytes
 * are no UTF-8 (nothing overlong, none above U+10FFFF). Surrogates in three
 * bytes are decoded: callers that mind ask utf8_is_surrogate. */
static inline size_t utf8_decode(const char *text, size_t len,
                                 uint32_t *ret_code)
{
    static const uint32_t min[] = {0, 0, 0x80, 0x800, 0x10000};
    if (len == 0)
        return 0;
    unsigned char first = (unsigned char)text[0];
    if (first < 0x80) {
        *ret_code = first;
        return 1;
    }
    if (first < 0xc2 || first > 0xf4)
        return 0;
    size_t count = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (len < count)
        return 0;
    uint32_t code = first & (0x7fU >> count);
    for (size_t i = 1; i < count; i++) {
        if (((unsigned char)text[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | ((unsigned char)text[i] & 0x3f);
    }
    if (code < min[count] || code > 0x10ffff)
        return 0;
    *ret_code = code;
    return count;
}

#endif
