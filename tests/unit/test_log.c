/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"

#include "range.h"

static void text_is_quoted(void **state)
{
    char out[64];
    assert_string_equal(log_quote("plain", 5, out, sizeof(out)), "\"plain\"");
    assert_string_equal(log_quote("", 0, out, sizeof(out)), "\"\"");
    assert_string_equal(
        log_quote("a\"b\\c\n\0\x7f\xc3\xa9", 10, out, sizeof(out)),
        "\"a\\x22b\\x5cc\\x0a\\x00\\x7f\\xc3\\xa9\"");
    assert_string_equal(log_quote(NULL, 3, out, sizeof(out)), "(none)");
}

static void long_text_is_cut_and_marked(void **state)
{
    char out[10];
    assert_string_equal(log_quote("1234567", 7, out, sizeof(out)),
                        "\"1234567\"");
    assert_string_equal(log_quote("12345678", 8, out, sizeof(out)),
                        "\"1234\"...");
    /* never in the middle of an escape */
    assert_string_equal(log_quote("123\n5678", 8, out, sizeof(out)),
                        "\"123\"...");
}

static void no_size_is_overrun(void **state)
{
    for (size_t size = 0; size < 40; size++) {
        char out[41];
        memset(out, '#', sizeof(out));
        const char *text = log_quote("\n\n\n\nabcdefghi", 13, out, size);
        assert_true(size == 0 || strlen(text) < size);
        for (size_t i = size; i < sizeof(out); i++)
            assert_int_equal(out[i], '#');
    }
}

/* Calls log_write once with stderr going to a pipe; returns what came. */
static size_t captured(enum log_level level, const char *text, char *out,
                       size_t size)
{
    int ends[2];
    int saved = dup(STDERR_FILENO);
    assert_true(saved >= 0);
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    errno = ENODEV;
    log_write(level, "%s", text);
    int errno_after = errno;
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    ssize_t count = read(ends[0], out, size - 1);
    (void)close(saved);
    (void)close(ends[0]);
    (void)close(ends[1]);
    assert_int_equal(errno_after, ENODEV);
    out[count > 0 ? count : 0] = '\0';
    return count > 0 ? (size_t)count : 0;
}

static void a_failure_is_one_line(void **state)
{
    char out[4096];
    log_init(LOG_TO_STDERR, LOG_LEVEL_INFO);
    (void)captured(LOG_LEVEL_INFO, "first\nsecond\x1b[31m", out, sizeof(out));
    assert_string_equal(out, "twelvefs: first second [31m\n");
}

static void higher_levels_are_silent(void **state)
{
    char out[4096];
    log_init(LOG_TO_STDERR, LOG_LEVEL_WARNING);
    assert_int_equal(captured(LOG_LEVEL_INFO, "x", out, sizeof(out)), 0);
    assert_true(captured(LOG_LEVEL_WARNING, "x", out, sizeof(out)) > 0);
    assert_true(captured(LOG_LEVEL_ERROR, "x", out, sizeof(out)) > 0);
}

static void a_long_line_is_cut_and_ended(void **state)
{
    char out[8192];
    char text[5000];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    log_init(LOG_TO_STDERR, LOG_LEVEL_ERROR);
    size_t len = captured(LOG_LEVEL_ERROR, text, out, sizeof(out));
    assert_int_in_range(len, 1000, 2048);
    assert_int_equal(out[len - 1], '\n');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_quoted),
        cmocka_unit_test(long_text_is_cut_and_marked),
        cmocka_unit_test(no_size_is_overrun),
        cmocka_unit_test(a_failure_is_one_line),
        cmocka_unit_test(higher_levels_are_silent),
        cmocka_unit_test(a_long_line_is_cut_and_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
