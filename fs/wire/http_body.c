/* SPDX-License-Identifier: MIT */
/*
 * http_body.c - what a request sends. curl asks for the bytes on the http
 * thread; a file is read by pread, so that its descriptor's offset is nobody's
 * matter and one descriptor serves many ranges at once.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wire/http_internal.h"

static int copy_part(struct buf *out, const char *bytes, size_t size)
{
    buf_init(out, size);
    return size ? buf_append(out, bytes, size) : 0;
}

int http_sending_init(struct http_sending *s,
                      const struct http_request *request)
{
    const struct http_body *body = request->body;
    *s = (struct http_sending){
        .method = request->method,
        .once = request->once,
        .fd = -1,
    };
    if (!body)
        return 0;
    s->has_body = true;
    s->fd = body->fd;
    s->file_offset = body->file_offset;
    s->file_bytes = body->file_bytes;
    int err = copy_part(&s->head, body->head, body->head_bytes);
    return err ? err : copy_part(&s->tail, body->tail, body->tail_bytes);
}

void http_sending_done(struct http_sending *s)
{
    buf_done(&s->head);
    buf_done(&s->tail);
}

static int64_t sending_bytes(const struct http_sending *s)
{
    return (int64_t)s->head.len + s->file_bytes + (int64_t)s->tail.len;
}

static size_t body_take_memory(const struct buf *part, int64_t at, char *out,
                               size_t room)
{
    size_t size = part->len - (size_t)at;
    if (size > room)
        size = room;
    memcpy(out, part->data + at, size);
    return size;
}

static ssize_t body_take_file(const struct http_sending *s, int64_t at,
                              char *out, size_t room)
{
    ssize_t count;
    if ((int64_t)room > s->file_bytes - at)
        room = (size_t)(s->file_bytes - at);
    do
        count = pread(s->fd, out, room, s->file_offset + at);
    while (count < 0 && errno == EINTR);
    if (count < 0)
        return -errno;
    return count ? count : -ESTALE; /* it became shorter */
}

/* The next bytes; 0 at the end, or -errno. */
static ssize_t body_take_next(const struct http_sending *s, char *out,
                              size_t room)
{
    int64_t at = s->at;
    if (at < (int64_t)s->head.len)
        return (ssize_t)body_take_memory(&s->head, at, out, room);
    at -= (int64_t)s->head.len;
    if (at < s->file_bytes)
        return body_take_file(s, at, out, room);
    at -= s->file_bytes;
    if (at < (int64_t)s->tail.len)
        return (ssize_t)body_take_memory(&s->tail, at, out, room);
    return 0;
}

static size_t http_on_read(char *out, size_t size, size_t count, void *ctx)
{
    struct http_transfer *t = ctx;
    ssize_t taken = body_take_next(&t->sending, out, size * count);
    if (taken < 0) {
        t->abort_error = (int)taken;
        return CURL_READFUNC_ABORT;
    }
    t->sending.at += taken;
    return (size_t)taken;
}

/* curl rewinds when it has to restart a request. */
static int http_on_seek(void *ctx, curl_off_t offset, int origin)
{
    struct http_transfer *t = ctx;
    if (origin != SEEK_SET || offset < 0 || offset > sending_bytes(&t->sending))
        return CURL_SEEKFUNC_FAIL;
    t->sending.at = offset;
    return CURL_SEEKFUNC_OK;
}

static bool attach_body(struct http_transfer *t, CURL *easy)
{
    curl_off_t bytes = sending_bytes(&t->sending);
    return curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L) ||
           curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, bytes) ||
           curl_easy_setopt(easy, CURLOPT_READFUNCTION, http_on_read) ||
           curl_easy_setopt(easy, CURLOPT_READDATA, t) ||
           curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, http_on_seek) ||
           curl_easy_setopt(easy, CURLOPT_SEEKDATA, t);
}

bool http_sending_attach(struct http_transfer *t, CURL *easy)
{
    const struct http_sending *s = &t->sending;
    if (s->has_body && attach_body(t, easy))
        return true;
    if (s->once && curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L))
        return true;
    return s->method &&
           curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, s->method);
}
