/* SPDX-License-Identifier: MIT */
/*
 * options_config.c - what stands in the configuration file: defaults for all
 * accounts first, then a section an account.
 */
#include "options_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/directory.h"
#include "config.h"

int options_config_directory(char **ret_directory)
{
    char *directory = NULL;
    const char *config = getenv("XDG_CONFIG_HOME");
    cleanup(free_ptr) char *home = options_home();
    int made;
    if (config && config[0] == '/')
        made = asprintf(&directory, "%s/twelvefs", config);
    else if (geteuid() == 0)
        made = asprintf(&directory, "/etc/twelvefs");
    else if (home)
        made = asprintf(&directory, "%s/.config/twelvefs", home);
    else
        return -ENOENT;
    if (made < 0)
        return -ENOMEM;
    *ret_directory = directory;
    return 0;
}

bool options_is_account_name(const char *text, size_t len)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789._-";
    return len > 0 && len <= 48 && text[0] != '.' && text[0] != '-' &&
           strspn(text, letters) >= len;
}

struct section {
    struct options *o;
    struct buf *error;       /* what is wrong with an entry */
    enum exit_status status; /* of the entry that ended the reading */
};

/* 0, or -EINVAL with the status and a line set. */
static int take_entry(void *ctx, const char *section, const char *name,
                      const char *value)
{
    struct section *s = ctx;
    const char *mine = *s->o->account ? s->o->account : OPTIONS_UNNAMED;
    if (*section && strcmp(section, mine) != 0)
        return 0;
    const char *known;
    s->status =
        options_set(s->o, name, value, s->o->config_dir, &known, s->error);
    if (s->status == EXIT_MOUNTED && known)
        return 0;
    if (!known) {
        s->status = EXIT_USAGE;
        options_append_unknown(name, false, s->error);
    }
    return -EINVAL;
}

/* One line: the file, the line's number, what is wrong with it. */
static enum exit_status explain_config(const struct section *s,
                                       const char *path, int err, int line,
                                       struct buf *error)
{
    if (s->status == EXIT_INTERNAL || err == -ENOMEM)
        return options_out_of_memory(error);
    (void)buf_append_str(error, path);
    if (line)
        (void)buf_appendf(error, ":%d", line);
    if (err == -EBADMSG) /* maybe with a wrong entry behind it */
        (void)buf_appendf(error,
                          ": neither 'name = value' nor a [section], or over "
                          "%d bytes long",
                          CONFIG_LINE_MAX);
    else if (s->status != EXIT_MOUNTED)
        (void)buf_appendf(error, ": %s", buf_str(s->error));
    else if (err == -EINVAL)
        (void)buf_append_str(error, ": it is not a regular file");
    else if (err == -EPERM)
        (void)buf_append_str(error, ": others than you could have written it; "
                                    "chown and chmod 600 it");
    else
        (void)buf_appendf(error, ": %s", strerror(-err));
    return EXIT_USAGE;
}

/* Who can write the directory can put another file there. */
static enum exit_status check_directory(const struct options *o,
                                        struct buf *error)
{
    struct directory_fault fault;
    if (directory_check(o->config_dir, &fault) != -EPERM)
        return EXIT_MOUNTED;
    (void)buf_appendf(error,
                      "%s/config could be put there by others than you: %s %s",
                      o->config_dir, fault.path, fault.what);
    return EXIT_USAGE;
}

enum exit_status options_read_config(struct options *o, struct buf *error)
{
    cleanup(free_ptr) char *path = NULL;
    cleanup(buf_done) struct buf wrong = {.max = error->max};
    struct section s = {.o = o, .error = &wrong};
    if (asprintf(&path, "%s/config", o->config_dir) < 0)
        return options_out_of_memory(error);
    int line = 0;
    int err = config_read(path, take_entry, &s, &line);
    if (!err)
        return check_directory(o, error);
    struct stat st; /* a link that leads nowhere is no missing file */
    if ((err == -ENOENT || err == -ENOTDIR) && lstat(path, &st) < 0)
        return EXIT_MOUNTED;
    return explain_config(&s, path, err, line, error);
}
