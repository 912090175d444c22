/* SPDX-License-Identifier: MIT */
#include "json/event.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "json/difference.h"
#include "json/scan.h"

#define NS_PER_S           1000000000
#define FILENAME_MAX_BYTES 1500 /* as sent; escaped it is six times as long */
#define STATUS_MAX_BYTES   100
#define TAIL_BYTES         64 /* what follows the list of changes */

void event_format_time(int64_t time_ns, char out[EVENT_TIME_SIZE])
{
    char seconds[CLOCK_RFC3339_SIZE];

    clock_format_rfc3339(time_ns / NS_PER_S, seconds);
    seconds[strcspn(seconds, "Z")] = '\0';
    (void)snprintf(out, EVENT_TIME_SIZE, "%s.%09dZ", seconds,
                   (int)(time_ns % NS_PER_S));
}

static int event_append_head(int64_t time_ns, const char *kind, struct buf *out)
{
    char time[EVENT_TIME_SIZE];

    event_format_time(time_ns, time);
    return buf_appendf(out, "{\"time\":\"%s\",\"kind\":\"%s\"", time, kind);
}

/* A member of the object that is a string, under its own name; one that is
 * too long as its length. */
static int event_append_member(const struct event *e, const char *name,
                               size_t max_bytes, struct buf *out)
{
    const char *text;
    size_t len;

    if (!e->object ||
        scan_member(e->object, e->object_len, name, strlen(name), &text,
                    &len) ||
        *text != '"')
        return 0;
    if (len > max_bytes)
        return buf_appendf(out, ",\"%s_bytes\":%zu", name, len);
    int err = buf_appendf(out, ",\"%s\":", name);
    return err ? err : difference_append_value(text, len, out);
}

static int event_append_asset(const struct event *e, struct buf *out)
{
    int err = event_append_head(e->time_ns, e->kind, out);

    if (!err)
        err = buf_append_str(out, ",\"id\":");
    if (!err)
        err = difference_append_string(e->id, strlen(e->id), out);
    if (!err)
        err = buf_appendf(out, ",\"type\":\"%s\"", e->type);
    if (!err)
        err = event_append_member(e, "filename", FILENAME_MAX_BYTES, out);
    return err ? err : event_append_member(e, "status", STATUS_MAX_BYTES, out);
}

int event_append(const struct event *e, struct buf *out)
{
    size_t start = out->len;
    int err = event_append_asset(e, out);

    if (!err)
        err = buf_append_str(out, "}\n");
    if (err)
        buf_truncate(out, start);
    return err;
}

static int event_append_changes(const struct event *e, const char *before,
                                size_t before_len, size_t max_bytes,
                                struct buf *out)
{
    size_t told = 0, untold = 0;
    int err = buf_append_str(out, ",\"changes\":");

    if (err)
        return err;
    if (!before || !e->object)
        return buf_append_str(out, "null}\n");
    err = difference_append(before, before_len, e->object, e->object_len,
                            max_bytes, out, &told, &untold);
    if (!err && told + untold == 0)
        return -ENODATA;
    if (!err && untold)
        err = buf_appendf(out, ",\"more\":%zu", untold);
    return err ? err : buf_append_str(out, "}\n");
}

int event_append_change(const struct event *e, const char *before,
                        size_t before_len, struct buf *out)
{
    size_t start = out->len;
    int err = event_append_asset(e, out);

    if (!err)
        err = event_append_changes(
            e, before, before_len,
            EVENT_MAX_BYTES - TAIL_BYTES - (out->len - start), out);
    if (err)
        buf_truncate(out, start);
    return err;
}

int event_append_complete(int64_t time_ns, int64_t assets, struct buf *out)
{
    size_t start = out->len;
    int err = event_append_head(time_ns, "complete", out);

    if (!err)
        err = buf_appendf(out, ",\"assets\":%" PRId64 "}\n", assets);
    if (err)
        buf_truncate(out, start);
    return err;
}
