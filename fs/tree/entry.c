/* SPDX-License-Identifier: MIT */
/*
 * entry.c - how each kind of node looks: attributes, and how long the kernel
 * may believe them. tree_make_entry fills in what all have in common.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "tree/tree_internal.h"

#define NS_PER_S         1000000000
#define BLOCK_BYTES      512
#define TARGET_MAX_BYTES 4096
#define PLAYLIST_ATTR_S  1.0 /* its URL may expire: ask often */

static void entry_begin(const struct tree_source *s, struct tree_entry *e)
{
    const struct view *v = s->view;
    uint64_t ino = node_ino(s->kind, v ? v->number : 0, s->row);
    mode_t type = tree_kinds[s->kind].type;
    mode_t mode = S_ISDIR(type) ? 0555 : S_ISLNK(type) ? 0777 : 0444;
    *e = (struct tree_entry){
        .ino = ino,
        .generation = v && node_is_per_view(s->kind) ? v->generation : 1,
        .attr = {.st_ino = ino,
                 .st_mode = type | mode,
                 .st_nlink = S_ISDIR(type) ? 2 : 1,
                 .st_uid = s->tree->uid,
                 .st_gid = s->tree->gid,
                 .st_blksize = 4096}};
}

/* A link's mode is 0777 everywhere, and its text needs no block. */
static void entry_end(const struct tree_source *s, struct tree_entry *e)
{
    e->attr.st_atim = e->attr.st_ctim = e->attr.st_mtim;
    if (S_ISLNK(e->attr.st_mode))
        return;
    e->attr.st_mode &= ~s->tree->umask;
    e->attr.st_blocks = (e->attr.st_size + BLOCK_BYTES - 1) / BLOCK_BYTES;
}

int tree_make_entry(const struct tree_source *s, struct tree_entry *e)
{
    const struct tree_kind *k = &tree_kinds[s->kind];
    if (s->asset && !kind_is_there(k, s->asset))
        return -ENOENT;
    entry_begin(s, e);
    int err = k->entry ? k->entry(s, e) : entry_file(s, e);
    entry_end(s, e);
    return err;
}

static void entry_believe(struct tree_entry *e, double name_s, double attr_s)
{
    e->entry_timeout_s = name_s;
    e->attr_timeout_s = attr_s;
}

double entry_timeout(const struct tree *t, const struct view *v)
{
    return v && (v->number == VIEW_ROOT || v->type != ASSET_TYPE_COUNT)
               ? TREE_DAY_S
               : t->refresh_s;
}

static struct timespec entry_ns_time(int64_t ns)
{
    struct timespec t = {.tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S};
    if (t.tv_nsec < 0) {
        t.tv_nsec += NS_PER_S;
        t.tv_sec--;
    }
    return t;
}

/* Of a directory that validates itself: the last commit's. One that changed no
 * listing may still change what a query selects, so the nanoseconds are the
 * version's. */
static struct timespec entry_commit_time(const struct catalogue *c)
{
    struct timespec t =
        entry_ns_time(catalogue_changed_ns(c, ASSET_TYPE_COUNT));
    t.tv_nsec = (long)(catalogue_version(c) % NS_PER_S);
    return t;
}

/* Saved queries are part of each listing, and no commit that has a version. */
static struct timespec entry_listing_time(const struct tree *t)
{
    struct timespec time = entry_commit_time(t->catalogue);
    uint64_t code =
        (uint64_t)time.tv_nsec + t->saved_changes * UINT64_C(1000003);
    time.tv_nsec = (long)(code % NS_PER_S);
    return time;
}

bool tree_lists_other(const struct tree *t)
{
    return t->other_shown || (t->other_offered && !sync_is_complete(t->sync));
}

/* While the walk goes on other/ may come and go in the root, which isn't told:
 * the root and other/ then validate themselves, as query directories do. */
static bool entry_is_unsettled(const struct tree *t, const struct view *v)
{
    if (v->number == VIEW_ROOT)
        return !sync_is_complete(t->sync);
    return v->type == ASSET_OTHER && !t->other_shown;
}

/* 1: not counted. */
static nlink_t entry_count_links(const struct tree *t, const struct view *v)
{
    if (v->number == VIEW_ROOT)
        return 2 + ASSET_TYPE_COUNT - (tree_lists_other(t) ? 0 : 1);
    if (v->type != ASSET_TYPE_COUNT)
        return 2 + (nlink_t)catalogue_count(t->catalogue, v->type);
    return v->number == VIEW_ID ? 2 : 1;
}

static struct timespec entry_view_time(const struct tree *t,
                                       const struct view *v)
{
    if (v->number == VIEW_ROOT && !entry_is_unsettled(t, v))
        return entry_ns_time(t->root_changed_ns);
    if (v->number == VIEW_ID)
        return entry_ns_time(t->started_ns);
    if (v->type != ASSET_TYPE_COUNT) {
        int64_t changed_ns = catalogue_changed_ns(t->catalogue, v->type);
        int64_t saved_ns = t->saved_changed_ns;
        changed_ns = changed_ns ? changed_ns : t->started_ns;
        return entry_ns_time(saved_ns > changed_ns ? saved_ns : changed_ns);
    }
    return entry_listing_time(t);
}

/* Writable by its owner, for ln -s and rmdir. */
int entry_view(const struct tree_source *s, struct tree_entry *e)
{
    const struct tree *t = s->tree;
    const struct view *v = s->view;
    double timeout_s = view_is_query(v)           ? t->refresh_s
                       : entry_is_unsettled(t, v) ? TREE_MOMENT_S
                                                  : TREE_DAY_S;
    entry_believe(e, timeout_s, timeout_s);
    if (view_is_listing(v) ? t->saves : t->deletes)
        e->attr.st_mode |= 0200;
    e->attr.st_nlink = entry_count_links(t, v);
    e->attr.st_mtim = entry_view_time(t, v);
    return 0;
}

int entry_pictures(const struct tree_source *s, struct tree_entry *e)
{
    entry_believe(e, s->tree->refresh_s, s->tree->refresh_s);
    e->attr.st_mtim = entry_commit_time(s->tree->catalogue);
    return 0;
}

/* Writable by its owner, for setfattr; and so that we hear of whoever would
 * remove what is in there. In a type's directory its time is created_s.
 * Elsewhere nobody notifies, so the nanoseconds tell which links there are: a
 * cached listing is then known to be old when they change. */
int entry_folder(const struct tree_source *s, struct tree_entry *e)
{
    double timeout_s = entry_timeout(s->tree, s->view);
    entry_believe(e, timeout_s, timeout_s);
    if (s->tree->tags)
        e->attr.st_mode |= 0200;
    e->attr.st_mtim.tv_sec = s->asset->created_s;
    if (s->view->type == ASSET_TYPE_COUNT)
        e->attr.st_mtim.tv_nsec =
            (s->asset->picture_url ? 2 : 0) + (s->asset->manifest_url ? 1 : 0);
    return 0;
}

/* A generated file. Its name may be believed as long as the view's. */
int entry_file(const struct tree_source *s, struct tree_entry *e)
{
    const struct tree_kind *k = &tree_kinds[s->kind];
    assert(s->asset);
    entry_believe(e, s->view ? entry_timeout(s->tree, s->view) : 0, TREE_DAY_S);
    e->attr.st_mtim.tv_sec = s->asset->changed_s;
    if (k->size) {
        e->attr.st_size = k->size(s->asset);
        return 0;
    }
    cleanup(buf_done) struct buf text = {.max = TREE_TEXT_MAX};
    int err = k->text(s, &text);
    e->attr.st_size = (off_t)text.len;
    return err;
}

/* The kernel keeps a link's target with its inode. Another extension is
 * another target, so it is another generation of that inode. */
int entry_link(const struct tree_source *s, struct tree_entry *e)
{
    cleanup(buf_done) struct buf target = {.max = TARGET_MAX_BYTES};
    int err = tree_make_text(s, &target);
    if (err)
        return err;
    const char *dot = strrchr(buf_str(&target), '.');
    for (; dot && *dot; dot++)
        e->generation = e->generation * 131 + (unsigned char)*dot;
    double timeout_s = s->kind == NODE_CONTACT
                           ? s->tree->refresh_s
                           : entry_timeout(s->tree, s->view);
    entry_believe(e, timeout_s, timeout_s);
    e->attr.st_size = (off_t)target.len;
    e->attr.st_mtim.tv_sec = s->asset->created_s;
    return 0;
}

int entry_saved(const struct tree_source *s, struct tree_entry *e)
{
    double timeout_s = entry_timeout(s->tree, s->view);
    entry_believe(e, timeout_s, timeout_s);
    e->attr.st_size = (off_t)strlen(s->saved->target);
    e->attr.st_mtim.tv_sec = s->saved->created_s;
    return 0;
}

void tree_saved_entry(const struct tree *t, const struct view *v,
                      const struct catalogue_link *link,
                      struct tree_entry *ret_entry)
{
    const struct tree_source s = {.tree = t,
                                  .kind = NODE_SAVED,
                                  .row = link->link,
                                  .view = v,
                                  .saved = link};
    (void)tree_make_entry(&s, ret_entry);
}

int entry_lines(const struct tree_source *s, struct tree_entry *e)
{
    entry_believe(e, 0, s->tree->refresh_s);
    e->attr.st_size = selection_bytes(s->selection);
    e->attr.st_mtim = entry_commit_time(s->tree->catalogue);
    return 0;
}

int entry_single(const struct tree_source *s, struct tree_entry *e)
{
    cleanup(buf_done) struct buf target = {.max = TARGET_MAX_BYTES};
    const struct tree_kind *k = &tree_kinds[s->kind];
    int err = k->text ? k->text(s, &target) : 0;
    entry_believe(e, TREE_DAY_S, TREE_DAY_S);
    e->attr.st_size = (off_t)target.len;
    e->attr.st_mtim = entry_ns_time(s->tree->started_ns);
    return err;
}

int entry_status(const struct tree_source *s, struct tree_entry *e)
{
    entry_believe(e, 0, TREE_DAY_S);
    e->attr.st_size = s->status ? (off_t)strlen(s->status->text) : 0;
    e->attr.st_mtim = entry_ns_time(clock_wall_ns());
    return 0;
}

/* Its nanoseconds tell what is in there. */
int entry_media(const struct tree_source *s, struct tree_entry *e)
{
    uint32_t code = s->asset->manifest_url ? 1 : 0;
    char extension[ASSET_EXT_SIZE] = "";
    if (s->asset->picture_url)
        asset_picture_extension(s->asset->picture_url, extension);
    for (const char *c = extension; *c; c++)
        code = code * 37 + (unsigned char)*c;
    entry_believe(e, TREE_DAY_S, TREE_DAY_S);
    e->attr.st_mtim = (struct timespec){.tv_sec = s->asset->created_s,
                                        .tv_nsec = code % NS_PER_S};
    return 0;
}

int entry_late(const struct tree_source *s, struct tree_entry *e)
{
    entry_believe(e, s->tree->refresh_s, 0);
    return 0;
}

void tree_late_entry(const struct tree *t, const struct node *n,
                     int64_t size_bytes, struct timespec mtime,
                     struct tree_entry *ret_entry)
{
    const struct tree_source s = {.tree = t, .kind = n->kind, .row = n->row};
    double known_s = n->kind == NODE_PICTURE ? t->refresh_s : PLAYLIST_ATTR_S;
    entry_begin(&s, ret_entry);
    entry_believe(ret_entry, t->refresh_s, size_bytes < 0 ? 0 : known_s);
    ret_entry->attr.st_size = size_bytes < 0 ? 0 : size_bytes;
    ret_entry->attr.st_mtim = mtime;
    entry_end(&s, ret_entry);
}
