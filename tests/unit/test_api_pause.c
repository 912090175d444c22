/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "wire/api_pause.h"

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

static void a_person_waits_for_a_pause_or_tries_now_and_then(void **state)
{
    struct api_pause p = {0};
    struct http_response r = heard(-1, -1, -1);
    assert_int_equal(api_pause_try_ms(&p, 9, 2000, 1000), 1000);
    r.status = 429;
    r.retry_after_ms = 3000;
    api_pause_hear(&p, &r, 900, at(1000));
    assert_int_equal(api_pause_try_ms(&p, 0, 4000, 1500), 4000);
    assert_int_equal(api_pause_try_ms(&p, 3, 4000, 1500), 4000);
    assert_false(api_pause_refused(&p, 950, 4000)); /* there is time */
    assert_int_equal(api_pause_try_ms(&p, 0, 3999, 1500), 6000);
    assert_int_equal(api_pause_try_ms(&p, 1, 3999, 1500), CLOCK_NEVER_MS);
    assert_true(api_pause_refused(&p, 950, 3999));
    assert_false(api_pause_refused(&p, 1001, 3999)); /* that was before */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_person_waits_for_a_pause_or_tries_now_and_then),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
