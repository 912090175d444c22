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
#include "json/page.h"
#include "json/scan.h"
#include "golden.h"

/* Parses a copy without a byte to spare. */
static int parse(const char *text, size_t len, struct page *ret_page)
{
    cleanup(free_ptr) char *exact = malloc(len ? len : 1);
    assert_non_null(exact);
    memcpy(exact, text, len);
    return page_parse(exact, len, ret_page);
}

static void parse_asset(const char *text, struct asset *ret_asset)
{
    assert_int_equal(page_parse_asset(text, strlen(text), ret_asset), 0);
}

static void a_page_is_read(void **state)
{
    static const char text[] =
        " {\"data\": [ {\"_id\":\"a\", \"x\": 0.10 } ,{\"_id\":\"b\"}],\n"
        "\"page_info\":{\"limit_per_page\":50,\"page\":3,\"total_page\":20000,"
        "\"total_results\":1000000}, \"new\": [1]} ";
    cleanup(page_done) struct page p = {0};
    assert_int_equal(parse(text, strlen(text), &p), 0);
    assert_int_equal(p.count, 2);
    assert_int_equal(p.skipped, 0);
    assert_int_equal(p.page, 3);
    assert_int_equal(p.limit, 50);
    assert_int_equal(p.total_pages, 20000);
    assert_int_equal(p.total_results, 1000000);
    assert_string_equal(p.assets[0].id, "a");
    assert_string_equal(p.assets[0].json, "{\"_id\":\"a\", \"x\": 0.10 }");
    assert_int_equal(p.assets[0].json_len, strlen(p.assets[0].json));
    assert_string_equal(p.assets[1].id, "b");
}

static void a_page_may_be_empty(void **state)
{
    cleanup(page_done) struct page p = {0};
    assert_int_equal(parse("{\"data\":[]}", 11, &p), 0);
    assert_int_equal(p.count, 0);
    assert_int_equal(p.page, -1);
    assert_int_equal(p.limit, -1);
    assert_int_equal(p.total_pages, -1);
    assert_int_equal(p.total_results, -1);
}

static void what_is_no_page_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "{}",
        "[]",
        "null",
        "<html><body>Sign in</body></html>",
        "{\"data\":null}",
        "{\"data\":{}}",
        "{\"data\":\"[]\"}",
        "{\"data\":[1,]}",
        "{\"data\":[,1]}",
        "{\"data\":[1 2]}",
        "{\"data\":[]} x",
        "{\"data\":[],}",
        "{\"data\":[]",
        "{\"data\":[",
        "{\"data\" []}",
        "{data:[]}",
        "{\"data\":[]}{}",
        "{\"data\":[{\"a\":[}]}",
        "{\"data\":[{\"a\":\"]}",
        "{\"data\":[{\"a\":1]},{}]}",
        "{\"data\":[],\"page_info\":{",
        "{\"data\":[],\"x\":}",
        "{\"data\":[],\"x\":]}",
        "{\"data\":[],\"x\":nul",
        "{\"data\":[{\"a\":[},{}]]}",
    };
    struct page p = {.count = 77};
    for (size_t i = 0; i < array_count(texts); i++) {
        if (parse(texts[i], strlen(texts[i]), &p) != -EBADMSG)
            fail_msg("accepted: %s", texts[i]);
    }
    assert_int_equal(parse("{\"data\":\0[]}", 12, &p), -EBADMSG);
    assert_int_equal(page_parse(NULL, 0, &p), -EBADMSG);
    assert_int_equal(p.count, 77);
}

static void every_cut_body_is_refused(void **state)
{
    static const char text[] = "{\"data\":[{\"_id\":\"a\\\"\",\"b\":[{}]},"
                               "{\"_id\":\"c\"}],\"page_info\":{\"page\":1}}";
    struct page p;
    for (size_t len = 0; len < strlen(text); len++)
        assert_int_equal(parse(text, len, &p), -EBADMSG);
    assert_int_equal(parse(text, strlen(text), &p), 0);
    page_done(&p);
}

static void page_info_is_integers_or_absent(void **state)
{
    static const struct {
        const char *text;
        int64_t total;
    } cases[] = {
        {"0", 0},
        {"9223372036854775807", INT64_MAX},
        {"9223372036854775808", -1},
        {"-1", -1},
        {"-0", -1},
        {"1.0", -1},
        {"1e3", -1},
        {"\"1\"", -1},
        {"null", -1},
        {"[1]", -1},
        {"5,\"total_results\":6", 6},
        {"5,\"x\":NaN", -1},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        cleanup(page_done) struct page p = {0};
        cleanup(buf_done) struct buf text = {.max = 1000};
        assert_int_equal(
            buf_appendf(&text,
                        "{\"data\":[],\"page_info\":{\"total_results\":%s}}",
                        cases[i].text),
            0);
        assert_int_equal(parse(text.data, text.len, &p), 0);
        assert_int_equal(p.total_results, cases[i].total);
    }
}

static void elements_that_are_no_objects_are_counted(void **state)
{
    static const char text[] =
        "{\"data\":[1,null,\"]\",[{}],{\"_id\":\"a\"},true,-1.5e3]}";
    cleanup(page_done) struct page p = {0};
    assert_int_equal(parse(text, strlen(text), &p), 0);
    assert_int_equal(p.count, 1);
    assert_int_equal(p.skipped, 6);
    assert_string_equal(p.assets[0].id, "a");
}

static void malformed_elements_cost_only_themselves(void **state)
{
    static const char *const elements[] = {
        "{\"x\":NaN}", "{\"x\":-Infinity}",
        "{\"x\":01}",  "{\"x\":\"\\q\"}",
        "{\"x\"}",     "{,}",
        "NaN",         "[NaN,\"]\\\"]\"]",
    };
    for (size_t i = 0; i < array_count(elements); i++) {
        cleanup(page_done) struct page p = {0};
        cleanup(buf_done) struct buf text = {.max = 1000};
        assert_int_equal(buf_appendf(&text,
                                     "{\"data\":[{\"_id\":\"a\"}, %s "
                                     ",{\"_id\":\"b\"}]}",
                                     elements[i]),
                         0);
        if (parse(text.data, text.len, &p))
            fail_msg("refused: %s", text.data);
        assert_int_equal(p.count, 2);
        assert_int_equal(p.skipped, 1);
        assert_string_equal(p.assets[1].id, "b");
    }
}

static void control_characters_in_strings_are_escaped(void **state)
{
    static const char text[] =
        "{\"data\":[{\"_id\":\"a\",\n\"filename\":\"x\ty\\\"\x01]}\"}]}";
    cleanup(page_done) struct page p = {0};
    assert_int_equal(parse(text, strlen(text), &p), 0);
    assert_int_equal(p.count, 1);
    assert_int_equal(p.skipped, 0);
    assert_string_equal(p.assets[0].filename, "x\ty\"\x01]}");
    assert_string_equal(p.assets[0].json, "{\"_id\":\"a\",\n\"filename\":"
                                          "\"x\\u0009y\\\"\\u0001]}\"}");
}

static void a_deep_object_costs_only_itself(void **state)
{
    cleanup(buf_done) struct buf text = {.max = 1000000};
    cleanup(page_done) struct page p = {0};
    assert_int_equal(buf_append_str(&text, "{\"data\":[{\"_id\":\"a\",\"x\":"),
                     0);
    for (size_t i = 0; i < 100000; i++)
        assert_int_equal(buf_append_char(&text, '['), 0);
    assert_int_equal(buf_append_str(&text, "\"]}\\\"\""), 0);
    for (size_t i = 0; i < 100000; i++)
        assert_int_equal(buf_append_char(&text, ']'), 0);
    assert_int_equal(buf_append_str(&text, "},{\"_id\":\"b\"}]}"), 0);
    assert_int_equal(parse(text.data, text.len, &p), 0);
    assert_int_equal(p.count, 1);
    assert_int_equal(p.skipped, 1);
    assert_string_equal(p.assets[0].id, "b");
}

static void the_deepest_object_allowed_is_whole(void **state)
{
    cleanup(buf_done) struct buf text = {.max = 10000};
    struct asset a;
    assert_int_equal(buf_append_str(&text, "{\"size\":7,\"x\":"), 0);
    for (size_t i = 0; i < SCAN_MAX_DEPTH - 1; i++)
        assert_int_equal(buf_append_char(&text, '['), 0);
    for (size_t i = 0; i < SCAN_MAX_DEPTH - 1; i++)
        assert_int_equal(buf_append_char(&text, ']'), 0);
    assert_int_equal(buf_append_char(&text, '}'), 0);
    parse_asset(buf_str(&text), &a);
    assert_int_equal(a.size_bytes, 7);
    asset_done(&a);
}

static void a_page_has_at_most_its_maximum(void **state)
{
    cleanup(buf_done) struct buf text = {.max = 100000};
    struct page p;
    assert_int_equal(buf_append_str(&text, "{\"data\":[{}"), 0);
    for (size_t i = 1; i < PAGE_MAX_ASSETS; i++)
        assert_int_equal(buf_append_str(&text, i % 2 ? ",{}" : ",0"), 0);
    assert_int_equal(buf_append_str(&text, "]}"), 0);
    assert_int_equal(parse(text.data, text.len, &p), 0);
    assert_int_equal(p.count + p.skipped, PAGE_MAX_ASSETS);
    page_done(&p);
    buf_truncate(&text, text.len - 2);
    assert_int_equal(buf_append_str(&text, ",{}]}"), 0);
    assert_int_equal(parse(text.data, text.len, &p), -EBADMSG);
}

static void one_asset_is_one_object(void **state)
{
    static const char *const texts[] = {"",     "[]", "1",          "{}{}",
                                        "{} x", "{",  "{\"a\":NaN}"};
    struct asset a = {.size_bytes = 77};
    for (size_t i = 0; i < array_count(texts); i++)
        assert_int_equal(page_parse_asset(texts[i], strlen(texts[i]), &a),
                         -EBADMSG);
    char deep[2 * (SCAN_MAX_DEPTH + 1)];
    memset(deep, '[', SCAN_MAX_DEPTH + 1);
    memset(deep + SCAN_MAX_DEPTH + 1, ']', SCAN_MAX_DEPTH + 1);
    assert_int_equal(page_parse_asset(deep, sizeof(deep), &a), -EBADMSG);
    assert_int_equal(a.size_bytes, 77);
    parse_asset(" \n{}\t", &a);
    assert_string_equal(a.json, "{}");
    asset_done(&a);
}

static void errors_are_read(void **state)
{
    static const char body[] = "{\"code\":\"api_key_invalid\",\"message\":"
                               "\"Gr\\u00fc\\u00dfe\\n\\u0000\\u001b[m\\u0085"
                               "\\ud800|\",\"docs_url\":\"x\"}";
    char code[32];
    char message[64];
    page_parse_error(body, strlen(body), code, sizeof(code), message,
                     sizeof(message));
    assert_string_equal(code, "api_key_invalid");
    assert_string_equal(message, "Grüße   [m  |");
    /* cut, between characters */
    page_parse_error(body, strlen(body), code, 4, message, 4);
    assert_string_equal(code, "api");
    assert_string_equal(message, "Gr");
    page_parse_error(body, strlen(body), code, 1, message, 0);
    assert_string_equal(code, "");
    assert_string_equal(message, "Gr");
}

static void other_bodies_have_no_error(void **state)
{
    static const char *const bodies[] = {
        "", "<html>", "[]", "{}", "{\"code\":1,\"message\":null}", "{\"code\":",
    };
    for (size_t i = 0; i < array_count(bodies); i++) {
        char code[32] = "x";
        char message[32] = "x";
        page_parse_error(bodies[i], strlen(bodies[i]), code, sizeof(code),
                         message, sizeof(message));
        assert_string_equal(code, "");
        assert_string_equal(message, "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_is_read),
        cmocka_unit_test(a_page_may_be_empty),
        cmocka_unit_test(what_is_no_page_is_refused),
        cmocka_unit_test(every_cut_body_is_refused),
        cmocka_unit_test(page_info_is_integers_or_absent),
        cmocka_unit_test(elements_that_are_no_objects_are_counted),
        cmocka_unit_test(malformed_elements_cost_only_themselves),
        cmocka_unit_test(control_characters_in_strings_are_escaped),
        cmocka_unit_test(a_deep_object_costs_only_itself),
        cmocka_unit_test(the_deepest_object_allowed_is_whole),
        cmocka_unit_test(a_page_has_at_most_its_maximum),
        cmocka_unit_test(one_asset_is_one_object),
        cmocka_unit_test(errors_are_read),
        cmocka_unit_test(other_bodies_have_no_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
