/* SPDX-License-Identifier: MIT */
#include "mount/history.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"

struct history {
    pthread_mutex_t lock;       /* guards everything below */
    char *names[HISTORY_NAMES]; /* a ring; NULL: there was no memory for it */
    struct history_mark now;
};

int history_new(struct history **ret_history)
{
    struct history *h = calloc(1, sizeof(*h));
    if (!h)
        return -ENOMEM;
    (void)pthread_mutex_init(&h->lock, NULL);
    *ret_history = h;
    return 0;
}

void history_free(struct history *h)
{
    if (!h)
        return;
    for (size_t i = 0; i < HISTORY_NAMES; i++)
        free(h->names[i]);
    (void)pthread_mutex_destroy(&h->lock);
    free(h);
}

static uint64_t history_count_all(const struct history_mark *mark)
{
    return mark->created + mark->deleted + mark->changed;
}

static void history_add_name(struct history *h, char sign, enum asset_type type,
                             const char *folder)
{
    char **slot = &h->names[history_count_all(&h->now) % HISTORY_NAMES];
    free(*slot);
    if (asprintf(slot, "%c %s/%s", sign, asset_type_name(type), folder) < 0)
        *slot = NULL;
}

static void history_add_change(struct history *h,
                               const struct catalogue_change *c)
{
    if (c->kind == CATALOGUE_REMOVED && c->old_folder) {
        history_add_name(h, '-', c->old_type, c->old_folder);
        h->now.deleted++;
    } else if (c->kind == CATALOGUE_ADDED && c->folder) {
        history_add_name(h, '+', c->type, c->folder);
        h->now.created++;
    } else if ((c->kind == CATALOGUE_CHANGED || c->kind == CATALOGUE_MOVED) &&
               c->folder) {
        history_add_name(h, '~', c->type, c->folder);
        h->now.changed++;
    }
}

void history_add(struct history *h, const struct catalogue_diff *diff)
{
    guard_mutex(&h->lock);
    for (size_t i = 0; i < diff->count; i++)
        history_add_change(h, &diff->changes[i]);
}

void history_now(struct history *h, struct history_mark *ret_mark)
{
    guard_mutex(&h->lock);
    *ret_mark = h->now;
}

int history_text(struct history *h, const struct history_mark *since,
                 struct buf *out)
{
    guard_mutex(&h->lock);
    uint64_t end = history_count_all(&h->now);
    uint64_t at = history_count_all(since);
    if (at == end)
        return buf_append_str(out, "nothing changed\n");
    int err = buf_appendf(
        out, "%" PRIu64 " created, %" PRIu64 " deleted, %" PRIu64 " changed\n",
        h->now.created - since->created, h->now.deleted - since->deleted,
        h->now.changed - since->changed);
    if (!err && end - at > HISTORY_NAMES) {
        err = buf_appendf(out, "… %" PRIu64 " earlier ones\n",
                          end - at - HISTORY_NAMES);
        at = end - HISTORY_NAMES;
    }
    for (; !err && at < end; at++) {
        const char *name = h->names[at % HISTORY_NAMES];
        err = name ? buf_appendf(out, "%s\n", name) : 0;
    }
    return err;
}
