/* SPDX-License-Identifier: MIT */
/*
 * command_ask.h - a question to a mount's daemon, by an ioctl on one of its
 * directories (mount/command.h): what all commands share.
 */
#ifndef TWELVEFS_COMMAND_ASK_H
#define TWELVEFS_COMMAND_ASK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "mount/command.h"
#include "options.h"

/* A directory's descriptor, in a FUSE mount; -1 with a line in error. */
int command_open(const char *path, struct buf *error);

/* Begins a question: its words, each with its NUL. False: too long. */
bool command_put_words(struct command *question, char *const *words,
                       size_t count);

/* What an ioctl's errno (positive) means here: a line in error, and the status
 * to end with. */
enum exit_status command_explain(const char *path, int err, struct buf *error);

#endif
