/* SPDX-License-Identifier: MIT */
/*
 * What clients brought: for each asset that was uploaded the bytes' number
 * and digest, and when it is to become ready or failed; and which assets
 * others refer to, so that they aren't deleted without force.
 *
 * The bytes of a file sent whole are not kept. Any thread; leaf lock, held
 * while the account is told.
 */
#ifndef STANDIN_INTAKE_H
#define STANDIN_INTAKE_H

#include "account.h"
#include "digest.h"

#define INTAKE_NEVER (-1)

/* How an asset was brought. Strings are copied by intake_add. */
struct arrival {
    char asset_id[ID_LENGTH + 1];
    const char *method; /* direct, url, multipart */
    const char *filename;
    const char *part_filename; /* of the file's part; NULL for others */
    const char *part_type;     /* likewise its Content-Type */
    const char *order;         /* names of the form's parts, "a,b,c" */
    const char *upload_id;     /* NULL unless multipart */
    const char *mime;
    int64_t bytes; /* -1: not known (a URL) */
    struct digest_text digest;
    bool hls, thumbnail;
    const char *failure; /* why it is to fail; NULL: it gets ready */
};

struct intake;

struct intake *intake_new(struct account *a);
void intake_free(struct intake *i);
/* after_ms: when it gets ready, or INTAKE_NEVER until intake_settle. 0 or
 * -ENOMEM. */
int intake_add(struct intake *i, const struct arrival *arrival,
               int64_t after_ms);
/* Tells the account of those that are due; all: of everyone. */
void intake_settle(struct intake *i, bool all);
/* A JSON array of all arrivals, oldest first. */
void intake_json(struct intake *i, struct buf *out);
/* Whether others refer to an asset. 0 or -ENOMEM. */
int intake_refer(struct intake *i, const char *id, bool on);
bool intake_is_referred(struct intake *i, const char *id);

#endif
