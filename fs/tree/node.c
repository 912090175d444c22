/* SPDX-License-Identifier: MIT */
#include "tree/node.h"

#include <assert.h>

#define VIEW_SHIFT NODE_ROW_BITS
#define KIND_SHIFT (NODE_ROW_BITS + NODE_VIEW_BITS)

_Static_assert(NODE_KIND_COUNT <= 1 << NODE_KIND_BITS, "a kind has its bits");
_Static_assert(NODE_KIND_BITS + KIND_SHIFT <= 53, "a double tells them apart");

uint64_t node_number(enum node_kind kind, uint32_t view, int64_t row)
{
    assert(kind < NODE_KIND_COUNT);
    assert(view < NODE_VIEW_END);
    assert(row >= 0 && row < NODE_ROW_END);
    return (uint64_t)kind << KIND_SHIFT | (uint64_t)view << VIEW_SHIFT |
           (uint64_t)row;
}

bool node_is_per_view(enum node_kind kind)
{
    switch (kind) {
    case NODE_VIEW:
    case NODE_PICTURES:
    case NODE_FOLDER:
    case NODE_MEDIA_LINK:
    case NODE_CONTACT:
    case NODE_LINES:
        return true;
    default:
        return false;
    }
}

bool node_parse(uint64_t number, struct node *ret_node)
{
    uint64_t kind = number >> KIND_SHIFT;
    struct node n = {
        .kind = (enum node_kind)kind,
        .view = (uint32_t)(number >> VIEW_SHIFT & (NODE_VIEW_END - 1)),
        .row = (int64_t)(number & (uint64_t)(NODE_ROW_END - 1)),
    };
    if (kind >= NODE_KIND_COUNT)
        return false;
    if (!node_is_per_view(n.kind) && n.view != 0)
        return false;
    if ((n.kind == NODE_VIEW || n.kind == NODE_PICTURES) && n.row != 1)
        return false;
    if (n.kind == NODE_FIXED && n.row >= NODE_FIXED_END)
        return false;
    if (n.kind != NODE_LINES && n.row == 0)
        return false;
    *ret_node = n;
    return true;
}
