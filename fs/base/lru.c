/* SPDX-License-Identifier: MIT */
#include "base/lru.h"

#include "base/cleanup.h"

void lru_init(struct lru *l, size_t max_count, size_t max_bytes,
              lru_destroy_fn *destroy)
{
    (void)pthread_mutex_init(&l->lock, NULL);
    TAILQ_INIT(&l->entries);
    l->count = l->bytes = 0;
    l->max_count = max_count;
    l->max_bytes = max_bytes;
    l->destroy = destroy;
}

/* These four under the lock. */

static void lru_release(struct lru *l, struct lru_entry *e)
{
    if (--e->refs == 0)
        l->destroy(e);
}

static void lru_remove(struct lru *l, struct lru_entry *e)
{
    TAILQ_REMOVE(&l->entries, e, link);
    l->count--;
    l->bytes -= e->bytes;
    lru_release(l, e);
}

static struct lru_entry *lru_find(struct lru *l, uint64_t key0, uint64_t key1)
{
    struct lru_entry *e;
    TAILQ_FOREACH(e, &l->entries, link)
    if (e->key[0] == key0 && e->key[1] == key1)
        return e;
    return NULL;
}

static struct lru_entry *lru_use(struct lru *l, uint64_t key0, uint64_t key1)
{
    struct lru_entry *e = lru_find(l, key0, key1);
    if (!e)
        return NULL;
    TAILQ_REMOVE(&l->entries, e, link);
    TAILQ_INSERT_TAIL(&l->entries, e, link);
    e->refs++;
    return e;
}

void lru_done(struct lru *l)
{
    if (!l->destroy)
        return;
    while (!TAILQ_EMPTY(&l->entries))
        lru_remove(l, TAILQ_FIRST(&l->entries));
    (void)pthread_mutex_destroy(&l->lock);
}

struct lru_entry *lru_get(struct lru *l, uint64_t key0, uint64_t key1)
{
    guard_mutex(&l->lock);
    return lru_use(l, key0, key1);
}

struct lru_entry *lru_put(struct lru *l, struct lru_entry *e)
{
    guard_mutex(&l->lock);
    struct lru_entry *other = lru_use(l, e->key[0], e->key[1]);
    if (other) {
        lru_release(l, e);
        return other;
    }
    e->refs++;
    TAILQ_INSERT_TAIL(&l->entries, e, link);
    l->count++;
    l->bytes += e->bytes;
    while (l->count > 1 && (l->count > l->max_count || l->bytes > l->max_bytes))
        lru_remove(l, TAILQ_FIRST(&l->entries));
    return e;
}

void lru_drop(struct lru *l, uint64_t key0, uint64_t key1)
{
    guard_mutex(&l->lock);
    struct lru_entry *e = lru_find(l, key0, key1);
    if (e)
        lru_remove(l, e);
}

void lru_unref(struct lru *l, struct lru_entry *e)
{
    if (!e)
        return;
    guard_mutex(&l->lock);
    lru_release(l, e);
}
