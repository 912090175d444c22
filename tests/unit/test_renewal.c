/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "json/renewal.h"

/* Copies without a byte to spare; both ways round it must be the same. */
static bool is_renewal(const char *a, const char *b)
{
    size_t a_len = strlen(a), b_len = strlen(b);
    cleanup(free_ptr) char *a_exact = malloc(a_len ? a_len : 1);
    cleanup(free_ptr) char *b_exact = malloc(b_len ? b_len : 1);
    assert_non_null(a_exact);
    assert_non_null(b_exact);
    memcpy(a_exact, a, a_len);
    memcpy(b_exact, b, b_len);
    bool there = renewal_is(a_exact, a_len, b_exact, b_len);
    assert_int_equal(renewal_is(b_exact, b_len, a_exact, a_len), there);
    return there;
}

#define HLS(url)   "\"hls\":{\"status\":\"ready\",\"manifest_url\":\"" url "\"}"
#define THUMB(url) "\"thumbnail\":{\"representative_url\":\"" url "\"}"

static void only_signatures_within_hls_and_thumbnail_are_renewed(void **state)
{
    static const char *const old = "{\"_id\":\"a\"," HLS(
        "https://c/m?s=1") ",\"n\":1," THUMB("https://c/p?s=1") "}";
    static const struct {
        const char *now;
        bool renewed;
    } cases[] = {
        {"{\"_id\":\"a\"," HLS("https://c/m?s=2") ",\"n\":1," THUMB(
             "https://c/p?s=2") "}",
         true},
        /* longer, escaped, gone: a signature is what follows the '?' */
        {"{\"_id\":\"a\"," HLS("https://c/m?s=222\\u0026x=1") ",\"n\":1," THUMB(
             "https://c/p") "}",
         true},
        {"{\"_id\":\"a\"," HLS("https://c/M?s=1") ",\"n\":1," THUMB(
             "https://c/p?s=1") "}",
         false},
        {"{\"_id\":\"a\"," HLS("https://c/m?s=2") ",\"n\":2," THUMB(
             "https://c/p?s=1") "}",
         false},
        {"{\"_id\":\"a\"," HLS("https://c/m?s=1") ",\"n\":1}", false},
        {"{\"_id\":\"a\"," THUMB("https://c/p?s=1") ",\"n\":1," HLS(
             "https://c/m?s=1") "}",
         false},
        /* white space within the members is no difference, without is one */
        {"{\"_id\":\"a\",\"hls\":{ \"status\": \"ready\", \"manifest_url\":"
         "\"https://c/m?s=1\" },\"n\":1," THUMB("https://c/p?s=1") "}",
         true},
        {"{\"_id\":\"a\"," HLS("https://c/m?s=1") ",\"n\": 1," THUMB(
             "https://c/p?s=1") "}",
         false},
    };
    for (size_t i = 0; i < array_count(cases); i++)
        if (is_renewal(old, cases[i].now) != cases[i].renewed)
            fail_msg("wrong: %s", cases[i].now);
}

static void what_else_stands_in_the_members_counts(void **state)
{
    static const char *const others[] = {
        "{\"hls\":{\"u\":\"http://c/m?1\",\"status\":\"pending\"}}",
        "{\"hls\":{\"u\":\"http://c/m?1\",\"status\":\"ready\",\"x\":1}}",
        "{\"hls\":{\"v\":\"http://c/m?1\",\"status\":\"ready\"}}",
        "{\"hls\":{\"u\":null,\"status\":\"ready\"}}",
        "{\"hls\":[\"http://c/m?1\",\"status\",\"ready\"]}",
        "{\"hls\":{\"u\":\"ftp://c/m?1\",\"status\":\"ready\"}}",
        "{\"hls\":{\"u\":\"http://c/m\\u0000?1\",\"status\":\"ready\"}}",
        "{\"hls\":{\"u\":\"http://c/m?2\",\"status\":\"ready?2\"}}",
    };
    for (size_t i = 0; i < array_count(others); i++)
        if (is_renewal("{\"hls\":{\"u\":\"http://c/m?1\",\"status\":\"ready\"}"
                       "}",
                       others[i]))
            fail_msg("no renewal: %s", others[i]);
}

/* Of two members of one name the last one counts; both stand in the text. */
static void a_second_member_of_the_name_hides_no_difference(void **state)
{
    assert_false(
        is_renewal("{\"hls\":{\"u\":1},\"hls\":{\"u\":\"http://c?1\"}}",
                   "{\"hls\":{\"u\":2},\"hls\":{\"u\":\"http://c?1\"}"
                   "}"));
    assert_true(is_renewal("{\"hls\":{\"u\":1},\"hls\":{\"u\":\"http://c?1\"}}",
                           "{\"hls\":{\"u\":1},\"hls\":{\"u\":\"http://c?2\"}"
                           "}"));
}

static void what_is_no_object_is_no_renewal(void **state)
{
    static const char whole[] =
        "{\"hls\":{\"u\":\"http://c/m?1\",\"x\":[1,{}]}}";
    static const char *const texts[] = {
        "", "{", "{}", "[]", "null", "{\"hls\":", "{\"hls\":{\"u\":\"http://c"};
    for (size_t i = 0; i < array_count(texts); i++) {
        assert_false(is_renewal(whole, texts[i]));
        assert_false(is_renewal(texts[i], texts[i]));
    }
    /* cut at every place */
    for (size_t len = 0; len < sizeof(whole) - 1; len++) {
        cleanup(free_ptr) char *cut = malloc(len ? len : 1);
        assert_non_null(cut);
        memcpy(cut, whole, len);
        assert_false(renewal_is(whole, sizeof(whole) - 1, cut, len));
        assert_false(renewal_is(cut, len, whole, sizeof(whole) - 1));
    }
}

/* A token that long is no URL of ours, however it begins. */
static void a_url_of_absurd_length_is_compared_byte_by_byte(void **state)
{
    size_t room = 40000;
    cleanup(free_ptr) char *a = malloc(room);
    cleanup(free_ptr) char *b = malloc(room);
    assert_non_null(a);
    assert_non_null(b);
    int len = snprintf(a, room, "{\"hls\":{\"u\":\"http://c/%030000d?1\"}}", 7);
    assert_int_equal(
        snprintf(b, room, "{\"hls\":{\"u\":\"http://c/%030000d?2\"}}", 7), len);
    assert_true(is_renewal(a, a));
    assert_false(is_renewal(a, b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_signatures_within_hls_and_thumbnail_are_renewed),
        cmocka_unit_test(what_else_stands_in_the_members_counts),
        cmocka_unit_test(a_second_member_of_the_name_hides_no_difference),
        cmocka_unit_test(what_is_no_object_is_no_renewal),
        cmocka_unit_test(a_url_of_absurd_length_is_compared_byte_by_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
