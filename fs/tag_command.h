/* SPDX-License-Identifier: MIT */
/*
 * tag_command.h - `twelvefs tag FOLDER… KEY=VALUE KEY-`: changes the
 * user_metadata of many assets, some at a time, each by one request.
 *
 * A folder that the API's limit keeps from being tagged is asked for again,
 * ever later, as long as others get through or TAG_PATIENCE_MS haven't passed.
 */
#ifndef TWELVEFS_TAG_COMMAND_H
#define TWELVEFS_TAG_COMMAND_H

#include "base/buf.h"
#include "options.h"

/* argv[0] is "tag". EXIT_MOUNTED when every folder was tagged; else a status of
 * one that wasn't, and a line in error. */
enum exit_status tag_command_run(int argc, char **argv, struct buf *error);

#endif
