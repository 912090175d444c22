/* SPDX-License-Identifier: MIT */
/*
 * explain.h - why an account can't be reached or mounted, in one plain line
 * for whoever typed the command. Appends it to error.
 */
#ifndef TWELVEFS_EXPLAIN_H
#define TWELVEFS_EXPLAIN_H

#include "options.h"
#include "wire/api.h"

/* err is that of a list request; api knows more of it. */
enum exit_status explain_api(struct api *api, int err, const struct options *o,
                             struct buf *error);

/* err and why are mount_start's. */
enum exit_status explain_mount(int err, const char *why,
                               const struct options *o, struct buf *error);

enum exit_status explain_base_url(const struct options *o, struct buf *error);

/* Whatever keeps the program from starting at all. */
enum exit_status explain_internal(int err, struct buf *error);

#endif
