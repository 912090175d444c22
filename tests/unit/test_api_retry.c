/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "range.h"
#include "wire/api_retry.h"

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

static struct api_verdict judge(int err, int status, bool picture)
{
    const struct http_response r = {.err = err, .status = status};
    return api_verdict_of(&r, picture ? API_KIND_PICTURE : API_KIND_LIST);
}

static void what_will_not_change_is_not_tried_again(void **state)
{
    static const int final_statuses[] = {400, 401, 403, 404, 405, 410, 451};
    static const int passing_statuses[] = {408, 429, 500, 502, 503, 599, 204};
    static const int passing_errors[] = {-ETIMEDOUT,    -ENETUNREACH,
                                         -EHOSTUNREACH, -ECONNREFUSED,
                                         -ECONNRESET,   -EBADMSG};
    static const int final_errors[] = {-ECANCELED, -ENOMEM, -EFBIG, -ELOOP,
                                       -EPROTO};
    for (size_t i = 0; i < sizeof(final_statuses) / sizeof(int); i++) {
        assert_false(judge(0, final_statuses[i], false).retry);
        assert_false(judge(0, final_statuses[i], false).host_failed);
        assert_int_not_equal(judge(0, final_statuses[i], false).err, 0);
    }
    for (size_t i = 0; i < sizeof(passing_statuses) / sizeof(int); i++)
        assert_true(judge(0, passing_statuses[i], false).retry);
    for (size_t i = 0; i < sizeof(passing_errors) / sizeof(int); i++)
        assert_true(judge(passing_errors[i], 0, true).retry);
    for (size_t i = 0; i < sizeof(final_errors) / sizeof(int); i++)
        assert_false(judge(final_errors[i], 0, true).retry);
    assert_int_equal(judge(0, 200, false).err, 0);
    assert_true(judge(0, 429, true).retry);
    assert_false(judge(0, 429, false).host_failed);
    assert_int_equal(judge(-EPROTO, 0, false).err, -EPROTO);
    assert_false(judge(0, 302, true).retry);
}

/* ENOENT would be taken for the end of a directory. */
static void of_the_list_itself_nothing_is_absent(void **state)
{
    for (int status = 404; status <= 410; status += 6) {
        struct http_response r = {.status = status};
        assert_int_equal(api_verdict_of(&r, API_KIND_LIST).err, -EIO);
        assert_int_equal(api_verdict_of(&r, API_KIND_LIST_BY_IDS).err, -ENOENT);
    }
    assert_int_equal(judge(0, 404, true).err, -ENOENT);
    assert_int_equal(judge(0, 410, true).err, -ESTALE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_double_up_to_a_bound_and_obey_retry_after),
        cmocka_unit_test(what_will_not_change_is_not_tried_again),
        cmocka_unit_test(of_the_list_itself_nothing_is_absent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
