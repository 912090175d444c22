/* SPDX-License-Identifier: MIT */
#include "mount/status.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "mount/mount.h"
#include "wire/http.h"

/*
 * The tree of values that becomes the text. cJSON answers NULL when memory is
 * short, and takes NULL: so a lack anywhere shows when the tree is printed,
 * where `lacks` says so.
 */
struct object {
    cJSON *json;
    bool *lacks;
};

static void note(struct object o, const void *added)
{
    if (!added)
        *o.lacks = true;
}

static struct object add_object(struct object o, const char *name)
{
    struct object added = {cJSON_AddObjectToObject(o.json, name), o.lacks};
    note(o, added.json);
    return added;
}

static void add_null(struct object o, const char *name)
{
    note(o, cJSON_AddNullToObject(o.json, name));
}

static void add_bool(struct object o, const char *name, bool value)
{
    note(o, cJSON_AddBoolToObject(o.json, name, value));
}

static void add_text(struct object o, const char *name, const char *text)
{
    note(o, cJSON_AddStringToObject(o.json, name, text));
}

/* A count; below 2^53, as no count in here will ever not be. */
static void add_count(struct object o, const char *name, uint64_t count)
{
    note(o, cJSON_AddNumberToObject(o.json, name, (double)count));
}

/* Negative: not known. */
static void add_number(struct object o, const char *name, int64_t number)
{
    if (number < 0)
        add_null(o, name);
    else
        add_count(o, name, (uint64_t)number);
}

static void add_time(struct object o, const char *name, int64_t seconds)
{
    char text[CLOCK_RFC3339_SIZE];
    if (seconds <= 0) {
        add_null(o, name);
        return;
    }
    clock_format_rfc3339(seconds, text);
    add_text(o, name, text);
}

static void add_error(struct object o, const char *name, int err)
{
    if (err)
        add_text(o, name, strerror(err < 0 ? -err : err));
    else
        add_null(o, name);
}

/* What this runs on; "parallel_dirops": "mended" where libfuse forgets it. */
static void add_libraries(struct object o, const struct mount *m)
{
    struct mount_features f = mount_features(m);
    struct object libraries = add_object(o, "libraries");
    add_text(libraries, "libfuse", mount_library_version());
    add_text(libraries, "curl", http_library_version());
    add_text(libraries, "sqlite", catalogue_library_version());
    struct object uses = add_object(o, "uses");
    if (f.parallel_dirops && f.mends_init)
        add_text(uses, "parallel_dirops", "mended");
    else
        add_bool(uses, "parallel_dirops", f.parallel_dirops);
    add_bool(uses, "expire_only", f.expire_only);
    add_bool(uses, "io_uring", f.io_uring);
}

/* An error, or that something is known to be there that isn't shown. */
static void add_stale(struct object o, const struct sync_status *s)
{
    char text[80];
    if (!s->last_error && s->behind && !s->missing) {
        add_text(o, "stale_because",
                 "what was deleted lately is still being looked for");
        return;
    }
    if (s->last_error || !s->missing) {
        add_error(o, "stale_because", s->last_error);
        return;
    }
    (void)snprintf(text, sizeof(text),
                   "%" PRId64 " assets are known of and not read yet",
                   s->missing);
    add_text(o, "stale_because", text);
}

/* What the API says of its total, beside what was found by looking. */
static void add_total(struct object o, const struct sync_status *s)
{
    char text[120];
    add_number(o, "api_total", s->stated_total);
    if (!s->complete || s->stated_total == s->counted_total) {
        add_null(o, "api_total_problem");
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
    add_text(o, "api_total_problem", text);
}

static void add_sync(struct object o, struct sync *sync)
{
    struct sync_status s;
    sync_status(sync, &s);
    add_bool(o, "complete", s.complete);
    add_number(o, "walked", s.walked);
    add_number(o, "total", s.total);
    add_number(o, "unfinished", s.unfinished);
    add_time(o, "polled_at", s.polled_s);
    add_number(o, "poll_age_seconds",
               s.poll_age_ms < 0 ? -1 : s.poll_age_ms / 1000);
    add_time(o, "swept_at", s.swept_s);
    add_number(o, "sweep_bound_seconds", s.sweep_bound_s);
    add_stale(o, &s);
    add_number(o, "missing", s.missing);
    add_time(o, "missing_since", s.missing ? s.missing_since_s : 0);
    add_total(o, &s);
    add_count(o, "polls", s.polls);
    add_count(o, "walks", s.walks);
    add_count(o, "searches", s.searches);
}

static void add_assets(struct object o, const struct catalogue *c)
{
    struct object assets = add_object(o, "assets");
    add_number(assets, "all", catalogue_count(c, ASSET_TYPE_COUNT));
    for (int i = 0; i < ASSET_TYPE_COUNT; i++)
        add_number(assets, asset_type_name((enum asset_type)i),
                   catalogue_count(c, (enum asset_type)i));
}

static void add_requests(struct object o, const struct api_stats *s)
{
    uint64_t all = 0;
    struct object requests = add_object(o, "requests");
    for (int i = 0; i < API_CAUSE_COUNT; i++) {
        struct object cause =
            add_object(requests, api_cause_name((enum api_cause)i));
        add_count(cause, "sent", s->sent[i]);
        add_count(cause, "failed", s->failed[i]);
        all += s->sent[i];
    }
    add_count(requests, "all", all);
    add_count(requests, "throttled", s->throttled);
}

static void add_api(struct object o, struct api *api)
{
    struct api_stats s;
    api_stats(api, &s);
    add_requests(o, &s);
    add_number(o, "rate_limit", s.limit);
    add_number(o, "rate_remaining", s.remaining);
    add_time(o, "rate_reset_at", s.reset_s);
    add_number(o, "background_pause_ms", s.background_pause_ms);
    add_time(o, "answered_at", s.last_success_s);
    add_error(o, "last_error", s.last_error);
    add_text(o, "last_error_text", s.last_error_text);
    add_bool(o, "failing_fast", s.circuit_open);
}

static int add_operation(void *ctx, const char *name, uint64_t count)
{
    add_count(*(struct object *)ctx, name, count);
    return 0;
}

/* What the kernel asked; reading this file is some of it. */
static void add_operations(struct object o, struct mount *m)
{
    struct object operations = add_object(o, "fuse");
    add_count(operations, "waiting", park_count(m->park));
    (void)opcount_each(&m->operations, add_operation, &operations);
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
    add_text(o, "version", TWELVEFS_VERSION);
    add_libraries(o, m);
    add_sync(o, m->sync);
    add_assets(o, m->catalogue);
    add_api(o, m->api);
    add_operations(o, m);
    add_count(o, "query_directories", view_count(m->views));
    cleanup(free_json_text) char *text = lacks ? NULL : cJSON_Print(json);
    if (!text)
        return -ENOMEM;
    int err = buf_append_str(out, text);
    return err ? err : buf_append_char(out, '\n');
}

/* ---- the file ---- */

struct status_table {
    pthread_mutex_t lock; /* guards everything below */
    int64_t last;         /* number given */
    struct {
        int64_t number;
        char *text;
    } kept[STATUS_KEPT];
};

int status_table_new(struct status_table **ret_table)
{
    struct status_table *t = calloc(1, sizeof(*t));
    if (!t)
        return -ENOMEM;
    (void)pthread_mutex_init(&t->lock, NULL);
    *ret_table = t;
    return 0;
}

void status_table_free(struct status_table *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < STATUS_KEPT; i++)
        free(t->kept[i].text);
    (void)pthread_mutex_destroy(&t->lock);
    free(t);
}

int status_keep(struct status_table *t, struct mount *m, int64_t *ret_number,
                size_t *ret_size)
{
    cleanup(buf_done) struct buf text = {.max = STATUS_MAX_BYTES};
    int err = status_json(m, &text);
    if (err)
        return err;
    size_t len;
    char *bytes = buf_steal(&text, &len);
    if (!bytes)
        return -ENOMEM;
    guard_mutex(&t->lock);
    int64_t number = ++t->last % NODE_ROW_END;
    size_t at = (size_t)t->last % STATUS_KEPT;
    free(t->kept[at].text);
    t->kept[at].text = bytes;
    t->kept[at].number = number;
    *ret_number = number;
    *ret_size = len;
    return 0;
}

int status_kept(struct status_table *t, int64_t number, struct buf *out)
{
    guard_mutex(&t->lock);
    for (size_t i = 0; i < STATUS_KEPT; i++)
        if (t->kept[i].text && t->kept[i].number == number)
            return buf_append_str(out, t->kept[i].text);
    return -ESTALE;
}
