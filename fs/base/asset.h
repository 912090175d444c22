/* SPDX-License-Identifier: MIT */
/*
 * asset.h - one asset as a list answer gave it.
 *
 * Only what twelvefs itself needs is pulled out of the object; everything
 * else stays in `json`, the object's exact bytes. Any field may have been
 * absent or of another type: then the pointer is NULL, the number negative or
 * ASSET_NO_TIME.
 */
#ifndef TWELVEFS_ASSET_H
#define TWELVEFS_ASSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The order is that of the type directories and is stored in the catalogue. */
enum asset_type {
    ASSET_VIDEO,
    ASSET_IMAGE,
    ASSET_AUDIO,
    ASSET_DOCUMENT,
    ASSET_OTHER, /* file_type absent, malformed or of a kind not known yet */
    ASSET_TYPE_COUNT
};

#define ASSET_NO_TIME INT64_MIN

#define ASSET_MADE_ID "noid-" /* and 16 hex digits */

struct asset {
    char *id;       /* never NULL: what has no usable _id is given a made one,
                       "noid-<16 hex>" */
    char *filename; /* UTF-8, may hold NULs; a lone surrogate is its three bytes
                       (WTF-8) */
    size_t filename_len;
    char *created_at;  /* as sent; NULL when absent or no date's length */
    int64_t created_s; /* seconds since 1970, ASSET_NO_TIME when absent or
                          malformed */
    enum asset_type type;
    bool unfinished; /* status, hls.status or thumbnail.status may still change
                        by itself */
    int64_t size_bytes; /* -1 when absent */
    char *picture_url;  /* thumbnail.representative_url: http(s), clean; else
                           NULL */
    char *manifest_url; /* hls.manifest_url: likewise */
    char *json;         /* the object's exact bytes, NUL-terminated */
    size_t json_len;
    size_t rendered_bytes, line_bytes; /* of it as metadata.json, as a line;
                                          0: not measured */
    uint64_t shape; /* which fields it has, as a hash: objects of one shape
                       have the same; 0: not known */
};

/* Frees what the fields own and empties them. */
void asset_done(struct asset *a);

/* Whether an id was made here: the API knows none such. */
bool asset_id_is_made(const char *id);

/* "video", "image", "audio", "document", "other". */
const char *asset_type_name(enum asset_type type);

/* A type by its directory's name; -ENOENT. */
int asset_type_parse(const char *name, enum asset_type *ret_type);

/* From a MIME type (any case, parameters ignored; NULL is ASSET_OTHER). PDF,
 * text and the word processors' types are documents. */
enum asset_type asset_type_of_mime(const char *mime);

/* Whether a URL may become a link: http or https, with a host, no
 * credentials, no control characters, spaces or non-ASCII, and at most 8,000
 * bytes. */
bool asset_url_is_clean(const char *url, size_t len);

/* Whether two URLs differ at most in their query strings (renewed
 * signatures). NULLs compare as texts. */
bool asset_url_same_but_query(const char *a, const char *b);

/* The picture's file name extension, from its URL's path, lowered: jpg, jpeg,
 * png and the like, from a fixed list of picture formats; else "jpg". out
 * needs ASSET_EXT_SIZE bytes. */
#define ASSET_EXT_SIZE 8
void asset_picture_extension(const char *url, char *out);

#endif
