/* SPDX-License-Identifier: MIT */
/*
 * renewal.h - whether an object has changed, or only its URLs' signatures.
 * No shared state: any thread.
 */
#ifndef TWELVEFS_RENEWAL_H
#define TWELVEFS_RENEWAL_H

#include <stdbool.h>
#include <stddef.h>

/* Whether two objects differ in nothing but the query strings of URLs within
 * their hls and thumbnail members. */
bool renewal_is(const char *a, size_t a_len, const char *b, size_t b_len);

/* Whether two values differ in nothing but white space between tokens, and, of
 * what is signed, the query strings of URLs. */
bool renewal_is_value(const char *a, size_t a_len, const char *b, size_t b_len,
                      bool is_signed);

#endif
