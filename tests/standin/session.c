/* SPDX-License-Identifier: MIT */
#include "session.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "hash.h"
#include "session_private.h"

struct sessions *sessions_new(void)
{
    struct sessions *s = calloc(1, sizeof(*s));
    if (s)
        pthread_mutex_init(&s->lock, NULL);
    return s;
}

static void session_free(struct session *x)
{
    if (x->file)
        (void)fclose(x->file);
    free(x->chunk);
    free(x->filename);
    free(x->mime);
    free(x);
}

void sessions_free(struct sessions *s)
{
    if (!s)
        return;
    while (!SLIST_EMPTY(&s->session)) {
        struct session *x = SLIST_FIRST(&s->session);
        SLIST_REMOVE_HEAD(&s->session, link);
        session_free(x);
    }
    free(s->url);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

struct session *session_find(struct sessions *s, const char *upload_id)
{
    struct session *x;
    SLIST_FOREACH(x, &s->session, link)
    {
        if (strcmp(x->info.upload_id, upload_id) != 0)
            continue;
        if (x->info.status == SESSION_ACTIVE &&
            clock_wall_ms() / 1000 >= x->info.expires_s)
            x->info.status = SESSION_EXPIRED;
        return x;
    }
    return NULL;
}

static struct session *session_new(const struct session_plan *plan)
{
    struct session *x = calloc(1, sizeof(*x));
    if (!x)
        return NULL;
    int64_t chunks =
        (plan->total_size + plan->chunk_size - 1) / plan->chunk_size;
    int64_t now = clock_wall_ms() / 1000;
    x->info = (struct session_info){
        .total_size = plan->total_size,
        .chunk_size = plan->chunk_size,
        .total_chunks = (uint32_t)chunks,
        .created_s = now,
        .updated_s = now,
        .expires_s = now + plan->ttl_s,
        .hls = plan->hls,
        .thumbnail = plan->thumbnail,
    };
    memcpy(x->info.asset_id, plan->asset_id, sizeof(x->info.asset_id));
    x->filename = strdup(plan->filename);
    x->mime = strdup(plan->mime);
    x->chunk = calloc((size_t)chunks, sizeof(*x->chunk));
    x->file = tmpfile();
    if (x->filename && x->mime && x->chunk && x->file)
        return x;
    session_free(x);
    return NULL;
}

int session_create(struct sessions *s, const struct session_plan *plan,
                   struct session_info *ret_info)
{
    struct session *x = session_new(plan);
    if (!x)
        return -ENOMEM;
    pthread_mutex_lock(&s->lock);
    SLIST_INSERT_HEAD(&s->session, x, link);
    s->n++;
    (void)snprintf(x->info.upload_id, sizeof(x->info.upload_id),
                   "%08" PRIx32 "%016" PRIx64, (uint32_t)s->n,
                   hash_pair(s->n, SESSION_SECRET));
    *ret_info = x->info;
    pthread_mutex_unlock(&s->lock);
    return 0;
}

int session_get(struct sessions *s, const char *upload_id,
                struct session_info *ret_info)
{
    pthread_mutex_lock(&s->lock);
    struct session *x = session_find(s, upload_id);
    if (x)
        *ret_info = x->info;
    pthread_mutex_unlock(&s->lock);
    return x ? 0 : -ENOENT;
}

static int add_url(struct sessions *s, struct session *x, uint32_t index,
                   const char *origin, int64_t ttl_s, struct buf *out)
{
    char stamp[32];
    int64_t expires_ms = clock_wall_ms() + ttl_s * 1000;
    if (s->nurls == s->url_cap) {
        size_t cap = s->url_cap ? s->url_cap * 2 : 256;
        struct url *more = realloc(s->url, cap * sizeof(*more));
        if (!more)
            return -ENOMEM;
        s->url = more;
        s->url_cap = cap;
    }
    uint64_t serial = s->nurls;
    s->url[s->nurls++] = (struct url){x, index, expires_ms, false};
    generate_stamp(expires_ms / 1000, stamp);
    buf_printf(out,
               "{\"chunk_index\":%u,\"url\":\"%s/upload/%s/%u?"
               "X-Amz-Expires=%" PRId64 "&X-Serial=%" PRIu64
               "&X-Amz-Signature=%016" PRIx64 "\",\"expires_at\":\"%s\"}",
               index, origin, x->info.upload_id, index, ttl_s, serial,
               hash_pair(serial, SESSION_SECRET), stamp);
    return 0;
}

int session_urls(struct sessions *s, const char *upload_id, const char *origin,
                 uint32_t start, uint32_t count, int64_t ttl_s, struct buf *out)
{
    int err = 0;
    pthread_mutex_lock(&s->lock);
    struct session *x = session_find(s, upload_id);
    if (!x)
        err = -ENOENT;
    for (uint32_t i = 0; !err && i < count; i++) {
        if (start + i > x->info.total_chunks)
            break;
        if (i)
            buf_char(out, ',');
        err = add_url(s, x, start + i, origin, ttl_s, out);
    }
    pthread_mutex_unlock(&s->lock);
    return err;
}

static void add_chunk(const struct chunk *c, uint32_t index, bool completed,
                      struct buf *out)
{
    char stamp[32];
    buf_printf(out, "{\"index\":%u,\"status\":\"%s\"", index,
               completed ? "completed" : "pending");
    if (completed) {
        generate_stamp(c->updated_s, stamp);
        buf_printf(out, ",\"uploaded_at\":\"%s\",\"updated_at\":\"%s\"", stamp,
                   stamp);
    }
    buf_char(out, '}');
}

int session_chunks(struct sessions *s, const char *upload_id, uint32_t skip,
                   uint32_t limit, bool lagging, struct buf *out,
                   struct session_info *ret_info)
{
    pthread_mutex_lock(&s->lock);
    struct session *x = session_find(s, upload_id);
    for (uint32_t i = skip; x && i < x->info.total_chunks && i - skip < limit;
         i++) {
        const struct chunk *c = &x->chunk[i];
        if (i > skip)
            buf_char(out, ',');
        add_chunk(c, i + 1, c->report && (!lagging || c->report < x->reports),
                  out);
    }
    if (x) {
        *ret_info = x->info;
        for (uint32_t i = 0; lagging && i < x->info.total_chunks; i++)
            ret_info->completed -=
                x->reports && x->chunk[i].report == x->reports;
        if (lagging && x->info.status == SESSION_COMPLETED)
            ret_info->status = SESSION_ACTIVE;
    }
    pthread_mutex_unlock(&s->lock);
    return x ? 0 : -ENOENT;
}

static bool is_incomplete(struct sessions *s, const struct session *x)
{
    return session_find(s, x->info.upload_id)->info.status == SESSION_ACTIVE;
}

void session_list(struct sessions *s, uint32_t skip, uint32_t limit,
                  struct buf *out, uint32_t *ret_total)
{
    uint32_t n = 0;
    char created[32], expires[32];
    pthread_mutex_lock(&s->lock);
    const struct session *each;
    SLIST_FOREACH(each, &s->session, link)
    {
        const struct session_info *x = &each->info;
        if (!is_incomplete(s, each) || n++ < skip || n > skip + limit)
            continue;
        generate_stamp(x->created_s, created);
        generate_stamp(x->expires_s, expires);
        buf_printf(out,
                   "%s{\"upload_id\":\"%s\",\"status\":\"active\","
                   "\"total_size\":%" PRId64 ",\"chunk_size\":%" PRId64
                   ",\"total_chunks\":%u,\"created_at\":\"%s\","
                   "\"expires_at\":\"%s\"}",
                   n > skip + 1 ? "," : "", x->upload_id, x->total_size,
                   x->chunk_size, x->total_chunks, created, expires);
    }
    pthread_mutex_unlock(&s->lock);
    *ret_total = n;
}

static bool is_proven(const struct session *x, const struct proof *p)
{
    if (!p->index || p->index > x->info.total_chunks)
        return false;
    const struct chunk *c = &x->chunk[p->index - 1];
    return c->put && c->bytes == p->size &&
           c->bytes == chunk_length(x, p->index) &&
           !strcmp(c->digest.md5, p->etag);
}

/* The whole's digest, from the temporary file. */
static int digest_whole(struct session *x, struct digest_text *ret_digest)
{
    struct digest *d = digest_new();
    char *block = malloc(BLOCK);
    int err = d && block ? 0 : -ENOMEM;
    for (int64_t at = 0; !err && at < x->info.total_size;) {
        ssize_t n = pread(fileno(x->file), block, BLOCK, at);
        if (n <= 0)
            err = -EIO;
        else
            digest_add(d, block, (size_t)n);
        at += n;
    }
    if (!err)
        digest_end(d, ret_digest);
    digest_free(d);
    free(block);
    return err;
}

static int complete(struct session *x, struct report *r)
{
    r->filename = strdup(x->filename);
    r->mime = strdup(x->mime);
    int err = r->filename && r->mime ? digest_whole(x, &r->digest) : -ENOMEM;
    if (err) {
        free(r->filename);
        free(r->mime);
        r->filename = r->mime = NULL;
        return err;
    }
    r->completes = true;
    x->info.status = SESSION_COMPLETED;
    x->digest = r->digest;
    (void)fclose(x->file);
    x->file = NULL;
    return 0;
}

static void take_proofs(struct session *x, const struct proof *proofs, size_t n,
                        struct report *r)
{
    x->info.updated_s = clock_wall_ms() / 1000;
    x->reports++;
    for (size_t i = 0; i < n; i++) {
        struct chunk *c = &x->chunk[proofs[i].index - 1];
        if (c->report) {
            r->duplicate++;
            continue;
        }
        c->report = x->reports;
        c->updated_s = x->info.updated_s;
        r->processed++;
        x->info.completed++;
    }
}

/* Idempotent, so one that is completed may be told again. */
static int report_locked(struct session *x, const struct proof *proofs,
                         size_t n, struct report *r)
{
    if (x->info.status != SESSION_ACTIVE && x->info.status != SESSION_COMPLETED)
        return -ESTALE;
    for (size_t i = 0; i < n; i++)
        if (!is_proven(x, &proofs[i]))
            return -EINVAL;
    take_proofs(x, proofs, n, r);
    bool all = x->info.completed == x->info.total_chunks;
    int err = all && x->info.status == SESSION_ACTIVE ? complete(x, r) : 0;
    r->total = x->info.completed;
    r->info = x->info;
    return err;
}

int session_report(struct sessions *s, const char *upload_id,
                   const struct proof *proofs, size_t n,
                   struct report *ret_report)
{
    struct report r = {0};
    pthread_mutex_lock(&s->lock);
    struct session *x = session_find(s, upload_id);
    int err = x ? report_locked(x, proofs, n, &r) : -ENOENT;
    pthread_mutex_unlock(&s->lock);
    if (!err)
        *ret_report = r;
    return err;
}

int sessions_expire(struct sessions *s, const char *upload_id)
{
    bool found = !upload_id;
    pthread_mutex_lock(&s->lock);
    struct session *each;
    SLIST_FOREACH(each, &s->session, link)
    {
        struct session_info *x = &each->info;
        if (upload_id && strcmp(x->upload_id, upload_id) != 0)
            continue;
        found = true;
        if (x->status == SESSION_ACTIVE)
            x->status = SESSION_EXPIRED;
    }
    pthread_mutex_unlock(&s->lock);
    return found ? 0 : -ENOENT;
}

void sessions_expire_urls(struct sessions *s)
{
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->nurls; i++)
        s->url[i].expires_ms = 0;
    pthread_mutex_unlock(&s->lock);
}

static const char *const statuses[] = {"active", "completed", "failed",
                                       "expired"};

static void add_session(const struct session *x, struct buf *out)
{
    buf_printf(out,
               "{\"upload_id\":\"%s\",\"asset_id\":\"%s\",\"status\":\"%s\","
               "\"completed\":%u,\"sha256\":\"%s\",\"chunks\":[",
               x->info.upload_id, x->info.asset_id, statuses[x->info.status],
               x->info.completed, x->digest.sha256);
    for (uint32_t i = 0; i < x->info.total_chunks; i++) {
        const struct chunk *c = &x->chunk[i];
        buf_printf(out,
                   "%s{\"puts\":%u,\"bytes\":%" PRId64
                   ",\"sha256\":\"%s\",\"reported\":%s}",
                   i ? "," : "", c->puts, c->bytes, c->digest.sha256,
                   c->report ? "true" : "false");
    }
    buf_str(out, "]}");
}

void sessions_json(struct sessions *s, struct buf *out)
{
    const char *comma = "";
    const struct session *x;
    buf_char(out, '[');
    pthread_mutex_lock(&s->lock);
    SLIST_FOREACH(x, &s->session, link)
    {
        buf_str(out, comma);
        comma = ",";
        (void)session_find(s, x->info.upload_id);
        add_session(x, out);
    }
    pthread_mutex_unlock(&s->lock);
    buf_char(out, ']');
}
