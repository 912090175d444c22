/* SPDX-License-Identifier: MIT */
#include "mount/notify_internal.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/failpoint.h"
#include "grammar/name.h"
#include "tree/tree.h"

static uint32_t commit_view_of(enum asset_type type)
{
    return VIEW_FIRST_TYPE + (uint32_t)type;
}

static void commit_add_appeared(struct notify *n, enum asset_type type,
                                const char *folder, bool negatives)
{
    if (!folder)
        return;
    notify_add_directory(n, commit_view_of(type));
    if (negatives)
        notify_add(n, ITEM_ENTRY, node_ino(NODE_VIEW, commit_view_of(type), 1),
                   0, folder);
}

/* The kernel buries a directory that it is told was deleted: while somebody
 * sits in there its inode lives on, dead for good. So that is only for what
 * never comes back, a row. */
static void commit_add_vanished(struct notify *n, enum asset_type type,
                                int64_t row, const char *folder, bool deleted)
{
    if (!folder)
        return;
    notify_add_directory(n, commit_view_of(type));
    notify_add(n, deleted ? ITEM_DELETE : ITEM_ENTRY,
               node_ino(NODE_VIEW, commit_view_of(type), 1),
               node_ino(NODE_FOLDER, commit_view_of(type), row), folder);
}

/* Whether the asset has what a kind stands for, before and now. */
static bool commit_was_there(int kind, const struct catalogue_change *c)
{
    return tree_child_is_there(kind, c->old_extension, c->old_manifest);
}

static bool commit_is_there(int kind, const struct catalogue_change *c)
{
    return tree_child_is_there(kind, c->extension, c->manifest);
}

static void commit_add_files(struct notify *n, const struct catalogue_change *c)
{
    for (int kind = 0; kind < tree_kind_count; kind++)
        if (tree_is_file(kind) &&
            (commit_was_there(kind, c) || commit_is_there(kind, c)))
            notify_add(n, ITEM_PAGES, node_ino((enum node_kind)kind, 0, c->row),
                       0, NULL);
}

/* The names that came or went in one of the asset's directories. */
static void commit_add_names(struct notify *n, const struct catalogue_change *c,
                             enum node_kind dir, uint32_t view)
{
    uint64_t ino = node_ino(dir, view, c->row);
    bool differs = false;
    int kind = -1;
    while ((kind = tree_next_child(dir, kind)) >= 0) {
        char before[NAME_SIZE] = "", now[NAME_SIZE] = "";
        if (commit_was_there(kind, c))
            tree_child_name(kind, c->old_extension, before);
        if (commit_is_there(kind, c))
            tree_child_name(kind, c->extension, now);
        if (strcmp(before, now) == 0)
            continue;
        differs = true;
        if (before[0])
            notify_add(n, ITEM_ENTRY, ino, 0, before);
        if (now[0])
            notify_add(n, ITEM_ENTRY, ino, 0, now);
    }
    if (differs)
        notify_add(n, ITEM_LISTING, ino, 0, NULL);
}

/* Its names in .id and .media. */
static void commit_add_id(struct notify *n, const struct catalogue_change *c,
                          bool deleted)
{
    char component[NAME_SIZE];
    if (name_of_id(c->id, component))
        return;
    notify_add(n, deleted ? ITEM_DELETE : ITEM_ENTRY,
               node_ino(NODE_VIEW, VIEW_ID, 1),
               node_ino(NODE_FOLDER, VIEW_ID, c->row), component);
    notify_add(n, ITEM_ENTRY, node_ino(NODE_ALL_MEDIA, 0, 1), 0, component);
}

static void commit_add_change(struct notify *n,
                              const struct catalogue_change *c, bool negatives)
{
    switch (c->kind) {
    case CATALOGUE_ADDED:
        commit_add_appeared(n, c->type, c->folder, negatives);
        if (negatives)
            commit_add_id(n, c, false);
        break;
    case CATALOGUE_REMOVED:
        commit_add_vanished(n, c->old_type, c->row, c->old_folder, true);
        commit_add_id(n, c, true);
        commit_add_files(n, c);
        break;
    case CATALOGUE_MOVED:
        commit_add_vanished(n, c->old_type, c->row, c->old_folder, false);
        commit_add_appeared(n, c->type, c->folder, negatives);
        commit_add_files(n, c);
        commit_add_names(n, c, NODE_FOLDER, commit_view_of(c->type));
        commit_add_names(n, c, NODE_FOLDER, VIEW_ID);
        commit_add_names(n, c, NODE_MEDIA, 0);
        break;
    case CATALOGUE_CHANGED:
        commit_add_files(n, c);
        commit_add_names(n, c, NODE_FOLDER, commit_view_of(c->type));
        commit_add_names(n, c, NODE_FOLDER, VIEW_ID);
        commit_add_names(n, c, NODE_MEDIA, 0);
        break;
    case CATALOGUE_RENEWED:
        commit_add_files(n, c);
        break;
    }
}

/* What a query selects may have changed, and names with it. */
static void commit_add_to_query(struct notify *n,
                                const struct catalogue_change *c, uint32_t view)
{
    uint64_t directory = node_ino(NODE_VIEW, view, 1);
    if (c->kind == CATALOGUE_RENEWED)
        return;
    if (c->old_folder)
        notify_add(n, ITEM_EXPIRE, directory, 0, c->old_folder);
    if (c->folder && (!c->old_folder || strcmp(c->folder, c->old_folder) != 0))
        notify_add(n, ITEM_EXPIRE, directory, 0, c->folder);
    if (c->kind == CATALOGUE_CHANGED || c->kind == CATALOGUE_MOVED)
        commit_add_names(n, c, NODE_FOLDER, view);
}

/* Only where absences are settled: before that LOOKUPs are parked in query
 * directories, and hold the locks that this would wait for. */
static void commit_add_to_queries(struct notify *n, struct view_table *table,
                                  const struct catalogue_diff *diff)
{
    uint32_t views[NOTIFY_MAX_VIEWS];
    size_t count = view_numbers(table, views, array_count(views));
    if (count * diff->count > NOTIFY_MAX_NAMES)
        return;
    for (size_t i = 0; i < diff->count; i++)
        for (size_t v = 0; v < count; v++)
            commit_add_to_query(n, &diff->changes[i], views[v]);
}

void notify_commit(struct notify *n, const struct catalogue_diff *diff,
                   bool negatives)
{
    if (failpoint("dropped_notification") || !notify_begin(n))
        return;
    for (size_t i = 0; i < diff->count; i++)
        commit_add_change(n, &diff->changes[i], negatives);
    if (negatives)
        commit_add_to_queries(n, notify_views_of(n), diff);
    if (diff->count)
        notify_add_directory(n, VIEW_FIRST_QUERY);
    notify_end(n);
}
