/* SPDX-License-Identifier: MIT */
#include "catalogue/condition.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"

static bool knows_user_metadata(void *ctx, const char *field)
{
    (void)ctx;
    return strncmp(field, "user_metadata.", 14) == 0;
}

static int add(struct query *q, const char *segment)
{
    return query_add(q, segment, knows_user_metadata, NULL);
}

static void numbers_compare_by_value_and_strings_by_text(void **state)
{
    static const struct {
        const char *token, *exact;
    } cases[] = {
        {"0.10", "#1e-1"},
        {"10", "#1e1"},
        {"1e1", "#1e1"},
        {"100e-1", "#1e1"},
        {"1.0E+1", "#1e1"},
        {"-0", "#0"},
        {"0.000e9", "#0"},
        {"1", "#1e0"},
        {"-12.50", "#-125e-1"},
        {"1.001", "#1001e-3"},
        {"0.0012", "#12e-4"},
        {"1002000", "#1002e3"},
        {"9007199254740993", "#9007199254740993e0"},
        {"1e400", "#1e400"},
        {"1e99999999999999999999", "#1e1000000000000"},
        {"\"a\\u00e9\\n\"", "=a\xc3\xa9\n"},
        {"\"\"", "="},
        {"true", "=true"},
        {"null", "=null"},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        cleanup(buf_done) struct buf out;
        buf_init(&out, 100);
        assert_int_equal(
            condition_exact_of(cases[i].token, strlen(cases[i].token), &out),
            0);
        assert_string_equal(out.data, cases[i].exact);
    }
}

static void what_is_no_scalar_has_no_exact_text(void **state)
{
    static const char *const tokens[] = {"{", "[1]", "01",  "1 ", " 1", "abc",
                                         "",  "\"a", "1,2", "+1", "1.", "nul"};

    for (size_t i = 0; i < array_count(tokens); i++) {
        cleanup(buf_done) struct buf out;
        buf_init(&out, 100);
        if (condition_exact_of(tokens[i], strlen(tokens[i]), &out) != -EINVAL)
            fail_msg("%s was taken as %s", tokens[i], buf_str(&out));
        assert_int_equal(out.len, 0);
    }
}

static void conditions_hold_no_value_in_their_text(void **state)
{
    cleanup(query_done) struct query q = {0};
    cleanup(buf_done) struct buf sql;
    cleanup(condition_values_done) struct condition_values values = {0};
    size_t marks = 0;

    buf_init(&sql, 1 << 16);
    assert_int_equal(add(&q, "filename=');DROP TABLE asset;--"), 0);
    assert_int_equal(add(&q, "user_metadata.a'b%22=x'y,10"), -ENOENT);
    assert_int_equal(add(&q, "user_metadata.a%27b%22=x'y,10"), 0);
    assert_int_equal(add(&q, "duration=1..2"), 0);
    assert_int_equal(condition_write(&q, CONDITION_SCAN, &sql, &values), 0);
    assert_null(strchr(sql.data, '\''));
    for (const char *p = sql.data; (p = strchr(p, '?')); p++)
        marks++;
    assert_int_equal(marks, values.count);
    /* text; field, two texts, a number, no long one; field, two numbers */
    assert_int_equal(values.count, 1 + 1 + 3 + 1 + 1 + 2);
    assert_true(values.items[4].number == 10);
}

static void an_empty_query_is_a_true_condition(void **state)
{
    struct query q = {0};
    cleanup(buf_done) struct buf sql;
    struct condition_values values = {0};

    buf_init(&sql, 100);
    assert_int_equal(condition_write(&q, CONDITION_POINT, &sql, &values), 0);
    assert_string_equal(sql.data, "1");
}

/* As far as 15 digits go a double stands for one number alone. */
static void long_numbers_are_told_apart_by_their_digits(void **state)
{
    static const char *const is_short[] = {"#0", "#1e0", "#-123456789012345e0",
                                           "#1e279"};
    static const char *const is_long[] = {"#1234567890123456e0", "#1e280",
                                          "#1e-280", "#-1e1000000000000"};

    for (size_t i = 0; i < array_count(is_short); i++)
        assert_true(condition_exact_is_short(is_short[i], strlen(is_short[i])));
    for (size_t i = 0; i < array_count(is_long); i++)
        assert_false(condition_exact_is_short(is_long[i], strlen(is_long[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_compare_by_value_and_strings_by_text),
        cmocka_unit_test(what_is_no_scalar_has_no_exact_text),
        cmocka_unit_test(conditions_hold_no_value_in_their_text),
        cmocka_unit_test(an_empty_query_is_a_true_condition),
        cmocka_unit_test(long_numbers_are_told_apart_by_their_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
