/* SPDX-License-Identifier: MIT */
/* What the daemon answers is test_commands.py's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "command.h"
#include "mount/command.h"

#define ARGUMENTS(...)                                                         \
    (int)(sizeof((char *[]){(char *)"twelvefs", __VA_ARGS__}) /                \
          sizeof(char *)),                                                     \
        (char *[])                                                             \
    {                                                                          \
        (char *)"twelvefs", __VA_ARGS__, NULL                                  \
    }
#define W(text) (char *)(text)

static void a_commands_name_comes_first(void **state)
{
    assert_true(command_is(ARGUMENTS(W("status"))));
    assert_true(command_is(ARGUMENTS(W("status"), W("/mnt"))));
    assert_true(command_is(ARGUMENTS(W("tag"), W("-x"), W("/mnt"))));
    assert_true(command_is(ARGUMENTS(W("save"), W("--"), W("-o"))) == false);
    assert_false(command_is(ARGUMENTS(W("Status"), W("/mnt"))));
    assert_false(command_is(ARGUMENTS(W("./status"))));
    assert_false(command_is(ARGUMENTS(W("/mnt"), W("status"))));
    assert_false(command_is(ARGUMENTS(W(""))));
    assert_false(command_is(1, (char *[]){W("twelvefs"), NULL}));
}

/* mount.fuse3 puts the source first, whatever it is called. */
static void a_mount_whose_source_is_called_like_a_command_is_one(void **state)
{
    assert_false(
        command_is(ARGUMENTS(W("status"), W("/mnt"), W("-o"), W("ro"))));
    assert_false(command_is(ARGUMENTS(W("tag"), W("/mnt"), W("-f"))));
    assert_false(command_is(ARGUMENTS(W("save"), W("-d"), W("/mnt"))));
}

static void ends(int argc, char **argv, enum exit_status status,
                 const char *line)
{
    cleanup(buf_done) struct buf error = {.max = 20000};
    assert_true(command_is(argc, argv));
    assert_int_equal(command_run(argc, argv, &error), status);
    assert_string_equal(buf_str(&error), line);
}

static void what_is_missing_or_too_much_is_answered_with_the_usage(void **s)
{
    static const char status[] = "usage: twelvefs status [--json] MOUNT";
    static const char save[] = "usage: twelvefs save DIRECTORY NAME QUERY";
    ends(ARGUMENTS(W("status")), EXIT_USAGE, status);
    ends(ARGUMENTS(W("status"), W("/a"), W("/b")), EXIT_USAGE, status);
    ends(ARGUMENTS(W("status"), W("--jsom"), W("/a")), EXIT_USAGE, status);
    ends(ARGUMENTS(W("status"), W("--json"), W("--json"), W("/a")), EXIT_USAGE,
         status);
    ends(ARGUMENTS(W("status"), W("--json")), EXIT_USAGE, status);
    ends(ARGUMENTS(W("save"), W("/a"), W("b")), EXIT_USAGE, save);
    ends(ARGUMENTS(W("save"), W("/a"), W("b"), W("c"), W("d")), EXIT_USAGE,
         save);
    ends(ARGUMENTS(W("refresh"), W("--json"), W("/a")), EXIT_USAGE,
         "usage: twelvefs refresh MOUNT");
    ends(ARGUMENTS(W("forget"), W("/a")), EXIT_USAGE,
         "usage: twelvefs forget DIRECTORY NAME");
}

static void a_place_behind_two_dashes_may_begin_with_one(void **state)
{
    ends(ARGUMENTS(W("status"), W("--"), W("-x")), EXIT_MOUNT_POINT,
         "-x: No such file or directory");
    ends(ARGUMENTS(W("status"), W("--json"), W("--"), W("/proc")),
         EXIT_MOUNT_POINT, "/proc: not in a twelvefs mount");
    ends(ARGUMENTS(W("forget"), W("/nonexistent"), W("-x")), EXIT_MOUNT_POINT,
         "/nonexistent: No such file or directory");
}

static void words_that_no_question_holds_are_refused(void **state)
{
    static char word[COMMAND_TEXT_BYTES + 1];
    memset(word, 'x', sizeof(word) - 1);
    ends(ARGUMENTS(W("forget"), W("/proc"), word), EXIT_USAGE,
         "forget: too long");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_commands_name_comes_first),
        cmocka_unit_test(a_mount_whose_source_is_called_like_a_command_is_one),
        cmocka_unit_test(
            what_is_missing_or_too_much_is_answered_with_the_usage),
        cmocka_unit_test(a_place_behind_two_dashes_may_begin_with_one),
        cmocka_unit_test(words_that_no_question_holds_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
