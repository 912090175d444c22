/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "json/scan.h"
#include "json/text.h"

static void a_token_becomes_its_text_with_an_end(void **state)
{
    static const struct {
        const char *token, *text;
        size_t len;
    } cases[] = {
        {"\"\"", "", 0},
        {"\"a\"", "a", 1},
        {"\"\\u00e9\\n\\\"\"", "é\n\"", 4},
        {"\"\\ud83d\\ude00\"", "😀", 4},
        {"\"a\\u0000b\"", "a\0b", 3},
        {"\"\\ud800\"", "\xed\xa0\x80", 3}, /* WTF-8: nothing is lost */
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        size_t len = 99;
        size_t token_len = strlen(cases[i].token);
        cleanup(free_ptr) char *exact = malloc(token_len);
        assert_non_null(exact);
        memcpy(exact, cases[i].token, token_len);
        cleanup(free_ptr) char *text = text_decode(exact, token_len, &len);
        assert_non_null(text);
        assert_int_equal(len, cases[i].len);
        assert_memory_equal(text, cases[i].text, len + 1);
    }
    cleanup(free_ptr) char *text = text_decode("\"x\"", 3, NULL);
    assert_string_equal(text, "x");
}

/* Every byte but NUL, in one string that is one token and comes back. */
static void any_bytes_become_a_string_and_come_back(void **state)
{
    char bytes[256];
    cleanup(buf_done) struct buf out = {.max = 10000};
    struct scan scan;
    struct scan_token token;
    for (int i = 0; i < 256; i++)
        bytes[i] = (char)i;
    assert_int_equal(text_append_string(&out, bytes, sizeof(bytes)), 0);
    scan_init(&scan, out.data, out.len);
    assert_int_equal(scan_next(&scan, &token), 0);
    assert_int_equal(token.kind, SCAN_STRING);
    assert_int_equal(token.len, out.len);
    size_t len = 0;
    cleanup(free_ptr) char *back = text_decode(token.text, token.len, &len);
    assert_int_equal(len, sizeof(bytes));
    assert_memory_equal(back, bytes, sizeof(bytes));
    assert_null(memchr(out.data, '\n', out.len)); /* a line stays one */
    assert_null(memchr(out.data, '\0', out.len));
}

static void what_does_not_fit_is_told(void **state)
{
    cleanup(buf_done) struct buf out = {.max = 5};
    assert_int_equal(text_append_string(&out, "abc", 3), 0);
    assert_string_equal(buf_str(&out), "\"abc\"");
    buf_reset(&out);
    assert_int_equal(text_append_string(&out, "abcd", 4), -E2BIG);
    buf_reset(&out);
    assert_int_equal(text_append_string(&out, "\x01", 1), -E2BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_becomes_its_text_with_an_end),
        cmocka_unit_test(any_bytes_become_a_string_and_come_back),
        cmocka_unit_test(what_does_not_fit_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
