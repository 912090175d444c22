/* SPDX-License-Identifier: MIT */
/* An answer on its way out, and what a fault makes of it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <zlib.h>

#include "clock.h"
#include "hash.h"
#include "http.h"

#define BOMB_PART  ((size_t)16 << 20)
#define BOMB_PARTS 64
#define BLOCK      ((size_t)64 << 10)
#define DRIP_MS    200

/* A body that is not sent in one go. */
struct stream {
    struct request *request;
    struct buf data;
    size_t stop; /* bytes until the stream breaks, stalls or goes on */
    enum fault_kind kind;
    int64_t pace_ms;
    bool paced; /* waited for the next drip */
    bool api;
    struct parked parked;
};

void send_reset(struct request *r)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(
        r->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct linger none = {.l_onoff = 1, .l_linger = 0};
    if (info)
        (void)setsockopt(info->connect_fd, SOL_SOCKET, SO_LINGER, &none,
                         sizeof(none));
}

static void park_stream(struct stream *s, enum park_kind kind, int64_t end_ms)
{
    s->parked.connection = s->request->connection;
    s->parked.kind = kind;
    s->parked.deadline_ms = end_ms;
    MHD_suspend_connection(s->parked.connection);
    park_add(s->request->server->park, &s->parked);
}

static ssize_t read_endless(const struct stream *s, char *block, size_t max)
{
    /* An answer whose list never ends, a picture whose scan never does. */
    static const char object[] = "{\"_id\":\"000000000000000000000000\"},";
    if (!s->api) {
        memset(block, 0x55, max);
        return (ssize_t)max;
    }
    size_t n = sizeof(object) - 1, whole = max / n * n;
    for (size_t i = 0; i < whole; i += n)
        memcpy(block + i, object, n);
    if (!whole)
        memset(block, ' ', max);
    return (ssize_t)(whole ? whole : max);
}

static ssize_t read_stream(void *cls, uint64_t pos, char *block, size_t max)
{
    struct stream *s = cls;
    if (pos >= s->data.len)
        return s->kind == FAULT_ENDLESS ? read_endless(s, block, max)
                                        : MHD_CONTENT_READER_END_OF_STREAM;
    size_t n = s->data.len - pos;
    if (s->parked.end == PARK_GONE)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (s->kind == FAULT_TRUNCATE && pos >= s->stop)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (s->kind == FAULT_STALL_BODY && pos >= s->stop && !s->parked.end) {
        park_stream(s, PARK_STALL,
                    s->pace_ms < 0 ? PARK_FOREVER : clock_ms() + s->pace_ms);
        return 0;
    }
    if (s->kind == FAULT_DRIP) {
        if (!s->paced) {
            s->paced = true;
            park_stream(s, PARK_DELAY,
                        clock_ms() + (s->pace_ms < 0 ? DRIP_MS : s->pace_ms));
            return 0;
        }
        s->paced = false;
        n = 1;
    }
    if (pos < s->stop && n > s->stop - pos)
        n = s->stop - pos;
    if (n > max)
        n = max;
    memcpy(block, s->data.data + pos, n);
    return (ssize_t)n;
}

static void free_stream(void *cls)
{
    struct stream *s = cls;
    buf_done(&s->data);
    free(s);
}

static struct MHD_Response *streamed(struct request *r, struct answer *a,
                                     bool whole_length)
{
    struct stream *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->request = r;
    s->data = a->body;
    a->body = (struct buf){0};
    s->parked.since = r->parked.since;
    s->kind = r->fault.kind;
    s->pace_ms = r->fault.ms;
    s->api = r->origin == ORIGIN_API;
    s->stop = s->kind == FAULT_DRIP || s->kind == FAULT_ENDLESS
                  ? s->data.len
                  : s->data.len / 2;
    uint64_t size = whole_length ? s->data.len : MHD_SIZE_UNKNOWN;
    struct MHD_Response *response = MHD_create_response_from_callback(
        size, BLOCK, read_stream, s, free_stream);
    if (!response)
        free_stream(s);
    return response;
}

/* BOMB_PART spaces as raw deflate that ends on a byte and refers to nothing
 * before it, so that it can be repeated. */
static void deflate_part(struct buf *out)
{
    char spaces[1 << 14];
    z_stream z = {0};
    memset(spaces, ' ', sizeof(spaces));
    if (deflateInit2(&z, 6, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY) != Z_OK) {
        out->failed = true;
        return;
    }
    for (size_t done = sizeof(spaces); done <= BOMB_PART && !out->failed;
         done += sizeof(spaces)) {
        z.next_in = (Bytef *)spaces;
        z.avail_in = sizeof(spaces);
        do {
            char *room = buf_room(out, BLOCK);
            if (!room)
                break;
            z.next_out = (Bytef *)room;
            z.avail_out = BLOCK;
            (void)deflate(&z, done == BOMB_PART ? Z_FULL_FLUSH : Z_NO_FLUSH);
            out->len += BLOCK - z.avail_out;
        } while (!z.avail_out);
    }
    deflateEnd(&z);
}

static uLong crc_of_part(void)
{
    Bytef spaces[1 << 14];
    uLong crc = crc32(0, NULL, 0);
    memset(spaces, ' ', sizeof(spaces));
    for (size_t done = 0; done < BOMB_PART; done += sizeof(spaces))
        crc = crc32(crc, spaces, sizeof(spaces));
    return crc;
}

static void add_little_endian(struct buf *out, uLong n)
{
    for (int i = 0; i < 4; i++, n >>= 8)
        buf_char(out, (char)(n & 0xff));
}

/* A gigabyte of spaces in a megabyte: one gzip stream (RFC 1952), since
 * clients tend to stop behind the first. */
static void fill_bomb(struct buf *out)
{
    static const char header[] = {0x1f, (char)0x8b, 8, 0, 0, 0, 0, 0, 0, 3};
    struct buf part BUF_SCOPE = {0};
    uLong part_crc = crc_of_part(), crc = 0;
    deflate_part(&part);
    buf_add(out, header, sizeof(header));
    for (int i = 0; i < BOMB_PARTS; i++) {
        buf_add(out, part.data, part.len);
        crc = crc32_combine(crc, part_crc, BOMB_PART);
    }
    buf_add(out, "\x03", 2); /* a last, empty block */
    add_little_endian(out, crc);
    add_little_endian(out, (uLong)BOMB_PART * BOMB_PARTS);
    out->failed |= part.failed;
}

static void fill_garbage(struct request *r, struct buf *out)
{
    for (uint64_t i = 0; i < 512; i++) {
        uint64_t noise = hash_pair(r->fault.seed, i);
        buf_add(out, &noise, sizeof(noise));
    }
}

static void fill_wrong_types(const struct request *r, struct buf *out)
{
    static const char *const bodies[] = {
        "{\"data\":{\"a\":1},\"page_info\":[]}",
        "{\"data\":[17,null,\"x\",[[]]],\"page_info\":{\"limit_per_page\":"
        "\"50\",\"page\":null,\"total_page\":-1,\"total_results\":\"many\"}}",
        "[]",
        "null",
        "{}",
        "{\"data\":[],\"page_info\":{\"limit_per_page\":50,\"page\":1,"
        "\"total_page\":1,\"total_results\":1e400}}",
    };
    size_t n = sizeof(bodies) / sizeof(*bodies);
    buf_str(out, bodies[(size_t)labs(r->fault.variant) % n]);
}

/* $API, $MEDIA and $SELF in a location. */
static void fill_location(const struct request *r, struct answer *a)
{
    struct buf to BUF_SCOPE = {0};
    const char *p = r->fault.location ? r->fault.location : "/elsewhere";
    while (*p) {
        if (!strncmp(p, "$API", 4)) {
            buf_str(&to, r->server->api_url);
            p += 4;
        } else if (!strncmp(p, "$MEDIA", 6)) {
            buf_str(&to, r->server->media_url);
            p += 6;
        } else if (!strncmp(p, "$CLOSED", 7)) { /* nobody listens there */
            buf_str(&to, "http://127.0.0.1:1");
            p += 7;
        } else if (!strncmp(p, "$SELF", 5)) {
            buf_str(&to, r->target);
            p += 5;
        } else {
            buf_char(&to, *p++);
        }
    }
    answer_header(a, "Location", "%s", to.data ? to.data : "/");
}

static void fail_status(struct request *r, struct answer *a)
{
    if (r->fault.body) {
        a->status = r->fault.status;
        buf_clear(&a->body);
        buf_str(&a->body, r->fault.body);
    } else {
        answer_error(a, r->fault.status,
                     r->fault.status == 429 ? "too_many_requests"
                                            : "injected_fault",
                     "Status %d on order.", r->fault.status);
    }
}

/* What a fault puts in place of the answer. */
static void replace(struct request *r, struct answer *a)
{
    switch (r->fault.kind) {
    case FAULT_STATUS:
        fail_status(r, a);
        break;
    case FAULT_GARBAGE:
        buf_clear(&a->body);
        fill_garbage(r, &a->body);
        break;
    case FAULT_HTML:
        buf_clear(&a->body);
        a->status = 200;
        a->type = "text/html; charset=utf-8";
        buf_str(&a->body, "<!DOCTYPE html><html><head><title>Wi-Fi login"
                          "</title></head><body><h1>Welcome to Hotel Wi-Fi"
                          "</h1><form>Room: <input></form></body></html>\n");
        break;
    case FAULT_WRONG_TYPES:
        buf_clear(&a->body);
        fill_wrong_types(r, &a->body);
        break;
    case FAULT_EMPTY:
        buf_clear(&a->body);
        break;
    case FAULT_REDIRECT:
        buf_clear(&a->body);
        a->status = r->fault.status;
        fill_location(r, a);
        break;
    case FAULT_GZIP_BOMB:
        buf_clear(&a->body);
        answer_header(a, "Content-Encoding", "gzip");
        fill_bomb(&a->body);
        break;
    case FAULT_PARTIAL_JSON:
        a->body.len /= 2;
        break;
    case FAULT_PLAYLIST:
        buf_clear(&a->body);
        a->status = 200;
        a->type = "application/vnd.apple.mpegurl";
        buf_str(&a->body, r->fault.body ? r->fault.body
                                        : "#EXTM3U\n#EXTINF:1,\n"
                                          "file:///etc/hostname\n");
        break;
    case FAULT_CHANGING_LENGTH:
        for (uint64_t i = 0; i <= r->fault.seed % 997; i++)
            buf_char(&a->body, '\0');
        break;
    case FAULT_ENDLESS:
        if (r->origin == ORIGIN_API) {
            buf_clear(&a->body);
            buf_str(&a->body, "{\"data\":[");
        }
        break;
    default:
        break;
    }
}

static struct MHD_Response *whole(struct answer *a)
{
    size_t len = a->body.len;
    char *data = buf_take(&a->body, &len);
    if (!data)
        return MHD_create_response_from_buffer(0, (void *)(uintptr_t) "",
                                               MHD_RESPMEM_PERSISTENT);
    struct MHD_Response *response =
        MHD_create_response_from_buffer_with_free_callback(len, data, free);
    if (!response)
        free(data);
    return response;
}

static void add_headers(struct request *r, struct answer *a,
                        struct MHD_Response *response)
{
    const cJSON *item;
    bool typed = false;
    cJSON_ArrayForEach(item, r->fault.headers)
    {
        const char *value = cJSON_GetStringValue(item);
        typed |= !strcasecmp(item->string, "Content-Type");
        if (value)
            MHD_add_response_header(response, item->string, value);
    }
    if (!typed && a->type)
        MHD_add_response_header(response, "Content-Type", a->type);
    for (int i = 0; i < a->nheaders; i++)
        if (!r->fault.headers ||
            !cJSON_GetObjectItem(r->fault.headers, a->header[i].name))
            MHD_add_response_header(response, a->header[i].name,
                                    a->header[i].value);
}

enum MHD_Result send_answer(struct request *r, struct answer *a)
{
    struct server *s = r->server;
    replace(r, a);
    if (a->body.failed)
        answer_error(a, 500, "stand_in", "The stand-in is out of memory.");
    enum fault_kind kind = r->fault.kind;
    bool stream = kind == FAULT_TRUNCATE || kind == FAULT_STALL_BODY ||
                  kind == FAULT_DRIP || kind == FAULT_ENDLESS;
    struct MHD_Response *response =
        stream ? streamed(r, a, kind != FAULT_ENDLESS) : whole(a);
    if (!response)
        return MHD_NO;
    add_headers(r, a, response);
    /* Before the bytes: see stats.h. */
    if (r->seq && !r->ended) {
        stats_end(s->stats, r->seq, a->status, fault_name(kind));
        park_kick(s->park);
        r->ended = true;
    }
    enum MHD_Result result =
        MHD_queue_response(r->connection, (unsigned)a->status, response);
    MHD_destroy_response(response);
    return result;
}
