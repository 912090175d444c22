/* SPDX-License-Identifier: MIT */
#include "options_internal.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

enum exit_status options_out_of_memory(struct buf *error)
{
    (void)buf_append_str(error, "out of memory");
    return EXIT_INTERNAL;
}

char *options_home(void)
{
    const char *home = getenv("HOME");
    if (home && home[0] == '/')
        return strdup(home);
    const struct passwd *me = getpwuid(geteuid()); /* NOLINT(concurrency-*) */
    return me && me->pw_dir[0] == '/' ? strdup(me->pw_dir) : NULL;
}

bool options_replace_text(const char *text, char **ret_text)
{
    char *copy = strdup(text);
    if (!copy)
        return false;
    free(*ret_text);
    *ret_text = copy;
    return true;
}

bool options_replace_path(const char *text, const char *base, char **ret_path)
{
    if (text[0] == '/')
        return options_replace_text(text, ret_path);
    bool of_home = strncmp(text, "~/", 2) == 0;
    cleanup(free_ptr) char *start = of_home ? options_home()
                                    : base  ? strdup(base)
                                            : realpath(".", NULL);
    char *path = NULL;
    if (!start || !text[0] ||
        asprintf(&path, "%s/%s", strcmp(start, "/") == 0 ? "" : start,
                 of_home ? text + 2 : text) < 0)
        return false;
    free(*ret_path);
    *ret_path = path;
    return true;
}
