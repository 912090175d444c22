/* SPDX-License-Identifier: MIT */
/*
 * command.h - `twelvefs status|refresh|save|forget …`: asks a mount's daemon
 * (mount/command.h) and prints what it says. No key, no network, no threads.
 */
#ifndef TWELVEFS_COMMAND_H
#define TWELVEFS_COMMAND_H

#include <stdbool.h>

#include "base/buf.h"
#include "options.h"

/* Whether the first word is a command's name. `twelvefs ./status` mounts
 * there; so does what has options of a mount, since mount.fuse3 puts the source
 * first, whatever it is called. */
bool command_is(int argc, char **argv);

/* EXIT_MOUNTED when it was done, or a status with a line in error. */
enum exit_status command_run(int argc, char **argv, struct buf *error);

#endif
