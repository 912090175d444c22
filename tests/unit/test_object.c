/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "json/object.h"
#include "json/page.h"
#include "golden.h"

static void parse_asset(const char *text, struct asset *ret_asset)
{
    assert_int_equal(page_parse_asset(text, strlen(text), ret_asset), 0);
}

static void an_asset_has_its_fields(void **state)
{
    cleanup(buf_done) struct buf json = {.max = 10000};
    cleanup(asset_done) struct asset a = {0};
    assert_int_equal(golden_read("metadata/asset.json", &json), 0);
    parse_asset(json.data, &a);
    assert_string_equal(a.id, "68b1c0a9d4e5f60718293a4b");
    assert_string_equal(a.filename, "Grüße aus Köln.mp4");
    assert_int_equal(a.filename_len, strlen(a.filename));
    assert_int_equal(a.created_s, 1785580200);
    assert_int_equal(a.type, ASSET_VIDEO);
    assert_false(a.unfinished);
    assert_int_equal(a.size_bytes, 4294967297);
    assert_null(a.picture_url);
    assert_string_equal(a.manifest_url,
                        "https://cdn.example.com/a/b.m3u8?sig=a%2Fb&x=1");
    assert_string_equal(a.json, buf_str(&json));
}

static void absent_fields_are_absent(void **state)
{
    static const char *const texts[] = {
        "{}",
        "{\"_id\":1,\"created_at\":1,\"filename\":1,\"file_type\":1,"
        "\"status\":1,\"size\":\"1\",\"hls\":1,\"thumbnail\":[]}",
        "{\"_id\":null,\"created_at\":\"yesterday\",\"filename\":[],"
        "\"size\":-1,\"hls\":{\"manifest_url\":1},"
        "\"thumbnail\":{\"representative_url\":\"javascript:1\"}}",
        "{\"_ID\":\"a\",\"Filename\":\"x\",\"Size\":1}",
    };
    for (size_t i = 0; i < array_count(texts); i++) {
        cleanup(asset_done) struct asset a = {0};
        parse_asset(texts[i], &a);
        assert_int_equal(strlen(a.id), 21);
        assert_memory_equal(a.id, "noid-", 5);
        assert_null(a.filename);
        assert_int_equal(a.filename_len, 0);
        assert_true(a.created_s == ASSET_NO_TIME);
        assert_int_equal(a.type, ASSET_OTHER);
        assert_false(a.unfinished);
        assert_int_equal(a.size_bytes, -1);
        assert_null(a.picture_url);
        assert_null(a.manifest_url);
    }
}

static void ids_are_exact_or_made(void **state)
{
    static const struct {
        const char *token;
        const char *id; /* NULL: made */
    } cases[] = {
        {"\"a/b%\"", "a/b%"},
        {"\"\\u0061\\ud800\\u00e9\"", "a\xed\xa0\x80é"},
        {"\"\xff\"", "\xff"},
        {"\"a\",\"_id\":\"b\"", "b"},
        {"\"a\",\"\\u005fid\":\"b\"", "b"},
        {"\"\"", NULL},
        {"\"a\\u0000\"", NULL},
        {"\"a\",\"_id\":7", NULL},
        {"{}", NULL},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        cleanup(asset_done) struct asset a = {0};
        cleanup(buf_done) struct buf text = {.max = 1000};
        assert_int_equal(buf_appendf(&text, "{\"_id\":%s}", cases[i].token), 0);
        parse_asset(buf_str(&text), &a);
        if (cases[i].id)
            assert_string_equal(a.id, cases[i].id);
        else
            assert_memory_equal(a.id, "noid-", 5);
    }
}

static void an_id_has_at_most_200_bytes(void **state)
{
    char text[300];
    cleanup(asset_done) struct asset a = {0};
    (void)snprintf(text, sizeof(text), "{\"_id\":\"%0200d\"}", 7);
    parse_asset(text, &a);
    assert_int_equal(strlen(a.id), 200);
    asset_done(&a);
    (void)snprintf(text, sizeof(text), "{\"_id\":\"%0201d\"}", 7);
    parse_asset(text, &a);
    assert_memory_equal(a.id, "noid-", 5);
}

static void made_ids_tell_assets_apart(void **state)
{
    static const char *const texts[] = {
        "{}",
        "{\"filename\":\"a\"}",
        "{\"filename\":\"b\"}",
        "{\"created_at\":\"a\"}",
        "{\"size\":1}",
        "{\"method\":1}",
        "{\"filename\":1}",
        "{\"created_at\":\"ab\",\"filename\":\"c\"}",
        "{\"created_at\":\"a\",\"filename\":\"bc\"}",
    };
    struct asset assets[array_count(texts)] = {0};
    for (size_t i = 0; i < array_count(texts); i++) {
        parse_asset(texts[i], &assets[i]);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(assets[i].id, assets[j].id);
    }
    /* of other fields and of their order a made id doesn't depend */
    cleanup(asset_done) struct asset a = {0};
    parse_asset("{\"status\":\"ready\", \"filename\" : \"a\"}", &a);
    assert_string_equal(a.id, assets[1].id);
    for (size_t i = 0; i < array_count(texts); i++)
        asset_done(&assets[i]);
}

static void filenames_are_exact(void **state)
{
    cleanup(asset_done) struct asset a = {0};
    parse_asset("{\"size\":9,\"filename\":\"a\\u0000\\ud800\\n\xff\"}", &a);
    assert_int_equal(a.filename_len, 7);
    assert_memory_equal(a.filename, "a\0\xed\xa0\x80\n\xff", 8);
    assert_int_equal(a.size_bytes, 9);
    asset_done(&a);
    parse_asset("{\"filename\":\"x\",\"filename\":\"\"}", &a);
    assert_string_equal(a.filename, "");
    asset_done(&a);
    parse_asset("{\"filename\":\"x\",\"filename\":null}", &a);
    assert_null(a.filename);
}

/* Each of these is an error to cJSON, or cuts what it reads. */
static void odd_members_cost_no_fields(void **state)
{
    static const char *const members[] = {
        "\"\\ud800\"",
        "\"\\ud800\\u0041\"",
        "\"\\udc00\"",
        "\"\\u0000\"",
        "\"\\ud800\\ud800\\udc00\"",
        "\"\xff\xc3\"",
        "1e400",
        "-1e400",
        "0.123456789012345678901234567890123456789012345678901234567890123456",
        "100000000000000000000000000000000000000000000000000000000000000000000",
        "1e0000000000000000000000000000000000000000000000000000000000000000001",
        "{\"\\u0000\":1,\"\\ud800\":2}",
        "\"\\uD83D\\uDE00\"",
        "\"\x7f\"",
    };
    for (size_t i = 0; i < array_count(members); i++) {
        cleanup(asset_done) struct asset a = {0};
        cleanup(buf_done) struct buf text = {.max = 1000};
        assert_int_equal(
            buf_appendf(&text, "{\"x\":%s,\"size\":5}", members[i]), 0);
        if (page_parse_asset(text.data, text.len, &a))
            fail_msg("refused: %s", text.data);
        assert_int_equal(a.size_bytes, 5);
    }
}

static void a_nul_makes_no_other_word(void **state)
{
    cleanup(asset_done) struct asset a = {0};
    parse_asset("{\"status\":\"processing\\u0000\",\"file_type\":"
                "\"video/mp4\\u0000\",\"size\\u0000\":5,\"thumbnail\":"
                "{\"representative_url\":\"https://h/x\\u0000\"}}",
                &a);
    assert_false(a.unfinished);
    assert_int_equal(a.size_bytes, -1);
    assert_null(a.picture_url);
}

static void sizes_are_exact_or_absent(void **state)
{
    static const struct {
        const char *text;
        int64_t size;
    } cases[] = {
        {"0", 0},
        {"-0", 0},
        {"4294967296", 4294967296},
        {"1e3", 1000},
        {"12.0", 12},
        {"9007199254740992", INT64_C(9007199254740992)},
        {"1e16", -1},
        {"1e400", -1},
        {"0.5", -1},
        {"-1", -1},
        {"true", -1},
        {"1,\"size\":2", 2},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        cleanup(asset_done) struct asset a = {0};
        cleanup(buf_done) struct buf text = {.max = 1000};
        assert_int_equal(buf_appendf(&text, "{\"size\":%s}", cases[i].text), 0);
        parse_asset(buf_str(&text), &a);
        assert_int_equal(a.size_bytes, cases[i].size);
    }
}

static void what_may_change_by_itself_is_unfinished(void **state)
{
    static const struct {
        const char *text;
        bool unfinished;
    } cases[] = {
        {"{\"status\":\"processing\"}", true},
        {"{\"status\":\"ready\"}", false},
        {"{\"status\":\"failed\"}", false},
        {"{\"status\":\"ready\",\"hls\":{\"status\":\"pending\"}}", true},
        {"{\"status\":\"ready\",\"hls\":{\"status\":\"processing\"}}", true},
        {"{\"status\":\"ready\",\"hls\":{\"status\":\"ready\"}}", false},
        {"{\"status\":\"ready\",\"hls\":{\"status\":\"error\"}}", false},
        {"{\"thumbnail\":{\"status\":\"pending\"}}", true},
        {"{\"thumbnail\":{\"status\":\"processing\"}}", true},
        {"{\"thumbnail\":{\"status\":\"ready\"}}", false},
        {"{\"status\":\"processing\",\"status\":\"ready\"}", false},
        {"{\"hls\":{\"status\":\"pending\"},\"hls\":{}}", false},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        cleanup(asset_done) struct asset a = {0};
        parse_asset(cases[i].text, &a);
        if (a.unfinished != cases[i].unfinished)
            fail_msg("wrong: %s", cases[i].text);
    }
}

static void urls_are_clean_or_absent(void **state)
{
    cleanup(asset_done) struct asset a = {0};
    parse_asset("{\"thumbnail\":{\"representative_url\":"
                "\"https:\\/\\/h\\/x.jpg?a=1\\u00262\"},\"hls\":"
                "{\"manifest_url\":\"https://h/\\nURL=file:///x\"}}",
                &a);
    assert_string_equal(a.picture_url, "https://h/x.jpg?a=1&2");
    assert_null(a.manifest_url);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_asset_has_its_fields),
        cmocka_unit_test(absent_fields_are_absent),
        cmocka_unit_test(ids_are_exact_or_made),
        cmocka_unit_test(an_id_has_at_most_200_bytes),
        cmocka_unit_test(made_ids_tell_assets_apart),
        cmocka_unit_test(filenames_are_exact),
        cmocka_unit_test(odd_members_cost_no_fields),
        cmocka_unit_test(a_nul_makes_no_other_word),
        cmocka_unit_test(sizes_are_exact_or_absent),
        cmocka_unit_test(what_may_change_by_itself_is_unfinished),
        cmocka_unit_test(urls_are_clean_or_absent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
