/* SPDX-License-Identifier: MIT */
/* Notes of mounts that are there are test_copies.py's; here the note is what
 * anything may have left behind. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
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
#include "holder.h"

static char directory[] = "/tmp/test-holder-XXXXXX";

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

static const char *note_path(void)
{
    static char path[200];
    (void)snprintf(path, sizeof(path), "%s/mount", directory);
    return path;
}

static void put_note(const char *bytes, size_t len)
{
    cleanup(close_fd) int fd =
        open(note_path(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), len);
}

static void explains(const char *expected)
{
    cleanup(buf_done) struct buf line = {.max = 20000};
    holder_explain(directory, "/wanted", &line);
    char whole[600];
    (void)snprintf(whole, sizeof(whole),
                   "another twelvefs uses this account's cache, %s%s",
                   directory, expected);
    assert_string_equal(buf_str(&line), whole);
}

static const char unknown[] =
    "; it alone can read and write that, for the index of what it wrote last "
    "is in its memory. To have that tree here, too: `rmdir /wanted && ln -s "
    "ITS_MOUNT /wanted`, or as root `mount --bind ITS_MOUNT /wanted`; to read "
    "the account a second time: `-o cache_dir=/tmp-2`";

static void without_a_note_it_is_told_less_precisely(void **state)
{
    explains(unknown);
    holder_forget(directory); /* which makes none */
    assert_int_equal(access(note_path(), F_OK), -1);
}

/* A mount that is none of ours leaves no note. */
static void no_mount_no_note(void **state)
{
    holder_note(directory, "/proc");
    holder_note(directory, directory);
    assert_int_equal(access(note_path(), F_OK), -1);
}

static void a_mount_that_is_gone_here_is_looked_for(void **state)
{
    static const char note[] = "0:999999 /srv/with space";
    put_note(note, strlen(note));
    explains(": its mount on /srv/with space is gone here, but something still "
             "uses it; wait");
    holder_forget(directory);
    explains(unknown);
}

static void a_note_that_says_nothing_is_none(void **state)
{
    static char huge[PATH_MAX + 100];
    static const char *const bad[] = {
        "", "nonsense", "0:1", "a-device-longer-than-any-is-0:999999 /mnt"};
    for (size_t i = 0; i < array_count(bad); i++) {
        put_note(bad[i], strlen(bad[i]));
        explains(unknown);
    }
    memset(huge, 'x', sizeof(huge));
    memcpy(huge, "0:999999 /", 10);
    put_note(huge, sizeof(huge));
    explains(unknown);
    memset(huge, 'x', sizeof(huge)); /* not even a space */
    put_note(huge, sizeof(huge));
    explains(unknown);
}

/* Somebody who can write there can't have us write, or read, elsewhere. */
static void a_link_in_the_notes_place_is_not_followed(void **state)
{
    char other[200], bytes[16] = "";
    (void)snprintf(other, sizeof(other), "%s/other", directory);
    cleanup(close_fd) int fd = open(other, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, "0:999999 /m", 11), 11);
    assert_int_equal(symlink("other", note_path()), 0);
    explains(unknown);
    holder_forget(directory);
    assert_int_equal(pread(fd, bytes, sizeof(bytes), 0), 11);
}

#define T(test)                                                                \
    cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(without_a_note_it_is_told_less_precisely),
        T(no_mount_no_note),
        T(a_mount_that_is_gone_here_is_looked_for),
        T(a_note_that_says_nothing_is_none),
        T(a_link_in_the_notes_place_is_not_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
