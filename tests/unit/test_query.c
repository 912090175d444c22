/* SPDX-License-Identifier: MIT */
#include "grammar/query.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"

static bool knows_user_metadata(void *ctx, const char *field)
{
    (void)ctx;
    return strncmp(field, "user_metadata.", 14) == 0;
}

static int add(struct query *q, const char *segment)
{
    return query_add(q, segment, knows_user_metadata, NULL);
}

static int parses(const char *segment)
{
    cleanup(query_done) struct query q = {0};

    return add(&q, segment);
}

static void segment_has_a_key_and_an_equals_sign(void **state)
{
    assert_true(query_is_segment("status=ready"));
    assert_true(query_is_segment("a="));
    assert_true(query_is_segment("user_metadata.x-y%20z=1"));
    assert_false(query_is_segment("=x"));
    assert_false(query_is_segment("1a=x"));
    assert_false(query_is_segment("a b=x"));
    assert_false(query_is_segment("a%2=x"));
    assert_false(query_is_segment("plain"));
    assert_false(query_is_segment(""));
    assert_false(query_is_segment("a%"));
}

static void malformed_segments_do_not_exist(void **state)
{
    static const char *const segments[] = {
        "plain",
        "unknown=1",
        "type=",
        "type=movie",
        "type=video,",
        "type=video%2Cimage",
        "id=",
        "id=a,,b",
        "filename=",
        "filename=%2",
        "filename=%zz",
        "filename=a%00b",
        "status=%",
        "created=",
        "created=..",
        "created=x",
        "created=2026..x",
        "created=-2026",
        "created=2026-08-01T10:30:00.123456789012345Z",
        "duration=",
        "duration=..",
        "duration=x",
        "duration=5k",
        "duration=1..2x",
        "duration=0x10",
        "duration=inf",
        "duration=nan..",
        "duration=1..2..3",
        "size=10h",
        "size=1GG",
        "size=+5",
        "technical_metadata.never=1",
        "errors=x",
    };
    for (size_t i = 0; i < array_count(segments); i++) {
        cleanup(query_done) struct query q = {0};
        assert_int_equal(add(&q, "type=video"), 0);
        if (add(&q, segments[i]) != -ENOENT)
            fail_msg("%s was accepted", segments[i]);
        assert_int_equal(q.count, 1);
    }
}

static void types_are_a_set(void **state)
{
    cleanup(query_done) struct query q = {0};

    assert_int_equal(add(&q, "type=video,other,video"), 0);
    assert_int_equal(q.terms[0].kind, QUERY_TYPE);
    assert_int_equal(q.terms[0].types, 1u << ASSET_VIDEO | 1u << ASSET_OTHER);
}

static void commas_part_lists_but_not_filenames(void **state)
{
    cleanup(query_done) struct query q = {0};

    assert_int_equal(add(&q, "id=a,b%2Cc"), 0);
    assert_int_equal(q.terms[0].text_count, 2);
    assert_string_equal(q.terms[0].texts[1], "b,c");
    assert_int_equal(add(&q, "filename=Caf%C3%89, LTD"), 0);
    assert_string_equal(q.terms[1].texts[0], "caf\xc3\xa9, ltd");
    assert_string_equal(q.terms[1].texts[1], "Caf\xc3\x89, LTD");
}

static void created_is_a_prefix_or_a_range_of_prefixes(void **state)
{
    static const struct {
        const char *segment, *from, *below;
    } cases[] = {
        {"created=2026-08", "2026-08", "2026-09"},
        {"created_at=2026", "2026", "2027"},
        {"created=2026-01..2026-03", "2026-01", "2026-04"},
        {"created=2026-09..", "2026-09", ""},
        {"created=..2029", "", "202:"},
        {"created=2026-08-01T10:30:00Z", "2026-08-01T10:30:00Z",
         "2026-08-01T10:30:00["},
        {"created=2026-08-01T10%3A30", "2026-08-01T10:30", "2026-08-01T10:31"},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        cleanup(query_done) struct query q = {0};
        assert_int_equal(add(&q, cases[i].segment), 0);
        assert_int_equal(q.terms[0].kind, QUERY_CREATED);
        assert_string_equal(q.terms[0].texts[0], cases[i].from);
        assert_string_equal(q.terms[0].texts[1], cases[i].below);
    }
}

static void ranges_have_units_and_open_ends(void **state)
{
    static const struct {
        const char *segment, *field;
        double low, high;
    } cases[] = {
        {"duration=600..3600", "duration", 600, 3600},
        {"duration=1.5m..2h", "duration", 90, 7200},
        {"duration=30s", "duration", 30, 30},
        {"duration=..0.5", "duration", -INFINITY, 0.5},
        {"size=1G..", "size", 1e9, INFINITY},
        {"size=1k..2M", "size", 1e3, 2e6},
        {"size=3T", "size", 3e12, 3e12},
        {"size=1e3", "size", 1000, 1000},
        {"user_metadata.n=-2..3", "user_metadata.n", -2, 3},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        cleanup(query_done) struct query q = {0};
        assert_int_equal(add(&q, cases[i].segment), 0);
        assert_int_equal(q.terms[0].kind, QUERY_RANGE);
        assert_string_equal(q.terms[0].field, cases[i].field);
        assert_true(q.terms[0].low == cases[i].low);
        assert_true(q.terms[0].high == cases[i].high);
    }
}

static void what_is_no_range_is_exact(void **state)
{
    static const char *const values[] = {"1",    "..",     "a..b",
                                         "1..x", "1%2E.2", "5k..6k"};

    for (size_t i = 0; i < array_count(values); i++) {
        cleanup(query_done) struct query q = {0};
        char segment[64];
        (void)snprintf(segment, sizeof(segment), "user_metadata.n=%s",
                       values[i]);
        assert_int_equal(add(&q, segment), 0);
        assert_int_equal(q.terms[0].kind, QUERY_EXACT);
    }
}

static void api_fields_are_known_without_a_catalogue(void **state)
{
    cleanup(query_done) struct query q = {0};

    assert_int_equal(query_add(&q, "status=ready", NULL, NULL), 0);
    assert_int_equal(query_add(&q, "hls.status=error", NULL, NULL), 0);
    assert_int_equal(query_add(&q, "file_type=video/mp4", NULL, NULL), 0);
    assert_int_equal(query_add(&q, "user_metadata.x=1", NULL, NULL), -ENOENT);
}

static void depth_is_bounded(void **state)
{
    cleanup(query_done) struct query q = {0};

    for (int i = 0; i < QUERY_MAX_TERMS; i++)
        assert_int_equal(add(&q, "status=ready"), 0);
    assert_int_equal(add(&q, "status=ready"), -ENOENT);
    assert_int_equal(query_add_id(&q, "x"), -ENOENT);
    assert_int_equal(query_add_type(&q, ASSET_VIDEO), -ENOENT);
    assert_int_equal(q.count, QUERY_MAX_TERMS);
}

static char *canonical(const char *const *segments, size_t count)
{
    cleanup(query_done) struct query q = {0};
    struct buf out;

    buf_init(&out, 1 << 16);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(add(&q, segments[i]), 0);
    assert_int_equal(query_canonical(&q, &out), 0);
    return buf_steal(&out, NULL);
}

#define CANONICAL(...)                                                         \
    canonical((const char *const[]){__VA_ARGS__},                              \
              array_count(((const char *const[]){__VA_ARGS__})))

static void canonical_text_ignores_order_and_repeats(void **state)
{
    cleanup(free_ptr) char *a =
        CANONICAL("status=b,a", "filename=X", "type=image,video");
    cleanup(free_ptr) char *b = CANONICAL("type=video,image", "filename=x",
                                          "status=a,b,a", "filename=X");

    assert_string_equal(a, b);
}

static void canonical_text_keeps_different_conditions_apart(void **state)
{
    char *texts[] = {
        CANONICAL("status=a,b"),
        CANONICAL("status=a%2Cb"),
        CANONICAL("status=a", "status=b"),
        CANONICAL("id=a,b"),
        CANONICAL("filename=a,b"),
        CANONICAL("created=2026"),
        CANONICAL("created=2026.."),
        CANONICAL("user_metadata.a=1..2"),
        CANONICAL("user_metadata.a=1..%32"),
        CANONICAL("user_metadata.a%3Db=c"),
        CANONICAL("user_metadata.a=b%3Dc"),
    };
    for (size_t i = 0; i < array_count(texts); i++) {
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(texts[i], texts[j]);
    }
    for (size_t i = 0; i < array_count(texts); i++)
        free(texts[i]);
}

static int ask(const char *a, const char *b, struct buf *out)
{
    cleanup(query_done) struct query q = {0};

    buf_init(out, 4096);
    assert_int_equal(add(&q, a), 0);
    if (b)
        assert_int_equal(add(&q, b), 0);
    return query_ask(&q, out);
}

static void a_server_is_asked_for_a_superset(void **state)
{
    static const struct {
        const char *a, *b, *parameters;
    } cases[] = {
        {"filename=keynote", NULL, "&filename=keynote"},
        {"filename=a b.mp4", "type=video", "&filename=a%20b.mp4"},
        {"filename=x", "filename=longer", "&filename=longer"},
        {"filename=no\xc3\xablle", NULL, "&filename=lle"},
        {"id=b,a%26c", NULL, "&asset_ids=b&asset_ids=a%26c"},
        {"id=a,b", "id=c", "&asset_ids=c"},
        {"id=a", "filename=x", "&asset_ids=a"},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        cleanup(buf_done) struct buf out;
        assert_int_equal(ask(cases[i].a, cases[i].b, &out), 0);
        assert_string_equal(out.data, cases[i].parameters);
    }
}

static void what_cannot_be_asked_waits_for_the_walk(void **state)
{
    static const char *const segments[] = {"type=video", "status=failed",
                                           "filename=\xc3\xa9\xc3\xa9",
                                           "created=2026"};

    for (size_t i = 0; i < array_count(segments); i++) {
        cleanup(buf_done) struct buf out;
        assert_int_equal(ask(segments[i], NULL, &out), -EOPNOTSUPP);
        assert_int_equal(out.len, 0);
    }
}

static void folding_is_unicode_and_keeps_invalid_bytes(void **state)
{
    static const struct {
        const char *text, *folded;
    } cases[] = {
        {"MiXeD.MP4", "mixed.mp4"},
        {"\xc3\x84\xce\xa3\xcf\x82", "\xc3\xa4\xcf\x83\xcf\x83"},
        {"Stra\xc3\x9f\x65", "strasse"},
        {"E\xcc\x81", "\xc3\xa9"}, /* one in all normal forms */
        {"\xc3\x89", "\xc3\xa9"},
        {"\xe1\x84\x92\xe1\x85\xa1", "\xed\x95\x98"},
        {"q\xcc\x81", "q\xcc\x81"},
        {"a\xff\xcc\x81", "a\xff\xcc\x81"},
        {"\xed\xa0\x80\xff\xc3", "\xed\xa0\x80\xff\xc3"},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        cleanup(buf_done) struct buf out;
        buf_init(&out, 100);
        assert_int_equal(query_fold(cases[i].text, strlen(cases[i].text), &out),
                         0);
        assert_string_equal(buf_str(&out), cases[i].folded);
    }
    cleanup(buf_done) struct buf nul;
    buf_init(&nul, 100);
    assert_int_equal(query_fold("A\0B", 3, &nul), 0);
    assert_int_equal(nul.len, 3);
    assert_memory_equal(nul.data, "a\0b", 3);
}

static void a_fold_that_does_not_fit_leaves_the_buffer(void **state)
{
    cleanup(buf_done) struct buf out;

    buf_init(&out, 4);
    assert_int_equal(buf_append_str(&out, "x"), 0);
    /* three bytes that fold to six */
    assert_int_equal(query_fold("\xef\xac\x83\xce\x90", 5, &out), -E2BIG);
    assert_string_equal(out.data, "x");
}

static void a_copy_outlives_its_original(void **state)
{
    cleanup(query_done) struct query copy = {0};
    struct query q = {0};

    assert_int_equal(add(&q, "user_metadata.x=1,2"), 0);
    assert_int_equal(add(&q, "duration=5.."), 0);
    assert_int_equal(query_copy(&q, &copy), 0);
    query_done(&q);
    assert_int_equal(copy.count, 2);
    assert_string_equal(copy.terms[0].field, "user_metadata.x");
    assert_string_equal(copy.terms[0].texts[1], "2");
    assert_true(copy.terms[1].low == 5);
}

static void targets_are_relative_paths_of_segments(void **state)
{
    static const char *const good[] = {"filename=a", "filename=a/status=b",
                                       "type=video/"};
    static const char *const bad[] = {"",
                                      "/",
                                      "/type=video",
                                      "type=video//status=ready",
                                      "..",
                                      "type=video/..",
                                      "plain/status=a",
                                      "type=nothing",
                                      "//"};
    const char *reason;

    for (size_t i = 0; i < array_count(good); i++)
        assert_int_equal(query_check_target(good[i], NULL, NULL, &reason), 0);
    for (size_t i = 0; i < array_count(bad); i++) {
        reason = NULL;
        assert_int_equal(query_check_target(bad[i], NULL, NULL, &reason),
                         -EINVAL);
        assert_non_null(reason);
    }
}

static void single_segments_parse(void **state)
{
    assert_int_equal(parses("status="), 0); /* an empty string */
    assert_int_equal(parses("%73tatus=x"), -ENOENT);
    assert_int_equal(parses("s%74atus=x"), 0); /* an escaped key */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(segment_has_a_key_and_an_equals_sign),
        cmocka_unit_test(malformed_segments_do_not_exist),
        cmocka_unit_test(types_are_a_set),
        cmocka_unit_test(commas_part_lists_but_not_filenames),
        cmocka_unit_test(created_is_a_prefix_or_a_range_of_prefixes),
        cmocka_unit_test(ranges_have_units_and_open_ends),
        cmocka_unit_test(what_is_no_range_is_exact),
        cmocka_unit_test(api_fields_are_known_without_a_catalogue),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(canonical_text_ignores_order_and_repeats),
        cmocka_unit_test(canonical_text_keeps_different_conditions_apart),
        cmocka_unit_test(a_server_is_asked_for_a_superset),
        cmocka_unit_test(what_cannot_be_asked_waits_for_the_walk),
        cmocka_unit_test(folding_is_unicode_and_keeps_invalid_bytes),
        cmocka_unit_test(a_fold_that_does_not_fit_leaves_the_buffer),
        cmocka_unit_test(a_copy_outlives_its_original),
        cmocka_unit_test(targets_are_relative_paths_of_segments),
        cmocka_unit_test(single_segments_parse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
