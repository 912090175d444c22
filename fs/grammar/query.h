/* SPDX-License-Identifier: MIT */
/*
 * query.h - a path segment is a condition; a path is their conjunction.
 *
 *   segment  = key "=" value
 *   key      = letter *( letter / digit / "_" / "-" / "." / "%" 2HEXDIG )
 *   value    = depends on the key; "%" 2HEXDIG is that byte, other bytes
 *              stand for themselves
 *
 *   type     = name *( "," name )        video image audio document other
 *   id       = text *( "," text )        the asset's _id, exactly
 *   filename = text                      contains, folded over Unicode (case,
 *                                        normal forms); a comma is a comma; not
 *                                        empty
 *   created  = prefix                    of created_at as text; or a range of
 *                                        such texts (created=2026-01..2026-03
 *                                        holds all of March)
 *   duration = range / number            s (default), m, h suffixes
 *   size     = range / number            k M G T, powers of 1000
 *   field    = range / exact *( "," exact )
 *                                        field: a top-level name or a dotted
 *                                        path; exact: a string's text, a
 *                                        number by its value, true, false,
 *                                        null (null: also absent); of
 *                                        members with one name each counts,
 *                                        and so does each element of an array
 *   range    = [ number ] ".." [ number ]   one side at least; ends included
 *
 * The same struct query makes the canonical HTTP parameters and the SQL
 * condition. An answer to the former is only ever a superset: SQL decides.
 * No shared state: any thread.
 */
#ifndef TWELVEFS_QUERY_H
#define TWELVEFS_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/asset.h"
#include "base/buf.h"

#define QUERY_MAX_TERMS 16 /* deeper nesting is ENOENT */

enum query_kind {
    QUERY_TYPE,     /* types: a bit set of 1 << enum asset_type */
    QUERY_ID,       /* texts: any of these ids */
    QUERY_FILENAME, /* texts[0]: folded, contained in the folded filename */
    QUERY_CREATED,  /* texts[0] <= created_at text < texts[1]; "" is open */
    QUERY_RANGE,    /* low <= field <= high */
    QUERY_EXACT     /* field equals one of texts */
};

struct query_term {
    enum query_kind kind;
    unsigned types;
    char *field;  /* "duration", "user_metadata.category": unescaped, dotted */
    char **texts; /* unescaped; for QUERY_FILENAME [0] folded, [1] as given */
    size_t text_count;
    double low, high; /* -inf, inf where open */
};

struct query {
    struct query_term *terms;
    size_t count;
};

/* Whether a field name was seen in the catalogue (API.md's are known anyway).
 * A field is "top" or "top.rest…". */
typedef bool query_known_fn(void *ctx, const char *field);

void query_done(struct query *q);
int query_copy(const struct query *from, struct query *ret_query);

/* Whether a path component has a segment's outer form, key "=" …: such a name
 * is never an asset's folder. */
bool query_is_segment(const char *component);

/* Adds a segment's condition. 0; -ENOENT for an unknown key, a malformed value
 * or too many terms (q as before); -ENOMEM. known may be NULL (API.md only). */
int query_add(struct query *q, const char *segment, query_known_fn *known,
              void *ctx);

/* The condition "of this type", as the type directories have it. */
int query_add_type(struct query *q, enum asset_type type);
/* The condition "with this id". */
int query_add_id(struct query *q, const char *id);

/* One text for equal conjunctions in any order: the key of in-flight and
 * answered questions. */
int query_canonical(const struct query *q, struct buf *out);

/* What a server can be asked: appends the canonical filter parameters in the
 * fixed order asset_ids, asset_types, filename, percent-encoded, each with a
 * leading '&'. 0; -EOPNOTSUPP when nothing narrow (an id or a filename of at
 * least one safe ASCII byte) can be asked: that waits for the walk. */
int query_ask(const struct query *q, struct buf *out);

/* Folds a text for filename matching: case, and how accents are written, so
 * that all normal forms of it are one (NFC of Unicode's full case folding);
 * invalid bytes pass through. Appends. 0, -ENOMEM, -E2BIG. */
int query_fold(const char *text, size_t len, struct buf *out);

/* A saved link's target: a relative path of segments, "a=b/c=d" (one trailing
 * '/' allowed). 0; or -EINVAL, -ENAMETOOLONG, -ENOMEM, with a reason for the
 * log. */
int query_check_target(const char *target, query_known_fn *known, void *ctx,
                       const char **ret_reason);

#endif
