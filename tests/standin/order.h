/* SPDX-License-Identifier: MIT */
/*
 * Record numbers in order of (created_at, number), with insertion, removal
 * and access by position, all in microseconds for millions.
 *
 * The numbers stand in blocks of at most ORDER_BLOCK; a position is found by
 * adding up block counts (a few thousand additions for a million), a key by
 * halving over the blocks' first keys. Position 0 is the oldest.
 *
 * Not locked: the account's lock covers it.
 */
#ifndef STANDIN_ORDER_H
#define STANDIN_ORDER_H

#include <stddef.h>
#include <stdint.h>

#define ORDER_BLOCK 1024

struct order_key {
    int64_t at;
    uint32_t number;
};

struct order_block {
    uint32_t n;
    struct order_key key[ORDER_BLOCK];
};

struct order {
    struct order_block **block;
    size_t nblocks;
    size_t cap;
    size_t count;
};

/* Walks from a position towards older ones. */
struct order_cursor {
    const struct order *order;
    size_t block; /* 1-based, 0: at the end */
    size_t item;
};

void order_done(struct order *o);
/* 0 or -ENOMEM. The key must not be in. */
int order_insert(struct order *o, struct order_key key);
/* The key must be in. */
void order_remove(struct order *o, struct order_key key);
/* A cursor whose first number is the newest but `skip`. */
struct order_cursor order_newest(const struct order *o, size_t skip);
/* The number at the cursor, -1 at the end; moves on. */
int64_t order_next(struct order_cursor *c);

#endif
