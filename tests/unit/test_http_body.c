/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "http_outcome.h"

#define FILE_BYTES (3u << 20)

static unsigned char byte_at(size_t i)
{
    return (unsigned char)(i * 2654435761u >> 13);
}

/* A file whose every byte is told by its place. */
static int make_file(size_t bytes)
{
    char path[] = "/tmp/twelvefs-body-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    (void)unlink(path);
    unsigned char *all = malloc(bytes);
    for (size_t i = 0; i < bytes; i++)
        all[i] = byte_at(i);
    assert_int_equal(write(fd, all, bytes), bytes);
    free(all);
    return fd;
}

static size_t length_of(const char *request)
{
    const char *at = strcasestr(request, "\r\nContent-Length:");
    return at ? strtoul(at + strlen("\r\nContent-Length:"), NULL, 10) : 0;
}

/* What came as the last body, and how often one came. */
static struct {
    char *bytes;
    size_t len;
    int count;
} got;

static bool take_body(int fd, const char *request)
{
    size_t want = length_of(request), at = 0;
    free(got.bytes);
    got.bytes = malloc(want + 1);
    while (at < want) {
        ssize_t n = recv(fd, got.bytes + at, want - at, 0);
        if (n <= 0)
            return false;
        at += (size_t)n;
    }
    got.bytes[at] = '\0';
    got.len = at;
    got.count++;
    return true;
}

static bool take_and_thank(struct loopback *s, int fd, int number,
                           const char *request)
{
    if (!take_body(fd, request))
        return false;
    loopback_reply(fd, "", "HTTP/1.1 201 Created\r\nETag: \"abc-7\"\r\n");
    return true;
}

struct talk {
    struct http *http;
    struct loopback *server;
    struct outcome outcome;
    char url[256];
};

static void talk_open(struct talk *t, loopback_fn *handle)
{
    memset(&got, 0, sizeof(got));
    t->http = new_http();
    t->server = loopback_start(handle, NULL);
}

static void talk_send(struct talk *t, const char *method,
                      const struct http_body *body, bool once)
{
    static const char *const lines[] = {"X-More: yes", NULL};
    struct http_request r =
        request_of(t->url, sizeof(t->url), t->server->port, "/up");
    r.method = method;
    r.body = body;
    r.headers = lines;
    r.once = once;
    outcome_init(&t->outcome);
    assert_int_equal(http_submit(t->http, &r, on_done, &t->outcome, NULL), 0);
    outcome_wait(&t->outcome);
}

static void talk_close(struct talk *t)
{
    http_free(t->http);
    loopback_stop(t->server);
    free(got.bytes);
}

static void a_body_from_memory_and_a_file_arrives_in_order(void **state)
{
    struct talk t;
    int fd = make_file(FILE_BYTES);
    const size_t from = 4097, many = FILE_BYTES - 2 * from;
    const struct http_body body = {.head = "head ",
                                   .head_bytes = 5,
                                   .fd = fd,
                                   .file_offset = (int64_t)from,
                                   .file_bytes = (int64_t)many,
                                   .tail = " tail",
                                   .tail_bytes = 5};
    talk_open(&t, take_and_thank);
    talk_send(&t, "POST", &body, true);
    assert_int_equal(t.outcome.err, 0);
    assert_int_equal(t.outcome.status, 201);
    assert_string_equal(t.outcome.etag, "\"abc-7\"");
    assert_int_equal(got.len, many + 10);
    assert_memory_equal(got.bytes, "head ", 5);
    assert_memory_equal(got.bytes + 5 + many, " tail", 5);
    for (size_t i = 0; i < many; i++)
        if ((unsigned char)got.bytes[5 + i] != byte_at(from + i))
            fail_msg("byte %zu of the file is another", i);
    assert_non_null(strstr(t.server->log[0], "POST /up HTTP/1.1\r\n"));
    assert_non_null(strstr(t.server->log[0], "\r\nX-More: yes\r\n"));
    assert_null(strcasestr(t.server->log[0], "Expect:"));
    assert_null(strcasestr(t.server->log[0], "chunked"));
    outcome_done(&t.outcome);
    talk_close(&t);
    close(fd);
}

static void a_method_without_a_body_sends_none(void **state)
{
    struct talk t;
    talk_open(&t, take_and_thank);
    talk_send(&t, "DELETE", NULL, false);
    assert_int_equal(t.outcome.status, 201);
    assert_non_null(strstr(t.server->log[0], "DELETE /up HTTP/1.1\r\n"));
    assert_int_equal(got.len, 0);
    outcome_done(&t.outcome);
    talk_close(&t);
}

static void a_file_that_became_shorter_ends_the_request(void **state)
{
    struct talk t;
    int fd = make_file(1000);
    const struct http_body body = {.fd = fd, .file_bytes = 2000};
    talk_open(&t, take_and_thank);
    talk_send(&t, "PUT", &body, true);
    assert_int_equal(t.outcome.err, -ESTALE);
    assert_int_equal(got.count, 0);
    outcome_done(&t.outcome);
    talk_close(&t);
    close(fd);
}

/* The first is answered; the second taken, on the connection that is still
 * open if there is one, and the connection closed without an answer. */
static bool answer_the_first(struct loopback *s, int fd, int number,
                             const char *request)
{
    if (!take_body(fd, request))
        return false;
    if (number > 0)
        return false;
    loopback_reply(fd, "", "HTTP/1.1 200 OK\r\n");
    return true;
}

/* libcurl sends again, by itself, what gets no answer on a used connection. */
static void what_is_sent_once_is_sent_once(void **state)
{
    struct talk t;
    const struct http_body body = {.head = "x", .head_bytes = 1, .fd = -1};
    talk_open(&t, answer_the_first);
    talk_send(&t, "POST", &body, false);
    outcome_done(&t.outcome);
    talk_send(&t, "POST", &body, true);
    assert_int_equal(t.outcome.err, -ECONNRESET);
    assert_int_equal(loopback_requests(t.server), 2);
    outcome_done(&t.outcome);
    talk_close(&t);
}

static void a_header_with_a_line_break_is_refused(void **state)
{
    static const char *const lines[] = {"A: b\r\nC: d", NULL};
    struct http *h = new_http();
    const struct http_request r = {.url = "http://127.0.0.1:1/",
                                   .headers = lines,
                                   .deadline_ms = clock_mono_ms() + 1000,
                                   .max_bytes = 1};
    assert_int_equal(http_submit(h, &r, on_done, NULL, NULL), -EINVAL);
    http_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_from_memory_and_a_file_arrives_in_order),
        cmocka_unit_test(a_method_without_a_body_sends_none),
        cmocka_unit_test(a_file_that_became_shorter_ends_the_request),
        cmocka_unit_test(what_is_sent_once_is_sent_once),
        cmocka_unit_test(a_header_with_a_line_break_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
