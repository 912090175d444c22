/* SPDX-License-Identifier: MIT */
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http_outcome.h"

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool asked, release;
} resolver = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false,
              false};

/* Stands before libc's: "stuck.test" hangs. */
__attribute__((visibility("default"))) int
getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
            struct addrinfo **result)
{
    int (*real)(const char *, const char *, const struct addrinfo *,
                struct addrinfo **);
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    if (node && strcmp(node, "stuck.test") == 0) {
        pthread_mutex_lock(&resolver.lock);
        resolver.asked = true;
        pthread_cond_broadcast(&resolver.changed);
        while (!resolver.release)
            pthread_cond_wait(&resolver.changed, &resolver.lock);
        pthread_mutex_unlock(&resolver.lock);
        return EAI_NONAME;
    }
    return real(node, service, hints, result);
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

static bool say_nothing(struct loopback *s, int fd, int number, const char *r)
{
    loopback_hold(fd);
    return false;
}

static void soon(struct http_request *r)
{
    r->deadline_ms = clock_mono_ms() + 100;
}

static void cancelling_ends_a_request_in_flight_once(void **state)
{
    char url[256];
    uint64_t ticket = 0;
    struct outcome o;
    struct http *h = new_http();
    struct loopback *s = loopback_start(say_nothing, NULL);
    struct http_request r = request_of(url, sizeof(url), s->port, "/");
    outcome_init(&o);
    assert_int_equal(http_submit(h, &r, on_done, &o, &ticket), 0);
    loopback_wait_requests(s, 1);
    http_cancel(h, ticket);
    outcome_wait(&o);
    assert_int_equal(o.err, -ECANCELED);
    http_cancel(h, ticket);
    http_cancel(h, 12345);
    http_free(h);
    assert_int_equal(o.calls, 1);
    outcome_done(&o);
    loopback_stop(s);
}

static void freeing_answers_everyone(void **state)
{
    char url[256];
    struct outcome o[20];
    struct http *h = new_http();
    struct loopback *s = loopback_start(say_nothing, NULL);
    struct http_request r = request_of(url, sizeof(url), s->port, "/");
    for (int i = 0; i < 20; i++) {
        outcome_init(&o[i]);
        assert_int_equal(http_submit(h, &r, on_done, &o[i], NULL), 0);
    }
    loopback_wait_requests(s, 4); /* the host's limit: 16 wait for their turn */
    http_free(h);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(o[i].calls, 1);
        assert_int_equal(o[i].err, -ECANCELED);
        outcome_done(&o[i]);
    }
    assert_int_equal(s->most_handling, 4);
    loopback_stop(s);
}

static void a_request_that_waits_for_a_connection_keeps_its_deadline(void **st)
{
    char url[256];
    struct outcome o[5];
    struct http *h = new_http();
    struct loopback *s = loopback_start(say_nothing, NULL);
    struct http_request r = request_of(url, sizeof(url), s->port, "/");
    for (int i = 0; i < 4; i++) {
        outcome_init(&o[i]);
        assert_int_equal(http_submit(h, &r, on_done, &o[i], NULL), 0);
    }
    loopback_wait_requests(s, 4);
    outcome_init(&o[4]);
    soon(&r);
    assert_int_equal(http_submit(h, &r, on_done, &o[4], NULL), 0);
    outcome_wait(&o[4]);
    assert_int_equal(o[4].err, -ETIMEDOUT);
    http_free(h);
    for (int i = 0; i < 5; i++)
        outcome_done(&o[i]);
    loopback_stop(s);
}

static void a_stuck_resolver_stalls_nobody(void **state)
{
    char url[256];
    struct outcome stuck, other;
    struct http *h = new_http();
    struct loopback *s = loopback_start(say_hello, NULL);
    struct http_request r = {.url = "http://stuck.test/",
                             .deadline_ms = clock_mono_ms() + 60000,
                             .max_bytes = 100};
    uint64_t ticket = 0;
    outcome_init(&stuck);
    outcome_init(&other);
    int64_t start = clock_mono_ms();
    assert_int_equal(http_submit(h, &r, on_done, &stuck, &ticket), 0);
    pthread_mutex_lock(&resolver.lock);
    while (!resolver.asked)
        pthread_cond_wait(&resolver.changed, &resolver.lock);
    pthread_mutex_unlock(&resolver.lock);

    r = request_of(url, sizeof(url), s->port, "/");
    assert_int_equal(http_submit(h, &r, on_done, &other, NULL), 0);
    outcome_wait(&other);
    assert_int_equal(other.err, 0);
    http_cancel(h, ticket);
    outcome_wait(&stuck);
    assert_int_equal(stuck.err, -ECANCELED);
    http_free(h);
    assert_true(clock_mono_ms() - start < 20000);

    pthread_mutex_lock(&resolver.lock);
    resolver.release = true;
    pthread_cond_broadcast(&resolver.changed);
    pthread_mutex_unlock(&resolver.lock);
    outcome_done(&stuck);
    outcome_done(&other);
    loopback_stop(s);
}

struct chain {
    struct http *http;
    struct http_request request;
    struct outcome last;
    int left;
};

static void on_link(void *ctx, struct http_response *r)
{
    struct chain *c = ctx;
    if (c->left-- == 0) {
        on_done(&c->last, r);
        return;
    }
    assert_int_equal(http_submit(c->http, &c->request, on_link, c, NULL), 0);
}

static void a_callback_may_submit(void **state)
{
    char url[256];
    struct chain c = {.left = 50};
    c.http = new_http();
    struct loopback *s = loopback_start(say_hello, NULL);
    c.request = request_of(url, sizeof(url), s->port, "/");
    outcome_init(&c.last);
    assert_int_equal(http_submit(c.http, &c.request, on_link, &c, NULL), 0);
    outcome_wait(&c.last);
    assert_int_equal(c.last.err, 0);
    assert_int_equal(loopback_requests(s), 51);
    assert_int_equal(s->connections, 1); /* kept and used again */
    http_free(c.http);
    outcome_done(&c.last);
    loopback_stop(s);
}

/* ---- the one who needs time ---- */

struct ticks {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct http *http;
    int64_t at_ms[8], asks_ms[8]; /* when it came, for when it asks then */
    int count, last;
};

static int64_t on_tick(void *ctx)
{
    struct ticks *t = ctx;
    pthread_mutex_lock(&t->lock);
    int number = t->count++;
    t->at_ms[number] = clock_mono_ms();
    int64_t next_ms = t->asks_ms[number];
    if (t->count == t->last)
        http_detach(t->http);
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
    return next_ms;
}

static void ticks_wait(struct ticks *t, int count)
{
    pthread_mutex_lock(&t->lock);
    while (t->count < count)
        pthread_cond_wait(&t->changed, &t->lock);
    pthread_mutex_unlock(&t->lock);
}

static void time_comes_when_it_was_asked_for_and_no_more_once_detached(void **s)
{
    int64_t now_ms = clock_mono_ms();
    struct ticks t = {.lock = PTHREAD_MUTEX_INITIALIZER,
                      .changed = PTHREAD_COND_INITIALIZER,
                      .http = new_http(),
                      .asks_ms = {now_ms + 60, CLOCK_NEVER_MS, 0},
                      .last = 4};
    http_attach(t.http, on_tick, &t);
    http_call_by(t.http, now_ms + 30);
    http_call_by(t.http, now_ms + 3600000); /* the earlier one holds */
    ticks_wait(&t, 2);
    assert_true(t.at_ms[0] >= now_ms + 30);
    assert_true(t.at_ms[1] >= now_ms + 60);
    http_call_by(t.http, 0); /* the third asks for the fourth */
    ticks_wait(&t, 4);
    http_call_by(t.http, 0);
    http_free(t.http);
    assert_int_equal(t.count, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cancelling_ends_a_request_in_flight_once),
        cmocka_unit_test(freeing_answers_everyone),
        cmocka_unit_test(
            a_request_that_waits_for_a_connection_keeps_its_deadline),
        cmocka_unit_test(a_stuck_resolver_stalls_nobody),
        cmocka_unit_test(a_callback_may_submit),
        cmocka_unit_test(
            time_comes_when_it_was_asked_for_and_no_more_once_detached),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
