/* SPDX-License-Identifier: MIT */
/*
 * park.h - requests that wait for sync, media or change, without a thread.
 *
 * park_ask and park_fetch copy the request, arm FUSE's interrupt and hand the
 * question on. The answer, an interrupt or park_close moves it to the queue
 * of those to be taken up again; serving threads take them with park_take.
 * So nobody replies from a callback, or from an interrupt handler, under
 * whose lock libfuse forbids it; and each request is replied to once.
 *
 * Lock order: libfuse's request lock, then the park's, then sync's or media's
 * own. Callbacks come without a lock.
 */
#ifndef TWELVEFS_MOUNT_PARK_H
#define TWELVEFS_MOUNT_PARK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "change/change.h"
#include "media/media.h"
#include "sync/sync.h"

struct park;
struct request;

#define PARK_MAX 16384 /* requests that wait at once; more are -EAGAIN */

/* wake is called, any thread, when there is something to take. */
typedef void park_wake_fn(void *ctx);
int park_new(struct sync *sync, struct media *media, park_wake_fn *wake,
             void *ctx, struct park **ret_park);
/* After park_close, and everything was taken. NULL is fine. */
void park_free(struct park *p);

/* REQUEST_PARKED, and the request is no longer the caller's; or -EAGAIN,
 * -ENOMEM, -ESHUTDOWN, and it still is. */
int park_ask(struct request *r, const struct sync_question *question);
/* The picture of an asset: r->file when it is taken up again. */
int park_fetch(struct request *r, const char *id);
/* A change of the account; r->words says why it failed. */
int park_change(struct request *r, struct change *change,
                const struct change_question *question);
/* Until the kernel was told of every commit so far. */
int park_flush(struct request *r);

/* Whether park_take would find one. No lock. */
bool park_is_ready(const struct park *p);
/* The next request whose answer came, for request_resume; NULL for none. */
struct request *park_take(struct park *p);
/* Frees a request that was parked and is replied to. NULL is fine. */
void parked_free(struct request *r);

/* From now on nothing can wait, and whoever does is ready with -ESHUTDOWN.
 * Waits for answers that are under way. */
void park_close(struct park *p);

size_t park_count(struct park *p);

/* Whether somebody waits for something in this directory, not by an ioctl: the
 * kernel holds its lock as long. */
bool park_holds(struct park *p, uint64_t directory);

#endif
