/* SPDX-License-Identifier: MIT */
#include "catalogue_fixture.h"

static void rank_counts_what_is_older(void **state)
{
    put_places();
    cleanup(release) struct catalogue_reader *r = reader();
    for (int64_t row = 1; row <= PLACES; row++) {
        int64_t rank, older = 0;
        for (int64_t other = 1; other <= PLACES; other++)
            older += is_newer(row, other);
        assert_int_equal(catalogue_rank(r, place_s[row], row, &rank), 0);
        assert_int_equal(rank, older);
    }
    assert_int_equal(catalogue_total(r), PLACES);
}

static void check_between(struct catalogue_reader *r, int64_t newer,
                          int64_t older, size_t max)
{
    struct catalogue_slot a = {newer, place_s[newer], NULL};
    struct catalogue_slot b = {older, place_s[older], NULL};
    struct catalogue_slot *places;
    size_t count, expected = 0;

    assert_int_equal(catalogue_between(r, newer ? &a : NULL, older ? &b : NULL,
                                       max, &places, &count),
                     0);
    for (int64_t row = 1; row <= PLACES; row++)
        expected += (!newer || is_newer(newer, row)) &&
                    (!older || is_newer(row, older));
    assert_int_equal(count, expected < max ? expected : max);
    for (size_t i = 0; i < count; i++) {
        assert_true(!newer || is_newer(newer, places[i].row));
        assert_true(!older || is_newer(places[i].row, older));
        assert_true(i == 0 || is_newer(places[i - 1].row, places[i].row));
        assert_non_null(places[i].id);
    }
    if (count > 0 && !newer) /* none that is newer was left out */
        for (int64_t row = 1; row <= PLACES; row++)
            assert_true(row == places[0].row || is_newer(places[0].row, row) ||
                        (older && !is_newer(row, older)));
    catalogue_slots_free(places, count);
}

static void between_walks_the_order_from_the_newer_side(void **state)
{
    put_places();
    cleanup(release) struct catalogue_reader *r = reader();
    for (int64_t newer = 0; newer <= PLACES; newer += 3) {
        for (int64_t older = 0; older <= PLACES; older += 7) {
            check_between(r, newer, older, SIZE_MAX);
            check_between(r, newer, older, 5);
        }
    }
}

static void unfinished_come_newest_first(void **state)
{
    struct catalogue_slot *places;
    size_t count;

    put_places();
    cleanup(release) struct catalogue_reader *r = reader();
    assert_int_equal(catalogue_unfinished(r, 1000, &places, &count), 0);
    assert_int_equal(count, PLACES / 7);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(places[i].row % 7, 0);
        assert_true(i == 0 || is_newer(places[i - 1].row, places[i].row));
    }
    catalogue_slots_free(places, count);
    assert_int_equal(catalogue_unfinished(r, 3, &places, &count), 0);
    assert_int_equal(count, 3);
    catalogue_slots_free(places, count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(rank_counts_what_is_older),
        CASE(between_walks_the_order_from_the_newer_side),
        CASE(unfinished_come_newest_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
