/* SPDX-License-Identifier: MIT */
/*
 * tree.c - from inode numbers to nodes, attributes and texts: by the kind's row
 * in the table, from what tree_load gets of the catalogue.
 */
#include "tree/tree.h"

#include <errno.h>

#include "base/clock.h"
#include "tree/tree_internal.h"

int tree_init(struct tree *t)
{
    t->started_ns = clock_wall_ns();
    t->root_changed_ns = t->started_ns;
    t->other_shown = catalogue_count(t->catalogue, ASSET_OTHER) > 0;
    selection_init(&t->selections);
    text_status_init(&t->statuses);
    return view_table_new(&t->views);
}

void tree_done(struct tree *t)
{
    lru_done(&t->statuses);
    lru_done(&t->selections);
    view_table_free(t->views);
}

void tree_node_done(struct tree_node *n)
{
    if (n->view)
        view_unref(n->views, n->view);
}

int tree_find(struct tree *t, uint64_t ino, struct tree_node *ret_node)
{
    struct tree_node n = {.views = t->views};
    if (!node_parse(ino, &n.id) || (int)n.id.kind >= tree_kind_count)
        return -ESTALE;
    n.view = view_get(t->views, n.id.view);
    if (!n.view)
        return -ESTALE;
    *ret_node = n;
    return 0;
}

int tree_parent(const struct tree_node *n, uint64_t *ret_ino)
{
    const struct tree_kind *k = &tree_kinds[n->id.kind];
    if (!S_ISDIR(k->type))
        return -ENOTDIR;
    uint32_t view = n->view->number;
    if (n->id.kind == NODE_VIEW)
        view = n->view->parent ? n->view->parent->number : VIEW_ROOT;
    *ret_ino = node_ino(k->parent, view, 1);
    return 0;
}

void tree_saved_changed(struct tree *t, const struct view *v)
{
    int64_t now_ns = clock_wall_ns();
    if (v->number == VIEW_ROOT)
        t->root_changed_ns = now_ns;
    t->saved_changed_ns = now_ns;
    t->saved_changes++;
}

int tree_get_row(struct catalogue_reader *reader, int64_t row,
                 struct catalogue_entry *ret_asset)
{
    int err = catalogue_get(reader, row, ret_asset);
    return err == -ENOENT ? -ESTALE : err;
}

int tree_is_member(struct catalogue_reader *reader, const struct view *v,
                   const struct catalogue_entry *asset)
{
    if (v->type != ASSET_TYPE_COUNT)
        return asset->type == v->type ? 0 : -ENODATA;
    if (!view_is_query(v))
        return 0;
    int err = catalogue_matches(reader, &v->query, asset->row);
    return err == -ENOENT ? -ENODATA : err;
}

int tree_get_asset(struct catalogue_reader *reader, const struct view *v,
                   const char *folder, struct catalogue_entry *ret_asset)
{
    if (v->number == VIEW_ROOT)
        return -ENODATA;
    int err = catalogue_get_by_folder(reader, folder, ret_asset);
    return err ? err : tree_is_member(reader, v, ret_asset);
}

const char *tree_missing_field(struct catalogue_reader *reader,
                               const struct view *v)
{
    for (size_t i = 0; i < v->query.count; i++) {
        const struct query_term *term = &v->query.terms[i];
        if ((term->kind == QUERY_RANGE || term->kind == QUERY_EXACT) &&
            !catalogue_field_indexed(reader, term->field))
            return term->field;
    }
    return NULL;
}

/* A node's source with what it borrows from. */
struct loaded {
    struct tree_source source;
    struct catalogue_entry asset;
    struct catalogue_link saved;
    struct selection *selection;
    struct tree_status *status;
    struct tree *tree;
};

static void tree_unload(struct loaded *l)
{
    if (!l->tree)
        return;
    selection_close(&l->tree->selections, l->selection);
    lru_unref(&l->tree->statuses, l->status ? &l->status->kept : NULL);
    catalogue_reader_release(l->source.reader);
}

static int tree_load_from(struct tree *t, const struct tree_node *n,
                          struct loaded *l)
{
    struct tree_source *s = &l->source;
    int err = 0;
    switch (tree_kinds[s->kind].from) {
    case FROM_NOTHING:
    case FROM_STATUS:
        break;
    case FROM_ASSET:
        err = tree_get_row(s->reader, s->row, &l->asset);
        s->asset = &l->asset;
        break;
    case FROM_SAVED:
        err = catalogue_link_by_number(s->reader, s->row, &l->saved);
        s->saved = &l->saved;
        break;
    case FROM_SELECTION:
        err = selection_find(&t->selections, n->view, s->reader,
                             (uint64_t)s->row, NODE_ROW_BITS, &l->selection);
        s->selection = l->selection;
        break;
    }
    return err == -ENOENT ? -ESTALE : err;
}

static int tree_load(struct tree *t, const struct tree_node *n,
                     struct loaded *l)
{
    enum tree_origin from = tree_kinds[n->id.kind].from;
    struct tree_source *s = &l->source;
    *s = (struct tree_source){.tree = t,
                              .kind = n->id.kind,
                              .row = n->id.row,
                              .view = node_is_per_view(n->id.kind) ? n->view
                                                                   : NULL};
    l->tree = t;
    if (from == FROM_STATUS) {
        l->status =
            (struct tree_status *)lru_get(&t->statuses, (uint64_t)s->row, 0);
        s->status = l->status;
        return l->status ? 0 : -ESTALE;
    }
    if (from == FROM_NOTHING)
        return 0;
    s->reader = catalogue_reader_acquire(t->catalogue);
    return s->reader ? tree_load_from(t, n, l) : -ENOMEM;
}

int tree_attr(struct tree *t, const struct tree_node *n,
              struct tree_entry *ret_entry)
{
    cleanup(tree_unload) struct loaded l = {0};
    int err = tree_load(t, n, &l);
    if (!err)
        err = tree_make_entry(&l.source, ret_entry);
    return err == -ENOENT ? -ESTALE : err;
}

int tree_read(struct tree *t, const struct tree_node *n, int64_t off,
              size_t size, struct buf *out, size_t *ret_skip)
{
    const struct tree_kind *k = &tree_kinds[n->id.kind];
    cleanup(tree_unload) struct loaded l = {0};
    if (!S_ISREG(k->type))
        return -EISDIR;
    int err = tree_load(t, n, &l);
    if (!err && k->text) {
        err = tree_make_text(&l.source, out);
        *ret_skip = off < 0 ? SIZE_MAX : (size_t)off;
    } else if (!err) {
        err = buf_reserve(out, size);
        if (!err)
            err = selection_lines(l.selection, l.source.reader, off, size, out);
        *ret_skip = 0;
    }
    return err == -ENOENT ? -ESTALE : err;
}

int tree_target(struct tree *t, const struct tree_node *n, struct buf *out)
{
    cleanup(tree_unload) struct loaded l = {0};
    if (!S_ISLNK(tree_kinds[n->id.kind].type))
        return -EINVAL;
    int err = tree_load(t, n, &l);
    if (!err)
        err = tree_make_text(&l.source, out);
    return err == -ENOENT ? -ESTALE : err;
}
