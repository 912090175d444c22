/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api_world.h"
#include "range.h"

static const char page_body[] =
    "{\"data\":[{\"_id\":\"a1\",\"filename\":\"x.mp4\"},{\"_id\":\"a2\"}],"
    "\"page_info\":{\"page\":1,\"limit_per_page\":50,\"total_page\":1,"
    "\"total_results\":2}}";

static int ask_once(loopback_fn *handle, int64_t within_ms, int *ret_requests,
                    struct api_stats *ret_stats)
{
    struct world w = {0};
    world_open(&w, handle, 60);
    int err = get_page(&w, within_ms);
    *ret_requests = loopback_requests(w.server);
    api_stats(w.api, ret_stats);
    world_close(&w);
    return err;
}

static bool say_page(struct loopback *s, int fd, int number, const char *r)
{
    loopback_reply(fd, page_body, "HTTP/1.1 200 OK\r\n");
    return true;
}

/* The handlers of passing trouble: the first answer is bad, others good. */
#define FIRST(name, ...)                                                       \
    static bool name(struct loopback *s, int fd, int number, const char *r)    \
    {                                                                          \
        if (number > 0)                                                        \
            return say_page(s, fd, number, r);                                 \
        __VA_ARGS__;                                                           \
        return true;                                                           \
    }

/* ---- requests and answers ---- */

static void a_list_request_is_canonical_and_carries_the_key(void **state)
{
    struct world w = {0};
    struct answer o;
    const struct api_list list = {
        .page = 2, .page_limit = 50, .filter = "&filename=a%20b"};
    world_open(&w, say_page, 60);
    answer_init(&o);
    assert_int_equal(api_list_assets(w.api, &list, API_FOREGROUND,
                                     API_CAUSE_QUERY, clock_mono_ms() + 9000,
                                     on_page, &o, NULL),
                     0);
    assert_int_equal(answer_wait(&o), 0);
    assert_int_equal(o.count, 2);
    assert_int_equal(o.total, 2);
    assert_true(o.asked_ms > 0 && o.answered_ms >= o.asked_ms);
    const char *sent = w.server->log[0];
    assert_int_equal(
        strncmp(sent,
                "GET /v1.3/assets?page=2&page_limit=50&filename=a%20b HTTP/1.1",
                61),
        0);
    assert_non_null(strstr(sent, "\r\nx-api-key: " KEY "\r\n"));
    struct api_stats stats;
    api_stats(w.api, &stats);
    assert_int_equal(stats.sent[API_CAUSE_QUERY], 1);
    assert_int_equal(stats.failed[API_CAUSE_QUERY], 0);
    assert_int_equal(stats.last_error, 0);
    assert_true(stats.last_success_s > 0);
    world_close(&w);
}

static void a_new_key_is_used_from_then_on(void **state)
{
    struct world w = {0};
    world_open(&w, say_page, 60);
    assert_int_equal(get_page(&w, 9000), 0);
    assert_int_equal(api_set_key(w.api, "other"), 0);
    assert_int_equal(api_set_key(w.api, "a\r\nHost: evil"), -EINVAL);
    assert_int_equal(get_page(&w, 9000), 0);
    assert_non_null(strstr(w.server->log[1], "\r\nx-api-key: other\r\n"));
    world_close(&w);
}

static void unusable_base_urls_are_refused(void **state)
{
    static const char *const urls[] = {"",
                                       "/",
                                       "ftp://h/v1",
                                       "http://u:p@h/",
                                       "http://h/?a=b",
                                       "http://h/#f",
                                       "http:///v1",
                                       "h/v1",
                                       "http://h/a b"};
    struct api *api = NULL;
    for (size_t i = 0; i < sizeof(urls) / sizeof(*urls); i++) {
        const struct api_config config = {
            .base_url = urls[i], .key = "k", .timeout_ms = 1, .rpm = 1};
        assert_int_equal(api_new(NULL, &config, &api), -EINVAL);
        assert_null(api);
    }
}

/* ---- retries ---- */

FIRST(unavailable_once, loopback_reply(fd, "", "HTTP/1.1 503 Busy\r\n"))
FIRST(portal_once,
      loopback_reply(fd, "<html>log in</html>", "HTTP/1.1 200 OK\r\n"))
FIRST(cut_once, loopback_write(fd,
                               "HTTP/1.1 200 OK\r\nContent-Length: 999\r\n"
                               "\r\n{\"data\":[",
                               50);
      return false)
FIRST(late_once, loopback_reply(fd, "", "HTTP/1.1 408 Slow\r\n"))
FIRST(hang_up_once, return false)
FIRST(redirect_once,
      loopback_reply(fd, "", "HTTP/1.1 302 F\r\nLocation: /x\r\n"))

static void passing_trouble_is_tried_again(void **state)
{
    static loopback_fn *const handlers[] = {unavailable_once, portal_once,
                                            cut_once,         late_once,
                                            hang_up_once,     redirect_once};
    for (size_t i = 0; i < sizeof(handlers) / sizeof(*handlers); i++) {
        struct api_stats stats;
        int requests = 0;
        assert_int_equal(ask_once(handlers[i], 9000, &requests, &stats), 0);
        assert_int_equal(requests, 2);
        assert_int_equal(stats.sent[API_CAUSE_POLL], 2);
        assert_int_equal(stats.failed[API_CAUSE_POLL], 1);
        assert_int_equal(stats.last_error, 0);
        assert_string_equal(stats.last_error_text, "");
    }
}

ALWAYS(portal, loopback_reply(fd, "<html>", "HTTP/1.1 200 OK\r\n"))
ALWAYS(down, loopback_reply(fd, "", "HTTP/1.1 500 Oops\r\n"))
ALWAYS(redirect, loopback_reply(fd, "", "HTTP/1.1 301 M\r\nLocation: /\r\n"))
ALWAYS(hang_up, return false)
ALWAYS(silent, loopback_hold(fd); return false)

static void lasting_trouble_ends_by_the_deadline_with_its_errno(void **state)
{
    static const struct {
        loopback_fn *handle;
        int err;
    } cases[] = {{portal, -EIO},
                 {down, -EIO},
                 {redirect, -EIO},
                 {hang_up, -EHOSTUNREACH},
                 {silent, -ETIMEDOUT}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct api_stats stats;
        int requests = 0;
        int64_t start = clock_mono_ms();
        assert_int_equal(ask_once(cases[i].handle, 300, &requests, &stats),
                         cases[i].err);
        assert_true(clock_mono_ms() - start < 5000);
        assert_int_equal(stats.last_error, cases[i].err);
        assert_string_not_equal(stats.last_error_text, "");
    }
}

ALWAYS(refuse_key,
       loopback_reply(fd,
                      "{\"code\":\"api_key_invalid\",\"message\":\"no \\u0007"
                      "such key " KEY "\"}",
                      "HTTP/1.1 401 No\r\n"))
ALWAYS(forbid, loopback_reply(fd, "", "HTTP/1.1 403 No\r\n"))
ALWAYS(unknown, loopback_reply(fd, "", "HTTP/1.1 404 No\r\n"))
ALWAYS(invalid,
       loopback_reply(fd, "{\"code\":\"parameter_invalid\",\"message\":\"x\"}",
                      "HTTP/1.1 400 No\r\n"))

static void refusals_are_final(void **state)
{
    static const struct {
        loopback_fn *handle;
        int err;
    } cases[] = {{refuse_key, -EACCES},
                 {forbid, -EACCES},
                 {unknown, -EIO},
                 {invalid, -EINVAL}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct api_stats stats;
        int requests = 0;
        assert_int_equal(ask_once(cases[i].handle, 9000, &requests, &stats),
                         cases[i].err);
        assert_int_equal(requests, 1);
    }
}

static void the_key_is_never_in_an_error_text(void **state)
{
    struct api_stats stats;
    int requests = 0;
    (void)ask_once(refuse_key, 9000, &requests, &stats);
    assert_non_null(strstr(stats.last_error_text, "api_key_invalid"));
    assert_non_null(strstr(stats.last_error_text, "such key ***"));
    assert_null(strstr(stats.last_error_text, "SESAME"));
    for (const char *c = stats.last_error_text; *c; c++)
        assert_true(*c >= 0x20 && *c < 0x7f);
}

static bool refuse_key_late(struct loopback *s, int fd, int number,
                            const char *r)
{
    loopback_pass(s, number);
    return refuse_key(s, fd, number, r);
}

static void nor_is_one_that_was_replaced_meanwhile(void **state)
{
    struct world w = {0};
    struct answer o;
    struct api_stats stats;
    world_open(&w, refuse_key_late, 60);
    ask_page(&w, 1, API_FOREGROUND, 9000, &o);
    loopback_wait_requests(w.server, 1);
    assert_int_equal(api_set_key(w.api, "another"), 0);
    loopback_open(w.server, 1);
    assert_int_equal(answer_wait(&o), -EACCES);
    api_stats(w.api, &stats);
    assert_string_equal(stats.last_error_text, "HTTP 401");
    world_close(&w);
}

FIRST(throttle_once,
      loopback_reply(fd, "", "HTTP/1.1 429 No\r\nretry-after-ms: 700\r\n"))
ALWAYS(throttle,
       loopback_reply(fd, "", "HTTP/1.1 429 No\r\nRetry-After: 60\r\n"))

static void retry_after_is_waited_for_or_fails_at_once(void **state)
{
    struct api_stats stats;
    int requests = 0;
    int64_t start = clock_mono_ms();
    assert_int_equal(ask_once(throttle_once, 9000, &requests, &stats), 0);
    assert_true(clock_mono_ms() - start >= 700);
    assert_int_equal(stats.throttled, 1);

    start = clock_mono_ms();
    assert_int_equal(ask_once(throttle, 9000, &requests, &stats), -EAGAIN);
    assert_true(clock_mono_ms() - start < 5000);
    assert_int_equal(requests, 1);
    assert_int_in_range(stats.background_pause_ms, 50000, 60000);
}

/* The others needn't ask to know, nor wait for their deadlines. */
static void
a_limit_beyond_the_deadline_ends_the_background_at_once(void **state)
{
    struct world w = {0};
    struct answer o;
    world_open(&w, throttle, 60);
    ask_page(&w, 1, API_WALK, 30000, &o);
    assert_int_equal(answer_wait(&o), -EAGAIN);
    int64_t start = clock_mono_ms();
    for (int lane = API_WALK; lane <= API_BACKGROUND; lane++) {
        ask_page(&w, 2, (enum api_lane)lane, 30000, &o);
        assert_int_equal(answer_wait(&o), -EAGAIN);
    }
    assert_true(clock_mono_ms() - start < 15000);
    assert_int_equal(w.server->requests, 1);
    world_close(&w);
}

/* ---- lanes ---- */

static bool gated_page(struct loopback *s, int fd, int number, const char *r)
{
    loopback_pass(s, number);
    return say_page(s, fd, number, r);
}

static bool asks_for(const char *request, int page)
{
    char text[32];
    snprintf(text, sizeof(text), "?page=%d&", page);
    return strstr(request, text) != NULL;
}

static void background_stands_back_while_a_person_waits(void **state)
{
    struct world w = {0};
    struct answer o[4];
    world_open(&w, gated_page, 60);
    ask_page(&w, 1, API_FOREGROUND, 9000, &o[0]);
    loopback_wait_requests(w.server, 1);
    ask_page(&w, 4, API_BACKGROUND, 9000, &o[1]);
    ask_page(&w, 3, API_WALK, 9000, &o[2]);
    ask_page(&w, 2, API_FOREGROUND, 9000, &o[3]);
    loopback_wait_requests(w.server, 2);
    loopback_open(w.server, 100);
    for (int i = 0; i < 4; i++)
        assert_int_equal(answer_wait(&o[i]), 0);
    for (int i = 0; i < 2; i++)
        assert_true(asks_for(w.server->log[i], i + 1));
    assert_true(o[1].asked_ms >= o[0].answered_ms);
    assert_true(o[2].asked_ms >= o[3].answered_ms);
    world_close(&w);
}

static void background_keeps_to_its_pace_and_the_walk_does_not(void **state)
{
    struct world w = {0};
    struct answer o;
    world_open(&w, say_page, 6);
    ask_page(&w, 1, API_BACKGROUND, 9000, &o);
    assert_int_equal(answer_wait(&o), 0);
    ask_page(&w, 2, API_BACKGROUND, 200, &o);
    assert_int_equal(answer_wait(&o), -ETIMEDOUT);
    assert_int_equal(loopback_requests(w.server), 1);
    ask_page(&w, 3, API_WALK, 9000, &o);
    assert_int_equal(answer_wait(&o), 0);
    assert_int_equal(get_page(&w, 9000), 0);
    world_close(&w);
}

static bool say_used_up(struct loopback *s, int fd, int number, const char *r)
{
    loopback_reply(fd, page_body,
                   "HTTP/1.1 200 OK\r\nX-Ratelimit-Limit: 10\r\n"
                   "X-Ratelimit-Remaining: 2\r\nX-Ratelimit-Reset: %lld\r\n",
                   (long long)clock_wall_s() + 3600);
    return true;
}

static void background_leaves_a_fifth_of_the_limit(void **state)
{
    struct world w = {0};
    struct answer o;
    struct api_stats stats;
    world_open(&w, say_used_up, 60);
    assert_int_equal(get_page(&w, 9000), 0);
    ask_page(&w, 2, API_WALK, 9000, &o);
    assert_int_equal(answer_wait(&o), -EAGAIN);
    ask_page(&w, 2, API_BACKGROUND, 9000, &o);
    assert_int_equal(answer_wait(&o), -EAGAIN);
    assert_int_equal(loopback_requests(w.server), 1);
    assert_int_equal(get_page(&w, 9000), 0);
    api_stats(w.api, &stats);
    assert_int_equal(stats.limit, 10);
    assert_int_equal(stats.remaining, 2);
    assert_int_in_range(stats.background_pause_ms, API_PAUSE_MAX_MS - 100000,
                        API_PAUSE_MAX_MS);
    world_close(&w);
}

/* ---- the circuit ---- */

/* Fails until the gate is opened a little, then waits for it to be wide. */
static bool dead_then_gated(struct loopback *s, int fd, int number,
                            const char *r)
{
    pthread_mutex_lock(&s->lock);
    int gate = s->gate;
    pthread_mutex_unlock(&s->lock);
    if (gate == 0)
        return false;
    loopback_pass(s, 1000);
    return say_page(s, fd, number, r);
}

#define READERS 100

static void a_dead_host_is_asked_by_one_probe_at_a_time(void **state)
{
    struct world w = {0};
    struct answer probe, readers[READERS];
    struct api_stats stats = {0};
    world_open(&w, dead_then_gated, 60);
    while (!stats.circuit_open) {
        assert_int_equal(get_page(&w, 300), -EHOSTUNREACH);
        api_stats(w.api, &stats);
    }
    assert_true(loopback_requests(w.server) >= API_CIRCUIT_FAILURES);

    /* whoever has time left waits for what comes of it */
    loopback_open(w.server, 1);
    int before = loopback_requests(w.server);
    ask_page(&w, 1, API_FOREGROUND, 9000, &probe);
    loopback_wait_requests(w.server, before + 1);
    for (int i = 0; i < READERS; i++)
        ask_page(&w, 1, API_FOREGROUND, 9000, &readers[i]);
    assert_int_equal(get_page(&w, 300), -EHOSTUNREACH); /* who has none */
    assert_int_equal(loopback_requests(w.server), before + 1);
    assert_false(answer_came(&probe));
    assert_false(answer_came(&readers[0]));

    loopback_open(w.server, 2000);
    assert_int_equal(answer_wait(&probe), 0);
    for (int i = 0; i < READERS; i++)
        assert_int_equal(answer_wait(&readers[i]), 0);
    api_stats(w.api, &stats);
    assert_false(stats.circuit_open);
    world_close(&w);
}

/* Nobody hangs on a host that stays dead: the failure of a probe that began
 * after the question is the answer to it. */
static void a_probe_that_fails_ends_who_waits_for_it(void **state)
{
    struct world w = {0};
    struct answer readers[READERS];
    struct api_stats stats = {0};
    world_open(&w, hang_up, 60);
    while (!stats.circuit_open) {
        assert_int_equal(get_page(&w, 300), -EHOSTUNREACH);
        api_stats(w.api, &stats);
    }
    int before = loopback_requests(w.server);
    int64_t start = clock_mono_ms();
    for (int i = 0; i < READERS; i++)
        ask_page(&w, 1, API_FOREGROUND, 60000, &readers[i]);
    for (int i = 1; i < READERS; i++)
        assert_int_equal(answer_wait(&readers[i]), -EHOSTUNREACH);
    assert_true(clock_mono_ms() - start < 20000);
    assert_true(loopback_requests(w.server) - before < READERS / 2);
    world_close(&w);
}

static bool fail_eight(struct loopback *s, int fd, int number, const char *r)
{
    if (number >= 8)
        return say_page(s, fd, number, r);
    loopback_pass(s, number);
    return false;
}

static void one_hiccup_under_a_parallel_walk_opens_no_circuit(void **state)
{
    struct world w = {0};
    struct answer o[8];
    world_open(&w, fail_eight, 60);
    for (int i = 0; i < 8; i++)
        ask_page(&w, i + 1, API_WALK, 9000, &o[i]);
    loopback_wait_requests(w.server, 8);
    loopback_open(w.server, 8);
    for (int i = 0; i < 8; i++)
        assert_int_equal(answer_wait(&o[i]), 0);
    world_close(&w);
}

/* ---- cancelling, ending ---- */

static void cancelling_ends_calls_under_way_and_waiting(void **state)
{
    struct world w = {0};
    struct answer sent, queued;
    world_open(&w, silent, 60);
    uint64_t first = ask_page(&w, 1, API_FOREGROUND, 9000, &sent);
    loopback_wait_requests(w.server, 1);
    uint64_t second = ask_page(&w, 2, API_BACKGROUND, 9000, &queued);
    api_cancel(w.api, second);
    assert_int_equal(answer_wait(&queued), -ECANCELED);
    assert_false(answer_came(&sent));
    api_cancel(w.api, first);
    assert_int_equal(answer_wait(&sent), -ECANCELED);
    api_cancel(w.api, first);
    assert_int_equal(loopback_requests(w.server), 1);
    world_close(&w);
    assert_int_equal(sent.calls, 1);
    assert_int_equal(queued.calls, 1);
}

static void freeing_answers_everyone(void **state)
{
    struct world w = {0};
    struct answer o[30];
    world_open(&w, silent, 60);
    for (int i = 0; i < 30; i++)
        ask_page(&w, i + 1, (enum api_lane)(i % 3), 9000, &o[i]);
    loopback_wait_requests(w.server, 1);
    world_close(&w);
    for (int i = 0; i < 30; i++) {
        assert_int_equal(o[i].calls, 1);
        assert_int_equal(o[i].err, -ECANCELED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_request_is_canonical_and_carries_the_key),
        cmocka_unit_test(a_new_key_is_used_from_then_on),
        cmocka_unit_test(unusable_base_urls_are_refused),
        cmocka_unit_test(passing_trouble_is_tried_again),
        cmocka_unit_test(lasting_trouble_ends_by_the_deadline_with_its_errno),
        cmocka_unit_test(refusals_are_final),
        cmocka_unit_test(the_key_is_never_in_an_error_text),
        cmocka_unit_test(nor_is_one_that_was_replaced_meanwhile),
        cmocka_unit_test(retry_after_is_waited_for_or_fails_at_once),
        cmocka_unit_test(
            a_limit_beyond_the_deadline_ends_the_background_at_once),
        cmocka_unit_test(background_stands_back_while_a_person_waits),
        cmocka_unit_test(background_keeps_to_its_pace_and_the_walk_does_not),
        cmocka_unit_test(background_leaves_a_fifth_of_the_limit),
        cmocka_unit_test(a_dead_host_is_asked_by_one_probe_at_a_time),
        cmocka_unit_test(a_probe_that_fails_ends_who_waits_for_it),
        cmocka_unit_test(one_hiccup_under_a_parallel_walk_opens_no_circuit),
        cmocka_unit_test(cancelling_ends_calls_under_way_and_waiting),
        cmocka_unit_test(freeing_answers_everyone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
