/* SPDX-License-Identifier: MIT */
/*
 * fs_ops_dir.c - READDIR and READDIRPLUS: the tree's listing as bytes, or a
 * wait for what it lacks. An empty reply ends the directory, so it must be
 * true.
 */
#include "mount/fs_ops.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"

#define OTHER_WAIT_MS 2000 /* a listing of the root for the walk */

struct dir {
    struct request *r;
    const struct tree_node *node;
    char *bytes;
    size_t used;
    bool plus;
    uint64_t remembered; /* inode numbers of the directory's view in there */
};

static void dir_done(struct dir *d)
{
    free(d->bytes);
}

static bool dir_add(void *ctx, const char *name, const struct tree_entry *e,
                    int64_t next)
{
    struct dir *d = ctx;
    fuse_req_t req = d->r->req;
    char *at = d->bytes + d->used;
    size_t space = d->r->size - d->used;
    size_t need;
    if (d->plus) {
        const struct fuse_entry_param p = fs_entry_param(e);
        need = fuse_add_direntry_plus(req, at, space, name, &p, next);
    } else {
        need = fuse_add_direntry(req, at, space, name, &e->attr, next);
    }
    if (need > space)
        return false;
    d->used += need;
    struct node n;
    if (d->plus && node_parse(e->ino, &n) && node_is_per_view(n.kind) &&
        n.view == d->node->view->number)
        d->remembered++;
    return true;
}

/* Whether other/ is in the root shows at the latest when the walk is through.
 * That is waited for, a little: then other/ is listed, since an asset may yet
 * come to stand in there, and whoever reads it waits for the walk. */
static int dir_settle_other(struct request *r, bool complete)
{
    struct mount *m = r->mount;
    if (complete || m->tree.other_shown || m->tree.other_offered)
        return 0;
    if (!request_has_asked(r, SYNC_COMPLETE)) {
        int64_t wait_ms =
            m->timeout_ms < OTHER_WAIT_MS ? m->timeout_ms : OTHER_WAIT_MS;
        r->tolerant = true;
        r->deadline_ms = clock_mono_ms() + wait_ms;
        return park_ask(r, &(struct sync_question){.want = SYNC_COMPLETE});
    }
    if (r->answer == -EINTR || r->answer == -ESHUTDOWN)
        return r->answer;
    m->tree.other_offered = true;
    return 0;
}

/* Replies what was gathered. */
static int dir_reply(struct dir *d, const struct tree_listing *l)
{
    struct view_table *views = l->tree->views;
    uint32_t view = d->node->view->number;
    if (d->used == 0 && l->full)
        return -EINVAL;
    view_remember(views, view, d->remembered);
    if (fuse_reply_buf(d->r->req, d->bytes, d->used))
        view_forget(views, view, d->remembered);
    return 0;
}

/* Whether assets come into a directory as the walk brings them. A query's were
 * waited for, and the root lists none. */
static bool dir_grows(const struct tree_node *n)
{
    return (n->id.kind == NODE_VIEW || n->id.kind == NODE_PICTURES) &&
           view_is_listing(n->view) && !view_is_query(n->view) &&
           !(n->id.kind == NODE_VIEW && n->view->number == VIEW_ROOT);
}

/* The end of what there is so far: while the walk goes on more may come. */
static int dir_reply_or_wait(struct dir *d, const struct tree_listing *l,
                             bool complete)
{
    if (complete || !dir_grows(d->node) || d->used > 0 || l->full)
        return dir_reply(d, l);
    int64_t after = tree_offset_row(l->off);
    return park_ask(
        d->r, &(struct sync_question){
                  .want = SYNC_MORE,
                  .query = &d->node->view->query,
                  .after_row = l->last_row > after ? l->last_row : after});
}

/* At the end of a folder: the kernel knows the files' numbers from the piece
 * before. */
static void dir_push(const struct dir *d, const struct tree_listing *l)
{
    if (d->plus && d->node->id.kind == NODE_FOLDER && d->used == 0 && !l->full)
        fs_push(d->r->mount, d->node->id.row);
}

/* Parks until the catalogue has all that a query selects; 0 when it has. Asked
 * before the reader is acquired that is to see it. */
static int dir_need_cover(struct request *r, const struct view *v)
{
    if (request_has_asked(r, SYNC_QUERY) ||
        sync_covers(r->mount->sync, &v->query))
        return 0;
    return park_ask(
        r, &(struct sync_question){.want = SYNC_QUERY, .query = &v->query});
}

/* Parks until table field serves a query; 0 when the reader's does. */
static int dir_need_fields(struct request *r, const struct view *v,
                           struct catalogue_reader *reader)
{
    if (!tree_missing_field(reader, v))
        return 0;
    /* The field gave way to others before we came to look. */
    if (request_has_asked(r, SYNC_FIELDS))
        return -EAGAIN;
    return park_ask(
        r, &(struct sync_question){.want = SYNC_FIELDS, .query = &v->query});
}

/* A reader that sees all that a query's directory lists (of others: what there
 * is so far), or a wait, or an error. */
static int dir_acquire(struct request *r, const struct tree_node *n,
                       struct catalogue_reader **ret_reader)
{
    bool query = n->id.kind != NODE_FOLDER && view_is_query(n->view);
    int result = query ? dir_need_cover(r, n->view) : 0;
    if (result)
        return result;
    struct catalogue_reader *reader =
        catalogue_reader_acquire(r->mount->catalogue);
    if (!reader)
        return -ENOMEM;
    result = query ? dir_need_fields(r, n->view, reader) : 0;
    if (result) {
        catalogue_reader_release(reader);
        return result;
    }
    *ret_reader = reader;
    return 0;
}

static int dir_read(struct dir *d, const struct tree_node *n, bool complete)
{
    struct mount *m = d->r->mount;
    cleanup(release_reader) struct catalogue_reader *reader = NULL;
    int err = dir_acquire(d->r, n, &reader);
    if (err)
        return err;
    struct tree_listing l = {.tree = &m->tree,
                             .dir = n,
                             .reader = reader,
                             .off = d->r->off,
                             .emit = dir_add,
                             .ctx = d};
    err = tree_list(&l);
    if (err)
        return err;
    dir_push(d, &l);
    return dir_reply_or_wait(d, &l, complete);
}

static int dir_begin(struct request *r, bool plus)
{
    struct mount *m = r->mount;
    cleanup(tree_node_done) struct tree_node n = {0};
    int err = tree_find(&m->tree, r->ino, &n);
    bool complete = sync_is_complete(m->sync);
    if (!err && r->ino == NODE_ROOT)
        err = dir_settle_other(r, complete);
    if (err)
        return err;
    cleanup(dir_done) struct dir d = {.r = r, .node = &n, .plus = plus};
    d.bytes = malloc(r->size ? r->size : 1);
    return d.bytes ? dir_read(&d, &n, complete) : -ENOMEM;
}

int fs_readdir(struct request *r)
{
    return dir_begin(r, false);
}

int fs_readdirplus(struct request *r)
{
    return dir_begin(r, true);
}
