#include "mount/listing.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"

struct kept {
    struct listing listing;
    int64_t *rows;
    uint32_t view;
    uint64_t version;
    int64_t used_ms;
    int refs; /* readers', and one for the table while it is in there */
};

struct listing_table {
    pthread_mutex_t lock; /* guards everything below, and kept's refs */
    struct kept *kept[LISTING_MAX];
    size_t rows;
};

int listing_table_new(struct listing_table **ret_table)
{
    struct listing_table *t = calloc(1, sizeof(*t));
    if (!t)
        return -ENOMEM;
    (void)pthread_mutex_init(&t->lock, NULL);
    *ret_table = t;
    return 0;
}

static void unref(struct kept *k)
{
    if (--k->refs > 0)
        return;
    free(k->rows);
    free(k);
}

static void drop(struct listing_table *t, size_t at)
{
    struct kept *k = t->kept[at];
    if (!k)
        return;
    t->kept[at] = NULL;
    t->rows -= k->listing.count;
    unref(k);
}

void listing_table_free(struct listing_table *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < LISTING_MAX; i++)
        drop(t, i);
    (void)pthread_mutex_destroy(&t->lock);
    free(t);
}

static struct kept *find(struct listing_table *t, uint32_t view,
                         const uint64_t *version)
{
    int64_t now_ms = clock_mono_ms();
    struct kept *best = NULL;
    for (size_t i = 0; i < LISTING_MAX; i++) {
        struct kept *k = t->kept[i];
        if (k && now_ms - k->used_ms > LISTING_IDLE_MS) {
            drop(t, i);
            continue;
        }
        if (k && k->view == view && (!version || k->version == *version) &&
            (!best || k->version > best->version))
            best = k;
    }
    if (best) {
        best->refs++;
        best->used_ms = now_ms;
    }
    return best;
}

/* A free place; where there is none the least recently used gives way. */
static size_t make_room(struct listing_table *t, size_t rows)
{
    for (;;) {
        size_t empty = LISTING_MAX, oldest = LISTING_MAX;
        for (size_t i = 0; i < LISTING_MAX; i++) {
            if (!t->kept[i])
                empty = i;
            else if (oldest == LISTING_MAX ||
                     t->kept[i]->used_ms < t->kept[oldest]->used_ms)
                oldest = i;
        }
        bool fits = t->rows + rows <= LISTING_MAX_ROWS;
        if (empty < LISTING_MAX && (fits || oldest == LISTING_MAX))
            return empty;
        drop(t, oldest);
    }
}

int listing_open(struct listing_table *t, const struct view *v,
                 struct catalogue_reader *reader, uint64_t version, bool fresh,
                 int64_t after, struct listing **ret_listing)
{
    {
        guard_mutex(&t->lock);
        struct kept *k = find(t, v->number, fresh ? &version : NULL);
        if (k) {
            *ret_listing = &k->listing;
            return 0;
        }
    }
    struct kept *k = calloc(1, sizeof(*k));
    if (!k)
        return -ENOMEM;
    int err = catalogue_select(reader, &v->query, fresh ? 0 : after, &k->rows,
                               NULL, &k->listing.count);
    if (err) {
        free(k);
        return err;
    }
    k->listing.rows = k->rows;
    k->view = v->number;
    k->version = version;
    k->used_ms = clock_mono_ms();
    k->refs = 1;

    guard_mutex(&t->lock);
    if (k->listing.count <= LISTING_MAX_ROWS) {
        t->kept[make_room(t, k->listing.count)] = k;
        t->rows += k->listing.count;
        k->refs++;
    }
    *ret_listing = &k->listing;
    return 0;
}

void listing_close(struct listing_table *t, struct listing *l, bool ended)
{
    if (!l)
        return;
    struct kept *k = (struct kept *)l;
    guard_mutex(&t->lock);
    if (k->refs == 1) {
        unref(k);
        return;
    }
    k->refs--;
    for (size_t i = 0; ended && i < LISTING_MAX; i++)
        if (t->kept[i] == k)
            drop(t, i);
}

size_t listing_after(const struct listing *l, int64_t after)
{
    size_t low = 0, high = l->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (l->rows[middle] > after)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}
