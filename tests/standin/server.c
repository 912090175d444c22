/* SPDX-License-Identifier: MIT */
/*
 * libmicrohttpd's side: binding, the life of a request, start and end.
 *
 * Both daemons run epoll threads. A request is made when its line has come
 * (on_target), handled by on_request, and freed by on_done. Whatever waits is
 * suspended and stands in the park.
 */
#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "http.h"

#define THREADS         4
#define CONNECTIONS_MAX 8000
#define HEAD_MAX        ((size_t)512 << 10)
#define IDLE_S          300u

static void *new_request(struct server *s, enum origin origin,
                         const char *target)
{
    struct request *r = calloc(1, sizeof(*r));
    if (!r)
        return NULL;
    r->server = s;
    r->origin = origin;
    r->body.max = BODY_MAX;
    r->target = strdup(target);
    r->path = strndup(target, strcspn(target, "?"));
    if (!r->target || !r->path) {
        free(r->target);
        free(r->path);
        free(r);
        return NULL;
    }
    const char *query = strchr(r->target, '?');
    r->query = query ? query + 1 : "";
    if (origin == ORIGIN_API &&
        (!strncmp(r->path, "/control/", 9) || !strcmp(r->path, "/control")))
        r->origin = ORIGIN_CONTROL;
    return r;
}

static void *on_api_target(void *cls, const char *target,
                           struct MHD_Connection *connection)
{
    (void)connection;
    return new_request(cls, ORIGIN_API, target);
}

static void *on_media_target(void *cls, const char *target,
                             struct MHD_Connection *connection)
{
    (void)connection;
    return new_request(cls, ORIGIN_MEDIA, target);
}

static void end_request(struct request *r, int status)
{
    if (r->seq && !r->ended) {
        stats_end(r->server->stats, r->seq, status, fault_name(r->fault.kind));
        park_kick(r->server->park);
    }
    r->ended = true;
}

static void on_done(void *cls, struct MHD_Connection *connection,
                    void **request, enum MHD_RequestTerminationCode code)
{
    struct request *r = *request;
    (void)cls;
    (void)connection;
    (void)code;
    if (!r)
        return;
    end_request(r, 0);
    fault_done(&r->fault);
    answer_done(&r->late);
    form_free(r->form);
    put_free(r->put);
    buf_done(&r->body);
    free(r->target);
    free(r->path);
    free(r);
    *request = NULL;
}

struct leak_search {
    const char *key;
    bool api; /* x-api-key itself belongs there */
    bool found;
};

static enum MHD_Result look_for_key(void *cls, enum MHD_ValueKind kind,
                                    const char *name, const char *value)
{
    struct leak_search *search = cls;
    bool key_header = !strcasecmp(name, "x-api-key");
    (void)kind;
    if (search->api && key_header)
        return MHD_YES;
    if (key_header || (value && strstr(value, search->key)))
        search->found = true;
    return MHD_YES;
}

/* Where the body will go, if it is one that streams. */
static void begin_body(struct request *r)
{
    const struct server *s = r->server;
    if (r->kind == KIND_CREATE)
        r->form = form_new(r->connection);
    else if (r->kind == KIND_CHUNK)
        r->put = put_new(s->sessions, r->path, r->query,
                         quirk_get(s->quirks, QUIRK_URL_REUSE),
                         quirk_get(s->quirks, QUIRK_URL_SPENT));
}

static void take_body(struct request *r, const char *bytes, size_t n)
{
    if (r->form)
        form_feed(r->form, bytes, n);
    else if (r->put)
        put_feed(r->put, bytes, n);
    else if (r->kind != KIND_CREATE && r->kind != KIND_CHUNK)
        buf_add(&r->body, bytes, n);
}

static void begin(struct request *r, struct MHD_Connection *connection,
                  const char *method)
{
    struct server *s = r->server;
    r->connection = connection;
    strncpy(r->method, method, sizeof(r->method) - 1);
    if (r->origin == ORIGIN_CONTROL)
        return;
    struct leak_search search = {s->key, r->origin == ORIGIN_API, false};
    MHD_get_connection_values(connection, MHD_HEADER_KIND, look_for_key,
                              &search);
    struct buf plain BUF_SCOPE = {0};
    path_decode(r->target, strlen(r->target), &plain);
    if (search.found || (plain.data && strstr(plain.data, s->key)))
        stats_key_leak(s->stats);
    r->kind = r->origin == ORIGIN_API ? route_api_kind(r->method, r->path)
                                      : route_media_kind(r->method, r->path);
    begin_body(r);
    r->seq = stats_begin(s->stats, r->origin, r->kind, r->method, r->target,
                         request_header(r, "User-Agent"));
    r->parked.since = park_releases(s->park);
    faults_match(s->faults, r->origin, r->kind, r->method, r->target,
                 &r->fault);
    park_kick(s->park);
}

static void park_request(struct request *r, enum park_kind kind,
                         int64_t deadline_ms)
{
    MHD_suspend_connection(r->connection);
    r->parked.connection = r->connection;
    r->parked.kind = kind;
    r->parked.deadline_ms = deadline_ms;
    park_add(r->server->park, &r->parked);
}

/* Suspends a request that is to wait before it is answered. */
static bool delayed(struct request *r)
{
    int64_t wait = r->fault.latency_ms + atomic_load(&r->server->latency_ms);
    if (r->origin == ORIGIN_CONTROL)
        return false;
    if (r->fault.kind == FAULT_STALL) {
        int64_t end =
            r->fault.ms < 0 ? PARK_FOREVER : clock_ms() + wait + r->fault.ms;
        park_request(r, PARK_STALL, end);
        return true;
    }
    if (wait <= 0)
        return false;
    park_request(r, PARK_DELAY, clock_ms() + wait);
    return true;
}

static bool offline(const struct request *r)
{
    return r->origin != ORIGIN_CONTROL &&
           clock_ms() < atomic_load(&r->server->offline_until_ms);
}

static bool counter_reached(void *ctx)
{
    const struct request *r = ctx;
    return stats_counter(r->server->stats, r->counter) >= r->at_least;
}

/* Resets the connection. */
static enum MHD_Result hang_up(struct request *r)
{
    send_reset(r);
    end_request(r, 0);
    return MHD_NO;
}

static enum MHD_Result deliver(struct request *r, struct answer *answer)
{
    r->stage = STAGE_SENT;
    enum MHD_Result result = send_answer(r, answer);
    answer_done(answer);
    return result;
}

static enum MHD_Result respond(struct request *r)
{
    struct answer answer = {.status = 200, .type = "application/json"};
    if (r->origin == ORIGIN_CONTROL) {
        if (!route_control(r, &answer)) {
            answer_done(&answer);
            r->stage = STAGE_WAITING;
            r->parked.ready = counter_reached;
            r->parked.ctx = r;
            park_request(r, PARK_UNTIL, r->parked.deadline_ms);
            return MHD_YES;
        }
    } else if (r->origin == ORIGIN_API) {
        if (!fault_refuses(&r->fault))
            route_api(r, &answer);
    } else {
        route_media(r, &answer);
    }
    if (r->fault.kind == FAULT_LOST_ANSWER) {
        answer_done(&answer);
        return hang_up(r);
    }
    if (r->fault.kind == FAULT_LATE_ANSWER) {
        r->late = answer;
        r->stage = STAGE_LATE;
        park_request(r, PARK_STALL,
                     r->fault.ms < 0 ? PARK_FOREVER : clock_ms() + r->fault.ms);
        return MHD_YES;
    }
    return deliver(r, &answer);
}

static enum MHD_Result respond_waited(struct request *r)
{
    struct answer answer = {.status = 200, .type = "application/json"};
    bool reached = counter_reached(r);
    answer.status = reached ? 200 : 408;
    buf_printf(&answer.body, "{\"reached\":%s,\"value\":%lld}",
               reached ? "true" : "false",
               (long long)stats_counter(r->server->stats, r->counter));
    return deliver(r, &answer);
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection,
                                  const char *url, const char *method,
                                  const char *version, const char *upload,
                                  size_t *upload_size, void **request)
{
    struct request *r = *request;
    (void)cls;
    (void)url;
    (void)version;
    if (!r)
        return MHD_NO;
    if (r->stage == STAGE_HEAD) {
        begin(r, connection, method);
        r->stage = STAGE_BODY;
        return MHD_YES;
    }
    if (*upload_size) {
        take_body(r, upload, *upload_size);
        *upload_size = 0;
        return MHD_YES;
    }
    if (r->stage == STAGE_WAITING)
        return respond_waited(r);
    if (r->stage == STAGE_BODY) {
        r->stage = STAGE_DELAYED;
        if (!offline(r) && delayed(r))
            return MHD_YES;
    }
    if (offline(r) || r->parked.end == PARK_GONE ||
        r->fault.kind == FAULT_RESET)
        return hang_up(r);
    return r->stage == STAGE_LATE ? deliver(r, &r->late) : respond(r);
}

static int bind_socket(unsigned port, unsigned *ret_port)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t size = sizeof(at);
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) ||
        bind(fd, (struct sockaddr *)&at, size) || listen(fd, 1024) ||
        getsockname(fd, (struct sockaddr *)&at, &size)) {
        int err = -errno;
        close(fd);
        return err;
    }
    *ret_port = ntohs(at.sin_port);
    return fd;
}

int server_bind(struct server *s, unsigned port, unsigned media_port)
{
    s->media_socket = -1;
    s->api_socket = bind_socket(port, &port);
    if (s->api_socket < 0)
        return s->api_socket;
    s->media_socket = bind_socket(media_port, &media_port);
    if (s->media_socket < 0)
        return s->media_socket;
    snprintf(s->api_url, sizeof(s->api_url), "http://127.0.0.1:%u/v1.3", port);
    snprintf(s->control_url, sizeof(s->control_url),
             "http://127.0.0.1:%u/control", port);
    snprintf(s->media_url, sizeof(s->media_url), "http://127.0.0.1:%u",
             media_port);
    return 0;
}

static struct MHD_Daemon *start(struct server *s, int fd,
                                void *(*on_target)(void *, const char *,
                                                   struct MHD_Connection *))
{
    return MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
        on_request, s, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_THREAD_POOL_SIZE, (unsigned)THREADS,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, HEAD_MAX,
        MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S, MHD_OPTION_URI_LOG_CALLBACK,
        on_target, s, MHD_OPTION_NOTIFY_COMPLETED, on_done, NULL,
        MHD_OPTION_END);
}

int server_start(struct server *s)
{
    s->api = start(s, s->api_socket, on_api_target);
    if (!s->api)
        return -EIO;
    s->api_socket = -1; /* the daemon closes it */
    s->media = start(s, s->media_socket, on_media_target);
    if (!s->media)
        return -EIO;
    s->media_socket = -1;
    return 0;
}

void server_apply_quirks(struct server *s)
{
    int64_t total = quirk_frozen_at(s->quirks, QUIRK_TOTAL_FROZEN);
    int64_t list = quirk_frozen_at(s->quirks, QUIRK_STALE_FROZEN);
    account_pin(s->account, !list || (total && total < list) ? total : list);
    account_omit_empty_metadata(s->account,
                                quirk_get(s->quirks, QUIRK_EMPTY_METADATA));
}

void server_stop(struct server *s)
{
    if (s->park)
        park_stop(s->park);
    if (s->api)
        MHD_stop_daemon(s->api);
    if (s->media)
        MHD_stop_daemon(s->media);
    s->api = s->media = NULL;
    if (s->api_socket >= 0)
        close(s->api_socket);
    if (s->media_socket >= 0)
        close(s->media_socket);
    s->api_socket = s->media_socket = -1;
}
