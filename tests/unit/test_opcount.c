/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <linux/fuse.h>

#include "mount/opcount.h"

static char text[4096];
static int left; /* calls until opcount_show says no */

static int opcount_show(void *ctx, const char *name, uint64_t count)
{
    size_t len = strlen(text);
    (void)snprintf(text + len, sizeof(text) - len, "%s %llu ", name,
                   (unsigned long long)count);
    return --left ? 0 : -1;
}

static int show(struct opcount *o, int calls)
{
    text[0] = '\0';
    left = calls;
    return opcount_each(o, opcount_show, NULL);
}

static void kinds_that_were_asked_are_told_with_the_kernels_names(void **state)
{
    struct opcount o = {0};
    assert_int_equal(show(&o, 9), 0);
    assert_string_equal(text, "");
    opcount_add(&o, FUSE_READ);
    opcount_add(&o, FUSE_LOOKUP);
    opcount_add(&o, FUSE_READ);
    assert_int_equal(show(&o, 9), 0);
    assert_string_equal(text, "lookup 1 read 2 ");
}

/* A newer kernel's, one that we don't serve, a made one: all within bounds. */
static void what_has_no_name_counts_as_other(void **state)
{
    static const unsigned opcodes[] = {
        0,  FUSE_MKNOD, OPCOUNT_KINDS - 1, OPCOUNT_KINDS, OPCOUNT_KINDS + 1,
        99, CUSE_INIT,  UINT32_MAX};
    struct opcount o = {0};
    size_t count = sizeof(opcodes) / sizeof(opcodes[0]);
    char expected[32];
    for (size_t i = 0; i < count; i++)
        opcount_add(&o, opcodes[i]);
    (void)snprintf(expected, sizeof(expected), "other %zu ", count);
    assert_int_equal(show(&o, 9), 0);
    assert_string_equal(text, expected);
}

static void an_error_ends_the_telling(void **state)
{
    struct opcount o = {0};
    opcount_add(&o, FUSE_READ);
    opcount_add(&o, FUSE_LOOKUP);
    assert_int_equal(show(&o, 1), -1);
    assert_string_equal(text, "lookup 1 ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_that_were_asked_are_told_with_the_kernels_names),
        cmocka_unit_test(what_has_no_name_counts_as_other),
        cmocka_unit_test(an_error_ends_the_telling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
