/* GET /v1.3/assets and GET /v1.3/assets/{id}, as API.md has them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "http.h"

#define LIST_PATH "/v1.3/assets"

enum kind route_api_kind(const char *path)
{
    size_t n = strlen(LIST_PATH);
    if (!strcmp(path, LIST_PATH))
        return KIND_LIST;
    if (!strncmp(path, LIST_PATH "/", n + 1) && path[n + 1] &&
        !strchr(path + n + 1, '/'))
        return KIND_RETRIEVE;
    return KIND_OTHER;
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

static void add_page_info(const struct account_query *q, long total,
                          struct buf *out)
{
    if (total < 0)
        total = 0;
    buf_printf(out,
               ",\"page_info\":{\"limit_per_page\":%ld,\"page\":%ld,"
               "\"total_page\":%ld,\"total_results\":%ld}}",
               q->limit, q->page, (total + q->limit - 1) / q->limit, total);
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
        int err = account_list(s->account, &p->query, &data, &total);
        buf_str(&a->body, "{\"data\":");
        signer_text(s->signer, s->media_url,
                    (struct slice){data.data, data.len}, &a->body);
        add_page_info(&p->query, (long)total + r->fault.delta, &a->body);
        if (err)
            a->body.failed = true;
    }
    parameters_free(p);
}

static void route_retrieve(struct request *r, struct answer *a)
{
    struct server *s = r->server;
    struct buf id BUF_SCOPE = {0}, text BUF_SCOPE = {0};
    const char *raw = r->path + strlen(LIST_PATH) + 1;
    path_decode(raw, strlen(raw), &id);
    if (id.failed || account_get(s->account, id.data, false, &text)) {
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
    time_t reset = (time_t)state->reset_s;
    struct tm tm;
    char date[64] = "";
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

/* The budget's headers; false when it is used up. */
static bool within_budget(struct request *r, struct answer *a)
{
    struct ratelimit_state state = ratelimit_take(r->server->ratelimit);
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
    add_retry(&state, a);
    return false;
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
    if (r->kind == KIND_OTHER) {
        answer_error(a, 404, "resource_not_exist",
                     "The resource %.200s does not exist.", r->path);
    } else if (strcmp(r->method, "GET") != 0) {
        answer_error(a, 405, "api_not_allowed", "Method %s is not allowed.",
                     r->method);
        answer_header(a, "Allow", "GET");
    } else if (r->kind == KIND_LIST) {
        route_list(r, a);
    } else {
        route_retrieve(r, a);
    }
}
