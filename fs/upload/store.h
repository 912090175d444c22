/* SPDX-License-Identifier: MIT */
/*
 * store.h - what is known of each file that is to go up, on the disk before
 * the first byte of it leaves. The second door to SQLite.
 *
 * uploads.sqlite stands in the account's cache directory beside the catalogue,
 * but is never thrown away: what is in doubt here can't be read anew from
 * anywhere. A file that is damaged is an error for people to see, not a new
 * beginning. Each call is one transaction, on the disk when it returns
 * (synchronous=FULL); a failed one leaves the file as it was.
 *
 * One process at a time (SQLite's exclusive lock), one thread at a time.
 */
#ifndef TWELVEFS_UPLOAD_STORE_H
#define TWELVEFS_UPLOAD_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "upload/source.h"

#define STORE_NAME       "uploads.sqlite"
#define STORE_TOKEN_SIZE 33 /* hex digits of 128 random bits */

struct store;

/* What a file's upload has come to. The numbers are stored. */
enum upload_state {
    UPLOAD_WAITING = 1, /* nothing of it is in the account, for certain */
    UPLOAD_SENDING = 2, /* POST /assets may have left, or been done */
    UPLOAD_SESSION = 3, /* a multipart session was, or may have been, begun */
    UPLOAD_SENT = 4,    /* the account has it, and is processing it */
    UPLOAD_DONE = 5,    /* the account has it, ready and of the right size */
    UPLOAD_FAILED = 6   /* refused: not again unless the file changes */
};

struct upload_record {
    int64_t number; /* 0: not stored */
    char *path;     /* below the watched folder */
    struct source_identity identity;
    enum upload_state state;
    char token[STORE_TOKEN_SIZE]; /* user_metadata.twelvefs_upload */
    char digest[DIGEST_HEX_SIZE]; /* SHA-256; "" not known */
    int64_t sent_s;               /* wall time of the last sending */
    int64_t done_s;               /* of the confirmation */
    char *upload_id;              /* of the session, or NULL */
    char *asset_id;               /* or NULL */
    int64_t chunk_bytes, chunk_count;
    char *headers; /* that its chunks are sent with, as JSON; or NULL */
    char *kept;  /* its name in .done/, chosen before it moves there; or NULL */
    char *error; /* of FAILED; or NULL */
};
void upload_record_done(struct upload_record *r);

/* -EBUSY: another process has it; -EBADMSG: it is damaged or another version's;
 * -errno. */
int store_open(const char *directory, struct store **ret_store);
/* NULL is fine. */
void store_close(struct store *s);

/* Each record of a watched folder. fn takes the record over. */
typedef int store_record_fn(void *ctx, struct upload_record *r);
int store_each(struct store *s, const char *root, store_record_fn *fn,
               void *ctx);

/* Writes the record, as a new one where its number is 0, which it then gets.
 * One that is no SESSION has no chunks. -ENOSPC, -EIO, -ENOMEM. */
int store_put(struct store *s, const char *root, struct upload_record *r);
int store_remove(struct store *s, int64_t number);

/* A chunk that its store has taken, with what the store said of it. */
int store_chunk(struct store *s, int64_t number, int64_t chunk,
                const char *etag);
typedef int store_chunk_fn(void *ctx, int64_t chunk, const char *etag);
int store_each_chunk(struct store *s, int64_t number, store_chunk_fn *fn,
                     void *ctx);

#endif
