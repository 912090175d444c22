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
#include "wire/api_circuit.h"
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

static void no_minute_holds_more_than_rpm(void **state)
{
    static const int rates[] = {1, 2, 5, 6, 7, 60, 600, 100000};
    for (size_t i = 0; i < sizeof(rates) / sizeof(*rates); i++) {
        struct api_budget b;
        int sent = 0;
        int64_t now_ms = 1000000;
        api_budget_init(&b, rates[i]);
        for (int64_t end_ms = now_ms + 59999; now_ms < end_ms;) {
            int64_t when = api_budget_when_ms(&b, API_BACKGROUND, 0, now_ms);
            if (when > now_ms) {
                now_ms = when;
                continue;
            }
            api_budget_spend(&b, API_BACKGROUND, now_ms);
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
        assert_int_equal(api_budget_when_ms(&b, API_WALK, 0, 5000), 5000);
        assert_int_equal(api_budget_when_ms(&b, API_FOREGROUND, 0, 5000), 5000);
        api_budget_spend(&b, API_WALK, 5000);
        api_budget_spend(&b, API_FOREGROUND, 5000);
    }
}

static void a_429_rests_the_background_until_its_time(void **state)
{
    struct api_budget b;
    struct http_response good = heard(-1, -1, -1);
    api_budget_init(&b, 60);
    api_budget_throttled(&b, 7000, 1000);
    api_budget_throttled(&b, 2000, 1000); /* no answer shortens it */
    assert_int_equal(api_budget_when_ms(&b, API_WALK, 0, 1000), 8000);
    assert_int_equal(api_budget_when_ms(&b, API_FOREGROUND, 0, 1000), 1000);
    assert_int_equal(api_budget_when_ms(&b, API_WALK, 0, 8000), 8000);

    api_budget_init(&b, 60);
    int64_t before = 0, now = 1000;
    for (int i = 0; i < 10; i++) {
        for (int answers = 0; answers < 8; answers++)
            api_budget_throttled(&b, -1, now); /* of as many under way */
        int64_t pause = api_budget_when_ms(&b, API_WALK, 0, now) - now;
        assert_true(pause > before || pause == 60000);
        assert_true(pause <= 1000 << i);
        before = pause;
        now += pause;
    }
    assert_int_equal(api_budget_when_ms(&b, API_WALK, 1, now), CLOCK_NEVER_MS);
    api_budget_hear(&b, &good, now, NOW_S);
    assert_int_equal(api_budget_when_ms(&b, API_WALK, 1, now), now);
    api_budget_init(&b, 60);
    api_budget_throttled(&b, -1, 100000);
    assert_int_equal(api_budget_when_ms(&b, API_WALK, 0, 100000), 101000);
}

static void a_fifth_stays_for_others_until_the_reset(void **state)
{
    struct api_budget b;
    struct http_response r = heard(100, 22, NOW_S + 30);
    api_budget_init(&b, 60);
    api_budget_hear(&b, &r, 1000, NOW_S);
    assert_int_equal(api_budget_when_ms(&b, API_WALK, 0, 1000), 1000);
    assert_int_equal(api_budget_when_ms(&b, API_WALK, 1, 1000), 1000);
    /* what is under way may use up what is left: wait for its answer */
    assert_int_equal(api_budget_when_ms(&b, API_WALK, 2, 1000), CLOCK_NEVER_MS);
    r.limit_remaining = 20;
    api_budget_hear(&b, &r, 2000, NOW_S + 1);
    assert_int_equal(api_budget_when_ms(&b, API_WALK, 0, 2000), 31000);
    assert_int_equal(api_budget_when_ms(&b, API_BACKGROUND, 5, 2000), 31000);
    assert_int_equal(api_budget_when_ms(&b, API_WALK, 0, 31000), 31000);
}

static void a_limit_of_one_still_lets_the_background_live(void **state)
{
    struct api_budget b;
    struct http_response r = heard(1, 0, -1);
    api_budget_init(&b, 60);
    api_budget_hear(&b, &r, 1000, NOW_S);
    assert_int_equal(api_budget_when_ms(&b, API_WALK, 0, 1000), 61000);
    assert_int_equal(api_budget_when_ms(&b, API_WALK, 0, 61000), 61000);
    assert_int_equal(api_budget_when_ms(&b, API_WALK, 1, 61000),
                     CLOCK_NEVER_MS);
}

static void absurd_resets_rest_a_minute_or_a_day(void **state)
{
    static const struct {
        int64_t reset_s, rest_ms;
    } cases[] = {{0, 60000},
                 {59, 60000},
                 {NOW_S - 3600, 60000},
                 {NOW_S, 1000},
                 {NOW_S - 2, 1000},
                 {NOW_S + 10, 10000},
                 {(int64_t)1 << 52, 86400000}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct api_budget b;
        struct http_response r = heard(10, 0, cases[i].reset_s);
        api_budget_init(&b, 60);
        api_budget_hear(&b, &r, 5000, NOW_S);
        assert_int_equal(api_budget_when_ms(&b, API_WALK, 0, 5000),
                         5000 + cases[i].rest_ms);
    }
}

static void waits_double_up_to_a_bound_and_obey_retry_after(void **state)
{
    for (int attempts = 1; attempts < 100; attempts++) {
        int64_t bound = attempts < 5 ? 500 << (attempts - 1) : 8000;
        for (uint64_t random = 0; random < 100000; random += 997)
            assert_int_in_range(api_retry_delay_ms(attempts, -1, random), 0,
                                bound);
        assert_int_equal(api_retry_delay_ms(attempts, -1, (uint64_t)bound),
                         bound);
        assert_int_in_range(api_retry_delay_ms(attempts, 40000, UINT64_MAX),
                            40000, 40000);
    }
}

static struct api_verdict judge(int error, int status, bool picture)
{
    const struct http_response r = {.error = error, .status = status};
    return api_judge(&r, picture);
}

static void what_will_not_change_is_not_tried_again(void **state)
{
    static const int final_statuses[] = {400, 401, 403, 404, 405, 410, 451};
    static const int passing_statuses[] = {408, 429, 500, 502, 503, 599, 204};
    static const int passing_errors[] = {
        -ETIMEDOUT,  -ENETUNREACH, -EHOSTUNREACH, -ECONNREFUSED,
        -ECONNRESET, -EBADMSG,     -EPROTO};
    static const int final_errors[] = {-ECANCELED, -ENOMEM, -EFBIG, -ELOOP};
    for (size_t i = 0; i < sizeof(final_statuses) / sizeof(int); i++) {
        assert_false(judge(0, final_statuses[i], false).retry);
        assert_false(judge(0, final_statuses[i], false).host_failed);
        assert_int_not_equal(judge(0, final_statuses[i], false).error, 0);
    }
    for (size_t i = 0; i < sizeof(passing_statuses) / sizeof(int); i++)
        assert_true(judge(0, passing_statuses[i], false).retry);
    for (size_t i = 0; i < sizeof(passing_errors) / sizeof(int); i++)
        assert_true(judge(passing_errors[i], 0, true).retry);
    for (size_t i = 0; i < sizeof(final_errors) / sizeof(int); i++)
        assert_false(judge(final_errors[i], 0, true).retry);
    assert_int_equal(judge(0, 200, false).error, 0);
    assert_false(judge(0, 429, true).retry);
    assert_false(judge(0, 429, false).host_failed);
}

static void only_failures_one_after_another_open_a_circuit(void **state)
{
    static struct api_circuits all;
    struct api_circuit *h = api_circuit_hold(&all, "https://a.test/x");
    for (int i = 0; i < 100; i++)
        api_circuit_failed(h, -EIO, 1000, 1010); /* asked together */
    assert_false(api_circuit_is_open(h));
    for (int i = 0; i < API_CIRCUIT_FAILURES - 1; i++) {
        assert_false(api_circuit_is_open(h));
        api_circuit_failed(h, -EIO, 2000 + i * 20, 2010 + i * 20);
    }
    assert_true(api_circuit_is_open(h));
    api_circuit_succeeded(h);
    assert_false(api_circuit_is_open(h));
    api_circuit_release(h, NULL);
}

static void hosts_have_circuits_of_their_own_as_far_as_there_is_room(void **st)
{
    static struct api_circuits all;
    char url[64];
    struct api_circuit *a = api_circuit_hold(&all, "https://a.test/x?y");
    assert_ptr_equal(api_circuit_hold(&all, "HTTPS://A.test/z"), a);
    assert_ptr_not_equal(api_circuit_hold(&all, "https://a.test:444/"), a);
    for (int i = 0; i < 100; i++) {
        snprintf(url, sizeof(url), "http://h%d.test/", i);
        api_circuit_release(api_circuit_hold(&all, url), NULL);
    }
    assert_ptr_equal(api_circuit_hold(&all, "https://a.test"), a);
    int held = 0;
    for (int i = 0; i < 100; i++) {
        snprintf(url, sizeof(url), "http://h%d.test/", i);
        held += api_circuit_hold(&all, url) != NULL;
    }
    assert_int_equal(held, API_CIRCUIT_HOSTS - 2);
    assert_null(api_circuit_hold(&all, "nonsense"));
    assert_false(api_circuit_is_open(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_minute_holds_more_than_rpm),
        cmocka_unit_test(the_walk_and_a_person_have_no_pace),
        cmocka_unit_test(a_429_rests_the_background_until_its_time),
        cmocka_unit_test(a_fifth_stays_for_others_until_the_reset),
        cmocka_unit_test(a_limit_of_one_still_lets_the_background_live),
        cmocka_unit_test(absurd_resets_rest_a_minute_or_a_day),
        cmocka_unit_test(waits_double_up_to_a_bound_and_obey_retry_after),
        cmocka_unit_test(what_will_not_change_is_not_tried_again),
        cmocka_unit_test(only_failures_one_after_another_open_a_circuit),
        cmocka_unit_test(
            hosts_have_circuits_of_their_own_as_far_as_there_is_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
