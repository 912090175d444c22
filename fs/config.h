/* SPDX-License-Identifier: MIT */
/*
 * config.h - reads an INI file; the adapter to inih.
 *
 * What a file may hold: `name = value` lines, [section] lines, comments after
 * ';' or '#' at a line's beginning and after " ;" behind a value. Lines of
 * over CONFIG_LINE_MAX bytes are refused (inih would cut them). The file may
 * name commands to run, so one that somebody else could have written is
 * refused as well. No shared state: any thread.
 */
#ifndef TWELVEFS_CONFIG_H
#define TWELVEFS_CONFIG_H

#include <stddef.h>

#define CONFIG_LINE_MAX 190

/* One entry; section is "" before the first one. 0, or a negative errno that
 * ends the reading. The texts are borrowed until it returns. */
typedef int config_entry_fn(void *ctx, const char *section, const char *name,
                            const char *value);

/* The first fault in the file: what fn said, with the line of its entry;
 * -EBADMSG for a line that is no entry or too long, with that line; -EPERM for
 * a file that others than its owner, root or us, may write; -EINVAL for
 * what is no regular file; -ENOENT and other
 * errnos of open(2) and read(2), with line 0. Or 0. */
int config_read(const char *path, config_entry_fn *fn, void *ctx,
                int *ret_line);

#endif
