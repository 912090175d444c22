/* SPDX-License-Identifier: MIT */
#include "mount/notify.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "grammar/name.h"
#include "tree/tree.h"
#include "mount/notify_internal.h"

/* In struct notify's `directories`, beside the fixed views' bits. */
#define DIRECTORIES_QUERY (1u << VIEW_FIRST_QUERY)

struct call {
    void (*fn)(void *ctx);
    void *ctx;
    struct call *next;
};

struct item {
    enum item_kind kind;
    uint64_t ino;   /* the inode, or the directory */
    uint64_t child; /* DELETE's */
    char *name;     /* ENTRY's, EXPIRE's and DELETE's */
};

struct notify {
    pthread_mutex_t lock; /* guards everything up to `kernel` */
    pthread_cond_t more;
    struct item *items; /* a ring */
    size_t first, count, capacity;
    size_t put_off;    /* of these, at the end: checked, and their directory was
                          locked */
    uint64_t releases; /* how often a directory's lock may have been released */
    bool coarse_put_off;  /* as long as the root is held */
    unsigned directories; /* attributes to drop: bits 1 << view number */
    bool coarse;          /* drop everything instead */
    struct call *calls;   /* for when nothing is left to tell */
    bool running, stopping;

    struct notify_kernel kernel;
    void *ctx;
    struct view_table *views;
    pthread_t thread;
};

int notify_new(const struct notify_kernel *kernel, void *ctx,
               struct view_table *views, struct notify **ret_notify)
{
    struct notify *n = calloc(1, sizeof(*n));
    if (!n)
        return -ENOMEM;
    (void)pthread_mutex_init(&n->lock, NULL);
    (void)pthread_cond_init(&n->more, NULL);
    n->kernel = *kernel;
    n->ctx = ctx;
    n->views = views;
    *ret_notify = n;
    return 0;
}

static void notify_drop_items(struct notify *n)
{
    for (; n->count; n->count--) {
        free(n->items[n->first].name);
        n->first = (n->first + 1) % n->capacity;
    }
    n->put_off = 0;
}

void notify_free(struct notify *n)
{
    if (!n)
        return;
    notify_stop(n);
    notify_drop_items(n);
    free(n->items);
    (void)pthread_cond_destroy(&n->more);
    (void)pthread_mutex_destroy(&n->lock);
    free(n);
}

static void notify_go_coarse(struct notify *n)
{
    notify_drop_items(n);
    n->coarse = true;
}

/* Under the lock: postponed items are to be checked again. */
static void notify_look_again(struct notify *n)
{
    n->put_off = 0;
    n->coarse_put_off = false;
    (void)pthread_cond_signal(&n->more);
}

static int notify_grow(struct notify *n)
{
    size_t capacity = n->capacity ? n->capacity * 2 : 256;
    if (capacity > NOTIFY_MAX)
        return -E2BIG;
    struct item *items = calloc(capacity, sizeof(*items));
    if (!items)
        return -ENOMEM;
    for (size_t i = 0; i < n->count; i++)
        items[i] = n->items[(n->first + i) % n->capacity];
    free(n->items);
    n->items = items;
    n->first = 0;
    n->capacity = capacity;
    return 0;
}

/* Under the lock. An item that can't be queued sets `coarse`: everything is
 * dropped instead. */
void notify_add(struct notify *n, enum item_kind kind, uint64_t ino,
                uint64_t child, const char *name)
{
    if (n->coarse)
        return;
    char *copy = name ? strdup(name) : NULL;
    if ((name && !copy) || (n->count == n->capacity && notify_grow(n))) {
        free(copy);
        notify_go_coarse(n);
        return;
    }
    n->put_off = 0;
    n->items[(n->first + n->count++) % n->capacity] =
        (struct item){.kind = kind, .ino = ino, .child = child, .name = copy};
}

void notify_add_directory(struct notify *n, uint32_t view)
{
    n->directories |= view < VIEW_FIRST_QUERY ? 1u << view : DIRECTORIES_QUERY;
}

bool notify_begin(struct notify *n)
{
    (void)pthread_mutex_lock(&n->lock);
    if (n->running)
        return true;
    (void)pthread_mutex_unlock(&n->lock);
    return false;
}

void notify_end(struct notify *n)
{
    (void)pthread_cond_signal(&n->more);
    (void)pthread_mutex_unlock(&n->lock);
}

struct view_table *notify_views_of(const struct notify *n)
{
    return n->views;
}

int notify_after(struct notify *n, void (*fn)(void *ctx), void *ctx)
{
    struct call *call = malloc(sizeof(*call));
    if (!call)
        return -ENOMEM;
    *call = (struct call){.fn = fn, .ctx = ctx};
    {
        guard_mutex(&n->lock);
        if (n->running) {
            call->next = n->calls;
            n->calls = call;
            (void)pthread_cond_signal(&n->more);
            return 0;
        }
    }
    free(call);
    fn(ctx);
    return 0;
}

bool notify_cancel(struct notify *n, const void *ctx)
{
    struct call *call;
    {
        guard_mutex(&n->lock);
        struct call **at = &n->calls;
        while (*at && (*at)->ctx != ctx)
            at = &(*at)->next;
        call = *at;
        if (call)
            *at = call->next;
    }
    free(call);
    return call != NULL;
}

void notify_other(struct notify *n, bool shown, bool negatives)
{
    if (!notify_begin(n))
        return;
    if (!shown || negatives)
        notify_add(n, ITEM_ENTRY, NODE_ROOT, 0, asset_type_name(ASSET_OTHER));
    notify_add_directory(n, VIEW_ROOT);
    notify_end(n);
}

void notify_saved(struct notify *n, uint32_t view, const char *name)
{
    if (!notify_begin(n))
        return;
    notify_add(n, ITEM_ENTRY, node_ino(NODE_VIEW, view, 1), 0, name);
    notify_add_directory(n, view);
    notify_end(n);
}

static void notify_add_view(void *ctx, const struct view *v)
{
    notify_add(ctx, ITEM_ENTRY, node_ino(NODE_VIEW, v->parent->number, 1), 0,
               v->segment);
}

void notify_views(struct notify *n)
{
    if (!notify_begin(n))
        return;
    view_each(n->views, notify_add_view, n);
    notify_end(n);
}

void notify_go_on(struct notify *n)
{
    guard_mutex(&n->lock);
    n->releases++;
    if (n->put_off || n->coarse_put_off)
        notify_look_again(n);
}

void notify_pages(struct notify *n, int64_t row)
{
    if (!notify_begin(n))
        return;
    for (int kind = 0; kind < tree_kind_count; kind++)
        if (tree_is_file(kind))
            notify_add(n, ITEM_PAGES, node_ino((enum node_kind)kind, 0, row), 0,
                       NULL);
    notify_end(n);
}

void notify_name(struct notify *n, uint64_t directory, const char *name)
{
    if (!notify_begin(n))
        return;
    notify_add(n, ITEM_ENTRY, directory, 0, name);
    notify_end(n);
}

void notify_written(struct notify *n, uint64_t file)
{
    if (!notify_begin(n))
        return;
    notify_add(n, ITEM_PAGES, file, 0, NULL);
    notify_end(n);
}

/* The kernel resets a cached listing when a name that it knows is dropped.
 * The link that appeared wasn't known. metadata.json is known wherever the
 * listing was read, unless memory was short since (and it isn't in
 * .media/<id>): then the listing's pages and the attributes, for another
 * mtime, are dropped. */
static void notify_reset_listing(struct notify *n, uint64_t folder)
{
    char name[NAME_SIZE];
    tree_child_name(NODE_METADATA, "", name);
    int err = n->kernel.inval_entry(n->ctx, folder, name);
    if (err)
        (void)n->kernel.inval_inode(n->ctx, folder, 0);
}

static void notify_tell(struct notify *n, const struct item *item)
{
    int err;
    switch (item->kind) {
    case ITEM_ENTRY:
        (void)n->kernel.inval_entry(n->ctx, item->ino, item->name);
        break;
    case ITEM_EXPIRE:
        (void)n->kernel.expire_entry(n->ctx, item->ino, item->name);
        break;
    case ITEM_DELETE:
        /* -ENOENT: not cached. Otherwise something in there is in use. */
        err =
            n->kernel.delete_entry(n->ctx, item->ino, item->child, item->name);
        if (err && err != -ENOENT)
            (void)n->kernel.inval_entry(n->ctx, item->ino, item->name);
        break;
    case ITEM_PAGES:
        (void)n->kernel.inval_inode(n->ctx, item->ino, 0);
        break;
    case ITEM_LISTING:
        notify_reset_listing(n, item->ino);
        break;
    }
}

static void notify_collect_name(void *ctx, const struct view *v)
{
    struct buf *names = ctx;
    if (v->parent->number != VIEW_ROOT)
        return;
    if (buf_append(names, v->segment, strlen(v->segment) + 1))
        log_warning("a query directory stays in the kernel's cache");
}

/* Drops every name in the root, and with it all that is below. */
static void notify_tell_everything(struct notify *n)
{
    cleanup(buf_done) struct buf names = {.max = (size_t)VIEW_MAX * NAME_SIZE};
    log_warning("too many changes at once: the kernel's cache begins anew");
    for (uint32_t number = VIEW_FIRST_TYPE; number <= VIEW_ID; number++) {
        struct view *v = view_get(n->views, number);
        (void)n->kernel.inval_entry(n->ctx, NODE_ROOT, v->segment);
        view_unref(n->views, v);
    }
    char name[NAME_SIZE];
    tree_child_name(NODE_ALL_MEDIA, "", name);
    (void)n->kernel.inval_entry(n->ctx, NODE_ROOT, name);
    view_each(n->views, notify_collect_name, &names);
    for (size_t at = 0; at < names.len; at += strlen(names.data + at) + 1)
        (void)n->kernel.inval_entry(n->ctx, NODE_ROOT, names.data + at);
}

static void notify_tell_query_directories(struct notify *n)
{
    uint32_t views[NOTIFY_MAX_VIEWS];
    size_t count = view_numbers(n->views, views, array_count(views));
    for (size_t i = 0; i < count; i++) {
        (void)n->kernel.inval_inode(n->ctx, node_ino(NODE_VIEW, views[i], 1),
                                    -1);
        (void)n->kernel.inval_inode(n->ctx,
                                    node_ino(NODE_PICTURES, views[i], 1), -1);
    }
    for (uint32_t view = 0; view < VIEW_ID; view++)
        (void)n->kernel.inval_inode(n->ctx, node_ino(NODE_PICTURES, view, 1),
                                    -1);
}

static void notify_tell_directories(struct notify *n, unsigned directories)
{
    for (uint32_t view = 0; view < VIEW_FIRST_QUERY; view++)
        if (directories >> view & 1)
            (void)n->kernel.inval_inode(n->ctx, node_ino(NODE_VIEW, view, 1),
                                        -1);
    if (directories & DIRECTORIES_QUERY)
        notify_tell_query_directories(n);
}

/* Called in any order: everything was sent. */
static void notify_make_calls(struct call *calls)
{
    while (calls) {
        struct call *call = calls;
        calls = call->next;
        call->fn(call->ctx);
        free(call);
    }
}

static bool notify_is_held(const struct notify *n, uint64_t directory)
{
    return n->kernel.is_held(n->ctx, directory);
}

/* The lock dropped meanwhile, as in all that follow. */
static void notify_step_coarse(struct notify *n)
{
    uint64_t releases = n->releases;
    (void)pthread_mutex_unlock(&n->lock);
    bool held = notify_is_held(n, NODE_ROOT);
    (void)pthread_mutex_lock(&n->lock);
    n->coarse_put_off = held && releases == n->releases;
    if (held)
        return;
    n->coarse = false;
    n->directories |= (1u << VIEW_ID) - 1;
    (void)pthread_mutex_unlock(&n->lock);
    notify_tell_everything(n);
    (void)pthread_mutex_lock(&n->lock);
}

/* A postponed item goes to the end of the queue; it had a place there before.
 */
static void notify_step_item(struct notify *n)
{
    struct item item = n->items[n->first];
    uint64_t releases = n->releases;
    n->first = (n->first + 1) % n->capacity;
    n->count--;
    (void)pthread_mutex_unlock(&n->lock);
    bool held = item.kind != ITEM_PAGES && notify_is_held(n, item.ino);
    if (!held)
        notify_tell(n, &item);
    (void)pthread_mutex_lock(&n->lock);
    if (held && n->count < n->capacity && !n->coarse) {
        n->items[(n->first + n->count++) % n->capacity] = item;
        n->put_off += releases == n->releases;
        return;
    }
    free(item.name);
    if (held && !n->coarse)
        notify_go_coarse(n);
}

/* Does one thing; false when there is nothing to do now. Directories come
 * after the items: a new mtime shouldn't make anyone read a listing that
 * still has old names. */
static bool notify_step(struct notify *n)
{
    if (n->coarse && !n->coarse_put_off) {
        notify_step_coarse(n);
    } else if (n->count > n->put_off) {
        notify_step_item(n);
    } else if (n->directories) {
        unsigned directories = n->directories;
        n->directories = 0;
        (void)pthread_mutex_unlock(&n->lock);
        notify_tell_directories(n, directories);
        (void)pthread_mutex_lock(&n->lock);
    } else if (n->calls) {
        struct call *calls = steal_ptr(n->calls);
        (void)pthread_mutex_unlock(&n->lock);
        notify_make_calls(calls);
        (void)pthread_mutex_lock(&n->lock);
    } else {
        return false;
    }
    return true;
}

static void *notify_run(void *ctx)
{
    struct notify *n = ctx;
    (void)pthread_mutex_lock(&n->lock);
    while (!n->stopping)
        if (!notify_step(n))
            (void)pthread_cond_wait(&n->more, &n->lock);
    (void)pthread_mutex_unlock(&n->lock);
    return NULL;
}

int notify_start(struct notify *n)
{
    guard_mutex(&n->lock);
    int err = pthread_create(&n->thread, NULL, notify_run, n);
    if (err)
        return -err;
    n->running = true;
    return 0;
}

void notify_stop(struct notify *n)
{
    {
        guard_mutex(&n->lock);
        if (!n->running)
            return;
        n->running = false;
        n->stopping = true;
        (void)pthread_cond_signal(&n->more);
    }
    (void)pthread_join(n->thread, NULL);
    struct call *calls;
    {
        guard_mutex(&n->lock);
        calls = steal_ptr(n->calls);
    }
    notify_make_calls(calls);
}
