/* SPDX-License-Identifier: MIT */
/*
 * Quirks: how this server is unlike the one in the documentation, or which of
 * the variants it is that nobody knows (API.md). Each is one number or one
 * word under a name; all begin as documented. quirk.c has the list, GET
 * /control/help prints it.
 *
 * Any thread: every value is an atomic of its own. A moment that a quirk
 * freezes is on clock_us.
 */
#ifndef STANDIN_QUIRK_H
#define STANDIN_QUIRK_H

#include <cjson/cJSON.h>
#include <stdint.h>

#include "buf.h"

enum quirk {
    /* The list */
    QUIRK_TOTAL_LAG_MS,
    QUIRK_TOTAL_FROZEN,
    QUIRK_TOTAL_DELTA,
    QUIRK_TOTAL_JUMP,
    QUIRK_TOTAL_FORM,
    QUIRK_TIES,
    QUIRK_PAGE_CAP,
    QUIRK_PAGE_CAP_SAYS,
    QUIRK_STALE_MS,
    QUIRK_STALE_FROZEN,
    QUIRK_STALE_EVERY,
    QUIRK_EMPTY_METADATA,
    /* Writing */
    QUIRK_DELETE_ANSWER,
    QUIRK_METADATA_ANSWER,
    QUIRK_CREATE_STATUS,
    QUIRK_READY_AFTER_MS,
    QUIRK_REFUSAL,
    QUIRK_OVERSIZE,
    QUIRK_NO_CREDIT,
    QUIRK_DIRECT_MAX,
    QUIRK_IMAGE_MAX,
    QUIRK_MULTIPART_MAX,
    QUIRK_MULTIPART,
    QUIRK_MULTIPART_LISTED,
    QUIRK_CHUNK_SIZE,
    QUIRK_FIRST_URLS,
    QUIRK_URL_TTL_S,
    QUIRK_URL_REUSE,
    QUIRK_URL_SPENT,
    QUIRK_UPLOAD_HEADERS,
    QUIRK_ETAG,
    QUIRK_SESSION_TTL_S,
    QUIRK_SESSION_LAG,
    QUIRKS
};

enum total_form {
    TOTAL_NUMBER,
    TOTAL_ABSENT,
    TOTAL_NULL,
    TOTAL_STRING,
    TOTAL_FLOAT,
    TOTAL_NO_PAGE_INFO
};
enum delete_answer { DELETE_204, DELETE_EMPTY, DELETE_OBJECT };
enum oversize { OVERSIZE_400, OVERSIZE_413 };
enum no_credit { CREDIT_ENOUGH, CREDIT_402, CREDIT_400 };
enum etag { ETAG_QUOTED, ETAG_BARE, ETAG_ABSENT, ETAG_WEAK };
enum ties { TIES_STABLE, TIES_RANDOM, TIES_BY_QUERY };

struct quirks;

struct quirks *quirks_new(void);
void quirks_free(struct quirks *q);
int64_t quirk_get(const struct quirks *q, enum quirk which);
/* The moment in which a quirk that freezes was switched on; 0 while off. */
int64_t quirk_frozen_at(const struct quirks *q, enum quirk which);
/* Serial numbers from 0 on of what is asked in order (answers of the list). */
uint64_t quirk_count(struct quirks *q);
/* All of an object's members, or none: 0, -EINVAL. */
int quirks_set(struct quirks *q, const cJSON *values);
/* "NAME=VALUE": 0, -EINVAL. */
int quirks_set_text(struct quirks *q, const char *text);
/* As documented again. */
void quirks_clear(struct quirks *q);
void quirks_json(const struct quirks *q, struct buf *out);
/* Plain text: name, values (the default first), what it does. */
void quirks_help(struct buf *out);

#endif
