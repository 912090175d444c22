/* SPDX-License-Identifier: MIT */
#include "base/lru.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>

#include <cmocka.h>

static int destroyed;

static void destroy(struct lru_entry *e)
{
    destroyed++;
    free(e);
}

static struct lru_entry *make(uint64_t key, size_t bytes)
{
    struct lru_entry *e = calloc(1, sizeof(*e));
    assert_non_null(e);
    *e = (struct lru_entry){.key = {key, 1}, .bytes = bytes, .refs = 1};
    return e;
}

static void put(struct lru *l, uint64_t key, size_t bytes)
{
    lru_unref(l, lru_put(l, make(key, bytes)));
}

static bool has(struct lru *l, uint64_t key)
{
    struct lru_entry *e = lru_get(l, key, 1);
    lru_unref(l, e);
    return e;
}

static void test_the_least_recently_used_gives_way(void **state)
{
    struct lru l;
    (void)state;
    lru_init(&l, 3, 100, destroy);
    for (uint64_t key = 1; key <= 3; key++)
        put(&l, key, 1);
    assert_true(has(&l, 1)); /* used */
    put(&l, 4, 1);
    assert_false(has(&l, 2));
    assert_true(has(&l, 1) && has(&l, 3) && has(&l, 4));
    assert_null(lru_get(&l, 4, 2));
    put(&l, 5, 99); /* with one more it weighs 100 */
    assert_int_equal(l.count, 2);
    put(&l, 6, 1000); /* alone it may weigh more */
    assert_true(has(&l, 6));
    assert_int_equal(l.count, 1);
    lru_done(&l);
}

static void test_what_somebody_holds_outlives_its_place(void **state)
{
    struct lru l;
    (void)state;
    destroyed = 0;
    lru_init(&l, 1, 100, destroy);
    struct lru_entry *held = lru_put(&l, make(1, 1));
    put(&l, 2, 1);
    assert_false(has(&l, 1));
    assert_int_equal(destroyed, 0);
    lru_unref(&l, held);
    assert_int_equal(destroyed, 1);
    lru_drop(&l, 2, 1);
    lru_drop(&l, 2, 1);
    assert_int_equal(destroyed, 2);
    lru_done(&l);
}

static void test_of_two_with_one_key_the_first_stays(void **state)
{
    struct lru l;
    (void)state;
    destroyed = 0;
    lru_init(&l, 3, 100, destroy);
    struct lru_entry *first = lru_put(&l, make(1, 1));
    struct lru_entry *second = lru_put(&l, make(1, 1));
    assert_ptr_equal(first, second);
    assert_int_equal(destroyed, 1);
    lru_unref(&l, first);
    lru_unref(&l, second);
    lru_done(&l);
    assert_int_equal(destroyed, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_least_recently_used_gives_way),
        cmocka_unit_test(test_what_somebody_holds_outlives_its_place),
        cmocka_unit_test(test_of_two_with_one_key_the_first_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
