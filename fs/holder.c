/* SPDX-License-Identifier: MIT */
#include "holder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "catalogue/catalogue.h"

#define NOTE         "mount"
#define DEVICE_SIZE  24
#define COMMAND_SIZE 32

struct note {
    char device[DEVICE_SIZE]; /* "0:57" */
    char path[PATH_MAX];
};

/* Mountinfo. */

/* "\040" for a space, and the like. */
static void holder_unescape(char *text)
{
    char *out = text;
    for (const char *c = text; *c; c++) {
        if (c[0] == '\\' && strspn(c + 1, "01234567") >= 3) {
            *out++ = (char)((c[1] - '0') * 64 + (c[2] - '0') * 8 + c[3] - '0');
            c += 3;
        } else {
            *out++ = *c;
        }
    }
    *out = '\0';
}

/* "36 35 0:57 / /mnt rw,nosuid shared:1 - fuse.twelvefs source rw". False for
 * a mount that isn't one of ours. */
static bool read_mount(char *line, struct note *ret)
{
    char *fields[5];
    char *rest = line;
    const char *type = strstr(line, " - fuse.twelvefs ");
    for (size_t i = 0; i < array_count(fields); i++)
        if (!(fields[i] = strsep(&rest, " ")))
            return false;
    if (!type || strlen(fields[2]) >= DEVICE_SIZE)
        return false;
    holder_unescape(fields[4]);
    (void)snprintf(ret->device, sizeof(ret->device), "%s", fields[2]);
    (void)snprintf(ret->path, sizeof(ret->path), "%s", fields[4]);
    return true;
}

/* The last mount of ours that one process sees and that is on this path, or of
 * this device; NULL: any. */
static bool find_mount(const char *process, const char *device,
                       const char *path, struct note *ret)
{
    char name[64];
    cleanup(free_ptr) char *line = NULL;
    size_t size = 0;
    struct note found;
    bool any = false;
    (void)snprintf(name, sizeof(name), "/proc/%s/mountinfo", process);
    FILE *mounts = fopen(name, "re");
    while (mounts && getline(&line, &size, mounts) > 0) {
        if (!read_mount(line, &found) ||
            (device && strcmp(device, found.device) != 0) ||
            (path && strcmp(path, found.path) != 0))
            continue;
        *ret = found;
        any = true;
    }
    if (mounts)
        (void)fclose(mounts);
    return any;
}

/* The note. */

static int open_note(const char *directory, int flags)
{
    cleanup(free_ptr) char *name = NULL;
    if (asprintf(&name, "%s/" NOTE, directory) < 0) {
        name = NULL;
        return -ENOMEM;
    }
    int fd = open(name, flags | O_NOFOLLOW | O_CLOEXEC, 0600);
    return fd < 0 ? -errno : fd;
}

void holder_note(const char *directory, const char *mountpoint)
{
    struct note n;
    if (!find_mount("self", NULL, mountpoint, &n))
        return;
    cleanup(close_fd) int fd =
        open_note(directory, O_WRONLY | O_CREAT | O_TRUNC);
    if (fd < 0 || dprintf(fd, "%s %s", n.device, n.path) < 0)
        log_debug("no note beside the cache: %s", strerror(errno));
}

void holder_forget(const char *directory)
{
    int fd = open_note(directory, O_WRONLY | O_TRUNC);
    if (fd >= 0)
        (void)close(fd);
}

static bool read_note(const char *directory, struct note *ret)
{
    char text[sizeof(*ret)];
    cleanup(close_fd) int fd = open_note(directory, O_RDONLY);
    ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (len <= 0)
        return false;
    text[len] = '\0';
    char *path = strchr(text, ' ');
    size_t device_len = path ? (size_t)(path - text) : DEVICE_SIZE;
    if (device_len >= DEVICE_SIZE || strlen(path + 1) >= PATH_MAX)
        return false;
    memcpy(ret->device, text, device_len);
    ret->device[device_len] = '\0';
    memcpy(ret->path, path + 1, strlen(path + 1) + 1);
    return true;
}

/* The line for whoever may not use the cache. */

/* A process, other than the daemon, that sees a mount of this device; false
 * when there is none. */
static bool find_copy(const char *device, pid_t daemon, long *ret_pid)
{
    struct note seen;
    DIR *processes = opendir("/proc");
    bool found = false;
    for (struct dirent *d; processes && !found && (d = readdir(processes));) {
        char *end;
        long pid = strtol(d->d_name, &end, 10);
        found = pid > 0 && !*end && pid != daemon &&
                find_mount(d->d_name, device, NULL, &seen);
        if (found)
            *ret_pid = pid;
    }
    if (processes)
        (void)closedir(processes);
    return found;
}

static void append_process(struct buf *line, const char *before, long pid,
                           const char *after)
{
    char name[64], command[COMMAND_SIZE] = "", quoted[2 * COMMAND_SIZE];
    (void)snprintf(name, sizeof(name), "/proc/%ld/comm", pid);
    cleanup(close_fd) int fd = open(name, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? 0 : read(fd, command, sizeof(command) - 1);
    if (len > 0 && command[len - 1] == '\n')
        len--;
    (void)buf_appendf(
        line, "%spid %ld (%s)%s", before, pid,
        log_quote(command, len > 0 ? (size_t)len : 0, quoted, sizeof(quoted)),
        after);
}

static void explain_copy(const struct note *n, pid_t daemon, struct buf *line)
{
    long copy = 0;
    (void)buf_appendf(line, ": its mount on %s is gone here, but", n->path);
    if (find_copy(n->device, daemon, &copy))
        append_process(line, " ", copy,
                       " has a copy of it in another mount namespace; end "
                       "that process");
    else
        (void)buf_append_str(line, " something still uses it; wait");
    if (daemon)
        (void)buf_appendf(line, ", or `kill %ld`", (long)daemon);
}

/* As a shell takes it; control characters, which no line may have, as '?'. */
static void append_word(const char *text, struct buf *line)
{
    bool plain = *text && !text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                             "abcdefghijklmnopqrstuvwxyz"
                                             "0123456789/._-+,:@%=")];
    if (plain) {
        (void)buf_append_str(line, text);
        return;
    }
    (void)buf_append_char(line, '\'');
    for (const char *c = text; *c; c++) {
        if (*c == '\'')
            (void)buf_append_str(line, "'\\''");
        else
            (void)buf_append(line, (unsigned char)*c < ' ' ? "?" : c, 1);
    }
    (void)buf_append_char(line, '\'');
}

static void append_commands(const char *there, const char *here,
                            const char *directory, struct buf *line)
{
    cleanup(free_ptr) char *other = NULL;
    const char *slash = strrchr(directory, '/');
    int len = slash ? (int)(slash - directory) : 0;
    (void)buf_append_str(line, ". To have that tree here, too: `rmdir ");
    append_word(here, line);
    (void)buf_append_str(line, " && ln -s ");
    append_word(there, line);
    (void)buf_append_char(line, ' ');
    append_word(here, line);
    (void)buf_append_str(line, "`, or as root `mount --bind ");
    append_word(there, line);
    (void)buf_append_char(line, ' ');
    append_word(here, line);
    (void)buf_append_str(line, "`; to read the account a second time: `-o "
                               "cache_dir=");
    if (asprintf(&other, "%.*s-2", len, directory) < 0)
        other = NULL;
    append_word(other ? other : "DIR", line);
    (void)buf_append_char(line, '`');
}

static const char why_one[] =
    "; it alone can read and write that, for the index of what it wrote last "
    "is in its memory";

void holder_explain(const char *directory, const char *mountpoint,
                    struct buf *line)
{
    struct note noted, seen;
    pid_t daemon = catalogue_holder(directory);
    bool known = read_note(directory, &noted);
    (void)buf_append_str(line, "another twelvefs");
    if (daemon)
        (void)buf_appendf(line, " (pid %ld)", (long)daemon);
    (void)buf_appendf(line, " uses this account's cache, %s", directory);
    if (known && !find_mount("self", noted.device, NULL, &seen)) {
        explain_copy(&noted, daemon, line);
        return;
    }
    if (known)
        (void)buf_appendf(line, ", mounted on %s", seen.path);
    (void)buf_append_str(line, why_one);
    append_commands(known ? seen.path : "ITS_MOUNT", mountpoint, directory,
                    line);
}
