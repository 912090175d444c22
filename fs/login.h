/* SPDX-License-Identifier: MIT */
/*
 * login.h - `twelvefs login [NAME]`: asks for an API key, tries it, keeps it.
 *
 * On a terminal it is asked for without echo; otherwise stdin's first line is
 * it. One list request shows whether the API takes it; only then it is
 * written, to options_key_path's file (mode 0600).
 */
#ifndef TWELVEFS_LOGIN_H
#define TWELVEFS_LOGIN_H

#include "options.h"

/* argv[0] is "login". EXIT_MOUNTED when the key is kept; else a status with a
 * line in error. Starts threads, which are gone at its end. */
enum exit_status login_run(int argc, char **argv, struct buf *error);

#endif
