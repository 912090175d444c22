/* SPDX-License-Identifier: MIT */
#include "mount/fs_ops.h"

#include <errno.h>

#define TARGET_MAX_BYTES 4096

int fs_read(struct request *r)
{
    struct mount *m = r->mount;
    cleanup(tree_node_done) struct tree_node n = {0};
    cleanup(buf_done) struct buf text = {.max = TREE_TEXT_MAX};
    size_t skip;
    int err = tree_find(&m->tree, r->ino, &n);
    if (err)
        return err;
    if (tree_is_late(n.id.kind))
        return fs_media_read(r, &n.id);
    err = tree_read(&m->tree, &n, r->off, r->size, &text, &skip);
    if (err)
        return err;
    if (tree_is_file((int)n.id.kind))
        fs_push_wanted(m);
    return fs_reply_part(r, buf_str(&text), text.len, skip);
}

int fs_readlink(struct request *r)
{
    cleanup(tree_node_done) struct tree_node n = {0};
    cleanup(buf_done) struct buf target = {.max = TARGET_MAX_BYTES};
    int err = tree_find(&r->mount->tree, r->ino, &n);
    if (!err)
        err = tree_target(&r->mount->tree, &n, &target);
    if (!err)
        (void)fuse_reply_readlink(r->req, buf_str(&target));
    return err;
}
