/* SPDX-License-Identifier: MIT */
#include "catalogue_fixture.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(later_namesakes_have_their_id_after_the_name),
        CASE(names_are_told_apart_over_all_rows),
        CASE(the_next_in_line_inherits_the_bare_name),
        CASE(both_the_heir_and_the_holder_may_go_at_once),
        CASE(another_filename_is_another_folder),
        CASE(a_changed_object_keeps_its_folder),
        CASE(unnamed_rows_are_found_by_id_alone),
        CASE(names_are_given_lowest_row_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
