/* SPDX-License-Identifier: MIT */
#include "tree/view.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hash.h"
#include "tree/node.h"

#define BUCKETS 4096 /* by name; a chain has a dozen at the most */
#define CROWDED_EVERY                                                          \
    1024 /* views between one asking to forget and the next                    \
          */
#define NS_PER_MS 1000000

_Static_assert(VIEW_MAX + VIEW_FIRST_QUERY < NODE_VIEW_END, "numbers suffice");
#define PATH_LEN_MAX ((size_t)QUERY_MAX_TERMS * (NAME_MAX + 1))

/* A view as the table keeps it; the public part comes first. */
struct slot {
    struct view view;
    uint64_t refs;       /* callers' and children's */
    uint64_t remembered; /* the kernel's */
    uint64_t hash;       /* of (parent's number, segment) */
    LIST_ENTRY(slot) of_name;
    LIST_ENTRY(slot) of_all;
    char text[]; /* path; the segment is its end */
};
LIST_HEAD(slot_list, slot);

struct view_table {
    pthread_mutex_t lock; /* guards everything below */
    struct slot *by_number[NODE_VIEW_END];
    struct slot_list by_name[BUCKETS];
    struct slot_list all; /* query views */
    size_t count;         /* of them */
    size_t peak;          /* since memory was last given back */
    _Atomic bool crowded; /* since view_is_crowded said so; no lock */
    uint32_t next_number;
    uint64_t next_serial;
};

static uint64_t view_hash(uint32_t parent, const char *segment)
{
    return hash_bytes(segment, strlen(segment), parent);
}

static void view_free(struct slot *e)
{
    if (!e)
        return;
    query_done(&e->view.query);
    free(e);
}

DEFINE_CLEANUP(free_view, struct slot *, view_free)

static struct slot *view_new(struct view *parent, const char *segment)
{
    bool nested = parent && parent->path[0];
    size_t head = nested ? strlen(parent->path) + 1 : 0;
    size_t size = head + strlen(segment) + 1;
    struct slot *e = calloc(1, sizeof(*e) + size);
    if (!e)
        return NULL;
    (void)snprintf(e->text, size, "%s%s%s", nested ? parent->path : "",
                   nested ? "/" : "", segment);
    e->view.path = e->text;
    e->view.segment = e->text + head;
    e->view.parent = parent;
    e->view.depth = parent ? parent->depth + 1 : 0;
    e->view.type = ASSET_TYPE_COUNT;
    return e;
}

static int view_add_fixed(struct view_table *t, uint32_t number,
                          const char *name, enum asset_type type)
{
    struct slot *root = t->by_number[VIEW_ROOT];
    cleanup(free_view) struct slot *e =
        view_new(root ? &root->view : NULL, name);
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
    t->by_number[number] = steal_ptr(e);
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
    int err = view_add_fixed(t, VIEW_ROOT, "", ASSET_TYPE_COUNT);
    for (int i = 0; !err && i < ASSET_TYPE_COUNT; i++)
        err = view_add_fixed(t, VIEW_FIRST_TYPE + (uint32_t)i,
                             asset_type_name((enum asset_type)i),
                             (enum asset_type)i);
    if (!err)
        err = view_add_fixed(t, VIEW_ID, ".id", ASSET_TYPE_COUNT);
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
    for (uint32_t number = 0; number < VIEW_FIRST_QUERY; number++)
        view_free(t->by_number[number]);
    while (!LIST_EMPTY(&t->all)) {
        struct slot *e = LIST_FIRST(&t->all);
        LIST_REMOVE(e, of_all);
        view_free(e);
    }
    (void)pthread_mutex_destroy(&t->lock);
    free(t);
}

static struct slot *view_find_name(struct view_table *t,
                                   const struct view *parent,
                                   const char *segment, uint64_t hash)
{
    struct slot *e;
    LIST_FOREACH(e, &t->by_name[hash % BUCKETS], of_name)
    if (e->hash == hash && e->view.parent == parent &&
        strcmp(e->view.segment, segment) == 0)
        return e;
    return NULL;
}

struct view *view_get(struct view_table *t, uint32_t number)
{
    guard_mutex(&t->lock);
    struct slot *e = t->by_number[number];
    if (!e)
        return NULL;
    e->refs++;
    return &e->view;
}

uint32_t view_named(const struct view_table *t, const char *name)
{
    uint32_t number = VIEW_ID; /* fixed views don't change: no lock */
    while (number > VIEW_ROOT &&
           strcmp(t->by_number[number]->view.segment, name) != 0)
        number--;
    return number;
}

/* Many views that were entered once should not leave the pages that they were
 * on in the C library's keeping. */
static void view_give_back(struct view_table *t)
{
    if (t->peak < 64 || t->count >= t->peak / 8)
        return;
    t->peak = t->count;
#ifdef __GLIBC__
    (void)malloc_trim(0);
#endif
}

/* Frees a view that nobody needs, and its parents as far as it was the last
 * to need them. */
static void view_settle(struct view_table *t, struct slot *e)
{
    while (e && view_is_query(&e->view) && !e->refs && !e->remembered) {
        struct slot *parent = (struct slot *)e->view.parent;
        LIST_REMOVE(e, of_name);
        LIST_REMOVE(e, of_all);
        t->by_number[e->view.number] = NULL;
        t->count--;
        view_free(e);
        parent->refs--;
        e = parent;
    }
    view_give_back(t);
}

/* Numbers go round, so that one that was forgotten stays unused for long. */
static uint32_t view_take_number(struct view_table *t)
{
    uint32_t number;
    do {
        number = t->next_number++;
        if (t->next_number == NODE_VIEW_END)
            t->next_number = VIEW_FIRST_QUERY;
    } while (t->by_number[number]);
    return number;
}

static void view_link(struct view_table *t, struct slot *e)
{
    e->view.number = view_take_number(t);
    e->view.serial = t->next_serial++;
    e->view.generation = (uint32_t)e->view.serial;
    t->by_number[e->view.number] = e;
    LIST_INSERT_HEAD(&t->by_name[e->hash % BUCKETS], e, of_name);
    LIST_INSERT_HEAD(&t->all, e, of_all);
    t->count++;
    if (t->count > t->peak)
        t->peak = t->count;
    if (t->count >= VIEW_MAX / 2 && t->count % CROWDED_EVERY == 0)
        t->crowded = true;
    ((struct slot *)e->view.parent)->refs++;
}

int view_enter(struct view_table *t, struct view *parent, const char *segment,
               query_known_fn *known, void *ctx, struct view **ret_view)
{
    if (!view_is_listing(parent) || parent->depth >= QUERY_MAX_TERMS)
        return -ENOENT;
    if (strlen(segment) > NAME_MAX ||
        strlen(parent->path) + strlen(segment) > PATH_LEN_MAX)
        return -ENAMETOOLONG;
    uint64_t hash = view_hash(parent->number, segment);
    {
        guard_mutex(&t->lock);
        struct slot *found = view_find_name(t, parent, segment, hash);
        if (found) {
            found->refs++;
            *ret_view = &found->view;
            return 0;
        }
    }

    /* Made without the lock: known() asks the catalogue. */
    cleanup(free_view) struct slot *e = view_new(parent, segment);
    if (!e)
        return -ENOMEM;
    e->hash = hash;
    int err = query_copy(&parent->query, &e->view.query);
    if (!err)
        err = query_add(&e->view.query, segment, known, ctx);
    if (err)
        return err;

    guard_mutex(&t->lock);
    struct slot *found = view_find_name(t, parent, segment, hash);
    if (!found && t->count >= VIEW_MAX)
        return -ENFILE;
    if (!found) {
        view_link(t, e);
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
    struct slot *e = (struct slot *)v;
    e->refs--;
    view_settle(t, e);
}

void view_remember(struct view_table *t, uint32_t number, uint64_t count)
{
    if (number < VIEW_FIRST_QUERY)
        return;
    guard_mutex(&t->lock);
    struct slot *e = t->by_number[number];
    if (e)
        e->remembered += count;
}

void view_forget(struct view_table *t, uint32_t number, uint64_t count)
{
    if (number < VIEW_FIRST_QUERY)
        return;
    guard_mutex(&t->lock);
    struct slot *e = t->by_number[number];
    if (!e)
        return;
    e->remembered -= count < e->remembered ? count : e->remembered;
    view_settle(t, e);
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
    struct slot *e;
    LIST_FOREACH(e, &t->all, of_all)
    if (count < max)
        numbers[count++] = e->view.number;
    return count;
}

bool view_is_crowded(struct view_table *t)
{
    return t->crowded && atomic_exchange(&t->crowded, false);
}

void view_each(struct view_table *t, view_each_fn *fn, void *ctx)
{
    guard_mutex(&t->lock);
    struct slot *e;
    LIST_FOREACH(e, &t->all, of_all)
    fn(ctx, &e->view);
}
