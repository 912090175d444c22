/* SPDX-License-Identifier: MIT */
/*
 * list.c - all that stands in a directory, in turn.
 *
 * Offsets are class << 60 | version << 40 | position: what stands in every such
 * directory by its ordinal ("." is 1), saved queries by their number, assets by
 * their row. The version, its low bits, is that of the selection which the
 * reader is in (selection.h), so that he is given no older one.
 */
#include <errno.h>
#include <string.h>

#include "tree/tree_internal.h"

enum offset_class { OFFSET_FIXED = 1, OFFSET_SAVED, OFFSET_ASSET };
#define OFFSET_POSITION_BITS 40
#define OFFSET_VERSION_BITS  20
#define OFFSET_MASK          ((INT64_C(1) << OFFSET_POSITION_BITS) - 1)
#define OFFSET_SHIFT         (OFFSET_POSITION_BITS + OFFSET_VERSION_BITS)

_Static_assert(NODE_ROW_BITS <= OFFSET_POSITION_BITS, "a row is a position");

#define ORDINAL_FIRST 3 /* after "." and ".." */
#define ROWS_BATCH    256

static int64_t list_offset(enum offset_class class, int64_t position)
{
    return (int64_t) class << OFFSET_SHIFT | position;
}

static int64_t list_asset_offset(const struct tree_listing *l, int64_t row)
{
    uint64_t version = l->version & ((1u << OFFSET_VERSION_BITS) - 1);
    return list_offset(OFFSET_ASSET, row) |
           (int64_t)(version << OFFSET_POSITION_BITS);
}

/* The position after which a class goes on; OFFSET_MASK when it is through. */
static int64_t list_position(int64_t off, enum offset_class class)
{
    int64_t at = off >> OFFSET_SHIFT;
    if (at < (int64_t) class)
        return 0;
    return at > (int64_t) class ? OFFSET_MASK : off & OFFSET_MASK;
}

int64_t tree_offset_row(int64_t off)
{
    return list_position(off, OFFSET_ASSET);
}

/* Unless it is full, or was before. */
static void list_emit(struct tree_listing *l, const char *name,
                      const struct tree_entry *e, int64_t next)
{
    l->full = l->full || !l->emit(l->ctx, name, e, next);
}

/* What has an ordinal, unless it was listed before. */
static void list_fixed(struct tree_listing *l, int64_t ordinal,
                       const char *name, const struct tree_entry *e)
{
    if (ordinal > list_position(l->off, OFFSET_FIXED))
        list_emit(l, name, e, list_offset(OFFSET_FIXED, ordinal));
}

/* "." and "..": a number and a type, which the kernel doesn't look up. */
static int list_dots(struct tree_listing *l)
{
    const struct node *n = &l->dir->id;
    uint64_t self = node_ino(n->kind, n->view, n->row), parent;
    int err = tree_parent(l->dir, &parent);
    if (err)
        return err;
    struct tree_entry e = {.attr = {.st_ino = self, .st_mode = S_IFDIR}};
    list_fixed(l, 1, ".", &e);
    e.attr.st_ino = parent;
    list_fixed(l, 2, "..", &e);
    return 0;
}

/* The directories of types that the root has; the next ordinal. */
static int64_t list_types(struct tree_listing *l)
{
    struct tree *t = l->tree;
    bool other = tree_lists_other(t);
    for (int type = 0; type < ASSET_TYPE_COUNT && !l->full; type++) {
        if (type == ASSET_OTHER && !other)
            continue;
        struct tree_entry e;
        struct view *v = view_get(t->views, VIEW_FIRST_TYPE + (uint32_t)type);
        const struct tree_source s = {
            .tree = t, .kind = NODE_VIEW, .row = 1, .view = v};
        (void)tree_make_entry(&s, &e);
        list_fixed(l, ORDINAL_FIRST + type, v->segment, &e);
        view_unref(t->views, v);
    }
    return ORDINAL_FIRST + ASSET_TYPE_COUNT;
}

/* One name from the table, if the directory has it. */
static int list_child(struct tree_listing *l, int kind, int64_t ordinal,
                      const struct catalogue_entry *asset)
{
    const struct tree_kind *k = &tree_kinds[kind];
    struct tree_entry e;
    char space[NAME_SIZE];
    const struct tree_source s = {.tree = l->tree,
                                  .reader = l->reader,
                                  .kind = (enum node_kind)kind,
                                  .row = asset ? asset->row : 1,
                                  .view = l->dir->view,
                                  .asset = asset};
    if (ordinal <= list_position(l->off, OFFSET_FIXED))
        return 0;
    int err = tree_make_entry(&s, &e);
    if (err)
        return err == -ENOENT ? 0 : err;
    /* What is late has no size yet, and each look at a status.json finds a text
     * of its own: no number, no lookup. */
    if (k->late || k->from == FROM_STATUS)
        e.ino = 0;
    list_fixed(l, ordinal, kind_name(k, asset, space), &e);
    return 0;
}

/* The table's names, from an ordinal on; asset NULL: the directory is none's.
 */
static int list_children(struct tree_listing *l, int64_t ordinal,
                         struct catalogue_entry *asset)
{
    bool root = l->dir->view->number == VIEW_ROOT;
    int kind = -1;
    while ((kind = tree_next_child(l->dir->id.kind, kind)) >= 0) {
        const struct tree_kind *k = &tree_kinds[kind];
        if (k->hidden || (k->in_root && !root))
            continue;
        int err = list_child(l, kind, ordinal++, asset);
        bool made = asset && tree_is_file(kind) && !k->size; /* to measure */
        if (!err && made)
            err = tree_get_row(l->reader, asset->row, asset);
        if (err || l->full)
            return err;
    }
    return 0;
}

struct one_saved {
    struct tree_listing *listing;
    int64_t number; /* 0: there was none more */
    char name[NAME_SIZE];
    struct tree_entry entry;
};

static bool list_take_saved(void *ctx, const struct catalogue_link *link)
{
    struct one_saved *one = ctx;
    struct tree_listing *l = one->listing;
    if (strlen(link->name) >= NAME_SIZE)
        return true;
    (void)strcpy(one->name, link->name);
    one->number = link->link;
    tree_saved_entry(l->tree, l->dir->view, link, &one->entry);
    return false;
}

/* What came later under its name hides a saved query: an asset, or a name that
 * a newer twelvefs took. */
static bool list_is_hidden(const struct tree_listing *l, const char *name)
{
    struct catalogue_entry asset;
    const struct view *v = l->dir->view;
    return tree_name_is_ours(l->tree, v, name) ||
           tree_get_asset(l->reader, v, name, &asset) == 0;
}

static int list_saved(struct tree_listing *l)
{
    int64_t after = list_position(l->off, OFFSET_SAVED);
    while (after != OFFSET_MASK && !l->full) {
        struct one_saved one = {.listing = l};
        int err = catalogue_links(l->reader, l->dir->view->path, after,
                                  list_take_saved, &one);
        if (err || !one.number)
            return err;
        after = one.number;
        if (!list_is_hidden(l, one.name))
            list_emit(l, one.name, &one.entry,
                      list_offset(OFFSET_SAVED, after));
    }
    return 0;
}

/* Adds an asset; one that has no name here is passed over. */
typedef int list_add_fn(struct tree_listing *l,
                        const struct catalogue_entry *asset);

static int list_add(struct tree_listing *l, enum node_kind kind,
                    const char *name, const struct catalogue_entry *asset)
{
    struct tree_entry e;
    const struct tree_source s = {.tree = l->tree,
                                  .kind = kind,
                                  .row = asset->row,
                                  .view = l->dir->view,
                                  .asset = asset};
    int err = tree_make_entry(&s, &e);
    if (!err)
        list_emit(l, name, &e, list_asset_offset(l, asset->row));
    return err == -ENOENT ? 0 : err;
}

static int list_add_folder(struct tree_listing *l,
                           const struct catalogue_entry *asset)
{
    return asset->folder ? list_add(l, NODE_FOLDER, asset->folder, asset) : 0;
}

static int list_add_contact(struct tree_listing *l,
                            const struct catalogue_entry *asset)
{
    char name[NAME_SIZE];
    return contact_name(asset, name) ? 0
                                     : list_add(l, NODE_CONTACT, name, asset);
}

static int list_row(struct tree_listing *l, int64_t row, list_add_fn *add)
{
    struct catalogue_entry asset;
    int err = catalogue_get(l->reader, row, &asset);
    if (err)
        return err == -ENOENT ? 0 : err;
    return add(l, &asset);
}

/* The selection that the reader is in, while it is kept; else the newest. */
static int list_open_selection(const struct tree_listing *l, int64_t after,
                               struct selection **ret)
{
    struct lru *kept = &l->tree->selections;
    int err = -ESTALE;
    if (after)
        err = selection_find(kept, l->dir->view, l->reader,
                             (uint64_t)l->off >> OFFSET_POSITION_BITS,
                             OFFSET_VERSION_BITS, ret);
    return err == -ESTALE ? selection_open(kept, l->dir->view, l->reader, ret)
                          : err;
}

/* The rows of a query view, those that went since left out. */
static int list_selected(struct tree_listing *l, list_add_fn *add)
{
    int64_t after = tree_offset_row(l->off);
    struct selection *s;
    int err = list_open_selection(l, after, &s);
    if (err)
        return err;
    l->version = s->version;
    size_t i = selection_after(s, after);
    for (; !err && !l->full && i < s->count; i++)
        err = list_row(l, s->rows[i], add);
    selection_close(&l->tree->selections, s);
    return err;
}

/* From the covering index: no more SQL for an entry. */
static bool list_take_folder(void *ctx, const struct catalogue_entry *asset)
{
    struct tree_listing *l = ctx;
    return !list_add_folder(l, asset) && !l->full;
}

int list_view(struct tree_listing *l)
{
    const struct view *v = l->dir->view;
    if (!view_is_listing(v))
        return 0; /* .id lists nothing */
    int err = list_saved(l);
    if (err || l->full || v->number == VIEW_ROOT)
        return err;
    return view_is_query(v)
               ? list_selected(l, list_add_folder)
               : catalogue_list(l->reader, v->type, tree_offset_row(l->off),
                                list_take_folder, l);
}

struct row_batch {
    int64_t row[ROWS_BATCH];
    size_t count;
};

static bool list_take_row(void *ctx, const struct catalogue_entry *asset)
{
    struct row_batch *rows = ctx;
    rows->row[rows->count++] = asset->row;
    return rows->count < ROWS_BATCH;
}

/* The pictures of a query, of a type, or of all. */
int list_contacts(struct tree_listing *l)
{
    const struct view *v = l->dir->view;
    if (view_is_query(v))
        return list_selected(l, list_add_contact);
    int64_t after = tree_offset_row(l->off);
    for (;;) {
        struct row_batch rows = {.count = 0};
        int err =
            catalogue_list(l->reader, v->type, after, list_take_row, &rows);
        for (size_t i = 0; !err && !l->full && i < rows.count; i++)
            err = list_row(l, rows.row[i], list_add_contact);
        if (rows.count)
            l->last_row = after = rows.row[rows.count - 1];
        if (err || l->full || rows.count < ROWS_BATCH)
            return err;
    }
}

/* In the order of offsets: "." and "..", the types, the table's names, and what
 * the kind lists besides. */
int tree_list(struct tree_listing *l)
{
    const struct node *n = &l->dir->id;
    const struct tree_kind *k = &tree_kinds[n->kind];
    struct catalogue_entry asset;
    bool of_asset = k->from == FROM_ASSET;
    if (!S_ISDIR(k->type))
        return -ENOTDIR;
    int err = of_asset ? tree_get_row(l->reader, n->row, &asset) : 0;
    if (!err)
        err = list_dots(l);
    int64_t ordinal = ORDINAL_FIRST;
    if (!err && n->kind == NODE_VIEW && l->dir->view->number == VIEW_ROOT)
        ordinal = list_types(l);
    if (!err && !l->full)
        err = list_children(l, ordinal, of_asset ? &asset : NULL);
    return err || l->full || !k->list ? err : k->list(l);
}
