/* SPDX-License-Identifier: MIT */
#include "options_world.h"

static void durations_and_sizes_take_units(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {{"90", 90000},       {"90s", 90000},    {"0.5", 500},
                {"5m", 300000},      {"1.5h", 5400000}, {"2d", 172800000},
                {"30d", 2592000000}, {"0.1s", 100}};
    for (size_t i = 0; i < array_count(good); i++) {
        char list[64];
        (void)snprintf(list, sizeof(list), "refresh=%s", good[i].text);
        assert_int_equal(with(w, list), EXIT_MOUNTED);
        assert_int_equal(w->o.refresh_ms, good[i].ms);
    }
    assert_int_equal(with(w, "picture_cache=500M,timeout=1m"), EXIT_MOUNTED);
    assert_int_equal(w->o.picture_cache_bytes, 500000000);
    assert_int_equal(w->o.timeout_ms, 60000);
    assert_int_equal(with(w, "picture_cache=0"), EXIT_MOUNTED);
    assert_int_equal(with(w, "uid=1000,gid=4,umask=027"), EXIT_MOUNTED);
    assert_int_equal(w->o.uid, 1000);
    assert_int_equal(w->o.gid, 4);
    assert_int_equal(w->o.umask, 027);
    assert_int_equal(with(w, "uid=root,log_level=debug"), EXIT_MOUNTED);
    assert_int_equal(w->o.uid, 0);
    assert_int_equal(w->o.log_level, LOG_LEVEL_DEBUG);
}

static void what_is_wrong_is_named_with_what_would_be_right(void **state)
{
    struct world *w = *state;
    refused(w, "refresh=5m0",
            "refresh=: invalid duration '5m0' (use 90, 90s, 5m, 1h)");
    refused(w, "refresh", "refresh=: missing duration (use 90, 90s, 5m, 1h)");
    refused(w,
            "refresh=", "refresh=: invalid duration '' (use 90, 90s, 5m, 1h)");
    refused(w, "refresh=0",
            "refresh=: duration '0' is out of range (0.1s to 30d)");
    refused(w, "refresh=0x10",
            "refresh=: invalid duration '0x10' (use 90, 90s, 5m, 1h)");
    refused(w, "timeout=1e3",
            "timeout=: invalid duration '1e3' (use 90, 90s, 5m, 1h)");
    refused(w, "sweep=31d",
            "sweep=: duration '31d' is out of range (0.1s to 30d)");
    refused(w, "rpm=1.5", "rpm=: invalid number of requests '1.5' (use 60)");
    refused(w, "picture_cache=1GB",
            "picture_cache=: invalid number of bytes '1GB' (use 500M, 1G)");
    refused(w, "umask=99", "umask=: invalid octal mode '99' (use 022, 077)");
    refused(w, "uid=nobody-of-this-name",
            "uid=: invalid user 'nobody-of-this-name' (use 1000, jane)");
    refused(w, "allow_other=maybe",
            "allow_other: invalid value 'maybe' (use yes, no)");
    refused(w, "log_level=loud",
            "log_level=: invalid level 'loud' (use error, "
            "warning, info, debug)");
}

static void the_unknown_option_is_named_and_a_guess_made(void **state)
{
    struct world *w = *state;
    refused(w, "refesh=5", "unknown option 'refesh' (did you mean refresh=?)");
    refused(w, "ro,banana,noatime", "unknown option 'banana'");
    refused(w, "banana,ro,refesh=5,orange",
            "unknown option 'banana'; unknown option 'refesh' (did you mean "
            "refresh=?); unknown option 'orange'");
    refused(w, "alow_other",
            "unknown option 'alow_other' (did you mean "
            "allow_other?)");
    refused(w, "notaime", "unknown option 'notaime' (did you mean noatime?)");
    refused(w, "q", "unknown option 'q'");
    assert_int_equal(PARSE(w, (char *)"-fx", (char *)"/mnt"), EXIT_USAGE);
    assert_string_equal(buf_str(&w->error), "unknown option '-x'; see --help");
    assert_int_equal(PARSE(w, (char *)"--wrong", (char *)"/mnt"), EXIT_USAGE);
    assert_string_equal(buf_str(&w->error),
                        "unknown option '--wrong'; see --help");
}

static void a_comma_is_part_of_a_value_behind_a_backslash(void **state)
{
    struct world *w = *state;
    assert_int_equal(with(w, "key_command=pass a\\,b\\\\c \\d,refresh=7"),
                     EXIT_MOUNTED);
    assert_string_equal(w->o.key.key_command, "pass a,b\\c \\d");
    assert_int_equal(w->o.refresh_ms, 7000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(durations_and_sizes_take_units),
        T(what_is_wrong_is_named_with_what_would_be_right),
        T(the_unknown_option_is_named_and_a_guess_made),
        T(a_comma_is_part_of_a_value_behind_a_backslash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
