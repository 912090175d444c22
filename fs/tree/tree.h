/* SPDX-License-Identifier: MIT */
/*
 * tree.h - what stands where, and what it looks like; without FUSE.
 *
 * A node is a kind (kind.c has one row for each), a view, and a row. Whoever
 * has an inode number gets its node (tree_find), attributes (tree_attr) and
 * text (tree_read, tree_target); whoever has a directory gets what stands in
 * there by name (tree_lookup), and all of it in turn (tree_list). Everything
 * is answered from the catalogue as it is. Where that doesn't suffice,
 * tree_lookup says which question to sync would settle it; nothing waits here.
 *
 * What is believed how long: notifications keep the root, the type directories,
 * their folders and all assets' files true, so these for a day; the rest
 * validates itself and is believed for `refresh`. Sizes are exact, since a
 * reader sees what stat said. Only what must be fetched before it is measured
 * (tree_is_late) is known here by name alone; the caller has its size.
 *
 * Errors are negative errno. -ESTALE: what the number meant is gone; -ENOTDIR,
 * -EISDIR, -EINVAL (not a link): it is of another type; -ENOMEM, and the
 * catalogue's. Any thread.
 */
#ifndef TWELVEFS_TREE_TREE_H
#define TWELVEFS_TREE_TREE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/lru.h"
#include "catalogue/catalogue.h"
#include "sync/sync.h"
#include "tree/node.h"
#include "tree/view.h"

struct tree {
    /* Set by the owner before tree_init, and constant from then on. */
    struct catalogue *catalogue; /* borrowed, and so is sync */
    struct sync *sync;
    uid_t uid; /* whose files they seem to be */
    gid_t gid;
    mode_t umask;     /* what nobody may do with them */
    bool saves;       /* queries can be saved: listings are writable */
    bool tags;        /* an asset's folder is writable, for setfattr */
    bool deletes;     /* .id is, for rmdir */
    double refresh_s; /* how long what nobody notifies may be believed */
    /* Appends the text of status.json, as it is now. */
    int (*status)(void *ctx, struct buf *out);
    void *ctx;

    /* tree_init's */
    int64_t started_ns;
    struct view_table *views;
    struct lru selections; /* selection.h */
    struct lru statuses;   /* texts of status.json by number */
    _Atomic int64_t statuses_made;

    /* What the directories' times and the root's names depend on. */
    _Atomic int64_t root_changed_ns;
    _Atomic int64_t saved_changed_ns; /* saved queries, wherever */
    _Atomic uint64_t saved_changes;
    _Atomic bool other_shown;   /* the root has other/ */
    _Atomic bool other_offered; /* it was listed while it might yet come */
};

/* 0 or -ENOMEM; then tree_done all the same. */
int tree_init(struct tree *t);
/* Fine for a zeroed struct. */
void tree_done(struct tree *t);

/* Seconds for what is kept true by notifications. */
#define TREE_DAY_S 86400.0
/* An absence, or a directory, that may be another in a moment. */
#define TREE_MOMENT_S 1.0

#define TREE_TEXT_MAX (256u << 20) /* of one file, generated */

/* What is told of a node. */
struct tree_entry {
    uint64_t ino; /* attr's; 0 in a listing: it must be looked up by name */
    uint64_t generation;
    double entry_timeout_s; /* how long its name may be believed */
    double attr_timeout_s;
    struct stat attr;
};

/* A node, its view held. Plain rows of the asset's kinds have view 0. */
struct tree_node {
    struct node id;
    struct view *view;
    struct view_table *views;
};
void tree_node_done(struct tree_node *n);

int tree_find(struct tree *t, uint64_t ino, struct tree_node *ret_node);
/* The directory that one stands in; -ENOTDIR for what is none itself. */
int tree_parent(const struct tree_node *n, uint64_t *ret_ino);

/* Whether a kind's content must be fetched or made before it is measured. */
bool tree_is_late(enum node_kind kind);

/* Of what is late: as not measured yet. */
int tree_attr(struct tree *t, const struct tree_node *n,
              struct tree_entry *ret_entry);
/* Of what is late, once it is measured; size_bytes -1: not yet, and it must be
 * asked before it is believed. */
void tree_late_entry(const struct tree *t, const struct node *n,
                     int64_t size_bytes, struct timespec mtime,
                     struct tree_entry *ret_entry);

/* Appends a file's text: all of it, then *ret_skip is off, or the part from
 * off alone, then *ret_skip is 0. Not of what is late. */
int tree_read(struct tree *t, const struct tree_node *n, int64_t off,
              size_t size, struct buf *out, size_t *ret_skip);
/* Appends where a link leads. */
int tree_target(struct tree *t, const struct tree_node *n, struct buf *out);

enum tree_answer { TREE_FOUND, TREE_ABSENT, TREE_ASK };

struct tree_lookup {
    const char *name; /* what is looked up */
    bool complete;    /* the catalogue was, some moment before */
    unsigned asked;   /* bits 1 << enum sync_want: questions answered already */

    /* FOUND: all of it. ABSENT: how long that may be believed, as
     * entry_timeout_s. */
    struct tree_entry entry;
    struct sync_question question; /* ASK; borrows from here and the node */
    char text[NAME_SIZE];
    struct tree_node held; /* the view that was found, for as long */
};

/* An answer, or an error: -ENAMETOOLONG, -EAGAIN (a question that was answered
 * is open again), view_enter's. */
int tree_lookup(struct tree *t, const struct tree_node *dir,
                struct tree_lookup *l);
void tree_lookup_done(struct tree_lookup *l);

/* Whether a listing has a name by itself, whatever the account holds. */
bool tree_name_is_ours(const struct tree *t, const struct view *v,
                       const char *name);

/* 0 when an asset meets a view's query, -ENODATA when it doesn't, or an error;
 * table field must serve the query. The entry's texts are gone then, unless
 * the view is a fixed one. */
int tree_is_member(struct catalogue_reader *reader, const struct view *v,
                   const struct catalogue_entry *asset);
/* The asset in a view under a folder name: 0, -ENOENT, -ENODATA (it stands
 * elsewhere), or an error. The root has none. */
int tree_get_asset(struct catalogue_reader *reader, const struct view *v,
                   const char *folder, struct catalogue_entry *ret_asset);
/* The asset of a row; -ESTALE. */
int tree_get_row(struct catalogue_reader *reader, int64_t row,
                 struct catalogue_entry *ret_asset);
/* The first field of a view's query that table field doesn't hold yet; or
 * NULL. */
const char *tree_missing_field(struct catalogue_reader *reader,
                               const struct view *v);

/* Whether the root lists other/: it holds something, or may yet. */
bool tree_lists_other(const struct tree *t);
/* A saved query came or went in a view. */
void tree_saved_changed(struct tree *t, const struct view *v);
/* A link of it, as it stands in a view. */
void tree_saved_entry(const struct tree *t, const struct view *v,
                      const struct catalogue_link *link,
                      struct tree_entry *ret_entry);

/* False when there is no more room: the listing ends. next is the offset that
 * goes on after this name. */
typedef bool tree_emit_fn(void *ctx, const char *name,
                          const struct tree_entry *e, int64_t next);
struct tree_listing {
    struct tree *tree;
    const struct tree_node *dir;
    struct catalogue_reader *reader; /* that the names come from */
    int64_t off;                     /* 0, or of the last name seen */
    tree_emit_fn *emit;
    void *ctx;

    bool full;        /* emit answered false */
    int64_t last_row; /* the last asset looked at, shown or not */
    uint64_t version; /* tree_list's */
};
/* Lists from an offset on, until the end or until it is full. Positions only
 * ascend, so a listing goes on rightly whatever came or went meanwhile. */
int tree_list(struct tree_listing *l);
/* The asset's row that an offset goes on after; 0 none. */
int64_t tree_offset_row(int64_t off);

extern const int tree_kind_count;
/* Whether it is one of the small files of an asset's folder. They are the same
 * in each view. */
bool tree_is_file(int kind);
/* What stands in a kind of directory under a name of its own: each kind in
 * turn, as they are listed, from -1 on; -1 after the last. */
int tree_next_child(enum node_kind dir, int kind);
/* A child's name there, with the extension of the asset's picture where it has
 * that. */
void tree_child_name(int kind, const char *extension, char out[NAME_SIZE]);
/* Whether an asset with these has that child: its picture's extension, ""
 * without one. */
bool tree_child_is_there(int kind, const char *extension, bool manifest);
/* The text of one of an asset's small files; -ENOENT where it has none. The
 * asset's texts are gone then, unless tree_file_keeps_asset. */
int tree_file_text(struct tree *t, struct catalogue_reader *reader, int kind,
                   const struct catalogue_entry *asset, struct buf *out);
bool tree_file_keeps_asset(int kind);

#endif
