/* SPDX-License-Identifier: MIT */
#include "mount/fs_errno.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "range.h"

static void nothing_leaves_that_the_kernel_has_no_reply_for(void **state)
{
    (void)state;
    for (int o = 0; o < FS_OPERATION_COUNT; o++)
        for (int number = 0; number < 2000; number++) {
            int left = fs_errno((enum fs_operation)o, -number);
            assert_int_in_range(left, 1, 511);
            assert_int_not_equal(left, ENOSYS); /* "never ask again" */
            assert_int_not_equal(left, ENOTCONN);
        }
}

static void only_an_unlink_says_that_something_is_gone(void **state)
{
    (void)state;
    for (int o = 0; o < FS_OPERATION_COUNT; o++)
        assert_int_equal(fs_errno((enum fs_operation)o, -ENOENT),
                         o == FS_CHANGE || o == FS_COMMAND ? ENOENT : EIO);
}

static void a_reader_is_told_nothing_that_it_takes_for_the_end(void **state)
{
    (void)state;
    assert_int_equal(fs_errno(FS_READ, -EAGAIN), EBUSY);
    assert_int_equal(fs_errno(FS_READ, -EISDIR), EIO);
    assert_int_equal(fs_errno(FS_READLINK, -EINVAL), EIO);
}

static void what_can_be_borne_is_said(void **state)
{
    (void)state;
    static const int plain[] = {EIO,       EACCES, ENOMEM,    EINTR,
                                ETIMEDOUT, ESTALE, ESHUTDOWN, EHOSTUNREACH};
    for (int o = 0; o < FS_OPERATION_COUNT; o++)
        for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
            assert_int_equal(fs_errno((enum fs_operation)o, -plain[i]),
                             plain[i]);
    assert_int_equal(fs_errno(FS_LOOKUP, -ENAMETOOLONG), ENAMETOOLONG);
    assert_int_equal(fs_errno(FS_READDIR, -EAGAIN), EAGAIN);
    assert_int_equal(fs_errno(FS_XATTR, -ENODATA), ENODATA);
    assert_int_equal(fs_errno(FS_CHANGE, -EROFS), EROFS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_leaves_that_the_kernel_has_no_reply_for),
        cmocka_unit_test(only_an_unlink_says_that_something_is_gone),
        cmocka_unit_test(a_reader_is_told_nothing_that_it_takes_for_the_end),
        cmocka_unit_test(what_can_be_borne_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
