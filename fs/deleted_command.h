/* SPDX-License-Identifier: MIT */
/*
 * deleted_command.h - `twelvefs deleted [--json] MOUNT`: what was deleted
 * through a mount's account, from its journal (change/journal.h).
 */
#ifndef TWELVEFS_DELETED_COMMAND_H
#define TWELVEFS_DELETED_COMMAND_H

#include "base/buf.h"
#include "options.h"

/* argv[0] is "deleted". */
enum exit_status deleted_command_run(int argc, char **argv, struct buf *error);

#endif
