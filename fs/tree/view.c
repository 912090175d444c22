/* SPDX-License-Identifier: MIT */
#include "tree/view.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hash.h"
#include "tree/node.h"

#define BUCKETS_MIN 64
#define CROWD       1024 /* views between one asking to forget and the next */
#define NS_PER_MS   1000000

_Static_assert(VIEW_MAX + VIEW_FIRST_QUERY < NODE_VIEW_END, "numbers suffice");
#define PLACE_MAX ((size_t)QUERY_MAX_TERMS * (NAME_MAX + 1))

/* A view as the table keeps it; the public part comes first. */
struct entry {
    struct view view;
    uint64_t refs;       /* callers' and children's */
    uint64_t remembered; /* the kernel's */
    uint64_t hash;       /* of (parent's number, segment) */
    struct entry *next_by_number;
    struct entry *next_by_name;
    char text[]; /* place; the segment is its end */
};

struct view_table {
    pthread_mutex_t lock; /* guards everything below */
    struct entry *fixed[VIEW_FIRST_QUERY];
    struct entry **by_number;
    struct entry **by_name;
    size_t buckets; /* a power of two */
    size_t count;   /* query views */
    bool crowded;   /* since view_is_crowded said so */
    uint32_t next_number;
    uint64_t next_serial;
};

static uint64_t hash_name(uint32_t parent, const char *segment)
{
    return hash_bytes(segment, strlen(segment), parent);
}

static void entry_free(struct entry *e)
{
    if (!e)
        return;
    query_done(&e->view.query);
    free(e);
}

DEFINE_CLEANUP(free_entry, struct entry *, entry_free)

static struct entry *entry_new(struct view *parent, const char *segment)
{
    bool nested = parent && parent->place[0];
    size_t head = nested ? strlen(parent->place) + 1 : 0;
    size_t size = head + strlen(segment) + 1;
    struct entry *e = calloc(1, sizeof(*e) + size);
    if (!e)
        return NULL;
    (void)snprintf(e->text, size, "%s%s%s", nested ? parent->place : "",
                   nested ? "/" : "", segment);
    e->view.place = e->text;
    e->view.segment = e->text + head;
    e->view.parent = parent;
    e->view.depth = parent ? parent->depth + 1 : 0;
    e->view.type = ASSET_TYPE_COUNT;
    return e;
}

static int add_fixed(struct view_table *t, uint32_t number, const char *name,
                     enum asset_type type)
{
    struct entry *root = t->fixed[VIEW_ROOT];
    cleanup(free_entry) struct entry *e =
        entry_new(root ? &root->view : NULL, name);
    if (!e)
        return -ENOMEM;
    e->view.number = number;
    e->view.serial = number;
    e->view.generation = 1;
    e->view.type = type;
    if (type != ASSET_TYPE_COUNT) {
        int err = query_add_type(&e->view.query, type);
        if (err)
            return err;
    }
    t->fixed[number] = steal_ptr(e);
    return 0;
}

static int allocate_buckets(struct view_table *t, size_t buckets)
{
    struct entry **by_number = calloc(buckets, sizeof(struct entry *));
    struct entry **by_name = calloc(buckets, sizeof(struct entry *));
    if (!by_number || !by_name) {
        free(by_number);
        free(by_name);
        return -ENOMEM;
    }
    for (size_t i = 0; i < t->buckets; i++) {
        for (struct entry *e = t->by_number[i]; e;) {
            struct entry *next = e->next_by_number;
            struct entry **number = &by_number[e->view.number & (buckets - 1)];
            struct entry **name = &by_name[e->hash & (buckets - 1)];
            e->next_by_number = *number;
            *number = e;
            e->next_by_name = *name;
            *name = e;
            e = next;
        }
    }
    free(t->by_number);
    free(t->by_name);
    t->by_number = by_number;
    t->by_name = by_name;
    t->buckets = buckets;
    return 0;
}

int view_table_new(struct view_table **ret_table)
{
    struct view_table *t = calloc(1, sizeof(*t));
    if (!t)
        return -ENOMEM;
    (void)pthread_mutex_init(&t->lock, NULL);
    t->next_number = VIEW_FIRST_QUERY;
    /* Past those of an earlier mount: a handle may outlive it. */
    t->next_serial = (uint64_t)clock_wall_ns() / NS_PER_MS;
    int err = allocate_buckets(t, BUCKETS_MIN);
    if (!err)
        err = add_fixed(t, VIEW_ROOT, "", ASSET_TYPE_COUNT);
    for (int i = 0; !err && i < ASSET_TYPE_COUNT; i++)
        err =
            add_fixed(t, VIEW_FIRST_TYPE + (uint32_t)i,
                      asset_type_name((enum asset_type)i), (enum asset_type)i);
    if (!err)
        err = add_fixed(t, VIEW_ID, ".id", ASSET_TYPE_COUNT);
    if (err) {
        view_table_free(t);
        return err;
    }
    *ret_table = t;
    return 0;
}

void view_table_free(struct view_table *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->buckets; i++) {
        for (struct entry *e = t->by_number[i]; e;) {
            struct entry *next = e->next_by_number;
            entry_free(e);
            e = next;
        }
    }
    for (size_t i = 0; i < array_count(t->fixed); i++)
        entry_free(t->fixed[i]);
    free(t->by_number);
    free(t->by_name);
    (void)pthread_mutex_destroy(&t->lock);
    free(t);
}

static struct entry *find_number(struct view_table *t, uint32_t number)
{
    if (number < VIEW_FIRST_QUERY)
        return t->fixed[number];
    struct entry *e = t->by_number[number & (t->buckets - 1)];
    while (e && e->view.number != number)
        e = e->next_by_number;
    return e;
}

static struct entry *find_name(struct view_table *t, const struct view *parent,
                               const char *segment, uint64_t hash)
{
    struct entry *e = t->by_name[hash & (t->buckets - 1)];
    while (e && (e->hash != hash || e->view.parent != parent ||
                 strcmp(e->view.segment, segment) != 0))
        e = e->next_by_name;
    return e;
}

struct view *view_get(struct view_table *t, uint32_t number)
{
    guard_mutex(&t->lock);
    struct entry *e = find_number(t, number);
    if (!e)
        return NULL;
    e->refs++;
    return &e->view;
}

static void unlink_entry(struct view_table *t, struct entry *e)
{
    struct entry **at = &t->by_number[e->view.number & (t->buckets - 1)];
    while (*at != e)
        at = &(*at)->next_by_number;
    *at = e->next_by_number;
    at = &t->by_name[e->hash & (t->buckets - 1)];
    while (*at != e)
        at = &(*at)->next_by_name;
    *at = e->next_by_name;
    t->count--;
}

/* Many views that were entered once should leave neither buckets nor, in the
 * C library's keeping, the pages that they were on. */
static void shrink(struct view_table *t)
{
    if (t->buckets == BUCKETS_MIN || t->count >= t->buckets / 8)
        return;
    size_t buckets = t->buckets / 4;
    (void)allocate_buckets(t, buckets > BUCKETS_MIN ? buckets : BUCKETS_MIN);
#ifdef __GLIBC__
    (void)malloc_trim(0);
#endif
}

/* Frees a view that nobody needs, and its parents as far as it was the last
 * to need them. */
static void settle(struct view_table *t, struct entry *e)
{
    while (e && view_is_query(&e->view) && !e->refs && !e->remembered) {
        struct entry *parent = (struct entry *)e->view.parent;
        unlink_entry(t, e);
        entry_free(e);
        parent->refs--;
        e = parent;
    }
    shrink(t);
}

/* Numbers go round, so that one that was forgotten stays unused for long. */
static uint32_t take_number(struct view_table *t)
{
    uint32_t number;
    do {
        number = t->next_number++;
        if (t->next_number == NODE_VIEW_END)
            t->next_number = VIEW_FIRST_QUERY;
    } while (find_number(t, number));
    return number;
}

static void link_entry(struct view_table *t, struct entry *e)
{
    e->view.number = take_number(t);
    e->view.serial = t->next_serial++;
    e->view.generation = (uint32_t)e->view.serial;
    struct entry **number = &t->by_number[e->view.number & (t->buckets - 1)];
    struct entry **name = &t->by_name[e->hash & (t->buckets - 1)];
    e->next_by_number = *number;
    *number = e;
    e->next_by_name = *name;
    *name = e;
    t->count++;
    if (t->count >= VIEW_MAX / 2 && t->count % CROWD == 0)
        t->crowded = true;
    ((struct entry *)e->view.parent)->refs++;
}

int view_enter(struct view_table *t, struct view *parent, const char *segment,
               query_known_fn *known, void *ctx, struct view **ret_view)
{
    if (!view_is_listing(parent) || parent->depth >= QUERY_MAX_TERMS)
        return -ENOENT;
    if (strlen(segment) > NAME_MAX ||
        strlen(parent->place) + strlen(segment) > PLACE_MAX)
        return -ENAMETOOLONG;
    uint64_t hash = hash_name(parent->number, segment);
    {
        guard_mutex(&t->lock);
        struct entry *found = find_name(t, parent, segment, hash);
        if (found) {
            found->refs++;
            *ret_view = &found->view;
            return 0;
        }
    }

    /* Made without the lock: known() asks the catalogue. */
    cleanup(free_entry) struct entry *e = entry_new(parent, segment);
    if (!e)
        return -ENOMEM;
    e->hash = hash;
    int err = query_copy(&parent->query, &e->view.query);
    if (!err)
        err = query_add(&e->view.query, segment, known, ctx);
    if (err)
        return err;

    guard_mutex(&t->lock);
    struct entry *found = find_name(t, parent, segment, hash);
    if (!found && t->count >= VIEW_MAX)
        return -ENFILE;
    if (!found && t->count >= t->buckets)
        (void)allocate_buckets(t, t->buckets * 2); /* else it is but slower */
    if (!found) {
        link_entry(t, e);
        found = steal_ptr(e);
    }
    found->refs++;
    *ret_view = &found->view;
    return 0;
}

void view_unref(struct view_table *t, struct view *v)
{
    if (!v)
        return;
    guard_mutex(&t->lock);
    struct entry *e = (struct entry *)v;
    e->refs--;
    settle(t, e);
}

void view_remember(struct view_table *t, uint32_t number, uint64_t count)
{
    if (number < VIEW_FIRST_QUERY)
        return;
    guard_mutex(&t->lock);
    struct entry *e = find_number(t, number);
    if (e)
        e->remembered += count;
}

void view_forget(struct view_table *t, uint32_t number, uint64_t count)
{
    if (number < VIEW_FIRST_QUERY)
        return;
    guard_mutex(&t->lock);
    struct entry *e = find_number(t, number);
    if (!e)
        return;
    e->remembered -= count < e->remembered ? count : e->remembered;
    settle(t, e);
}

size_t view_count(struct view_table *t)
{
    guard_mutex(&t->lock);
    return t->count;
}

size_t view_numbers(struct view_table *t, uint32_t *numbers, size_t max)
{
    size_t count = 0;
    guard_mutex(&t->lock);
    for (size_t i = 0; i < t->buckets && count < max; i++)
        for (struct entry *e = t->by_number[i]; e && count < max;
             e = e->next_by_number)
            numbers[count++] = e->view.number;
    return count;
}

bool view_is_crowded(struct view_table *t)
{
    guard_mutex(&t->lock);
    bool crowded = t->crowded;
    t->crowded = false;
    return crowded;
}

void view_each(struct view_table *t, view_each_fn *fn, void *ctx)
{
    guard_mutex(&t->lock);
    for (size_t i = 0; i < t->buckets; i++)
        for (struct entry *e = t->by_number[i]; e; e = e->next_by_number)
            fn(ctx, &e->view);
}
