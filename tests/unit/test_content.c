/* SPDX-License-Identifier: MIT */
/* What the kernel was told of a picture stays what it reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mount/content.h"

static const struct media_content unknown = {.label = 1, .size_bytes = -1},
                                  one = {1, 100, 7}, other_bytes = {1, 100, 8},
                                  other_size = {1, 99, 7},
                                  other_url = {2, -1, 0};

static struct content_table *make_table(void)
{
    struct content_table *t = NULL;
    assert_int_equal(content_table_new(&t), 0);
    return t;
}

static uint64_t tell(struct content_table *t, uint64_t number,
                     const struct media_content *c)
{
    uint64_t generation = 0;
    assert_int_equal(content_tell(t, number, c, &generation), 0);
    return generation;
}

static void a_size_once_told_settles_what_it_is(void **state)
{
    struct content_table *t = make_table();
    uint64_t generation = tell(t, 5, &unknown);
    assert_int_equal(content_check(t, 5, &unknown), 0);
    assert_int_equal(content_check(t, 5, &one), 0);
    assert_int_equal(content_check(t, 5, &one), 0);
    assert_int_equal(content_check(t, 5, &unknown), 0);
    assert_int_equal(content_check(t, 5, &other_bytes), -ESTALE);
    assert_int_equal(content_check(t, 5, &other_size), -ESTALE);
    assert_int_equal(content_check(t, 5, &other_url), -ESTALE);
    assert_int_equal(content_check(t, 5, &one), 0);
    assert_true(tell(t, 5, &one) == generation);
    assert_true(tell(t, 5, &unknown) == generation);
    content_table_free(t);
}

static void what_a_lookup_tells_anew_is_another_generation(void **state)
{
    const struct media_content others[] = {other_bytes, other_size, other_url};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct content_table *t = make_table();
        uint64_t before = tell(t, 5, &one);
        uint64_t after = tell(t, 5, &others[i]);
        assert_true(before != after);
        assert_int_equal(content_check(t, 5, &others[i]), 0);
        assert_int_equal(content_check(t, 5, &one),
                         others[i].label == other_url.label ? 0 : -ESTALE);
        content_table_free(t);
    }
}

static void an_entry_lives_as_long_as_the_kernel_knows_it(void **state)
{
    struct content_table *t = make_table();
    uint64_t before = tell(t, 5, &one);
    (void)tell(t, 5, &one);
    (void)tell(t, 6, &one);
    content_forget(t, 5, 1);
    assert_true(content_is_known(t, 5));
    assert_int_equal(content_check(t, 5, &other_bytes), -ESTALE);
    content_forget(t, 5, 1);
    assert_false(content_is_known(t, 5));
    assert_true(content_is_known(t, 6));
    assert_int_equal(content_check(t, 5, &other_bytes), 0);
    assert_true(tell(t, 5, &other_bytes) == before); /* a handle is good */
    content_forget(t, 6, 100);
    content_forget(t, 6, 1);
    assert_false(content_is_known(t, 6));
    content_table_free(t);
}

static struct content_text *put_text(struct content_table *t, uint64_t number,
                                     const char *text)
{
    struct content_text *held = NULL;
    char *copy = strdup(text);
    assert_int_equal(
        content_put_text(t, number, "https://c/m", copy, strlen(text), &held),
        0);
    assert_string_equal(held->url, "https://c/m");
    return held;
}

static void texts_are_bounded_and_outlive_their_place(void **state)
{
    struct content_table *t = make_table();
    (void)tell(t, 1, &unknown);
    struct content_text *first = put_text(t, 1, "first");
    for (uint64_t i = 2; i < 2 + CONTENT_TEXTS; i++) {
        (void)tell(t, i, &unknown);
        content_unref_text(t, put_text(t, i, "another"));
    }
    assert_null(content_get_text(t, 1));
    assert_memory_equal(first->bytes, "first", first->len);
    content_unref_text(t, first);
    struct content_text *last = content_get_text(t, 1 + CONTENT_TEXTS);
    assert_memory_equal(last->bytes, "another", last->len);
    content_forget(t, 1 + CONTENT_TEXTS, 1);
    assert_null(content_get_text(t, 1 + CONTENT_TEXTS));
    assert_memory_equal(last->bytes, "another", last->len);
    content_unref_text(t, last);
    struct content_text *loose = put_text(t, 9999, "of what the kernel forgot");
    assert_null(content_get_text(t, 9999));
    content_unref_text(t, loose);
    content_table_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_size_once_told_settles_what_it_is),
        cmocka_unit_test(what_a_lookup_tells_anew_is_another_generation),
        cmocka_unit_test(an_entry_lives_as_long_as_the_kernel_knows_it),
        cmocka_unit_test(texts_are_bounded_and_outlive_their_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
