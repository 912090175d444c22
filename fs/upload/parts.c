/* SPDX-License-Identifier: MIT */
/*
 * parts.c - a file in chunks, by a multipart session.
 *
 * A few chunks are under way at once; a URL is for one attempt, whatever came
 * of it. What a store answered is on the disk before it is reported, and the
 * last report, by which the asset has its bytes, leaves only when the file is
 * what it was. After a restart the session's own status says what it has; what
 * it doesn't say is reported, or sent, again, which does no harm. Where it has
 * ended there is a new one.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "json/text.h"
#include "upload/chunks.h"
#include "upload/upload_internal.h"

#define SESSIONS_PATH  "/assets/multipart-uploads"
#define PARTS_PARALLEL 4
#define PARTS_BATCH    50 /* of a report, and of URLs */
#define PARTS_EAGER    20 /* that are worth a report */
#define PART_TRIES     5
#define REPORT_TRIES   3
#define SESSIONS_MOST  5
#define PART_AGAIN_MS  60000
#define DIRECT_MOST    INT64_C(200000000)
#define BODY_MAX       65536

/* ---- what is known of a chunk ---- */

static int take_stored_chunk(void *ctx, int64_t chunk, const char *etag)
{
    return parts_set_etag(ctx, chunk, etag);
}

static void take_reported(void *ctx, int64_t chunk)
{
    struct item *i = ctx;
    struct part *part = parts_find(i->parts, chunk);
    if (!part || part->reported)
        return;
    if (parts_set_etag(i, chunk, ""))
        return;
    part->reported = true;
    i->parts->unreported--;
}

static void parts_take_url(void *ctx, int64_t chunk, const char *url)
{
    struct item *i = ctx;
    struct part *part = parts_find(i->parts, chunk);
    if (part && !part->etag && !part->in_flight && !part->url)
        part->url = strdup(url);
}

/* ---- beginning ---- */

static int make_session_body(const struct item *i, struct buf *out)
{
    const struct filename_kind *kind = filename_kind(item_name(i));
    bool video = kind->type == ASSET_VIDEO;
    cleanup(buf_done) struct buf name = {.max = BODY_MAX};
    int err = filename_append(&name, item_name(i));
    if (!err)
        err = buf_append_str(out, "{\"filename\":");
    if (!err)
        err = text_append_string(out, buf_str(&name), name.len);
    if (!err)
        err = buf_appendf(out, ",\"type\":\"%s\",\"total_size\":%" PRId64 "%s",
                          asset_type_name(kind->type), i->r.identity.size_bytes,
                          video ? ",\"enable_hls\":true,"
                                  "\"enable_thumbnail\":true"
                                : "");
    if (!err)
        err = buf_append_str(out, ",\"user_metadata\":");
    if (!err)
        err = item_append_metadata(i, out);
    return err ? err : buf_append_char(out, '}');
}

static int ask_session(struct upload *u, struct item *i)
{
    cleanup(buf_done) struct buf json = {.max = BODY_MAX};
    int err = make_session_body(i, &json);
    if (err)
        return err;
    const struct api_writing writing = {
        .method = "POST",
        .path = SESSIONS_PATH,
        .json = buf_str(&json),
        .category = API_SESSIONS,
        .once = true,
    };
    return transfer_write(u, i, TRANSFER_SESSION, 0, &writing, NULL);
}

static void forget_session(struct item *i)
{
    free(steal_ptr(i->r.upload_id));
    free(steal_ptr(i->r.asset_id));
    free(steal_ptr(i->r.headers));
    i->r.token[0] = '\0';
    i->r.chunk_bytes = i->r.chunk_count = 0;
}

/* A session has no bytes: one whose answer is lost is left to expire, and the
 * next has a token of its own. */
void parts_begin(struct upload *u, struct item *i)
{
    item_phase(u, i, ITEM_ASKING);
    forget_session(i);
    i->r.sent_s = clock_wall_s();
    if (item_new_token(i) || item_commit(u, i, UPLOAD_SESSION) ||
        ask_session(u, i)) {
        item_rest(u, i);
        i->not_before_ms = clock_mono_ms() + UPLOAD_AGAIN_MS;
    }
}

/* Begins anew, unless it did so often. */
static void parts_renew(struct upload *u, struct item *i, const char *words)
{
    item_rest(u, i);
    if (++i->tries > SESSIONS_MOST) {
        item_fail(u, i, words);
        return;
    }
    forget_session(i);
    (void)item_commit(u, i, UPLOAD_WAITING);
}

static int keep_plan(struct upload *u, struct item *i, struct session_plan *p)
{
    i->r.upload_id = steal_ptr(p->upload_id);
    i->r.asset_id = steal_ptr(p->asset_id);
    i->r.headers = steal_ptr(p->headers);
    i->r.chunk_bytes = p->chunk_bytes;
    i->r.chunk_count = p->chunk_count;
    int err = item_commit(u, i, UPLOAD_SESSION);
    return err ? err : parts_new(i);
}

static void session_begun(struct upload *u, struct item *i,
                          const struct transfer *t)
{
    cleanup(session_plan_done) struct session_plan plan = {0};
    if (session_read_plan(&t->body, i->r.identity.size_bytes, &plan)) {
        parts_renew(u, i, "the API's multipart session makes no sense");
        return;
    }
    if (keep_plan(u, i, &plan)) {
        item_rest(u, i);
        i->not_before_ms = clock_mono_ms() + UPLOAD_AGAIN_MS;
        return;
    }
    session_each_url(&t->body, parts_take_url, i);
    item_phase(u, i, ITEM_PARTS);
    upload_wake_by(u, 0);
}

static void session_refused(struct upload *u, struct item *i,
                            const struct transfer *t)
{
    const char *words = t->words[0] ? t->words : strerror(-t->err);
    item_rest(u, i);
    if (t->err == -EACCES && t->status == 403) {
        i->direct_only = true; /* not for this account, perhaps */
        if (i->r.identity.size_bytes > DIRECT_MOST)
            item_fail(u, i, words);
        else
            (void)item_commit(u, i, UPLOAD_WAITING);
        return;
    }
    if (transfer_trouble(u, i, t) || t->maybe_done)
        (void)item_commit(u, i, UPLOAD_WAITING);
    else
        item_fail(u, i, words);
}

/* ---- going on after a restart ---- */

static int append_session_path(const struct item *i, const char *more,
                               struct buf *out)
{
    int err = buf_append_str(out, SESSIONS_PATH "/");
    if (!err)
        err = buf_append_url(out, i->r.upload_id, strlen(i->r.upload_id));
    return err ? err : buf_append_str(out, more);
}

static int ask_status(struct upload *u, struct item *i, int64_t page)
{
    char query[64];
    cleanup(buf_done) struct buf path = {.max = 2048};
    (void)snprintf(query, sizeof(query), "?page=%" PRId64 "&page_limit=50",
                   page);
    int err = append_session_path(i, query, &path);
    if (err)
        return err;
    const struct api_writing writing = {
        .method = "GET", .path = buf_str(&path), .category = API_SESSIONS};
    return transfer_write(u, i, TRANSFER_RESUME, page, &writing, NULL);
}

void parts_resume(struct upload *u, struct item *i)
{
    item_phase(u, i, ITEM_ASKING);
    int err = parts_new(i);
    if (!err)
        err = store_each_chunk(u->store, i->r.number, take_stored_chunk, i);
    if (!err)
        err = ask_status(u, i, 1);
    if (err) {
        item_rest(u, i);
        i->not_before_ms = clock_mono_ms() + UPLOAD_AGAIN_MS;
    }
}

static void resume_told(struct upload *u, struct item *i,
                        const struct transfer *t)
{
    enum session_status status;
    size_t told = 0;
    if (session_read_status(&t->body, &status, &told, take_reported, i)) {
        item_rest(u, i);
        i->not_before_ms = clock_mono_ms() + PART_AGAIN_MS;
        return;
    }
    if (status == SESSION_COMPLETED) {
        item_sent(u, i, i->r.asset_id);
        return;
    }
    if (!i->present) {
        item_drop(u, i); /* nothing is there to complete it with */
        return;
    }
    if (status == SESSION_ENDED) {
        parts_renew(u, i, "multipart sessions end before they are complete");
        return;
    }
    if (told && t->chunk * PARTS_BATCH < i->parts->count &&
        !ask_status(u, i, t->chunk + 1))
        return;
    item_phase(u, i, ITEM_PARTS);
    upload_wake_by(u, 0);
}

static void resume_failed(struct upload *u, struct item *i,
                          const struct transfer *t)
{
    bool ended = t->err == -ENOENT || t->err == -EINVAL;
    if (ended && !i->present) {
        item_drop(u, i);
        return;
    }
    if (ended) {
        parts_renew(u, i, t->words);
        return;
    }
    item_rest(u, i);
    i->not_before_ms = clock_mono_ms() + UPLOAD_AGAIN_MS;
    (void)transfer_trouble(u, i, t);
}

/* What the session has is asked anew: reports or URLs are refused. */
static void parts_question(struct upload *u, struct item *i,
                           const struct transfer *t)
{
    int failures = i->parts->report_failures + 1;
    if (failures > REPORT_TRIES) {
        parts_renew(u, i, t->words);
        return;
    }
    transfer_abandon(u, i);
    parts_free(steal_ptr(i->parts));
    item_phase(u, i, ITEM_ASKING);
    if (parts_new(i) ||
        store_each_chunk(u->store, i->r.number, take_stored_chunk, i) ||
        ask_status(u, i, 1)) {
        item_rest(u, i);
        i->not_before_ms = clock_mono_ms() + UPLOAD_AGAIN_MS;
        return;
    }
    i->parts->report_failures = failures;
}

/* ---- chunks ---- */

/* The file is another. The session isn't forgotten, for its last report may
 * have come through: the scan sees to it. */
static void parts_changed(struct upload *u, struct item *i)
{
    item_rest(u, i);
    i->not_before_ms = clock_mono_ms() + u->config.settle_ms;
    upload_rescan(u);
}

static int put_chunk(struct upload *u, struct item *i, int64_t n)
{
    struct part *part = &i->parts->part[n];
    struct http_body body = {
        .fd = i->source->fd,
        .file_offset = n * i->parts->bytes,
        .file_bytes = parts_chunk_bytes(i, n),
    };
    const struct api_writing writing = {
        .method = "PUT",
        .path = part->url,
        .headers = (const char *const *)i->parts->lines,
        .category = API_STORES,
        .once = true, /* so is the URL */
    };
    int err = transfer_write(u, i, TRANSFER_CHUNK, n + 1, &writing, &body);
    if (err)
        return err;
    free(steal_ptr(part->url));
    part->in_flight = true;
    i->parts->in_flight++;
    return 0;
}

/* "W/\"abc\"" and "\"abc\"" are abc. */
static void strip_etag(char *etag)
{
    char *from = strncmp(etag, "W/", 2) == 0 ? etag + 2 : etag;
    size_t len = strlen(from);
    if (len >= 2 && from[0] == '"' && from[len - 1] == '"') {
        from++;
        len -= 2;
    }
    memmove(etag, from, len);
    etag[len] = '\0';
}

/* What an object store's would be, where it doesn't say. */
static int make_etag(const struct item *i, int64_t n, char out[DIGEST_HEX_SIZE])
{
    struct digest *d = digest_new(DIGEST_MD5);
    int64_t offset = n * i->parts->bytes;
    int64_t done =
        d ? source_digest(i->source, d, offset, parts_chunk_bytes(i, n))
          : -ENOMEM;
    int err = done < 0 ? (int)done : digest_end(d, out);
    digest_free(d);
    return err;
}

static void chunk_put(struct upload *u, struct item *i, struct transfer *t)
{
    char made[DIGEST_HEX_SIZE];
    const char *etag = t->etag;
    strip_etag(t->etag);
    if (!etag[0]) {
        if (make_etag(i, t->chunk - 1, made))
            return; /* it goes again */
        etag = made;
    }
    upload_went_well(u);
    /* What isn't on the disk is sent again by the next process: no harm. */
    (void)store_chunk(u->store, i->r.number, t->chunk, etag);
    (void)parts_set_etag(i, t->chunk, etag);
}

static void chunk_failed(struct upload *u, struct item *i,
                         const struct transfer *t)
{
    struct part *part = &i->parts->part[t->chunk - 1];
    char words[sizeof(i->words)];
    bool refused = t->err == -EACCES || t->err == -EINVAL ||
                   t->err == -ENOENT || t->err == -EFBIG;
    if (t->err == -ESTALE) {
        parts_changed(u, i);
        return;
    }
    if (!refused)
        (void)transfer_trouble(u, i, t);
    if (++part->tries < PART_TRIES)
        return;
    part->tries = 0;
    i->not_before_ms = clock_mono_ms() + PART_AGAIN_MS;
    (void)snprintf(words, sizeof(words), "a chunk is refused: %.100s",
                   t->words);
    item_say(u, i, words);
}

/* ---- URLs and reports ---- */

static int ask_urls(struct upload *u, struct item *i, int64_t n)
{
    char json[64];
    cleanup(buf_done) struct buf path = {.max = 2048};
    int64_t left = i->parts->count - n;
    (void)snprintf(json, sizeof(json),
                   "{\"start\":%" PRId64 ",\"count\":%" PRId64 "}", n + 1,
                   left < PARTS_BATCH ? left : PARTS_BATCH);
    int err = append_session_path(i, "/presigned-urls", &path);
    if (err)
        return err;
    const struct api_writing writing = {
        .method = "POST",
        .path = buf_str(&path),
        .json = json,
        .category = API_SESSIONS,
    };
    err = transfer_write(u, i, TRANSFER_URLS, n, &writing, NULL);
    i->parts->asks_urls = !err;
    return err;
}

static int append_proof(const struct item *i, int64_t n, bool first,
                        struct buf *out)
{
    const char *etag = i->parts->part[n].etag;
    int err = buf_appendf(out, "%s{\"chunk_index\":%" PRId64 ",\"proof\":",
                          first ? "" : ",", n + 1);
    if (!err)
        err = text_append_string(out, etag, strlen(etag));
    return err ? err
               : buf_appendf(out,
                             ",\"proof_type\":\"etag\",\"chunk_size\":%" PRId64
                             "}",
                             parts_chunk_bytes(i, n));
}

static int make_report(struct item *i, struct buf *out)
{
    struct parts *p = i->parts;
    int count = 0;
    int err = buf_append_str(out, "{\"completed_chunks\":[");
    for (int64_t n = 0; !err && n < p->count && count < PARTS_BATCH; n++) {
        struct part *part = &p->part[n];
        part->in_report = part->etag && !part->reported;
        if (part->in_report)
            err = append_proof(i, n, count++ == 0, out);
    }
    return err ? err : buf_append_str(out, "]}");
}

static void clear_report(struct item *i, bool reported)
{
    struct parts *p = i->parts;
    for (int64_t n = 0; n < p->count; n++) {
        if (p->part[n].in_report && reported && !p->part[n].reported) {
            p->part[n].reported = true;
            p->unreported--;
        }
        p->part[n].in_report = false;
    }
}

static int send_report(struct upload *u, struct item *i)
{
    cleanup(buf_done) struct buf path = {.max = 2048};
    cleanup(buf_done) struct buf json = {.max = BODY_MAX};
    int err = append_session_path(i, "", &path);
    if (!err)
        err = make_report(i, &json);
    const struct api_writing writing = {
        .method = "POST",
        .path = buf_str(&path),
        .json = buf_str(&json),
        .category = API_SESSIONS,
    };
    if (!err)
        err = transfer_write(u, i, TRANSFER_REPORT, 0, &writing, NULL);
    i->parts->reports = !err;
    if (err)
        clear_report(i, false);
    return err;
}

static bool is_report_due(const struct parts *p)
{
    size_t pending = p->unreported - p->unsent;
    return !p->reports && pending && (pending >= PARTS_EAGER || p->unsent == 0);
}

/* ---- steps ---- */

static int start_chunks(struct upload *u, struct item *i)
{
    struct parts *p = i->parts;
    int err = 0;
    for (int64_t n = 0; !err && n < p->count && p->in_flight < PARTS_PARALLEL;
         n++) {
        const struct part *part = &p->part[n];
        if (part->etag || part->in_flight)
            continue;
        if (part->url)
            err = put_chunk(u, i, n);
        else if (!p->asks_urls)
            err = ask_urls(u, i, n);
    }
    return err;
}

void parts_step(struct upload *u, struct item *i, int64_t now_ms)
{
    struct parts *p = i->parts;
    int64_t wait_ms = i->not_before_ms > u->paused_until_ms
                          ? i->not_before_ms
                          : u->paused_until_ms;
    if (p->unreported == 0) {
        item_sent(u, i, i->r.asset_id);
        return;
    }
    if (now_ms < wait_ms) {
        upload_wake_by(u, wait_ms);
        return;
    }
    if (p->unsent == 0 && source_check(i->source)) {
        parts_changed(u, i);
        return;
    }
    int err = is_report_due(p) ? send_report(u, i) : 0;
    if (!err)
        err = start_chunks(u, i);
    if (err) {
        i->not_before_ms = now_ms + UPLOAD_AGAIN_MS;
        upload_wake_by(u, i->not_before_ms);
    }
}

static void parts_asked(struct upload *u, struct item *i,
                        const struct transfer *t)
{
    if (t->kind == TRANSFER_URLS)
        i->parts->asks_urls = false;
    else
        i->parts->reports = false;
    if (t->kind == TRANSFER_URLS && !t->err)
        session_each_url(&t->body, parts_take_url, i);
    if (t->kind == TRANSFER_REPORT)
        clear_report(i, !t->err);
    if (!t->err)
        upload_went_well(u);
    else if (t->err == -EINVAL || t->err == -ENOENT)
        parts_question(u, i, t);
    else if (!transfer_trouble(u, i, t))
        i->not_before_ms = clock_mono_ms() + PART_AGAIN_MS;
}

void parts_answered(struct upload *u, struct item *i, struct transfer *t)
{
    switch (t->kind) {
    case TRANSFER_SESSION:
        if (t->err)
            session_refused(u, i, t);
        else
            session_begun(u, i, t);
        return;
    case TRANSFER_RESUME:
        if (t->err)
            resume_failed(u, i, t);
        else
            resume_told(u, i, t);
        return;
    case TRANSFER_CHUNK:
        i->parts->part[t->chunk - 1].in_flight = false;
        i->parts->in_flight--;
        if (t->err)
            chunk_failed(u, i, t);
        else
            chunk_put(u, i, t);
        return;
    default:
        parts_asked(u, i, t);
        return;
    }
}
