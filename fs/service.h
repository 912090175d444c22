/* SPDX-License-Identifier: MIT */
/*
 * service.h - the whole program, wired: catalogue, http, api, sync, media,
 * mount. Started bottom up, taken down in reverse.
 *
 * Shutdown order, which sync's and media's callbacks into the mount dictate:
 * the mount's threads end first; media, change and sync answer whoever waits;
 * then api and http; the mount's tables after them, since those last answers
 * used them; the catalogue last.
 */
#ifndef TWELVEFS_SERVICE_H
#define TWELVEFS_SERVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "options.h"

struct service;

/* Opens the cache and makes all parts; nothing is asked or mounted yet. On
 * failure error has a line. Opens threads: call it after the fork. */
enum exit_status service_new(const struct options *o, const char *key,
                             struct service **ret_service, struct buf *error);

/* Returns once the mount is usable: the key was accepted and the first page is
 * in, or a complete catalogue was kept. Otherwise, service_stop's call among
 * it, nothing is mounted, and error has a line. */
enum exit_status service_start(struct service *s, const struct options *o,
                               struct buf *error);

/* Until it is unmounted or stopped; EXIT_INTERNAL with a line in error when it
 * ends for another reason. */
enum exit_status service_wait(struct service *s, const struct options *o,
                              struct buf *error);

/* Any thread, any time from service_new on: ends service_start, or unmounts. */
void service_stop(struct service *s);

/* Any thread: requests use this key from now on. 0 or -ENOMEM. */
int service_set_key(struct service *s, const char *key);

/* Waits until the first walk is through. EXIT_STOPPED after service_stop;
 * otherwise what keeps it from being so. */
enum exit_status service_wait_complete(struct service *s,
                                       const struct options *o,
                                       struct buf *error);

/* A line that whoever mounts should see beside the log, or NULL: the cache had
 * to go elsewhere. Borrowed. */
const char *service_notice(const struct service *s);

/* Calls fn, on a thread of the service's, once the first walk is through: at
 * once, later, or never. It must be quick. After service_start; once. */
void service_when_complete(struct service *s, void (*fn)(void *ctx), void *ctx);

/* How far the first walk is; false once it is through. */
struct service_progress {
    int64_t read;
    int64_t total; /* -1 unknown */
};
bool service_progress(struct service *s, struct service_progress *ret);

/* This program's version, its libraries', and what is used of them, in lines.
 * 0 or -errno. */
int service_version(struct buf *text);

/* NULL is fine. */
void service_free(struct service *s);

#endif
