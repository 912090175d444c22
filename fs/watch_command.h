/* SPDX-License-Identifier: MIT */
/*
 * watch_command.h - `twelvefs watch [--since TIME] MOUNT`: a line of JSON for
 * each thing that happens to an asset, as the daemon commits it.
 *
 * It asks again and again, briefly (mount/command.h): in between nothing of it
 * holds the mount, so unmounting isn't refused for its sake, and there is no
 * request that could hang. Where it is in the log is its own memory, so nothing
 * is lost or told twice, however slowly its output is read; what the bounded
 * log has meanwhile lost is told, as a line of kind "lost".
 */
#ifndef TWELVEFS_WATCH_COMMAND_H
#define TWELVEFS_WATCH_COMMAND_H

#include "base/buf.h"
#include "options.h"

/* argv[0] is "watch". EXIT_MOUNTED when the mount has ended, or nobody reads
 * any more; EXIT_MOUNT_POINT also when its daemon died; EXIT_TOO_OLD. */
enum exit_status watch_command_run(int argc, char **argv, struct buf *error);

#endif
