/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api_world.h"

static bool cdn(struct loopback *s, int fd, int number, const char *r)
{
    if (strncmp(r, "GET /moved ", 11) == 0)
        loopback_reply(fd, "", "HTTP/1.1 302 F\r\nLocation: /p.jpg\r\n");
    else if (strncmp(r, "GET /p.jpg ", 11) == 0)
        loopback_reply(fd, "JPEG", "HTTP/1.1 200 OK\r\n");
    else if (strncmp(r, "GET /forbidden ", 15) == 0)
        loopback_reply(fd, "", "HTTP/1.1 403 No\r\n");
    else if (strncmp(r, "GET /gone ", 10) == 0)
        loopback_reply(fd, "", "HTTP/1.1 410 No\r\n");
    else if (strncmp(r, "GET /large ", 11) == 0)
        loopback_reply(fd, "0123456789abcdef", "HTTP/1.1 200 OK\r\n");
    else if (strncmp(r, "GET /portal ", 12) == 0)
        loopback_reply(fd, "<html>",
                       "HTTP/1.1 200 OK\r\nContent-Type: Text/HTML; x\r\n");
    else if (strncmp(r, "GET /busy ", 10) == 0)
        loopback_reply(fd, "", "HTTP/1.1 429 No\r\nRetry-After: 60\r\n");
    else if (strncmp(r, "GET /busy-once ", 15) == 0 && number == 0)
        loopback_reply(fd, "", "HTTP/1.1 429 No\r\nRetry-After: 1\r\n");
    else if (strncmp(r, "GET /busy-once ", 15) == 0)
        loopback_reply(fd, "JPEG", "HTTP/1.1 200 OK\r\n");
    else if (strncmp(r, "GET /to/", 8) == 0)
        loopback_reply(fd, "", "HTTP/1.1 302 F\r\nLocation: %.*s\r\n",
                       (int)strcspn(r + 8, " "), r + 8);
    else if (strncmp(r, "GET /nowhere-else ", 18) == 0)
        loopback_reply(fd, "", "HTTP/1.1 302 F\r\n");
    else if (strncmp(r, "GET /unstable ", 14) == 0 && number == 0)
        loopback_reply(fd, "", "HTTP/1.1 502 No\r\n");
    else if (strncmp(r, "GET /unstable ", 14) == 0)
        loopback_reply(fd, "JPEG", "HTTP/1.1 200 OK\r\n");
    else
        loopback_reply(fd, "", "HTTP/1.1 404 No\r\n");
    return true;
}

static void get_picture(struct world *w, const char *path, struct answer *o)
{
    char url[128];
    snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", w->server->port, path);
    answer_init(o);
    assert_int_equal(api_get_picture(w->api, url, 8, clock_mono_ms() + 9000,
                                     on_bytes, o, NULL),
                     0);
    (void)answer_wait(o);
}

static void pictures_come_without_the_key_and_by_their_own_rules(void **state)
{
    static const struct {
        const char *path;
        int err, requests;
    } cases[] = {{"/p.jpg", 0, 1},          {"/moved", 0, 2},
                 {"/unstable", 0, 2},       {"/forbidden", -EACCES, 1},
                 {"/gone", -ESTALE, 1},     {"/nowhere", -ENOENT, 1},
                 {"/busy", -EAGAIN, 1},     {"/large", -EFBIG, 1},
                 {"/portal", -EIO, 1},      {"/busy-once", 0, 2},
                 {"/to/ftp://a/", -EIO, 1}, {"/to/file:///etc/passwd", -EIO, 1},
                 {"/to/http://", -EIO, 1},  {"/nowhere-else", -EIO, 1}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct world w = {0};
        struct answer o;
        struct api_stats stats;
        world_open(&w, cdn, 60);
        get_picture(&w, cases[i].path, &o);
        assert_int_equal(o.err, cases[i].err);
        if (!o.err)
            assert_string_equal(o.body, "JPEG");
        assert_int_equal(loopback_requests(w.server), cases[i].requests);
        for (int j = 0; j < cases[i].requests; j++) {
            assert_null(strstr(w.server->log[j], "x-api-key"));
            assert_null(strstr(w.server->log[j], KEY));
        }
        api_stats(w.api, &stats);
        assert_int_equal(stats.last_error, 0);
        world_close(&w);
    }
}

static void pictures_on_private_addresses_are_refused_once(void **state)
{
    struct world w = {.server = loopback_start(cdn, NULL)};
    struct answer o;
    struct api_stats stats;
    world_open_at(&w, "https://api.example.test/v1.3", 60);
    int64_t start = clock_mono_ms();
    get_picture(&w, "/p.jpg", &o);
    assert_int_equal(o.err, -EHOSTUNREACH);
    assert_true(clock_mono_ms() - start < 5000);
    assert_int_equal(w.server->connections, 0);
    api_stats(w.api, &stats);
    assert_int_equal(stats.sent[API_CAUSE_PICTURE], 1);
    world_close(&w);
}

static bool busy_once(struct loopback *s, int fd, int number, const char *r)
{
    if (number == 0)
        loopback_reply(fd, "", "HTTP/1.1 429 No\r\nretry-after-ms: 900\r\n");
    else
        loopback_reply(fd, "JPEG", "HTTP/1.1 200 OK\r\n");
    return true;
}

static void ask_picture(struct world *w, const struct loopback *at,
                        struct answer *o)
{
    char url[128];
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/p.jpg", at->port);
    answer_init(o);
    assert_int_equal(api_get_picture(w->api, url, 8, clock_mono_ms() + 30000,
                                     on_bytes, o, NULL),
                     0);
}

static void a_picture_hosts_limits_are_no_others(void **state)
{
    struct world w = {0};
    struct answer refused, next, other, page;
    struct api_stats stats = {0};
    struct loopback *busy = loopback_start(busy_once, NULL);
    world_open(&w, cdn, 60);
    int64_t start_ms = clock_mono_ms();
    ask_picture(&w, busy, &refused);
    while (!stats.throttled)
        api_stats(w.api, &stats);
    ask_picture(&w, busy, &next);
    ask_picture(&w, w.server, &other);
    ask_page(&w, 1, API_BACKGROUND, 30000, &page);
    assert_int_equal(answer_wait(&other), 0);
    (void)answer_wait(&page); /* 404: this server has no list */
    assert_true(page.asked_ms == 0 && page.err == -EIO);
    api_stats(w.api, &stats);
    assert_int_equal(stats.background_pause_ms, 0);
    assert_int_equal(answer_wait(&refused), 0);
    assert_int_equal(answer_wait(&next), 0);
    assert_true(next.asked_ms >= start_ms + 900);
    assert_int_equal(loopback_requests(busy), 3);
    world_close(&w);
    loopback_stop(busy);
}

static bool gated_picture(struct loopback *s, int fd, int number, const char *r)
{
    if (strncmp(r, "GET /p ", 7) == 0)
        loopback_pass(s, number);
    loopback_reply(fd, "JPEG", "HTTP/1.1 200 OK\r\n");
    return true;
}

static void few_pictures_are_fetched_at_once(void **state)
{
    char url[128];
    struct world w = {0};
    struct answer o[20], page;
    struct api_stats stats;
    world_open(&w, gated_picture, 60);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/p", w.server->port);
    for (int i = 0; i < 20; i++) {
        answer_init(&o[i]);
        assert_int_equal(api_get_picture(w.api, url, 8, clock_mono_ms() + 9000,
                                         on_bytes, &o[i], NULL),
                         0);
    }
    /* asked after them, so answered after all that may be sent was */
    ask_page(&w, 1, API_FOREGROUND, 300, &page);
    assert_int_equal(answer_wait(&page), -EIO);
    api_stats(w.api, &stats);
    assert_int_equal(stats.sent[API_CAUSE_PICTURE], 8);
    loopback_open(w.server, 100);
    for (int i = 0; i < 20; i++)
        assert_int_equal(answer_wait(&o[i]), 0);
    assert_true(w.server->most_handling <= 9);
    world_close(&w);
}

#define LARGE_BYTES (24u << 20)
#define LARGE_ONES  5

/* Sends a part, waits until all have come so far, sends the rest. */
static bool large_picture(struct loopback *s, int fd, int number, const char *r)
{
    static char part[LARGE_BYTES / 2];
    char head[128];
    int len =
        snprintf(head, sizeof(head),
                 "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n", LARGE_BYTES);
    loopback_write(fd, head, (size_t)len);
    loopback_write(fd, part, sizeof(part));
    loopback_pass(s, number);
    loopback_write(fd, part, sizeof(part));
    return true;
}

/* Two have room for all their bytes; the others come again, one by one, for
 * what is under way has API_PICTURE_BYTES together. */
static void large_pictures_have_room_together(void **state)
{
    char url[128];
    struct world w = {0};
    struct answer o[LARGE_ONES];
    struct api_stats stats = {0};
    world_open(&w, large_picture, 60);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/p", w.server->port);
    for (int i = 0; i < LARGE_ONES; i++) {
        answer_init(&o[i]);
        assert_int_equal(api_get_picture(w.api, url, API_PICTURE_BYTES,
                                         clock_mono_ms() + 60000, on_bytes,
                                         &o[i], NULL),
                         0);
    }
    while (stats.failed[API_CAUSE_PICTURE] < LARGE_ONES - 2)
        api_stats(w.api, &stats);
    loopback_open(w.server, 1000);
    for (int i = 0; i < LARGE_ONES; i++)
        assert_int_equal(answer_wait(&o[i]), 0);
    api_stats(w.api, &stats);
    assert_int_equal(stats.failed[API_CAUSE_PICTURE], LARGE_ONES - 2);
    assert_int_equal(stats.sent[API_CAUSE_PICTURE], 2 * LARGE_ONES - 2);
    assert_int_equal(api_get_picture(w.api, url, API_PICTURE_BYTES + 1, 1,
                                     on_bytes, &o[0], NULL),
                     -EINVAL);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pictures_come_without_the_key_and_by_their_own_rules),
        cmocka_unit_test(pictures_on_private_addresses_are_refused_once),
        cmocka_unit_test(a_picture_hosts_limits_are_no_others),
        cmocka_unit_test(large_pictures_have_room_together),
        cmocka_unit_test(few_pictures_are_fetched_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
