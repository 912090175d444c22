/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "json/scan.h"

/* A value from a copy without a byte to spare, so that sanitizers see a read
 * past the end. */
static int value_of(const char *text, size_t len, size_t *ret_len)
{
    char *exact = malloc(len ? len : 1);
    assert_non_null(exact);
    memcpy(exact, text, len);
    struct scan s;
    const char *value = NULL;
    size_t value_len = 0;
    scan_init(&s, exact, len);
    int error = scan_value(&s, &value, &value_len);
    if (error)
        assert_ptr_equal(s.at, exact);
    else
        assert_ptr_equal(s.at, value + value_len);
    *ret_len = value_len;
    free(exact);
    return error;
}

static void json_is_accepted(void **state)
{
    static const char *const texts[] = {
        "{}",
        "[]",
        "0",
        "-0",
        "-0.0",
        "1e400",
        "0.10",
        "1E+2",
        "1e-2",
        "9007199254740993",
        "true",
        "false",
        "null",
        "\"\"",
        "\"\\u0000\"",
        "\"\\ud800\"",
        "\"\xff\xed\xa0\x80\"",
        "\"\x7f\"",
        "[1,[2,{}],\"]\"]",
        "{\"a\":{\"a\":[]},\"a\":\"}\"}",
        "[ 1 ,\t2\r\n]",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
    };
    for (size_t i = 0; i < array_count(texts); i++) {
        size_t len = 0;
        if (value_of(texts[i], strlen(texts[i]), &len))
            fail_msg("refused: %s", texts[i]);
        assert_int_equal(len, strlen(texts[i]));
    }
}

static void what_is_no_json_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        " ",
        "{",
        "[",
        "}",
        "]",
        ",",
        ":",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "{1:2}",
        "{\"a\":1 \"b\":2}",
        "{\"a\" 1}",
        "[1}",
        "{\"a\":1]",
        "[\"a\":1]",
        "{\"a\"::1}",
        "{a:1}",
        "01",
        "-",
        "-x",
        "+1",
        ".5",
        "1.",
        "1.e1",
        "1e",
        "1e+",
        "[0x1]",
        "tru",
        "True",
        "nul",
        "NaN",
        "Infinity",
        "'a'",
        "\"",
        "\"a",
        "\"\\",
        "\"\\x\"",
        "\"\\u",
        "\"\\u12\"",
        "\"\\u123g\"",
        "\"\n\"",
        "\"\x1f\"",
        "\"\t\"",
        "\xef\xbb\xbf{}",
        "<html>",
    };
    for (size_t i = 0; i < array_count(texts); i++) {
        size_t len = 0;
        if (value_of(texts[i], strlen(texts[i]), &len) != -EBADMSG)
            fail_msg("accepted: %s", texts[i]);
    }
    size_t len = 0;
    assert_int_equal(value_of("\"a\0b\"", 5, &len), -EBADMSG);
    assert_int_equal(value_of("\0", 1, &len), -EBADMSG);
}

static void every_prefix_of_a_value_is_refused(void **state)
{
    static const char text[] =
        "{\"a\\u00e9\\ud83d\\ude00\":[-12.5e+3,true,null,{\"b\":\"c\"}]}";
    size_t len = 0;
    for (size_t i = 0; i < sizeof(text) - 1; i++)
        assert_int_equal(value_of(text, i, &len), -EBADMSG);
    assert_int_equal(value_of(text, sizeof(text) - 1, &len), 0);
}

static void depth_is_bounded(void **state)
{
    char text[2 * SCAN_MAX_DEPTH + 2];
    size_t len = 0;
    memset(text, '[', SCAN_MAX_DEPTH);
    memset(text + SCAN_MAX_DEPTH, ']', SCAN_MAX_DEPTH);
    assert_int_equal(value_of(text, (size_t)2 * SCAN_MAX_DEPTH, &len), 0);
    memset(text, '[', SCAN_MAX_DEPTH + 1);
    memset(text + SCAN_MAX_DEPTH + 1, ']', SCAN_MAX_DEPTH + 1);
    assert_int_equal(value_of(text, sizeof(text), &len), -E2BIG);
}

static void tokens_are_exact(void **state)
{
    static const struct {
        enum scan_kind kind;
        const char *text;
    } expected[] = {
        {SCAN_OBJECT_OPEN, "{"},  {SCAN_STRING, "\"a\\\"\""},
        {SCAN_COLON, ":"},        {SCAN_ARRAY_OPEN, "["},
        {SCAN_NUMBER, "0.10"},    {SCAN_COMMA, ","},
        {SCAN_TRUE, "true"},      {SCAN_COMMA, ","},
        {SCAN_FALSE, "false"},    {SCAN_COMMA, ","},
        {SCAN_NULL, "null"},      {SCAN_ARRAY_CLOSE, "]"},
        {SCAN_OBJECT_CLOSE, "}"}, {SCAN_END, ""},
        {SCAN_END, ""},
    };
    static const char text[] = " {\"a\\\"\" : [0.10,\n true,false\t,null]\r} ";
    struct scan s;
    scan_init(&s, text, sizeof(text) - 1);
    for (size_t i = 0; i < array_count(expected); i++) {
        struct scan_token token;
        assert_int_equal(scan_next(&s, &token), 0);
        assert_int_equal(token.kind, expected[i].kind);
        assert_int_equal(token.len, strlen(expected[i].text));
        assert_memory_equal(token.text, expected[i].text, token.len);
    }
}

static int member_of(const char *object, const char *name, char *out,
                     size_t size)
{
    const char *value = NULL;
    size_t len = 0;
    int error =
        scan_member(object, strlen(object), name, strlen(name), &value, &len);
    assert_true(len < size);
    if (!error)
        memcpy(out, value, len);
    out[error ? 0 : len] = '\0';
    return error;
}

static void members_are_found_by_name(void **state)
{
    static const char object[] =
        " { \"a\" : {\"b\":1}, \"b\":[ 2 ] ,\"\\u0063\\n\":\"x\",\"\":null}\n";
    char out[64];
    assert_int_equal(member_of(object, "a", out, sizeof(out)), 0);
    assert_string_equal(out, "{\"b\":1}");
    assert_int_equal(member_of(object, "b", out, sizeof(out)), 0);
    assert_string_equal(out, "[ 2 ]");
    assert_int_equal(member_of(object, "c\n", out, sizeof(out)), 0);
    assert_string_equal(out, "\"x\"");
    assert_int_equal(member_of(object, "", out, sizeof(out)), 0);
    assert_string_equal(out, "null");
    assert_int_equal(member_of(object, "c", out, sizeof(out)), -ENOENT);
    assert_int_equal(member_of("{}", "a", out, sizeof(out)), -ENOENT);
}

static void the_last_of_one_name_wins(void **state)
{
    char out[64];
    assert_int_equal(
        member_of("{\"a\":1,\"\\u0061\":2,\"b\":3}", "a", out, sizeof(out)), 0);
    assert_string_equal(out, "2");
}

static void members_of_no_object_are_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "[]",
        "\"a\"",
        "1",
        "{",
        "{\"a\":1",
        "{\"a\":1,}",
        "{\"a\":1}}",
        "{\"a\":1} x",
        "{\"a\":1,2}",
        "{\"a\":}",
        "{\"a\":1 \"b\":2}",
    };
    char out[64];
    for (size_t i = 0; i < array_count(texts); i++)
        assert_int_equal(member_of(texts[i], "a", out, sizeof(out)), -EBADMSG);
    const char *value = NULL;
    size_t len = 0;
    assert_int_equal(scan_member(NULL, 0, "a", 1, &value, &len), -EBADMSG);
}

static void unescaped(const char *token, const char *expected, size_t len)
{
    size_t token_len = strlen(token);
    char *out = malloc(token_len);
    assert_non_null(out);
    assert_int_equal(scan_unescape(token, token_len, out), len);
    assert_memory_equal(out, expected, len);
    assert_true(scan_equals(token, token_len, expected, len));
    assert_false(scan_equals(token, token_len, expected, len + 1));
    if (len > 0)
        assert_false(scan_equals(token, token_len, expected, len - 1));
    free(out);
}

static void strings_are_decoded(void **state)
{
    unescaped("\"\"", "", 0);
    unescaped("\"plain\"", "plain", 5);
    unescaped("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t", 8);
    unescaped("\"a\\u0000b\"", "a\0b", 3);
    unescaped("\"\\u00e9\\u00E9\\u20ac\"", "é\xc3\xa9€", 7);
    unescaped("\"\\ud83d\\ude00\"", "😀", 4);
    unescaped("\"\\uDBFF\\uDFFF\"", "\xf4\x8f\xbf\xbf", 4);
    unescaped("\"\xff\xc3\"", "\xff\xc3", 2);
}

static void lone_surrogates_are_three_bytes(void **state)
{
    unescaped("\"\\ud800\"", "\xed\xa0\x80", 3);
    unescaped("\"\\udfffx\"", "\xed\xbf\xbfx", 4);
    unescaped("\"\\ud83d\\ud83d\\ude00\"", "\xed\xa0\xbd😀", 7);
    unescaped("\"\\ude00\\ud83d\"", "\xed\xb8\x80\xed\xa0\xbd", 6);
    unescaped("\"\\ud83d\\n\"", "\xed\xa0\xbd\n", 4);
    unescaped("\"\\ud83d\\u0041\"",
              "\xed\xa0\xbd"
              "A",
              4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_is_accepted),
        cmocka_unit_test(what_is_no_json_is_refused),
        cmocka_unit_test(every_prefix_of_a_value_is_refused),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(tokens_are_exact),
        cmocka_unit_test(members_are_found_by_name),
        cmocka_unit_test(the_last_of_one_name_wins),
        cmocka_unit_test(members_of_no_object_are_refused),
        cmocka_unit_test(strings_are_decoded),
        cmocka_unit_test(lone_surrogates_are_three_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
