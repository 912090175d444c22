/* SPDX-License-Identifier: MIT */
/*
 * Multipart upload sessions: chunks, presigned URLs, what was reported.
 *
 * A URL names its session and chunk and carries a serial number and a seal;
 * it is good for one use until it expires. A chunk's bytes go to a temporary
 * file as they come, so that the whole can be digested at the end; its ETag
 * is their MD5. A chunk is put when its bytes are here, and completed when it
 * was reported. Any thread; one lock for all, not held while bytes arrive.
 */
#ifndef STANDIN_SESSION_H
#define STANDIN_SESSION_H

#include "digest.h"
#include "generate.h"
#include "quirk.h"

#define SESSION_BATCH_MAX 50 /* chunks in a report, URLs in an answer */

enum session_status {
    SESSION_ACTIVE,
    SESSION_COMPLETED,
    SESSION_FAILED,
    SESSION_EXPIRED
};

struct sessions;

struct session_plan {
    char asset_id[ID_LENGTH + 1];
    const char *filename; /* copied, as the next */
    const char *mime;
    int64_t total_size;
    int64_t chunk_size;
    int64_t ttl_s;
    bool hls, thumbnail;
};

struct session_info {
    char upload_id[ID_LENGTH + 1];
    char asset_id[ID_LENGTH + 1];
    enum session_status status;
    int64_t total_size, chunk_size;
    uint32_t total_chunks, completed;
    int64_t created_s, updated_s, expires_s;
    bool hls, thumbnail;
};

struct sessions *sessions_new(void);
void sessions_free(struct sessions *s);
/* 0, -ENOMEM (also without room for a temporary file). */
int session_create(struct sessions *s, const struct session_plan *plan,
                   struct session_info *ret_info);
/* 0, -ENOENT. */
int session_get(struct sessions *s, const char *upload_id,
                struct session_info *ret_info);
/* Adds {"chunk_index","url","expires_at"}, … for the chunks of the range that
 * exist. 0, -ENOENT, -ENOMEM. */
int session_urls(struct sessions *s, const char *upload_id, const char *origin,
                 uint32_t start, uint32_t count, int64_t ttl_s,
                 struct buf *out);
/* As session_urls, in objects of {"index","status",…}; lagging: as it was
 * before the last report. */
int session_chunks(struct sessions *s, const char *upload_id, uint32_t skip,
                   uint32_t limit, bool lagging, struct buf *out,
                   struct session_info *ret_info);
/* Incomplete ones, newest first; *ret_total of them. */
void session_list(struct sessions *s, uint32_t skip, uint32_t limit,
                  struct buf *out, uint32_t *ret_total);

struct proof {
    uint32_t index; /* from 1 */
    const char *etag;
    int64_t size;
};

struct report {
    uint32_t processed, duplicate, total;
    bool completes; /* this report was the one that completed it */
    struct session_info info;
    char *filename; /* caller frees all three, once it completes */
    char *mime;
    struct digest_text digest; /* of the whole */
};

/* All or none: 0, -ENOENT, -EINVAL (an index, size or proof that isn't),
 * -ESTALE (not active), -EIO. */
int session_report(struct sessions *s, const char *upload_id,
                   const struct proof *proofs, size_t n,
                   struct report *ret_report);

/* A PUT of one chunk, as it streams in. */
struct put;

enum put_verdict { PUT_GOOD, PUT_FORGED, PUT_EXPIRED, PUT_USED, PUT_GONE };

/* Looks the URL up, of a path and query; NULL if memory is short. spent: the
 * attempt uses it up, not only the success. */
struct put *put_new(struct sessions *s, const char *path, const char *query,
                    bool reusable, bool spent);
void put_feed(struct put *p, const char *bytes, size_t n);
enum put_verdict put_verdict(const struct put *p);
/* All bytes are here. False when they are more than a chunk has or couldn't
 * be written, or (put_verdict) another PUT was quicker; else its ETag. */
bool put_end(struct put *p, char ret_etag[33]);
void put_free(struct put *p); /* NULL is fine */

/* Expires a session (NULL: each), or all URLs given so far. 0, -ENOENT. */
int sessions_expire(struct sessions *s, const char *upload_id);
void sessions_expire_urls(struct sessions *s);
/* All, for control, newest first. */
void sessions_json(struct sessions *s, struct buf *out);

#endif
