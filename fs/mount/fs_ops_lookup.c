/* SPDX-License-Identifier: MIT */
/*
 * fs_ops_lookup.c - LOOKUP: what the tree says of a name, or a wait for the
 * answer that it lacks.
 */
#include "mount/fs_ops.h"

#include <errno.h>
#include <string.h>

/* Before the catalogue is read: the commit that ends an absence must know
 * that the kernel may hold it. */
static bool lookup_note_complete(struct mount *m)
{
    bool complete = sync_is_complete(m->sync);
    if (complete)
        m->long_negatives = true;
    return complete;
}

/* What is late is told with what the kernel was told of it before. */
static int lookup_reply(struct request *r, struct tree_entry *e)
{
    struct node n;
    if (node_parse(e->ino, &n) && tree_is_late(n.kind)) {
        int err = fs_media_lookup(r->mount, &n, e);
        if (err)
            return err;
    }
    return fs_reply_entry(r, e);
}

static int lookup_name(struct request *r, const struct tree_node *dir)
{
    struct mount *m = r->mount;
    cleanup(tree_lookup_done) struct tree_lookup l = {
        .name = r->name,
        .complete = lookup_note_complete(m),
        .asked = r->asked & (REQUEST_ASKED_CHANGE - 1)};
    int answer = tree_lookup(&m->tree, dir, &l);
    if (view_is_crowded(m->tree.views))
        notify_views(m->notify);
    switch (answer) {
    case TREE_FOUND:
        return lookup_reply(r, &l.entry);
    case TREE_ABSENT:
        return fs_reply_negative(r, l.entry.entry_timeout_s);
    case TREE_ASK:
        return park_ask(r, &l.question);
    default:
        return answer;
    }
}

static int lookup_entry(struct mount *m, const struct tree_node *n,
                        struct tree_entry *e)
{
    return tree_is_late(n->id.kind) ? fs_media_lookup(m, &n->id, e)
                                    : tree_attr(&m->tree, n, e);
}

/* "." and "..": what the kernel asks who has a file handle, of an inode that it
 * forgot; whose view is gone with it has none. */
static int lookup_handle(struct request *r, const struct tree_node *n)
{
    struct mount *m = r->mount;
    struct tree_entry e;
    uint64_t ino;
    cleanup(tree_node_done) struct tree_node parent = {0};
    int err = 0;
    if (strcmp(r->name, ".") == 0) {
        err = lookup_entry(m, n, &e);
        return err ? err : fs_reply_entry(r, &e);
    }
    err = tree_parent(n, &ino);
    if (!err)
        err = tree_find(&m->tree, ino, &parent);
    if (!err)
        err = lookup_entry(m, &parent, &e);
    return err ? err : fs_reply_entry(r, &e);
}

int fs_lookup(struct request *r)
{
    cleanup(tree_node_done) struct tree_node n = {0};
    int err = tree_find(&r->mount->tree, r->ino, &n);
    if (err)
        return err;
    return strcmp(r->name, ".") == 0 || strcmp(r->name, "..") == 0
               ? lookup_handle(r, &n)
               : lookup_name(r, &n);
}
