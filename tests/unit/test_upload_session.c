/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "upload/upload_internal.h"

static struct buf json_of(const char *text)
{
    return (struct buf){.data = (char *)text, .len = strlen(text)};
}

static int plan_of(const char *more, int64_t size, struct session_plan *p)
{
    char text[1000];
    (void)snprintf(text, sizeof(text),
                   "{\"upload_id\":\"u\",\"asset_id\":\"a\"%s}", more);
    const struct buf json = json_of(text);
    return session_read_plan(&json, size, p);
}

static void a_plan_must_fit_the_file(void **state)
{
    struct session_plan p = {0};
    assert_int_equal(plan_of(",\"chunk_size\":5,\"total_chunks\":3,"
                             "\"upload_headers\":{\"a\":\"b\"}",
                             11, &p),
                     0);
    assert_string_equal(p.headers, "{\"a\":\"b\"}");
    session_plan_done(&p);
    static const char *const bad[] = {
        "",
        ",\"chunk_size\":5",
        ",\"chunk_size\":5,\"total_chunks\":2",
        ",\"chunk_size\":5,\"total_chunks\":4",
        ",\"chunk_size\":0,\"total_chunks\":3",
        ",\"chunk_size\":-5,\"total_chunks\":3",
        ",\"chunk_size\":\"5\",\"total_chunks\":3",
        ",\"chunk_size\":99999999999999999999,\"total_chunks\":1",
        ",\"chunk_size\":1,\"total_chunks\":4000000000",
        ",\"chunk_size\":5,\"total_chunks\":3,\"upload_id\":\"\"",
        ",\"chunk_size\":5,\"total_chunks\":3,\"asset_id\":7",
        ",\"chunk_size\":5,\"total_chunks\":3,\"asset_id\":\"a\\u0000b\"",
    };
    for (size_t i = 0; i < array_count(bad); i++)
        assert_int_equal(plan_of(bad[i], 11, &p), -EBADMSG);
}

static void take_text(void *ctx, int64_t chunk, const char *url)
{
    size_t len = strlen(ctx);
    (void)snprintf((char *)ctx + len, 200 - len, "%d:%s ", (int)chunk, url);
}

static void only_good_urls_are_taken(void **state)
{
    char seen[200] = "";
    const struct buf json = json_of(
        "{\"upload_urls\":[{\"chunk_index\":1,\"url\":\"https://h/a?b\"},"
        "{\"chunk_index\":2,\"url\":\"file:///etc/passwd\"},"
        "{\"chunk_index\":3,\"url\":\"https://u:p@h/\"},"
        "{\"chunk_index\":-4,\"url\":\"https://h/4\"},"
        "{\"chunk_index\":5,\"url\":\"https://h/\\u000d\\u000aX: y\"},"
        "7,{},{\"chunk_index\":6,\"url\":\"http:\\/\\/h\\/6\"}]}");
    session_each_url(&json, take_text, seen);
    assert_string_equal(seen, "1:https://h/a?b 6:http://h/6 ");
}

static void take_chunk(void *ctx, int64_t chunk)
{
    take_text(ctx, chunk, "");
}

static void a_status_says_what_is_completed(void **state)
{
    char seen[200] = "";
    enum session_status status;
    size_t told = 0;
    const struct buf json = json_of(
        "{\"status\":\"active\",\"uploaded_chunks\":[{\"index\":1,"
        "\"status\":\"completed\"},{\"index\":2,\"status\":\"pending\"},"
        "{\"index\":3,\"status\":\"failed\"}]}");
    assert_int_equal(
        session_read_status(&json, &status, &told, take_chunk, seen), 0);
    assert_int_equal(status, SESSION_ACTIVE);
    assert_int_equal(told, 3);
    assert_string_equal(seen, "1: ");
    const struct buf none = json_of("{}");
    assert_int_equal(
        session_read_status(&none, &status, &told, take_chunk, seen), -EBADMSG);
    const struct buf ended = json_of("{\"status\":\"whatever\"}");
    assert_int_equal(
        session_read_status(&ended, &status, &told, take_chunk, seen), 0);
    assert_int_equal(status, SESSION_ENDED);
}

static void headers_are_a_servers_and_not_ours(void **state)
{
    char **lines = NULL;
    assert_int_equal(
        session_lines("{\"x-amz-a\":\"1\",\"Host\":\"evil\",\"X-Api-Key\":"
                      "\"k\",\"b\\u000d\\u000ac\":\"2\",\"d\":\"e\\u000af\","
                      "\"n\":5,\"z\":\"last\"}",
                      &lines),
        0);
    assert_string_equal(lines[0], "Content-Type: application/octet-stream");
    assert_string_equal(lines[1], "x-amz-a: 1");
    assert_string_equal(lines[2], "z: last");
    assert_null(lines[3]);
    session_lines_free(lines);
    assert_int_equal(session_lines(NULL, &lines), 0);
    assert_null(lines[1]);
    session_lines_free(lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_must_fit_the_file),
        cmocka_unit_test(only_good_urls_are_taken),
        cmocka_unit_test(a_status_says_what_is_completed),
        cmocka_unit_test(headers_are_a_servers_and_not_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
