/*
 * media.h - picture bytes and playlists, fetched once and kept.
 *
 * A picture is fetched whole to a temporary file and renamed into
 * <directory>/media/, where it stays until the least recently used must give
 * way to the cache's limit; while an open struct media_file pins it, it can
 * be read whatever happens to its name. Two askers of one picture cost one
 * request. A picture whose URL is past its expiry, or that answers 403 or 410,
 * has its asset re-read once through sync (SYNC_RENEW) before it fails.
 *
 * A cached picture belongs to (asset id, URL without query string): renewed
 * signatures keep it.
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

struct media_config {
    const char *directory; /* the cache directory of this account */
    int64_t cache_bytes;   /* of pictures kept; 1 GiB */
};

/* Creates the folder (0700), removes leftovers, takes stock of what is kept. */
int media_new(const struct media_config *config, struct catalogue *catalogue,
              struct sync *sync, struct api *api, struct media **ret_media);
/* Cancels, waits for its callbacks. NULL is fine. */
void media_free(struct media *m);

/* The kept picture of an asset with this URL; 0 with a reference, -ENOENT
 * when it isn't kept, another errno when it can't be opened. No network,
 * quick. */
int media_lookup(struct media *m, const char *id, const char *picture_url,
                 struct media_file **ret_file);

/* Fetches the picture of an asset that the catalogue holds (its URL is read
 * there), at most 8 at a time. Whoever joins a fetch, or waits for one that
 * couldn't begin yet, is answered by its own deadline, and not at another's.
 * err 0 with a reference for the callee, or -ENOENT (asset or link gone),
 * -EFBIG, -ENOSPC and api.h's errors; at media_free -ESHUTDOWN or
 * -ECANCELED. */
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

/* True when fn has not been and will not be called. */
bool media_cancel(struct media *m, uint64_t ticket);

#endif
