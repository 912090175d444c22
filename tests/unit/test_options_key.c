/* SPDX-License-Identifier: MIT */
#include "options_world.h"

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

static void a_key_is_printable_and_has_no_spaces(void **state)
{
    static const char *const bad[] = {"",      "a b",  "a\tb", "a\r\nX: y",
                                      "a\x7f", "\x01", "é",    " a",
                                      "a\xff", "a\n"};
    char longest[4098];
    for (size_t i = 0; i < array_count(bad); i++)
        assert_false(options_is_key(bad[i]));
    assert_true(options_is_key("!~"));
    memset(longest, 'k', sizeof(longest));
    longest[4096] = '\0';
    assert_true(options_is_key(longest));
    longest[4096] = 'k';
    longest[4097] = '\0';
    assert_false(options_is_key(longest));
}

static void put_file(struct world *w, const char *name, const char *text,
                     char path[96])
{
    (void)snprintf(path, 96, "%s/%s", w->directory, name);
    assert_int_equal(file_replace_private(path, text), 0);
}

static void reads_key(struct world *w, const char *expected)
{
    char *key = NULL;
    buf_reset(&w->error);
    if (options_read_key(&w->o, &key, &w->error) != EXIT_MOUNTED)
        fail_msg("%s", buf_str(&w->error));
    assert_string_equal(key, expected);
    options_wipe_key(key);
}

static void fails(struct world *w, const char *words)
{
    char *key = (char *)"untouched";
    buf_reset(&w->error);
    assert_int_equal(options_read_key(&w->o, &key, &w->error), EXIT_NO_KEY);
    assert_string_equal(key, "untouched");
    if (!strstr(buf_str(&w->error), words))
        fail_msg("\"%s\" is not in \"%s\"", words, buf_str(&w->error));
}

/* From the strongest: each one hides all that follow. */
static void of_several_sources_the_strongest_is_read(void **state)
{
    struct world *w = *state;
    char path[96], list[128];
    cleanup(free_ptr) char *kept = NULL;
    put_file(w, "word", "\n of-the-word \r\n", path);
    (void)snprintf(list, sizeof(list), "key_file=%s", path);
    put_file(w, "credentials/twelve-labs-api-key", "of-systemd", path);
    configure(w, "key_command = echo of-the-file\n");
    assert_int_equal(PARSE(w, (char *)"/mnt"), EXIT_MOUNTED);
    assert_int_equal(options_key_path(&w->o, &kept), 0);
    assert_int_equal(file_replace_private(kept, "of-login"), 0);

    (void)snprintf(path, sizeof(path), "%s/credentials", w->directory);
    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", path, 1), 0);
    assert_int_equal(setenv("TWELVE_LABS_API_KEY", "of-the-shell", 1), 0);
    assert_int_equal(with(w, list), EXIT_MOUNTED);
    reads_key(w, "of-the-word");
    assert_int_equal(with(w, "key_command=echo of-the-word-2"), EXIT_MOUNTED);
    reads_key(w, "of-the-word-2");
    assert_int_equal(setenv("TWELVE_LABS_API_KEY", "of-the-shell", 1), 0);
    assert_int_equal(PARSE(w, (char *)"/mnt"), EXIT_MOUNTED);
    reads_key(w, "of-systemd");
    assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
    assert_int_equal(setenv("TWELVE_LABS_API_KEY", "of-the-shell", 1), 0);
    assert_int_equal(PARSE(w, (char *)"/mnt"), EXIT_MOUNTED);
    reads_key(w, "of-the-shell");
    assert_int_equal(PARSE(w, (char *)"/mnt"), EXIT_MOUNTED);
    reads_key(w, "of-the-file");
    configure(w, "");
    assert_int_equal(PARSE(w, (char *)"/mnt"), EXIT_MOUNTED);
    reads_key(w, "of-login");
}

/* Where /proc/PID/environ would show it, and to a key_command. */
static void the_environment_holds_it_no_longer(void **state)
{
    struct world *w = *state;
    assert_int_equal(setenv("TWELVE_LABS_API_KEY", "of-the-shell", 1), 0);
    const char *there = getenv("TWELVE_LABS_API_KEY");
    assert_int_equal(
        with(w, "key_command=echo key-${TWELVE_LABS_API_KEY:-none}"),
        EXIT_MOUNTED);
    reads_key(w, "key-none");
    assert_null(getenv("TWELVE_LABS_API_KEY"));
    for (size_t i = 0; i < strlen("of-the-shell"); i++)
        assert_int_equal(there[i], 0);
}

static void what_holds_no_key_is_named(void **state)
{
    struct world *w = *state;
    char path[96], list[128];
    put_file(w, "key", "two words", path);
    (void)snprintf(list, sizeof(list), "key_file=%s", path);
    assert_int_equal(with(w, list), EXIT_MOUNTED);
    fails(w, "key holds no usable API key");
    assert_null(strstr(buf_str(&w->error), "two words"));
    put_file(w, "key", "", path);
    fails(w, "key holds no usable API key");
    assert_int_equal(chmod(path, 0604), 0);
    fails(w, "can be read by others; chmod 600 it");
    assert_int_equal(unlink(path), 0);
    fails(w, "No such file or directory");
    assert_int_equal(mkfifo(path, 0600), 0); /* nobody writes: no wait */
    fails(w, "holds no usable API key");
    assert_int_equal(with(w, "key_command=echo secret; exit 3"), EXIT_MOUNTED);
    fails(w, "key_command failed (status 3)");
    assert_null(strstr(buf_str(&w->error), "secret"));
    assert_int_equal(with(w, "key_command=exec yes"), EXIT_MOUNTED);
    fails(w, "no usable API key");
}

static void caches_are_told_apart_by_key_and_base_url(void **state)
{
    struct world *w = *state;
    char *paths[3] = {NULL};
    static const char *const lists[] = {"base_url=http://a/v1.3",
                                        "base_url=http://b/v1.3",
                                        "base_url=http://a/v1.3"};
    static const char *const keys[] = {"tlk_1", "tlk_1", "tlk_2"};
    for (size_t i = 0; i < array_count(paths); i++) {
        assert_int_equal(with(w, lists[i]), EXIT_MOUNTED);
        assert_int_equal(options_account_directory(&w->o, keys[i], &paths[i]),
                         0);
        assert_null(strstr(paths[i], keys[i]));
        assert_memory_equal(paths[i], w->o.cache_dir, strlen(w->o.cache_dir));
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(paths[i], paths[k]);
    }
    for (size_t i = 0; i < array_count(paths); i++)
        free(paths[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_kept_key_is_found_without_a_configuration),
        T(the_environments_key_is_read_once),
        T(a_key_is_printable_and_has_no_spaces),
        T(of_several_sources_the_strongest_is_read),
        T(the_environment_holds_it_no_longer),
        T(what_holds_no_key_is_named),
        T(caches_are_told_apart_by_key_and_base_url),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
