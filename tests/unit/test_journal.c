/* SPDX-License-Identifier: MIT */
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
#include "change/journal.h"
#include "json/scan.h"

#define BODY "{ \"_id\": \"a\", \"n\": 9007199254740993 }"

static char directory[] = "/tmp/test-journal-XXXXXX";
static struct journal j;

static int make_journal(void **state)
{
    (void)strcpy(directory + sizeof(directory) - 7, "XXXXXX");
    return mkdtemp(directory) ? journal_init(&j, directory) : -1;
}

static int remove_one(const char *path, const struct stat *st, int type,
                      struct FTW *where)
{
    return remove(path);
}

static int remove_journal(void **state)
{
    journal_done(&j);
    return nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* All of it, read seven bytes at a time. */
static const char *read_all(void)
{
    static char text[10000];
    size_t len = 0, count = 1;
    while (count) {
        assert_int_equal(journal_read(&j, (int64_t)len, text + len, 7, &count),
                         0);
        assert_true(count <= 7);
        len += count;
        assert_true(len < sizeof(text) - 7);
    }
    text[len] = '\0';
    return text;
}

/* The nth line, from 0; each that isn't cut is an object. */
static const char *line(int n)
{
    static char copy[10000];
    const char *at = read_all();
    for (; n > 0; n--) {
        at = strchr(at, '\n');
        assert_non_null(at);
        at++;
    }
    (void)snprintf(copy, sizeof(copy), "%.*s", (int)strcspn(at, "\n"), at);
    return copy;
}

static void member_is(int n, const char *name, const char *exact)
{
    const char *text = line(n), *value = NULL;
    size_t len = 0;
    assert_int_equal(
        scan_member(text, strlen(text), name, strlen(name), &value, &len), 0);
    assert_int_equal(len, strlen(exact));
    assert_memory_equal(value, exact, len);
}

static int begin(const char *id)
{
    return journal_begin(&j, id, "a.mp4", false, BODY, strlen(BODY));
}

static void nothing_deleted_no_file(void **state)
{
    assert_string_equal(read_all(), "");
    assert_int_equal(access(j.path, F_OK), -1);
}

static void what_is_deleted_is_there_before_it_is_and_whole(void **state)
{
    struct stat st;
    assert_int_equal(begin("a"), 0);
    member_is(0, "deleting", "\"a\"");
    member_is(0, "folder", "\"a.mp4\"");
    member_is(0, "force", "false");
    member_is(0, "metadata", "{\"_id\":\"a\",\"n\":9007199254740993}");
    assert_int_equal(journal_end(&j, "a", JOURNAL_GONE, ""), 0);
    assert_int_equal(journal_end(&j, "b", JOURNAL_KEPT, "HTTP 409"), 0);
    assert_int_equal(journal_end(&j, "c", JOURNAL_UNKNOWN, "?"), 0);
    member_is(1, "deleted", "\"a\"");
    member_is(1, "outcome", "\"gone\"");
    member_is(2, "outcome", "\"kept\"");
    member_is(2, "words", "\"HTTP 409\"");
    member_is(3, "outcome", "\"unknown\"");
    assert_int_equal(stat(j.path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
}

/* A name with a line end would be two lines, and one with a quote another
 * member. */
static void names_of_any_bytes_stay_within_their_line(void **state)
{
    static const char evil[] = "x\"}\n{\"deleting\":\"y\\\t\x01\x7f";
    assert_int_equal(journal_begin(&j, evil, evil, true, BODY, strlen(BODY)),
                     0);
    assert_int_equal(journal_end(&j, evil, JOURNAL_KEPT, evil), 0);
    const char *all = read_all();
    int lines = 0;
    for (const char *c = all; (c = strchr(c, '\n')); c++)
        lines++;
    assert_int_equal(lines, 2);
    for (int n = 0; n < 2; n++) {
        char text[200];
        const char *value, *whole = line(n);
        size_t len = 0;
        assert_int_equal(scan_member(whole, strlen(whole),
                                     n ? "deleted" : "deleting", n ? 7 : 8,
                                     &value, &len),
                         0);
        len = scan_unescape(value, len, text);
        assert_int_equal(len, sizeof(evil) - 1);
        assert_memory_equal(text, evil, len);
    }
    member_is(0, "force", "true");
}

static void an_object_that_is_none_is_not_deleted(void **state)
{
    assert_int_equal(journal_begin(&j, "a", "f", false, "{", 1), -EBADMSG);
    assert_string_equal(read_all(), "");
}

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes == RLIM_INFINITY ? limit.rlim_max : bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_line_that_was_cut_costs_none_after_it(void **state)
{
    assert_int_equal(begin("a"), 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    limit_files((rlim_t)strlen(read_all()) + 20);
    assert_int_not_equal(begin("b"), 0);
    limit_files(RLIM_INFINITY);
    (void)signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(begin("c"), 0);
    member_is(0, "deleting", "\"a\"");
    assert_int_equal(strlen(line(1)), 20);
    member_is(2, "deleting", "\"c\"");
    /* nor does one of another run */
    journal_done(&j);
    assert_int_equal(journal_init(&j, directory), 0);
    assert_int_equal(truncate(j.path, (off_t)strlen(read_all()) - 5), 0);
    assert_int_equal(begin("d"), 0);
    member_is(3, "deleting", "\"d\"");
}

static void what_cannot_be_written_is_an_error(void **state)
{
    assert_int_equal(mkdir(j.path, 0700), 0);
    assert_int_equal(begin("a"), -EISDIR);
    assert_int_equal(rmdir(j.path), 0);
    assert_int_equal(symlink("elsewhere", j.path), 0);
    assert_int_equal(begin("a"), -ELOOP);
    assert_int_equal(unlink(j.path), 0);
    assert_int_equal(begin("a"), 0); /* the next one tries anew */
}

#define T(test)                                                                \
    cmocka_unit_test_setup_teardown(test, make_journal, remove_journal)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(nothing_deleted_no_file),
        T(what_is_deleted_is_there_before_it_is_and_whole),
        T(names_of_any_bytes_stay_within_their_line),
        T(an_object_that_is_none_is_not_deleted),
        T(a_line_that_was_cut_costs_none_after_it),
        T(what_cannot_be_written_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
