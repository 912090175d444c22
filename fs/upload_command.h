/* SPDX-License-Identifier: MIT */
/*
 * upload_command.h - `twelvefs uploads [--json] MOUNT`: what goes up; and
 * `twelvefs upload FILE... MOUNT`: puts copies of files into the mount's
 * watched folder and waits for what becomes of them.
 */
#ifndef TWELVEFS_UPLOAD_COMMAND_H
#define TWELVEFS_UPLOAD_COMMAND_H

#include "options.h"

enum exit_status uploads_command_run(int argc, char **argv, struct buf *error);
/* EXIT_MOUNTED where each file is up, EXIT_INTERNAL where one was refused. */
enum exit_status upload_command_run(int argc, char **argv, struct buf *error);

#endif
