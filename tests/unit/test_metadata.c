/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "json/metadata.h"
#include "json/scan.h"
#include "golden.h"

static const char *const golden[] = {
    "asset",   "deep",         "duplicates", "empty",
    "escapes", "invalid_utf8", "numbers",
};

static void read_golden(const char *name, const char *ending, struct buf *out)
{
    char path[256];
    (void)snprintf(path, sizeof(path), "metadata/%s.%s", name, ending);
    buf_init(out, 1000000);
    if (golden_read(path, out))
        fail_msg("can't read %s", path);
}

static void same(const struct buf *got, const struct buf *expected)
{
    assert_string_equal(buf_str(got), buf_str(expected));
    assert_int_equal(got->len, expected->len);
}

static void golden_files_are_met(void **state)
{
    for (size_t i = 0; i < array_count(golden); i++) {
        cleanup(buf_done) struct buf json = {0};
        cleanup(buf_done) struct buf rendered = {0};
        cleanup(buf_done) struct buf line = {0};
        cleanup(buf_done) struct buf out = {.max = 1000000};
        size_t rendered_len = 0;
        size_t line_len = 0;
        read_golden(golden[i], "json", &json);
        read_golden(golden[i], "rendered", &rendered);
        read_golden(golden[i], "line", &line);

        assert_int_equal(metadata_render(json.data, json.len, &out), 0);
        same(&out, &rendered);
        buf_reset(&out);
        assert_int_equal(metadata_line(json.data, json.len, &out), 0);
        same(&out, &line);
        assert_int_equal(
            metadata_measure(json.data, json.len, &rendered_len, &line_len), 0);
        assert_int_equal(rendered_len, rendered.len);
        assert_int_equal(line_len, line.len);
    }
}

/* Both forms are JSON of the same tokens: what is made is a fixed point. */
static void forms_turn_into_each_other(void **state)
{
    for (size_t i = 0; i < array_count(golden); i++) {
        cleanup(buf_done) struct buf rendered = {0};
        cleanup(buf_done) struct buf line = {0};
        cleanup(buf_done) struct buf out = {.max = 1000000};
        read_golden(golden[i], "rendered", &rendered);
        read_golden(golden[i], "line", &line);
        assert_int_equal(metadata_render(line.data, line.len, &out), 0);
        same(&out, &rendered);
        buf_reset(&out);
        assert_int_equal(metadata_line(rendered.data, rendered.len, &out), 0);
        same(&out, &line);
    }
}

static void output_is_appended(void **state)
{
    cleanup(buf_done) struct buf out = {.max = 100};
    assert_int_equal(metadata_line("{\"a\": 1}", 8, &out), 0);
    assert_int_equal(metadata_line("{}", 2, &out), 0);
    assert_string_equal(buf_str(&out), "{\"a\":1}\n{}\n");
}

static void malformed_text_leaves_the_output(void **state)
{
    static const char *const texts[] = {
        "",      "{",          "{\"a\":1",    "{\"a\":1}}",
        "{} {}", "{\"a\":01}", "{\"a\":NaN}", "{\"a\":\"\n\"}",
    };
    cleanup(buf_done) struct buf out = {.max = 100};
    assert_int_equal(buf_append_str(&out, "kept"), 0);
    for (size_t i = 0; i < array_count(texts); i++) {
        size_t rendered = 77;
        size_t line = 77;
        size_t len = strlen(texts[i]);
        assert_int_equal(metadata_render(texts[i], len, &out), -EBADMSG);
        assert_int_equal(metadata_line(texts[i], len, &out), -EBADMSG);
        assert_int_equal(metadata_measure(texts[i], len, &rendered, &line),
                         -EBADMSG);
        assert_int_equal(rendered, 77);
        assert_int_equal(line, 77);
        assert_string_equal(buf_str(&out), "kept");
    }
}

static void a_full_buffer_is_an_error(void **state)
{
    static const char json[] = "{\"a\":[1,2,3]}";
    size_t rendered = 0;
    size_t line = 0;
    assert_int_equal(metadata_measure(json, sizeof(json) - 1, &rendered, &line),
                     0);
    for (size_t max = 0; max <= rendered; max++) {
        cleanup(buf_done) struct buf out = {.max = max};
        int err = metadata_render(json, sizeof(json) - 1, &out);
        assert_int_equal(err, max < rendered ? -E2BIG : 0);
        assert_int_equal(out.len, max < rendered ? 0 : rendered);
    }
}

static void depth_is_bounded(void **state)
{
    char text[2 * SCAN_MAX_DEPTH + 2];
    size_t rendered = 0;
    size_t line = 0;
    memset(text, '[', SCAN_MAX_DEPTH);
    memset(text + SCAN_MAX_DEPTH, ']', SCAN_MAX_DEPTH);
    assert_int_equal(metadata_measure(text, sizeof(text) - 2, &rendered, &line),
                     0);
    size_t expected = 2 * (SCAN_MAX_DEPTH - 1) + strlen("[]\n");
    for (size_t level = 0; level < SCAN_MAX_DEPTH - 1; level++)
        expected += 2 * (2 * level + strlen("[\n"));
    assert_int_equal(rendered, expected);
    assert_int_equal(line, 2 * SCAN_MAX_DEPTH + 1);
    memset(text, '[', SCAN_MAX_DEPTH + 1);
    memset(text + SCAN_MAX_DEPTH + 1, ']', SCAN_MAX_DEPTH + 1);
    assert_int_equal(metadata_measure(text, sizeof(text), &rendered, &line),
                     -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_files_are_met),
        cmocka_unit_test(forms_turn_into_each_other),
        cmocka_unit_test(output_is_appended),
        cmocka_unit_test(malformed_text_leaves_the_output),
        cmocka_unit_test(a_full_buffer_is_an_error),
        cmocka_unit_test(depth_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
