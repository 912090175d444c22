/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "mount/mount.h"
#include "mount/status.h"
#include "upload/upload.h"

#define BAR_CELLS 30

/* 1,234,567 */
static int summary_count(struct buf *out, int64_t count)
{
    char digits[32];
    int len = snprintf(digits, sizeof(digits), "%" PRId64, count);
    int err = 0;
    for (int i = 0; !err && i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0 && digits[i - 1] != '-')
            err = buf_append_char(out, ',');
        if (!err)
            err = buf_append_char(out, digits[i]);
    }
    return err;
}

static int summary_duration(struct buf *out, int64_t seconds)
{
    if (seconds < 120)
        return buf_appendf(out, "%" PRId64 " s", seconds);
    if (seconds < 7200)
        return buf_appendf(out, "%" PRId64 " min", seconds / 60);
    if (seconds < 172800)
        return buf_appendf(out, "%" PRId64 " h", seconds / 3600);
    return buf_appendf(out, "%" PRId64 " days", seconds / 86400);
}

static int summary_assets(struct buf *out, const struct catalogue *c)
{
    int err = buf_append_str(out, "assets    ");
    if (!err)
        err = summary_count(out, catalogue_count(c, ASSET_TYPE_COUNT));
    const char *separator = ": ";
    for (int i = 0; !err && i < ASSET_TYPE_COUNT; i++) {
        enum asset_type type = (enum asset_type)i;
        int64_t count = catalogue_count(c, type);
        if (!count)
            continue;
        err = buf_append_str(out, separator);
        if (!err)
            err = summary_count(out, count);
        if (!err)
            err = buf_appendf(out, " %s", asset_type_name(type));
        separator = ", ";
    }
    return err ? err : buf_append_str(out, "\n");
}

static int summary_walk(struct buf *out, const struct sync_status *s)
{
    if (s->complete)
        return 0;
    int64_t total = s->total > 0 ? s->total : 1;
    int64_t walked = s->walked < total ? s->walked : total;
    int full = (int)(walked * BAR_CELLS / total);
    char bar[BAR_CELLS + 1];
    memset(bar, '.', BAR_CELLS);
    memset(bar, '#', (size_t)full);
    bar[BAR_CELLS] = '\0';
    int err = buf_appendf(out, "reading   [%s] ", bar);
    if (!err)
        err = summary_count(out, s->walked);
    if (!err && s->total >= 0)
        err = buf_append_str(out, " of ");
    if (!err && s->total >= 0)
        err = summary_count(out, s->total);
    return err ? err : buf_append_str(out, " for the first time\n");
}

static int summary_fresh(struct buf *out, const struct sync_status *s)
{
    int err = buf_append_str(out, "fresh     ");
    if (!err && s->poll_age_ms < 0)
        err = buf_append_str(out, "not polled yet");
    else if (!err)
        err = buf_append_str(out, "polled ");
    if (!err && s->poll_age_ms >= 0)
        err = summary_duration(out, s->poll_age_ms / 1000);
    if (!err && s->poll_age_ms >= 0)
        err = buf_append_str(out, " ago");
    if (!err && s->sweep_bound_s >= 0)
        err = buf_append_str(out, "; edits of old assets show within ");
    if (!err && s->sweep_bound_s >= 0)
        err = summary_duration(out, s->sweep_bound_s);
    if (!err && s->last_error)
        err = buf_appendf(
            out, "\nstale     %s",
            strerror(s->last_error < 0 ? -s->last_error : s->last_error));
    return err ? err : buf_append_str(out, "\n");
}

static int summary_budget(struct buf *out, const struct api_stats *s)
{
    uint64_t sent = 0, failed = 0;
    for (int i = 0; i < API_CAUSE_COUNT; i++) {
        sent += s->sent[i];
        failed += s->failed[i];
    }
    int err = buf_append_str(out, "requests  ");
    if (!err)
        err = summary_count(out, (int64_t)sent);
    if (!err)
        err = buf_appendf(out,
                          " since the start, %" PRIu64 " failed, %" PRIu64
                          " throttled\n",
                          failed, s->throttled);
    if (err || s->limit < 0 || s->remaining < 0)
        return err;
    err = buf_appendf(out, "budget    %" PRId64 " of %" PRId64 " remain",
                      s->remaining, s->limit);
    if (!err && s->background_pause_ms > 0)
        err = buf_append_str(out, "; background work rests ");
    if (!err && s->background_pause_ms > 0)
        err = summary_duration(out, s->background_pause_ms / 1000);
    return err ? err : buf_append_str(out, "\n");
}

static int summary_errors(struct buf *out, const struct api_stats *s)
{
    if (!s->last_error)
        return buf_append_str(out, "errors    none\n");
    const char *text = s->last_error_text;
    return buf_appendf(
        out, "errors    %s%s\n",
        text[0] ? text
                : strerror(s->last_error < 0 ? -s->last_error : s->last_error),
        s->circuit_open ? "; questions fail at once until it answers" : "");
}

static int summary_shown(struct buf *out, const struct upload_shown *shown,
                         size_t count, bool failed)
{
    int err = 0;
    for (size_t i = 0; !err && i < count; i++) {
        const struct upload_shown *one = &shown[i];
        int64_t size = one->size_bytes > 0 ? one->size_bytes : 1;
        if (failed)
            err = buf_appendf(out, "  failed  %s: %s\n", one->name, one->words);
        else
            err = buf_appendf(out, "  %3d %%   %s\n",
                              (int)(100.0 * (double)one->bytes / (double)size),
                              one->name);
    }
    return err;
}

static int summary_upload(struct buf *out, struct upload *u)
{
    struct upload_status s;
    char until[CLOCK_RFC3339_SIZE];
    if (!u)
        return 0;
    upload_status(u, &s);
    int err = buf_appendf(out,
                          "uploads   %" PRId64 " waiting, %" PRId64
                          " sending, %" PRId64 " processing, %" PRId64
                          " failed, %" PRId64 " done\n",
                          s.waiting, s.sending, s.processing, s.failed, s.done);
    if (!err && s.paused_until_s) {
        clock_format_rfc3339(s.paused_until_s, until);
        err =
            buf_appendf(out, "  waiting until %s: %s\n", until, s.paused_words);
    }
    if (!err)
        err = summary_shown(out, s.sending_shown, s.sending_count, false);
    return err ? err : summary_shown(out, s.failed_shown, s.failed_count, true);
}

int status_summary(struct mount *m, struct buf *out)
{
    struct sync_status sync;
    struct api_stats api;
    sync_status(m->sync, &sync);
    api_stats(m->api, &api);
    int err = buf_appendf(
        out, "account   %s on %s, %s (twelvefs %s)\n", m->source, m->mountpoint,
        m->read_write ? "read-write" : "read-only", TWELVEFS_VERSION);
    if (!err)
        err = summary_assets(out, m->catalogue);
    if (!err)
        err = summary_walk(out, &sync);
    if (!err)
        err = summary_fresh(out, &sync);
    if (!err)
        err = summary_budget(out, &api);
    if (!err)
        err = summary_upload(out, m->upload);
    return err ? err : summary_errors(out, &api);
}
