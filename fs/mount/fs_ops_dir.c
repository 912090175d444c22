/* SPDX-License-Identifier: MIT */
#include "mount/fs_ops.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "mount/entry.h"

/* Offsets are class << 60 | version << 40 | position: what stands in every such
 * directory by its ordinal, saved links by their number, assets by their row.
 * Positions only ascend, so a listing goes on rightly whatever came or went
 * meanwhile. The version, its low bits, is that of the selection which the
 * reader is in (selection.h), so that he is given no older one. */
enum offset_class { OFFSET_FIXED = 1, OFFSET_SAVED, OFFSET_ASSET };
#define OFFSET_POSITION_BITS 40
#define OFFSET_VERSION_BITS  20
#define OFFSET_MASK          ((INT64_C(1) << OFFSET_POSITION_BITS) - 1)
#define OFFSET_SHIFT         (OFFSET_POSITION_BITS + OFFSET_VERSION_BITS)

_Static_assert(NODE_ROW_BITS <= OFFSET_POSITION_BITS, "a row is a position");

#define ROWS_BATCH    256
#define OTHER_WAIT_MS 2000 /* a listing of the root for the walk */

struct dir {
    struct request *r;
    struct mount *mount;
    const struct view *view;
    char *bytes;
    size_t used;
    bool plus;
    bool full;
    uint64_t remembered; /* numbers of `view` in there */
    int64_t seen;        /* the last row looked at, shown or not */
    uint64_t version;    /* of the selection that is read; 0 none */
};

static void dir_done(struct dir *d)
{
    free(d->bytes);
}

static off_t offset(enum offset_class class, int64_t position)
{
    return (off_t)((int64_t) class << OFFSET_SHIFT | position);
}

static off_t asset_offset(const struct dir *d, int64_t row)
{
    uint64_t version = d->version & ((1u << OFFSET_VERSION_BITS) - 1);
    return offset(OFFSET_ASSET, row) | (off_t)(version << OFFSET_POSITION_BITS);
}

/* The position after which a class goes on; OFFSET_MASK when it is through. */
static int64_t position_in(const struct request *r, enum offset_class class)
{
    int64_t at = (int64_t)r->off >> OFFSET_SHIFT;
    if (at < (int64_t) class)
        return 0;
    return at > (int64_t) class ? OFFSET_MASK : (int64_t)r->off & OFFSET_MASK;
}

/* False when it no longer fits. */
static bool dir_add(struct dir *d, const char *name,
                    const struct fuse_entry_param *e, off_t next)
{
    fuse_req_t req = d->r->req;
    char *at = d->bytes + d->used;
    size_t room = d->r->size - d->used;
    size_t need = d->plus
                      ? fuse_add_direntry_plus(req, at, room, name, e, next)
                      : fuse_add_direntry(req, at, room, name, &e->attr, next);
    if (need > room) {
        d->full = true;
        return false;
    }
    d->used += need;
    struct node n;
    if (d->plus && node_parse(e->ino, &n) && node_is_per_view(n.kind) &&
        n.view == d->view->number)
        d->remembered++;
    return true;
}

/* "." and "..": a number and a kind, which the kernel doesn't look up. */
static bool dir_add_dots(struct dir *d, uint64_t self, uint64_t parent)
{
    const uint64_t numbers[] = {self, parent};
    int64_t after = position_in(d->r, OFFSET_FIXED);
    for (int64_t i = after; i < 2; i++) {
        struct fuse_entry_param e = {
            .attr = {.st_ino = numbers[i], .st_mode = S_IFDIR}};
        if (!dir_add(d, i == 0 ? "." : "..", &e, offset(OFFSET_FIXED, i + 1)))
            return false;
    }
    return true;
}

static uint64_t parent_of(const struct view *v)
{
    return node_number(NODE_VIEW, v->parent ? v->parent->number : VIEW_ROOT, 1);
}

/* Whether other/ is in the root shows at the latest when the walk is through.
 * That is waited for, a little: then other/ is listed, since an asset may yet
 * come to stand in there, and whoever reads it waits for the walk. */
static int settle_other(struct request *r, bool complete)
{
    struct mount *m = r->mount;
    if (complete || m->other_shown || m->other_offered)
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
    m->other_offered = true;
    return 0;
}

/* What the root has beside saved links. */
static bool dir_add_types(struct dir *d)
{
    bool other = entry_lists_other(d->mount);
    int64_t after = position_in(d->r, OFFSET_FIXED);
    for (int64_t i = 0; i < ASSET_TYPE_COUNT; i++) {
        if (i + 3 <= after || (i == ASSET_OTHER && !other))
            continue;
        struct fuse_entry_param e;
        struct view *v =
            view_get(d->mount->views, VIEW_FIRST_TYPE + (uint32_t)i);
        entry_view(d->mount, v, &e);
        view_unref(d->mount->views, v);
        if (!dir_add(d, asset_type_name((enum asset_type)i), &e,
                     offset(OFFSET_FIXED, i + 3)))
            return false;
    }
    if (after >= ASSET_TYPE_COUNT + 3)
        return true;
    struct fuse_entry_param e;
    entry_fixed(d->mount, NODE_FIXED_PICTURES, &e);
    return dir_add(d, "pictures", &e,
                   offset(OFFSET_FIXED, ASSET_TYPE_COUNT + 3));
}

struct one_link {
    struct catalogue_link link;
    char name[NAME_SIZE];
    bool found;
    struct fuse_entry_param entry;
    const struct dir *dir;
};

static bool take_link(void *ctx, const struct catalogue_link *link)
{
    struct one_link *one = ctx;
    if (strlen(link->name) >= NAME_SIZE)
        return true;
    (void)strcpy(one->name, link->name);
    one->link = *link;
    one->found = true;
    entry_saved(one->dir->mount, one->dir->view, link, &one->entry);
    return false;
}

/* What came later under a saved link's name hides it: an asset, or a name that
 * a newer twelvefs took. */
static bool is_hidden(const struct dir *d, struct catalogue_reader *reader,
                      const char *name)
{
    struct catalogue_entry asset;
    const struct view *v = d->view;
    if (fs_name_is_ours(v, name))
        return true;
    if (v->number == VIEW_ROOT || catalogue_get_by_folder(reader, name, &asset))
        return false;
    return v->type != ASSET_TYPE_COUNT
               ? asset.type == v->type
               : catalogue_matches(reader, &v->query, asset.row) == 0;
}

static int dir_add_links(struct dir *d, struct catalogue_reader *reader)
{
    int64_t after = position_in(d->r, OFFSET_SAVED);
    while (after != OFFSET_MASK && !d->full) {
        struct one_link one = {.dir = d};
        int err =
            catalogue_links(reader, d->view->place, after, take_link, &one);
        if (err || !one.found)
            return err;
        after = one.link.link;
        if (!is_hidden(d, reader, one.name))
            (void)dir_add(d, one.name, &one.entry, offset(OFFSET_SAVED, after));
    }
    return 0;
}

/* From the covering index: no more SQL for an entry. */
static bool add_listed(void *ctx, const struct catalogue_entry *asset)
{
    struct dir *d = ctx;
    struct fuse_entry_param e;
    entry_folder(d->mount, d->view, asset, &e);
    return dir_add(d, asset->folder, &e, asset_offset(d, asset->row));
}

static int add_folder(struct dir *d, const struct catalogue_entry *asset)
{
    if (asset->folder)
        (void)add_listed(d, asset);
    return 0;
}

static int add_contact(struct dir *d, const struct catalogue_entry *asset)
{
    char name[NAME_SIZE];
    struct fuse_entry_param e;
    if (entry_contact_name(asset, name))
        return 0;
    int err = entry_link(d->mount, d->view, NODE_CONTACT, asset, &e);
    if (err)
        return err == -ENOENT ? 0 : err;
    (void)dir_add(d, name, &e, asset_offset(d, asset->row));
    return 0;
}

typedef int add_fn(struct dir *d, const struct catalogue_entry *asset);

static int add_row(struct dir *d, struct catalogue_reader *reader, int64_t row,
                   add_fn *add)
{
    struct catalogue_entry asset;
    int err = catalogue_get(reader, row, &asset);
    if (err)
        return err == -ENOENT ? 0 : err;
    return add(d, &asset);
}

/* The selection that the reader is in, while it is kept; else the newest. */
static int open_selection(const struct dir *d, struct catalogue_reader *reader,
                          int64_t after, struct selection **ret)
{
    struct selection_table *table = d->mount->selections;
    int err = -ESTALE;
    if (after)
        err = selection_find(table, d->view, reader,
                             (uint64_t)d->r->off >> OFFSET_POSITION_BITS,
                             OFFSET_VERSION_BITS, ret);
    return err == -ESTALE ? selection_open(table, d->view, reader, ret) : err;
}

/* The rows of a query view, those that went since left out. */
static int add_selected(struct dir *d, struct catalogue_reader *reader,
                        add_fn *add)
{
    int64_t after = position_in(d->r, OFFSET_ASSET);
    struct selection *s;
    int err = open_selection(d, reader, after, &s);
    if (err)
        return err;
    d->version = s->version;
    size_t i = selection_after(s, after);
    for (; !err && !d->full && i < s->count; i++)
        err = add_row(d, reader, s->rows[i], add);
    selection_close(d->mount->selections, s);
    return err;
}

struct rows {
    int64_t row[ROWS_BATCH];
    size_t count;
};

static bool take_row(void *ctx, const struct catalogue_entry *asset)
{
    struct rows *rows = ctx;
    rows->row[rows->count++] = asset->row;
    return rows->count < ROWS_BATCH;
}

/* The pictures of a type, or of all. */
static int add_contacts(struct dir *d, struct catalogue_reader *reader)
{
    int64_t after = position_in(d->r, OFFSET_ASSET);
    for (;;) {
        struct rows rows = {.count = 0};
        int err = catalogue_list(reader, d->view->type, after, take_row, &rows);
        for (size_t i = 0; !err && !d->full && i < rows.count; i++)
            err = add_row(d, reader, rows.row[i], add_contact);
        if (rows.count)
            d->seen = after = rows.row[rows.count - 1];
        if (err || d->full || rows.count < ROWS_BATCH)
            return err;
    }
}

/* Replies what was gathered. An empty reply ends the directory, so it must
 * be true. */
static int dir_reply(struct dir *d)
{
    if (d->used == 0 && d->full)
        return -EINVAL;
    uint32_t view = d->view->number;
    struct view_table *views = d->mount->views;
    view_remember(views, view, d->remembered);
    if (fuse_reply_buf(d->r->req, d->bytes, d->used))
        view_forget(views, view, d->remembered);
    return 0;
}

/* The end of what there is so far: while the walk goes on more may come. */
static int reply_or_wait(struct dir *d, bool complete)
{
    const struct view *v = d->view;
    bool whole = complete || view_is_query(v);
    if (whole || d->used > 0 || d->full)
        return dir_reply(d);
    int64_t after = position_in(d->r, OFFSET_ASSET);
    return park_ask(d->r, &(struct sync_question){
                              .want = SYNC_MORE,
                              .query = &v->query,
                              .after_row = d->seen > after ? d->seen : after});
}

static int read_listing(struct dir *d)
{
    struct mount *m = d->mount;
    const struct view *v = d->view;
    bool root = v->number == VIEW_ROOT;
    bool complete = sync_is_complete(m->sync);
    int unsettled = root ? settle_other(d->r, complete) : 0;
    if (unsettled)
        return unsettled;
    cleanup(release_reader) struct catalogue_reader *reader = NULL;
    int err = fs_acquire_covering(d->r, v, &reader);
    if (err)
        return err;
    if (!dir_add_dots(d, d->r->ino, parent_of(v)) ||
        (root && !dir_add_types(d)))
        return dir_reply(d);
    err = dir_add_links(d, reader);
    if (!err && !d->full && view_is_query(v))
        err = add_selected(d, reader, add_folder);
    else if (!err && !d->full && !root)
        err = catalogue_list(reader, v->type, position_in(d->r, OFFSET_ASSET),
                             add_listed, d);
    return err ? err : reply_or_wait(d, complete || root);
}

static int read_pictures(struct dir *d)
{
    struct mount *m = d->mount;
    const struct view *v = d->view;
    bool complete = sync_is_complete(m->sync);
    cleanup(release_reader) struct catalogue_reader *reader = NULL;
    int err = fs_acquire_covering(d->r, v, &reader);
    if (err)
        return err;
    if (!dir_add_dots(d, d->r->ino, node_number(NODE_VIEW, v->number, 1)))
        return dir_reply(d);
    err = view_is_query(v) ? add_selected(d, reader, add_contact)
                           : add_contacts(d, reader);
    return err ? err : reply_or_wait(d, complete);
}

/* The n-th name of a folder, from 3 on; -ENOENT where it has none such. */
static int folder_entry(const struct dir *d, int64_t ordinal,
                        const struct catalogue_entry *asset,
                        const char **ret_name, struct fuse_entry_param *e)
{
    static const struct {
        const char *name;
        enum node_kind kind;
    } entries[] = {{"metadata.json", NODE_METADATA},
                   {"thumbnail.url", NODE_PICTURE_URL},
                   {"manifest.url", NODE_MANIFEST_URL},
                   {"media", NODE_MEDIA_LINK}};
    size_t at = (size_t)(ordinal - 3);
    *ret_name = entries[at].name;
    return entries[at].kind == NODE_MEDIA_LINK
               ? entry_link(d->mount, d->view, NODE_MEDIA_LINK, asset, e)
               : entry_file(d->mount, d->view, entries[at].kind, asset, e);
}
#define FOLDER_LAST 6

static int get_row(struct dir *d, int64_t row,
                   struct catalogue_reader **ret_reader,
                   struct catalogue_entry *ret)
{
    *ret_reader = catalogue_reader_acquire(d->mount->catalogue);
    if (!*ret_reader)
        return -ENOMEM;
    int err = catalogue_get(*ret_reader, row, ret);
    return err == -ENOENT ? -ESTALE : err;
}

static int read_folder(struct dir *d, int64_t row)
{
    cleanup(release_reader) struct catalogue_reader *reader = NULL;
    struct catalogue_entry asset;
    int err = get_row(d, row, &reader, &asset);
    if (err)
        return err;
    if (!dir_add_dots(d, d->r->ino, node_number(NODE_VIEW, d->view->number, 1)))
        return dir_reply(d);
    int64_t after = position_in(d->r, OFFSET_FIXED);
    for (int64_t i = after < 2 ? 3 : after + 1; i <= FOLDER_LAST; i++) {
        const char *name;
        struct fuse_entry_param e;
        err = folder_entry(d, i, &asset, &name, &e);
        if (err == -ENOENT)
            continue;
        if (err)
            return err;
        if (!dir_add(d, name, &e, offset(OFFSET_FIXED, i)))
            break;
    }
    /* The end: the kernel knows the files' numbers from the piece before. */
    if (d->plus && d->used == 0 && !d->full)
        fs_push(d->mount, row);
    return dir_reply(d);
}

/* Sizes in there aren't known before somebody asks: no number, no lookup. */
static int read_media(struct dir *d, int64_t row)
{
    cleanup(release_reader) struct catalogue_reader *reader = NULL;
    struct catalogue_entry asset;
    int err = get_row(d, row, &reader, &asset);
    if (err)
        return err;
    static const enum node_kind kinds[] = {NODE_PICTURE, NODE_PLAYLIST};
    int64_t after = position_in(d->r, OFFSET_FIXED);
    bool more = dir_add_dots(d, d->r->ino,
                             node_number(NODE_FIXED, 0, NODE_FIXED_MEDIA));
    for (int64_t i = after < 2 ? 0 : after - 2; more && i < 2; i++) {
        char name[ENTRY_PICTURE_SIZE] = "manifest.m3u8";
        struct fuse_entry_param e;
        if (kinds[i] == NODE_PICTURE ? entry_picture_name(&asset, name) != 0
                                     : !asset.manifest_url)
            continue;
        entry_in_media(d->mount, &(struct node){.kind = kinds[i], .row = row},
                       -1, (struct timespec){0}, &e);
        e.ino = 0;
        more = dir_add(d, name, &e, offset(OFFSET_FIXED, i + 3));
    }
    return dir_reply(d);
}

static int read_fixed(struct dir *d, int64_t which)
{
    bool more = dir_add_dots(d, d->r->ino, NODE_ROOT);
    if (which == NODE_FIXED_CONTROL && more &&
        position_in(d->r, OFFSET_FIXED) < 3) {
        /* Each look at it finds a text of its own: no number, no lookup. */
        struct fuse_entry_param e;
        entry_status(d->mount, 1, 0, &e);
        e.ino = 0;
        (void)dir_add(d, "status.json", &e, offset(OFFSET_FIXED, 3));
    }
    return dir_reply(d);
}

static int read_directory(struct request *r, bool plus)
{
    struct node n;
    cleanup(view_hold_done) struct view_hold hold = {0};
    int err = fs_node(r->mount, r->ino, &n, &hold);
    if (err)
        return err;
    cleanup(dir_done) struct dir d = {
        .r = r, .mount = r->mount, .view = hold.view, .plus = plus};
    d.bytes = malloc(r->size ? r->size : 1);
    if (!d.bytes)
        return -ENOMEM;
    switch (n.kind) {
    case NODE_VIEW:
        if (view_is_listing(hold.view))
            return read_listing(&d);
        (void)dir_add_dots(&d, r->ino, NODE_ROOT); /* .id lists nothing */
        return dir_reply(&d);
    case NODE_PICTURES:
        return read_pictures(&d);
    case NODE_FOLDER:
        return read_folder(&d, n.row);
    case NODE_MEDIA:
        return read_media(&d, n.row);
    case NODE_FIXED:
        return read_fixed(&d, n.row);
    default:
        return -ENOTDIR;
    }
}

int fs_readdir(struct request *r)
{
    return read_directory(r, false);
}

int fs_readdirplus(struct request *r)
{
    return read_directory(r, true);
}
