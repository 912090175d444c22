/* SPDX-License-Identifier: MIT */
/*
 * log.h - one line per failure, to stderr, a file or the system log.
 *
 * Level and target are the program's one mutable global. Remote text goes
 * through log_quote; the API key never comes here. Any thread.
 */
#ifndef TWELVEFS_LOG_H
#define TWELVEFS_LOG_H

#include <stddef.h>

enum log_level {
    LOG_LEVEL_ERROR,
    LOG_LEVEL_WARNING,
    LOG_LEVEL_INFO,
    LOG_LEVEL_DEBUG
};
enum log_target { LOG_TO_STDERR, LOG_TO_SYSLOG, LOG_TO_FILE };

/* Before other threads start. LOG_TO_FILE: log_to_file was called. */
void log_init(enum log_target target, enum log_level level);

/* Opens a file (mode 0600, appended to), or opens it again after somebody put
 * it away; lines there begin with the time. Any thread. 0, or -errno (-EINVAL:
 * neither a regular file nor a character device): then the file from before
 * goes on. */
int log_to_file(const char *path);

void log_write(enum log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#define log_error(...)   log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)    log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)   log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* Writes text between double quotes into out (of size bytes), control bytes,
 * quotes and non-ASCII as \xNN, cut with "..." where it doesn't fit. Returns
 * out, for use as a printf argument. text NULL gives (none). */
const char *log_quote(const char *text, size_t len, char *out, size_t size);

#endif
