/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "progress.h"

static const char *count_text(struct buf *out, int64_t count)
{
    buf_reset(out);
    assert_int_equal(buf_append_count(out, count), 0);
    return buf_str(out);
}

static const char *bar_text(struct buf *out, int64_t done, int64_t total)
{
    buf_reset(out);
    assert_int_equal(progress_append_bar(out, done, total), 0);
    return buf_str(out);
}

static void thousands_are_parted(void **state)
{
    cleanup(buf_done) struct buf out = {.max = 1000};
    assert_string_equal(count_text(&out, 0), "0");
    assert_string_equal(count_text(&out, 999), "999");
    assert_string_equal(count_text(&out, 1000), "1,000");
    assert_string_equal(count_text(&out, 1234567), "1,234,567");
    assert_string_equal(count_text(&out, INT64_MAX),
                        "9,223,372,036,854,775,807");
}

static void a_bar_shows_how_far_it_is(void **state)
{
    cleanup(buf_done) struct buf out = {.max = 1000};
    assert_string_equal(bar_text(&out, 0, 100000),
                        "[....................]   0 %  0 of 100,000 assets");
    assert_string_equal(
        bar_text(&out, 25000, 100000),
        "[#####...............]  25 %  25,000 of 100,000 assets");
    assert_string_equal(bar_text(&out, 7, 7),
                        "[####################] 100 %  7 of 7 assets");
}

/* Only what is through is whole. */
static void one_that_is_missing_is_not_hundred_per_cent(void **state)
{
    cleanup(buf_done) struct buf out = {.max = 1000};
    assert_non_null(strstr(bar_text(&out, 999999, 1000000), "]  99 %"));
    assert_non_null(strstr(bar_text(&out, 999999, 1000000), "#.]"));
}

/* The account shrinks or grows while it is read. */
static void the_bar_stays_within_its_ends_whatever_the_numbers(void **state)
{
    static const int64_t numbers[] = {0, 1, 49, 1000, INT64_MAX / 2, INT64_MAX};
    cleanup(buf_done) struct buf out = {.max = 1000};
    for (size_t i = 0; i < array_count(numbers); i++)
        for (size_t k = 1; k < array_count(numbers); k++) {
            const char *text = bar_text(&out, numbers[i], numbers[k]);
            assert_int_equal(strspn(text + 1, "#."), 20);
            assert_int_equal(text[21], ']');
        }
    assert_string_equal(bar_text(&out, 12, 7),
                        "[####################] 100 %  12 of 7 assets");
}

static void a_total_that_is_not_known_leaves_the_bar_out(void **state)
{
    cleanup(buf_done) struct buf out = {.max = 1000};
    assert_string_equal(bar_text(&out, 1500, -1), "1,500 assets");
    assert_string_equal(bar_text(&out, 0, 0), "0 of 0 assets");
}

static void a_buffer_that_is_full_is_told(void **state)
{
    cleanup(buf_done) struct buf out = {.max = 10};
    assert_int_not_equal(progress_append_bar(&out, 5, 10), 0);
    buf_reset(&out);
    assert_int_not_equal(buf_append_count(&out, INT64_MAX), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thousands_are_parted),
        cmocka_unit_test(a_bar_shows_how_far_it_is),
        cmocka_unit_test(one_that_is_missing_is_not_hundred_per_cent),
        cmocka_unit_test(the_bar_stays_within_its_ends_whatever_the_numbers),
        cmocka_unit_test(a_total_that_is_not_known_leaves_the_bar_out),
        cmocka_unit_test(a_buffer_that_is_full_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
