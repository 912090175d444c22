/* SPDX-License-Identifier: MIT */
/* Between the routes that write: what a new asset's text is, and errors that
 * several of them give. */
#ifndef STANDIN_WRITE_H
#define STANDIN_WRITE_H

#include "http.h"

struct new_asset {
    const char *filename;
    const char *method;
    const char *mime;
    bool hls, thumbnail;
    struct slice metadata; /* an object's text; empty: none */
};

/* Makes the asset, in processing: 0 or -ENOMEM. */
int write_asset(struct server *s, const struct new_asset *asset,
                char ret_id[ID_LENGTH + 1]);
/* The members of an asset that POST /assets answers. */
void write_subset(struct server *s, const char *id, struct buf *out);
/* A metadata object without "" members, values of known types; nulls allowed
 * where it is a patch. False: *ret_key is the member that is refused. */
bool write_metadata(struct slice object, bool nulls, struct buf *out,
                    struct buf *ret_key);
/* Each answers and returns false when it refuses. */
bool write_check_credit(struct server *s, struct answer *a);
bool write_check_filename(const char *filename, struct answer *a);
bool write_check_size(struct server *s, const char *mime, int64_t bytes,
                      int64_t most, struct answer *a);
/* "true", "false" or absent (NULL). */
bool write_parse_flag(const char *text, bool *ret_flag);

void write_missing(struct answer *a, const char *name);
void write_invalid(struct answer *a, const char *name, const char *why);

/* The routes (route_write.c, route_upload.c). */
void route_create(struct request *r, struct answer *a);
void route_delete(struct request *r, struct answer *a);
void route_metadata(struct request *r, struct answer *a);
void route_session_create(struct request *r, struct answer *a);
void route_session_list(struct request *r, struct answer *a);
void route_session_status(struct request *r, struct answer *a);
void route_report(struct request *r, struct answer *a);
void route_urls(struct request *r, struct answer *a);
void route_chunk(struct request *r, struct answer *a);

#endif
