/* SPDX-License-Identifier: MIT */
#include "mount/fs_ops.h"

#include <errno.h>
#include <limits.h>
#include <sys/statvfs.h>

#include "mount/entry.h"
#include "mount/status.h"

#define STATFS_BLOCK 4096

/* The nodes that are an asset's, from its row. */
static int attr_of_asset(const struct mount *m, const struct node *n,
                         const struct view *v, struct fuse_entry_param *e)
{
    cleanup(release_reader) struct catalogue_reader *reader =
        catalogue_reader_acquire(m->catalogue);
    if (!reader)
        return -ENOMEM;
    struct catalogue_entry asset;
    int err = catalogue_get(reader, n->row, &asset);
    if (err)
        return err == -ENOENT ? -ESTALE : err;
    switch (n->kind) {
    case NODE_FOLDER:
        entry_folder(m, v, &asset, e);
        break;
    case NODE_MEDIA:
        entry_media(m, &asset, e);
        break;
    case NODE_MEDIA_LINK:
    case NODE_CONTACT:
        err = entry_link(m, v, n->kind, &asset, e);
        break;
    default:
        err = entry_file(m, NULL, n->kind, &asset, e);
        break;
    }
    return err == -ENOENT ? -ESTALE : err;
}

static int attr_of_saved(const struct mount *m, int64_t number,
                         struct fuse_entry_param *e)
{
    cleanup(release_reader) struct catalogue_reader *reader =
        catalogue_reader_acquire(m->catalogue);
    if (!reader)
        return -ENOMEM;
    struct catalogue_link link;
    int err = catalogue_link_by_number(reader, number, &link);
    if (!err)
        entry_saved(m, NULL, &link, e);
    return err == -ENOENT ? -ESTALE : err;
}

static int attr_of_lines(const struct mount *m, const struct node *n,
                         const struct view *v, struct fuse_entry_param *e)
{
    cleanup(release_reader) struct catalogue_reader *reader =
        catalogue_reader_acquire(m->catalogue);
    if (!reader)
        return -ENOMEM;
    struct selection *s;
    int err = selection_find(m->selections, v, reader, (uint64_t)n->row,
                             NODE_ROW_BITS, &s);
    if (err)
        return err;
    entry_lines(m, v, s, e);
    selection_close(m->selections, s);
    return 0;
}

static int attr_of_status(const struct mount *m, const struct node *n,
                          struct fuse_entry_param *e)
{
    cleanup(buf_done) struct buf text = {.max = STATUS_MAX_BYTES};
    int err = status_kept(m->statuses, n->row, &text);
    if (!err)
        entry_status(m, n->row, text.len, e);
    return err;
}

int fs_entry(struct request *r, const struct node *n, const struct view *v,
             struct fuse_entry_param *e)
{
    struct mount *m = r->mount;
    switch (n->kind) {
    case NODE_VIEW:
        entry_view(m, v, e);
        return 0;
    case NODE_PICTURES:
        entry_pictures(m, v, e);
        return 0;
    case NODE_FIXED:
        entry_fixed(m, (enum node_fixed)n->row, e);
        return 0;
    case NODE_SAVED:
        return attr_of_saved(m, n->row, e);
    case NODE_LINES:
        return attr_of_lines(m, n, v, e);
    case NODE_STATUS:
        return attr_of_status(m, n, e);
    case NODE_PICTURE:
    case NODE_PLAYLIST:
        return fs_media_lookup(m, n, e);
    default:
        return attr_of_asset(m, n, v, e);
    }
}

int fs_getattr(struct request *r)
{
    struct fuse_entry_param e;
    struct node n;
    cleanup(view_hold_done) struct view_hold hold = {0};
    int result = fs_node(r->mount, r->ino, &n, &hold);
    if (!result)
        result = n.kind == NODE_PICTURE || n.kind == NODE_PLAYLIST
                     ? fs_media_getattr(r, &n, &e)
                     : fs_entry(r, &n, hold.view, &e);
    if (!result)
        (void)fuse_reply_attr(r->req, &e.attr, e.attr_timeout);
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
