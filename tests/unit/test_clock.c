/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"

#include "range.h"

#define UNTOUCHED INT64_C(-77777)

static int64_t rfc3339(const char *text)
{
    int64_t s = UNTOUCHED;
    int err = clock_parse_rfc3339(text, strlen(text), &s);
    assert_int_equal(err, s == UNTOUCHED ? -EINVAL : 0);
    return s;
}

static void rfc3339_forms_are_read(void **state)
{
    assert_int_equal(rfc3339("1970-01-01T00:00:00Z"), 0);
    assert_int_equal(rfc3339("2026-08-01T10:30:00Z"), 1785580200);
    assert_int_equal(rfc3339("2026-08-01t10:30:00z"), 1785580200);
    assert_int_equal(rfc3339("2026-08-01 10:30:00.999999Z"), 1785580200);
    assert_int_equal(rfc3339("2026-08-01T12:30:00+02:00"), 1785580200);
    assert_int_equal(rfc3339("2026-08-01T00:00:00-10:30"), 1785580200);
    assert_int_equal(rfc3339("1969-12-31T23:59:59Z"), -1);
    assert_int_equal(rfc3339("0000-01-01T00:00:00Z"), -62167219200);
    assert_int_equal(rfc3339("9999-12-31T23:59:59Z"), 253402300799);
    assert_int_equal(rfc3339("2016-12-31T23:59:60Z"), 1483228800);
}

static void leap_years_follow_the_calendar(void **state)
{
    assert_int_equal(rfc3339("2024-02-29T00:00:00Z"), 1709164800);
    assert_int_equal(rfc3339("2000-02-29T00:00:00Z"), 951782400);
    assert_int_equal(rfc3339("1900-02-29T00:00:00Z"), UNTOUCHED);
    assert_int_equal(rfc3339("2026-02-29T00:00:00Z"), UNTOUCHED);
}

static void other_texts_are_no_rfc3339(void **state)
{
    static const char *const texts[] = {
        "",
        "Z",
        "2026-08-01",
        "2026-08-01T10:30Z",
        "2026-08-01T10:30:00",
        "2026-08-01T10:30:00.Z",
        "2026-08-01T10:30:00+0200",
        "2026-08-01T10:30:00+24:00",
        "2026-08-01T10:30:00+02:60",
        "2026-08-01T10:30:00Zx",
        "2026-08-01T24:00:00Z",
        "2026-08-01T10:60:00Z",
        "2026-08-01T10:30:61Z",
        "2026-13-01T10:30:00Z",
        "2026-00-01T10:30:00Z",
        "2026-04-31T10:30:00Z",
        "2026-04-00T10:30:00Z",
        "+026-08-01T10:30:00Z",
        "2026-8-01T10:30:00Z",
        " 2026-08-01T10:30:00Z",
        "20260801T103000Z",
    };
    for (size_t i = 0; i < array_count(texts); i++)
        assert_int_equal(rfc3339(texts[i]), UNTOUCHED);
    int64_t s = UNTOUCHED;
    assert_int_equal(clock_parse_rfc3339(NULL, 0, &s), -EINVAL);
    /* a NUL is not an end, nor one of the characters asked for */
    assert_int_equal(clock_parse_rfc3339("2026-08-01T10:30:00\0", 20, &s),
                     -EINVAL);
    assert_int_equal(clock_parse_rfc3339("2026-08-01\0"
                                         "10:30:00Z",
                                         20, &s),
                     -EINVAL);
    assert_int_equal(s, UNTOUCHED);
}

static void length_bounds_the_text(void **state)
{
    int64_t s = UNTOUCHED;
    assert_int_equal(clock_parse_rfc3339("2026-08-01T10:30:00Zmore", 20, &s),
                     0);
    assert_int_equal(s, 1785580200);
}

static void formatting_reverses_parsing(void **state)
{
    char text[CLOCK_RFC3339_SIZE];
    clock_format_rfc3339(1785580200, text);
    assert_string_equal(text, "2026-08-01T10:30:00Z");
    clock_format_rfc3339(-1, text);
    assert_string_equal(text, "1969-12-31T23:59:59Z");
    for (int64_t s = -62167219200; s < 253402300800; s += 86399 * 37) {
        if ((time_t)s != s) /* of 32 bits */
            continue;
        clock_format_rfc3339(s, text);
        assert_int_equal(rfc3339(text), s);
    }
}

static void a_year_beyond_an_int_is_formatted_as_1970(void **state)
{
    char text[CLOCK_RFC3339_SIZE];
    if (sizeof(time_t) < sizeof(int64_t))
        skip();
    clock_format_rfc3339(INT64_MAX, text);
    assert_string_equal(text, "1970-01-01T00:00:00Z");
    clock_format_rfc3339(INT64_MIN, text);
    assert_string_equal(text, "1970-01-01T00:00:00Z");
}

static void clocks_go_on(void **state)
{
    int64_t mono = clock_mono_ms();
    assert_true(mono > 0);
    assert_true(clock_mono_ms() >= mono);
    assert_true(clock_wall_s() >= 1785580200);
    int64_t s = clock_wall_s();
    int64_t ns = clock_wall_ns();
    assert_int_in_range(ns / 1000000000 - s, 0, 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc3339_forms_are_read),
        cmocka_unit_test(leap_years_follow_the_calendar),
        cmocka_unit_test(other_texts_are_no_rfc3339),
        cmocka_unit_test(length_bounds_the_text),
        cmocka_unit_test(formatting_reverses_parsing),
        cmocka_unit_test(a_year_beyond_an_int_is_formatted_as_1970),
        cmocka_unit_test(clocks_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
