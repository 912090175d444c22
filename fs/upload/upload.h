/* SPDX-License-Identifier: MIT */
/*
 * upload.h - a watched folder: what is put into it goes up to the account.
 *
 * Promises. A file's bytes stay in the folder until the account has them:
 * ready, and of the same size. What was begun is on the disk before the first
 * byte leaves (store.h); so whatever ends the process, the next one goes on,
 * and a POST whose outcome is unknown is not sent again before the account was
 * looked through for what it made, twice. A file that changes while it goes up
 * starts over; the account never gets a mixture of two versions.
 *
 * How it is known what a POST made: each upload has a token of 128 random bits,
 * which goes with it as user_metadata.twelvefs_upload. The name and the time,
 * all else that a list tells of an asset that is being processed, may be
 * another client's too, or another file's of the same name.
 *
 * Threads: one of its own does everything (scanning, checksums, the store), and
 * its http has one that reads files as they are sent. No one else waits for
 * either: they have connections, limits and pauses of their own. Any thread may
 * ask for the status. Lock order: upload's lock is a leaf.
 */
#ifndef TWELVEFS_UPLOAD_H
#define TWELVEFS_UPLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "catalogue/catalogue.h"
#include "sync/sync.h"

struct upload;

/* What becomes of a file that is up. */
enum upload_done {
    UPLOAD_DONE_LINK,  /* kept in .done/ for a day; in its place, for an hour, a
                          symlink to the asset's folder */
    UPLOAD_DONE_KEEP,  /* kept in .done/ for good */
    UPLOAD_DONE_REMOVE /* removed */
};

/* Copied. */
struct upload_config {
    const char *folder;     /* absolute */
    const char *directory;  /* of the store: the account's cache */
    const char *mountpoint; /* absolute */
    const char *base_url, *key;
    int64_t timeout_ms; /* of a request that isn't a file; four times so long
                           may one that is not move */
    int64_t settle_ms;  /* how long a file must be unchanged */
    int64_t recheck_ms; /* between the two looks for what may be done */
    int64_t chunks_from_bytes; /* video and audio from here on in chunks */
    enum upload_done done;
    bool duplicates; /* the same bytes may go up twice within a day */
};

/* Opens folder and store; the thread starts with upload_start. What can't be
 * is said in error, without a line end: -EBUSY (another process watches the
 * folder, or has the store), -EINVAL (base URL), or another errno. Borrows
 * catalogue and sync until upload_free. */
int upload_new(const struct upload_config *config, struct catalogue *catalogue,
               struct sync *sync, struct upload **ret_upload,
               struct buf *error);
int upload_start(struct upload *u);
/* Gives up what is under way (the next one goes on with it) and waits for no
 * network. Before sync and catalogue are freed. NULL is fine. */
void upload_free(struct upload *u);
/* As api_set_key; what waits because the key was refused is tried again. */
int upload_set_key(struct upload *u, const char *key);

#define UPLOAD_SHOWN 5
struct upload_shown {
    char name[100]; /* of the path: the end; printable UTF-8 */
    int64_t bytes, size_bytes;
    char words[160]; /* why, of what failed */
};
struct upload_status {
    int64_t waiting, sending, processing, failed; /* files */
    int64_t done;           /* … that are up, of the last day */
    int64_t paused_until_s; /* wall time; 0: it goes on */
    char paused_words[160];
    uint64_t requests, requests_failed; /* since the start */
    size_t sending_count, failed_count; /* of those shown */
    struct upload_shown sending_shown[UPLOAD_SHOWN];
    struct upload_shown failed_shown[UPLOAD_SHOWN];
};
/* Any thread. */
void upload_status(struct upload *u, struct upload_status *ret_status);

/* The watched folder; borrowed until upload_free. */
const char *upload_folder(const struct upload *u);

/* Whole lines of JSON, as many as fit, one a file of which anything is known,
 * after `skip` of them. Any thread. 0, -ENOMEM. */
int upload_list(struct upload *u, size_t skip, struct buf *out);

#endif
