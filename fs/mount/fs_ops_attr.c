/* SPDX-License-Identifier: MIT */
#include "mount/fs_ops.h"

#include <limits.h>
#include <sys/statvfs.h>

#define STATFS_BLOCK 4096

int fs_getattr(struct request *r)
{
    struct mount *m = r->mount;
    struct tree_entry e;
    cleanup(tree_node_done) struct tree_node n = {0};
    int result = tree_find(&m->tree, r->ino, &n);
    if (!result)
        result = tree_is_late(n.id.kind) ? fs_media_getattr(r, &n.id, &e)
                                         : tree_attr(&m->tree, &n, &e);
    if (!result)
        (void)fuse_reply_attr(r->req, &e.attr, e.attr_timeout_s);
    return result;
}

int fs_statfs(struct request *r)
{
    const struct catalogue *c = r->mount->catalogue;
    int64_t bytes = catalogue_stored_bytes(c);
    int64_t count = catalogue_count(c, ASSET_TYPE_COUNT);
    const struct statvfs st = {
        .f_bsize = STATFS_BLOCK,
        .f_frsize = STATFS_BLOCK,
        .f_blocks = (fsblkcnt_t)((bytes + STATFS_BLOCK - 1) / STATFS_BLOCK),
        .f_files = (fsfilcnt_t)count,
        .f_namemax = NAME_MAX,
    };
    (void)fuse_reply_statfs(r->req, &st);
    return 0;
}
