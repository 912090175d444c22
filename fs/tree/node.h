/* SPDX-License-Identifier: MIT */
/*
 * node.h - inode numbers by arithmetic.
 *
 *   bits 52-49  class: NODE_VIEW to NODE_STATUS as they are; SINGLE; FURTHER
 *   bits 48-33  view: which listing directory it was reached through
 *   bits 32-0   row of the asset, number of the saved query, or version
 *
 * Kinds after NODE_STATUS share two classes. Of some there is one node: their
 * place in the row of those is their row (SINGLE). All later ones are files or
 * folders of an asset's, the same in each view, so that the view's bits are
 * free to say which (FURTHER).
 *
 * 53 bits, since JavaScript has no more for a number and would take two files
 * for one. They hold 8.6 thousand million rows, of which each number is given
 * once (the catalogue refuses more), and 65,536 views at a time: their numbers
 * are used again, after the kernel forgot the last inode of one (view.h). What
 * outlives that, a file handle, tells two views of one number apart by the
 * inode's generation.
 *
 * The root is 1, as FUSE wants it: kind NODE_VIEW, view 0, row 1. Regular
 * files of an asset have view 0 in every view, so that their pages are cached
 * once. Pure functions.
 */
#ifndef TWELVEFS_TREE_NODE_H
#define TWELVEFS_TREE_NODE_H

#include <stdbool.h>
#include <stdint.h>

/* What can be told apart only here; kind.c says all else of each. */
enum node_kind {
    NODE_VIEW,         /* a listing directory, or .id; row 1 */
    NODE_PICTURES,     /* VIEW/.pictures; row 1 */
    NODE_FOLDER,       /* an asset's folder in a view */
    NODE_MEDIA_LINK,   /* media in it */
    NODE_CONTACT,      /* a link in VIEW/.pictures */
    NODE_METADATA,     /* metadata.json */
    NODE_PICTURE_URL,  /* thumbnail.url */
    NODE_MANIFEST_URL, /* manifest.url */
    NODE_SAVED,        /* a saved query, a link; row is its number */
    NODE_LINES,        /* VIEW/.assets.ndjson; row is the version */
    NODE_MEDIA,        /* .media/<id> */
    NODE_PICTURE,      /* .media/<id>/thumbnail.<ext> */
    NODE_PLAYLIST,     /* .media/<id>/manifest.m3u8 */
    NODE_STATUS,       /* .twelvefs/status.json; row tells the text */
    NODE_ALL_MEDIA,    /* .media; this and the next two have row 1 */
    NODE_CONTROL,      /* .twelvefs */
    NODE_SHEET,        /* pictures in the root, a link */
    NODE_FURTHER       /* the first of those that have no name here */
};

#define NODE_CLASS_BITS 4
#define NODE_VIEW_BITS  16
#define NODE_ROW_BITS   33
#define NODE_VIEW_END   (UINT32_C(1) << NODE_VIEW_BITS)
#define NODE_ROW_END    (INT64_C(1) << NODE_ROW_BITS)
#define NODE_ROOT       UINT64_C(1)

struct node {
    enum node_kind kind;
    uint32_t view;
    int64_t row;
};

/* view < NODE_VIEW_END and 0 <= row < NODE_ROW_END, by the caller's word; the
 * view counts only where node_is_per_view. */
uint64_t node_ino(enum node_kind kind, uint32_t view, int64_t row);

/* False for a number that node_ino never gives. Whether there is such a kind
 * beyond NODE_FURTHER the caller must know. */
bool node_parse(uint64_t ino, struct node *ret_node);

/* Whether a number of this kind belongs to one view, which must then live as
 * long as the kernel knows the number. */
bool node_is_per_view(enum node_kind kind);

#endif
