/* SPDX-License-Identifier: MIT */
/*
 * file.h - writing files. No shared state: any thread.
 */
#ifndef TWELVEFS_FILE_H
#define TWELVEFS_FILE_H

#include <stddef.h>

/* Writes all of it, in as many calls as that takes. 0 or -errno. */
int file_write_all(int fd, const char *bytes, size_t len);

/* Puts text into a file of mode 0600, whole or not at all, in the place of one
 * that is there; its directory is made. 0 or -errno. */
int file_replace_private(const char *path, const char *text);

#endif
