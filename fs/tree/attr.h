/* SPDX-License-Identifier: MIT */
/*
 * attr.h - struct stat of every kind of node, and how long the kernel may
 * believe what it was told.
 *
 * What notifications keep true (the root, the type directories, their folders
 * and all assets' files) is believed for a day; the rest, which validates
 * itself, for `refresh`. Sizes are exact: OPEN is never asked, so a reader
 * sees what stat said. Pure functions but for the mount they take.
 */
#ifndef TWELVEFS_TREE_ATTR_H
#define TWELVEFS_TREE_ATTR_H

#include <stdint.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "catalogue/catalogue.h"
#include "tree/node.h"
#include "tree/view.h"

#define ATTR_DAY_S 86400.0

/* Whose files they seem to be, and what nobody may do with them. */
struct attr_owner {
    uid_t uid;
    gid_t gid;
    mode_t umask;
};

/* A directory; nlink 1 means "not counted". */
void attr_directory(const struct attr_owner *owner, uint64_t number,
                    mode_t mode, nlink_t nlink, struct timespec mtime,
                    struct stat *ret);
void attr_file(const struct attr_owner *owner, uint64_t number, mode_t mode,
               int64_t size_bytes, struct timespec mtime, struct stat *ret);
void attr_symlink(const struct attr_owner *owner, uint64_t number,
                  int64_t size_bytes, struct timespec mtime, struct stat *ret);

/* mtime of a folder. In a type's directory it is created_s. Elsewhere nobody
 * notifies, so the nanoseconds tell which links there are: a cached listing
 * is then known to be old when they change. */
struct timespec attr_folder_time(const struct view *v,
                                 const struct catalogue_entry *e);
/* mtime of .media/<id>: created_s, and in the nanoseconds what is in there. */
struct timespec attr_media_time(const struct catalogue_entry *e);

/* mtime of a directory that validates itself: the last commit's. */
struct timespec attr_commit_time(const struct catalogue *c);
struct timespec attr_ns_time(int64_t ns);

/* Where the link `pictures` in the root leads. */
#define ATTR_PICTURES_TARGET ".pictures"

/* The text of a .url file. Appends. */
int attr_url_text(const char *url, struct buf *out);
int64_t attr_url_bytes(const char *url);

/* Where the links of a folder (depth: of the folder in the tree) lead: to
 * .media/<id>, or a name in there. Appends. -ENAMETOOLONG for an id that has
 * none. */
int attr_media_target(unsigned depth, const char *id, const char *name,
                      struct buf *out);

#endif
