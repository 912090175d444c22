/* SPDX-License-Identifier: MIT */
#include "mount/entry.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define LINK_MAX_BYTES  4096
#define PLAYLIST_ATTR_S 1.0 /* its URL may expire: ask often */
#define UNSETTLED_S     1.0

double entry_timeout(const struct mount *m, const struct view *v)
{
    return v->number == VIEW_ROOT || v->type != ASSET_TYPE_COUNT ? ATTR_DAY_S
                                                                 : m->refresh_s;
}

static void begin(struct fuse_entry_param *e, uint64_t number,
                  double entry_timeout_s, double attr_timeout_s)
{
    *e = (struct fuse_entry_param){.ino = number,
                                   .generation = 1,
                                   .entry_timeout = entry_timeout_s,
                                   .attr_timeout = attr_timeout_s};
}

bool entry_lists_other(const struct mount *m)
{
    return m->other_shown || (m->other_offered && !sync_is_complete(m->sync));
}

/* While the walk goes on other/ may come and go in the root, which isn't told:
 * the root and other/ then validate themselves, as query directories do. */
static bool is_unsettled(const struct mount *m, const struct view *v)
{
    if (v->number == VIEW_ROOT)
        return !sync_is_complete(m->sync);
    return v->type == ASSET_OTHER && !m->other_shown;
}

static nlink_t count_links(const struct mount *m, const struct view *v)
{
    if (v->number == VIEW_ROOT)
        return 2 + ASSET_TYPE_COUNT - (entry_lists_other(m) ? 0 : 1);
    if (v->type != ASSET_TYPE_COUNT)
        return 2 + (nlink_t)catalogue_count(m->catalogue, v->type);
    return v->number == VIEW_ID ? 2 : 1;
}

/* Saved links are part of each listing, and no commit that has a version. */
static struct timespec listing_time(const struct mount *m)
{
    struct timespec t = attr_commit_time(m->catalogue);
    uint64_t code = (uint64_t)t.tv_nsec + m->link_changes * UINT64_C(1000003);
    t.tv_nsec = (long)(code % 1000000000);
    return t;
}

static struct timespec view_time(const struct mount *m, const struct view *v)
{
    if (v->number == VIEW_ROOT && !is_unsettled(m, v))
        return attr_ns_time(m->root_changed_ns);
    if (v->number == VIEW_ID)
        return attr_ns_time(m->started_ns);
    if (v->type != ASSET_TYPE_COUNT) {
        int64_t changed_ns = catalogue_changed_ns(m->catalogue, v->type);
        int64_t links_ns = m->links_changed_ns;
        changed_ns = changed_ns ? changed_ns : m->started_ns;
        return attr_ns_time(links_ns > changed_ns ? links_ns : changed_ns);
    }
    return listing_time(m);
}

void entry_view(const struct mount *m, const struct view *v,
                struct fuse_entry_param *e)
{
    uint64_t number = node_number(NODE_VIEW, v->number, 1);
    double timeout_s = view_is_query(v)     ? m->refresh_s
                       : is_unsettled(m, v) ? UNSETTLED_S
                                            : ATTR_DAY_S;
    begin(e, number, timeout_s, timeout_s);
    e->generation = v->generation;
    /* Writable by their owner, for ln -s. */
    mode_t mode = m->read_write && view_is_listing(v) ? 0755 : 0555;
    attr_directory(&m->owner, number, mode, count_links(m, v), view_time(m, v),
                   &e->attr);
}

void entry_pictures(const struct mount *m, const struct view *v,
                    struct fuse_entry_param *e)
{
    uint64_t number = node_number(NODE_PICTURES, v->number, 1);
    begin(e, number, m->refresh_s, m->refresh_s);
    e->generation = v->generation;
    attr_directory(&m->owner, number, 0555, 2, attr_commit_time(m->catalogue),
                   &e->attr);
}

void entry_folder(const struct mount *m, const struct view *v,
                  const struct catalogue_entry *asset,
                  struct fuse_entry_param *e)
{
    uint64_t number = node_number(NODE_FOLDER, v->number, asset->row);
    double timeout_s = entry_timeout(m, v);
    begin(e, number, timeout_s, timeout_s);
    e->generation = v->generation;
    attr_directory(&m->owner, number, 0555, 2, attr_folder_time(v, asset),
                   &e->attr);
}

int entry_file(const struct mount *m, const struct view *v, enum node_kind kind,
               const struct catalogue_entry *asset, struct fuse_entry_param *e)
{
    int64_t size = asset->metadata_bytes;
    if (kind != NODE_METADATA) {
        const char *url =
            kind == NODE_PICTURE_URL ? asset->picture_url : asset->manifest_url;
        if (!url)
            return -ENOENT;
        size = attr_url_bytes(url);
    }
    uint64_t number = node_number(kind, 0, asset->row);
    begin(e, number, v ? entry_timeout(m, v) : 0, ATTR_DAY_S);
    attr_file(&m->owner, number, 0444, size,
              (struct timespec){.tv_sec = asset->changed_s}, &e->attr);
    return 0;
}

int entry_picture_name(const struct catalogue_entry *asset,
                       char out[ENTRY_PICTURE_SIZE])
{
    if (!asset->picture_url)
        return -ENOENT;
    char extension[ASSET_EXT_SIZE];
    asset_picture_extension(asset->picture_url, extension);
    (void)snprintf(out, ENTRY_PICTURE_SIZE, "thumbnail.%s", extension);
    return 0;
}

_Static_assert(NAME_SAFE_MAX + NAME_SUFFIX_MAX + ASSET_EXT_SIZE < NAME_SIZE,
               "each folder name can take an extension, with its dot");

int entry_contact_name(const struct catalogue_entry *asset, char out[NAME_SIZE])
{
    char component[NAME_SIZE], extension[ASSET_EXT_SIZE];
    if (!asset->picture_url || !asset->folder ||
        name_of_id(asset->id, component))
        return -ENOENT;
    asset_picture_extension(asset->picture_url, extension);
    int len = snprintf(out, NAME_SIZE, "%s.%s", asset->folder, extension);
    return len < NAME_SIZE ? 0 : -ENOENT;
}

int entry_link_target(const struct view *v, enum node_kind kind,
                      const struct catalogue_entry *asset, struct buf *out)
{
    char name[ENTRY_PICTURE_SIZE];
    bool contact = kind == NODE_CONTACT;
    if (contact ? entry_picture_name(asset, name) != 0
                : !asset->picture_url && !asset->manifest_url)
        return -ENOENT;
    int err =
        attr_media_target(v->depth + 1, asset->id, contact ? name : NULL, out);
    return err == -ENAMETOOLONG ? -ENOENT : err;
}

/* The kernel keeps a link's target with its inode. Another extension is
 * another target, so it is another generation of that inode. */
static uint64_t link_generation(const struct view *v, const char *target)
{
    const char *dot = strrchr(target, '.');
    uint64_t generation = v->generation;
    for (; dot && *dot; dot++)
        generation = generation * 131 + (unsigned char)*dot;
    return generation;
}

int entry_link(const struct mount *m, const struct view *v, enum node_kind kind,
               const struct catalogue_entry *asset, struct fuse_entry_param *e)
{
    cleanup(buf_done) struct buf target = {.max = LINK_MAX_BYTES};
    int err = entry_link_target(v, kind, asset, &target);
    if (err)
        return err;
    uint64_t number = node_number(kind, v->number, asset->row);
    double timeout_s =
        kind == NODE_CONTACT ? m->refresh_s : entry_timeout(m, v);
    begin(e, number, timeout_s, timeout_s);
    e->generation = link_generation(v, buf_str(&target));
    attr_symlink(&m->owner, number, (int64_t)target.len,
                 (struct timespec){.tv_sec = asset->created_s}, &e->attr);
    return 0;
}

void entry_saved(const struct mount *m, const struct view *v,
                 const struct catalogue_link *link, struct fuse_entry_param *e)
{
    uint64_t number = node_number(NODE_SAVED, 0, link->link);
    double timeout_s = v ? entry_timeout(m, v) : m->refresh_s;
    begin(e, number, timeout_s, timeout_s);
    attr_symlink(&m->owner, number, (int64_t)strlen(link->target),
                 (struct timespec){.tv_sec = link->created_s}, &e->attr);
}

void entry_lines(const struct mount *m, const struct view *v,
                 const struct selection *s, struct fuse_entry_param *e)
{
    uint64_t version = s->version % (uint64_t)NODE_ROW_END;
    uint64_t number = node_number(NODE_LINES, v->number, (int64_t)version);
    begin(e, number, 0, m->refresh_s);
    e->generation = v->generation;
    attr_file(&m->owner, number, 0444, selection_bytes(s),
              attr_commit_time(m->catalogue), &e->attr);
}

void entry_fixed(const struct mount *m, enum node_fixed which,
                 struct fuse_entry_param *e)
{
    uint64_t number = node_number(NODE_FIXED, 0, which);
    struct timespec started = attr_ns_time(m->started_ns);
    begin(e, number, ATTR_DAY_S, ATTR_DAY_S);
    if (which == NODE_FIXED_PICTURES)
        attr_symlink(&m->owner, number, sizeof(ATTR_PICTURES_TARGET) - 1,
                     started, &e->attr);
    else
        attr_directory(&m->owner, number, 0555, 2, started, &e->attr);
}

void entry_status(const struct mount *m, int64_t number, size_t size_bytes,
                  struct fuse_entry_param *e)
{
    uint64_t ino = node_number(NODE_STATUS, 0, number);
    begin(e, ino, 0, ATTR_DAY_S);
    attr_file(&m->owner, ino, 0444, (int64_t)size_bytes,
              attr_ns_time(clock_wall_ns()), &e->attr);
}

void entry_media(const struct mount *m, const struct catalogue_entry *asset,
                 struct fuse_entry_param *e)
{
    uint64_t number = node_number(NODE_MEDIA, 0, asset->row);
    struct timespec mtime = attr_media_time(asset);
    begin(e, number, ATTR_DAY_S, ATTR_DAY_S);
    attr_directory(&m->owner, number, 0555, 2, mtime, &e->attr);
}

void entry_in_media(const struct mount *m, const struct node *n,
                    int64_t size_bytes, struct timespec mtime,
                    struct fuse_entry_param *e)
{
    uint64_t number = node_number(n->kind, 0, n->row);
    double known_s = n->kind == NODE_PICTURE ? m->refresh_s : PLAYLIST_ATTR_S;
    begin(e, number, m->refresh_s, size_bytes < 0 ? 0 : known_s);
    attr_file(&m->owner, number, 0444, size_bytes < 0 ? 0 : size_bytes, mtime,
              &e->attr);
}
