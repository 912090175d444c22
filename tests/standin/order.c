/* SPDX-License-Identifier: MIT */
#include "order.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool less(struct order_key a, struct order_key b)
{
    return a.at != b.at ? a.at < b.at : a.number < b.number;
}

void order_done(struct order *o)
{
    for (size_t i = 0; i < o->nblocks; i++)
        free(o->block[i]);
    free(o->block);
    *o = (struct order){0};
}

/* An empty block at place i. */
static struct order_block *add_block(struct order *o, size_t i)
{
    if (o->nblocks == o->cap) {
        size_t cap = o->cap ? o->cap * 2 : 64;
        struct order_block **block = realloc(o->block, cap * sizeof(*block));
        if (!block)
            return NULL;
        o->block = block;
        o->cap = cap;
    }
    struct order_block *b = malloc(sizeof(*b));
    if (!b)
        return NULL;
    b->n = 0;
    memmove(o->block + i + 1, o->block + i,
            (o->nblocks - i) * sizeof(*o->block));
    o->block[i] = b;
    o->nblocks++;
    return b;
}

/* The last block whose first key is not greater, or the first block. */
static size_t find_block(const struct order *o, struct order_key key)
{
    size_t low = 0, high = o->nblocks;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (less(key, o->block[middle]->key[0]))
            high = middle;
        else
            low = middle;
    }
    return low;
}

/* The first place in the block whose key is not less. */
static uint32_t find_item(const struct order_block *b, struct order_key key)
{
    uint32_t low = 0, high = b->n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (less(b->key[middle], key))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int order_insert(struct order *o, struct order_key key)
{
    if (!o->nblocks && !add_block(o, 0))
        return -ENOMEM;
    size_t i = o->count ? find_block(o, key) : 0;
    struct order_block *b = o->block[i];
    uint32_t at = find_item(b, key);
    if (b->n == ORDER_BLOCK) {
        /* Appending leaves blocks full; elsewhere halves have room. */
        bool append = at == b->n && i + 1 == o->nblocks;
        uint32_t keep = append ? b->n : b->n / 2;
        struct order_block *next = add_block(o, i + 1);
        if (!next)
            return -ENOMEM;
        next->n = b->n - keep;
        memcpy(next->key, b->key + keep, next->n * sizeof(*b->key));
        b->n = keep;
        if (at > keep || append) {
            b = next;
            at -= keep;
        }
    }
    memmove(b->key + at + 1, b->key + at, (b->n - at) * sizeof(*b->key));
    b->key[at] = key;
    b->n++;
    o->count++;
    return 0;
}

void order_remove(struct order *o, struct order_key key)
{
    size_t i = find_block(o, key);
    struct order_block *b = o->block[i];
    uint32_t at = find_item(b, key);
    assert(at < b->n && b->key[at].number == key.number);
    b->n--;
    memmove(b->key + at, b->key + at + 1, (b->n - at) * sizeof(*b->key));
    o->count--;
    if (!b->n && o->nblocks > 1) {
        free(b);
        o->nblocks--;
        memmove(o->block + i, o->block + i + 1,
                (o->nblocks - i) * sizeof(*o->block));
    }
}

struct order_cursor order_newest(const struct order *o, size_t skip)
{
    size_t i = o->nblocks;
    if (skip >= o->count)
        return (struct order_cursor){.order = o};
    while (skip >= o->block[i - 1]->n)
        skip -= o->block[--i]->n;
    return (struct order_cursor){o, i, o->block[i - 1]->n - skip};
}

int64_t order_next(struct order_cursor *c)
{
    if (!c->block)
        return -1;
    const struct order_block *b = c->order->block[c->block - 1];
    int64_t number = b->key[--c->item].number;
    if (!c->item) {
        c->block--;
        c->item = c->block ? c->order->block[c->block - 1]->n : 0;
    }
    return number;
}
