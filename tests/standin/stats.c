/* SPDX-License-Identifier: MIT */
#include "stats.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

#define TARGET_MAX 4000
#define AGENT_MAX  200

struct entry {
    uint64_t seq;
    int64_t wall_ms;
    int64_t start_ms;
    int64_t took_ms; /* -1: not answered yet */
    char *target;
    char *agent;
    char method[12];
    const char *fault;
    uint16_t status;
    uint8_t origin;
    uint8_t kind;
};

struct stats {
    pthread_mutex_t lock;
    uint64_t seq; /* the last given; not reset */
    uint64_t asked[KIND_COUNT];
    uint64_t answered[KIND_COUNT];
    uint64_t by_status[600];
    uint64_t key_leaks;
    uint64_t unauthorised;
    unsigned parallel[2]; /* by origin */
    unsigned max_parallel[2];
    struct entry *log; /* LOG_ENTRIES, at seq modulo that */
};

static const char *const origins[] = {"api", "media", "control"};

const char *stats_kind_name(unsigned kind)
{
    static const char *const names[KIND_COUNT] = {
        [KIND_LIST] = "list",
        [KIND_RETRIEVE] = "retrieve",
        [KIND_PICTURE] = "picture",
        [KIND_MANIFEST] = "manifest",
        [KIND_SEGMENT] = "segment",
        [KIND_CREATE] = "create",
        [KIND_DELETE] = "delete",
        [KIND_METADATA] = "metadata",
        [KIND_SESSION_CREATE] = "session_create",
        [KIND_SESSION_LIST] = "session_list",
        [KIND_SESSION_STATUS] = "session_status",
        [KIND_REPORT] = "report",
        [KIND_URLS] = "urls",
        [KIND_CHUNK] = "chunk",
        [KIND_OTHER] = "other",
    };
    return names[kind];
}

struct stats *stats_new(void)
{
    struct stats *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->log = calloc(LOG_ENTRIES, sizeof(*s->log));
    if (!s->log) {
        free(s);
        return NULL;
    }
    pthread_mutex_init(&s->lock, NULL);
    return s;
}

void stats_free(struct stats *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < LOG_ENTRIES; i++) {
        free(s->log[i].target);
        free(s->log[i].agent);
    }
    free(s->log);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

uint64_t stats_begin(struct stats *s, enum origin origin, enum kind kind,
                     const char *method, const char *target, const char *agent)
{
    pthread_mutex_lock(&s->lock);
    uint64_t seq = ++s->seq;
    struct entry *e = &s->log[seq % LOG_ENTRIES];
    free(e->target);
    free(e->agent);
    *e = (struct entry){
        .seq = seq,
        .wall_ms = clock_wall_ms(),
        .start_ms = clock_ms(),
        .took_ms = -1,
        .target = strndup(target, TARGET_MAX),
        .agent = agent ? strndup(agent, AGENT_MAX) : NULL,
        .origin = (uint8_t)origin,
        .kind = (uint8_t)kind,
    };
    strncpy(e->method, method, sizeof(e->method) - 1);
    s->asked[kind]++;
    if (++s->parallel[origin] > s->max_parallel[origin])
        s->max_parallel[origin] = s->parallel[origin];
    pthread_mutex_unlock(&s->lock);
    return seq;
}

void stats_end(struct stats *s, uint64_t seq, int status, const char *fault)
{
    pthread_mutex_lock(&s->lock);
    struct entry *e = &s->log[seq % LOG_ENTRIES];
    if (e->seq == seq && e->took_ms < 0) {
        e->took_ms = clock_ms() - e->start_ms;
        e->status = (uint16_t)status;
        e->fault = fault;
        s->answered[e->kind]++;
        s->parallel[e->origin]--;
    }
    s->by_status[status >= 0 && status < 600 ? status : 0]++;
    pthread_mutex_unlock(&s->lock);
}

void stats_key_leak(struct stats *s)
{
    pthread_mutex_lock(&s->lock);
    s->key_leaks++;
    pthread_mutex_unlock(&s->lock);
}

void stats_unauthorised(struct stats *s)
{
    pthread_mutex_lock(&s->lock);
    s->unauthorised++;
    pthread_mutex_unlock(&s->lock);
}

void stats_reset(struct stats *s)
{
    pthread_mutex_lock(&s->lock);
    memset(s->asked, 0, sizeof(s->asked));
    memset(s->answered, 0, sizeof(s->answered));
    memset(s->by_status, 0, sizeof(s->by_status));
    memcpy(s->max_parallel, s->parallel, sizeof(s->parallel));
    s->key_leaks = 0;
    s->unauthorised = 0;
    pthread_mutex_unlock(&s->lock);
}

static uint64_t sum(const uint64_t *counts)
{
    uint64_t total = 0;
    for (int i = 0; i < KIND_COUNT; i++)
        total += counts[i];
    return total;
}

static int64_t counter(const struct stats *s, const char *name)
{
    const uint64_t *counts = s->asked;
    if (!strncmp(name, "status.", 7)) {
        long status = strtol(name + 7, NULL, 10);
        return status >= 0 && status < 600 ? (int64_t)s->by_status[status] : -1;
    }
    if (!strcmp(name, "requests"))
        return (int64_t)sum(s->asked);
    if (!strcmp(name, "answered"))
        return (int64_t)sum(s->answered);
    if (!strcmp(name, "key_leaks"))
        return (int64_t)s->key_leaks;
    if (!strcmp(name, "unauthorised"))
        return (int64_t)s->unauthorised;
    if (!strncmp(name, "answered.", 9)) {
        counts = s->answered;
        name += 9;
    }
    for (int i = 0; i < KIND_COUNT; i++)
        if (!strcmp(name, stats_kind_name((unsigned)i)))
            return (int64_t)counts[i];
    return -1;
}

int64_t stats_counter(struct stats *s, const char *name)
{
    pthread_mutex_lock(&s->lock);
    int64_t n = counter(s, name);
    pthread_mutex_unlock(&s->lock);
    return n;
}

static void add_counts(const char *name, const uint64_t *counts,
                       struct buf *out)
{
    buf_printf(out, "\"%s\":{", name);
    for (int i = 0; i < KIND_COUNT; i++)
        buf_printf(out, "%s\"%s\":%llu", i ? "," : "", stats_kind_name(i),
                   (unsigned long long)counts[i]);
    buf_char(out, '}');
}

void stats_json(struct stats *s, struct buf *out)
{
    pthread_mutex_lock(&s->lock);
    buf_char(out, '{');
    add_counts("requests", s->asked, out);
    buf_char(out, ',');
    add_counts("answered", s->answered, out);
    buf_str(out, ",\"by_status\":{");
    bool first = true;
    for (int i = 0; i < 600; i++) {
        if (!s->by_status[i])
            continue;
        buf_printf(out, "%s\"%d\":%llu", first ? "" : ",", i,
                   (unsigned long long)s->by_status[i]);
        first = false;
    }
    buf_printf(out,
               "},\"parallel\":%u,\"max_parallel\":%u,"
               "\"max_parallel_media\":%u,\"key_leaks\":%llu,"
               "\"unauthorised\":%llu,\"seq\":%llu}",
               s->parallel[ORIGIN_API], s->max_parallel[ORIGIN_API],
               s->max_parallel[ORIGIN_MEDIA], (unsigned long long)s->key_leaks,
               (unsigned long long)s->unauthorised, (unsigned long long)s->seq);
    pthread_mutex_unlock(&s->lock);
}

static void add_entry(const struct entry *e, struct buf *out)
{
    buf_printf(out,
               "{\"seq\":%llu,\"time_ms\":%lld,\"origin\":\"%s\","
               "\"kind\":\"%s\",\"method\":",
               (unsigned long long)e->seq, (long long)e->wall_ms,
               origins[e->origin], stats_kind_name(e->kind));
    buf_json(out, e->method);
    buf_str(out, ",\"path\":");
    buf_json(out, e->target ? e->target : "");
    buf_printf(out, ",\"status\":%u,\"ms\":%lld,\"fault\":", e->status,
               (long long)e->took_ms);
    if (e->fault)
        buf_json(out, e->fault);
    else
        buf_str(out, "null");
    buf_str(out, ",\"agent\":");
    buf_json(out, e->agent ? e->agent : "");
    buf_char(out, '}');
}

void stats_log_json(struct stats *s, uint64_t since, struct buf *out)
{
    pthread_mutex_lock(&s->lock);
    uint64_t seq = since + 1;
    if (s->seq > LOG_ENTRIES && seq <= s->seq - LOG_ENTRIES)
        seq = s->seq - LOG_ENTRIES + 1;
    buf_char(out, '[');
    for (bool first = true; seq <= s->seq; seq++) {
        const struct entry *e = &s->log[seq % LOG_ENTRIES];
        if (e->seq != seq)
            continue;
        if (!first)
            buf_char(out, ',');
        first = false;
        add_entry(e, out);
    }
    pthread_mutex_unlock(&s->lock);
    buf_char(out, ']');
}
