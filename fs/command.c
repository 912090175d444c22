/* SPDX-License-Identifier: MIT */
#include "command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/cleanup.h"
#include "command_ask.h"
#include "deleted_command.h"
#include "tag_command.h"
#include "watch_command.h"

struct verb {
    const char *name;
    unsigned long number;
    size_t words; /* after the directory */
    const char *usage;
    /* Takes the arguments by itself; NULL: a question with its words. */
    enum exit_status (*run)(int argc, char **argv, struct buf *error);
};

static const struct verb verbs[] = {
    {"status", COMMAND_STATUS, 0, "status [--json] MOUNT", NULL},
    {"refresh", COMMAND_REFRESH, 0, "refresh MOUNT", NULL},
    {"save", COMMAND_SAVE, 2, "save DIRECTORY NAME QUERY", NULL},
    {"forget", COMMAND_FORGET, 1, "forget DIRECTORY NAME", NULL},
    {.name = "tag", .run = tag_command_run},
    {.name = "deleted", .run = deleted_command_run},
    {.name = "watch", .run = watch_command_run},
};

static const struct verb *find_verb(const char *word)
{
    for (size_t i = 0; word && i < array_count(verbs); i++)
        if (strcmp(verbs[i].name, word) == 0)
            return &verbs[i];
    return NULL;
}

bool command_is(int argc, char **argv)
{
    if (argc < 2 || !find_verb(argv[1]))
        return false;
    for (int i = 2; i < argc; i++)
        if (argv[i][0] == '-' && strchr("ofd", argv[i][1]) && argv[i][1])
            return false;
    return true;
}

static enum exit_status command_ask_mount(const struct verb *verb,
                                          unsigned long number, char **operands,
                                          struct buf *error)
{
    cleanup(free_ptr) struct command *command = calloc(1, sizeof(*command));
    if (!command) {
        (void)buf_append_str(error, "out of memory");
        return EXIT_INTERNAL;
    }
    if (!command_put_words(command, operands + 1, verb->words)) {
        (void)buf_appendf(error, "%s: too long", verb->name);
        return EXIT_USAGE;
    }
    cleanup(close_fd) int fd = command_open(operands[0], error);
    if (fd < 0)
        return EXIT_MOUNT_POINT;
    if (ioctl(fd, number, command) < 0) {
        int err = errno;
        return command_explain(operands[0], err, error);
    }
    size_t len = command->length < sizeof(command->text)
                     ? command->length
                     : sizeof(command->text);
    if (command->error) {
        (void)buf_appendf(error, "%s: %.*s", operands[verb->words ? 1 : 0],
                          (int)len, command->text);
        return EXIT_INTERNAL;
    }
    return fwrite(command->text, 1, len, stdout) == len && !fflush(stdout)
               ? EXIT_MOUNTED
               : EXIT_INTERNAL;
}

enum exit_status command_run(int argc, char **argv, struct buf *error)
{
    const struct verb *verb = find_verb(argv[1]);
    if (verb->run)
        return verb->run(argc - 1, argv + 1, error);
    unsigned long number = verb->number;
    int at = 2;
    if (at < argc && strcmp(argv[at], "--json") == 0 &&
        number == COMMAND_STATUS) {
        number = COMMAND_STATUS_JSON;
        at++;
    }
    if (at < argc && strcmp(argv[at], "--") == 0)
        at++;
    else if (at < argc && argv[at][0] == '-')
        at = argc; /* an option that there isn't */
    if ((size_t)(argc - at) != verb->words + 1) {
        (void)buf_appendf(error, "usage: twelvefs %s", verb->usage);
        return EXIT_USAGE;
    }
    return command_ask_mount(verb, number, argv + at, error);
}
