/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http_outcome.h"
#include "range.h"
#include "wire/http_headers.h"

/* One request to a server of its own. */
static void ask_with(loopback_fn *handle, void (*change)(struct http_request *),
                     struct outcome *o)
{
    char url[256];
    struct http *h = new_http();
    struct loopback *s = loopback_start(handle, NULL);
    struct http_request r = request_of(url, sizeof(url), s->port, "/");
    if (change)
        change(&r);
    outcome_init(o);
    assert_int_equal(http_submit(h, &r, on_done, o, NULL), 0);
    outcome_wait(o);
    http_free(h);
    loopback_stop(s);
    assert_int_equal(o->calls, 1);
}

static bool say_hello(struct loopback *s, int fd, int number, const char *r)
{
    loopback_reply(fd, "hello",
                   "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                   "X-Ratelimit-Limit: 100\r\nx-ratelimit-remaining: 42\r\n"
                   "X-RateLimit-Reset: 1700000000\r\nRetry-After: 3\r\n"
                   "x-ratelimit-request-remaining: 7\r\n");
    return true;
}

static void a_whole_answer_comes_with_its_fields(void **state)
{
    struct outcome o;
    ask_with(say_hello, NULL, &o);
    assert_int_equal(o.err, 0);
    assert_int_equal(o.status, 200);
    assert_string_equal(o.body, "hello");
    assert_string_equal(o.type, "text/plain");
    assert_string_equal(o.text, "");
    assert_int_equal(o.limit, 100);
    assert_int_equal(o.remaining, 42);
    assert_int_equal(o.request_remaining, 7);
    assert_int_equal(o.reset_s, 1700000000);
    assert_int_equal(o.retry_after_ms, 3000);
    outcome_done(&o);
}

static bool say_teapot(struct loopback *s, int fd, int number, const char *r)
{
    loopback_reply(fd, "short and stout", "HTTP/1.1 418 I'm a teapot\r\n");
    return true;
}

static void a_status_is_no_error(void **state)
{
    struct outcome o;
    ask_with(say_teapot, NULL, &o);
    assert_int_equal(o.err, 0);
    assert_int_equal(o.status, 418);
    assert_string_equal(o.body, "short and stout");
    assert_int_equal(o.retry_after_ms, -1);
    assert_int_equal(o.limit, -1);
    outcome_done(&o);
}

static bool say_nothing(struct loopback *s, int fd, int number, const char *r)
{
    loopback_hold(fd);
    return false;
}

static void soon(struct http_request *r)
{
    r->deadline_ms = clock_mono_ms() + 100;
}

static void the_deadline_ends_a_silent_server(void **state)
{
    struct outcome o;
    int64_t start = clock_mono_ms();
    ask_with(say_nothing, soon, &o);
    assert_int_equal(o.err, -ETIMEDOUT);
    assert_int_in_range(clock_mono_ms() - start, 100, 5000);
    outcome_done(&o);
}

static void long_ago(struct http_request *r)
{
    r->deadline_ms = 1;
}

static void a_deadline_in_the_past_ends_at_once(void **state)
{
    struct outcome o;
    ask_with(say_nothing, long_ago, &o);
    assert_int_equal(o.err, -ETIMEDOUT);
    outcome_done(&o);
}

static bool drip(struct loopback *s, int fd, int number, const char *r)
{
    static const char head[] =
        "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nab";
    loopback_write(fd, head, strlen(head));
    loopback_hold(fd);
    return false;
}

static void the_deadline_ends_a_body_that_stops(void **state)
{
    struct outcome o;
    ask_with(drip, soon, &o);
    assert_int_equal(o.err, -ETIMEDOUT);
    outcome_done(&o);
}

static bool cut_short(struct loopback *s, int fd, int number, const char *r)
{
    static const char text[] =
        "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nab";
    loopback_write(fd, text, strlen(text));
    return false;
}

static bool say_garbage(struct loopback *s, int fd, int number, const char *r)
{
    loopback_write(fd, "SSH-2.0-nonsense\r\n\r\n", 20);
    return false;
}

static bool hang_up(struct loopback *s, int fd, int number, const char *r)
{
    return false;
}

static void broken_answers_are_told_apart(void **state)
{
    struct outcome o;
    ask_with(cut_short, NULL, &o);
    assert_int_equal(o.err, -EBADMSG);
    outcome_done(&o);
    ask_with(say_garbage, NULL, &o);
    assert_int_equal(o.err, -EBADMSG);
    outcome_done(&o);
    ask_with(hang_up, NULL, &o);
    assert_int_equal(o.err, -ECONNRESET);
    assert_string_not_equal(o.text, "");
    outcome_done(&o);
}

static bool many_headers(struct loopback *s, int fd, int number, const char *r)
{
    static char line[1024];
    loopback_write(fd, "HTTP/1.1 200 OK\r\n", 17);
    memset(line, 'x', sizeof(line));
    memcpy(line, "X: ", 3);
    memcpy(line + sizeof(line) - 2, "\r\n", 2);
    for (int i = 0; i < 70; i++)
        loopback_write(fd, line, sizeof(line));
    loopback_reply(fd, "hello", "Y: z\r\n");
    return false;
}

static void headers_without_end_are_broken(void **state)
{
    struct outcome o;
    ask_with(many_headers, NULL, &o);
    assert_int_equal(o.err, -EBADMSG);
    outcome_done(&o);
}

static bool endless(struct loopback *s, int fd, int number, const char *r)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
    static char zeros[4096];
    loopback_write(fd, head, strlen(head));
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    while (poll(&p, 1, -1) == 1 && !(p.revents & (POLLERR | POLLHUP)))
        loopback_write(fd, zeros, sizeof(zeros));
    return false;
}

static bool announce(struct loopback *s, int fd, int number, const char *r)
{
    static const char head[] =
        "HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n";
    loopback_write(fd, head, strlen(head));
    loopback_hold(fd);
    return false;
}

/* 10,180 bytes that are a megabyte of zeros: stored, not computed, by
 * repeating one deflate block of zeros. */
static bool bomb(struct loopback *s, int fd, int number, const char *r)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
                               "Connection: close\r\n\r\n";
    static const unsigned char gzip[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3};
    /* fixed Huffman: literal 0, then matches of 258 at distance 1 */
    unsigned char bits[4096] = {0};
    size_t at = 0;
#define PUT(value, count)                                                      \
    for (int i_ = 0; i_ < (count); i_++, at++)                                 \
    bits[at / 8] |= (unsigned char)((((value) >> i_) & 1) << (at % 8))
    PUT(2, 3);    /* not final, fixed */
    PUT(0x0c, 8); /* literal 0: 00110000, most significant bit first */
    while (at < 8 * 4000) {
        PUT(0xa3, 8); /* length 258: code 285 = 11000101 */
        PUT(0, 5);    /* distance 1 */
    }
#undef PUT
    loopback_write(fd, head, strlen(head));
    loopback_write(fd, (const char *)gzip, sizeof(gzip));
    loopback_write(fd, (const char *)bits, 4000);
    loopback_hold(fd);
    return false;
}

static void small(struct http_request *r)
{
    r->max_bytes = 100000;
}

static void too_large_a_body_ends_before_and_after_decompression(void **state)
{
    static loopback_fn *const handlers[] = {endless, announce, bomb};
    for (size_t i = 0; i < sizeof(handlers) / sizeof(*handlers); i++) {
        struct outcome o;
        ask_with(handlers[i], small, &o);
        assert_int_equal(o.err, -EFBIG);
        outcome_done(&o);
    }
}

static bool lead_on(struct loopback *s, int fd, int number, const char *r)
{
    if (strncmp(r, "GET /end ", 9) == 0)
        return say_hello(s, fd, number, r);
    const char *to = strncmp(r, "GET /ftp ", 9) == 0     ? "ftp://127.0.0.1/"
                     : strncmp(r, "GET /loop ", 10) == 0 ? "/loop"
                                                         : "/end";
    loopback_reply(fd, "away", "HTTP/1.1 302 Found\r\nLocation: %s\r\n", to);
    return true;
}

static void get_path(const char *path, int redirects, struct outcome *o)
{
    char url[256];
    struct http *h = new_http();
    struct loopback *s = loopback_start(lead_on, NULL);
    struct http_request r = request_of(url, sizeof(url), s->port, path);
    r.redirects = redirects;
    outcome_init(o);
    assert_int_equal(http_submit(h, &r, on_done, o, NULL), 0);
    outcome_wait(o);
    http_free(h);
    loopback_stop(s);
}

static void redirects_are_followed_only_where_asked_and_to_http(void **state)
{
    struct outcome o;
    get_path("/start", 0, &o);
    assert_int_equal(o.status, 302);
    assert_int_equal(o.err, 0);
    outcome_done(&o);
    get_path("/start", 2, &o);
    assert_int_equal(o.status, 200);
    assert_string_equal(o.body, "hello");
    outcome_done(&o);
    get_path("/loop", 3, &o);
    assert_int_equal(o.err, -ELOOP);
    outcome_done(&o);
    get_path("/ftp", 3, &o);
    assert_int_equal(o.err, -EBADMSG);
    outcome_done(&o);
}

static void requests_say_what_they_should_and_no_more(void **state)
{
    char url[256];
    struct outcome o;
    struct http *h = new_http();
    struct loopback *s = loopback_start(say_hello, NULL);
    struct http_request r =
        request_of(url, sizeof(url), s->port, "/a/../b?x=%20&y=1");
    r.secret_header = "x-api-key: sesame";
    r.accept = "application/json";
    outcome_init(&o);
    assert_int_equal(http_submit(h, &r, on_done, &o, NULL), 0);
    outcome_wait(&o);
    assert_non_null(strstr(s->log[0], "GET /a/../b?x=%20&y=1 HTTP/1.1\r\n"));
    assert_non_null(strstr(s->log[0], "\r\nx-api-key: sesame\r\n"));
    assert_non_null(strstr(s->log[0], "\r\nAccept: application/json\r\n"));
    assert_non_null(strstr(s->log[0], "\r\nUser-Agent: twelvefs/"));
    assert_non_null(strstr(s->log[0], "gzip"));
    assert_null(strstr(s->log[0], "Cookie"));
    outcome_done(&o);

    /* the next request on that handle knows nothing of the secret */
    r = request_of(url, sizeof(url), s->port, "/");
    outcome_init(&o);
    assert_int_equal(http_submit(h, &r, on_done, &o, NULL), 0);
    outcome_wait(&o);
    assert_null(strstr(s->log[1], "sesame"));
    outcome_done(&o);
    assert_int_equal(s->connections, 1);
    http_free(h);
    loopback_stop(s);
}

static void urls_that_are_not_clean_http_are_refused(void **state)
{
    static const char *const urls[] = {"",
                                       "ftp://host/",
                                       "file:///etc/passwd",
                                       "http://user@host/",
                                       "http://host/\n",
                                       "http:///x",
                                       "host",
                                       NULL};
    struct http *h = new_http();
    for (size_t i = 0; i < sizeof(urls) / sizeof(*urls); i++) {
        struct http_request r = {.url = urls[i], .deadline_ms = INT64_MAX};
        assert_int_equal(http_submit(h, &r, on_done, NULL, NULL), -EINVAL);
    }
    http_free(h);
}

static void a_refused_connection_is_told(void **state)
{
    char url[256];
    struct outcome o;
    struct http *h = new_http();
    struct loopback *s = loopback_start(say_hello, NULL);
    struct http_request r = request_of(url, sizeof(url), s->port, "/");
    loopback_stop(s);
    outcome_init(&o);
    assert_int_equal(http_submit(h, &r, on_done, &o, NULL), 0);
    outcome_wait(&o);
    assert_int_equal(o.err, -ECONNREFUSED);
    assert_int_equal(o.status, 0);
    outcome_done(&o);
    http_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_answer_comes_with_its_fields),
        cmocka_unit_test(a_status_is_no_error),
        cmocka_unit_test(the_deadline_ends_a_silent_server),
        cmocka_unit_test(a_deadline_in_the_past_ends_at_once),
        cmocka_unit_test(the_deadline_ends_a_body_that_stops),
        cmocka_unit_test(broken_answers_are_told_apart),
        cmocka_unit_test(headers_without_end_are_broken),
        cmocka_unit_test(too_large_a_body_ends_before_and_after_decompression),
        cmocka_unit_test(redirects_are_followed_only_where_asked_and_to_http),
        cmocka_unit_test(requests_say_what_they_should_and_no_more),
        cmocka_unit_test(urls_that_are_not_clean_http_are_refused),
        cmocka_unit_test(a_refused_connection_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
