/* SPDX-License-Identifier: MIT */
#include "catalogue_fixture.h"

static void nothing_is_kept(int64_t row)
{
    struct catalogue_picture p = {.size_bytes = 5};
    cleanup(release) struct catalogue_reader *r = reader();
    assert_int_equal(catalogue_picture_get(r, row, &p), -ENOENT);
    assert_int_equal(p.size_bytes, 5);
}

static void is_kept(int64_t row, const struct catalogue_picture *expected)
{
    struct catalogue_picture p;
    cleanup(release) struct catalogue_reader *r = reader();
    assert_int_equal(catalogue_picture_get(r, row, &p), 0);
    assert_true(p.label == expected->label);
    assert_int_equal(p.size_bytes, expected->size_bytes);
    assert_true(p.checksum == expected->checksum);
}

/* All 64 bits of a label and a checksum, which SQLite stores with a sign. */
static void what_is_set_is_read_over_a_restart(void **state)
{
    static const struct catalogue_picture first = {UINT64_MAX, 0,
                                                   UINT64_C(1) << 63};
    static const struct catalogue_picture second = {7, INT64_MAX, 0};
    begin();
    int64_t row = PUT("a", .picture = "https://c/p.jpg");
    int64_t other = PUT("b", .picture = "https://c/q.jpg");
    done();
    nothing_is_kept(row);
    assert_int_equal(catalogue_picture_set(cat, row, &first), 0);
    is_kept(row, &first);
    assert_int_equal(catalogue_picture_set(cat, row, &second), 0);
    reopen();
    is_kept(row, &second);
    nothing_is_kept(other);
}

static void of_what_is_not_there_nothing_is_kept(void **state)
{
    static const struct catalogue_picture p = {7, 8, 9};
    assert_int_equal(catalogue_picture_set(cat, 1, &p), 0);
    nothing_is_kept(1);
    begin();
    int64_t row = PUT("a", .picture = "https://c/p.jpg");
    done();
    nothing_is_kept(row);
    assert_int_equal(catalogue_picture_set(cat, row, &p), 0);
    begin();
    assert_int_equal(catalogue_remove(cat, row), 0);
    done();
    nothing_is_kept(row);
}

/* Whose bytes they are is told by the label, so that another URL, or another
 * object, keeps it: media looks. */
static void it_changes_no_listing(void **state)
{
    static const struct catalogue_picture p = {7, 8, 9};
    begin();
    int64_t row = PUT("a", .picture = "https://c/p.jpg");
    done();
    uint64_t version = catalogue_version(cat);
    int64_t changed_ns = catalogue_changed_ns(cat, ASSET_TYPE_COUNT);
    assert_int_equal(catalogue_picture_set(cat, row, &p), 0);
    assert_int_equal(catalogue_version(cat), version);
    assert_int_equal(catalogue_changed_ns(cat, ASSET_TYPE_COUNT), changed_ns);
    begin();
    PUT("a", .picture = "https://c/other.jpg", .extra = ",\"n\":1");
    done();
    is_kept(row, &p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_is_set_is_read_over_a_restart),
        CASE(of_what_is_not_there_nothing_is_kept),
        CASE(it_changes_no_listing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
