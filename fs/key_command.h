/* SPDX-License-Identifier: MIT */
/*
 * key_command.h - a command's output, which is a secret.
 *
 * Starts a process and waits for its end, not for that of whatever the
 * command leaves in the background with our pipe in its hands. No shared
 * state: any thread.
 */
#ifndef TWELVEFS_KEY_COMMAND_H
#define TWELVEFS_KEY_COMMAND_H

#include <stddef.h>
#include <stdint.h>

/* Runs a shell command. 0 with what it printed, at most size bytes (with just
 * as many there may have been more, and it was killed), and its status as
 * waitpid gives it. Or, once it was killed: -ETIMEDOUT (deadline_ms by
 * clock_mono_ms), -EINTR (a blocked SIGTERM or SIGINT is pending, and still
 * is); or another errno when it couldn't be run. The output is in bytes then,
 * too: wipe them in any case. */
int key_command_run(const char *command, int64_t deadline_ms, char *bytes,
                    size_t size, size_t *ret_len, int *ret_status);

#endif
