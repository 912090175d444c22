/* SPDX-License-Identifier: MIT */
/*
 * options_world.h - a home, a configuration file and an environment of its own
 * for each test, for the test_options programs.
 */
#ifndef TWELVEFS_OPTIONS_WORLD_H
#define TWELVEFS_OPTIONS_WORLD_H

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

__attribute__((unused)) static int set_up(void **state)
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

__attribute__((unused)) static int tear_down(void **state)
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

__attribute__((unused)) static enum exit_status parse_all(struct world *w,
                                                          char **words)
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
__attribute__((unused)) static enum exit_status with(struct world *w,
                                                     const char *list)
{
    return PARSE(w, (char *)"-o", (char *)list, (char *)"/mnt");
}

__attribute__((unused)) static void refused(struct world *w, const char *list,
                                            const char *line)
{
    assert_int_equal(with(w, list), EXIT_USAGE);
    assert_string_equal(buf_str(&w->error), line);
}

__attribute__((unused)) static void configure(struct world *w, const char *text)
{
    assert_int_equal(file_replace_private(w->config, text), 0);
}

#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

#endif
