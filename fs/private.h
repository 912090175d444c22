/*
 * private.h - directories and files that are their owner's alone. No shared
 * state: any thread.
 */
#ifndef TWELVEFS_PRIVATE_H
#define TWELVEFS_PRIVATE_H

/* Makes a directory (absolute path) and those above it that are missing, mode
 * 0700. 0 also when it is there; -errno. */
int private_make_directories(const char *path);

/* Puts text into a file of mode 0600, whole or not at all, in the place of one
 * that is there; its directory is made. 0 or -errno. */
int private_write_file(const char *path, const char *text);

#endif
