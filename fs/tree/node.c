/* SPDX-License-Identifier: MIT */
#include "tree/node.h"

#include <assert.h>

#define VIEW_SHIFT  NODE_ROW_BITS
#define CLASS_SHIFT (NODE_ROW_BITS + NODE_VIEW_BITS)

/* Classes; those below are kinds. */
#define SINGLE  NODE_ALL_MEDIA
#define FURTHER (SINGLE + 1)

_Static_assert(FURTHER < 1 << NODE_CLASS_BITS, "a class has its bits");
_Static_assert(NODE_CLASS_BITS + CLASS_SHIFT <= 53, "a double holds them");

#define BIT(kind) (1u << (kind))
#define PER_VIEW                                                               \
    (BIT(NODE_VIEW) | BIT(NODE_PICTURES) | BIT(NODE_FOLDER) |                  \
     BIT(NODE_MEDIA_LINK) | BIT(NODE_CONTACT) | BIT(NODE_LINES))

bool node_is_per_view(enum node_kind kind)
{
    return kind < NODE_FURTHER && BIT(kind) & PER_VIEW;
}

static uint64_t node_join(uint64_t class, uint64_t view, uint64_t row)
{
    return class << CLASS_SHIFT | view << VIEW_SHIFT | row;
}

uint64_t node_ino(enum node_kind kind, uint32_t view, int64_t row)
{
    assert(kind < NODE_FURTHER + NODE_VIEW_END);
    assert(view < NODE_VIEW_END);
    assert(row >= 0 && row < NODE_ROW_END);
    if (kind >= NODE_FURTHER)
        return node_join(FURTHER, kind - NODE_FURTHER, (uint64_t)row);
    if (kind >= SINGLE)
        return node_join(SINGLE, 0, kind - SINGLE + 1);
    return node_join(kind, node_is_per_view(kind) ? view : 0, (uint64_t)row);
}

/* What FURTHER and SINGLE keep in the bits of view and row, moved to the kind;
 * false where it names none. */
static bool node_widen(struct node *n)
{
    if (n->kind == FURTHER) {
        n->kind = (enum node_kind)(NODE_FURTHER + n->view);
        n->view = 0;
    } else if (n->kind == SINGLE) {
        if (n->row > NODE_FURTHER - SINGLE)
            return false;
        n->kind = (enum node_kind)(SINGLE + n->row - 1);
        n->row = 1;
    }
    return true;
}

bool node_parse(uint64_t ino, struct node *ret_node)
{
    struct node n = {
        .kind = (enum node_kind)(ino >> CLASS_SHIFT),
        .view = (uint32_t)(ino >> VIEW_SHIFT & (NODE_VIEW_END - 1)),
        .row = (int64_t)(ino & (uint64_t)(NODE_ROW_END - 1)),
    };
    if (ino >> (CLASS_SHIFT + NODE_CLASS_BITS) || n.kind > FURTHER)
        return false;
    if (n.row == 0 && n.kind != NODE_LINES)
        return false;
    if (!node_widen(&n) || (n.view != 0 && !node_is_per_view(n.kind)))
        return false;
    if ((n.kind == NODE_VIEW || n.kind == NODE_PICTURES) && n.row != 1)
        return false;
    *ret_node = n;
    return true;
}
