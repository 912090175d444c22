/* SPDX-License-Identifier: MIT */
/*
 * fs_ops.h - the request functions (request_fn), one for each FUSE operation
 * that needs the catalogue, and what they share. Private to the module.
 */
#ifndef TWELVEFS_MOUNT_FS_OPS_H
#define TWELVEFS_MOUNT_FS_OPS_H

#include "mount/mount.h"

extern const struct fuse_lowlevel_ops fs_ops;

/* fs_ops_lookup.c */
int fs_lookup(struct request *r);
/* fs_ops_attr.c */
int fs_getattr(struct request *r);
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
/* fs_ops_saved.c */
int fs_symlink(struct request *r);
/* Whether r->text can be saved as r->name: 0, or an errno, with a reason where
 * it isn't a failure of ours. */
int fs_saved_check(struct request *r, const struct view *v,
                   const char **ret_why);
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
                     struct tree_entry *ret_entry);
int fs_media_read(struct request *r, const struct node *n);
int fs_media_lookup(struct mount *m, const struct node *n,
                    struct tree_entry *ret_entry);

/* As libfuse has it. */
static inline struct fuse_entry_param fs_entry_param(const struct tree_entry *e)
{
    return (struct fuse_entry_param){.ino = e->ino,
                                     .generation = e->generation,
                                     .attr = e->attr,
                                     .attr_timeout = e->attr_timeout_s,
                                     .entry_timeout = e->entry_timeout_s};
}

/* request.c */
/* Replies a name's node, counting it to its view. 0. */
int fs_reply_entry(struct request *r, const struct tree_entry *e);
/* Replies as much of a text as a READ asks for, from skip on. 0. */
int fs_reply_part(struct request *r, const char *text, size_t len, size_t skip);
/* Replies that there is no such name, for so long. 0. */
int fs_reply_negative(struct request *r, double timeout_s);

#endif
