/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sync/sync_internal.h"

static void only_older_answers_are_held_against_a_change(void **state)
{
    struct sync *s = calloc(1, sizeof(*s));
    (void)state;
    assert_non_null(s);
    assert_false(tombstones_has_changed(s, "a", 1));
    tombstones_note_changed(s, "a", 100);
    assert_true(tombstones_has_changed(s, "a", 99));
    assert_false(tombstones_has_changed(s, "a", 100));
    assert_false(tombstones_has_changed(s, "b", 99));
    free(s);
}

/* Where it has forgotten which, it is any. */
static void what_is_forgotten_is_still_not_undone(void **state)
{
    struct sync *s = calloc(1, sizeof(*s));
    (void)state;
    assert_non_null(s);
    for (int i = 0; i <= (int)array_count(s->tombstones.changed); i++) {
        char id[16];
        (void)snprintf(id, sizeof(id), "%d", i);
        tombstones_note_changed(s, id, 100 + i);
    }
    assert_true(tombstones_has_changed(s, "0", 99));
    assert_true(tombstones_has_changed(s, "never seen", 99));
    assert_false(tombstones_has_changed(s, "never seen", 100));
    assert_true(tombstones_has_changed(s, "5", 104));
    assert_false(tombstones_has_changed(s, "5", 105));
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_older_answers_are_held_against_a_change),
        cmocka_unit_test(what_is_forgotten_is_still_not_undone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
