/* SPDX-License-Identifier: MIT */
/*
 * fs_ops_saved.c - queries saved under a name, which are links: SYMLINK and
 * UNLINK; and WRITE, which nothing takes.
 */
#include "mount/fs_ops.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/log.h"

#define LOG_TEXT_SIZE 160

int fs_saved_check(struct request *r, const struct view *v,
                   const char **ret_why)
{
    struct catalogue_link link;
    struct catalogue_entry asset;
    *ret_why = "the name has over 255 bytes";
    if (strlen(r->name) > NAME_MAX)
        return -ENAMETOOLONG;
    *ret_why = "the name is a query itself";
    if (query_is_segment(r->name))
        return -EINVAL;
    *ret_why = "the name is one that every such directory has";
    if (tree_name_is_ours(&r->mount->tree, v, r->name))
        return -EEXIST;
    cleanup(release_reader) struct catalogue_reader *reader =
        catalogue_reader_acquire(r->mount->catalogue);
    if (!reader) {
        *ret_why = NULL;
        return -ENOMEM;
    }
    *ret_why = "there is one of that name";
    if (tree_get_asset(reader, v, r->name, &asset) == 0 ||
        catalogue_link_get(reader, v->path, r->name, &link) == 0)
        return -EEXIST;
    int err =
        query_check_target(r->text, catalogue_field_known, reader, ret_why);
    if (err == -ENOMEM)
        *ret_why = NULL;
    return err;
}

/* The view that a name is changed in, held; where nothing can be -EROFS, in an
 * asset's folder -EPERM. */
static int saved_begin(struct request *r, struct tree_node *ret_node)
{
    int err = tree_find(&r->mount->tree, r->ino, ret_node);
    if (err)
        return err;
    if (ret_node->id.kind == NODE_VIEW && view_is_listing(ret_node->view))
        return 0;
    return ret_node->id.kind == NODE_FOLDER ? -EPERM : -EROFS;
}

/* Why it failed, as errno of symlink(2); who asked can't be told more. */
static int saved_refuse(const struct request *r, int err, const char *why)
{
    char quoted[LOG_TEXT_SIZE];
    if (err != -EINVAL)
        return err;
    log_warning("only queries can be saved as links, not %s: %s",
                log_quote(r->text, strlen(r->text), quoted, sizeof(quoted)),
                why);
    return -EROFS;
}

int fs_symlink(struct request *r)
{
    struct mount *m = r->mount;
    cleanup(tree_node_done) struct tree_node n = {0};
    int err = saved_begin(r, &n);
    if (err)
        return err;
    const struct view *v = n.view;
    if (!request_has_asked(r, SYNC_LINK_ADD)) {
        const char *why;
        err = fs_saved_check(r, v, &why);
        return err ? saved_refuse(r, err, why)
                   : park_ask(r, &(struct sync_question){.want = SYNC_LINK_ADD,
                                                         .place = v->path,
                                                         .text = r->name,
                                                         .target = r->text});
    }
    cleanup(release_reader) struct catalogue_reader *reader =
        catalogue_reader_acquire(m->catalogue);
    if (!reader)
        return -ENOMEM;
    struct catalogue_link link;
    struct tree_entry e;
    err = catalogue_link_get(reader, v->path, r->name, &link);
    if (err)
        return err;
    tree_saved_changed(&m->tree, v);
    tree_saved_entry(&m->tree, v, &link, &e);
    return fs_reply_entry(r, &e);
}

static int saved_unlink(struct request *r)
{
    struct mount *m = r->mount;
    cleanup(tree_node_done) struct tree_node n = {0};
    int err = saved_begin(r, &n);
    if (err)
        return err;
    const struct view *v = n.view;
    if (request_has_asked(r, SYNC_LINK_REMOVE)) {
        tree_saved_changed(&m->tree, v);
        (void)fuse_reply_err(r->req, 0);
        return 0;
    }
    cleanup(release_reader) struct catalogue_reader *reader =
        catalogue_reader_acquire(m->catalogue);
    if (!reader)
        return -ENOMEM;
    struct catalogue_link link;
    err = catalogue_link_get(reader, v->path, r->name, &link);
    if (err)
        return err == -ENOENT ? -EROFS : err;
    return park_ask(r, &(struct sync_question){.want = SYNC_LINK_REMOVE,
                                               .place = v->path,
                                               .text = r->name});
}

int fs_unlink(struct request *r)
{
    int result = saved_unlink(r);
    if (result == -EPERM || result == -EROFS)
        fs_note_refusal(r->mount);
    return result;
}

/* It fails; but one through a mapping is in the page that all read by then. */
int fs_write(struct request *r)
{
    notify_written(r->mount->notify, r->ino);
    return -EROFS;
}
