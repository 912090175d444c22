/* SPDX-License-Identifier: MIT */
/*
 * JSON as text: find, decode and replace members without losing a byte of
 * the rest. Objects of the stand-in are exact texts (wrong types, duplicate
 * keys, numbers no double holds), which a tree would tidy up.
 *
 * The scanner is lenient: it finds the bounds of strings and nested values
 * and checks nothing else. All functions are pure.
 */
#ifndef STANDIN_JSON_H
#define STANDIN_JSON_H

#include "buf.h"

/* A piece of somebody else's text: borrowed, not NUL-terminated. */
struct slice {
    const char *p;
    size_t n;
};

/*
 * The next member of an object. *pos starts as 0. False at the end or when
 * the text is no object. The key keeps its quotes.
 */
bool json_next(struct slice object, size_t *pos, struct slice *ret_key,
               struct slice *ret_value);
/* The last member of this name, as JSON parsers commonly take it. */
bool json_find(struct slice object, const char *name, struct slice *ret_value);
/* Decodes a string's text (with quotes) to bytes; false if it is none. */
bool json_decode(struct slice string, struct buf *out);
/* The decoded string member `name`; false if absent or no string. */
bool json_find_string(struct slice object, const char *name, struct buf *out);
/*
 * RFC 7396 merge patch: `target` with `patch` applied; members that the patch
 * does not name keep their bytes and their order.
 */
void json_merge(struct slice target, struct slice patch, struct buf *out);

#endif
