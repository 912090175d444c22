/* SPDX-License-Identifier: MIT */
/*
 * child.c - what the table says of the names in a directory.
 */
#include <errno.h>
#include <stdio.h>

#include "tree/tree_internal.h"

bool tree_is_late(enum node_kind kind)
{
    return (int)kind < tree_kind_count && tree_kinds[kind].late;
}

bool tree_is_file(int kind)
{
    return tree_kinds[kind].parent == NODE_FOLDER &&
           S_ISREG(tree_kinds[kind].type);
}

bool tree_file_keeps_asset(int kind)
{
    return tree_kinds[kind].needs;
}

int tree_next_child(enum node_kind dir, int kind)
{
    int last = (int)tree_kinds[dir].last;
    if (last && kind == last)
        return -1;
    while (++kind < tree_kind_count)
        if (tree_kinds[kind].parent == dir && tree_kinds[kind].name &&
            kind != last)
            return kind;
    return last ? last : -1;
}

bool tree_child_is_there(int kind, const char *extension, bool manifest)
{
    unsigned needs = tree_kinds[kind].needs;
    return !needs || (needs & NEEDS_PICTURE && extension[0]) ||
           (needs & NEEDS_MANIFEST && manifest);
}

void tree_child_name(int kind, const char *extension, char out[NAME_SIZE])
{
    const struct tree_kind *k = &tree_kinds[kind];
    (void)snprintf(out, NAME_SIZE, "%s%s%s", k->name, k->is_picture ? "." : "",
                   k->is_picture ? extension : "");
}

bool kind_is_there(const struct tree_kind *k,
                   const struct catalogue_entry *asset)
{
    return !k->needs || (k->needs & NEEDS_PICTURE && asset->picture_url) ||
           (k->needs & NEEDS_MANIFEST && asset->manifest_url);
}

const char *kind_name(const struct tree_kind *k,
                      const struct catalogue_entry *asset,
                      char space[NAME_SIZE])
{
    char extension[ASSET_EXT_SIZE] = "";
    if (!k->is_picture)
        return k->name;
    if (asset->picture_url)
        asset_picture_extension(asset->picture_url, extension);
    tree_child_name((int)(k - tree_kinds), extension, space);
    return space;
}

_Static_assert(NAME_SAFE_MAX + NAME_SUFFIX_MAX + ASSET_EXT_SIZE < NAME_SIZE,
               "each folder name can take an extension, with its dot");

int contact_name(const struct catalogue_entry *asset, char out[NAME_SIZE])
{
    char component[NAME_SIZE], extension[ASSET_EXT_SIZE];
    if (!asset->picture_url || !asset->folder ||
        name_of_id(asset->id, component))
        return -ENOENT;
    asset_picture_extension(asset->picture_url, extension);
    int len = snprintf(out, NAME_SIZE, "%s.%s", asset->folder, extension);
    return len < NAME_SIZE ? 0 : -ENOENT;
}
