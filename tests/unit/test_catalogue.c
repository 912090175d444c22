/* SPDX-License-Identifier: MIT */
#include "catalogue_fixture.h"

/* ---- rows -------------------------------------------------------- */

static void a_put_row_is_read_back_whole(void **state)
{
    const char *json = "{ \"_id\": \"a\", \"n\": 9007199254740993 }";
    struct given g = {.id = "a",
                      .filename = "k.mp4",
                      .type = ASSET_AUDIO,
                      .created_s = 1000,
                      .size = 5,
                      .picture = "https://c.example/p.png?s=1",
                      .manifest = "https://c.example/m.m3u8",
                      .json = json};
    struct catalogue_entry e;
    cleanup(buf_done) struct buf body;

    buf_init(&body, 1000);
    begin();
    int64_t row = put(&g, true);
    done();
    cleanup(release) struct catalogue_reader *r = reader();
    assert_int_equal(catalogue_get_by_id(r, full_id("a"), &e), 0);
    assert_int_equal(e.row, row);
    assert_int_equal(e.type, ASSET_AUDIO);
    assert_int_equal(e.created_s, 1000);
    assert_int_equal(e.changed_s, 1000);
    assert_int_equal(e.fetched_s, NOW);
    assert_int_equal(e.version, 1);
    assert_string_equal(e.id, full_id("a"));
    assert_string_equal(e.folder, "k.mp4");
    assert_string_equal(e.picture_url, g.picture);
    assert_string_equal(e.manifest_url, g.manifest);
    assert_int_equal(e.line_bytes, strlen("{\"_id\":\"a\",\"n\":"
                                          "9007199254740993}\n"));
    assert_int_equal(catalogue_body(r, row, &body), 0);
    assert_string_equal(body.data, json);
    assert_int_equal(catalogue_get(r, row + 1, &e), -ENOENT);
    assert_int_equal(catalogue_get_by_id(r, "b", &e), -ENOENT);
    assert_int_equal(catalogue_get_by_folder(r, "b", &e), -ENOENT);
    assert_int_equal(catalogue_body(r, row + 1, &body), -ENOENT);
}

static void readers_see_commits_only_and_keep_their_snapshot(void **state)
{
    struct catalogue_entry e;

    begin();
    int64_t row = PUT("a");
    struct catalogue_reader *before = reader();
    assert_int_equal(catalogue_get(before, row, &e), -ENOENT);
    done();
    assert_int_equal(catalogue_get(before, row, &e), -ENOENT);
    cleanup(release) struct catalogue_reader *after = reader();
    assert_int_equal(catalogue_get(after, row, &e), 0);
    catalogue_reader_release(before);
    before = reader(); /* the same one, from the pool */
    assert_int_equal(catalogue_get(before, row, &e), 0);
    catalogue_reader_release(before);
}

static void a_row_number_is_never_given_twice(void **state)
{
    begin();
    int64_t a = PUT("a");
    done();
    begin();
    assert_int_equal(catalogue_remove(cat, a), 0);
    assert_int_equal(catalogue_remove(cat, a), -ENOENT);
    done();
    reopen();
    begin();
    assert_true(PUT("a") > a);
    done();
}

static void a_malformed_object_costs_only_itself(void **state)
{
    int64_t row;
    bool fresh;

    begin();
    PUT("a");
    assert_int_equal(give(&(struct given){.id = "b", .json = "{\"a\":"}, true,
                          NOW, &row, &fresh),
                     -EBADMSG);
    PUT("c", .filename = "y.mp4");
    assert_string_equal(summary(commit()), "+1 +2 ");
}

static void rollback_leaves_nothing(void **state)
{
    begin();
    PUT("a", .extra = ",\"user_metadata\":{\"seen\":1}");
    catalogue_rollback(cat);
    assert_string_equal(list(ASSET_TYPE_COUNT), "");
    assert_int_equal(catalogue_version(cat), 0);
    cleanup(release) struct catalogue_reader *r = reader();
    assert_false(catalogue_field_known(r, "user_metadata.seen"));
    begin();
    PUT("a", .extra = ",\"user_metadata\":{\"seen\":1}");
    done();
    cleanup(release) struct catalogue_reader *s = reader();
    assert_true(catalogue_field_known(s, "user_metadata.seen"));
}

static int64_t seen(struct catalogue_reader *r, int64_t row)
{
    struct catalogue_entry e;
    int err = catalogue_get(r, row, &e);

    assert_true(err == 0 || err == -ENOENT);
    return err == 0;
}

static void held_steps_are_committed_together_or_lost_together(void **state)
{
    struct catalogue_diff diff;

    for (int lost = 0; lost < 2; lost++) {
        begin();
        int64_t a = PUT(lost ? "c" : "a");
        assert_int_equal(catalogue_commit_later(cat, &diff), 0);
        assert_int_equal(diff.count, 0);
        assert_true(catalogue_commit_due_ms(cat) > clock_mono_ms());
        cleanup(release) struct catalogue_reader *before = reader();
        assert_false(seen(before, a));
        assert_true(seen(catalogue_reader_of_writer(cat), a));
        begin();
        int64_t b = PUT(lost ? "d" : "b");
        if (lost)
            catalogue_rollback(cat);
        else
            assert_string_equal(summary(commit()), "+1 +2 ");
        assert_true(catalogue_commit_due_ms(cat) == CLOCK_NEVER_MS);
        assert_int_equal(catalogue_lost_steps(cat), lost);
        assert_false(catalogue_lost_steps(cat));
        cleanup(release) struct catalogue_reader *after = reader();
        assert_int_equal(seen(after, a), !lost);
        assert_int_equal(seen(after, b), !lost);
    }
}

static void many_held_rows_are_committed(void **state)
{
    struct catalogue_diff diff = {0};
    int rows = 0;

    while (diff.count == 0) {
        begin();
        for (int i = 0; i < 100; i++) {
            char id[16];
            (void)snprintf(id, sizeof(id), "r%dz", rows++);
            PUT(id);
        }
        assert_int_equal(catalogue_commit_later(cat, &diff), 0);
    }
    assert_int_equal(diff.count, rows);
    catalogue_diff_done(&diff);
    assert_int_equal(catalogue_count(cat, ASSET_TYPE_COUNT), rows);
}

static void a_full_disk_ends_the_transaction(void **state)
{
    struct given g = {.id = "b", .extra = ",\"x\":\"\""};
    char long_extra[3000] = ",\"x\":\"";
    struct catalogue_diff diff;
    int64_t row;
    bool fresh;
    int err = 0;

    memset(long_extra + 6, 'a', 2900);
    memcpy(long_extra + 2906, "\"", 2);
    begin();
    PUT("a");
    done();
    assert_int_equal(db_exec(&cat->db, "PRAGMA max_page_count = 60"), 0);
    begin();
    for (int i = 0; i < 1000 && !err; i++) {
        char id[16];
        (void)snprintf(id, sizeof(id), "b%dz", i);
        g.id = id;
        g.extra = long_extra;
        err = give(&g, true, NOW, &row, &fresh);
    }
    assert_int_equal(err, -ENOSPC);
    assert_int_equal(give(&(struct given){.id = "c"}, true, NOW, &row, &fresh),
                     -ENOSPC);
    assert_int_equal(catalogue_remove(cat, 1), -ENOSPC);
    assert_int_equal(catalogue_commit(cat, &diff), -ENOSPC);
    assert_string_equal(list(ASSET_TYPE_COUNT), "x.mp4 ");
    assert_int_equal(db_exec(&cat->db, "PRAGMA max_page_count = 100000"), 0);
    begin();
    PUT("c");
    assert_true(strlen(summary(commit())) > 0);
    assert_int_equal(catalogue_count(cat, ASSET_TYPE_COUNT), 2);
}

/* ---- names ------------------------------------------------------- */

static void later_namesakes_have_their_id_after_the_name(void **state)
{
    begin();
    int64_t a = PUT("a"), b = PUT("b"), c = PUT("c", .filename = "y.mp4");
    done();
    assert_folder(a, "x.mp4");
    assert_folder(b, "x.mp4@b00000000000000000000000");
    assert_folder(c, "y.mp4");
}

/* The index of names is one for each 2^18 rows. */
static void names_are_told_apart_over_all_rows(void **state)
{
    static const char *const names[] = {
        "x.mp4", "x.mp4@b00000000000000000000000",
        "x.mp4@c00000000000000000000000", "x.mp4@d00000000000000000000000"};
    int64_t rows[array_count(names)];

    for (size_t i = 0; i < array_count(names); i++) {
        char id[2] = {(char)('a' + i), '\0'};
        begin();
        rows[i] = PUT(id);
        done();
        assert_int_equal(db_exec(&cat->db, "UPDATE sqlite_sequence SET seq = "
                                           "seq + 262144 WHERE name = 'asset'"),
                         0);
        if (i == 2)
            reopen();
    }
    for (size_t i = 0; i < array_count(names); i++)
        assert_folder(rows[i], names[i]);
    reopen();
    begin();
    assert_int_equal(catalogue_remove(cat, rows[0]), 0);
    done();
    assert_folder(rows[1], names[0]);
    assert_folder(rows[3], names[3]);
}

static void the_next_in_line_inherits_the_bare_name(void **state)
{
    begin();
    int64_t a = PUT("c"), b = PUT("b"), c = PUT("a");
    done();
    begin();
    assert_int_equal(catalogue_remove(cat, a), 0);
    struct catalogue_diff diff = commit();
    assert_int_equal(diff.count, 2);
    assert_int_equal(diff.changes[0].kind, CATALOGUE_REMOVED);
    assert_null(diff.changes[0].folder);
    assert_string_equal(diff.changes[0].old_folder, "x.mp4");
    assert_int_equal(diff.changes[1].kind, CATALOGUE_MOVED);
    assert_int_equal(diff.changes[1].row, b);
    assert_string_equal(diff.changes[1].folder, "x.mp4");
    assert_string_equal(diff.changes[1].old_folder,
                        "x.mp4@b00000000000000000000000");
    catalogue_diff_done(&diff);
    assert_folder(c, "x.mp4@a00000000000000000000000");
}

static void both_the_heir_and_the_holder_may_go_at_once(void **state)
{
    begin();
    int64_t a = PUT("a"), b = PUT("b"), c = PUT("c");
    done();
    begin();
    assert_int_equal(catalogue_remove(cat, a), 0);
    assert_int_equal(catalogue_remove(cat, b), 0);
    assert_string_equal(summary(commit()), "-1 -2 >3 ");
    assert_folder(c, "x.mp4");
}

static void another_filename_is_another_folder(void **state)
{
    begin();
    int64_t a = PUT("a"), b = PUT("b");
    done();
    begin();
    PUT("a", .filename = "z.mp4");
    assert_string_equal(summary(commit()), ">1 >2 ");
    assert_folder(a, "z.mp4");
    assert_folder(b, "x.mp4");
    begin();
    PUT("a", .filename = "x.mp4");
    assert_string_equal(summary(commit()), ">1 ");
    assert_folder(a, "x.mp4@a00000000000000000000000");
}

static void a_changed_object_keeps_its_folder(void **state)
{
    begin();
    PUT("a");
    int64_t b = PUT("b");
    done();
    begin();
    PUT("b", .extra = ",\"n\":1");
    assert_string_equal(summary(commit()), "*2 ");
    assert_folder(b, "x.mp4@b00000000000000000000000");
}

static void unnamed_rows_are_found_by_id_alone(void **state)
{
    struct catalogue_entry e;

    begin();
    int64_t a = PUT_ANON("a", .size = 7);
    int64_t b = PUT("b", .filename = "y.mp4", .size = 1);
    struct catalogue_diff diff = commit();
    assert_int_equal(diff.count, 2);
    assert_null(diff.changes[0].folder);
    catalogue_diff_done(&diff);
    assert_string_equal(list(ASSET_TYPE_COUNT), "y.mp4 ");
    assert_int_equal(catalogue_count(cat, ASSET_TYPE_COUNT), 1);
    assert_int_equal(catalogue_stored_bytes(cat), 1);
    cleanup(release) struct catalogue_reader *r = reader();
    assert_int_equal(catalogue_get_by_id(r, full_id("a"), &e), 0);
    assert_null(e.folder);
    assert_int_equal(catalogue_total(r), 2);
    begin();
    PUT("a", .size = 7);
    assert_string_equal(summary(commit()), "+1 ");
    assert_folder(a, "x.mp4");
    assert_folder(b, "y.mp4");
    assert_int_equal(catalogue_stored_bytes(cat), 8);
}

static void names_are_given_lowest_row_first(void **state)
{
    begin();
    int64_t a = PUT_ANON("a"), b = PUT_ANON("b"),
            c = PUT_ANON("c", .filename = "y.mp4");
    done();
    begin();
    PUT_ANON("c", .filename = "x.mp4"); /* renamed before it had a name */
    assert_int_equal(catalogue_name_all(cat), 0);
    assert_string_equal(summary(commit()), "+3 *3 +1 +2 ");
    assert_folder(a, "x.mp4");
    assert_folder(b, "x.mp4@b00000000000000000000000");
    assert_folder(c, "x.mp4@c00000000000000000000000");
    begin();
    assert_int_equal(catalogue_name_all(cat), 0);
    assert_string_equal(summary(commit()), "");
}

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

/* ---- what changed ------------------------------------------------ */

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
        CASE(a_put_row_is_read_back_whole),
        CASE(readers_see_commits_only_and_keep_their_snapshot),
        CASE(a_row_number_is_never_given_twice),
        CASE(a_malformed_object_costs_only_itself),
        CASE(rollback_leaves_nothing),
        CASE(held_steps_are_committed_together_or_lost_together),
        CASE(many_held_rows_are_committed),
        CASE(a_full_disk_ends_the_transaction),
        CASE(later_namesakes_have_their_id_after_the_name),
        CASE(names_are_told_apart_over_all_rows),
        CASE(the_next_in_line_inherits_the_bare_name),
        CASE(both_the_heir_and_the_holder_may_go_at_once),
        CASE(another_filename_is_another_folder),
        CASE(a_changed_object_keeps_its_folder),
        CASE(unnamed_rows_are_found_by_id_alone),
        CASE(names_are_given_lowest_row_first),
        CASE(an_unnamed_row_goes_without_a_trace),
        CASE(several_changes_of_one_row_are_one),
        CASE(a_change_says_which_links_there_were_and_are),
        CASE(renewed_signatures_are_no_change),
        CASE(the_same_object_writes_nothing),
        CASE(times_of_listings_only_go_forward),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
