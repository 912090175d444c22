/* SPDX-License-Identifier: MIT */
/* Mounts that are there, dead ones among them, are test_start.py's. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "mountpoint.h"

static char directory[] = "/tmp/test-mountpoint-XXXXXX";

static int make_directory(void **state)
{
    (void)strcpy(directory + sizeof(directory) - 7, "XXXXXX");
    return mkdtemp(directory) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type,
                      struct FTW *where)
{
    return remove(path);
}

static int remove_directory(void **state)
{
    return nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static const char *within(const char *name)
{
    static char path[4][200];
    static unsigned next;
    char *out = path[next++ % 4];
    (void)snprintf(out, sizeof(path[0]), "%s%s", directory, name);
    return out;
}

static void resolves(const char *path, const char *expected)
{
    cleanup(free_ptr) char *real = strdup(path);
    assert_non_null(real);
    assert_int_equal(mountpoint_resolve(&real), 0);
    assert_string_equal(real, expected);
}

static void a_path_becomes_the_kernels_own_name_for_it(void **state)
{
    assert_int_equal(mkdir(within("/a"), 0700), 0);
    assert_int_equal(symlink("a", within("/link")), 0);
    resolves(within("/a"), within("/a"));
    resolves(within("/a///"), within("/a"));
    resolves(within("/./a/../a/."), within("/a"));
    resolves(within("/link"), within("/a"));
    resolves(within("/link/"), within("/a"));
    resolves("/", "/");
    resolves("///", "/");
}

/* mountpoint_check tells of them, in the user's own words. */
static void what_is_not_there_keeps_its_name(void **state)
{
    assert_int_equal(symlink("loop", within("/loop")), 0);
    resolves(within("/none"), within("/none"));
    resolves(within("/none/"), within("/none/"));
    resolves(within("/loop"), within("/loop"));
}

static void descriptors_are_left_alone(void **state)
{
    cleanup(buf_done) struct buf error = {.max = 1000};
    assert_true(mountpoint_is_descriptor("/dev/fd/7"));
    assert_false(mountpoint_is_descriptor("/dev/fdx"));
    assert_false(mountpoint_is_descriptor("dev/fd/7"));
    resolves("/dev/fd/9999", "/dev/fd/9999");
    assert_int_equal(mountpoint_check("/dev/fd/9999", &error), EXIT_MOUNTED);
    assert_int_equal(error.len, 0);
}

static void refuses(const char *path, const char *why)
{
    char line[400];
    cleanup(buf_done) struct buf error = {.max = 1000};
    (void)snprintf(line, sizeof(line), "cannot mount on %s: %s", path, why);
    assert_int_equal(mountpoint_check(path, &error), EXIT_MOUNT_POINT);
    assert_string_equal(buf_str(&error), line);
}

static void only_an_empty_directory_is_taken(void **state)
{
    cleanup(buf_done) struct buf error = {.max = 1000};
    assert_int_equal(mountpoint_check(directory, &error), EXIT_MOUNTED);
    assert_int_equal(error.len, 0);
    refuses(within("/none"), "No such file or directory");
    cleanup(close_fd) int fd =
        open(within("/.hidden"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    refuses(directory, "the directory is not empty");
    refuses(within("/.hidden"), "it is not a directory");
}

static void what_a_mount_would_hide_is_seen_before_it_is_made(void **state)
{
    assert_int_equal(mkdir(within("/mnt"), 0700), 0);
    assert_int_equal(mkdir(within("/mntx"), 0700), 0);
    assert_int_equal(symlink("mnt", within("/link")), 0);
    assert_true(mountpoint_would_hide(within("/mnt"), within("/mnt")));
    assert_true(mountpoint_would_hide(within("/mnt"), within("/mnt/a/b/c")));
    assert_true(mountpoint_would_hide(within("/mnt"), within("/link/cache")));
    assert_false(mountpoint_would_hide(within("/mnt"), within("/mntx/a")));
    assert_false(mountpoint_would_hide(within("/mnt"), within("/none/a")));
    assert_false(mountpoint_would_hide(within("/mnt"), directory));
    assert_false(mountpoint_would_hide(within("/mnt"), "/"));
}

static void what_is_no_mount_of_ours_is_not_remounted(void **state)
{
    cleanup(buf_done) struct buf error = {.max = 1000};
    struct options o = {.mountpoint = strdup(directory)};
    assert_non_null(o.mountpoint);
    assert_int_equal(mountpoint_remount(&o, &error), EXIT_MOUNT_POINT);
    assert_non_null(strstr(buf_str(&error), "no twelvefs is mounted there"));
    free(o.mountpoint);
}

#define T(test)                                                                \
    cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_path_becomes_the_kernels_own_name_for_it),
        T(what_is_not_there_keeps_its_name),
        T(descriptors_are_left_alone),
        T(only_an_empty_directory_is_taken),
        T(what_a_mount_would_hide_is_seen_before_it_is_made),
        T(what_is_no_mount_of_ours_is_not_remounted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
