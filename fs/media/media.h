/* SPDX-License-Identifier: MIT */
/*
 * media.h - picture bytes and playlists, fetched once and kept.
 *
 * A picture is fetched whole and kept in <directory>/media/, until the cache
 * is full and it is the least recently used. Two readers of one picture cost
 * one request. If a picture's URL has expired, or its host answers 403 or 410,
 * its asset is read again once through sync (SYNC_RENEW) before it fails,
 * together with the assets of all other pictures that wait.
 *
 * Bytes belong to (asset id, URL without query string), whatever becomes of
 * the asset meanwhile: a renewed signature keeps them, another URL means other
 * bytes. Their size and checksum are kept in the catalogue, even when the
 * bytes aren't kept. Only bytes that begin as a picture does are accepted as
 * one.
 *
 * Memory: PARALLEL fetches (fetch.c) are under way; what has arrived and isn't
 * yet kept is at most MEDIA_ARRIVED_MAX, or one picture that is larger.
 *
 * Threads: any; callbacks come on the http or the sync thread, on media's own
 * (which writes the files), or before media_fetch returns, and must not block.
 */
#ifndef TWELVEFS_MEDIA_H
#define TWELVEFS_MEDIA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "catalogue/catalogue.h"
#include "media/media_file.h"
#include "sync/sync.h"
#include "wire/api.h"

struct media;

#define MEDIA_PICTURE_MAX (64u << 20) /* bytes; a larger one is -EFBIG */
#define MEDIA_ARRIVED_MAX (32u << 20)

struct media_config {
    const char *directory; /* the cache directory of this account */
    int64_t cache_bytes;   /* of pictures kept; 1 GiB */
};

/* Creates the folder (0700), removes leftovers, and lists what is kept. */
int media_new(const struct media_config *config, struct catalogue *catalogue,
              struct sync *sync, struct api *api, struct media **ret_media);
/* Cancels, waits for its callbacks. NULL is fine. */
void media_free(struct media *m);

/* The kept picture of an asset with this URL; 0 with a reference, -ENOENT
 * when it isn't kept. No network, quick. */
int media_lookup(struct media *m, const char *id, const char *picture_url,
                 struct media_file **ret_file);

/* Whether these are bytes of this asset and URL. */
bool media_is_of(const struct media_file *f, const char *id,
                 const char *picture_url);

/* What a picture's bytes are: from which URL, how many, which. */
struct media_content {
    uint64_t label;     /* of the URL without its query */
    int64_t size_bytes; /* -1: not known yet, nor is the checksum */
    uint64_t checksum;
};
bool media_content_is_known(const struct media_content *c);
/* Whether two differ for certain: another URL, or other bytes. */
bool media_content_differs(const struct media_content *a,
                           const struct media_content *b);

/* What the asset's picture is, as far as is known without asking: from its
 * bytes where they are kept, else from the catalogue. Takes the reader, whose
 * texts then are gone; url and id are the caller's own. */
void media_describe(struct media *m, struct catalogue_reader *reader,
                    int64_t row, const char *id, const char *picture_url,
                    struct media_content *ret_content);
void media_describe_file(const struct media_file *f, const char *picture_url,
                         struct media_content *ret_content);

/* Fetches the picture of an asset that the catalogue holds (its URL is read
 * there), at most 8 at a time. Whoever joins a fetch, or waits for one that
 * couldn't begin yet, is answered by its own deadline, and not at another's.
 * err 0 with a reference for the callee, or -ENOENT (asset or link gone),
 * -EIO (no picture), -EFBIG, -ENOMEM and api.h's errors; at media_free
 * -ESHUTDOWN or -ECANCELED. Whose URL changed while it was under way is
 * answered with the old one's bytes: media_is_of tells. */
typedef void media_file_fn(void *ctx, int err, struct media_file *file);
int media_fetch(struct media *m, const char *id, int64_t deadline_ms,
                media_file_fn *fn, void *ctx, uint64_t *ret_ticket);

/* Whether an asset's URL should be renewed before it is handed out: within 30
 * seconds of a stated expiry or past it (Expires, X-Amz-Date + X-Amz-Expires,
 * exp … in its query), or signed without one and received over 30 minutes
 * ago. */
bool media_url_is_stale(const char *url, int64_t fetched_s, int64_t now_s);

/* The playlist with one entry that opens an asset's HLS manifest. Appends. */
int media_playlist(const char *title, const char *manifest_url,
                   struct buf *out);

/* True when fn wasn't called and won't be. */
bool media_cancel(struct media *m, uint64_t ticket);

#endif
