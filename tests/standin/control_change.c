/* SPDX-License-Identifier: MIT */
/* Control calls that change the account. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "control.h"
#include "hash.h"

static struct account *account_of(const struct call *c)
{
    return c->request->server->account;
}

static bool parse_status(const char *text, enum asset_status *ret_status)
{
    static const char *const names[] = {"ready", "processing", "failed"};
    for (int i = 0; text && i < 3; i++) {
        if (!strcmp(text, names[i])) {
            *ret_status = (enum asset_status)i;
            return true;
        }
    }
    return !text;
}

/* A moment as RFC 3339 text or epoch seconds, -1 for now. */
static int64_t creation_time(const struct call *c)
{
    struct tm tm = {0};
    const char *text = control_text(c, "created_at");
    const char *end = text ? strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm) : NULL;
    if (end && !*end)
        return timegm(&tm);
    return (int64_t)control_number(c, "created_at", -1);
}

void control_create(struct call *c)
{
    struct slice fields = {0}, raw = {0};
    enum asset_status status = STATUS_READY;
    double count = control_number(c, "count", 1);
    int64_t at = creation_time(c);
    json_find(c->body, "fields", &fields);
    bool good = parse_status(control_text(c, "status"), &status) &&
                count >= 0 && count <= ASSETS_MAX &&
                (!fields.n || *fields.p == '{');
    int err = good ? 0 : -EINVAL;
    buf_str(&c->answer->body, "{\"ok\":true,\"ids\":[");
    for (long i = 0; !err && i < (long)count; i++) {
        char id[ID_LENGTH + 1] = "";
        if (json_find(c->body, "text", &raw))
            err = account_create_text(account_of(c), at, raw, id);
        else
            err = account_create(account_of(c), status, at, fields, id);
        if (i)
            buf_char(&c->answer->body, ',');
        buf_json(&c->answer->body, id);
    }
    buf_str(&c->answer->body, "]}");
    if (err)
        control_result(c->answer, err);
}

/* Deletes the id and notes it. */
static int delete_one(struct call *c, const char *id, long *n)
{
    int err = account_delete(account_of(c), id);
    if (err)
        return err;
    if ((*n)++)
        buf_char(&c->answer->body, ',');
    buf_json(&c->answer->body, id);
    return 0;
}

static int delete_at(struct call *c, size_t place, long *n)
{
    char id[ID_LENGTH + 1];
    int err = account_id_at(account_of(c), place, id);
    return err ? err : delete_one(c, id, n);
}

/* Places are those before anything is deleted: from the oldest up. */
static int delete_places(struct call *c, const cJSON *places, long *n)
{
    struct buf ids BUF_SCOPE = {0};
    const cJSON *item;
    cJSON_ArrayForEach(item, places)
    {
        char id[ID_LENGTH + 1];
        if (!cJSON_IsNumber(item) || item->valueint < 0 ||
            account_id_at(account_of(c), (size_t)item->valueint, id))
            return -ENOENT;
        buf_add(&ids, id, sizeof(id));
    }
    int err = ids.failed ? -ENOMEM : 0;
    for (size_t at = 0; !err && at < ids.len; at += ID_LENGTH + 1)
        err = delete_one(c, ids.data + at, n);
    return err;
}

void control_delete(struct call *c)
{
    const cJSON *ids = cJSON_GetObjectItemCaseSensitive(c->json, "ids");
    const cJSON *places = cJSON_GetObjectItemCaseSensitive(c->json, "index");
    const cJSON *all = cJSON_GetObjectItemCaseSensitive(c->json, "all");
    double random = control_number(c, "random", 0);
    uint64_t seed = (uint64_t)(int64_t)control_number(c, "seed", 1);
    const cJSON *item;
    int err = ids || places || all || random > 0 ? 0 : -EINVAL;
    long n = 0;
    buf_str(&c->answer->body, "{\"ok\":true,\"ids\":[");
    cJSON_ArrayForEach(item, ids)
    {
        if (!err)
            err = cJSON_IsString(item) ? delete_one(c, item->valuestring, &n)
                                       : -EINVAL;
    }
    if (!err && places)
        err = delete_places(c, places, &n);
    for (long i = 0; !err && i < (long)random; i++) {
        size_t count = account_count(account_of(c));
        if (!count)
            break;
        err = delete_at(c, hash_pair(seed, (uint64_t)i) % count, &n);
    }
    while (!err && cJSON_IsTrue(all) && account_count(account_of(c)))
        err = delete_at(c, 0, &n);
    buf_str(&c->answer->body, "]}");
    if (err)
        control_result(c->answer, err);
}

void control_edit(struct call *c)
{
    struct slice patch;
    const char *id = control_text(c, "id");
    if (!id || !json_find(c->body, "merge", &patch) || *patch.p != '{')
        control_result(c->answer, -EINVAL);
    else
        control_result(c->answer, account_edit(account_of(c), id, patch));
}

void control_status(struct call *c)
{
    struct slice patch = {0};
    enum asset_status status;
    const char *id = control_text(c, "id");
    const char *text = control_text(c, "status");
    json_find(c->body, "merge", &patch);
    if (!id || !text || !parse_status(text, &status))
        control_result(c->answer, -EINVAL);
    else
        control_result(c->answer,
                       account_set_status(account_of(c), id, status, patch));
}

void control_churn(struct call *c)
{
    churn_json(c->request->server->churn, &c->answer->body);
}

void control_churn_start(struct call *c)
{
    const cJSON *mix = cJSON_GetObjectItemCaseSensitive(c->json, "mix");
    struct call weights = {.json = (cJSON *)(uintptr_t)mix};
    struct churn_plan plan = {
        .per_second = control_number(c, "per_second", 50),
        .seconds = control_number(c, "seconds", 60),
        .seed = (uint64_t)(int64_t)control_number(c, "seed", 1),
        .create = control_number(&weights, "create", mix ? 0 : 1),
        .remove = control_number(&weights, "delete", mix ? 0 : 1),
        .edit = control_number(&weights, "edit", mix ? 0 : 1),
    };
    double sum = plan.create + plan.remove + plan.edit;
    if (plan.per_second <= 0 || plan.create < 0 || plan.remove < 0 ||
        plan.edit < 0 || sum <= 0)
        control_result(c->answer, -EINVAL);
    else
        control_result(c->answer,
                       churn_start(c->request->server->churn, &plan));
}

void control_churn_stop(struct call *c)
{
    churn_stop(c->request->server->churn);
    control_churn(c);
}
