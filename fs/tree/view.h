/* SPDX-License-Identifier: MIT */
/*
 * view.h - the listing directories: the root, the types, .id, and one view for
 * each path of query segments that somebody entered.
 *
 * A view has a number, which is part of the inode numbers of what stands in
 * it. Two orders of the same segments are two views: one number for two paths
 * would make the kernel move the directory. Query views live while they are
 * referenced, while the kernel remembers an inode number of theirs
 * (view_remember, view_forget), and while a child view lives; the others live
 * always. A struct view doesn't change once it is made. Any thread.
 */
#ifndef TWELVEFS_TREE_VIEW_H
#define TWELVEFS_TREE_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/asset.h"
#include "grammar/query.h"

enum view_number {
    VIEW_ROOT = 0,
    VIEW_FIRST_TYPE = 1, /* + enum asset_type */
    VIEW_ID = VIEW_FIRST_TYPE + ASSET_TYPE_COUNT,
    VIEW_FIRST_QUERY = 16
};

/* Query views alive at once; more are -ENFILE. Less than there are numbers, so
 * that one which was given up stays unused for a while. The kernel keeps what
 * it has memory for: from half of them on it must be asked to forget some. */
#define VIEW_MAX 49152

struct view {
    uint32_t number;
    uint64_t serial; /* never another view's, unlike the number */
    uint32_t
        generation; /* of its inodes: 1, of a query's the serial number's */
    struct view *parent; /* NULL for the root; a reference */
    const char *segment; /* its name in the parent; "" for the root */
    const char *path;    /* from the root: "", "video", "a=b/c=d" */
    unsigned depth;      /* components of path */
    struct query query;
    enum asset_type type; /* of a type's directory; else ASSET_TYPE_COUNT */
};

struct view_table;

int view_table_new(struct view_table **ret_table);
/* Frees every view, whoever holds it. NULL is fine. */
void view_table_free(struct view_table *t);

static inline bool view_is_query(const struct view *v)
{
    return v->number >= VIEW_FIRST_QUERY;
}

/* A directory that lists assets under a query: all but .id. */
static inline bool view_is_listing(const struct view *v)
{
    return v->number != VIEW_ID;
}

/* A view by its number, with a reference; NULL when there is none. */
struct view *view_get(struct view_table *t, uint32_t number);

/* The number of the directory that the root has under this name without a
 * query: a type's, or .id; VIEW_ROOT when it has none. */
uint32_t view_named(const struct view_table *t, const char *name);

/* The query view `segment` of a parent, made where needed; with a reference.
 * query_add's errors, -ENOENT below .id, -ENAMETOOLONG, -ENFILE, -ENOMEM. */
int view_enter(struct view_table *t, struct view *parent, const char *segment,
               query_known_fn *known, void *ctx, struct view **ret_view);

/* NULL is fine. */
void view_unref(struct view_table *t, struct view *v);

/* The kernel was told a number of this view, or forgot one, count times. */
void view_remember(struct view_table *t, uint32_t number, uint64_t count);
void view_forget(struct view_table *t, uint32_t number, uint64_t count);

/* Query views alive. */
size_t view_count(struct view_table *t);

/* The numbers of query views alive, at most max of them; how many. */
size_t view_numbers(struct view_table *t, uint32_t *numbers, size_t max);

/* Whether it is time to have the kernel forget: now and then from half of
 * VIEW_MAX on, when views are added. */
bool view_is_crowded(struct view_table *t);

/* All query views. fn is called under the table's lock: it may copy the view's
 * name, no more. */
typedef void view_each_fn(void *ctx, const struct view *v);
void view_each(struct view_table *t, view_each_fn *fn, void *ctx);

#endif
