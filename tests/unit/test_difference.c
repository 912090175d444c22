/* SPDX-License-Identifier: MIT */
/* The fields in which two objects differ, and events as lines. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "json/difference.h"
#include "json/event.h"
#include "json/scan.h"

static void assert_difference(const char *before, const char *after,
                              const char *expected)
{
    cleanup(buf_done) struct buf out = {.max = 1 << 20};
    size_t told = 0, untold = 0;

    assert_int_equal(difference_append(before, strlen(before), after,
                                       strlen(after), 10000, &out, &told,
                                       &untold),
                     0);
    assert_string_equal(buf_str(&out), expected);
    assert_int_equal(untold, 0);
    assert_int_equal(told == 0, strcmp(expected, "[]") == 0);
}

static void fields_that_differ_are_told(void **state)
{
    assert_difference("{\"a\":1}", "{\"a\":1}", "[]");
    assert_difference("{\"a\":1}", "{ \"a\" : 1 }", "[]");
    assert_difference("{}", "{}", "[]");
    assert_difference("{\"status\":\"processing\"}", "{\"status\":\"ready\"}",
                      "[{\"field\":\"status\",\"old\":\"processing\","
                      "\"new\":\"ready\"}]");
    assert_difference("{\"a\":1,\"b\":2}", "{\"b\":2,\"c\":null}",
                      "[{\"field\":\"a\",\"old\":1},"
                      "{\"field\":\"c\",\"new\":null}]");
    assert_difference("{\"n\":1.0}", "{\"n\":1.00}",
                      "[{\"field\":\"n\",\"old\":1.0,\"new\":1.00}]");
}

static void inner_fields_have_dotted_names(void **state)
{
    assert_difference("{\"u\":{\"a\":1,\"b\":{\"c\":true}}}",
                      "{\"u\":{\"a\":1,\"b\":{\"c\":false}}}",
                      "[{\"field\":\"u.b.c\",\"old\":true,\"new\":false}]");
    assert_difference("{\"u\":{}}", "{\"u\":{\"a\":1}}",
                      "[{\"field\":\"u\",\"old\":{}},"
                      "{\"field\":\"u.a\",\"new\":1}]");
    assert_difference("{\"l\":[1, 2]}", "{\"l\":[1,2]}", "[]");
    assert_difference("{\"l\":[1, {\"a\" :2}]}", "{\"l\":[1]}",
                      "[{\"field\":\"l\",\"old\":[1,{\"a\":2}],\"new\":[1]}]");
    assert_difference("{\"a\":1,\"a\":2}", "{\"a\":9,\"a\":2}", "[]");
}

static void deep_objects_are_values(void **state)
{
    char before[400] = "", after[400];

    for (int i = 0; i < 12; i++)
        strcat(before, "{\"a\":");
    strcat(before, "1}}}}}}}}}}}}");
    (void)snprintf(after, sizeof(after), "%s", before);
    *strchr(after, '1') = '2';
    assert_difference(before, after,
                      "[{\"field\":\"a.a.a.a.a.a.a.a\","
                      "\"old\":{\"a\":{\"a\":{\"a\":{\"a\":1}}}},"
                      "\"new\":{\"a\":{\"a\":{\"a\":{\"a\":2}}}}}]");
}

static void a_renewed_signature_is_none(void **state)
{
    assert_difference("{\"hls\":{\"u\":\"https://h/a?s=1\"}}",
                      "{\"hls\":{\"u\":\"https://h/a?s=2\"}}", "[]");
    assert_difference("{\"x\":{\"u\":\"https://h/a?s=1\"}}",
                      "{\"x\":{\"u\":\"https://h/a?s=2\"}}",
                      "[{\"field\":\"x.u\",\"old\":\"https://h/a?s=1\","
                      "\"new\":\"https://h/a?s=2\"}]");
}

static void texts_are_harmless_and_valid(void **state)
{
    assert_difference("{\"a\":\"\\u00e9\\n\\ud800\x7f\"}", "{}",
                      "[{\"field\":\"a\",\"old\":\"\xc3\xa9\\n\\ud800"
                      "\\u007f\"}]");
    assert_difference("{\"a\":\"\xff\xe2\x80\xae\"}", "{}",
                      "[{\"field\":\"a\",\"old\":\"\xef\xbf\xbd\\u202e\"}]");
    assert_difference("{\"q\\\"\\u0000\\\\\":1}", "{}",
                      "[{\"field\":\"q\\\"\\u0000\\\\\",\"old\":1}]");
}

static void long_values_are_told_by_their_length(void **state)
{
    char before[1200], expected[100];

    (void)snprintf(before, sizeof(before), "{\"a\":\"%01100d\"}", 7);
    (void)snprintf(expected, sizeof(expected),
                   "[{\"field\":\"a\",\"old_bytes\":1102,\"new\":1}]");
    assert_difference(before, "{\"a\":1}", expected);
}

static void what_does_not_fit_is_counted(void **state)
{
    cleanup(buf_done) struct buf before = {.max = 1 << 20};
    cleanup(buf_done) struct buf out = {.max = 1 << 20};
    size_t told = 0, untold = 0;

    for (int i = 0; i < 200; i++)
        assert_int_equal(
            buf_appendf(&before, "%c\"k%03d\":\"%0900d\"", i ? ',' : '{', i, i),
            0);
    assert_int_equal(buf_append_char(&before, '}'), 0);
    assert_int_equal(difference_append(before.data, before.len, "{}", 2, 5000,
                                       &out, &told, &untold),
                     0);
    assert_int_equal(told, 5);
    assert_int_equal(untold, 195);
    assert_true(out.len <= 5000);
}

static void what_is_no_object_is_refused(void **state)
{
    static const char *const bad[] = {
        "",         "1", "[]", "{", "{\"a\"}", "{\"a\":}", "{\"a\":{\"b\":1}",
        "{\"a\":1]"};
    cleanup(buf_done) struct buf out = {.max = 1000};
    size_t told, untold;

    assert_int_equal(buf_append_str(&out, "as it was"), 0);
    for (size_t i = 0; i < array_count(bad); i++) {
        assert_int_equal(difference_append(bad[i], strlen(bad[i]), "{}", 2, 100,
                                           &out, &told, &untold),
                         -EBADMSG);
        assert_int_equal(difference_append("{}", 2, bad[i], strlen(bad[i]), 100,
                                           &out, &told, &untold),
                         -EBADMSG);
    }
    assert_string_equal(buf_str(&out), "as it was");
}

static void an_event_never_passes_its_bound(void **state)
{
    cleanup(buf_done) struct buf object = {.max = 1 << 20};
    cleanup(buf_done) struct buf line = {.max = EVENT_MAX_BYTES};
    char id[201];
    const char *text;
    struct scan s;
    size_t len;

    memset(id, 1, sizeof(id) - 1);
    id[sizeof(id) - 1] = '\0';
    assert_int_equal(buf_append_str(&object, "{\"filename\":\""), 0);
    for (int i = 0; i < 1400; i++)
        assert_int_equal(buf_append_char(&object, 0x7f), 0);
    assert_int_equal(buf_append_str(&object, "\",\"status\":\"\x7f\x7f\""), 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(buf_appendf(&object, ",\"k%d\":\"%0900d\"", i, i), 0);
    assert_int_equal(buf_append_char(&object, '}'), 0);
    struct event e = {.time_ns = INT64_MAX,
                      .kind = "changed",
                      .id = id,
                      .type = "document",
                      .object = object.data,
                      .object_len = object.len};
    assert_int_equal(event_append_change(&e, "{}", 2, &line), 0);
    assert_int_equal(line.data[line.len - 1], '\n');
    assert_non_null(strstr(line.data, "\"more\":"));
    scan_init(&s, line.data, line.len);
    assert_int_equal(scan_value(&s, &text, &len), 0);
    assert_int_equal(len, line.len - 1);
    buf_reset(&line);
    assert_int_equal(event_append_change(&e, object.data, object.len, &line),
                     -ENODATA);
    assert_int_equal(line.len, 0);
}

static void times_have_nanoseconds(void **state)
{
    char time[EVENT_TIME_SIZE];

    event_format_time(1785580200000000042, time);
    assert_string_equal(time, "2026-08-01T10:30:00.000000042Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_that_differ_are_told),
        cmocka_unit_test(inner_fields_have_dotted_names),
        cmocka_unit_test(deep_objects_are_values),
        cmocka_unit_test(a_renewed_signature_is_none),
        cmocka_unit_test(texts_are_harmless_and_valid),
        cmocka_unit_test(long_values_are_told_by_their_length),
        cmocka_unit_test(what_does_not_fit_is_counted),
        cmocka_unit_test(what_is_no_object_is_refused),
        cmocka_unit_test(an_event_never_passes_its_bound),
        cmocka_unit_test(times_have_nanoseconds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
