/* SPDX-License-Identifier: MIT */
#include "mount/fs_ops.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "mount/entry.h"
#include "mount/status.h"

/* Before the catalogue is read: the commit that ends an absence must know
 * that the kernel may hold it. */
static bool note_complete(struct mount *m)
{
    bool complete = sync_is_complete(m->sync);
    if (complete)
        m->long_negatives = true;
    return complete;
}

static int lookup_lines(struct request *r, const struct view *v)
{
    struct mount *m = r->mount;
    int waits = fs_need_cover(r, v);
    if (waits)
        return waits;
    cleanup(release_reader) struct catalogue_reader *reader = NULL;
    int err = fs_acquire_covering(r, v, &reader);
    if (err)
        return err;
    struct selection *s;
    err = selection_open(m->selections, v, reader, &s);
    if (err)
        return err;
    struct fuse_entry_param e;
    entry_lines(m, v, s, &e);
    selection_close(m->selections, s);
    return fs_reply_entry(r, &e);
}

static bool any_field(void *ctx, const char *field)
{
    (void)ctx;
    (void)field;
    return true;
}

/* Well-formed, so only its key speaks against it: the walk may yet bring an
 * asset that has it. */
static bool is_query_of_some_field(const char *segment)
{
    cleanup(query_done) struct query q = {0};
    return query_add(&q, segment, any_field, NULL) == 0;
}

static int lookup_segment(struct request *r, struct view *parent)
{
    struct mount *m = r->mount;
    struct view_hold hold = {.table = m->views};
    bool complete = note_complete(m);
    cleanup(release_reader) struct catalogue_reader *reader =
        catalogue_reader_acquire(m->catalogue);
    if (!reader)
        return -ENOMEM;
    int err = view_enter(m->views, parent, r->name, catalogue_field_known,
                         reader, &hold.view);
    if (view_is_crowded(m->views))
        notify_views(m->notify);
    if (err == -ENOENT && !complete && !request_has_asked(r, SYNC_COMPLETE) &&
        is_query_of_some_field(r->name))
        return park_ask(r, &(struct sync_question){.want = SYNC_COMPLETE});
    /* Not for long: the field may be seen in the next commit. */
    if (err == -ENOENT)
        return fs_reply_negative(r, complete ? m->refresh_s
                                             : FS_PARKED_NEGATIVE_S);
    if (err)
        return err;
    struct fuse_entry_param e;
    entry_view(m, hold.view, &e);
    err = fs_reply_entry(r, &e);
    view_hold_done(&hold);
    return err;
}

/* 0 with the asset that has this folder name and meets the view's query; a
 * wait; -ENOENT: not known; -ENODATA: known not to be there. */
static int find_asset(struct request *r, const struct view *v,
                      struct catalogue_reader *reader, const char *folder,
                      struct catalogue_entry *ret)
{
    int err = catalogue_get_by_folder(reader, folder, ret);
    if (err)
        return err;
    if (v->type != ASSET_TYPE_COUNT)
        return ret->type == v->type ? 0 : -ENODATA;
    if (v->number == VIEW_ROOT)
        return 0;
    int64_t row = ret->row;
    int waits = fs_need_fields(r, v, reader);
    if (waits)
        return waits;
    err = catalogue_matches(reader, &v->query, row);
    if (err)
        return err == -ENOENT ? -ENODATA : err;
    return catalogue_get(reader, row, ret);
}

/* Whether the catalogue has all names of a view, though it isn't complete. */
static bool covers_names(const struct mount *m, const struct view *v)
{
    return view_is_query(v) && sync_covers(m->sync, &v->query);
}

/* The end of a lookup that found nothing: wait, or say so. err is
 * find_asset's; complete, covered: as they were before the catalogue was read;
 * timeout_s: how long an absence may be believed that the whole catalogue
 * shows. */
static int settle_absence(struct request *r, const struct view *v, int err,
                          bool complete, bool covered, const char *folder,
                          double timeout_s)
{
    bool settled = complete || covered || err == -ENODATA;
    if (!settled && !request_has_asked(r, SYNC_NAME) && !name_is_probe(r->name))
        return park_ask(r, &(struct sync_question){.want = SYNC_NAME,
                                                   .query = &v->query,
                                                   .text = folder});
    return fs_reply_negative(r, complete && !r->asked ? timeout_s
                                                      : FS_PARKED_NEGATIVE_S);
}

static int lookup_asset(struct request *r, const struct view *v)
{
    struct mount *m = r->mount;
    bool complete = note_complete(m);
    bool covered = !complete && covers_names(m, v);
    cleanup(release_reader) struct catalogue_reader *reader =
        catalogue_reader_acquire(m->catalogue);
    if (!reader)
        return -ENOMEM;
    struct catalogue_entry asset;
    struct fuse_entry_param e;
    int err = v->number == VIEW_ROOT
                  ? -ENODATA
                  : find_asset(r, v, reader, r->name, &asset);
    if (err == 0) {
        entry_folder(m, v, &asset, &e);
        return fs_reply_entry(r, &e);
    }
    if (err != -ENOENT && err != -ENODATA)
        return err;
    struct catalogue_link link;
    int link_err = catalogue_link_get(reader, v->place, r->name, &link);
    if (link_err == 0) {
        entry_saved(m, v, &link, &e);
        return fs_reply_entry(r, &e);
    }
    if (link_err != -ENOENT)
        return link_err;
    return settle_absence(r, v, err, complete || v->number == VIEW_ROOT,
                          covered, r->name, entry_timeout(m, v));
}

/* What only the root has: 0 when it was replied, -ENOENT for another name. */
static int lookup_root_name(struct request *r)
{
    static const struct {
        const char *name;
        enum node_fixed which;
    } fixed[] = {{".media", NODE_FIXED_MEDIA},
                 {".twelvefs", NODE_FIXED_CONTROL},
                 {"pictures", NODE_FIXED_PICTURES}};
    struct mount *m = r->mount;
    struct fuse_entry_param e;
    for (size_t i = 0; i < array_count(fixed); i++) {
        if (strcmp(r->name, fixed[i].name) == 0) {
            entry_fixed(m, fixed[i].which, &e);
            return fs_reply_entry(r, &e);
        }
    }
    enum asset_type type;
    uint32_t number = VIEW_ID;
    if (strcmp(r->name, ".id") != 0) {
        if (asset_type_parse(r->name, &type))
            return -ENOENT;
        number = VIEW_FIRST_TYPE + (uint32_t)type;
        if (type == ASSET_OTHER) {
            bool complete = note_complete(m);
            if (!m->other_shown && !m->other_offered && complete)
                return fs_reply_negative(r, ATTR_DAY_S);
        }
    }
    struct view_hold hold = {.table = m->views,
                             .view = view_get(m->views, number)};
    entry_view(m, hold.view, &e);
    view_hold_done(&hold);
    return fs_reply_entry(r, &e);
}

static int lookup_in_listing(struct request *r, struct view *v)
{
    struct fuse_entry_param e;
    if (v->number == VIEW_ROOT) {
        int err = lookup_root_name(r);
        if (err != -ENOENT)
            return err;
    }
    if (strcmp(r->name, ".assets.ndjson") == 0)
        return lookup_lines(r, v);
    if (strcmp(r->name, ".pictures") == 0) {
        entry_pictures(r->mount, v, &e);
        return fs_reply_entry(r, &e);
    }
    if (query_is_segment(r->name))
        return lookup_segment(r, v);
    return lookup_asset(r, v);
}

/* VIEW/.pictures/<folder name>.<ext> */
static int lookup_contact(struct request *r, const struct view *v)
{
    struct mount *m = r->mount;
    char folder[NAME_SIZE], name[NAME_SIZE];
    const char *dot = strrchr(r->name, '.');
    if (!dot || dot == r->name || (size_t)(dot - r->name) >= sizeof(folder))
        return fs_reply_negative(r, m->refresh_s);
    memcpy(folder, r->name, (size_t)(dot - r->name));
    folder[dot - r->name] = '\0';

    bool complete = note_complete(m);
    bool covered = !complete && covers_names(m, v);
    cleanup(release_reader) struct catalogue_reader *reader =
        catalogue_reader_acquire(m->catalogue);
    if (!reader)
        return -ENOMEM;
    struct catalogue_entry asset;
    int err = find_asset(r, v, reader, folder, &asset);
    if (!err &&
        (entry_contact_name(&asset, name) || strcmp(name, r->name) != 0))
        err = -ENODATA;
    if (err == -ENOENT || err == -ENODATA)
        return settle_absence(r, v, err, complete, covered, folder,
                              m->refresh_s);
    struct fuse_entry_param e;
    if (!err)
        err = entry_link(m, v, NODE_CONTACT, &asset, &e);
    return err ? err : fs_reply_entry(r, &e);
}

/* .id/<id> and .media/<id> */
static int lookup_id(struct request *r, const struct view *v)
{
    struct mount *m = r->mount;
    char id[NAME_SIZE];
    if (name_to_id(r->name, id))
        return fs_reply_negative(r, m->refresh_s);
    bool complete = note_complete(m);
    cleanup(release_reader) struct catalogue_reader *reader =
        catalogue_reader_acquire(m->catalogue);
    if (!reader)
        return -ENOMEM;
    struct catalogue_entry asset;
    struct fuse_entry_param e;
    int err = catalogue_get_by_id(reader, id, &asset);
    if (err == 0) {
        if (v)
            entry_folder(m, v, &asset, &e);
        else
            entry_media(m, &asset, &e);
        return fs_reply_entry(r, &e);
    }
    if (err != -ENOENT)
        return err;
    if (!complete && !request_has_asked(r, SYNC_ID) && !name_is_probe(r->name))
        return park_ask(r,
                        &(struct sync_question){.want = SYNC_ID, .text = id});
    return fs_reply_negative(r, complete ? m->refresh_s : FS_PARKED_NEGATIVE_S);
}

static int get_asset(struct catalogue_reader *reader, int64_t row,
                     struct catalogue_entry *ret)
{
    if (!reader)
        return -ENOMEM;
    int err = catalogue_get(reader, row, ret);
    return err == -ENOENT ? -ESTALE : err;
}

static int lookup_in_folder(struct request *r, const struct view *v,
                            int64_t row)
{
    struct mount *m = r->mount;
    cleanup(release_reader) struct catalogue_reader *reader =
        catalogue_reader_acquire(m->catalogue);
    struct catalogue_entry asset;
    struct fuse_entry_param e;
    int err = get_asset(reader, row, &asset);
    if (err)
        return err;
    if (strcmp(r->name, "metadata.json") == 0)
        err = entry_file(m, v, NODE_METADATA, &asset, &e);
    else if (strcmp(r->name, "thumbnail.url") == 0)
        err = entry_file(m, v, NODE_PICTURE_URL, &asset, &e);
    else if (strcmp(r->name, "manifest.url") == 0)
        err = entry_file(m, v, NODE_MANIFEST_URL, &asset, &e);
    else if (strcmp(r->name, "media") == 0)
        err = entry_link(m, v, NODE_MEDIA_LINK, &asset, &e);
    else
        err = -ENOENT;
    if (err == -ENOENT)
        return fs_reply_negative(r, entry_timeout(m, v));
    return err ? err : fs_reply_entry(r, &e);
}

static int lookup_in_media(struct request *r, int64_t row)
{
    struct mount *m = r->mount;
    cleanup(release_reader) struct catalogue_reader *reader =
        catalogue_reader_acquire(m->catalogue);
    struct catalogue_entry asset;
    struct fuse_entry_param e;
    char picture[ENTRY_PICTURE_SIZE];
    int err = get_asset(reader, row, &asset);
    if (err)
        return err;
    enum node_kind kind = NODE_KIND_COUNT;
    if (entry_picture_name(&asset, picture) == 0 &&
        strcmp(r->name, picture) == 0)
        kind = NODE_PICTURE;
    else if (strcmp(r->name, "manifest.m3u8") == 0 && asset.manifest_url)
        kind = NODE_PLAYLIST;
    else
        return fs_reply_negative(r, m->refresh_s);
    err = fs_media_lookup(m, &(struct node){.kind = kind, .row = row}, &e);
    return err ? err : fs_reply_entry(r, &e);
}

static int lookup_fixed(struct request *r, int64_t which)
{
    struct fuse_entry_param e;
    struct mount *m = r->mount;
    if (which == NODE_FIXED_MEDIA)
        return lookup_id(r, NULL);
    if (which != NODE_FIXED_CONTROL)
        return -ENOTDIR;
    if (strcmp(r->name, "status.json") != 0)
        return fs_reply_negative(r, ATTR_DAY_S);
    int64_t number;
    size_t size;
    int err = status_keep(m->statuses, m, &number, &size);
    if (err)
        return err;
    entry_status(m, number, size, &e);
    return fs_reply_entry(r, &e);
}

/* The directory that one stands in. */
static int find_parent(const struct node *n, const struct view *v,
                       uint64_t *ret_number)
{
    switch (n->kind) {
    case NODE_VIEW:
        *ret_number = node_number(NODE_VIEW,
                                  v->parent ? v->parent->number : VIEW_ROOT, 1);
        return 0;
    case NODE_PICTURES:
    case NODE_FOLDER:
        *ret_number = node_number(NODE_VIEW, n->view, 1);
        return 0;
    case NODE_MEDIA:
        *ret_number = node_number(NODE_FIXED, 0, NODE_FIXED_MEDIA);
        return 0;
    case NODE_FIXED:
        *ret_number = NODE_ROOT;
        return 0;
    default:
        return -ENOTDIR;
    }
}

/* "." and "..": what the kernel asks who has a file handle, of an inode that it
 * forgot; whose view is gone with it has none. */
static int lookup_handle(struct request *r, const struct node *n,
                         const struct view *v)
{
    struct fuse_entry_param e;
    int err;
    if (strcmp(r->name, ".") == 0) {
        err = fs_entry(r, n, v, &e);
        return err ? err : fs_reply_entry(r, &e);
    }
    uint64_t number;
    struct node parent;
    cleanup(view_hold_done) struct view_hold hold = {0};
    err = find_parent(n, v, &number);
    if (!err)
        err = fs_node(r->mount, number, &parent, &hold);
    if (!err)
        err = fs_entry(r, &parent, hold.view, &e);
    return err ? err : fs_reply_entry(r, &e);
}

int fs_lookup(struct request *r)
{
    struct node n;
    cleanup(view_hold_done) struct view_hold hold = {0};
    if (strlen(r->name) > NAME_MAX)
        return -ENAMETOOLONG;
    int err = fs_node(r->mount, r->ino, &n, &hold);
    if (err)
        return err;
    if (strcmp(r->name, ".") == 0 || strcmp(r->name, "..") == 0)
        return lookup_handle(r, &n, hold.view);
    switch (n.kind) {
    case NODE_VIEW:
        return view_is_listing(hold.view) ? lookup_in_listing(r, hold.view)
                                          : lookup_id(r, hold.view);
    case NODE_PICTURES:
        return lookup_contact(r, hold.view);
    case NODE_FOLDER:
        return lookup_in_folder(r, hold.view, n.row);
    case NODE_MEDIA:
        return lookup_in_media(r, n.row);
    case NODE_FIXED:
        return lookup_fixed(r, n.row);
    default:
        return -ENOTDIR;
    }
}
