/* SPDX-License-Identifier: MIT */
/* The control routes that ask and set; control_change.c has those that
 * change the account. The list of all is at the head of main.c. */
#include "control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

void control_result(struct answer *a, int err)
{
    buf_clear(&a->body);
    if (!err) {
        buf_str(&a->body, "{\"ok\":true}");
        return;
    }
    a->status = err == -ENOENT ? 404 : err == -ENOMEM ? 500 : 400;
    buf_str(&a->body, "{\"ok\":false,\"error\":");
    buf_json(&a->body, strerror(-err));
    buf_char(&a->body, '}');
}

double control_number(const struct call *c, const char *name, double otherwise)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(c->json, name);
    if (!cJSON_IsNumber(item) || !(item->valuedouble > -9e15) ||
        !(item->valuedouble < 9e15))
        return otherwise;
    return item->valuedouble;
}

const char *control_text(const struct call *c, const char *name)
{
    return cJSON_GetStringValue(
        cJSON_GetObjectItemCaseSensitive(c->json, name));
}

static void get_stats(struct call *c)
{
    struct server *s = c->request->server;
    stats_json(s->stats, &c->answer->body);
    if (c->answer->body.failed)
        return;
    c->answer->body.len--; /* the closing brace */
    buf_printf(&c->answer->body, ",\"stalled\":%zu,\"delayed\":%zu}",
               park_count(s->park, PARK_STALL),
               park_count(s->park, PARK_DELAY));
}

static void get_log(struct call *c)
{
    int64_t since = query_number(c->request->query, "since", 0);
    stats_log_json(c->request->server->stats, since < 0 ? 0 : (uint64_t)since,
                   &c->answer->body);
}

static void reset(struct call *c)
{
    stats_reset(c->request->server->stats);
    control_result(c->answer, 0);
}

static void get_info(struct call *c)
{
    struct server *s = c->request->server;
    buf_printf(&c->answer->body,
               "{\"api\":\"%s\",\"media\":\"%s\",\"control\":\"%s\","
               "\"count\":%zu,\"mark\":%u,\"clip\":%s}",
               s->api_url, s->media_url, s->control_url,
               account_count(s->account), account_mark(s->account),
               s->clip ? "true" : "false");
}

static void add_fault(struct call *c)
{
    int number = faults_add(c->request->server->faults, c->json);
    if (number < 0)
        control_result(c->answer, number);
    else
        buf_printf(&c->answer->body, "{\"ok\":true,\"rule\":%d}", number);
}

static void get_faults(struct call *c)
{
    faults_json(c->request->server->faults, &c->answer->body);
}

static void clear_faults(struct call *c)
{
    faults_clear(c->request->server->faults);
    park_release(c->request->server->park);
    control_result(c->answer, 0);
}

static void set_ratelimit(struct call *c)
{
    static const char *const styles[] = {"seconds", "date", "ms", "none"};
    struct ratelimit *limits = c->request->server->ratelimit;
    int category = ratelimit_category(control_text(c, "category"));
    const char *style = control_text(c, "retry_after");
    struct ratelimit_setting setting = {
        .limit = (long)control_number(c, "limit", -1),
        .window_s = (long)control_number(c, "window_s", 60),
        .used = (long)control_number(c, "used", 0),
        .retry_after_s = (long)control_number(c, "retry_after_s", -1),
        .empty_body = cJSON_IsTrue(
            cJSON_GetObjectItemCaseSensitive(c->json, "empty_body")),
    };
    int i = 0;
    while (style && i < 4 && strcmp(style, styles[i]) != 0)
        i++;
    setting.style = (enum retry_style)i;
    if (category < 0 || i == 4) {
        control_result(c->answer, -EINVAL);
        return;
    }
    if (setting.limit < 0)
        ratelimit_generous(limits, (enum category)category);
    else
        ratelimit_set(limits, (enum category)category, &setting);
    control_result(c->answer, 0);
}

static void get_quirks(struct call *c)
{
    quirks_json(c->request->server->quirks, &c->answer->body);
}

static void set_quirks(struct call *c)
{
    struct server *s = c->request->server;
    int err = quirks_set(s->quirks, c->json);
    server_apply_quirks(s);
    control_result(c->answer, err);
}

static void clear_quirks(struct call *c)
{
    quirks_clear(c->request->server->quirks);
    server_apply_quirks(c->request->server);
    control_result(c->answer, 0);
}

static void get_help(struct call *c)
{
    c->answer->type = "text/plain; charset=utf-8";
    buf_str(&c->answer->body, "Quirks (POST /control/quirks, --quirk):\n\n");
    quirks_help(&c->answer->body);
}

static void get_uploads(struct call *c)
{
    intake_json(c->request->server->intake, &c->answer->body);
}

static void get_sessions(struct call *c)
{
    sessions_json(c->request->server->sessions, &c->answer->body);
}

static void settle(struct call *c)
{
    intake_settle(c->request->server->intake, true);
    control_result(c->answer, 0);
}

static void expire_sessions(struct call *c)
{
    control_result(c->answer, sessions_expire(c->request->server->sessions,
                                              control_text(c, "upload_id")));
}

static void expire_urls(struct call *c)
{
    sessions_expire_urls(c->request->server->sessions);
    control_result(c->answer, 0);
}

static void set_in_use(struct call *c)
{
    const char *id = control_text(c, "id");
    const cJSON *on = cJSON_GetObjectItemCaseSensitive(c->json, "on");
    control_result(c->answer, id ? intake_refer(c->request->server->intake, id,
                                                !cJSON_IsFalse(on))
                                 : -EINVAL);
}

static void set_latency(struct call *c)
{
    atomic_store(&c->request->server->latency_ms,
                 (int64_t)control_number(c, "ms", 0));
    control_result(c->answer, 0);
}

/* {"ms":n}, or {"on":true} until {"on":false}. */
static void set_offline(struct call *c)
{
    struct server *s = c->request->server;
    const cJSON *on = cJSON_GetObjectItemCaseSensitive(c->json, "on");
    double ms = control_number(c, "ms", -1);
    int64_t until = 0;
    if (ms >= 0)
        until = clock_ms() + (int64_t)ms;
    else if (!cJSON_IsFalse(on))
        until = INT64_MAX;
    atomic_store(&s->offline_until_ms, until);
    if (until)
        park_drop(s->park);
    control_result(c->answer, 0);
}

static void set_signing(struct call *c)
{
    static const char *const names[] = {"expires", "amz", "token"};
    const cJSON *on = cJSON_GetObjectItemCaseSensitive(c->json, "on");
    const char *name = control_text(c, "style");
    int style = 0;
    while (name && style < 3 && strcmp(name, names[style]) != 0)
        style++;
    if (style == 3) {
        control_result(c->answer, -EINVAL);
        return;
    }
    signer_set(c->request->server->signer, !cJSON_IsFalse(on),
               (enum sign_style)style, (long)control_number(c, "ttl_s", 3600));
    control_result(c->answer, 0);
}

static void expire(struct call *c)
{
    signer_expire(c->request->server->signer);
    control_result(c->answer, 0);
}

static void get_ids(struct call *c)
{
    int64_t mark = query_number(c->request->query, "before", 0);
    account_ids(c->request->server->account, mark < 0 ? 0 : (uint32_t)mark,
                &c->answer->body);
}

static void get_dump(struct call *c)
{
    c->answer->type = "application/x-ndjson";
    account_dump(c->request->server->account, &c->answer->body);
}

/* /control/assets/<id>/raw */
static void get_raw(struct call *c)
{
    struct buf id BUF_SCOPE = {0};
    const char *from = c->request->path + strlen("/control/assets/");
    const char *end = strrchr(from, '/');
    int err = -ENOENT;
    if (end && !strcmp(end, "/raw")) {
        path_decode(from, (size_t)(end - from), &id);
        if (!id.failed)
            err = account_get(c->request->server->account, id.data, true,
                              &c->answer->body);
    }
    if (err)
        control_result(c->answer, err);
}

/* /control/wait?counter=list&at_least=3&timeout_ms=5000; true: answered. */
static bool wait_counter(struct request *r, struct answer *a)
{
    struct buf name BUF_SCOPE = {0};
    if (!query_text(r->query, "counter", &name) ||
        name.len >= sizeof(r->counter) ||
        stats_counter(r->server->stats, name.data) < 0) {
        control_result(a, -EINVAL);
        return true;
    }
    int64_t timeout = query_number(r->query, "timeout_ms", 10000);
    if (timeout < 0 || timeout > 3600000)
        timeout = 3600000;
    strcpy(r->counter, name.data);
    r->at_least = query_number(r->query, "at_least", 1);
    r->parked.deadline_ms = clock_ms() + timeout;
    return false;
}

static const struct {
    const char *method;
    const char *path;
    void (*run)(struct call *c);
} routes[] = {
    {"GET", "/control", get_info},
    {"GET", "/control/stats", get_stats},
    {"GET", "/control/log", get_log},
    {"POST", "/control/reset", reset},
    {"GET", "/control/faults", get_faults},
    {"POST", "/control/faults", add_fault},
    {"DELETE", "/control/faults", clear_faults},
    {"GET", "/control/help", get_help},
    {"GET", "/control/quirks", get_quirks},
    {"POST", "/control/quirks", set_quirks},
    {"DELETE", "/control/quirks", clear_quirks},
    {"GET", "/control/uploads", get_uploads},
    {"GET", "/control/sessions", get_sessions},
    {"POST", "/control/settle", settle},
    {"POST", "/control/sessions/expire", expire_sessions},
    {"POST", "/control/urls/expire", expire_urls},
    {"POST", "/control/in_use", set_in_use},
    {"POST", "/control/ratelimit", set_ratelimit},
    {"POST", "/control/latency", set_latency},
    {"POST", "/control/offline", set_offline},
    {"POST", "/control/signing", set_signing},
    {"POST", "/control/expire", expire},
    {"GET", "/control/ids", get_ids},
    {"GET", "/control/dump", get_dump},
    {"POST", "/control/create", control_create},
    {"POST", "/control/delete", control_delete},
    {"POST", "/control/edit", control_edit},
    {"POST", "/control/status", control_status},
    {"GET", "/control/churn", control_churn},
    {"POST", "/control/churn", control_churn_start},
    {"POST", "/control/churn/stop", control_churn_stop},
};

static void dispatch(struct call *c)
{
    const struct request *r = c->request;
    for (size_t i = 0; i < sizeof(routes) / sizeof(*routes); i++) {
        if (!strcmp(r->method, routes[i].method) &&
            !strcmp(r->path, routes[i].path)) {
            routes[i].run(c);
            return;
        }
    }
    if (!strcmp(r->method, "GET") && !strncmp(r->path, "/control/assets/", 16))
        get_raw(c);
    else
        control_result(c->answer, -ENOENT);
}

/*
 * The body as a tree of plain parameters. Objects that go into an account are
 * taken from its text instead and stand here as 0: they may hold what no
 * parser takes, such as half a surrogate pair.
 */
static cJSON *parse_parameters(struct slice body)
{
    static const char *const objects[] = {"fields", "text", "merge"};
    struct buf plain BUF_SCOPE = {0};
    struct slice value;
    buf_add(&plain, body.p, body.n);
    if (plain.failed)
        return NULL;
    for (size_t i = 0; i < sizeof(objects) / sizeof(*objects); i++) {
        if (json_find(body, objects[i], &value) && value.n) {
            char *at = plain.data + (value.p - body.p);
            memset(at, ' ', value.n);
            *at = '0';
        }
    }
    return cJSON_ParseWithLength(plain.data, plain.len);
}

bool route_control(struct request *r, struct answer *a)
{
    struct call c = {.request = r, .answer = a};
    if (!strcmp(r->path, "/control/wait"))
        return wait_counter(r, a);
    if (r->body.failed) {
        control_result(a, -ENOMEM);
        return true;
    }
    if (r->body.len) {
        c.body = (struct slice){r->body.data, r->body.len};
        c.json = parse_parameters(c.body);
        if (!cJSON_IsObject(c.json)) {
            cJSON_Delete(c.json);
            control_result(a, -EINVAL);
            return true;
        }
    }
    dispatch(&c);
    cJSON_Delete(c.json);
    return true;
}
