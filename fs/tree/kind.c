/* SPDX-License-Identifier: MIT */
/*
 * kind.c - the table of node kinds: what there is, where it stands, and which
 * functions say the rest.
 *
 * A row says in which directory its kind stands and under which name; the
 * directory's row says by `find` and `list` what it has beside such names.
 * Listings follow the table's order. A generated file in an asset's folder is a
 * row at the end (its inode numbers are its place) and a function here that
 * appends its text; where its length is known without making it, `size`
 * tells.
 */
#include <string.h>

#include "json/metadata.h"
#include "tree/tree_internal.h"

#define URL_HEAD "[InternetShortcut]\r\nURL="
#define URL_TAIL "\r\n"

static int64_t file_metadata_size(const struct catalogue_entry *asset)
{
    return asset->metadata_bytes;
}

static int file_metadata(const struct tree_source *s, struct buf *out)
{
    cleanup(buf_done) struct buf body = {.max = TREE_TEXT_MAX};
    size_t size = (size_t)s->asset->metadata_bytes;
    int err = catalogue_body(s->reader, s->row, &body);
    if (!err)
        err = buf_reserve(out, size);
    return err ? err : metadata_render(buf_str(&body), body.len, out);
}

/* An Internet shortcut. */
static int file_url(const char *url, struct buf *out)
{
    int err = buf_append_str(out, URL_HEAD);
    if (!err)
        err = buf_append_str(out, url);
    return err ? err : buf_append_str(out, URL_TAIL);
}

static int64_t file_url_size(const char *url)
{
    return (int64_t)(strlen(url) + sizeof(URL_HEAD) - 1 + sizeof(URL_TAIL) - 1);
}

static int file_picture_url(const struct tree_source *s, struct buf *out)
{
    return file_url(s->asset->picture_url, out);
}

static int64_t file_picture_url_size(const struct catalogue_entry *asset)
{
    return file_url_size(asset->picture_url);
}

static int file_manifest_url(const struct tree_source *s, struct buf *out)
{
    return file_url(s->asset->manifest_url, out);
}

static int64_t file_manifest_url_size(const struct catalogue_entry *asset)
{
    return file_url_size(asset->manifest_url);
}

const struct tree_kind tree_kinds[] = {
    [NODE_VIEW] = {.type = S_IFDIR,
                   .from = FROM_NOTHING,
                   .entry = entry_view,
                   .find = lookup_in_view,
                   .list = list_view},
    [NODE_PICTURES] = {.name = ".pictures",
                       .parent = NODE_VIEW,
                       .type = S_IFDIR,
                       .from = FROM_NOTHING,
                       .hidden = true,
                       .entry = entry_pictures,
                       .find = lookup_contact,
                       .list = list_contacts},
    [NODE_FOLDER] = {.parent = NODE_VIEW,
                     .type = S_IFDIR,
                     .last = NODE_MEDIA_LINK,
                     .entry = entry_folder},
    [NODE_MEDIA_LINK] = {.name = "media",
                         .parent = NODE_FOLDER,
                         .type = S_IFLNK,
                         .needs = NEEDS_PICTURE | NEEDS_MANIFEST,
                         .entry = entry_link,
                         .text = text_media_target},
    [NODE_CONTACT] = {.parent = NODE_PICTURES,
                      .type = S_IFLNK,
                      .needs = NEEDS_PICTURE,
                      .entry = entry_link,
                      .text = text_contact_target},
    [NODE_METADATA] = {.name = "metadata.json",
                       .parent = NODE_FOLDER,
                       .type = S_IFREG,
                       .size = file_metadata_size,
                       .text = file_metadata},
    [NODE_PICTURE_URL] = {.name = "thumbnail.url",
                          .parent = NODE_FOLDER,
                          .type = S_IFREG,
                          .needs = NEEDS_PICTURE,
                          .size = file_picture_url_size,
                          .text = file_picture_url},
    [NODE_MANIFEST_URL] = {.name = "manifest.url",
                           .parent = NODE_FOLDER,
                           .type = S_IFREG,
                           .needs = NEEDS_MANIFEST,
                           .size = file_manifest_url_size,
                           .text = file_manifest_url},
    [NODE_SAVED] = {.parent = NODE_VIEW,
                    .type = S_IFLNK,
                    .from = FROM_SAVED,
                    .entry = entry_saved,
                    .text = text_saved_target},
    [NODE_LINES] = {.name = ".assets.ndjson",
                    .parent = NODE_VIEW,
                    .type = S_IFREG,
                    .from = FROM_SELECTION,
                    .hidden = true,
                    .entry = entry_lines},
    [NODE_MEDIA] = {.parent = NODE_ALL_MEDIA,
                    .type = S_IFDIR,
                    .entry = entry_media},
    [NODE_PICTURE] = {.name = "thumbnail",
                      .parent = NODE_MEDIA,
                      .type = S_IFREG,
                      .needs = NEEDS_PICTURE,
                      .is_picture = true,
                      .late = true,
                      .entry = entry_late},
    [NODE_PLAYLIST] = {.name = "manifest.m3u8",
                       .parent = NODE_MEDIA,
                       .type = S_IFREG,
                       .needs = NEEDS_MANIFEST,
                       .late = true,
                       .entry = entry_late},
    [NODE_STATUS] = {.name = "status.json",
                     .parent = NODE_CONTROL,
                     .type = S_IFREG,
                     .from = FROM_STATUS,
                     .entry = entry_status,
                     .text = text_status},
    [NODE_ALL_MEDIA] = {.name = ".media",
                        .parent = NODE_VIEW,
                        .type = S_IFDIR,
                        .from = FROM_NOTHING,
                        .in_root = true,
                        .hidden = true,
                        .entry = entry_single,
                        .find = lookup_id},
    [NODE_CONTROL] = {.name = ".twelvefs",
                      .parent = NODE_VIEW,
                      .type = S_IFDIR,
                      .from = FROM_NOTHING,
                      .in_root = true,
                      .hidden = true,
                      .entry = entry_single},
    [NODE_SHEET] = {.name = "pictures",
                    .parent = NODE_VIEW,
                    .type = S_IFLNK,
                    .from = FROM_NOTHING,
                    .in_root = true,
                    .entry = entry_single,
                    .text = text_sheet_target},
    /* More generated files: a row each, here. Numbers are places: none goes. */
};

const int tree_kind_count = array_count(tree_kinds);
