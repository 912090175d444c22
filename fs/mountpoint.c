/* SPDX-License-Identifier: MIT */
#include "mountpoint.h"

#include <dirent.h>
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mntent.h>

#include "base/cleanup.h"
#include "base/log.h"

static enum exit_status mountpoint_refuse(struct buf *error, const char *path,
                                          const char *why)
{
    (void)buf_appendf(error, "cannot mount on %s: %s", path, why);
    return EXIT_MOUNT_POINT;
}

/* A dead mount can't be asked what it is, but its directory can. */
static char *resolve_dead(const char *path)
{
    const char *slash = strrchr(path, '/');
    cleanup(free_ptr) char *parent = strndup(path, (size_t)(slash - path) + 1);
    cleanup(free_ptr) char *real = parent ? realpath(parent, NULL) : NULL;
    char *joined;
    if (!real || asprintf(&joined, "%s%s", strcmp(real, "/") == 0 ? "" : real,
                          slash) < 0)
        return NULL;
    return joined;
}

bool mountpoint_is_descriptor(const char *path)
{
    static const char prefix[] = "/dev/fd/";
    return strncmp(path, prefix, sizeof(prefix) - 1) == 0;
}

int mountpoint_resolve(char **path)
{
    if (mountpoint_is_descriptor(*path))
        return 0;
    cleanup(free_ptr) char *bare = strdup(*path);
    if (!bare)
        return -ENOMEM;
    for (size_t len = strlen(bare); len > 1 && bare[len - 1] == '/'; len--)
        bare[len - 1] = '\0';
    char *real = realpath(bare, NULL);
    if (!real && errno == ENOTCONN)
        real = resolve_dead(bare);
    if (!real)
        return 0;
    free(*path);
    *path = real;
    return 0;
}

/* Whether the last mount on path is of this type. Nothing asks the mount. */
static bool mountpoint_is_of_type(const char *path, const char *type)
{
    FILE *mounts = setmntent("/proc/self/mounts", "re");
    if (!mounts)
        return false;
    bool is_of_type = false;
    char line[8192];
    struct mntent entry;
    while (getmntent_r(mounts, &entry, line, sizeof(line)))
        if (strcmp(entry.mnt_dir, path) == 0)
            is_of_type = strcmp(entry.mnt_type, type) == 0;
    (void)endmntent(mounts);
    return is_of_type;
}

static bool is_twelvefs(const char *path)
{
    return mountpoint_is_of_type(path, "fuse.twelvefs");
}

/* An automount point, of which we are to be the mount: whoever opens it, or
 * asks its file system, waits for us. stat and mount are no such look. */
static bool is_automount(const char *path)
{
    return mountpoint_is_of_type(path, "autofs");
}

int mountpoint_take_away(const char *path)
{
    if (umount2(path, MNT_DETACH) == 0)
        return 0;
    char *const argv[] = {(char *)"fusermount3", (char *)"-u", (char *)"-z",
                          (char *)"--",          (char *)path, NULL};
    pid_t child;
    int status;
    int err = posix_spawnp(&child, argv[0], NULL, NULL, argv, environ);
    if (err)
        return -err;
    if (waitpid(child, &status, 0) < 0)
        return -errno;
    return status == 0 ? 0 : -EPERM;
}

static enum exit_status check_empty(const char *path, struct buf *error)
{
    DIR *directory = opendir(path);
    if (!directory)
        return mountpoint_refuse(error, path, strerror(errno));
    bool empty = true;
    for (struct dirent *entry; empty && (entry = readdir(directory));)
        empty =
            strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    (void)closedir(directory);
    return empty ? EXIT_MOUNTED
                 : mountpoint_refuse(error, path, "the directory is not empty");
}

/* STATFS always asks the daemon; stat and open may be answered out of what the
 * kernel still keeps of one that died. */
static bool is_dead(const char *path)
{
    struct statfs st;
    return statfs(path, &st) < 0 && errno == ENOTCONN;
}

enum exit_status mountpoint_check(const char *path, struct buf *error)
{
    struct stat st;
    if (mountpoint_is_descriptor(path))
        return EXIT_MOUNTED;
    bool automount = is_automount(path);
    if (!automount && is_dead(path)) {
        if (!is_twelvefs(path))
            return mountpoint_refuse(
                error, path,
                "another file system whose process died is still "
                "mounted there; end it with fusermount3 -u");
        int err = mountpoint_take_away(path);
        if (err)
            return mountpoint_refuse(
                error, path,
                "an earlier twelvefs died there and cannot be "
                "unmounted; try fusermount3 -uz");
        log_warning("unmounted an earlier twelvefs that died");
    }
    if (stat(path, &st) < 0)
        return mountpoint_refuse(error, path, strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return mountpoint_refuse(error, path, "it is not a directory");
    if (is_twelvefs(path))
        return mountpoint_refuse(error, path,
                                 "a twelvefs is mounted there already");
    return automount ? EXIT_MOUNTED : check_empty(path, error);
}

/* Of what is below an empty directory nothing is there yet. */
bool mountpoint_would_hide(const char *path, const char *directory)
{
    cleanup(free_ptr) char *there = strdup(directory);
    cleanup(free_ptr) char *real = NULL;
    while (there && !(real = realpath(there, NULL)) && *there)
        *strrchr(there, '/') = '\0';
    return real && strcmp(real, path) == 0;
}

/* The flags that a mount of ours has, changed by the words that were said. */
static unsigned long flags_of(const char *words, unsigned long now)
{
    static const struct {
        const char *word;
        unsigned long set, clear;
    } known[] = {
        {"ro", MS_RDONLY, 0}, {"rw", 0, MS_RDONLY}, {"noatime", MS_NOATIME, 0}};
    cleanup(free_ptr) char *copy = strdup(words ? words : "");
    char *rest = copy;
    for (char *word; (word = strsep(&rest, ","));)
        for (size_t i = 0; i < array_count(known); i++)
            if (strcmp(word, known[i].word) == 0)
                now = (now | known[i].set) & ~known[i].clear;
    return now;
}

enum exit_status mountpoint_remount(struct options *o, struct buf *error)
{
    struct statvfs st;
    if (mountpoint_resolve(&o->mountpoint))
        return options_out_of_memory(error);
    if (!is_twelvefs(o->mountpoint) || statvfs(o->mountpoint, &st) < 0)
        return mountpoint_refuse(error, o->mountpoint,
                                 "no twelvefs is mounted there");
    unsigned long now = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    now |= st.f_flag & ST_RDONLY ? MS_RDONLY : 0;
    now |= st.f_flag & ST_NOATIME ? MS_NOATIME : 0;
    now |= st.f_flag & ST_NODIRATIME ? MS_NODIRATIME : 0;
    if (mount(NULL, o->mountpoint, NULL,
              MS_REMOUNT | flags_of(o->fuse_options, now), NULL) < 0)
        return mountpoint_refuse(error, o->mountpoint, strerror(errno));
    if (o->own_words)
        log_warning("a remount can only change ro and noatime; to change %s, "
                    "unmount and mount again",
                    o->own_words);
    return EXIT_MOUNTED;
}
