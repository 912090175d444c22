/* SPDX-License-Identifier: MIT */
/*
 * One request and its answer, between libmicrohttpd (server.c, send.c) and
 * the routes.
 *
 * A route is a function that fills an answer; it never blocks and never sees
 * libmicrohttpd. What a fault does to an answer happens after it, in send.c.
 */
#ifndef STANDIN_HTTP_H
#define STANDIN_HTTP_H

#include "fault.h"
#include "form.h"
#include "park.h"
#include "server.h"

#define ASSETS_PATH    "/v1.3/assets"
#define ANSWER_HEADERS 12
#define BODY_MAX       ((size_t)64 << 20)

struct answer {
    int status;
    struct buf body;
    const char *type; /* literal */
    int nheaders;
    struct {
        const char *name; /* literal */
        char value[600];
    } header[ANSWER_HEADERS];
};

enum stage {
    STAGE_HEAD,
    STAGE_BODY,
    STAGE_DELAYED,
    STAGE_WAITING, /* GET /control/wait */
    STAGE_LATE,    /* done; the answer waits */
    STAGE_SENT
};

struct request {
    struct server *server;
    struct MHD_Connection *connection;
    enum origin origin;
    enum kind kind;
    enum stage stage;
    char *target;      /* as it came: path?query */
    char *path;        /* without the query, not decoded */
    const char *query; /* into target; "" if none */
    char method[12];
    struct buf body;
    /* Where a body goes that isn't kept; NULL for others. */
    struct form *form; /* KIND_CREATE */
    struct put *put;   /* KIND_CHUNK */
    struct fault fault;
    struct parked parked;
    struct answer late; /* STAGE_LATE */
    uint64_t seq;       /* of the log; 0 for control */
    bool ended;         /* stats_end was called */
    /* GET /control/wait: what it waits for. */
    char counter[40];
    int64_t at_least;
};

/* A header of the request, NULL if absent. */
const char *request_header(const struct request *r, const char *name);
/* The next parameter of a query, decoded. *pos starts at the query. */
bool query_next(const char **pos, struct buf *name, struct buf *value);
/* The first parameter `name`, as a number; `otherwise` if absent. */
int64_t query_number(const char *query, const char *name, int64_t otherwise);
/* The first parameter `name`, decoded; false if absent. */
bool query_text(const char *query, const char *name, struct buf *out);
/* The id in /v1.3/assets/{id}… */
void request_asset_id(const struct request *r, struct buf *out);
/* Percent-decodes n bytes of a path. */
void path_decode(const char *text, size_t n, struct buf *out);

void answer_done(struct answer *a);
void answer_header(struct answer *a, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The API's error body. */
void answer_error(struct answer *a, int status, const char *code,
                  const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The routes. */
void route_api(struct request *r, struct answer *a);
void route_media(struct request *r, struct answer *a);
/* False: wait (r->counter, r->at_least, r->parked.deadline_ms are set). */
bool route_control(struct request *r, struct answer *a);
enum kind route_api_kind(const char *method, const char *path);
enum kind route_media_kind(const char *method, const char *path);

/* Applies the request's fault to the answer and sends it (send.c). */
enum MHD_Result send_answer(struct request *r, struct answer *a);
/* Makes the coming close of the connection a reset. */
void send_reset(struct request *r);

#endif
