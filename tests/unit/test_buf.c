/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"

static void text_grows_and_ends_in_nul(void **state)
{
    cleanup(buf_done) struct buf b = {.max = 1000};
    assert_string_equal(buf_str(&b), "");
    assert_null(b.data);
    for (int i = 0; i < 100; i++)
        assert_int_equal(buf_appendf(&b, "%d,", i), 0);
    assert_int_equal(b.len, 290);
    assert_int_equal(strlen(buf_str(&b)), 290);
    assert_memory_equal(b.data, "0,1,2,", 6);
    assert_string_equal(b.data + 284, "98,99,");
}

static void max_is_never_passed(void **state)
{
    cleanup(buf_done) struct buf b = {.max = 10};
    assert_int_equal(buf_append(&b, "0123456789", 10), 0);
    assert_true(b.capacity <= 11);
    assert_int_equal(buf_append_char(&b, 'x'), -E2BIG);
    assert_int_equal(buf_append_str(&b, "x"), -E2BIG);
    assert_int_equal(buf_appendf(&b, "%s", "x"), -E2BIG);
    assert_int_equal(buf_reserve(&b, SIZE_MAX), -E2BIG);
    assert_int_equal(buf_append(&b, NULL, 0), 0);
    assert_string_equal(buf_str(&b), "0123456789");
}

static void no_memory_leaves_the_bytes(void **state)
{
    cleanup(buf_done) struct buf b = {.max = SIZE_MAX};
    assert_int_equal(buf_append_str(&b, "kept"), 0);
    /* past any address space, so that no allocator is asked in vain */
    assert_int_equal(buf_reserve(&b, SIZE_MAX - 4), -ENOMEM);
    assert_string_equal(buf_str(&b), "kept");
    assert_int_equal(buf_append_str(&b, "!"), 0);
    assert_string_equal(buf_str(&b), "kept!");
}

static void reset_and_truncate_keep_the_memory(void **state)
{
    cleanup(buf_done) struct buf b = {.max = 100};
    buf_reset(&b);
    buf_truncate(&b, 0);
    assert_null(b.data);
    assert_int_equal(buf_append_str(&b, "abcdef"), 0);
    const char *data = b.data;
    buf_truncate(&b, 3);
    assert_string_equal(buf_str(&b), "abc");
    buf_reset(&b);
    assert_string_equal(buf_str(&b), "");
    assert_int_equal(buf_append_str(&b, "xy"), 0);
    assert_ptr_equal(b.data, data);
}

static void steal_hands_over_and_empties(void **state)
{
    cleanup(buf_done) struct buf b = {.max = 100};
    size_t len = 7;
    cleanup(free_ptr) char *empty = buf_steal(&b, &len);
    assert_string_equal(empty, "");
    assert_int_equal(len, 0);
    assert_int_equal(buf_append(&b, "a\0b", 3), 0);
    cleanup(free_ptr) char *bytes = buf_steal(&b, &len);
    assert_int_equal(len, 3);
    assert_memory_equal(bytes, "a\0b", 4);
    assert_null(b.data);
    assert_int_equal(b.max, 100);
    assert_int_equal(buf_append_str(&b, "again"), 0);
}

static void bytes_may_hold_nul(void **state)
{
    cleanup(buf_done) struct buf b = {.max = 100};
    assert_int_equal(buf_append_char(&b, '\0'), 0);
    assert_int_equal(buf_append_char(&b, 'x'), 0);
    assert_int_equal(b.len, 2);
    assert_memory_equal(b.data, "\0x", 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_grows_and_ends_in_nul),
        cmocka_unit_test(max_is_never_passed),
        cmocka_unit_test(no_memory_leaves_the_bytes),
        cmocka_unit_test(reset_and_truncate_keep_the_memory),
        cmocka_unit_test(steal_hands_over_and_empties),
        cmocka_unit_test(bytes_may_hold_nul),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
