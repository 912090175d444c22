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
    "{\"data\":[],\"page_info\":{\"page\":1,\"limit_per_page\":50,"
    "\"total_page\":0,\"total_results\":0}}";

#define READERS 100
#define BURST   10 /* of 60 a minute */

/* The gate says how many requests are refused. */
static bool refuse_some(struct loopback *s, int fd, int number, const char *r)
{
    pthread_mutex_lock(&s->lock);
    int gate = s->gate;
    pthread_mutex_unlock(&s->lock);
    if (number < gate)
        loopback_reply(fd, "", "HTTP/1.1 429 No\r\nRetry-After: 86400\r\n");
    else
        loopback_reply(fd, page_body, "HTTP/1.1 200 OK\r\n");
    return true;
}

static int64_t pause_of(struct world *w)
{
    struct api_stats stats;
    api_stats(w->api, &stats);
    return stats.background_pause_ms;
}

static int ask_and_wait(struct world *w, enum api_lane lane, int64_t within_ms)
{
    struct answer o;
    ask_page(w, 1, lane, within_ms, &o);
    return answer_wait(&o);
}

static void one_header_silences_nobody_for_a_day(void **state)
{
    struct world w = {0};
    world_open(&w, refuse_some, 60);
    loopback_open(w.server, 1);
    assert_int_equal(ask_and_wait(&w, API_WALK, 30000), -EAGAIN);
    assert_int_in_range(pause_of(&w), API_PAUSE_MAX_MS - 100000,
                        API_PAUSE_MAX_MS);
    assert_int_equal(ask_and_wait(&w, API_BACKGROUND, 30000), -EAGAIN);
    assert_int_equal(loopback_requests(w.server), 1);

    /* a person's question is asked, and its success is everybody's */
    assert_int_equal(ask_and_wait(&w, API_FOREGROUND, 30000), 0);
    assert_int_equal(pause_of(&w), 0);
    assert_int_equal(ask_and_wait(&w, API_WALK, 30000), 0);
    assert_int_equal(loopback_requests(w.server), 3);
    world_close(&w);
}

static void many_who_ask_while_it_refuses_ask_once(void **state)
{
    struct world w = {0};
    struct answer o[READERS];
    world_open(&w, refuse_some, 60);
    loopback_open(w.server, 1000);
    assert_int_equal(ask_and_wait(&w, API_FOREGROUND, 30000), -EAGAIN);
    for (int i = 0; i < READERS; i++)
        ask_page(&w, i + 1, API_FOREGROUND, 30000, &o[i]);
    for (int i = 0; i < READERS; i++)
        assert_int_equal(answer_wait(&o[i]), -EAGAIN);
    assert_true(loopback_requests(w.server) < 5);
    world_close(&w);
}

static bool say_little(struct loopback *s, int fd, int number, const char *r)
{
    if (number == 0)
        loopback_reply(fd, page_body,
                       "HTTP/1.1 200 OK\r\nX-Ratelimit-Limit: 100\r\n"
                       "X-Ratelimit-Remaining: 0\r\n"
                       "X-Ratelimit-Reset: %lld\r\n",
                       (long long)clock_wall_s() + 86400);
    else
        loopback_reply(fd, page_body, "HTTP/1.1 200 OK\r\n");
    return true;
}

static void none_remaining_once_is_over_with_the_next_answer(void **state)
{
    struct world w = {0};
    world_open(&w, say_little, 60);
    assert_int_equal(ask_and_wait(&w, API_WALK, 30000), 0);
    assert_true(pause_of(&w) > 0);
    assert_int_equal(ask_and_wait(&w, API_WALK, 30000), -EAGAIN);
    assert_int_equal(ask_and_wait(&w, API_FOREGROUND, 30000), 0);
    assert_int_equal(pause_of(&w), 0);
    assert_int_equal(ask_and_wait(&w, API_WALK, 30000), 0);
    world_close(&w);
}

static bool busy_for_a_second(struct loopback *s, int fd, int number,
                              const char *r)
{
    if (number == 0)
        loopback_reply(fd, "", "HTTP/1.1 503 No\r\nRetry-After: 1\r\n");
    else
        loopback_reply(fd, page_body, "HTTP/1.1 200 OK\r\n");
    return true;
}

/* Of 503, too, and by all: whoever has the time waits for it. */
static void a_short_retry_after_is_obeyed_to_the_letter(void **state)
{
    struct world w = {0};
    struct answer o[READERS];
    struct api_stats stats = {0};
    world_open(&w, busy_for_a_second, 6000);
    int64_t start = clock_mono_ms();
    ask_page(&w, 1, API_FOREGROUND, 30000, &o[0]);
    while (!stats.failed[API_CAUSE_POLL])
        api_stats(w.api, &stats);
    for (int i = 1; i < READERS; i++)
        ask_page(&w, i + 1, (enum api_lane)(i % API_LANE_COUNT), 30000, &o[i]);
    for (int i = 0; i < READERS; i++) {
        assert_int_equal(answer_wait(&o[i]), 0);
        assert_true(o[i].asked_ms >= start + 1000);
    }
    assert_int_equal(loopback_requests(w.server), READERS + 1);
    world_close(&w);
}

static bool say_page(struct loopback *s, int fd, int number, const char *r)
{
    loopback_reply(fd, page_body, "HTTP/1.1 200 OK\r\n");
    return true;
}

static void a_walk_of_what_is_known_keeps_to_rpm_after_the_polls(void **state)
{
    struct world w = {0};
    struct answer again, poll;
    world_open(&w, say_page, 60);
    for (int i = 0; i < BURST; i++)
        assert_int_equal(ask_and_wait(&w, API_REWALK, 30000), 0);
    ask_page(&w, 2, API_REWALK, 60000, &again);
    ask_page(&w, 1, API_BACKGROUND, 60000, &poll);
    assert_int_equal(answer_wait(&poll), 0);
    assert_false(answer_came(&again));
    assert_int_equal(loopback_requests(w.server), BURST + 1);
    assert_int_equal(answer_wait(&again), 0);
    assert_true(again.asked_ms > poll.asked_ms);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_header_silences_nobody_for_a_day),
        cmocka_unit_test(many_who_ask_while_it_refuses_ask_once),
        cmocka_unit_test(none_remaining_once_is_over_with_the_next_answer),
        cmocka_unit_test(a_short_retry_after_is_obeyed_to_the_letter),
        cmocka_unit_test(a_walk_of_what_is_known_keeps_to_rpm_after_the_polls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
