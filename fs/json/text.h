/* SPDX-License-Identifier: MIT */
/*
 * text.h - JSON's strings to texts and back. No shared state: any thread.
 */
#ifndef TWELVEFS_JSON_TEXT_H
#define TWELVEFS_JSON_TEXT_H

#include <stddef.h>

#include "base/buf.h"

/* What a string token (with its quotes) stands for, as scan_unescape has it,
 * with a NUL after it; malloc'ed. NULL without memory. ret_len may be NULL. */
char *text_decode(const char *token, size_t len, size_t *ret_len);

/* Appends a text as a string: quotes, backslashes and control characters
 * escaped, all else as it is. 0, -ENOMEM, -E2BIG. */
int text_append_string(struct buf *out, const char *text, size_t len);

#endif
