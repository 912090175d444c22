/* SPDX-License-Identifier: MIT */
#include "base/directory.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

#define LINKS_MAX 40 /* as the kernel follows in one path */

static int make_one(const char *path)
{
    return mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

int directory_make(const char *path)
{
    cleanup(free_ptr) char *copy = strdup(path);
    if (!copy)
        return -ENOMEM;
    for (char *slash = copy; (slash = strchr(slash + 1, '/'));) {
        *slash = '\0';
        int err = make_one(copy);
        if (err)
            return err;
        *slash = '/';
    }
    return make_one(path);
}

/* Whose it is. */

/* Within a user namespace that root isn't mapped into, what belongs to root
 * seems to belong to the overflow user. */
static bool is_overflow_user(uid_t uid)
{
    unsigned overflow = 0;
    unsigned long inside = 0, outside = 0, count = 0;
    FILE *f = fopen("/proc/sys/kernel/overflowuid", "re");
    bool known =
        f && fscanf(f, "%u", &overflow) == 1; /* NOLINT(cert-err34-c) */
    if (f)
        (void)fclose(f);
    if (!known || uid != overflow)
        return false;
    f = fopen("/proc/self/uid_map", "re");
    known = f && fscanf(f, "%lu %lu %lu", /* NOLINT(cert-err34-c) */
                        &inside, &outside, &count) == 3;
    if (f)
        (void)fclose(f);
    return known && count < UINT32_MAX;
}

static bool is_trusted_owner(uid_t uid)
{
    return uid == 0 || uid == geteuid() || is_overflow_user(uid);
}

/* Many systems give each user a group of his own, with his name, and let it
 * write to his files. */
static bool is_private_group(gid_t gid)
{
    const struct passwd *user = gid == getegid() ? getpwuid(geteuid()) : NULL;
    cleanup(free_ptr) char *name = user ? strdup(user->pw_name) : NULL;
    const struct group *group = name ? getgrgid(gid) : NULL;
    if (!group || strcmp(group->gr_name, name) != 0)
        return false;
    for (char *const *member = group->gr_mem; *member; member++)
        if (strcmp(*member, name) != 0)
            return false;
    return true;
}

static const char *find_fault(const struct stat *st)
{
    if (S_ISLNK(st->st_mode))
        return is_trusted_owner(st->st_uid) ? NULL
                                            : "is another user's symlink";
    if (!S_ISDIR(st->st_mode))
        return NULL; /* whoever makes use of it says so */
    if (!is_trusted_owner(st->st_uid))
        return "belongs to another user";
    if (st->st_mode & S_ISVTX)
        return NULL;
    bool group = (st->st_mode & S_IWGRP) && st->st_gid != 0 &&
                 !is_private_group(st->st_gid);
    return group || (st->st_mode & S_IWOTH) ? "can be written by other users"
                                            : NULL;
}

/* The way there. */

struct way {
    char at[PATH_MAX];   /* resolved so far; "" is the root */
    char rest[PATH_MAX]; /* to go */
    int links;
};

static void leave_last(struct way *w)
{
    char *slash = strrchr(w->at, '/');
    if (slash)
        *slash = '\0';
}

/* Takes the next component over from rest to at; false at the end. */
static bool way_step(struct way *w, int *ret_err)
{
    size_t skip = strspn(w->rest, "/");
    size_t len = strcspn(w->rest + skip, "/");
    const char *name = w->rest + skip;
    *ret_err = 0;
    if (len == 0)
        return false;
    if (len == 2 && memcmp(name, "..", 2) == 0) {
        leave_last(w);
    } else if (len != 1 || name[0] != '.') {
        size_t at = strlen(w->at);
        if (at + 1 + len >= sizeof(w->at))
            *ret_err = -ENAMETOOLONG;
        else
            (void)snprintf(w->at + at, sizeof(w->at) - at, "/%.*s", (int)len,
                           name);
    }
    memmove(w->rest, name + len, strlen(name + len) + 1);
    return true;
}

static int way_follow(struct way *w)
{
    char target[PATH_MAX];
    ssize_t len = readlink(w->at, target, sizeof(target) - 1);
    if (len < 0)
        return -errno;
    target[len] = '\0';
    if (++w->links > LINKS_MAX)
        return -ELOOP;
    if ((size_t)len + strlen(w->rest) + 2 > sizeof(w->rest))
        return -ENAMETOOLONG;
    memmove(w->rest + len + 1, w->rest, strlen(w->rest) + 1);
    memcpy(w->rest, target, (size_t)len);
    w->rest[len] = '/';
    if (target[0] == '/')
        w->at[0] = '\0';
    else
        leave_last(w);
    return 0;
}

/* 0, -ENOENT where there is nothing more to look at, or another errno. */
static int way_look(struct way *w, struct directory_fault *ret_fault)
{
    struct stat st;
    const char *path = w->at[0] ? w->at : "/";
    if (lstat(path, &st) < 0)
        return -errno;
    const char *what = find_fault(&st);
    if (what) {
        (void)snprintf(ret_fault->path, sizeof(ret_fault->path), "%s", path);
        ret_fault->what = what;
        return -EPERM;
    }
    return S_ISLNK(st.st_mode) ? way_follow(w) : 0;
}

int directory_check(const char *path, struct directory_fault *ret_fault)
{
    struct way w = {.links = 0};
    if (path[0] != '/')
        return -EINVAL;
    if (snprintf(w.rest, sizeof(w.rest), "%s", path) >= (int)sizeof(w.rest))
        return -ENAMETOOLONG;
    int err;
    do
        err = way_look(&w, ret_fault);
    while (!err && way_step(&w, &err) && !err);
    return err == -ENOENT || err == -ENOTDIR ? 0 : err;
}
