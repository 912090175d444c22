/* SPDX-License-Identifier: MIT */
/*
 * ascii.h - what the bytes of ASCII are, whatever the locale: that of <ctype.h>
 * must not change what a name or a number is. Pure functions, inline: they run
 * per character.
 */
#ifndef TWELVEFS_ASCII_H
#define TWELVEFS_ASCII_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool ascii_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline char ascii_lower(char c)
{
    if (c < 'A' || c > 'Z')
        return c;
    return (char)(c | 0x20);
}

static inline bool ascii_is_letter(char c)
{
    return ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z';
}

static inline bool ascii_is_alnum(char c)
{
    return ascii_is_digit(c) || ascii_is_letter(c);
}

/* What a hexadecimal digit stands for, -1 for none. */
static inline int ascii_hex_value(char c)
{
    char lower = ascii_lower(c);
    if (ascii_is_digit(c))
        return c - '0';
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* The number that text is in decimal digits alone, at most max; false for what
 * isn't one, or is more. */
static inline bool ascii_parse_count(const char *text, size_t len, int64_t max,
                                     int64_t *ret_count)
{
    int64_t count = 0;
    for (size_t i = 0; i < len; i++) {
        int digit = text[i] - '0';
        if (!ascii_is_digit(text[i]) || count > (max - digit) / 10)
            return false;
        count = count * 10 + digit;
    }
    if (len > 0)
        *ret_count = count;
    return len > 0;
}

/* The byte of the "%XX" that text starts with, -1 when it doesn't. */
static inline int ascii_percent_value(const char *text, size_t len)
{
    if (len < 3 || text[0] != '%')
        return -1;
    int high = ascii_hex_value(text[1]);
    int low = ascii_hex_value(text[2]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

#endif
