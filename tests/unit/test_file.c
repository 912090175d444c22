/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"

static char directory[] = "/tmp/test-private-XXXXXX";

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
    static char path[200];
    (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
    return path;
}

static void holds(const char *name, const char *text)
{
    char bytes[64] = "";
    cleanup(close_fd) int fd = open(within(name), O_RDONLY | O_CLOEXEC);
    struct stat st;
    assert_true(fd >= 0);
    assert_int_equal(read(fd, bytes, sizeof(bytes) - 1), strlen(text));
    assert_string_equal(bytes, text);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
}

static int count_names(void)
{
    int count = -2; /* "." and ".." */
    DIR *d = opendir(directory);
    assert_non_null(d);
    while (readdir(d))
        count++;
    (void)closedir(d);
    return count;
}

static void nobody_else_may_read_it_whatever_the_umask(void **state)
{
    mode_t before = umask(0);
    assert_int_equal(file_replace_private(within("key"), "one"), 0);
    holds("key", "one");
    assert_int_equal(chmod(within("key"), 0666), 0);
    assert_int_equal(file_replace_private(within("key"), ""), 0);
    (void)umask(before);
    holds("key", "");
    assert_int_equal(count_names(), 1); /* no temporary file is left */
}

static void its_directories_are_made(void **state)
{
    struct stat st;
    assert_int_equal(file_replace_private(within("a/b/key"), "x"), 0);
    holds("a/b/key", "x");
    assert_int_equal(stat(within("a"), &st), 0);
    assert_int_equal(st.st_mode & 077, 0);
}

/* Who reads the old one goes on reading it; a link is replaced, not followed:
 * what it leads to is somebody else's. */
static void it_takes_the_place_of_what_is_there(void **state)
{
    char bytes[8] = "";
    assert_int_equal(file_replace_private(within("key"), "old"), 0);
    cleanup(close_fd) int fd = open(within("key"), O_RDONLY | O_CLOEXEC);
    assert_int_equal(file_replace_private(within("key"), "newer"), 0);
    assert_int_equal(read(fd, bytes, sizeof(bytes)), 3);
    assert_string_equal(bytes, "old");
    holds("key", "newer");
    assert_int_equal(symlink("key", within("link")), 0);
    assert_int_equal(file_replace_private(within("link"), "own"), 0);
    holds("key", "newer");
    holds("link", "own");
}

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes == RLIM_INFINITY ? limit.rlim_max : bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void on_a_full_disk_the_old_one_stays_and_nothing_else(void **state)
{
    assert_int_equal(file_replace_private(within("key"), "old"), 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    limit_files(2);
    int err = file_replace_private(within("key"), "newer");
    limit_files(RLIM_INFINITY);
    (void)signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(err, -EFBIG);
    holds("key", "old");
    assert_int_equal(count_names(), 1);
}

static void where_a_directory_stands_it_fails_and_leaves_nothing(void **state)
{
    assert_int_equal(mkdir(within("key"), 0700), 0);
    assert_int_equal(file_replace_private(within("key"), "x"), -EISDIR);
    assert_int_equal(count_names(), 1);
    assert_int_equal(file_replace_private(within("file"), "x"), 0);
    assert_int_equal(file_replace_private(within("file/key"), "x"), -ENOTDIR);
    assert_int_equal(count_names(), 2);
}

#define T(test)                                                                \
    cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(nobody_else_may_read_it_whatever_the_umask),
        T(its_directories_are_made),
        T(it_takes_the_place_of_what_is_there),
        T(on_a_full_disk_the_old_one_stays_and_nothing_else),
        T(where_a_directory_stands_it_fails_and_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
