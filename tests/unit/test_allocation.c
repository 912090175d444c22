/* SPDX-License-Identifier: MIT */
/* Memory that ends, under page and query. */
#include "ending_memory.h"

#include "base/cleanup.h"
#include "catalogue/condition.h"
#include "grammar/query.h"
#include "json/page.h"

/* ---- page ------------------------------------------------------------- */

static const char answer[] =
    "{\"data\":[" ASSET_THREE "," ASSET_TWO "," ASSET_ONE ",3],"
    "\"page_info\":{\"limit_per_page\":50,\"page\":1,\"total_page\":1,"
    "\"total_results\":3}}";

static int parse_page(void)
{
    struct page p;
    int err = page_parse(answer, strlen(answer), &p);
    if (err)
        return err;
    bool whole = p.count == 3 && p.skipped == 1 && p.total_results == 3 &&
                 p.assets[2].manifest_url && p.assets[2].picture_url;
    page_done(&p);
    return whole ? 0 : -EBADMSG;
}

static int parse_asset(void)
{
    struct asset a;
    int err = page_parse_asset(ASSET_ONE, strlen(ASSET_ONE), &a);
    if (err)
        return err;
    bool whole = a.filename && a.manifest_url && a.picture_url;
    asset_done(&a);
    return whole ? 0 : -EBADMSG;
}

/* It has nobody to tell: what can't be read is "". */
static int parse_error(void)
{
    static const char body[] =
        "{\"code\":\"parameter_invalid\",\"message\":\"no\"}";
    char code[32];
    char message[32];
    page_parse_error(body, strlen(body), code, sizeof(code), message,
                     sizeof(message));
    return 0;
}

static void a_page_is_whole_or_refused(void **state)
{
    (void)state;
    fail_each(parse_page, 10);
    fail_each(parse_asset, 4);
    for (unsigned long n = 1; n < 30; n++) {
        bool reached;
        assert_int_equal(run_failing(parse_error, n, &reached), 0);
        assert_int_equal(live, 0);
    }
}

/* ---- query ------------------------------------------------------------ */

static int ask_query(const struct query *q)
{
    cleanup(query_done) struct query copy = {0};
    cleanup(condition_values_done) struct condition_values point = {0};
    cleanup(condition_values_done) struct condition_values scan = {0};
    cleanup(buf_done) struct buf text = {.max = 1 << 20};
    int err = query_copy(q, &copy);
    if (!err)
        err = query_canonical(&copy, &text);
    if (!err)
        err = query_ask(q, &text);
    if (!err)
        err = condition_write(q, CONDITION_POINT, &text, &point);
    if (!err)
        err = condition_write(q, CONDITION_SCAN, &text, &scan);
    if (!err)
        err = condition_exact_of("\"a\\u0041\"", 9, &text);
    if (!err)
        err = condition_exact_of("10.50e3", 7, &text);
    return err;
}

static int make_query(void)
{
    static const char *const segments[] = {
        "type=video,image", "id=aa,bb%20",      "filename=\xc3\x84pfel",
        "created=2026-08",  "duration=1m..",    "size=1k..2G",
        "status=ready,1.0", "hls.status=error", "created=2026..2027",
    };
    const char *reason = NULL;
    cleanup(query_done) struct query q = {0};
    int err = 0;
    for (size_t i = 0; !err && i < array_count(segments); i++)
        err = query_add(&q, segments[i], NULL, NULL);
    if (!err)
        err = query_add_type(&q, ASSET_VIDEO);
    if (!err)
        err = query_add_id(&q, "68b1c0a9d4e5f60718293a4b");
    if (!err)
        err = query_check_target("type=video/filename=x", NULL, NULL, &reason);
    return err ? err : ask_query(&q);
}

static void a_query_is_whole_or_refused(void **state)
{
    (void)state;
    fail_each(make_query, 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_is_whole_or_refused),
        cmocka_unit_test(a_query_is_whole_or_refused),
    };
    return cmocka_run_group_tests(tests, hook_libraries, NULL);
}
