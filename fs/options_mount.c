/* SPDX-License-Identifier: MIT */
/*
 * options_mount.c - the words of mount(8), fstab(5) and mount.fuse3(8): each
 * known one by one, so that a word that nobody knows can be named.
 *
 * The file system has no device files, no programs and no access times, and
 * is mounted nosuid, nodev and noexec in any case: mount.fuse3 asks for "dev"
 * and "suid" behind whatever the user wrote, and gets neither.
 */
#include "options_internal.h"

#include <string.h>

#include "base/cleanup.h"

static const struct mount_option {
    const char *name; /* with '=' where a value belongs to it */
    enum mount_word becomes;
    const char *why;
} words[] = {
    {"ro", MOUNT_WORD_HANDED_ON, NULL},
    {"rw", MOUNT_WORD_HANDED_ON, NULL},
    {"noatime", MOUNT_WORD_HANDED_ON, NULL},
    {"nodiratime", MOUNT_WORD_PASSED_OVER, NULL},
    {"nosymfollow", MOUNT_WORD_PASSED_OVER, NULL},
    {"auto_unmount", MOUNT_WORD_HANDED_ON, NULL},
    {"default_permissions", MOUNT_WORD_HANDED_ON, NULL},
    {"max_read=", MOUNT_WORD_HANDED_ON, NULL},
    {"io_uring_q_depth=", MOUNT_WORD_HANDED_ON, NULL},
    {"fsname=", MOUNT_WORD_HANDED_ON, NULL},
    {"subtype=", MOUNT_WORD_HANDED_ON, NULL},
    {"context=", MOUNT_WORD_HANDED_ON, NULL},
    {"fscontext=", MOUNT_WORD_HANDED_ON, NULL},
    {"defcontext=", MOUNT_WORD_HANDED_ON, NULL},
    {"rootcontext=", MOUNT_WORD_HANDED_ON, NULL},
    {"allow_root", MOUNT_WORD_REFUSED,
     "the kernel answers from its cache whoever asks; use allow_other"},
    {"nonempty", MOUNT_WORD_REFUSED,
     "what is in the directory would be hidden; mount on an empty one"},
    {"bind", MOUNT_WORD_REFUSED, "use mount --bind on a mounted directory"},
    {"defaults", MOUNT_WORD_PASSED_OVER, NULL},
    {"auto", MOUNT_WORD_PASSED_OVER, NULL},
    {"noauto", MOUNT_WORD_PASSED_OVER, NULL},
    {"nofail", MOUNT_WORD_PASSED_OVER, NULL},
    {"_netdev", MOUNT_WORD_PASSED_OVER, NULL},
    {"user", MOUNT_WORD_PASSED_OVER, NULL},
    {"user=", MOUNT_WORD_PASSED_OVER, NULL},
    {"nouser", MOUNT_WORD_PASSED_OVER, NULL},
    {"users", MOUNT_WORD_PASSED_OVER, NULL},
    {"nousers", MOUNT_WORD_PASSED_OVER, NULL},
    {"owner", MOUNT_WORD_PASSED_OVER, NULL},
    {"noowner", MOUNT_WORD_PASSED_OVER, NULL},
    {"group", MOUNT_WORD_PASSED_OVER, NULL},
    {"nogroup", MOUNT_WORD_PASSED_OVER, NULL},
    {"suid", MOUNT_WORD_PASSED_OVER, NULL},
    {"nosuid", MOUNT_WORD_PASSED_OVER, NULL},
    {"dev", MOUNT_WORD_PASSED_OVER, NULL},
    {"nodev", MOUNT_WORD_PASSED_OVER, NULL},
    {"exec", MOUNT_WORD_PASSED_OVER, NULL},
    {"noexec", MOUNT_WORD_PASSED_OVER, NULL},
    {"atime", MOUNT_WORD_PASSED_OVER, NULL},
    {"diratime", MOUNT_WORD_PASSED_OVER, NULL},
    {"relatime", MOUNT_WORD_PASSED_OVER, NULL},
    {"norelatime", MOUNT_WORD_PASSED_OVER, NULL},
    {"strictatime", MOUNT_WORD_PASSED_OVER, NULL},
    {"nostrictatime", MOUNT_WORD_PASSED_OVER, NULL},
    {"lazytime", MOUNT_WORD_PASSED_OVER, NULL},
    {"nolazytime", MOUNT_WORD_PASSED_OVER, NULL},
    {"iversion", MOUNT_WORD_PASSED_OVER, NULL},
    {"noiversion", MOUNT_WORD_PASSED_OVER, NULL},
    {"mand", MOUNT_WORD_PASSED_OVER, NULL},
    {"nomand", MOUNT_WORD_PASSED_OVER, NULL},
    {"async", MOUNT_WORD_PASSED_OVER, NULL},
    {"sync", MOUNT_WORD_PASSED_OVER, NULL},
    {"dirsync", MOUNT_WORD_PASSED_OVER, NULL},
    {"symfollow", MOUNT_WORD_PASSED_OVER, NULL},
    {"silent", MOUNT_WORD_PASSED_OVER, NULL},
    {"loud", MOUNT_WORD_PASSED_OVER, NULL},
    {"comment=", MOUNT_WORD_PASSED_OVER, NULL},
    {"helper=", MOUNT_WORD_PASSED_OVER, NULL},
    {"uhelper=", MOUNT_WORD_PASSED_OVER, NULL},
    {"", MOUNT_WORD_PASSED_OVER, NULL},
};

const char *options_mount_name(size_t i)
{
    return i < array_count(words) ? words[i].name : NULL;
}

static bool is_called(const char *word, const char *name)
{
    size_t len = strlen(name);
    if (len && name[len - 1] == '=')
        return strncmp(word, name, len) == 0;
    return strcmp(word, name) == 0;
}

enum mount_word options_mount_word(const char *word, const char **ret_why)
{
    if (word[0] && strchr("xX", word[0]) && word[1] == '-')
        return MOUNT_WORD_PASSED_OVER; /* systemd's, or libmount's */
    for (size_t i = 0; i < array_count(words); i++) {
        if (!is_called(word, words[i].name))
            continue;
        *ret_why = words[i].why;
        return words[i].becomes;
    }
    return MOUNT_WORD_UNKNOWN;
}
