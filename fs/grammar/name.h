/* SPDX-License-Identifier: MIT */
/*
 * name.h - filename to folder name, and back as far as it goes.
 *
 * A safe name is 1 to NAME_SAFE_MAX bytes of valid UTF-8 with no '/', no NUL,
 * no control or bidi-override character; it is not ".", ".." or one of our
 * hidden names; it has no '=' after anything with the syntax of a key; and it
 * does not end in '@' and an id-like part. Whatever would break that is
 * written %XX per byte, and so is '%' before two hex digits, so that distinct
 * filenames have distinct safe names (cut ones aside). A lone surrogate
 * (WTF-8) and bytes that aren't UTF-8 are %XX too. An empty or absent
 * filename is "%" (a name no other filename can have: a lone filename "%"
 * becomes "%25"). A name that is too long is cut at a character boundary, its
 * extension (at most 16 bytes with the dot) kept.
 *
 * A suffixed name is a safe name, '@' and an id-like part: NAME_SUFFIX_MAX
 * bytes at most, so that the whole fits NAME_MAX, and so does an extension
 * (asset.h) after it: VIEW/.pictures shows folder names with one. An id that is
 * not id-like itself ([0-9A-Za-z_-], 16 to 24 of them) is stood for by 24 hex
 * digits of its hash. Pure functions.
 */
#ifndef TWELVEFS_NAME_H
#define TWELVEFS_NAME_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

#define NAME_SIZE       256 /* of a buffer for any folder name, with its NUL */
#define NAME_SUFFIX_MAX 25
#define NAME_SAFE_MAX   222 /* a suffix fits, and an extension after it */

/* filename NULL counts as empty. Writes the safe name; returns its length. */
size_t name_make(const char *filename, size_t len, char out[NAME_SIZE]);

/* safe + '@' + id-like part. */
size_t name_with_suffix(const char *safe, const char *id, char out[NAME_SIZE]);

/* Splits a folder name: true and the length before '@' when it has a suffix. */
bool name_has_suffix(const char *folder, size_t *ret_safe_len);

/* The bytes that a folder name stands for: suffix off, %XX undone. Appends to
 * out. 0, -ENOMEM or -E2BIG. */
int name_unescape(const char *folder, struct buf *out);

/* An id as one path component of .id/ and .media/ (opaque ids may hold '/'):
 * %XX as above, not cut. 0, or -ENAMETOOLONG (such an asset has no pictures).
 */
int name_of_id(const char *id, char out[NAME_SIZE]);
/* The reverse; -ENOENT for what name_of_id never gives. */
int name_to_id(const char *component, char out[NAME_SIZE]);

/* What desktops, shells and version control look for everywhere (.Trash*,
 * .hidden, .git, autorun.inf, …): answered without asking anyone. */
bool name_is_probe(const char *component);

/* The longest ASCII run of a text that a server's case-insensitive search
 * can't misread (letters, digits, space, '-', '_', '.'; the last one before a
 * character beyond ASCII may be one with it, in another normal form); false
 * when it has none of at least 1 byte. */
bool name_ascii_run(const char *text, size_t len, const char **ret_run,
                    size_t *ret_len);

#endif
