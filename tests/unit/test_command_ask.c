/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "command_ask.h"

static void words_stand_one_after_another_each_with_its_end(void **state)
{
    char *const words[] = {(char *)"a", (char *)"", (char *)"filename=k"};
    cleanup(free_ptr) struct command *c = malloc(sizeof(*c));
    assert_non_null(c);
    memset(c, 0xff, sizeof(*c));
    assert_true(command_put_words(c, words, 3));
    assert_int_equal(c->version, COMMAND_VERSION);
    assert_int_equal(c->error, 0);
    assert_int_equal(c->length, 2 + 1 + 11);
    assert_memory_equal(c->text, "a\0\0filename=k", 14);
    assert_true(command_put_words(c, words, 0));
    assert_int_equal(c->length, 0);
}

static void what_does_not_fit_is_refused_to_the_byte(void **state)
{
    cleanup(free_ptr) struct command *c = malloc(sizeof(*c));
    cleanup(free_ptr) char *word = malloc(COMMAND_TEXT_BYTES + 1);
    assert_non_null(c);
    assert_non_null(word);
    memset(word, 'x', COMMAND_TEXT_BYTES);
    word[COMMAND_TEXT_BYTES - 1] = '\0';
    char *const two[] = {word, (char *)""};
    assert_true(command_put_words(c, two, 1));
    assert_int_equal(c->length, COMMAND_TEXT_BYTES);
    assert_false(command_put_words(c, two, 2));
    word[COMMAND_TEXT_BYTES - 1] = 'x';
    word[COMMAND_TEXT_BYTES] = '\0';
    assert_false(command_put_words(c, two, 1));
}

static void only_a_directory_of_a_mount_is_asked(void **state)
{
    static const struct {
        const char *path, *line;
    } cases[] = {
        {"/proc", "/proc: not in a twelvefs mount"},
        {"/nonexistent", "/nonexistent: No such file or directory"},
        {"/proc/version", "/proc/version: Not a directory"},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        cleanup(buf_done) struct buf error = {.max = 1000};
        assert_int_equal(command_open(cases[i].path, &error), -1);
        assert_string_equal(buf_str(&error), cases[i].line);
    }
}

static void each_errno_has_its_status_and_its_words(void **state)
{
    static const struct {
        int err;
        enum exit_status status;
        const char *line;
    } cases[] = {
        {ENOTTY, EXIT_MOUNT_POINT,
         "/m: it is not served by a twelvefs of this version"},
        {EINVAL, EXIT_INTERNAL,
         "/m: it is not served by a twelvefs of this version"},
        {EPERM, EXIT_INTERNAL, "/m: only the mount's owner may do that"},
        {EACCES, EXIT_KEY_REFUSED, "/m: the API refuses the key"},
        {ETIMEDOUT, EXIT_NETWORK,
         "/m: not done within timeout=; it goes on in the background"},
        {ENETUNREACH, EXIT_NETWORK, "/m: Network is unreachable"},
        {ENOTCONN, EXIT_MOUNT_POINT, "/m: Transport endpoint is not connected"},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        cleanup(buf_done) struct buf error = {.max = 1000};
        assert_int_equal(command_explain("/m", cases[i].err, &error),
                         cases[i].status);
        assert_string_equal(buf_str(&error), cases[i].line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_stand_one_after_another_each_with_its_end),
        cmocka_unit_test(what_does_not_fit_is_refused_to_the_byte),
        cmocka_unit_test(only_a_directory_of_a_mount_is_asked),
        cmocka_unit_test(each_errno_has_its_status_and_its_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
