/* SPDX-License-Identifier: MIT */
/* What session.c (sessions and reports) and session_put.c (chunks that
 * arrive) share; nobody else includes it. */
#ifndef STANDIN_SESSION_PRIVATE_H
#define STANDIN_SESSION_PRIVATE_H

#include <pthread.h>
#include <stdio.h>
#include <sys/queue.h>

#include "session.h"

#define SESSION_SECRET 0x73657373696f6e73ULL
#define BLOCK          ((size_t)64 << 10)

struct chunk {
    int64_t bytes;
    struct digest_text digest;
    bool put;
    uint32_t puts;   /* good ones */
    uint32_t report; /* the number of the report that told of it; 0: none */
    int64_t updated_s;
};

struct session {
    struct session_info info;
    struct chunk *chunk;
    char *filename, *mime;
    FILE *file; /* temporary, no name; NULL once it is completed */
    uint32_t reports;
    struct digest_text digest; /* of the whole, once it is completed */
    SLIST_ENTRY(session) link;
};

/* A presigned URL; its serial number is its place. */
struct url {
    struct session *session;
    uint32_t index;
    int64_t expires_ms; /* wall clock */
    bool used;
};

struct sessions {
    pthread_mutex_t lock;          /* covers everything here and below */
    SLIST_HEAD(, session) session; /* newest first */
    size_t n;
    struct url *url;
    size_t nurls, url_cap;
};

/* Lock held. Notices that it has expired. */
struct session *session_find(struct sessions *s, const char *upload_id);

/* Every chunk has chunk_size but the last. */
static inline int64_t chunk_length(const struct session *x, uint32_t index)
{
    int64_t from = (int64_t)(index - 1) * x->info.chunk_size;
    int64_t rest = x->info.total_size - from;
    return rest < x->info.chunk_size ? rest : x->info.chunk_size;
}

#endif
