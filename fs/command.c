/* SPDX-License-Identifier: MIT */
#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "mount/command.h"

#define MAGIC_FUSE 0x65735546

struct verb {
    const char *name;
    unsigned long number;
    size_t words; /* after the directory */
    const char *usage;
};

static const struct verb verbs[] = {
    {"status", COMMAND_STATUS, 0, "status [--json] MOUNT"},
    {"refresh", COMMAND_REFRESH, 0, "refresh MOUNT"},
    {"save", COMMAND_SAVE, 2, "save DIRECTORY NAME QUERY"},
    {"forget", COMMAND_FORGET, 1, "forget DIRECTORY NAME"},
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

static enum exit_status status_of(int err)
{
    switch (err) {
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ETIMEDOUT:
    case EIO:
        return EXIT_NETWORK;
    case EACCES:
        return EXIT_KEY_REFUSED;
    case ENOTTY:
    case ENOTDIR:
    case ENOENT:
    case ENOTCONN:
        return EXIT_MOUNT_POINT;
    default:
        return EXIT_INTERNAL;
    }
}

/* The directory's descriptor; -1 with a line in error. */
static int open_directory(const char *path, struct buf *error)
{
    struct statfs st;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        (void)buf_appendf(error, "%s: %s", path, strerror(errno));
        return -1;
    }
    if (fstatfs(fd, &st) < 0 || (unsigned long)st.f_type != MAGIC_FUSE) {
        (void)buf_appendf(error, "%s: not in a twelvefs mount", path);
        (void)close(fd);
        return -1;
    }
    return fd;
}

/* The question's words, each with its NUL. */
static bool put_words(struct command *question, char **words, size_t count)
{
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        size_t size = strlen(words[i]) + 1;
        if (size > sizeof(question->text) - at)
            return false;
        memcpy(question->text + at, words[i], size);
        at += size;
    }
    question->length = (uint32_t)at;
    return true;
}

/* What an ioctl's errno means here. */
static void explain(const char *path, int err, struct buf *error)
{
    const char *why = strerror(err);
    if (err == ENOTTY || err == EINVAL)
        why = "no twelvefs of this version serves it";
    else if (err == EPERM)
        why = "only the mount's owner may ask";
    else if (err == EACCES)
        why = "the API refuses the key";
    else if (err == ETIMEDOUT)
        why = "it takes longer than timeout=, and goes on";
    (void)buf_appendf(error, "%s: %s", path, why);
}

static enum exit_status ask(const struct verb *verb, unsigned long number,
                            char **operands, struct buf *error)
{
    cleanup(free_ptr) struct command *command = calloc(1, sizeof(*command));
    if (!command) {
        (void)buf_append_str(error, "out of memory");
        return EXIT_INTERNAL;
    }
    command->version = COMMAND_VERSION;
    if (!put_words(command, operands + 1, verb->words)) {
        (void)buf_appendf(error, "%s: too long", verb->name);
        return EXIT_USAGE;
    }
    cleanup(close_fd) int fd = open_directory(operands[0], error);
    if (fd < 0)
        return EXIT_MOUNT_POINT;
    if (ioctl(fd, number, command) < 0) {
        int err = errno;
        explain(operands[0], err, error);
        return status_of(err);
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
    return ask(verb, number, argv + at, error);
}
