/* SPDX-License-Identifier: MIT */
#include "mount/notify_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "grammar/name.h"
#include "tree/node.h"

static uint32_t view_of(enum asset_type type)
{
    return VIEW_FIRST_TYPE + (uint32_t)type;
}

static void add_appeared(struct notify *n, enum asset_type type,
                         const char *folder, bool negatives)
{
    if (!folder)
        return;
    notify_add_directory(n, view_of(type));
    if (negatives)
        notify_add(n, ITEM_ENTRY, node_ino(NODE_VIEW, view_of(type), 1), 0,
                   folder);
}

/* The kernel buries a directory that it is told was deleted: while somebody
 * sits in there its inode lives on, dead for good. So that is only for what
 * never comes back, a row. */
static void add_vanished(struct notify *n, enum asset_type type, int64_t row,
                         const char *folder, bool deleted)
{
    if (!folder)
        return;
    notify_add_directory(n, view_of(type));
    notify_add(n, deleted ? ITEM_DELETE : ITEM_ENTRY,
               node_ino(NODE_VIEW, view_of(type), 1),
               node_ino(NODE_FOLDER, view_of(type), row), folder);
}

static void add_files(struct notify *n, const struct catalogue_change *c)
{
    notify_add(n, ITEM_PAGES, node_ino(NODE_METADATA, 0, c->row), 0, NULL);
    if (c->extension[0] || c->old_extension[0])
        notify_add(n, ITEM_PAGES, node_ino(NODE_PICTURE_URL, 0, c->row), 0,
                   NULL);
    if (c->manifest || c->old_manifest)
        notify_add(n, ITEM_PAGES, node_ino(NODE_MANIFEST_URL, 0, c->row), 0,
                   NULL);
}

static void add_picture_name(struct notify *n, uint64_t directory,
                             const char *extension)
{
    if (!extension[0])
        return;
    char name[32];
    (void)snprintf(name, sizeof(name), "thumbnail.%s", extension);
    notify_add(n, ITEM_ENTRY, directory, 0, name);
}

static bool has_media(bool manifest, const char *extension)
{
    return manifest || extension[0];
}

/* The names that came or went in the folder of a view. */
static void add_links(struct notify *n, const struct catalogue_change *c,
                      uint32_t view)
{
    bool pictures = !c->extension[0] != !c->old_extension[0];
    bool manifests = c->manifest != c->old_manifest;
    if (!pictures && !manifests)
        return;
    uint64_t folder = node_ino(NODE_FOLDER, view, c->row);
    if (pictures)
        notify_add(n, ITEM_ENTRY, folder, 0, "thumbnail.url");
    if (manifests)
        notify_add(n, ITEM_ENTRY, folder, 0, "manifest.url");
    if (has_media(c->manifest, c->extension) !=
        has_media(c->old_manifest, c->old_extension))
        notify_add(n, ITEM_ENTRY, folder, 0, "media");
    notify_add(n, ITEM_LISTING, folder, 0, NULL);
}

/* Likewise in .media/<id>, of which there is one. */
static void add_media(struct notify *n, const struct catalogue_change *c)
{
    bool pictures = strcmp(c->extension, c->old_extension) != 0;
    if (!pictures && c->manifest == c->old_manifest)
        return;
    uint64_t media = node_ino(NODE_MEDIA, 0, c->row);
    if (pictures) {
        add_picture_name(n, media, c->old_extension);
        add_picture_name(n, media, c->extension);
    }
    if (c->manifest != c->old_manifest)
        notify_add(n, ITEM_ENTRY, media, 0, "manifest.m3u8");
    notify_add(n, ITEM_LISTING, media, 0, NULL);
}

/* Its names in .id and .media. */
static void add_id(struct notify *n, const struct catalogue_change *c,
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

static void add_change(struct notify *n, const struct catalogue_change *c,
                       bool negatives)
{
    switch (c->kind) {
    case CATALOGUE_ADDED:
        add_appeared(n, c->type, c->folder, negatives);
        if (negatives)
            add_id(n, c, false);
        break;
    case CATALOGUE_REMOVED:
        add_vanished(n, c->old_type, c->row, c->old_folder, true);
        add_id(n, c, true);
        add_files(n, c);
        break;
    case CATALOGUE_MOVED:
        add_vanished(n, c->old_type, c->row, c->old_folder, false);
        add_appeared(n, c->type, c->folder, negatives);
        add_files(n, c);
        add_links(n, c, view_of(c->type));
        add_links(n, c, VIEW_ID);
        add_media(n, c);
        break;
    case CATALOGUE_CHANGED:
        add_files(n, c);
        add_links(n, c, view_of(c->type));
        add_links(n, c, VIEW_ID);
        add_media(n, c);
        break;
    case CATALOGUE_RENEWED:
        add_files(n, c);
        break;
    }
}

/* What a query selects may have changed, and names with it. */
static void add_to_query(struct notify *n, const struct catalogue_change *c,
                         uint32_t view)
{
    uint64_t directory = node_ino(NODE_VIEW, view, 1);
    if (c->kind == CATALOGUE_RENEWED)
        return;
    if (c->old_folder)
        notify_add(n, ITEM_EXPIRE, directory, 0, c->old_folder);
    if (c->folder && (!c->old_folder || strcmp(c->folder, c->old_folder) != 0))
        notify_add(n, ITEM_EXPIRE, directory, 0, c->folder);
    if (c->kind == CATALOGUE_CHANGED || c->kind == CATALOGUE_MOVED)
        add_links(n, c, view);
}

/* Only where absences are settled: before that LOOKUPs are parked in query
 * directories, and hold the locks that this would wait for. */
static void add_to_queries(struct notify *n, struct view_table *table,
                           const struct catalogue_diff *diff)
{
    uint32_t views[NOTIFY_MAX_VIEWS];
    size_t count = view_numbers(table, views, array_count(views));
    if (count * diff->count > NOTIFY_MAX_NAMES)
        return;
    for (size_t i = 0; i < diff->count; i++)
        for (size_t v = 0; v < count; v++)
            add_to_query(n, &diff->changes[i], views[v]);
}

void notify_add_diff(struct notify *n, struct view_table *views,
                     const struct catalogue_diff *diff, bool negatives)
{
    for (size_t i = 0; i < diff->count; i++)
        add_change(n, &diff->changes[i], negatives);
    if (negatives)
        add_to_queries(n, views, diff);
    if (diff->count)
        notify_add_directory(n, VIEW_FIRST_QUERY);
}
