/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "json/tag.h"

static void values_keep_their_kind(void **state)
{
    static const struct {
        const char *value, *json;
    } all[] = {
        {"sports", "{\"k\":\"sports\"}"},
        {"12", "{\"k\":12}"},
        {"-0.10", "{\"k\":-0.10}"},
        {"9007199254740993", "{\"k\":9007199254740993}"},
        {"1e400", "{\"k\":1e400}"},
        {"true", "{\"k\":true}"},
        {"false", "{\"k\":false}"},
        {"null", "{\"k\":\"null\"}"},
        {"007", "{\"k\":\"007\"}"},
        {" 7", "{\"k\":\" 7\"}"},
        {"7 ", "{\"k\":\"7 \"}"},
        {"NaN", "{\"k\":\"NaN\"}"},
        {"{}", "{\"k\":\"{}\"}"},
        {"\"12\"", "{\"k\":\"12\"}"},
        {"\"true\"", "{\"k\":\"true\"}"},
        {"\"", "{\"k\":\"\\\"\"}"},
        {"a\"b\\c\n", "{\"k\":\"a\\\"b\\\\c\\u000a\"}"},
        {"\xc3\xa9", "{\"k\":\"\xc3\xa9\"}"},
    };
    for (size_t i = 0; i < array_count(all); i++) {
        cleanup(buf_done) struct buf out = {.max = 1000};
        assert_int_equal(
            tag_append(&out, "k", all[i].value, strlen(all[i].value)), 0);
        assert_int_equal(tag_end(&out), 0);
        assert_string_equal(buf_str(&out), all[i].json);
        assert_true(tag_is_patch(buf_str(&out), out.len));
    }
}

static void what_the_api_cannot_store_is_refused(void **state)
{
    cleanup(buf_done) struct buf out = {.max = 1000};
    assert_int_equal(tag_append(&out, "a", NULL, 0), 0);
    assert_int_equal(tag_append(&out, "k", "", 0), -EINVAL);
    assert_int_equal(tag_append(&out, "k", "\"\"", 2), -EINVAL);
    assert_int_equal(tag_append(&out, "k", "a\0b", 3), -EINVAL);
    assert_int_equal(tag_append(&out, "k", "\xff", 1), -EINVAL);
    assert_int_equal(tag_append(&out, "k", "\xed\xa0\x80", 3), -EINVAL);
    assert_int_equal(tag_append(&out, "", "v", 1), -EINVAL);
    assert_int_equal(tag_append(&out, "\xc3", "v", 1), -EINVAL);
    assert_int_equal(tag_append(&out, "b", "1", 1), 0);
    assert_int_equal(tag_end(&out), 0);
    assert_string_equal(buf_str(&out), "{\"a\":null,\"b\":1}");
}

static void only_objects_of_scalars_are_patches(void **state)
{
    static const char *const bad[] = {
        "",
        "{}",
        "[]",
        "{\"a\":{}}",
        "{\"a\":[1]}",
        "{\"a\":1",
        "{\"a\":1,}",
        "{\"a\":1}x",
        "{\"a\" 1}",
        "{\"\":1}",
        "{\"a\":\"\"}",
        "{a:1}",
        "1",
        "{\"a\":1 \"b\":2}",
    };
    for (size_t i = 0; i < array_count(bad); i++)
        assert_false(tag_is_patch(bad[i], strlen(bad[i])));
    static const char good[] = " { \"a\" : null , \"b\":\"x\",\"c\":1.5} ";
    assert_true(tag_is_patch(good, strlen(good)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_keep_their_kind),
        cmocka_unit_test(what_the_api_cannot_store_is_refused),
        cmocka_unit_test(only_objects_of_scalars_are_patches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
