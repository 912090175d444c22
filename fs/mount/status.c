#include "mount/status.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "mount/mount.h"
#include "wire/http.h"

/* The text is printable by api.h's word; what JSON can't hold is left out. */
static int append_string(struct buf *out, const char *text)
{
    int err = buf_append_char(out, '"');
    for (; !err && *text; text++)
        if ((unsigned char)*text >= 0x20 && *text != '"' && *text != '\\')
            err = buf_append_char(out, *text);
    return err ? err : buf_append_char(out, '"');
}

static int append_error(struct buf *out, const char *name, int error)
{
    int err = buf_appendf(out, "  \"%s\": ", name);
    if (err)
        return err;
    err = error ? append_string(out, strerror(error < 0 ? -error : error))
                : buf_append_str(out, "null");
    return err ? err : buf_append_str(out, ",\n");
}

static int append_time(struct buf *out, const char *name, int64_t seconds)
{
    char text[CLOCK_RFC3339_SIZE];
    if (seconds <= 0)
        return buf_appendf(out, "  \"%s\": null,\n", name);
    clock_format_rfc3339(seconds, text);
    return buf_appendf(out, "  \"%s\": \"%s\",\n", name, text);
}

static int append_number(struct buf *out, const char *name, int64_t number)
{
    return number < 0
               ? buf_appendf(out, "  \"%s\": null,\n", name)
               : buf_appendf(out, "  \"%s\": %" PRId64 ",\n", name, number);
}

static int append_assets(struct buf *out, const struct catalogue *c)
{
    int err = buf_appendf(out, "  \"assets\": {\"all\": %" PRId64,
                          catalogue_count(c, ASSET_TYPE_COUNT));
    for (int i = 0; !err && i < ASSET_TYPE_COUNT; i++)
        err = buf_appendf(out, ", \"%s\": %" PRId64,
                          asset_type_name((enum asset_type)i),
                          catalogue_count(c, (enum asset_type)i));
    return err ? err : buf_append_str(out, "},\n");
}

static int append_sync(struct buf *out, struct sync *sync)
{
    struct sync_status s;
    sync_status(sync, &s);
    int err = buf_appendf(out, "  \"complete\": %s,\n",
                          s.complete ? "true" : "false");
    if (!err)
        err = append_number(out, "walked", s.walked);
    if (!err)
        err = append_number(out, "total", s.total);
    if (!err)
        err = append_number(out, "unfinished", s.unfinished);
    if (!err)
        err = append_time(out, "polled_at", s.polled_s);
    if (!err)
        err = append_number(out, "poll_age_seconds",
                            s.poll_age_ms < 0 ? -1 : s.poll_age_ms / 1000);
    if (!err)
        err = append_time(out, "swept_at", s.swept_s);
    if (!err)
        err = append_number(out, "sweep_bound_seconds", s.sweep_bound_s);
    if (!err)
        err = append_error(out, "stale_because", s.last_error);
    if (!err)
        err = buf_appendf(out,
                          "  \"polls\": %" PRIu64 ",\n  \"walks\": %" PRIu64
                          ",\n  \"searches\": %" PRIu64 ",\n",
                          s.polls, s.walks, s.searches);
    return err;
}

static int append_requests(struct buf *out, const struct api_stats *s)
{
    uint64_t all = 0;
    int err = buf_append_str(out, "  \"requests\": {\n");
    for (int i = 0; !err && i < API_CAUSE_COUNT; i++) {
        all += s->sent[i];
        err = buf_appendf(
            out,
            "    \"%s\": {\"sent\": %" PRIu64 ", \"failed\": %" PRIu64 "},\n",
            api_cause_name((enum api_cause)i), s->sent[i], s->failed[i]);
    }
    return err ? err
               : buf_appendf(out,
                             "    \"all\": %" PRIu64 ", \"throttled\": %" PRIu64
                             "\n  },\n",
                             all, s->throttled);
}

static int append_api(struct buf *out, struct api *api)
{
    struct api_stats s;
    api_stats(api, &s);
    int err = append_requests(out, &s);
    if (!err)
        err = append_number(out, "rate_limit", s.limit);
    if (!err)
        err = append_number(out, "rate_remaining", s.remaining);
    if (!err)
        err = append_time(out, "rate_reset_at", s.reset_s);
    if (!err)
        err = append_number(out, "background_pause_ms", s.background_pause_ms);
    if (!err)
        err = append_time(out, "answered_at", s.last_success_s);
    if (!err)
        err = append_error(out, "last_error", s.last_error);
    if (!err)
        err = buf_append_str(out, "  \"last_error_text\": ");
    if (!err)
        err = append_string(out, s.last_error_text);
    return err ? err
               : buf_appendf(out, ",\n  \"failing_fast\": %s,\n",
                             s.circuit_open ? "true" : "false");
}

static int append_operation(void *ctx, const char *name, uint64_t count)
{
    return buf_appendf(ctx, ", \"%s\": %" PRIu64, name, count);
}

/* What the kernel asked; reading this file is some of it. */
static int append_operations(struct buf *out, struct mount *m)
{
    int err =
        buf_appendf(out, "  \"fuse\": {\"waiting\": %zu", park_count(m->park));
    if (!err)
        err = opcount_each(&m->operations, append_operation, out);
    return err ? err : buf_append_str(out, "},\n");
}

/* What this runs on; "parallel_dirops": "mended" where libfuse forgets it. */
static int append_libraries(struct buf *out, const struct mount *m)
{
    struct mount_features f = mount_features(m);
    const char *dirops = !f.parallel_dirops ? "false"
                         : f.mends_init     ? "\"mended\""
                                            : "true";
    return buf_appendf(
        out,
        "  \"libraries\": {\"libfuse\": \"%s\", \"curl\": \"%s\", "
        "\"sqlite\": \"%s\"},\n"
        "  \"uses\": {\"parallel_dirops\": %s, \"expire_only\": %s, "
        "\"io_uring\": %s},\n",
        mount_library_version(), http_library_version(),
        catalogue_library_version(), dirops, f.expire_only ? "true" : "false",
        f.io_uring ? "true" : "false");
}

int status_json(struct mount *m, struct buf *out)
{
    int err =
        buf_append_str(out, "{\n  \"version\": \"" TWELVEFS_VERSION "\",\n");
    if (!err)
        err = append_libraries(out, m);
    if (!err)
        err = append_sync(out, m->sync);
    if (!err)
        err = append_assets(out, m->catalogue);
    if (!err)
        err = append_api(out, m->api);
    if (!err)
        err = append_operations(out, m);
    return err ? err
               : buf_appendf(out, "  \"query_directories\": %zu\n}\n",
                             view_count(m->views));
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
