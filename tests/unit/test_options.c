/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
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
#include "options.h"
#include "base/file.h"

#define ERROR_MAX 4096

struct world {
    char directory[32]; /* $XDG_CONFIG_HOME */
    char config[64];
    struct options o;
    struct buf error;
};

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    if (!w)
        return -ENOMEM;
    w->error.max = ERROR_MAX;
    (void)strcpy(w->directory, "/tmp/twelvefs-options-XXXXXX");
    assert_non_null(mkdtemp(w->directory));
    (void)snprintf(w->config, sizeof(w->config), "%s/twelvefs/config",
                   w->directory);
    assert_int_equal(setenv("XDG_CONFIG_HOME", w->directory, 1), 0);
    assert_int_equal(setenv("HOME", "/home/jane", 1), 0);
    assert_int_equal(unsetenv("XDG_CACHE_HOME"), 0);
    assert_int_equal(unsetenv("CACHE_DIRECTORY"), 0);
    assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
    assert_int_equal(unsetenv("TWELVELABS_BASE_URL"), 0);
    assert_int_equal(unsetenv("TWELVE_LABS_API_KEY"), 0);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    char command[96];
    options_done(&w->o);
    buf_done(&w->error);
    (void)snprintf(command, sizeof(command), "rm -r %s", w->directory);
    assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c) */
    free(w);
    return 0;
}

static enum exit_status parse_all(struct world *w, char **words)
{
    int count = 0;
    while (words[count])
        count++;
    options_done(&w->o);
    buf_reset(&w->error);
    return options_parse(count, words, &w->o, &w->error);
}

#define PARSE(w, ...)                                                          \
    parse_all((w), (char *[]){(char *)"twelvefs", __VA_ARGS__, NULL})

/* -o LIST on a mount point. */
static enum exit_status with(struct world *w, const char *list)
{
    return PARSE(w, (char *)"-o", (char *)list, (char *)"/mnt");
}

static void refused(struct world *w, const char *list, const char *line)
{
    assert_int_equal(with(w, list), EXIT_USAGE);
    assert_string_equal(buf_str(&w->error), line);
}

static void configure(struct world *w, const char *text)
{
    assert_int_equal(file_replace_private(w->config, text), 0);
}

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

static void words_of_fstab_are_taken(void **state)
{
    struct world *w = *state;
    assert_int_equal(
        with(w,
             "defaults,noauto,nofail,_netdev,user,relatime,lazytime,dev,suid,"
             "exec,x-systemd.automount,X-mount.mkdir,comment=x,nosuid,"
             "x-systemd.idle-timeout=60,iversion,strictatime"),
        EXIT_MOUNTED);
    assert_null(w->o.fuse_options);
    assert_int_equal(with(w, "ro,noatime,max_read=65536,fsname=a\\,b"),
                     EXIT_MOUNTED);
    assert_string_equal(w->o.fuse_options,
                        "ro,noatime,max_read=65536,fsname=a\\,b");
    assert_false(w->o.read_write);
    assert_int_equal(with(w, "rw,pictures=no"), EXIT_MOUNTED);
    assert_true(w->o.read_write && !w->o.pictures);
    assert_int_equal(with(w, "rw,ro"), EXIT_MOUNTED);
    assert_true(!w->o.read_write && w->o.pictures);
    refused(w, "allow_root",
            "option 'allow_root': the kernel answers from its cache whoever "
            "asks; use allow_other");
}

static void mount_helper_arguments_are_mount_8s(void **state)
{
    struct world *w = *state;
    char *words[] = {(char *)"/sbin/mount.twelvefs",
                     (char *)"work:",
                     (char *)"/mnt",
                     (char *)"-sfnv",
                     (char *)"-t",
                     (char *)"twelvefs",
                     (char *)"-o",
                     (char *)"rw,refresh=5m,nosuch",
                     NULL};
    assert_int_equal(parse_all(w, words), EXIT_MOUNTED);
    assert_true(w->o.by_mount && w->o.fake && w->o.sloppy);
    assert_false(w->o.foreground);
    assert_string_equal(w->o.account, "work");
    assert_int_equal(w->o.refresh_ms, 300000);
    assert_null(w->o.fuse_options); /* mount says rw unasked */
    assert_false(w->o.read_write);
}

static void a_comma_is_part_of_a_value_behind_a_backslash(void **state)
{
    struct world *w = *state;
    assert_int_equal(with(w, "key_command=pass a\\,b\\\\c \\d,refresh=7"),
                     EXIT_MOUNTED);
    assert_string_equal(w->o.key.key_command, "pass a,b\\c \\d");
    assert_int_equal(w->o.refresh_ms, 7000);
}

static const char config[] = "# mine\n"
                             "refresh = 2m\n"
                             "timeout=10 ; seconds\n"
                             "\n"
                             "[work]\n"
                             "  refresh = 5m\n"
                             "  key_command = pass show work\n"
                             "  base_url = https://work.example/v1.3/\n"
                             "  allow_other = yes\n"
                             "[default]\n"
                             "rpm = 30\n"
                             "key_file = keys/mine\n"
                             "base_url = https://mine.example/v1.3\n";

static void a_section_is_an_account(void **state)
{
    struct world *w = *state;
    configure(w, config);
    assert_int_equal(PARSE(w, (char *)"work:", (char *)"/mnt"), EXIT_MOUNTED);
    assert_string_equal(w->o.account, "work");
    assert_string_equal(w->o.source, "work:");
    assert_int_equal(w->o.refresh_ms, 300000);
    assert_int_equal(w->o.timeout_ms, 10000);
    assert_int_equal(w->o.rpm, 60);
    assert_true(w->o.allow_other);
    assert_string_equal(w->o.base_url, "https://work.example/v1.3");
    assert_string_equal(w->o.configured_key.key_command, "pass show work");

    char expected[96];
    assert_int_equal(PARSE(w, (char *)"/mnt"), EXIT_MOUNTED);
    assert_string_equal(w->o.account, "");
    assert_int_equal(w->o.refresh_ms, 120000);
    assert_int_equal(w->o.rpm, 30);
    assert_false(w->o.allow_other);
    (void)snprintf(expected, sizeof(expected), "%s/twelvefs/keys/mine",
                   w->directory);
    assert_string_equal(w->o.configured_key.key_file, expected);
    assert_null(w->o.key.key_file);

    assert_int_equal(PARSE(w, (char *)"other:", (char *)"/mnt"), EXIT_MOUNTED);
    assert_int_equal(w->o.refresh_ms, 120000);
    assert_null(w->o.configured_key.key_file);
}

static void stronger_words_win(void **state)
{
    struct world *w = *state;
    configure(w, config);
    assert_int_equal(setenv("TWELVELABS_BASE_URL", "http://env/v1.3/", 1), 0);
    assert_int_equal(setenv("TWELVE_LABS_API_KEY", "of-the-environment", 1), 0);
    assert_int_equal(PARSE(w, (char *)"/mnt"), EXIT_MOUNTED);
    assert_string_equal(w->o.base_url, "http://env/v1.3");
    assert_true(w->o.key_in_environment);

    /* The environment's key is not this account's. */
    assert_int_equal(PARSE(w, (char *)"work:", (char *)"/mnt"), EXIT_MOUNTED);
    assert_string_equal(w->o.base_url, "https://work.example/v1.3");
    assert_false(w->o.key_in_environment);
    assert_int_equal(PARSE(w, (char *)"other:", (char *)"/mnt"), EXIT_MOUNTED);
    assert_string_equal(w->o.base_url, "http://env/v1.3");
    char *key = NULL;
    assert_int_equal(options_read_key(&w->o, &key, &w->error), EXIT_NO_KEY);
    assert_non_null(strstr(buf_str(&w->error), "twelvefs login other"));

    assert_int_equal(with(w, "base_url=http://word/v2,refresh=9,key_file=/k"),
                     EXIT_MOUNTED);
    assert_string_equal(w->o.base_url, "http://word/v2");
    assert_int_equal(w->o.refresh_ms, 9000);
    assert_false(w->o.key_in_environment);
}

static void a_fault_in_the_file_is_named_with_its_line(void **state)
{
    struct world *w = *state;
    char expected[256];
    static const struct {
        const char *text, *line;
    } bad[] = {
        {"refesh = 5\n", ":1: unknown option 'refesh' (did you mean "
                         "refresh=?)"},
        {"\n[work]\n\nrefresh = soon\n",
         ":4: refresh=: invalid duration 'soon' (use 90, 90s, 5m, 1h)"},
        {"[work]\nrefresh\n", ":2: neither 'name = value' nor a [section], or "
                              "over 190 bytes long"},
        {"[work]\nrefresh = 1\nro = yes\n", ":3: unknown option 'ro'"},
    };
    for (size_t i = 0; i < array_count(bad); i++) {
        configure(w, bad[i].text);
        assert_int_equal(PARSE(w, (char *)"work:", (char *)"/mnt"), EXIT_USAGE);
        (void)snprintf(expected, sizeof(expected), "%s%s", w->config,
                       bad[i].line);
        assert_string_equal(buf_str(&w->error), expected);
    }
}

/* inih would cut it in silence. */
static void a_line_too_long_is_refused(void **state)
{
    struct world *w = *state;
    char text[400] = "refresh = 1\nkey_command = ";
    size_t len = strlen(text);
    memset(text + len, 'x', 300);
    configure(w, text);
    assert_int_equal(PARSE(w, (char *)"/mnt"), EXIT_USAGE);
    assert_non_null(strstr(buf_str(&w->error), "config:2: "));
}

static void a_file_that_others_can_write_is_refused(void **state)
{
    struct world *w = *state;
    configure(w, "refresh = 1\n");
    assert_int_equal(chmod(w->config, 0622), 0);
    assert_int_equal(PARSE(w, (char *)"/mnt"), EXIT_USAGE);
    assert_non_null(strstr(buf_str(&w->error), "others than you"));
    assert_int_equal(chmod(w->config, 0644), 0);
    assert_int_equal(PARSE(w, (char *)"/mnt"), EXIT_MOUNTED);
}

static void a_kept_key_is_found_without_a_configuration(void **state)
{
    struct world *w = *state;
    char *key = NULL;
    cleanup(free_ptr) char *path = NULL;
    assert_int_equal(PARSE(w, (char *)"work:", (char *)"/mnt"), EXIT_MOUNTED);
    assert_int_equal(options_key_path(&w->o, &path), 0);
    assert_int_equal(file_replace_private(path, "tlk_work\n"), 0);
    assert_int_equal(options_read_key(&w->o, &key, &w->error), EXIT_MOUNTED);
    assert_string_equal(key, "tlk_work");
    options_wipe_key(key);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(options_read_key(&w->o, &key, &w->error), EXIT_NO_KEY);
}

/* What was wiped can't be read again; another account's key mustn't be. */
static void the_environments_key_is_read_once(void **state)
{
    struct world *w = *state;
    char *key = NULL;
    cleanup(free_ptr) char *path = NULL;
    assert_int_equal(setenv("TWELVE_LABS_API_KEY", "mine", 1), 0);
    assert_int_equal(PARSE(w, (char *)"/mnt"), EXIT_MOUNTED);
    assert_int_equal(options_key_path(&w->o, &path), 0);
    assert_int_equal(file_replace_private(path, "anothers"), 0);
    assert_int_equal(options_read_key(&w->o, &key, &w->error), EXIT_MOUNTED);
    assert_string_equal(key, "mine");
    options_wipe_key(key);
    assert_int_equal(options_read_key(&w->o, &key, &w->error), EXIT_NO_KEY);
}

#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(durations_and_sizes_take_units),
        T(what_is_wrong_is_named_with_what_would_be_right),
        T(the_unknown_option_is_named_and_a_guess_made),
        T(words_of_fstab_are_taken),
        T(mount_helper_arguments_are_mount_8s),
        T(a_comma_is_part_of_a_value_behind_a_backslash),
        T(a_section_is_an_account),
        T(stronger_words_win),
        T(a_fault_in_the_file_is_named_with_its_line),
        T(a_line_too_long_is_refused),
        T(a_file_that_others_can_write_is_refused),
        T(a_kept_key_is_found_without_a_configuration),
        T(the_environments_key_is_read_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
