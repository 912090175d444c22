/* SPDX-License-Identifier: MIT */
/*
 * tag.h - user_metadata as people write it, and as the API takes it.
 *
 * A value is a text: a JSON number, true or false is sent as such, to the
 * letter; what stands in double quotes is a string, whatever it looks like; all
 * else is a string too. The API ignores an empty string, so there is no such
 * value. A patch is an object of new values, null for keys to delete. Pure
 * functions.
 */
#ifndef TWELVEFS_TAG_H
#define TWELVEFS_TAG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* Appends one member to a patch, which it begins where out is empty; value
 * NULL: the key is to go. -EINVAL: an empty key or value, or one that isn't
 * UTF-8 or has a NUL in it; -ENOMEM, -E2BIG. After a failure out is as before.
 */
int tag_append(struct buf *out, const char *key, const char *value, size_t len);
/* Ends it. */
int tag_end(struct buf *out);

/* Whether a text is a patch that may be sent: an object of at least one member,
 * of scalars alone, no empty string and no empty key among them. */
bool tag_is_patch(const char *text, size_t len);

#endif
