/* SPDX-License-Identifier: MIT */
#include "mount/fs_ops.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "mount/entry.h"

#define LOG_TEXT_SIZE 160

bool fs_name_is_ours(const struct view *v, const char *name)
{
    static const char *const anywhere[] = {".assets.ndjson", ".pictures"};
    static const char *const in_root[] = {".id", ".media", ".twelvefs",
                                          "pictures"};
    enum asset_type type;
    for (size_t i = 0; i < array_count(anywhere); i++)
        if (strcmp(name, anywhere[i]) == 0)
            return true;
    if (v->number != VIEW_ROOT)
        return false;
    for (size_t i = 0; i < array_count(in_root); i++)
        if (strcmp(name, in_root[i]) == 0)
            return true;
    return asset_type_parse(name, &type) == 0;
}

static bool is_asset_here(struct catalogue_reader *reader, const struct view *v,
                          const char *name)
{
    struct catalogue_entry asset;
    if (v->number == VIEW_ROOT || catalogue_get_by_folder(reader, name, &asset))
        return false;
    return v->type == ASSET_TYPE_COUNT
               ? catalogue_matches(reader, &v->query, asset.row) == 0
               : asset.type == v->type;
}

int fs_link_check(struct request *r, const struct view *v, const char **ret_why)
{
    struct catalogue_link link;
    *ret_why = "the name has over 255 bytes";
    if (strlen(r->name) > NAME_MAX)
        return -ENAMETOOLONG;
    *ret_why = "the name is a query itself";
    if (query_is_segment(r->name))
        return -EINVAL;
    *ret_why = "the name is one that every such directory has";
    if (fs_name_is_ours(v, r->name))
        return -EEXIST;
    cleanup(release_reader) struct catalogue_reader *reader =
        catalogue_reader_acquire(r->mount->catalogue);
    if (!reader) {
        *ret_why = NULL;
        return -ENOMEM;
    }
    *ret_why = "there is one of that name";
    if (is_asset_here(reader, v, r->name) ||
        catalogue_link_get(reader, v->place, r->name, &link) == 0)
        return -EEXIST;
    int err =
        query_check_target(r->text, catalogue_field_known, reader, ret_why);
    if (err == -ENOMEM)
        *ret_why = NULL;
    return err;
}

/* The view that a name is changed in, held; where nothing can be -EROFS, in an
 * asset's folder -EPERM. */
static int begin_change(struct request *r, struct view_hold *hold)
{
    struct node n;
    int err = fs_node(r->mount, r->ino, &n, hold);
    if (err)
        return err;
    if (n.kind == NODE_VIEW && view_is_listing(hold->view))
        return 0;
    return n.kind == NODE_FOLDER ? -EPERM : -EROFS;
}

void fs_link_changed(struct mount *m, const struct view *v)
{
    int64_t now_ns = clock_wall_ns();
    if (v->number == VIEW_ROOT)
        m->root_changed_ns = now_ns;
    m->links_changed_ns = now_ns;
    m->link_changes++;
}

/* Why it failed, as errno of symlink(2); who asked can't be told more. */
static int refuse_link(const struct request *r, int err, const char *why)
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
    cleanup(view_hold_done) struct view_hold hold = {0};
    int err = begin_change(r, &hold);
    if (err)
        return err;
    const struct view *v = hold.view;
    if (!request_has_asked(r, SYNC_LINK_ADD)) {
        const char *why;
        err = fs_link_check(r, v, &why);
        return err ? refuse_link(r, err, why)
                   : park_ask(r, &(struct sync_question){.want = SYNC_LINK_ADD,
                                                         .place = v->place,
                                                         .text = r->name,
                                                         .target = r->text});
    }
    cleanup(release_reader) struct catalogue_reader *reader =
        catalogue_reader_acquire(m->catalogue);
    if (!reader)
        return -ENOMEM;
    struct catalogue_link link;
    struct fuse_entry_param e;
    err = catalogue_link_get(reader, v->place, r->name, &link);
    if (err)
        return err;
    fs_link_changed(m, v);
    entry_saved(m, v, &link, &e);
    return fs_reply_entry(r, &e);
}

static int unlink_saved(struct request *r)
{
    struct mount *m = r->mount;
    cleanup(view_hold_done) struct view_hold hold = {0};
    int err = begin_change(r, &hold);
    if (err)
        return err;
    const struct view *v = hold.view;
    if (request_has_asked(r, SYNC_LINK_REMOVE)) {
        fs_link_changed(m, v);
        (void)fuse_reply_err(r->req, 0);
        return 0;
    }
    cleanup(release_reader) struct catalogue_reader *reader =
        catalogue_reader_acquire(m->catalogue);
    if (!reader)
        return -ENOMEM;
    struct catalogue_link link;
    err = catalogue_link_get(reader, v->place, r->name, &link);
    if (err)
        return err == -ENOENT ? -EROFS : err;
    return park_ask(r, &(struct sync_question){.want = SYNC_LINK_REMOVE,
                                               .place = v->place,
                                               .text = r->name});
}

int fs_unlink(struct request *r)
{
    int result = unlink_saved(r);
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
