/* SPDX-License-Identifier: MIT */
/*
 * entry.h - what LOOKUP, READDIRPLUS and GETATTR say of each kind of node:
 * number, attributes, and how long the kernel may believe them.
 *
 * No catalogue and no network: the caller has the row. Any thread.
 */
#ifndef TWELVEFS_MOUNT_ENTRY_H
#define TWELVEFS_MOUNT_ENTRY_H

#include "mount/mount.h"

/* Whether the root lists other/: it holds something, or may yet. */
bool entry_lists_other(const struct mount *m);
/* A view's own directory. */
void entry_view(const struct mount *m, const struct view *v,
                struct fuse_entry_param *e);
/* VIEW/.pictures */
void entry_pictures(const struct mount *m, const struct view *v,
                    struct fuse_entry_param *e);
void entry_folder(const struct mount *m, const struct view *v,
                  const struct catalogue_entry *asset,
                  struct fuse_entry_param *e);
/* NODE_METADATA, NODE_PICTURE_URL, NODE_MANIFEST_URL, as seen in a view (its
 * names may be believed as long as the view's); v NULL for GETATTR alone.
 * -ENOENT where the asset has no such file. */
int entry_file(const struct mount *m, const struct view *v, enum node_kind kind,
               const struct catalogue_entry *asset, struct fuse_entry_param *e);
/* NODE_MEDIA_LINK, NODE_CONTACT; same errors. */
int entry_link(const struct mount *m, const struct view *v, enum node_kind kind,
               const struct catalogue_entry *asset, struct fuse_entry_param *e);
void entry_saved(const struct mount *m, const struct view *v,
                 const struct catalogue_link *link, struct fuse_entry_param *e);
void entry_lines(const struct mount *m, const struct view *v,
                 const struct selection *s, struct fuse_entry_param *e);
void entry_fixed(const struct mount *m, enum node_fixed which,
                 struct fuse_entry_param *e);
/* .twelvefs/status.json, one text of it. */
void entry_status(const struct mount *m, int64_t number, size_t size_bytes,
                  struct fuse_entry_param *e);

/* .media/<id> and what is in it. size_bytes -1: it isn't known yet, and the
 * kernel must ask before it believes one. */
void entry_media(const struct mount *m, const struct catalogue_entry *asset,
                 struct fuse_entry_param *e);
void entry_in_media(const struct mount *m, const struct node *n,
                    int64_t size_bytes, struct timespec mtime,
                    struct fuse_entry_param *e);

/* Where a link leads. Appends. -ENOENT where the asset has no such link. */
int entry_link_target(const struct view *v, enum node_kind kind,
                      const struct catalogue_entry *asset, struct buf *out);

/* "thumbnail.<ext>", and "<folder name>.<ext>", a link's name in .pictures.
 * -ENOENT without one. */
#define ENTRY_PICTURE_SIZE 32
int entry_picture_name(const struct catalogue_entry *asset,
                       char out[ENTRY_PICTURE_SIZE]);
int entry_contact_name(const struct catalogue_entry *asset,
                       char out[NAME_SIZE]);

/* Seconds that names in a view may be believed. */
double entry_timeout(const struct mount *m, const struct view *v);

#endif
