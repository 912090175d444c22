/* SPDX-License-Identifier: MIT */
#include "upload/chunks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "upload/upload_internal.h"

void parts_free(struct parts *p)
{
    if (!p)
        return;
    for (int64_t n = 0; n < p->count; n++) {
        free(p->part[n].url);
        free(p->part[n].etag);
    }
    session_lines_free(p->lines);
    free(p);
}

int64_t parts_chunk_bytes(const struct item *i, int64_t n)
{
    const struct parts *p = i->parts;
    return n < p->count - 1 ? p->bytes
                            : i->r.identity.size_bytes - n * p->bytes;
}

int parts_new(struct item *i)
{
    size_t count = (size_t)i->r.chunk_count;
    struct parts *p = calloc(1, sizeof(*p) + count * sizeof(p->part[0]));
    if (!p)
        return -ENOMEM;
    p->bytes = i->r.chunk_bytes;
    p->count = i->r.chunk_count;
    p->unsent = p->unreported = count;
    int err = session_lines(i->r.headers, &p->lines);
    if (err)
        parts_free(p);
    else
        i->parts = p;
    return err;
}

int64_t parts_sent_bytes(const struct item *i)
{
    const struct transfer *t;
    int64_t bytes = i->parts ? i->parts->sent_bytes : 0;
    TAILQ_FOREACH(t, &i->transfers, of_item)
    if (t->kind == TRANSFER_CHUNK)
        bytes += atomic_load(&t->sent);
    return bytes;
}

struct part *parts_find(struct parts *p, int64_t chunk)
{
    return chunk >= 1 && chunk <= p->count ? &p->part[chunk - 1] : NULL;
}

int parts_set_etag(struct item *i, int64_t chunk, const char *etag)
{
    struct part *part = parts_find(i->parts, chunk);
    if (!part || part->etag)
        return 0;
    part->etag = strdup(etag);
    if (!part->etag)
        return -ENOMEM;
    free(steal_ptr(part->url));
    i->parts->unsent--;
    i->parts->sent_bytes += parts_chunk_bytes(i, chunk - 1);
    return 0;
}
