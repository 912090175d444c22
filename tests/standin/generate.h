/* SPDX-License-Identifier: MIT */
/*
 * Assets out of nothing: everything about asset number n follows from the
 * account's seed, so that a million of them need no memory and can be told
 * again. Pure functions, any thread.
 */
#ifndef STANDIN_GENERATE_H
#define STANDIN_GENERATE_H

#include <stdint.h>

#include "buf.h"

#define ID_LENGTH  24
#define ASSETS_MAX (1u << 24) /* an id's counter has three bytes */

enum asset_type {
    TYPE_VIDEO,
    TYPE_IMAGE,
    TYPE_AUDIO,
    TYPE_DOCUMENT,
    TYPE_NONE
};
enum asset_status { STATUS_READY, STATUS_PROCESSING, STATUS_FAILED };
enum profile { PROFILE_PLAIN, PROFILE_DEMO, PROFILE_HOSTILE };

struct generator {
    uint64_t seed;
    enum profile profile;
    char media[64];         /* origin of pictures, "http://127.0.0.1:PORT" */
    bool no_empty_metadata; /* user_metadata is absent where it is {} */
};

/* What the generator is told of one asset. */
struct asset {
    uint32_t number;
    int64_t created_at; /* epoch seconds */
    enum asset_type type;
    enum asset_status status;
};

/* As MongoDB makes them: time, five bytes of noise, counter (scrambled, so
 * that nobody's code leans on their order within a second). */
void generate_id(const struct generator *g, uint32_t number, int64_t at,
                 char ret_id[ID_LENGTH + 1]);
/* The number an id names, or -1 if it is none of this account's form. */
int64_t generate_number(const struct generator *g, const char *id);
enum asset_type generate_type(const struct generator *g, uint32_t number);
/* The status asset `number` of `total` has at the start: nearly all ready. */
enum asset_status generate_status(const struct generator *g, uint32_t number,
                                  uint32_t total);
/* created_at of asset `number` of `total`; never decreasing. */
int64_t generate_time(const struct generator *g, uint32_t number,
                      uint32_t total);
void generate_filename(const struct generator *g, const struct asset *a,
                       struct buf *out);
/* The whole object as the API would send it. */
void generate_json(const struct generator *g, const struct asset *a,
                   struct buf *out);
/* Just the members that an asset gains when it becomes ready, as an object. */
void generate_ready_members(const struct generator *g, const struct asset *a,
                            struct buf *out);
/* RFC 3339 in UTC, e.g. 2026-03-14T09:26:53Z. */
void generate_stamp(int64_t at, char ret_stamp[32]);
/* The type that asset_types=… sorts a MIME type under. */
enum asset_type generate_type_of_mime(const char *mime);

/* The demo account's names; NULL past the last. */
const char *demo_name(uint32_t number);
uint32_t demo_count(void);

#endif
