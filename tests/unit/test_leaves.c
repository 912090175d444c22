/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "json/leaves.h"
#include "json/page.h"

/* "path=token " of each value; past the inside of what `skip` names. */
static const char *walked(const char *json, const char *skip)
{
    static char out[1024];
    struct leaves w;
    struct scan s;
    struct scan_token t;
    size_t len = 0;

    out[0] = '\0';
    leaves_init(&w);
    scan_init(&s, json, strlen(json));
    while (scan_next(&s, &t) == 0 && t.kind != SCAN_END) {
        if (!leaves_take(&w, &t))
            continue;
        len += (size_t)snprintf(out + len, sizeof(out) - len, "%s=%.*s ",
                                w.path, (int)t.len, t.text);
        if (skip && strcmp(w.path, skip) == 0)
            assert_int_equal(leaves_skip(&w, &s), 0);
    }
    return out;
}

static void values_have_the_names_that_lead_to_them(void **state)
{
    (void)state;
    assert_string_equal(
        walked("{\"a\":1,\"b\":{\"c\":\"x\",\"d\":{}},\"e\":[2,{\"f\":3},[4]],"
               "\"\":5,\"g\":{\"\\u0068\":6,\"\\u0000\":7}}",
               NULL),
        "a=1 b={ b.c=\"x\" b.d={ e=[ e=2 e={ e.f=3 e=[ e=4 g={ g.h=6 ");
    assert_string_equal(walked("[1,{\"a\":2}]", NULL), "a=2 ");
    assert_string_equal(walked("7", NULL), "");
}

static void what_leads_nowhere_can_be_passed_over(void **state)
{
    (void)state;
    assert_string_equal(
        walked("{\"a\":{\"x\":\"}\\\"]\",\"y\":[[{}]]},\"b\":[1,{\"c\":2}]}",
               "a"),
        "a={ b=[ b=1 b={ b.c=2 ");
    assert_string_equal(
        walked("{\"a\":{\"b\":[1,[2],3],\"c\":4},\"d\":5}", "a.b"),
        "a={ a.b=[ a.c=4 d=5 ");
}

static void long_and_deep_names_lead_to_nothing(void **state)
{
    char json[2 * LEAVES_MAX_PATH], expected[LEAVES_MAX_PATH + 8];

    (void)state;
    for (int over = 0; over < 2; over++) {
        int len = LEAVES_MAX_PATH - 1 + over;
        (void)snprintf(json, sizeof(json), "{\"%0*d\":1,\"b\":2}", len, 0);
        (void)snprintf(expected, sizeof(expected), "%0*d=1 b=2 ", len, 0);
        assert_string_equal(walked(json, NULL), over ? "b=2 " : expected);
    }
    assert_string_equal(
        walked("{\"1\":{\"2\":{\"3\":{\"4\":{\"5\":{\"6\":{\"7\":{\"8\":{"
               "\"9\":1},\"x\":2}}}}}}}}",
               "1.2.3.4.5.6.7.8"),
        "1={ 1.2={ 1.2.3={ 1.2.3.4={ 1.2.3.4.5={ 1.2.3.4.5.6={ "
        "1.2.3.4.5.6.7={ 1.2.3.4.5.6.7.8={ 1.2.3.4.5.6.7.x=2 ");
}

/* Members that only look like those that are meant. */
static void an_asset_takes_its_own_fields_alone(void **state)
{
    static const struct {
        const char *json;
        bool unfinished, picture;
    } cases[] = {
        {"{\"hls\":{\"status\":\"pending\"}}", true, false},
        {"{\"hls.status\":\"pending\"}", false, false},
        {"{\"hls\":[{\"status\":\"pending\"}]}", false, false},
        {"{\"x\":{\"hls\":{\"status\":\"pending\"}}}", false, false},
        {"{\"hls\":{\"status\":\"pending\"},\"hls\":{}}", false, false},
        {"{\"hls\":{},\"hls\":{\"status\":\"pending\"}}", true, false},
        {"{\"hls\":{\"status\":\"pending\",\"status\":1}}", false, false},
        {"{\"thumbnail\":{\"representative_url\":\"https://a/b\"},"
         "\"thumbnail\":null}",
         false, false},
        {"{\"thumbnail\":{\"representative_url\":\"https://a/b\"},"
         "\"hls\":null}",
         false, true},
    };

    (void)state;
    for (size_t i = 0; i < array_count(cases); i++) {
        cleanup(asset_done) struct asset a = {0};
        const char *json = cases[i].json;
        assert_int_equal(page_parse_asset(json, strlen(json), &a), 0);
        assert_int_equal(a.unfinished, cases[i].unfinished);
        assert_int_equal(a.picture_url != NULL, cases[i].picture);
    }
}

/* Objects with the same names have one shape, whatever their values. */
static void a_shape_tells_which_names_there_are(void **state)
{
    static const char *const texts[] = {
        "{\"a\":1,\"b\":{\"c\":2}}",   "{\"a\":\"x\",\"b\":{\"c\":null}}",
        "{\"a\":1,\"b\":{\"d\":2}}",   "{\"a\":1,\"b\":{}}",
        "{\"a\":1,\"b\":0,\"b.c\":2}",
    };
    uint64_t shapes[array_count(texts)];

    (void)state;
    for (size_t i = 0; i < array_count(texts); i++) {
        cleanup(asset_done) struct asset a = {0};
        assert_int_equal(page_parse_asset(texts[i], strlen(texts[i]), &a), 0);
        shapes[i] = a.shape;
    }
    assert_true(shapes[0] == shapes[1]);
    assert_true(shapes[0] == shapes[4]); /* the same names, as paths */
    assert_true(shapes[0] != shapes[2] && shapes[0] != shapes[3]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_have_the_names_that_lead_to_them),
        cmocka_unit_test(what_leads_nowhere_can_be_passed_over),
        cmocka_unit_test(long_and_deep_names_lead_to_nothing),
        cmocka_unit_test(an_asset_takes_its_own_fields_alone),
        cmocka_unit_test(a_shape_tells_which_names_there_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
