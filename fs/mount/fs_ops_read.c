/* SPDX-License-Identifier: MIT */
#include "mount/fs_ops.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "json/metadata.h"
#include "mount/entry.h"
#include "mount/status.h"

#define TEXT_MAX_BYTES (256u << 20) /* of one object, rendered */
#define LINK_MAX_BYTES 4096

int fs_reply_part(struct request *r, const char *text, size_t len)
{
    size_t begin = r->off < 0 || (uint64_t)r->off > len ? len : (size_t)r->off;
    size_t size = len - begin < r->size ? len - begin : r->size;
    (void)fuse_reply_buf(r->req, text + begin, size);
    return 0;
}

int fs_file_text(struct catalogue_reader *reader, enum node_kind kind,
                 const struct catalogue_entry *asset, struct buf *out)
{
    if (kind == NODE_PICTURE_URL || kind == NODE_MANIFEST_URL) {
        const char *url =
            kind == NODE_PICTURE_URL ? asset->picture_url : asset->manifest_url;
        return url ? attr_url_text(url, out) : -ENOENT;
    }
    cleanup(buf_done) struct buf body = {.max = TEXT_MAX_BYTES};
    int err = catalogue_body(reader, asset->row, &body);
    if (!err)
        err = buf_reserve(out, (size_t)asset->metadata_bytes);
    return err ? err : metadata_render(buf_str(&body), body.len, out);
}

static int read_file(struct request *r, const struct node *n)
{
    cleanup(release_reader) struct catalogue_reader *reader =
        catalogue_reader_acquire(r->mount->catalogue);
    if (!reader)
        return -ENOMEM;
    cleanup(buf_done) struct buf text = {.max = TEXT_MAX_BYTES};
    struct catalogue_entry asset;
    int err = catalogue_get(reader, n->row, &asset);
    if (!err)
        err = fs_file_text(reader, n->kind, &asset, &text);
    if (err)
        return err == -ENOENT ? -ESTALE : err;
    fs_push_wanted(r->mount);
    return fs_reply_part(r, buf_str(&text), text.len);
}

static int read_lines(struct request *r, const struct node *n,
                      const struct view *v)
{
    struct mount *m = r->mount;
    cleanup(release_reader) struct catalogue_reader *reader =
        catalogue_reader_acquire(m->catalogue);
    if (!reader)
        return -ENOMEM;
    struct selection *s;
    int err = selection_find(m->selections, v, reader, (uint64_t)n->row,
                             NODE_ROW_BITS, &s);
    if (err)
        return err;
    cleanup(buf_done) struct buf out = {.max = r->size + 1};
    err = buf_reserve(&out, r->size);
    if (!err)
        err = selection_lines(s, reader, r->off, r->size, &out);
    selection_close(m->selections, s);
    if (err)
        return err;
    (void)fuse_reply_buf(r->req, buf_str(&out), out.len);
    return 0;
}

static int read_status(struct request *r, const struct node *n)
{
    cleanup(buf_done) struct buf text = {.max = STATUS_MAX_BYTES};
    int err = status_kept(r->mount->statuses, n->row, &text);
    return err ? err : fs_reply_part(r, buf_str(&text), text.len);
}

int fs_read(struct request *r)
{
    struct node n;
    cleanup(view_hold_done) struct view_hold hold = {0};
    int err = fs_node(r->mount, r->ino, &n, &hold);
    if (err)
        return err;
    switch (n.kind) {
    case NODE_METADATA:
    case NODE_PICTURE_URL:
    case NODE_MANIFEST_URL:
        return read_file(r, &n);
    case NODE_LINES:
        return read_lines(r, &n, hold.view);
    case NODE_PICTURE:
    case NODE_PLAYLIST:
        return fs_media_read(r, &n);
    case NODE_STATUS:
        return read_status(r, &n);
    default:
        return -EISDIR;
    }
}

int fs_readlink(struct request *r)
{
    struct node n;
    cleanup(view_hold_done) struct view_hold hold = {0};
    int err = fs_node(r->mount, r->ino, &n, &hold);
    if (err)
        return err;
    cleanup(release_reader) struct catalogue_reader *reader =
        catalogue_reader_acquire(r->mount->catalogue);
    if (!reader)
        return -ENOMEM;
    cleanup(buf_done) struct buf target = {.max = LINK_MAX_BYTES};
    struct catalogue_entry asset;
    struct catalogue_link link;
    switch (n.kind) {
    case NODE_SAVED:
        err = catalogue_link_by_number(reader, n.row, &link);
        if (!err)
            err = buf_append_str(&target, link.target);
        break;
    case NODE_FIXED:
        err = n.row == NODE_FIXED_PICTURES
                  ? buf_append_str(&target, ATTR_PICTURES_TARGET)
                  : -EINVAL;
        break;
    case NODE_MEDIA_LINK:
    case NODE_CONTACT:
        err = catalogue_get(reader, n.row, &asset);
        if (!err)
            err = entry_link_target(hold.view, n.kind, &asset, &target);
        break;
    default:
        return -EINVAL;
    }
    if (err)
        return err == -ENOENT ? -ESTALE : err;
    (void)fuse_reply_readlink(r->req, buf_str(&target));
    return 0;
}
