/* SPDX-License-Identifier: MIT */
#include "tree/node.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void root_is_number_one(void **state)
{
    (void)state;
    struct node n;
    assert_int_equal(node_ino(NODE_VIEW, 0, 1), NODE_ROOT);
    assert_true(node_parse(1, &n));
    assert_int_equal(n.kind, NODE_VIEW);
    assert_int_equal(n.view, 0);
}

static void numbers_come_back_as_their_parts(void **state)
{
    (void)state;
    static const uint32_t views[] = {0, 1, 16, NODE_VIEW_END - 1};
    static const int64_t rows[] = {1, 77, NODE_ROW_END - 1};
    for (int kind = 0; kind < NODE_FURTHER + 3; kind++)
        for (int v = 0; v < 4; v++)
            for (int r = 0; r < 3; r++) {
                struct node n;
                uint32_t view =
                    node_is_per_view((enum node_kind)kind) ? views[v] : 0;
                bool single = kind == NODE_VIEW || kind == NODE_PICTURES ||
                              (kind >= NODE_ALL_MEDIA && kind < NODE_FURTHER);
                int64_t row = single ? 1 : rows[r];
                uint64_t number = node_ino((enum node_kind)kind, view, row);
                assert_true(node_parse(number, &n));
                assert_true((uint64_t)(double)number == number &&
                            number < UINT64_C(1) << 53);
                assert_int_equal(n.kind, kind);
                assert_int_equal(n.view, view);
                assert_int_equal(n.row, row);
            }
}

/* File handles and whoever remembers a number hold them over a restart. */
static void numbers_are_those_of_earlier_versions(void **state)
{
    (void)state;
    assert_true(node_ino(NODE_FOLDER, 3, 77) ==
                (UINT64_C(2) << 49 | UINT64_C(3) << 33 | 77));
    assert_true(node_ino(NODE_METADATA, 3, 77) == (UINT64_C(5) << 49 | 77));
    assert_true(node_ino(NODE_STATUS, 0, 7) == (UINT64_C(13) << 49 | 7));
    assert_true(node_ino(NODE_ALL_MEDIA, 0, 1) == (UINT64_C(14) << 49 | 1));
    assert_true(node_ino(NODE_CONTROL, 0, 1) == (UINT64_C(14) << 49 | 2));
    assert_true(node_ino(NODE_SHEET, 0, 1) == (UINT64_C(14) << 49 | 3));
    assert_true(node_ino((enum node_kind)(NODE_FURTHER + 1), 9, 77) ==
                (UINT64_C(15) << 49 | UINT64_C(1) << 33 | 77));
}

static void files_have_one_number_in_all_views(void **state)
{
    (void)state;
    assert_false(node_is_per_view(NODE_METADATA));
    assert_false(node_is_per_view(NODE_PICTURE_URL));
    assert_false(node_is_per_view(NODE_MANIFEST_URL));
    assert_true(node_is_per_view(NODE_FOLDER));
    assert_true(node_is_per_view(NODE_MEDIA_LINK));
    assert_true(node_is_per_view(NODE_LINES));
}

static void numbers_that_are_never_given_are_refused(void **state)
{
    (void)state;
    struct node n;
    assert_false(node_parse(0, &n));
    assert_false(node_parse(2, &n)); /* a view is row 1 */
    assert_false(node_parse((uint64_t)NODE_METADATA << 49 | 1ull << 33 | 1,
                            &n)); /* of a view, which files aren't */
    assert_false(node_parse((uint64_t)NODE_FOLDER << 49, &n));
    assert_false(node_parse(UINT64_C(14) << 49 | 4, &n)); /* of three */
    assert_false(node_parse(UINT64_C(14) << 49 | 1ull << 33 | 1, &n));
    assert_false(node_parse(UINT64_C(15) << 49, &n));
    assert_false(node_parse(UINT64_C(16) << 49 | 1, &n));
    assert_false(node_parse(UINT64_MAX, &n));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(root_is_number_one),
        cmocka_unit_test(numbers_come_back_as_their_parts),
        cmocka_unit_test(numbers_are_those_of_earlier_versions),
        cmocka_unit_test(files_have_one_number_in_all_views),
        cmocka_unit_test(numbers_that_are_never_given_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
