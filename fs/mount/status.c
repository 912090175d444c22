/* SPDX-License-Identifier: MIT */
#include "mount/status.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "mount/mount.h"
#include "upload/upload.h"
#include "wire/http.h"

/* The tree of values that becomes the text. cJSON returns NULL when memory is
 * short, and accepts NULL. So a failure anywhere shows when the tree is
 * printed, where `lacks` says so. */
struct object {
    cJSON *json;
    bool *lacks;
};

static void status_note(struct object o, const void *added)
{
    if (!added)
        *o.lacks = true;
}

static struct object status_add_object(struct object o, const char *name)
{
    struct object added = {cJSON_AddObjectToObject(o.json, name), o.lacks};
    status_note(o, added.json);
    return added;
}

static void status_add_null(struct object o, const char *name)
{
    status_note(o, cJSON_AddNullToObject(o.json, name));
}

static void status_add_bool(struct object o, const char *name, bool value)
{
    status_note(o, cJSON_AddBoolToObject(o.json, name, value));
}

static void status_add_text(struct object o, const char *name, const char *text)
{
    status_note(o, cJSON_AddStringToObject(o.json, name, text));
}

/* A count; all counts here are below 2^53. */
static void status_add_count(struct object o, const char *name, uint64_t count)
{
    status_note(o, cJSON_AddNumberToObject(o.json, name, (double)count));
}

/* Negative: not known. */
static void status_add_number(struct object o, const char *name, int64_t number)
{
    if (number < 0)
        status_add_null(o, name);
    else
        status_add_count(o, name, (uint64_t)number);
}

static void status_add_time(struct object o, const char *name, int64_t seconds)
{
    char text[CLOCK_RFC3339_SIZE];
    if (seconds <= 0) {
        status_add_null(o, name);
        return;
    }
    clock_format_rfc3339(seconds, text);
    status_add_text(o, name, text);
}

static void status_add_error(struct object o, const char *name, int err)
{
    if (err)
        status_add_text(o, name, strerror(err < 0 ? -err : err));
    else
        status_add_null(o, name);
}

/* The libraries and features in use; "parallel_dirops" is "mended" if libfuse
 * leaves that out and device.c adds it. */
static void status_add_libraries(struct object o, const struct mount *m)
{
    struct mount_features f = mount_features(m);
    struct object libraries = status_add_object(o, "libraries");
    status_add_text(libraries, "libfuse", mount_library_version());
    status_add_text(libraries, "curl", http_library_version());
    status_add_text(libraries, "sqlite", catalogue_library_version());
    struct object uses = status_add_object(o, "uses");
    if (f.parallel_dirops && f.mends_init)
        status_add_text(uses, "parallel_dirops", "mended");
    else
        status_add_bool(uses, "parallel_dirops", f.parallel_dirops);
    status_add_bool(uses, "expire_only", f.expire_only);
    status_add_bool(uses, "io_uring", f.io_uring);
}

/* An error, or that something is known to be there that isn't shown. */
static void status_add_stale(struct object o, const struct sync_status *s)
{
    char text[80];
    if (!s->last_error && s->behind && !s->missing) {
        status_add_text(o, "stale_because",
                        "what was deleted lately is still being looked for");
        return;
    }
    if (s->last_error || !s->missing) {
        status_add_error(o, "stale_because", s->last_error);
        return;
    }
    (void)snprintf(text, sizeof(text),
                   "%" PRId64 " assets are known of and not read yet",
                   s->missing);
    status_add_text(o, "stale_because", text);
}

/* What the API says of its total, beside what was found by looking. */
static void status_add_total(struct object o, const struct sync_status *s)
{
    char text[120];
    status_add_number(o, "api_total", s->stated_total);
    if (!s->complete || s->stated_total == s->counted_total) {
        status_add_null(o, "api_total_problem");
        return;
    }
    if (s->stated_total < 0)
        (void)snprintf(text, sizeof(text),
                       "the API states no total; the end of its list is "
                       "looked at instead");
    else
        (void)snprintf(text, sizeof(text),
                       "the API's total is %" PRId64 ", its list has %" PRId64,
                       s->stated_total, s->counted_total);
    status_add_text(o, "api_total_problem", text);
}

static void status_add_sync(struct object o, struct sync *sync)
{
    struct sync_status s;
    sync_status(sync, &s);
    status_add_bool(o, "complete", s.complete);
    status_add_number(o, "walked", s.walked);
    status_add_number(o, "total", s.total);
    status_add_number(o, "unfinished", s.unfinished);
    status_add_time(o, "polled_at", s.polled_s);
    status_add_number(o, "poll_age_seconds",
                      s.poll_age_ms < 0 ? -1 : s.poll_age_ms / 1000);
    status_add_time(o, "swept_at", s.swept_s);
    status_add_number(o, "sweep_bound_seconds", s.sweep_bound_s);
    status_add_stale(o, &s);
    status_add_number(o, "missing", s.missing);
    status_add_time(o, "missing_since", s.missing ? s.missing_since_s : 0);
    status_add_total(o, &s);
    status_add_count(o, "polls", s.polls);
    status_add_count(o, "walks", s.walks);
    status_add_count(o, "searches", s.searches);
}

static void status_add_assets(struct object o, const struct catalogue *c)
{
    struct object assets = status_add_object(o, "assets");
    status_add_number(assets, "all", catalogue_count(c, ASSET_TYPE_COUNT));
    for (int i = 0; i < ASSET_TYPE_COUNT; i++)
        status_add_number(assets, asset_type_name((enum asset_type)i),
                          catalogue_count(c, (enum asset_type)i));
}

static void status_add_requests(struct object o, const struct api_stats *s)
{
    uint64_t all = 0;
    struct object requests = status_add_object(o, "requests");
    for (int i = 0; i < API_CAUSE_COUNT; i++) {
        struct object cause =
            status_add_object(requests, api_cause_name((enum api_cause)i));
        status_add_count(cause, "sent", s->sent[i]);
        status_add_count(cause, "failed", s->failed[i]);
        all += s->sent[i];
    }
    status_add_count(requests, "all", all);
    status_add_count(requests, "throttled", s->throttled);
}

static void status_add_api(struct object o, struct api *api)
{
    struct api_stats s;
    api_stats(api, &s);
    status_add_requests(o, &s);
    status_add_number(o, "rate_limit", s.limit);
    status_add_number(o, "rate_remaining", s.remaining);
    status_add_time(o, "rate_reset_at", s.reset_s);
    status_add_number(o, "background_pause_ms", s.background_pause_ms);
    status_add_time(o, "answered_at", s.last_success_s);
    status_add_error(o, "last_error", s.last_error);
    status_add_text(o, "last_error_text", s.last_error_text);
    status_add_bool(o, "failing_fast", s.circuit_open);
}

static void status_add_shown(struct object o, const char *name,
                             const struct upload_shown *shown, size_t count)
{
    cJSON *array = cJSON_AddArrayToObject(o.json, name);
    status_note(o, array);
    for (size_t i = 0; array && i < count; i++) {
        struct object one = {cJSON_CreateObject(), o.lacks};
        status_note(o, one.json);
        if (!cJSON_AddItemToArray(array, one.json)) {
            cJSON_Delete(one.json);
            *o.lacks = true;
            return;
        }
        status_add_text(one, "name", shown[i].name);
        status_add_number(one, "bytes", shown[i].bytes);
        status_add_number(one, "size", shown[i].size_bytes);
        status_add_text(one, "words", shown[i].words);
    }
}

static void status_add_upload(struct object o, struct upload *u)
{
    struct upload_status s;
    if (!u) {
        status_add_null(o, "upload");
        return;
    }
    upload_status(u, &s);
    struct object upload = status_add_object(o, "upload");
    status_add_text(upload, "folder", upload_folder(u));
    status_add_number(upload, "waiting", s.waiting);
    status_add_number(upload, "sending", s.sending);
    status_add_number(upload, "processing", s.processing);
    status_add_number(upload, "failed", s.failed);
    status_add_number(upload, "done", s.done);
    status_add_time(upload, "waits_until", s.paused_until_s);
    status_add_text(upload, "waits_because", s.paused_words);
    status_add_count(upload, "requests", s.requests);
    status_add_count(upload, "requests_failed", s.requests_failed);
    status_add_shown(upload, "sending_now", s.sending_shown, s.sending_count);
    status_add_shown(upload, "failed_now", s.failed_shown, s.failed_count);
}

static int status_add_operation(void *ctx, const char *name, uint64_t count)
{
    status_add_count(*(struct object *)ctx, name, count);
    return 0;
}

/* Requests of the kernel; reading this file adds some. */
static void status_add_operations(struct object o, struct mount *m)
{
    struct object operations = status_add_object(o, "fuse");
    status_add_count(operations, "waiting", park_count(m->park));
    (void)opcount_each(&m->operations, status_add_operation, &operations);
}

DEFINE_CLEANUP(delete_json, cJSON *, cJSON_Delete)
DEFINE_CLEANUP(free_json_text, char *, cJSON_free)

int status_json(struct mount *m, struct buf *out)
{
    bool lacks = false;
    cleanup(delete_json) cJSON *json = cJSON_CreateObject();
    if (!json)
        return -ENOMEM;
    struct object o = {json, &lacks};
    status_add_text(o, "version", TWELVEFS_VERSION);
    status_add_libraries(o, m);
    status_add_sync(o, m->sync);
    status_add_assets(o, m->catalogue);
    status_add_api(o, m->api);
    status_add_operations(o, m);
    status_add_count(o, "query_directories", view_count(m->tree.views));
    status_add_upload(o, m->upload);
    cleanup(free_json_text) char *text = lacks ? NULL : cJSON_Print(json);
    if (!text)
        return -ENOMEM;
    int err = buf_append_str(out, text);
    return err ? err : buf_append_char(out, '\n');
}
