/* SPDX-License-Identifier: MIT */
/*
 * What was asked: counters and a bounded log of requests (not of control).
 *
 * A request counts when its head has arrived. It stops counting as parallel
 * just before its answer is sent, so a client never sees its own next
 * request overlap the last. Any thread; a leaf lock inside.
 */
#ifndef STANDIN_STATS_H
#define STANDIN_STATS_H

#include <stdint.h>

#include "buf.h"

#define LOG_ENTRIES 100000

enum origin { ORIGIN_API, ORIGIN_MEDIA, ORIGIN_CONTROL };
enum kind {
    KIND_LIST,
    KIND_RETRIEVE,
    KIND_PICTURE,
    KIND_MANIFEST,
    KIND_SEGMENT,
    KIND_CREATE,         /* POST /assets */
    KIND_DELETE,         /* DELETE /assets/{id} */
    KIND_METADATA,       /* …/user-metadata */
    KIND_SESSION_CREATE, /* POST /assets/multipart-uploads */
    KIND_SESSION_LIST,   /* GET of them */
    KIND_SESSION_STATUS, /* GET of one */
    KIND_REPORT,         /* POST to one */
    KIND_URLS,           /* POST …/presigned-urls */
    KIND_CHUNK,          /* PUT of a presigned URL */
    KIND_OTHER,
    KIND_COUNT
};

struct stats;

struct stats *stats_new(void);
void stats_free(struct stats *s);
/* Returns the request's sequence number, from 1. Strings are copied. */
uint64_t stats_begin(struct stats *s, enum origin origin, enum kind kind,
                     const char *method, const char *target, const char *agent);
/* status 0: reset or hung up. `fault`: a literal or NULL. */
void stats_end(struct stats *s, uint64_t seq, int status, const char *fault);
void stats_key_leak(struct stats *s);
void stats_unauthorised(struct stats *s);
void stats_reset(struct stats *s);
/* "list", … */
const char *stats_kind_name(unsigned kind);
/* "list", "answered.list", …, "requests", "answered", "key_leaks",
 * "unauthorised", "status.503"; -1 for any other name. */
int64_t stats_counter(struct stats *s, const char *name);
void stats_json(struct stats *s, struct buf *out);
/* Entries with a sequence number above `since`, as a JSON array. */
void stats_log_json(struct stats *s, uint64_t since, struct buf *out);

#endif
