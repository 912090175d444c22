/* SPDX-License-Identifier: MIT */
/*
 * The body of POST /assets as it streams in: fields are kept, the file's
 * bytes are counted and digested. Fields may come in any order; what is
 * unknown or too long is noted for the route to refuse. One request's own.
 */
#ifndef STANDIN_FORM_H
#define STANDIN_FORM_H

#include <microhttpd.h>

#include "buf.h"
#include "digest.h"
#include "kind.h"

#define FORM_FIELD_MAX ((size_t)1 << 20)

enum form_field {
    FORM_METHOD,
    FORM_FILE,
    FORM_URL,
    FORM_FILENAME,
    FORM_HLS,
    FORM_THUMBNAIL,
    FORM_METADATA,
    FORM_FIELDS
};

struct form {
    struct MHD_PostProcessor *parser; /* NULL: not multipart/form-data */
    struct buf field[FORM_FIELDS];    /* all but FORM_FILE */
    bool given[FORM_FIELDS];
    struct buf order;         /* names in the order of their coming */
    struct buf unknown;       /* the first name that isn't known */
    struct buf part_filename; /* of the file's part */
    struct buf part_type;
    char last[40]; /* the part that came last */
    char head[KIND_HEAD];
    size_t head_size;
    int64_t bytes;
    struct digest *digest;
    bool failed; /* memory */
};

struct form *form_new(struct MHD_Connection *connection);
void form_free(struct form *f); /* NULL is fine */
void form_feed(struct form *f, const char *bytes, size_t n);

#endif
