/* SPDX-License-Identifier: MIT */
/*
 * tree_internal.h - the table of kinds, and what the files of tree/ share.
 */
#ifndef TWELVEFS_TREE_INTERNAL_H
#define TWELVEFS_TREE_INTERNAL_H

#include "base/cleanup.h"
#include "tree/selection.h"
#include "tree/tree.h"

DEFINE_CLEANUP(tree_release, struct catalogue_reader *,
               catalogue_reader_release)

/* What a node is made from, as tree_load gets it. */
enum tree_origin {
    FROM_ASSET, /* of its row */
    FROM_NOTHING,
    FROM_SAVED,     /* the query of that number */
    FROM_SELECTION, /* of its view, at its row's version */
    FROM_STATUS,    /* the text of that number */
};

struct tree_status {
    struct lru_entry kept;
    char *text;
};

struct tree_source {
    const struct tree *tree;
    struct catalogue_reader *reader; /* NULL: FROM_NOTHING, FROM_STATUS */
    enum node_kind kind;
    int64_t row;
    const struct view *view; /* that it is seen in; NULL: none in particular */
    const struct catalogue_entry *asset;
    const struct catalogue_link *saved;
    const struct selection *selection;
    const struct tree_status *status;
};

/* Fills what differs from entry_begin's. 0, -ENOENT: the asset has no such. */
typedef int tree_entry_fn(const struct tree_source *s, struct tree_entry *e);
/* Appends a text. That of a kind which needs a URL leaves the reader alone, so
 * that the asset's texts hold. */
typedef int tree_text_fn(const struct tree_source *s, struct buf *out);
/* Looks a name up that isn't in the table. */
typedef int tree_find_fn(struct tree *t, const struct tree_node *dir,
                         struct tree_lookup *l);
/* Lists what isn't in the table. */
typedef int tree_list_fn(struct tree_listing *l);

/* The asset must have a URL of one of these, else it has no such child. */
#define NEEDS_PICTURE  1u
#define NEEDS_MANIFEST 2u

struct tree_kind {
    const char *name; /* in its directory; NULL: the directory's find knows */
    enum node_kind parent;
    mode_t type;           /* S_IFREG … */
    enum tree_origin from; /* an asset, where nothing else is said */
    enum node_kind last;   /* of its children, in a listing; 0: as they are */
    unsigned needs;        /* 0: it is always there */
    bool in_root;          /* and in no other listing */
    bool hidden;           /* found by its name, and not listed */
    bool is_picture;       /* its name has the picture's extension */
    bool late;             /* tree_is_late */
    tree_entry_fn *entry;  /* NULL: a generated file's */
    int64_t (*size)(const struct catalogue_entry *asset); /* of its text, where
                                                   that is known without it */
    tree_text_fn *text; /* a file's; where a link leads */
    tree_find_fn *find; /* NULL: nothing else is in there */
    tree_list_fn *list; /* likewise */
};

extern const struct tree_kind tree_kinds[];

/* Whether the asset has that child. */
bool kind_is_there(const struct tree_kind *k,
                   const struct catalogue_entry *asset);
/* A child's name in an asset's directory, in space where it must be made. */
const char *kind_name(const struct tree_kind *k,
                      const struct catalogue_entry *asset,
                      char space[NAME_SIZE]);
/* What is told of a node that is made from s; -ENOENT as above. */
int tree_make_entry(const struct tree_source *s, struct tree_entry *e);
/* Its text, likewise. */
int tree_make_text(const struct tree_source *s, struct buf *out);

/* entry.c: how each looks */
tree_entry_fn entry_view, entry_pictures, entry_folder, entry_file, entry_link,
    entry_saved, entry_lines, entry_single, entry_status, entry_media,
    entry_late;
/* Seconds that names in a view may be believed. */
double entry_timeout(const struct tree *t, const struct view *v);

/* text.c: where links lead, and what status.json holds */
tree_text_fn text_status, text_media_target, text_contact_target,
    text_saved_target, text_sheet_target;
/* A new status.json, kept under a number of its own. */
int text_make_status(struct tree *t, struct tree_status **ret_status);
void text_status_init(struct lru *kept);

/* lookup.c, list.c: what stands in directories beside the table's names */
tree_find_fn lookup_in_view, lookup_contact, lookup_id;
tree_list_fn list_view, list_contacts;
/* "<folder name>.<ext>", a picture's name in .pictures; -ENOENT without one. */
int contact_name(const struct catalogue_entry *asset, char out[NAME_SIZE]);

#endif
