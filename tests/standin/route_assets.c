/* SPDX-License-Identifier: MIT */
/* GET /v1.3/assets and GET /v1.3/assets/{id}, as API.md has them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "hash.h"
#include "http.h"
#include "write.h"

#define UPLOADS "/multipart-uploads"

/* Of what stands behind /assets/multipart-uploads. */
static enum kind kind_of_upload(const char *method, const char *rest)
{
    bool get = !strcmp(method, "GET"), post = !strcmp(method, "POST");
    if (!*rest || !strcmp(rest, "/"))
        return post ? KIND_SESSION_CREATE : KIND_SESSION_LIST;
    const char *slash = strchr(rest + 1, '/');
    if (!slash)
        return get ? KIND_SESSION_STATUS : KIND_REPORT;
    return !strcmp(slash, "/presigned-urls") ? KIND_URLS : KIND_OTHER;
}

enum kind route_api_kind(const char *method, const char *path)
{
    size_t n = strlen(ASSETS_PATH);
    bool get = !strcmp(method, "GET");
    if (!strcmp(path, ASSETS_PATH))
        return !strcmp(method, "POST") ? KIND_CREATE : KIND_LIST;
    if (strncmp(path, ASSETS_PATH "/", n + 1) != 0 || !path[n + 1])
        return KIND_OTHER;
    const char *rest = path + n;
    if (!strncmp(rest, UPLOADS, strlen(UPLOADS)) &&
        (!rest[strlen(UPLOADS)] || rest[strlen(UPLOADS)] == '/'))
        return kind_of_upload(method, rest + strlen(UPLOADS));
    const char *slash = strchr(rest + 1, '/');
    if (!slash)
        return get || strcmp(method, "DELETE") != 0 ? KIND_RETRIEVE
                                                    : KIND_DELETE;
    return !strcmp(slash, "/user-metadata") ? KIND_METADATA : KIND_OTHER;
}

/* The parameters of a list request; ids and needle are owned. */
struct parameters {
    struct account_query query;
    char *id[ACCOUNT_IDS_MAX];
    struct buf needle;
};

static void parameters_free(struct parameters *p)
{
    for (size_t i = 0; i < p->query.nids; i++)
        free(p->id[i]);
    buf_done(&p->needle);
    free(p);
}

/* A whole number in [least, most] and nothing else. */
#define PAGE_MOST (INT32_MAX / 50) /* of pages of 50: places fit a long */

static bool parse_number(const char *text, long least, long most, long *ret_n)
{
    char *end;
    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    long n = strtol(text, &end, 10);
    if (errno || *end || n < least || n > most)
        return false;
    *ret_n = n;
    return true;
}

static int parse_type(const char *text)
{
    static const char *const types[] = {"video", "image", "audio", "document"};
    for (int i = 0; i < 4; i++)
        if (!strcmp(text, types[i]))
            return i;
    return -1;
}

static bool add_id(struct parameters *p, const char *id)
{
    if (!*id || p->query.nids == ACCOUNT_IDS_MAX)
        return false;
    char *copy = strdup(id);
    if (!copy)
        return false;
    p->id[p->query.nids++] = copy;
    p->query.by_ids = true;
    return true;
}

/* One parameter; false when the answer is an error. */
static bool take_parameter(struct parameters *p, const char *name,
                           const char *value, struct answer *a)
{
    bool ok;
    if (!strcmp(name, "page")) {
        ok = parse_number(value, 1, PAGE_MOST, &p->query.page);
    } else if (!strcmp(name, "page_limit")) {
        ok = parse_number(value, 1, 50, &p->query.limit);
    } else if (!strcmp(name, "asset_ids")) {
        ok = add_id(p, value);
    } else if (!strcmp(name, "asset_types")) {
        int type = parse_type(value);
        ok = type >= 0;
        if (ok)
            p->query.types |= 1u << type;
    } else if (!strcmp(name, "filename")) {
        buf_clear(&p->needle);
        account_fold(value, &p->needle);
        ok = !p->needle.failed;
    } else {
        answer_error(a, 400, "parameter_unknown",
                     "The following parameters are unknown: %s", name);
        return false;
    }
    if (!ok)
        answer_error(a, 400, "parameter_invalid",
                     "The %s parameter is invalid: \"%.100s\"%s", name, value,
                     !strcmp(name, "page_limit")
                         ? "; it must be between 1 and 50."
                         : ".");
    return ok;
}

static bool take_parameters(struct parameters *p, const char *query,
                            struct answer *a)
{
    struct buf name BUF_SCOPE = {0}, value BUF_SCOPE = {0};
    while (query_next(&query, &name, &value))
        if (!take_parameter(p, name.data, value.data, a))
            return false;
    p->query.ids = (const char **)p->id;
    if (p->needle.len)
        p->query.needle = p->needle.data;
    return true;
}

/* Every so-manieth answer is of the past; 0: this one is not. */
static int64_t stale_moment(const struct server *s, uint64_t nth)
{
    int64_t every = quirk_get(s->quirks, QUIRK_STALE_EVERY);
    int64_t frozen = quirk_frozen_at(s->quirks, QUIRK_STALE_FROZEN);
    int64_t ago = quirk_get(s->quirks, QUIRK_STALE_MS);
    if (nth % (uint64_t)every != (uint64_t)every - 1)
        return 0;
    return frozen ? frozen : ago ? clock_us() - ago * 1000 : 0;
}

/* What quirks make of a question. */
static void bend_query(const struct server *s, uint64_t nth,
                       struct account_query *q)
{
    int64_t lag = quirk_get(s->quirks, QUIRK_TOTAL_LAG_MS);
    int64_t cap = quirk_get(s->quirks, QUIRK_PAGE_CAP);
    q->as_of_us = stale_moment(s, nth);
    q->total_as_of_us = quirk_frozen_at(s->quirks, QUIRK_TOTAL_FROZEN);
    if (lag && !q->total_as_of_us)
        q->total_as_of_us =
            (q->as_of_us ? q->as_of_us : clock_us()) - lag * 1000;
    if (cap && cap < q->limit)
        q->limit = cap;
    switch (quirk_get(s->quirks, QUIRK_TIES)) {
    case TIES_RANDOM:
        q->shuffle = hash_pair(1, nth);
        break;
    case TIES_BY_QUERY:
        q->shuffle = hash_pair(q->types + 16, (uint64_t)q->limit);
        if (q->needle)
            q->shuffle = hash_bytes(q->needle, strlen(q->needle), q->shuffle);
        break;
    default:
        break;
    }
}

static void add_total(const struct server *s, const char *name, long n,
                      struct buf *out)
{
    int64_t which = quirk_get(s->quirks, QUIRK_TOTAL_FORM);
    if (which == TOTAL_ABSENT)
        return;
    buf_printf(out, ",\"%s\":", name);
    if (which == TOTAL_NULL)
        buf_str(out, "null");
    else if (which == TOTAL_STRING)
        buf_printf(out, "\"%ld\"", n);
    else if (which == TOTAL_FLOAT)
        buf_printf(out, "%ld.0", n);
    else
        buf_number(out, n);
}

static void add_page_info(const struct server *s, uint64_t nth, long asked,
                          const struct account_query *q, long total,
                          struct buf *out)
{
    int64_t jump = quirk_get(s->quirks, QUIRK_TOTAL_JUMP);
    bool tell = quirk_get(s->quirks, QUIRK_PAGE_CAP_SAYS);
    long limit = tell ? asked : q->limit;
    if (!q->by_ids)
        total += (long)quirk_get(s->quirks, QUIRK_TOTAL_DELTA);
    if (jump && !q->by_ids)
        total +=
            (long)(hash_pair(2, nth) % (uint64_t)(2 * jump + 1)) - (long)jump;
    if (total < 0)
        total = 0;
    if (quirk_get(s->quirks, QUIRK_TOTAL_FORM) == TOTAL_NO_PAGE_INFO) {
        buf_char(out, '}');
        return;
    }
    buf_printf(out, ",\"page_info\":{\"limit_per_page\":%ld,\"page\":%ld",
               limit, q->page);
    add_total(s, "total_page", (total + q->limit - 1) / q->limit, out);
    add_total(s, "total_results", total, out);
    buf_str(out, "}}");
}

static void route_list(struct request *r, struct answer *a)
{
    struct server *s = r->server;
    struct parameters *p = calloc(1, sizeof(*p));
    if (!p) {
        a->body.failed = true;
        return;
    }
    p->query.page = 1;
    p->query.limit = 10;
    if (take_parameters(p, r->query, a)) {
        struct buf data BUF_SCOPE = {0};
        size_t total = 0;
        uint64_t nth = quirk_count(s->quirks);
        long asked = p->query.limit;
        bend_query(s, nth, &p->query);
        int err = account_list(s->account, &p->query, &data, &total);
        buf_str(&a->body, "{\"data\":");
        signer_text(s->signer, s->media_url,
                    (struct slice){data.data, data.len}, &a->body);
        add_page_info(s, nth, asked, &p->query, (long)total + r->fault.delta,
                      &a->body);
        if (err)
            a->body.failed = true;
    }
    parameters_free(p);
}

static int find_asset(struct server *s, const char *id, struct buf *out)
{
    int64_t then = stale_moment(s, quirk_count(s->quirks));
    return then ? account_get_past(s->account, id, then, out)
                : account_get(s->account, id, false, out);
}

static void route_retrieve(struct request *r, struct answer *a)
{
    struct server *s = r->server;
    struct buf id BUF_SCOPE = {0}, text BUF_SCOPE = {0};
    request_asset_id(r, &id);
    if (id.failed || find_asset(s, id.data, &text)) {
        answer_error(a, 404, "resource_not_exist",
                     "Asset with id %.100s does not exist.",
                     id.data ? id.data : "");
        return;
    }
    signer_text(s->signer, s->media_url, (struct slice){text.data, text.len},
                &a->body);
    a->body.failed |= text.failed;
}

static void add_retry(const struct ratelimit_state *state, struct answer *a)
{
    time_t reset = (time_t)((clock_wall_ms() + state->retry_ms + 999) / 1000);
    struct tm tm;
    char date[64] = "";
    if (state->style == RETRY_NONE)
        return;
    if (state->style == RETRY_MS) {
        answer_header(a, "retry-after-ms", "%lld", (long long)state->retry_ms);
    } else if (state->style == RETRY_DATE && gmtime_r(&reset, &tm) &&
               strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm)) {
        answer_header(a, "Retry-After", "%s", date);
    } else {
        answer_header(a, "Retry-After", "%lld",
                      (long long)(state->retry_ms + 999) / 1000);
    }
}

static enum category category_of(const struct request *r)
{
    if (!strcmp(r->method, "GET") || !strcmp(r->method, "HEAD"))
        return CATEGORY_READ;
    if (strcmp(r->method, "POST") != 0)
        return CATEGORY_CHANGE;
    return r->kind == KIND_CREATE ? CATEGORY_CREATE : CATEGORY_MULTIPART;
}

/* The budget's headers; false when it is used up. */
static bool within_budget(struct request *r, struct answer *a)
{
    struct ratelimit_state state =
        ratelimit_take(r->server->ratelimit, category_of(r));
    answer_header(a, "X-Ratelimit-Limit", "%ld", state.limit);
    answer_header(a, "X-Ratelimit-Remaining", "%ld", state.remaining);
    answer_header(a, "X-Ratelimit-Used", "%ld", state.used);
    answer_header(a, "X-Ratelimit-Reset", "%lld", (long long)state.reset_s);
    answer_header(a, "x-ratelimit-request-remaining", "%ld", state.remaining);
    if (state.allowed)
        return true;
    answer_error(a, 429, "too_many_requests",
                 "You have exceeded the rate limit of %ld requests. Please "
                 "try again later.",
                 state.limit);
    if (state.empty_body) {
        buf_clear(&a->body);
        a->type = NULL;
    }
    add_retry(&state, a);
    return false;
}

static const struct route {
    void (*run)(struct request *r, struct answer *a);
    const char *methods; /* as Allow lists them */
} routes[KIND_COUNT] = {
    [KIND_LIST] = {route_list, "GET, POST"},
    [KIND_RETRIEVE] = {route_retrieve, "GET, DELETE"},
    [KIND_CREATE] = {route_create, "GET, POST"},
    [KIND_DELETE] = {route_delete, "GET, DELETE"},
    [KIND_METADATA] = {route_metadata, "PATCH, PUT, DELETE"},
    [KIND_SESSION_CREATE] = {route_session_create, "GET, POST"},
    [KIND_SESSION_LIST] = {route_session_list, "GET, POST"},
    [KIND_SESSION_STATUS] = {route_session_status, "GET, POST"},
    [KIND_REPORT] = {route_report, "GET, POST"},
    [KIND_URLS] = {route_urls, "POST"},
};

static bool allows(const struct route *route, const char *method)
{
    const char *found = strstr(route->methods, method);
    size_t n = strlen(method);
    return found && n > 2 && (found[n] == ',' || !found[n]);
}

void route_api(struct request *r, struct answer *a)
{
    const char *key = request_header(r, "x-api-key");
    a->type = "application/json; charset=utf-8";
    if (!key || strcmp(key, r->server->key) != 0) {
        stats_unauthorised(r->server->stats);
        answer_error(a, 401, "api_key_invalid",
                     "The provided API key is invalid. Please provide a "
                     "valid API key in the x-api-key header.");
        return;
    }
    if (!within_budget(r, a))
        return;
    intake_settle(r->server->intake, false);
    const struct route *route = &routes[r->kind];
    if (!route->run) {
        answer_error(a, 404, "resource_not_exist",
                     "The resource %.200s does not exist.", r->path);
    } else if (!allows(route, r->method)) {
        answer_error(a, 405, "api_not_allowed", "Method %s is not allowed.",
                     r->method);
        answer_header(a, "Allow", "%s", route->methods);
    } else {
        route->run(r, a);
    }
}
