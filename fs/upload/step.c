/* SPDX-License-Identifier: MIT */
/*
 * step.c - what is the next thing to do for an item: asked of each whenever the
 * thread wakes. A step is short: a slice of a checksum, one commit, one
 * request.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/failpoint.h"
#include "json/scan.h"
#include "json/text.h"
#include "upload/upload_internal.h"

#define SLICE_BYTES (4 << 20)
#define HEAD_BYTES  1024
#define VERIFY_MS   1000
#define SHOWN_MOST  5
#define MISSING_S   (7 * UPLOAD_DAY_S)

DEFINE_CLEANUP(release_catalogue_reader, struct catalogue_reader *,
               catalogue_reader_release)

/* ---- a file that is new ---- */

/* Opens it as it was seen; false: not now. */
static bool step_open(struct upload *u, struct item *i, int64_t now_ms)
{
    int err = source_open(watch_directory_fd(u->watch), i->r.path,
                          &i->r.identity, &i->source);
    if (err == -EACCES || err == -EPERM) {
        item_fail(u, i, "its permissions don't let it be read");
        return false;
    }
    if (err) {
        upload_rescan(u);
        i->not_before_ms = now_ms + u->config.settle_ms;
        return false;
    }
    if (!source_is_written(i->source))
        return true;
    item_say(u, i, "somebody has it open for writing");
    source_unref(steal_ptr(i->source));
    i->not_before_ms = now_ms + u->config.settle_ms;
    return false;
}

static void step_begin(struct upload *u, struct item *i, int64_t now_ms)
{
    char head[HEAD_BYTES];
    if (now_ms < i->since_ms + u->config.settle_ms) {
        upload_wake_by(u, i->since_ms + u->config.settle_ms);
        return;
    }
    if (!step_open(u, i, now_ms))
        return;
    item_say(u, i, "");
    ssize_t len = pread(i->source->fd, head, sizeof(head), 0);
    const char *why = filename_refusal(item_name(i), i->r.identity.size_bytes,
                                       head, len > 0 ? (size_t)len : 0);
    if (why) {
        item_fail(u, i, why);
        return;
    }
    item_phase(u, i, ITEM_HASHING);
    i->hashed_bytes = 0;
    i->digest = digest_new(DIGEST_SHA256);
    upload_wake_by(u, 0);
}

static void step_hash(struct upload *u, struct item *i)
{
    int64_t size = i->source->identity.size_bytes;
    int64_t done = i->digest ? source_digest(i->source, i->digest,
                                             i->hashed_bytes, SLICE_BYTES)
                             : -ENOMEM;
    int err = done < 0 ? (int)done : 0;
    if (!err)
        i->hashed_bytes += done;
    upload_wake_by(u, 0);
    if (!err && i->hashed_bytes < size)
        return;
    if (!err)
        err = digest_end(i->digest, i->r.digest);
    if (!err)
        err = source_check(i->source);
    item_rest(u, i);
    if (!err)
        return;
    i->r.digest[0] = '\0';
    i->not_before_ms = clock_mono_ms() + u->config.settle_ms;
    if (err == -ESTALE)
        upload_rescan(u);
    else
        log_warning("uploads: a file can't be read: %s", strerror(-err));
}

/* ---- the same bytes ---- */

static bool same_tags(const struct item *a, const struct item *b)
{
    cleanup(buf_done) struct buf tags_a = {.max = 65536};
    cleanup(buf_done) struct buf tags_b = {.max = 65536};
    return !filename_append_tags(&tags_a, a->r.path) &&
           !filename_append_tags(&tags_b, b->r.path) &&
           strcmp(buf_str(&tags_a), buf_str(&tags_b)) == 0;
}

static bool is_in_catalogue(struct upload *u, const char *id)
{
    struct catalogue_entry entry;
    cleanup(release_catalogue_reader) struct catalogue_reader *r =
        catalogue_reader_acquire(u->catalogue);
    return r && catalogue_get_by_id(r, id, &entry) == 0;
}

static bool step_is_same(const struct item *i, const struct item *other)
{
    return other != i && other->r.state >= UPLOAD_SENDING &&
           other->r.state <= UPLOAD_DONE &&
           other->r.identity.size_bytes == i->r.identity.size_bytes &&
           strcmp(other->r.digest, i->r.digest) == 0 && same_tags(i, other);
}

/* The account has it by another file, or will have: nothing is to be sent. */
static bool step_same(struct upload *u, struct item *i)
{
    struct item *other;
    char quoted[200];
    TAILQ_FOREACH(other, &u->items, link)
    {
        if (!step_is_same(i, other))
            continue;
        if (other->r.state != UPLOAD_DONE) {
            item_say(u, i, "the same bytes are on their way");
            return true;
        }
        if (clock_wall_s() - other->r.done_s >= UPLOAD_DAY_S ||
            !is_in_catalogue(u, other->r.asset_id))
            continue;
        log_info(
            "uploads: %s has the bytes of %s, which is up already",
            log_quote(i->r.path, strlen(i->r.path), quoted, sizeof(quoted)),
            other->r.asset_id);
        item_sent(u, i, other->r.asset_id);
        return true;
    }
    return false;
}

/* ---- a file that may go ---- */

static void step_send(struct upload *u, struct item *i, int64_t now_ms)
{
    if (now_ms < u->paused_until_ms) {
        upload_wake_by(u, u->paused_until_ms);
        return;
    }
    if (!u->config.duplicates && step_same(u, i))
        return;
    if (!step_open(u, i, now_ms))
        return;
    item_say(u, i, "");
    const struct filename_kind *kind = filename_kind(item_name(i));
    bool chunks = filename_goes_in_chunks(kind, i->r.identity.size_bytes,
                                          u->config.chunks_from_bytes);
    if (chunks && !i->direct_only)
        parts_begin(u, i);
    else
        direct_begin(u, i);
}

static void step_resume(struct upload *u, struct item *i, int64_t now_ms)
{
    if (now_ms < u->paused_until_ms) {
        upload_wake_by(u, u->paused_until_ms);
        return;
    }
    if (!step_open(u, i, now_ms))
        return;
    if (i->r.upload_id)
        parts_resume(u, i);
    else
        parts_begin(u, i);
}

/* ---- a file that is up ---- */

struct verdict {
    bool ready, failed;
    int64_t size_bytes; /* -1: not said */
    char words[160];
};

static void step_read_words(const char *json, size_t len, char *out,
                            size_t size)
{
    const char *error, *message;
    size_t error_len, message_len;
    (void)snprintf(out, size, "the API could not make an asset of it");
    if (scan_member(json, len, "error", 5, &error, &error_len) ||
        scan_member(error, error_len, "message", 7, &message, &message_len) ||
        message[0] != '"')
        return;
    cleanup(free_ptr) char *text = text_decode(message, message_len, NULL);
    if (text)
        (void)log_quote(text, strlen(text), out, size);
}

static void step_judge(const char *json, size_t len, struct verdict *v)
{
    const char *value;
    size_t value_len;
    *v = (struct verdict){.size_bytes = -1};
    if (!scan_member(json, len, "status", 6, &value, &value_len)) {
        v->ready = scan_equals(value, value_len, "ready", 5);
        v->failed = scan_equals(value, value_len, "failed", 6);
    }
    if (!scan_member(json, len, "size", 4, &value, &value_len) &&
        value[0] >= '0' && value[0] <= '9')
        v->size_bytes = strtoll(value, NULL, 10);
    if (v->failed)
        step_read_words(json, len, v->words, sizeof(v->words));
}

static int step_read_asset(struct upload *u, const char *id, struct verdict *v)
{
    struct catalogue_entry entry;
    cleanup(buf_done) struct buf json = {.max = 32u << 20};
    cleanup(release_catalogue_reader) struct catalogue_reader *r =
        catalogue_reader_acquire(u->catalogue);
    if (!r)
        return -ENOMEM;
    int err = catalogue_get_by_id(r, id, &entry);
    if (!err)
        err = catalogue_body(r, entry.row, &json);
    if (!err)
        step_judge(buf_str(&json), json.len, v);
    return err;
}

static void step_confirm(struct upload *u, struct item *i,
                         const struct verdict *v)
{
    char words[160], quoted[200];
    if (!failpoint("upload_unconfirmed") && v->size_bytes >= 0 &&
        v->size_bytes != i->r.identity.size_bytes) {
        (void)snprintf(words, sizeof(words),
                       "the account has %" PRId64 " bytes of its %" PRId64,
                       v->size_bytes, i->r.identity.size_bytes);
        item_fail(u, i, words);
        return;
    }
    i->r.done_s = clock_wall_s();
    if (item_commit(u, i, UPLOAD_DONE))
        return;
    log_info("uploads: the account has %s",
             log_quote(i->r.path, strlen(i->r.path), quoted, sizeof(quoted)));
    upload_wake_by(u, 0);
}

/* Has sync read the asset: before long the list must have it. */
static void step_show(struct upload *u, struct item *i, int64_t now_ms)
{
    if (i->seen_ms && now_ms - i->seen_ms < u->config.recheck_ms)
        return;
    if (i->shown >= SHOWN_MOST) {
        item_fail(u, i, "the account has lost its asset before it was ready");
        return;
    }
    if (!upload_show(u, i->r.asset_id)) {
        i->version = 0; /* sync is busy with another */
        return;
    }
    i->seen_ms = now_ms;
    i->shown++;
}

/* Whether the catalogue knows by now what became of it. Sync polls what is
 * being processed; all that is asked for here is that it knows the asset. */
static void step_verify(struct upload *u, struct item *i, int64_t now_ms)
{
    struct verdict v = {0};
    uint64_t version = catalogue_version(u->catalogue);
    i->not_before_ms = now_ms + VERIFY_MS;
    if (version == i->version && now_ms - i->seen_ms < u->config.recheck_ms)
        return;
    i->version = version;
    int err = step_read_asset(u, i->r.asset_id, &v);
    if (err)
        step_show(u, i, now_ms);
    if (err)
        return;
    i->shown = 0;
    if (v.failed)
        item_fail(u, i, v.words);
    else if (v.ready)
        step_confirm(u, i, &v);
}

/* ---- all of it ---- */

/* Without its file: only what the account may have of it is found out. */
static void step_missing(struct upload *u, struct item *i)
{
    bool old = clock_wall_s() - i->r.sent_s > MISSING_S;
    if (i->r.state == UPLOAD_SENDING)
        look_begin(u, i);
    else if (i->r.state == UPLOAD_SESSION && item_is_detached(i))
        parts_resume(u, i);
    else if (i->r.state == UPLOAD_SESSION && old)
        item_drop(u, i);
}

static void step_idle(struct upload *u, struct item *i, int64_t now_ms)
{
    bool known = i->r.state == UPLOAD_WAITING || i->r.digest[0];
    if (i->r.state == UPLOAD_SENT) {
        step_verify(u, i, now_ms);
    } else if (i->r.state == UPLOAD_DONE) {
        i->placed = i->placed || place_away(u, i);
    } else if (i->r.state == UPLOAD_FAILED || u->active >= UPLOAD_PARALLEL) {
        return; /* somebody's end wakes us */
    } else if (!i->present) {
        step_missing(u, i);
    } else if (i->r.state == UPLOAD_SENDING && i->r.asset_id) {
        item_sent(u, i, i->r.asset_id);
    } else if (i->r.state == UPLOAD_SENDING) {
        look_begin(u, i);
    } else if (i->r.state == UPLOAD_SESSION) {
        step_resume(u, i, now_ms);
    } else if (known) {
        step_send(u, i, now_ms);
    } else {
        step_begin(u, i, now_ms);
    }
}

void item_step(struct upload *u, struct item *i, int64_t now_ms)
{
    if (i->phase == ITEM_HASHING) {
        step_hash(u, i);
    } else if (i->phase == ITEM_PARTS) {
        parts_step(u, i, now_ms);
    } else if (i->phase == ITEM_IDLE && now_ms < i->not_before_ms) {
        upload_wake_by(u, i->not_before_ms);
    } else if (i->phase == ITEM_IDLE) {
        step_idle(u, i, now_ms);
        if (i->phase == ITEM_IDLE && i->not_before_ms > now_ms)
            upload_wake_by(u, i->not_before_ms);
    }
}
