/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

#define LOG_LINE_SIZE 2048

/* Written before other threads start, only read afterwards. */
static enum log_level log_level = LOG_LEVEL_WARNING;
static enum log_target log_target = LOG_TO_STDERR;
/* Set before other threads start; what it stands for may be exchanged. */
static int log_fd = -1;

void log_init(enum log_target target, enum log_level level)
{
    log_target = target;
    log_level = level;
    if (target == LOG_TO_SYSLOG)
        openlog("twelvefs", LOG_PID | LOG_NDELAY, LOG_DAEMON);
}

/* A pipe would have every thread that logs wait for its reader. */
static bool log_never_blocks(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISCHR(st.st_mode));
}

int log_to_file(const char *path)
{
    int fd = open(
        path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
        0600);
    if (fd < 0)
        return errno == ENXIO ? -EINVAL : -errno; /* a pipe, unread */
    if (!log_never_blocks(fd)) {
        (void)close(fd);
        return -EINVAL;
    }
    if (log_fd < 0) {
        log_fd = fd;
        return 0;
    }
    int err = dup3(fd, log_fd, O_CLOEXEC) < 0 ? -errno : 0;
    (void)close(fd);
    return err;
}

static int syslog_priority(enum log_level level)
{
    switch (level) {
    case LOG_LEVEL_ERROR:
        return LOG_ERR;
    case LOG_LEVEL_WARNING:
        return LOG_WARNING;
    case LOG_LEVEL_INFO:
        return LOG_INFO;
    case LOG_LEVEL_DEBUG:
        break;
    }
    return LOG_DEBUG;
}

void log_write(enum log_level level, const char *format, ...)
{
    if (level > log_level)
        return;

    int saved_errno = errno;
    char line[LOG_LINE_SIZE] = "twelvefs: ";
    if (log_target == LOG_TO_FILE) {
        clock_format_rfc3339(clock_wall_s(), line);
        (void)strcat(line, " ");
    }
    size_t prefix = strlen(line);
    va_list arguments;
    va_start(arguments, format);
    errno = saved_errno; /* for %m */
    (void)vsnprintf(line + prefix, sizeof(line) - prefix - 1, format,
                    arguments);
    va_end(arguments);

    /* Whatever a caller forgot to quote must not forge a second line. */
    size_t len = strlen(line);
    for (size_t i = prefix; i < len; i++) {
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = ' ';
    }
    if (log_target == LOG_TO_SYSLOG) {
        syslog(syslog_priority(level), "%s", line + prefix);
    } else {
        line[len] = '\n';
        /* One write per line, so that lines of several threads don't mingle. */
        (void)file_write_all(log_target == LOG_TO_FILE ? log_fd : STDERR_FILENO,
                             line, len + 1);
    }
    errno = saved_errno;
}

/* Writes one byte as it stands or as \xNN; returns how many bytes. */
static size_t quote_byte(unsigned char c, char out[5])
{
    if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
        out[0] = (char)c;
        return 1;
    }
    (void)snprintf(out, 5, "\\x%02x", c);
    return 4;
}

const char *log_quote(const char *text, size_t len, char *out, size_t size)
{
    static const char cut_mark[] = "\"...";
    if (size == 0)
        return "";
    if (!text || size < 1 + sizeof(cut_mark)) {
        (void)snprintf(out, size, "%s", text ? "..." : "(none)");
        return out;
    }

    size_t at = 0;
    size_t cut_at = 1; /* the last index at which the cut mark fits */
    out[at++] = '"';
    for (size_t i = 0; i < len; i++) {
        char piece[5];
        size_t piece_len = quote_byte((unsigned char)text[i], piece);
        if (at + piece_len + 2 > size) {
            memcpy(out + cut_at, cut_mark, sizeof(cut_mark));
            return out;
        }
        memcpy(out + at, piece, piece_len);
        at += piece_len;
        if (at + sizeof(cut_mark) <= size)
            cut_at = at;
    }
    out[at++] = '"';
    out[at] = '\0';
    return out;
}
