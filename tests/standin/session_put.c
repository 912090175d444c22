/* SPDX-License-Identifier: MIT */
/* Chunks as they arrive at presigned URLs. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "hash.h"
#include "session_private.h"

struct put {
    struct sessions *sessions;
    struct session *session; /* sessions live as long as the server */
    uint64_t serial;
    uint32_t index;
    enum put_verdict verdict;
    bool reusable, spent;
    int64_t bytes;
    bool failed;
    int fd; /* a duplicate: the session may end meanwhile */
    struct digest *digest;
};

/* Fills in session, index and serial; false if the URL is none of ours. */
static bool parse_url(struct put *p, const char *path, const char *query)
{
    struct sessions *s = p->sessions;
    char upload_id[ID_LENGTH + 1];
    uint64_t seal;
    int end = 0;
    if (sscanf(path, "/upload/%24[0-9a-f]/%" SCNu32 "%n", upload_id, &p->index,
               &end) != 2 ||
        path[end])
        return false;
    const char *serial = strstr(query, "X-Serial=");
    if (!serial ||
        sscanf(serial, "X-Serial=%" SCNu64 "&X-Amz-Signature=%16" SCNx64,
               &p->serial, &seal) != 2 ||
        p->serial >= s->nurls || seal != hash_pair(p->serial, SESSION_SECRET))
        return false;
    const struct url *url = &s->url[p->serial];
    p->session = url->session;
    return url->index == p->index &&
           !strcmp(url->session->info.upload_id, upload_id);
}

static enum put_verdict judge(struct put *p, const char *path,
                              const char *query)
{
    if (!parse_url(p, path, query))
        return PUT_FORGED;
    const struct url *url = &p->sessions->url[p->serial];
    struct session *x = session_find(p->sessions, p->session->info.upload_id);
    if (x->info.status != SESSION_ACTIVE)
        return PUT_GONE;
    if (clock_wall_ms() >= url->expires_ms)
        return PUT_EXPIRED;
    return url->used && !p->reusable ? PUT_USED : PUT_GOOD;
}

struct put *put_new(struct sessions *s, const char *path, const char *query,
                    bool reusable, bool spent)
{
    struct put *p = calloc(1, sizeof(*p));
    if (!p)
        return NULL;
    p->sessions = s;
    p->reusable = reusable;
    p->spent = spent;
    p->fd = -1;
    p->digest = digest_new();
    pthread_mutex_lock(&s->lock);
    p->verdict = judge(p, path, query);
    if (p->verdict == PUT_GOOD) {
        p->fd = dup(fileno(p->session->file));
        s->url[p->serial].used |= spent;
    }
    pthread_mutex_unlock(&s->lock);
    p->failed = !p->digest || (p->verdict == PUT_GOOD && p->fd < 0);
    return p;
}

void put_free(struct put *p)
{
    if (!p)
        return;
    if (p->fd >= 0)
        close(p->fd);
    digest_free(p->digest);
    free(p);
}

enum put_verdict put_verdict(const struct put *p)
{
    return p->verdict;
}

void put_feed(struct put *p, const char *bytes, size_t n)
{
    if (p->verdict != PUT_GOOD || p->failed)
        return;
    int64_t room = chunk_length(p->session, p->index) - p->bytes;
    if ((int64_t)n > room) {
        p->failed = true; /* more than a chunk has: the next one's place */
        return;
    }
    digest_add(p->digest, bytes, n);
    int64_t at =
        (int64_t)(p->index - 1) * p->session->info.chunk_size + p->bytes;
    for (size_t done = 0; done < n && !p->failed;) {
        ssize_t wrote =
            pwrite(p->fd, bytes + done, n - done, at + (int64_t)done);
        p->failed = wrote <= 0;
        done += wrote > 0 ? (size_t)wrote : 0;
    }
    p->bytes += (int64_t)n;
}

bool put_end(struct put *p, char ret_etag[33])
{
    struct chunk *c = &p->session->chunk[p->index - 1];
    struct digest_text digest;
    if (p->failed)
        return false;
    digest_end(p->digest, &digest);
    memcpy(ret_etag, digest.md5, sizeof(digest.md5));
    pthread_mutex_lock(&p->sessions->lock);
    struct url *url = &p->sessions->url[p->serial];
    if (url->used && !p->reusable && !p->spent)
        p->verdict = PUT_USED; /* another was quicker */
    url->used = true;
    if (p->verdict == PUT_GOOD) {
        c->puts++;
        if (!c->report) { /* what was reported stays */
            c->bytes = p->bytes;
            c->digest = digest;
            c->put = true;
        }
    }
    pthread_mutex_unlock(&p->sessions->lock);
    return p->verdict == PUT_GOOD;
}
