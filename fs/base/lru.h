/* SPDX-License-Identifier: MIT */
/*
 * lru.h - a bounded set of counted things, of which the least recently used
 * gives way.
 *
 * A thing embeds struct lru_entry as its first member and is found by two
 * numbers. The set holds a reference, and so does whoever got one; what gave
 * way lives until the last of them lets go. Looking up walks the list: bounds
 * are some hundred entries. Any thread; the set's lock is a leaf, and is held
 * over `destroy`, which frees memory and does no more.
 */
#ifndef TWELVEFS_LRU_H
#define TWELVEFS_LRU_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct lru_entry {
    uint64_t key[2]; /* set by the owner before lru_put */
    size_t bytes;    /* likewise: what it weighs */
    unsigned refs;   /* 1 to begin with: its maker's. Then under the lock */
    TAILQ_ENTRY(lru_entry) link;
};

typedef void lru_destroy_fn(struct lru_entry *e);

struct lru {
    pthread_mutex_t lock; /* guards the list, its sums and all refs */
    TAILQ_HEAD(lru_list, lru_entry) entries; /* least recently used first */
    size_t count, bytes;
    size_t max_count, max_bytes; /* one entry may exceed max_bytes */
    lru_destroy_fn *destroy;
};

void lru_init(struct lru *l, size_t max_count, size_t max_bytes,
              lru_destroy_fn *destroy);
/* Lets go of every entry. Fine for a zeroed struct that was never begun. */
void lru_done(struct lru *l);

/* With a reference, now the most recently used; NULL when there is none. */
struct lru_entry *lru_get(struct lru *l, uint64_t key0, uint64_t key1);

/* Adds an entry, unless its key is there already: answers the one that is,
 * with a reference; the other lost its maker's. */
struct lru_entry *lru_put(struct lru *l, struct lru_entry *e);

/* Takes one out, if it is there. */
void lru_drop(struct lru *l, uint64_t key0, uint64_t key1);

/* NULL is fine. */
void lru_unref(struct lru *l, struct lru_entry *e);

#endif
