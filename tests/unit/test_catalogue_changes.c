/* SPDX-License-Identifier: MIT */
#include "catalogue_fixture.h"

static void an_unnamed_row_goes_without_a_trace(void **state)
{
    begin();
    int64_t a = PUT_ANON("a");
    done();
    begin();
    assert_int_equal(catalogue_remove(cat, a), 0);
    assert_string_equal(summary(commit()), "-1 ");
    begin();
    assert_int_equal(catalogue_name_all(cat), 0);
    assert_string_equal(summary(commit()), "");
}

static void several_changes_of_one_row_are_one(void **state)
{
    begin();
    int64_t a = PUT("a");
    PUT("a", .extra = ",\"n\":1");
    assert_string_equal(summary(commit()), "+1 ");
    begin();
    int64_t b = PUT("b", .filename = "y.mp4");
    assert_int_equal(catalogue_remove(cat, b), 0);
    assert_string_equal(summary(commit()), "");
    begin();
    PUT("a", .extra = ",\"n\":2");
    PUT("a", .type = ASSET_IMAGE);
    struct catalogue_diff diff = commit();
    assert_int_equal(diff.count, 1);
    assert_int_equal(diff.changes[0].kind, CATALOGUE_MOVED);
    assert_int_equal(diff.changes[0].old_type, ASSET_VIDEO);
    assert_int_equal(diff.changes[0].type, ASSET_IMAGE);
    catalogue_diff_done(&diff);
    begin();
    assert_int_equal(catalogue_remove(cat, a), 0);
    PUT("a");
    assert_string_equal(summary(commit()), "-1 +3 ");
}

static void a_change_says_which_links_there_were_and_are(void **state)
{
    begin();
    PUT("a", .picture = "https://c.example/p.PNG?s=1");
    done();
    begin();
    PUT("a", .manifest = "https://c.example/m", .extra = ",\"n\":1");
    struct catalogue_diff diff = commit();
    assert_int_equal(diff.changes[0].kind, CATALOGUE_CHANGED);
    assert_string_equal(diff.changes[0].old_extension, "png");
    assert_string_equal(diff.changes[0].extension, "");
    assert_false(diff.changes[0].old_manifest);
    assert_true(diff.changes[0].manifest);
    catalogue_diff_done(&diff);
}

#define SIGNED(query, rest)                                                    \
    "{\"_id\":\"a\",\"thumbnail\":{\"representative_url\":"                    \
    "\"https://c.example/p.jpg?" query "\",\"status\":\"ready\"}" rest "}"

static char put_text(const char *json, int64_t now_s)
{
    struct given g = {
        .id = "a", .picture = "https://c.example/p.jpg", .json = json};
    int64_t row;
    bool fresh;

    begin();
    assert_int_equal(give(&g, true, now_s, &row, &fresh), 0);
    return summary(commit())[0];
}

static void renewed_signatures_are_no_change(void **state)
{
    struct catalogue_entry e;

    assert_int_equal(put_text(SIGNED("s=1", ""), NOW), '+');
    assert_int_equal(put_text(SIGNED("s=22\\u0026x=1", ""), NOW + 9), '~');
    cleanup(release) struct catalogue_reader *r = reader();
    assert_int_equal(catalogue_get(r, 1, &e), 0);
    assert_int_equal(e.changed_s, 0);
    assert_int_equal(e.fetched_s, NOW + 9);
    assert_int_equal(e.version, 2);
    assert_int_equal(put_text(SIGNED("s=2", ",\"n\":1"), NOW), '*');
    assert_int_equal(put_text(SIGNED("s=3", ",\"n\":2"), NOW), '*');
    assert_int_equal(
        put_text(SIGNED("s=3", ",\"user_metadata\":{\"u\":\"http://a/?1\"}"),
                 NOW),
        '*');
    assert_int_equal(
        put_text(SIGNED("s=3", ",\"user_metadata\":{\"u\":\"http://a/?2\"}"),
                 NOW),
        '*');
}

static void the_same_object_writes_nothing(void **state)
{
    struct given g = {.id = "a", .picture = "https://c.example/p.jpg"};
    struct catalogue_entry e;
    int64_t row;
    bool fresh;

    begin();
    put(&g, true);
    done();
    uint64_t commits = atomic_load(&cat->commits);
    begin();
    assert_int_equal(give(&g, true, NOW + 599, &row, &fresh), 0);
    assert_false(fresh);
    assert_string_equal(summary(commit()), "");
    assert_int_equal(atomic_load(&cat->commits), commits);
    assert_int_equal(catalogue_version(cat), 1);
    begin();
    assert_int_equal(give(&g, true, NOW + 600, &row, &fresh), 0);
    assert_string_equal(summary(commit()), "");
    assert_int_equal(catalogue_version(cat), 1);
    cleanup(release) struct catalogue_reader *r = reader();
    assert_int_equal(catalogue_get(r, row, &e), 0);
    assert_int_equal(e.fetched_s, NOW + 600);
    assert_int_equal(e.changed_s, 0);
}

static void times_of_listings_only_go_forward(void **state)
{
    begin();
    PUT("a", .type = ASSET_VIDEO);
    struct catalogue_diff diff = commit();
    int64_t video = catalogue_changed_ns(cat, ASSET_VIDEO);
    assert_int_equal(diff.committed_ns, video);
    catalogue_diff_done(&diff);
    assert_int_equal(catalogue_changed_ns(cat, ASSET_IMAGE), 0);
    assert_int_equal(catalogue_changed_ns(cat, ASSET_TYPE_COUNT), video);

    /* a clock that was ahead, and a restart */
    int64_t ahead = clock_wall_ns() + 1000000000000;
    assert_int_equal(catalogue_state_set(cat, "changed.0", ahead), 0);
    reopen();
    assert_int_equal(catalogue_version(cat), 1);
    assert_int_equal(catalogue_changed_ns(cat, ASSET_VIDEO), ahead);
    begin();
    PUT("a", .extra = ",\"n\":1");
    done();
    assert_int_equal(catalogue_changed_ns(cat, ASSET_VIDEO), ahead);
    assert_int_equal(catalogue_changed_ns(cat, ASSET_TYPE_COUNT), ahead + 1);
    begin();
    PUT("b");
    done();
    assert_int_equal(catalogue_changed_ns(cat, ASSET_VIDEO), ahead + 2);
    assert_int_equal(catalogue_version(cat), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(an_unnamed_row_goes_without_a_trace),
        CASE(several_changes_of_one_row_are_one),
        CASE(a_change_says_which_links_there_were_and_are),
        CASE(renewed_signatures_are_no_change),
        CASE(the_same_object_writes_nothing),
        CASE(times_of_listings_only_go_forward),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
