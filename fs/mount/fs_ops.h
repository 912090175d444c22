/* SPDX-License-Identifier: MIT */
/*
 * fs_ops.h - the request functions (request_fn), one for each FUSE operation
 * that needs the catalogue, and what they share. Private to the room.
 */
#ifndef TWELVEFS_MOUNT_FS_OPS_H
#define TWELVEFS_MOUNT_FS_OPS_H

#include "mount/mount.h"

extern const struct fuse_lowlevel_ops fs_ops;

#define FS_PARKED_NEGATIVE_S 1.0 /* an absence that was waited for */

/* fs_ops_lookup.c */
int fs_lookup(struct request *r);
/* fs_ops_attr.c */
int fs_getattr(struct request *r);
/* What LOOKUP would say of a node that is known by its number alone. Of what
 * may need the network only what is known already. */
int fs_entry(struct request *r, const struct node *n, const struct view *v,
             struct fuse_entry_param *e);
int fs_statfs(struct request *r);
/* fs_ops_dir.c */
int fs_readdir(struct request *r);
int fs_readdirplus(struct request *r);
/* fs_ops_read.c */
int fs_read(struct request *r);
int fs_readlink(struct request *r);
/* fs_ops_push.c */
void fs_push(struct mount *m, int64_t row);
void fs_push_wanted(struct mount *m);
/* The text of a small regular file, from a row; asset borrows what it says no
 * longer after NODE_METADATA. -ENOENT where it has no such file. */
int fs_file_text(struct catalogue_reader *reader, enum node_kind kind,
                 const struct catalogue_entry *asset, struct buf *out);
/* fs_ops_saved.c */
/* Whether a listing directory has a name by itself. */
bool fs_name_is_ours(const struct view *v, const char *name);
int fs_symlink(struct request *r);
/* Whether r->text can be saved as r->name: 0, or an errno, with a reason where
 * it isn't a failure of ours. */
int fs_link_check(struct request *r, const struct view *v,
                  const char **ret_why);
/* A saved link of a view came or went. */
void fs_link_changed(struct mount *m, const struct view *v);
int fs_unlink(struct request *r);
int fs_write(struct request *r);
/* fs_ops_command.c: serves an ioctl; r->run is NULL before. */
void fs_command(struct request *r, unsigned number, const void *bytes,
                size_t size);
/* fs_ops_delete.c */
int fs_rmdir(struct request *r);
/* Somebody wanted a file of ours gone: whoever deletes a tree goes on so. */
void fs_note_refusal(struct mount *m);
int caution_new(struct caution **ret_caution);
void caution_free(struct caution *c); /* NULL is fine */
/* Whether a folder goes, or has gone, by an rmdir that the kernel knows of. */
bool caution_has(struct caution *c, uint64_t directory, uint64_t folder);
/* fs_ops_xattr.c */
int fs_getxattr(struct request *r);
int fs_listxattr(struct request *r);
/* Serves SETXATTR, or with value NULL REMOVEXATTR; r->run is NULL before. */
void fs_setxattr(struct request *r, const char *value, size_t size, int flags);
/* Asks for a change of an asset's user_metadata; -ESTALE where r->ino isn't an
 * asset's folder any more, -ENOTDIR where it never was. */
int fs_tag(struct request *r, const char *patch);
/* fs_ops_media.c: what stands in .media/<id>, n a NODE_PICTURE or
 * NODE_PLAYLIST. GETATTR and READ may park; lookup counts for FORGET. */
int fs_media_getattr(struct request *r, const struct node *n,
                     struct fuse_entry_param *e);
int fs_media_read(struct request *r, const struct node *n);
int fs_media_lookup(struct mount *m, const struct node *n,
                    struct fuse_entry_param *e);

/* The node of an inode number and its view, held; -ESTALE when it isn't
 * there. */
int fs_node(struct mount *m, uint64_t number, struct node *ret_node,
            struct view_hold *ret_hold);

/* Parks until table field serves a view's query; 0 when the reader's does. */
int fs_need_fields(struct request *r, const struct view *v,
                   struct catalogue_reader *reader);
/* Parks until the catalogue has all that a view's query selects. Asked before
 * the reader is acquired that is to see it. */
int fs_need_cover(struct request *r, const struct view *v);
/* A reader that sees all that a query's view selects (of other views: what
 * there is so far), or a wait, or an error. */
int fs_acquire_covering(struct request *r, const struct view *v,
                        struct catalogue_reader **ret_reader);

/* Replies a name's node, counting it to its view. 0. */
int fs_reply_entry(struct request *r, const struct fuse_entry_param *e);
/* Replies the part of a text that a READ asks for. 0. */
int fs_reply_part(struct request *r, const char *text, size_t len);
/* Replies that there is no such name, for so long. 0. */
int fs_reply_negative(struct request *r, double timeout_s);

#endif
