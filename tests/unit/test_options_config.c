/* SPDX-License-Identifier: MIT */
#include "options_world.h"

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
        {"[work]\nrefresh\nrefesh = 1\n", ":2: neither 'name = value' nor a "
                                          "[section], or over 190 bytes long"},
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

static void what_is_no_file_is_refused(void **state)
{
    struct world *w = *state;
    configure(w, "refresh = 1\n");
    assert_int_equal(unlink(w->config), 0);
    assert_int_equal(PARSE(w, (char *)"/mnt"), EXIT_MOUNTED);
    assert_int_equal(mkfifo(w->config, 0600), 0);
    assert_int_equal(PARSE(w, (char *)"/mnt"), EXIT_USAGE);
    assert_non_null(strstr(buf_str(&w->error), "not a regular file"));
    assert_int_equal(unlink(w->config), 0);
    assert_int_equal(symlink("nowhere", w->config), 0);
    assert_int_equal(PARSE(w, (char *)"/mnt"), EXIT_USAGE);
    assert_non_null(strstr(buf_str(&w->error), "config: No such file"));
}

static void a_directory_that_others_can_write_is_refused(void **state)
{
    struct world *w = *state;
    char *end;
    configure(w, "write = yes\n");
    assert_int_equal(PARSE(w, (char *)"/mnt"), EXIT_MOUNTED);
    assert_true(w->o.read_write);
    end = strrchr(w->config, '/');
    *end = '\0';
    assert_int_equal(chmod(w->config, 0777), 0);
    assert_int_equal(PARSE(w, (char *)"/mnt"), EXIT_USAGE);
    assert_non_null(
        strstr(buf_str(&w->error), "can be written by other users"));
    *end = '/';
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_section_is_an_account),
        T(stronger_words_win),
        T(a_fault_in_the_file_is_named_with_its_line),
        T(a_line_too_long_is_refused),
        T(a_file_that_others_can_write_is_refused),
        T(what_is_no_file_is_refused),
        T(a_directory_that_others_can_write_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
