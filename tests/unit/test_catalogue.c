/* SPDX-License-Identifier: MIT */
#include "catalogue_fixture.h"

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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
