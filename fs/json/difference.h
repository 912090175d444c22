/* SPDX-License-Identifier: MIT */
/*
 * difference.h - the fields in which two versions of an object differ.
 *
 * A field is a value that isn't an object, or an empty object, under the dotted
 * names that lead to it ("user_metadata.category"); an array is one value. Past
 * DIFFERENCE_MAX_LEVELS an object is a value, too. Of fields with one name the
 * last counts. White space is no difference, nor is a URL's query under hls and
 * thumbnail (a renewed signature). Pure functions.
 */
#ifndef TWELVEFS_JSON_DIFFERENCE_H
#define TWELVEFS_JSON_DIFFERENCE_H

#include <stddef.h>

#include "base/buf.h"

/* Of one object: fields past the last aren't seen; of names and values bytes,
 * those of values as sent. A longer name is cut. */
#define DIFFERENCE_MAX_LEVELS 8
#define DIFFERENCE_MAX_NAME   200
#define DIFFERENCE_MAX_FIELDS 8192
#define DIFFERENCE_MAX_VALUE  1000

/* Appends a JSON array, one object for each such field:
 *   {"field":"status","old":"processing","new":"ready"}
 * without "old" where it is new and without "new" where it is gone; in the
 * place of a value of more than DIFFERENCE_MAX_VALUE bytes its length,
 * "old_bytes" or "new_bytes". The array has at most max_bytes: what would pass
 * them is only counted in *ret_untold. *ret_told: how many it holds. 0,
 * -EBADMSG where one isn't an object, -ENOMEM, -E2BIG past out's own max; then
 * out is as before. */
int difference_append(const char *before, size_t before_len, const char *after,
                      size_t after_len, size_t max_bytes, struct buf *out,
                      size_t *ret_told, size_t *ret_untold);

/* Appends one value as a line would have it: no white space between tokens,
 * printable escapes as UTF-8, and always valid JSON in valid UTF-8, which no
 * terminal obeys. */
int difference_append_value(const char *json, size_t len, struct buf *out);
/* Appends a text as a string. */
int difference_append_string(const char *text, size_t len, struct buf *out);

#endif
