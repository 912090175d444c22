/* SPDX-License-Identifier: MIT */
/* Directories that are this user's alone, and those that aren't. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/directory.h"

static int remove_one(const char *path, const struct stat *st, int type,
                      struct FTW *where)
{
    return remove(path);
}

static int make(void **state)
{
    char *path = strdup("/tmp/test-directory-XXXXXX");
    *state = path ? mkdtemp(path) : NULL;
    return *state ? 0 : -1;
}

static int unmake(void **state)
{
    int err = nftw(*state, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(*state);
    return err;
}

static const char *below(void **state, const char *name)
{
    static char path[4][256];
    static int next;
    char *out = path[next++ % 4];
    (void)snprintf(out, sizeof(path[0]), "%s/%s", (char *)*state, name);
    return out;
}

static void what_is_missing_is_made_private(void **state)
{
    struct stat st;
    assert_int_equal(directory_make(below(state, "a/b//c/")), 0);
    assert_int_equal(directory_make(below(state, "a/b/c")), 0);
    assert_int_equal(stat(below(state, "a/b"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(stat(below(state, "a/b/c"), &st), 0);
    assert_int_equal(directory_make("/proc/nowhere/a"), -ENOENT);
}

static void check(void **state, const char *name, const char *fault)
{
    struct directory_fault found = {.what = NULL};
    int err = directory_check(below(state, name), &found);
    assert_int_equal(err, fault ? -EPERM : 0);
    if (fault) {
        assert_string_equal(found.path, below(state, fault));
        assert_non_null(found.what);
    } else {
        assert_null(found.what);
    }
}

static void each_directory_on_the_way_counts(void **state)
{
    assert_int_equal(directory_make(below(state, "a/b/c")), 0);
    check(state, "a/b/c", NULL);
    check(state, "a/b/c/not/there", NULL);
    assert_int_equal(chmod(below(state, "a/b"), 0777), 0);
    check(state, "a/b/c", "a/b");
    check(state, "a/b/not/there", "a/b");
    check(state, "a", NULL);
    assert_int_equal(chmod(below(state, "a/b"), 01777), 0);
    check(state, "a/b/c", NULL);
    assert_int_equal(chmod(below(state, "a/b"), 0755), 0);
    assert_int_equal(chmod(below(state, "a/b/c"), 0702), 0);
    check(state, "a/b/c", "a/b/c");
}

static void links_are_followed_one_by_one(void **state)
{
    assert_int_equal(directory_make(below(state, "a/b/c")), 0);
    assert_int_equal(chmod(below(state, "a/b"), 0777), 0);
    assert_int_equal(symlink("a/b/c", below(state, "near")), 0);
    assert_int_equal(symlink(below(state, "near"), below(state, "far")), 0);
    assert_int_equal(symlink("a/../a/./b/..", below(state, "back")), 0);
    assert_int_equal(symlink("loop", below(state, "loop")), 0);
    assert_int_equal(symlink("nowhere", below(state, "dangling")), 0);
    check(state, "near", "a/b");
    check(state, "far/cache", "a/b");
    check(state, "back", "a/b");
    check(state, "dangling/x", NULL);
    struct directory_fault fault;
    assert_int_equal(directory_check(below(state, "loop"), &fault), -ELOOP);
    assert_int_equal(directory_check("relative", &fault), -EINVAL);
    char path[2 * PATH_MAX];
    memset(path, 'x', sizeof(path));
    path[0] = '/';
    path[sizeof(path) - 1] = '\0';
    assert_int_equal(directory_check(path, &fault), -ENAMETOOLONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_missing_is_made_private, make,
                                        unmake),
        cmocka_unit_test_setup_teardown(each_directory_on_the_way_counts, make,
                                        unmake),
        cmocka_unit_test_setup_teardown(links_are_followed_one_by_one, make,
                                        unmake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
