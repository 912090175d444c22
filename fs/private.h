/* SPDX-License-Identifier: MIT */
/*
 * private.h - files that are their owner's alone. No shared state: any thread.
 */
#ifndef TWELVEFS_PRIVATE_H
#define TWELVEFS_PRIVATE_H

/* Puts text into a file of mode 0600, whole or not at all, in the place of one
 * that is there; its directory is made. 0 or -errno. */
int private_write_file(const char *path, const char *text);

#endif
