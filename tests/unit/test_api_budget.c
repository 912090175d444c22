/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "wire/api_budget.h"
#include "wire/api_host.h"
#include "wire/api_pause.h"
#include "wire/api_retry.h"

#include "range.h"

#define NOW_S 1700000000

static struct http_response heard(int64_t limit, int64_t remaining,
                                  int64_t reset_s)
{
    return (struct http_response){.status = 200,
                                  .limit = limit,
                                  .limit_remaining = remaining,
                                  .request_remaining = -1,
                                  .limit_reset_s = reset_s,
                                  .retry_after_ms = -1};
}

/* Here a moment's number is its millisecond. */
static struct api_moment at(int64_t ms)
{
    return (struct api_moment){(uint64_t)ms, ms};
}

/* When one of a lane may go; a person of these tests can't wait. */
static int64_t when(struct api_budget *b, enum api_lane lane, int in_flight,
                    int64_t now_ms)
{
    return api_budget_when_ms(b, lane, in_flight, now_ms, now_ms);
}

static void refuse(struct api_budget *b, int status, int64_t retry_after_ms,
                   int64_t now_ms)
{
    struct http_response r = heard(-1, -1, -1);
    r.status = status;
    r.retry_after_ms = retry_after_ms;
    api_budget_hear(b, &r, now_ms - 1, at(now_ms), NOW_S);
}

static void hear(struct api_budget *b, const struct http_response *r,
                 int64_t now_ms)
{
    api_budget_hear(b, r, now_ms - 1, at(now_ms), NOW_S + now_ms / 1000);
}

static void no_minute_holds_more_than_rpm(void **state)
{
    static const int rates[] = {1, 2, 5, 6, 7, 60, 600, 100000};
    for (size_t i = 0; i < sizeof(rates) / sizeof(*rates); i++) {
        struct api_budget b;
        int sent = 0;
        int64_t now_ms = 1000000;
        api_budget_init(&b, rates[i]);
        for (int64_t end_ms = now_ms + 59999; now_ms < end_ms;) {
            enum api_lane lane = sent % 2 ? API_BACKGROUND : API_REWALK;
            int64_t when_ms = when(&b, lane, 0, now_ms);
            if (when_ms > now_ms) {
                now_ms = when_ms;
                continue;
            }
            api_budget_spend(&b, lane, now_ms);
            sent++;
        }
        assert_int_in_range(sent, 1, rates[i] + 1);
        assert_true(sent >= rates[i] * 9 / 10);
    }
}

static void the_walk_and_a_person_have_no_pace(void **state)
{
    struct api_budget b;
    api_budget_init(&b, 1);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(when(&b, API_WALK, 0, 5000), 5000);
        assert_int_equal(when(&b, API_FOREGROUND, 0, 5000), 5000);
        api_budget_spend(&b, API_WALK, 5000);
        api_budget_spend(&b, API_FOREGROUND, 5000);
    }
}

static void a_429_rests_the_background_until_its_time(void **state)
{
    struct api_budget b;
    struct http_response good = heard(-1, -1, -1);
    api_budget_init(&b, 60);
    refuse(&b, 429, 7000, 1000);
    refuse(&b, 429, 2000, 1000); /* no answer shortens it */
    assert_int_equal(when(&b, API_WALK, 0, 1000), 8000);
    assert_int_equal(when(&b, API_WALK, 0, 8000), 8000);

    api_budget_init(&b, 60);
    refuse(&b, 503, 7000, 1000);
    assert_int_equal(when(&b, API_BACKGROUND, 0, 1000), 8000);
    api_budget_init(&b, 60);
    refuse(&b, 503, -1, 1000); /* trouble, no limit */
    assert_int_equal(when(&b, API_BACKGROUND, 0, 1000), 1000);

    api_budget_init(&b, 60);
    int64_t before = 0, now = 1000;
    for (int i = 0; i < 10; i++) {
        for (int answers = 0; answers < 8; answers++)
            refuse(&b, 429, -1, now); /* of as many under way */
        int64_t pause = when(&b, API_WALK, 0, now) - now;
        assert_true(pause > before || pause == 60000);
        assert_true(pause <= 1000 << i);
        before = pause;
        now += pause;
    }
    assert_int_equal(when(&b, API_WALK, 1, now), CLOCK_NEVER_MS);
    hear(&b, &good, now + 2);
    assert_int_equal(when(&b, API_WALK, 1, now + 2), now + 2);
    api_budget_init(&b, 60);
    refuse(&b, 429, -1, 100000);
    assert_int_equal(when(&b, API_WALK, 0, 100000), 101000);
}

static void no_header_is_believed_for_more_than_minutes(void **state)
{
    struct api_budget b;
    struct http_response good = heard(-1, -1, -1);
    api_budget_init(&b, 60);
    for (int64_t now = 1000, day = 1; day <= 10; day++) {
        refuse(&b, 429, 86400000, now);
        assert_int_equal(when(&b, API_WALK, 0, now), now + API_PAUSE_MAX_MS);
        now += API_PAUSE_MAX_MS;
        assert_int_equal(when(&b, API_WALK, 0, now), now); /* one finds out */
        assert_int_equal(when(&b, API_WALK, 1, now), CLOCK_NEVER_MS);
    }
    refuse(&b, 429, 86400000, 9000000);
    /* an answer that was on its way proves nothing, a later one does */
    api_budget_hear(&b, &good, 8999999, at(9000050), NOW_S);
    assert_true(when(&b, API_WALK, 0, 9000050) > 9000050);
    api_budget_hear(&b, &good, 9000001, at(9000060), NOW_S);
    assert_int_equal(when(&b, API_WALK, 3, 9000060), 9000060);
}

static void a_fifth_stays_for_others_until_the_reset(void **state)
{
    struct api_budget b;
    struct http_response r = heard(100, 22, NOW_S + 31);
    api_budget_init(&b, 60);
    hear(&b, &r, 1000);
    assert_int_equal(when(&b, API_WALK, 0, 1000), 1000);
    assert_int_equal(when(&b, API_WALK, 1, 1000), 1000);
    /* what is under way may use up what is left: wait for its answer */
    assert_int_equal(when(&b, API_WALK, 2, 1000), CLOCK_NEVER_MS);
    r.limit_remaining = 20;
    hear(&b, &r, 2000);
    assert_int_equal(when(&b, API_WALK, 0, 2000), 31000);
    assert_int_equal(when(&b, API_BACKGROUND, 5, 2000), 31000);
    assert_int_equal(when(&b, API_REWALK, 5, 2000), 31000);
    assert_int_equal(when(&b, API_FOREGROUND, 5, 2000), 2000);
    assert_int_equal(when(&b, API_WALK, 0, 31000), 31000);
}

static void a_limit_of_one_still_lets_the_background_live(void **state)
{
    struct api_budget b;
    struct http_response r = heard(1, 0, -1);
    api_budget_init(&b, 60);
    hear(&b, &r, 1000);
    assert_int_equal(when(&b, API_WALK, 0, 1000), 61000);
    assert_int_equal(when(&b, API_WALK, 0, 61000), 61000);
    assert_int_equal(when(&b, API_WALK, 1, 61000), CLOCK_NEVER_MS);
}

static void absurd_resets_rest_a_minute_or_some(void **state)
{
    static const struct {
        int64_t reset_s, rest_ms;
    } cases[] = {{0, 60000},
                 {59, 60000},
                 {NOW_S - 3600, 60000},
                 {NOW_S, 1000},
                 {NOW_S - 2, 1000},
                 {NOW_S + 10, 10000},
                 {NOW_S + 3600, API_PAUSE_MAX_MS},
                 {(int64_t)1 << 52, API_PAUSE_MAX_MS}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct api_budget b;
        struct http_response r = heard(10, 0, cases[i].reset_s);
        api_budget_init(&b, 60);
        api_budget_hear(&b, &r, 4999, at(5000), NOW_S);
        assert_int_equal(when(&b, API_WALK, 0, 5000), 5000 + cases[i].rest_ms);
    }
}

static void a_far_reset_is_looked_at_again_by_one_at_a_time(void **state)
{
    struct api_budget b;
    struct http_response r = heard(100, 7, NOW_S + 86400);
    api_budget_init(&b, 60);
    int64_t now = 1000;
    for (int i = 0; i < 5; i++) {
        hear(&b, &r, now);
        assert_int_equal(when(&b, API_WALK, 0, now), now + API_PAUSE_MAX_MS);
        now += API_PAUSE_MAX_MS;
        assert_int_equal(when(&b, API_WALK, 0, now), now);
        assert_int_equal(when(&b, API_WALK, 1, now), CLOCK_NEVER_MS);
    }
    /* a later answer that says nothing of the limit ends it */
    r = heard(-1, -1, -1);
    api_budget_hear(&b, &r, 500, at(now), NOW_S);
    assert_int_equal(when(&b, API_WALK, 1, now), CLOCK_NEVER_MS);
    hear(&b, &r, now + 2);
    assert_int_equal(when(&b, API_WALK, 7, now), now);
}

static void none_left_is_not_believed_of_who_answers_all_the_same(void **state)
{
    struct api_budget b;
    struct http_response r = heard(100, 0, NOW_S + 3600);
    api_budget_init(&b, 60);
    hear(&b, &r, 1000);
    api_budget_hear(&b, &r, 990, at(1010), NOW_S); /* sent before it was told */
    assert_true(when(&b, API_WALK, 0, 1010) > 1010);
    hear(&b, &r, 2000);
    assert_int_equal(when(&b, API_WALK, 5, 2000), 2000);
    hear(&b, &r, 3000);
    assert_int_equal(when(&b, API_WALK, 5, 3000), 3000);
    r.limit_remaining = 20; /* a number that moves counts again */
    hear(&b, &r, 4000);
    assert_true(when(&b, API_WALK, 0, 4000) > 4000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_minute_holds_more_than_rpm),
        cmocka_unit_test(the_walk_and_a_person_have_no_pace),
        cmocka_unit_test(a_429_rests_the_background_until_its_time),
        cmocka_unit_test(no_header_is_believed_for_more_than_minutes),
        cmocka_unit_test(a_fifth_stays_for_others_until_the_reset),
        cmocka_unit_test(a_limit_of_one_still_lets_the_background_live),
        cmocka_unit_test(absurd_resets_rest_a_minute_or_some),
        cmocka_unit_test(a_far_reset_is_looked_at_again_by_one_at_a_time),
        cmocka_unit_test(none_left_is_not_believed_of_who_answers_all_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
