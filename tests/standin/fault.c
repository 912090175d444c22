/* SPDX-License-Identifier: MIT */
#include "fault.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "hash.h"

struct rule {
    cJSON *json;
    enum fault_kind kind;
    long seen;    /* requests that matched */
    long applied; /* of them, those that suffered */
};

struct faults {
    pthread_mutex_t lock;
    struct rule *rule;
    size_t n;
};

static const char *const names[FAULT_KINDS] = {
    [FAULT_STATUS] = "status",
    [FAULT_RESET] = "reset",
    [FAULT_TRUNCATE] = "truncate",
    [FAULT_STALL] = "stall",
    [FAULT_STALL_BODY] = "stall_body",
    [FAULT_DRIP] = "drip",
    [FAULT_GARBAGE] = "garbage",
    [FAULT_HTML] = "html",
    [FAULT_WRONG_TYPES] = "wrong_types",
    [FAULT_ENDLESS] = "endless",
    [FAULT_EMPTY] = "empty",
    [FAULT_REDIRECT] = "redirect",
    [FAULT_GZIP_BOMB] = "gzip_bomb",
    [FAULT_LATENCY] = "latency",
    [FAULT_LAGGING_TOTAL] = "lagging_total",
    [FAULT_PARTIAL_JSON] = "partial_json",
    [FAULT_CONTENT_TYPE] = "content_type",
    [FAULT_HEADERS] = "headers",
    [FAULT_PLAYLIST] = "playlist",
    [FAULT_CHANGING_LENGTH] = "changing_length",
    [FAULT_LOST_ANSWER] = "lost_answer",
    [FAULT_LATE_ANSWER] = "late_answer",
};

bool fault_refuses(const struct fault *fault)
{
    return fault->kind == FAULT_STATUS && fault->status >= 400 &&
           fault->status < 500 && fault->status != 408;
}

const char *fault_name(enum fault_kind kind)
{
    return names[kind];
}

struct faults *faults_new(void)
{
    struct faults *f = calloc(1, sizeof(*f));
    if (f)
        pthread_mutex_init(&f->lock, NULL);
    return f;
}

static void clear(struct faults *f)
{
    for (size_t i = 0; i < f->n; i++)
        cJSON_Delete(f->rule[i].json);
    free(f->rule);
    f->rule = NULL;
    f->n = 0;
}

void faults_free(struct faults *f)
{
    if (!f)
        return;
    clear(f);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

void faults_clear(struct faults *f)
{
    pthread_mutex_lock(&f->lock);
    clear(f);
    pthread_mutex_unlock(&f->lock);
}

static const char *text_of(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

/* Within ±9e15, so that every cast to an integer is defined. */
static double number_of(const cJSON *object, const char *name, double otherwise)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    if (!cJSON_IsNumber(item) || !(item->valuedouble > -9e15) ||
        !(item->valuedouble < 9e15))
        return otherwise;
    return item->valuedouble;
}

static enum fault_kind kind_of(const char *name)
{
    for (int i = 1; name && i < FAULT_KINDS; i++)
        if (!strcmp(names[i], name))
            return (enum fault_kind)i;
    return FAULT_NONE;
}

/* A misspelt condition would match everything: refuse it. */
static bool match_is_known(const cJSON *match)
{
    static const char *const known[] = {
        "origin", "path_prefix", "query_contains", "kind",   "nth",
        "count",  "probability", "seed",           "method",
    };
    if (match && !cJSON_IsObject(match))
        return false;
    const cJSON *item;
    cJSON_ArrayForEach(item, match)
    {
        bool found = false;
        for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
            found |= !strcmp(item->string, known[i]);
        if (!found)
            return false;
    }
    return true;
}

int faults_add(struct faults *f, const cJSON *json)
{
    enum fault_kind kind = kind_of(text_of(json, "kind"));
    if (!kind ||
        !match_is_known(cJSON_GetObjectItemCaseSensitive(json, "match")))
        return -EINVAL;
    cJSON *copy = cJSON_Duplicate(json, true);
    if (!copy)
        return -ENOMEM;
    int result = -ENOSPC;
    pthread_mutex_lock(&f->lock);
    if (f->n < FAULT_RULES_MAX) {
        struct rule *rule = realloc(f->rule, (f->n + 1) * sizeof(*rule));
        result = -ENOMEM;
        if (rule) {
            f->rule = rule;
            rule[f->n++] = (struct rule){.json = copy, .kind = kind};
            copy = NULL;
            result = (int)f->n;
        }
    }
    pthread_mutex_unlock(&f->lock);
    cJSON_Delete(copy);
    return result;
}

static bool names_request(const cJSON *match, enum origin origin,
                          enum kind kind, const char *method,
                          const char *target)
{
    static const char *const origins[] = {"api", "media", "control"};
    const char *text = text_of(match, "origin");
    if (text && strcmp(text, origins[origin]) != 0)
        return false;
    text = text_of(match, "kind");
    if (text && strcmp(text, stats_kind_name(kind)) != 0)
        return false;
    text = text_of(match, "method");
    if (text && strcmp(text, method) != 0)
        return false;
    text = text_of(match, "path_prefix");
    if (text && strncmp(target, text, strlen(text)) != 0)
        return false;
    text = text_of(match, "query_contains");
    const char *query = strchr(target, '?');
    return !text || (query && strstr(query, text));
}

/* Whether the rule strikes the request it names; counts. */
static bool strikes(struct rule *rule, const cJSON *match)
{
    long nth = (long)number_of(match, "nth", 0);
    long count = (long)number_of(match, "count", nth ? 1 : -1);
    double probability = number_of(match, "probability", 1);
    uint64_t seed = (uint64_t)(int64_t)number_of(match, "seed", 1);
    long seen = ++rule->seen;
    if (seen < nth || (count >= 0 && rule->applied >= count))
        return false;
    double roll = (double)(hash_pair(seed, (uint64_t)seen) >> 11) / 0x1p53;
    if (roll >= probability)
        return false;
    rule->applied++;
    return true;
}

static void fill_fault(const struct rule *rule, struct fault *fault)
{
    const char *body = text_of(rule->json, "body");
    const char *location = text_of(rule->json, "location");
    const cJSON *headers =
        cJSON_GetObjectItemCaseSensitive(rule->json, "headers");
    fault->kind = rule->kind;
    double status = number_of(rule->json, "status",
                              rule->kind == FAULT_REDIRECT ? 302 : 500);
    fault->status = status >= 200 && status <= 599 ? (int)status : 500;
    fault->ms = (int64_t)number_of(rule->json, "ms", -1);
    fault->variant = (long)number_of(rule->json, "variant", 0);
    fault->seed = hash_pair((uint64_t)rule->seen, 7);
    fault->body = body ? strdup(body) : NULL;
    fault->location = location ? strdup(location) : NULL;
    fault->headers = headers ? cJSON_Duplicate(headers, true) : NULL;
}

void faults_match(struct faults *f, enum origin origin, enum kind kind,
                  const char *method, const char *target,
                  struct fault *ret_fault)
{
    struct fault fault = {0};
    pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < f->n; i++) {
        struct rule *rule = &f->rule[i];
        bool adds =
            rule->kind == FAULT_LATENCY || rule->kind == FAULT_LAGGING_TOTAL;
        const cJSON *match =
            cJSON_GetObjectItemCaseSensitive(rule->json, "match");
        if ((!adds && fault.kind) ||
            !names_request(match, origin, kind, method, target) ||
            !strikes(rule, match))
            continue;
        if (rule->kind == FAULT_LATENCY)
            fault.latency_ms += (int64_t)number_of(rule->json, "ms", 100);
        else if (rule->kind == FAULT_LAGGING_TOTAL)
            fault.delta += (long)number_of(rule->json, "delta", -1);
        else
            fill_fault(rule, &fault);
    }
    pthread_mutex_unlock(&f->lock);
    *ret_fault = fault;
}

void faults_json(struct faults *f, struct buf *out)
{
    pthread_mutex_lock(&f->lock);
    buf_char(out, '[');
    for (size_t i = 0; i < f->n; i++) {
        const struct rule *rule = &f->rule[i];
        char *json = cJSON_PrintUnformatted(rule->json);
        buf_printf(out, "%s{\"rule\":%s,\"seen\":%ld,\"applied\":%ld}",
                   i ? "," : "", json ? json : "null", rule->seen,
                   rule->applied);
        cJSON_free(json);
    }
    pthread_mutex_unlock(&f->lock);
    buf_char(out, ']');
}

void fault_done(struct fault *fault)
{
    free(fault->body);
    free(fault->location);
    cJSON_Delete(fault->headers);
    *fault = (struct fault){0};
}
