/* SPDX-License-Identifier: MIT */
/*
 * The account as it was a moment ago.
 *
 * A change of a record leaves the record that was (struct undo). What stood
 * at some moment is then what stands now, but for the records that changed
 * since: of those, the first undo after the moment says what they were. An
 * answer from the past collects all that match as items, newest first, and
 * cuts its page from them; assets of one second are shuffled there, too. This
 * costs time in proportion to the account, and only quirks ask for it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "account_private.h"
#include "clock.h"
#include "hash.h"

static void history_forget(struct history *h)
{
    int64_t oldest = clock_us() - HISTORY_US;
    if (h->pinned_us && h->pinned_us < oldest)
        oldest = h->pinned_us;
    while (h->first < h->n && h->undo[h->first].at_us < oldest)
        own_free(h->undo[h->first++].was.own);
    if (h->first > h->cap / 2) {
        h->n -= h->first;
        memmove(h->undo, h->undo + h->first, h->n * sizeof(*h->undo));
        h->first = 0;
    }
}

int history_reserve(struct account *a)
{
    struct history *h = &a->history;
    if (!h->on)
        return 0;
    history_forget(h);
    if (h->n < h->cap)
        return 0;
    size_t cap = h->cap ? h->cap * 2 : 256;
    struct undo *undo = realloc(h->undo, cap * sizeof(*undo));
    if (!undo)
        return -ENOMEM;
    h->undo = undo;
    h->cap = cap;
    return 0;
}

void history_push(struct account *a, uint32_t n, const struct record *was)
{
    struct history *h = &a->history;
    if (h->on)
        h->undo[h->n++] = (struct undo){clock_us(), n, *was};
    else
        own_free(was->own);
}

void history_done(struct account *a)
{
    struct history *h = &a->history;
    while (h->first < h->n)
        own_free(h->undo[h->first++].was.own);
    free(h->undo);
    *h = (struct history){0};
}

void account_pin(struct account *a, int64_t moment_us)
{
    pthread_rwlock_wrlock(&a->lock);
    a->history.pinned_us = moment_us;
    pthread_rwlock_unlock(&a->lock);
}

/* An asset as it stood. */
struct item {
    const struct record *record; /* borrowed while the lock is held */
    uint32_t number;
};

/* Newest first. */
static int item_compare(const void *left, const void *right)
{
    const struct item *l = left, *r = right;
    if (l->record->at != r->record->at)
        return l->record->at < r->record->at ? 1 : -1;
    return l->number < r->number ? 1 : l->number > r->number ? -1 : 0;
}

static int item_compare_numbers(const void *left, const void *right)
{
    const struct item *l = left, *r = right;
    if (l->number != r->number)
        return l->number < r->number ? -1 : 1;
    return l->record < r->record ? -1 : l->record > r->record;
}

/* What the records that changed since then were, sorted by number. Caller
 * frees. */
static struct item *changed_since(const struct account *a, int64_t as_of_us,
                                  size_t *ret_n)
{
    const struct history *h = &a->history;
    size_t from = h->n, unique = 0;
    while (from > h->first && h->undo[from - 1].at_us > as_of_us)
        from--;
    struct item *item = malloc((h->n - from + 1) * sizeof(*item));
    if (!item)
        return NULL;
    for (size_t i = from; i < h->n; i++)
        item[i - from] = (struct item){&h->undo[i].was, h->undo[i].number};
    size_t n = h->n - from;
    /* Undos of one record stand in the order of time: the first counts. */
    qsort(item, n, sizeof(*item), item_compare_numbers);
    for (size_t i = 0; i < n; i++)
        if (!unique || item[unique - 1].number != item[i].number)
            item[unique++] = item[i];
    *ret_n = unique;
    return item;
}

size_t history_count(const struct account *a, int64_t as_of_us)
{
    size_t n = 0, count = a->order.count;
    struct item *changed = changed_since(a, as_of_us, &n);
    for (size_t i = 0; changed && i < n; i++) {
        count -= a->record[changed[i].number].alive;
        count += changed[i].record->alive;
    }
    free(changed);
    return count;
}

/* Whether the object's _id is one of those asked for. */
static bool asked_for(const struct account *a, const struct item *item,
                      const struct account_query *q)
{
    char id[ID_LENGTH + 1];
    const char *shown = id;
    if (item->record->own)
        shown = item->record->own->id ? item->record->own->id : "";
    else
        generate_id(&a->gen, item->number, item->record->at, id);
    for (size_t i = 0; i < q->nids; i++)
        if (!strcmp(shown, q->ids[i]))
            return true;
    return false;
}

struct collection {
    struct item *item;
    size_t n;
    struct buf name, folded; /* scratch */
};

static void collection_done(struct collection *c)
{
    free(c->item);
    buf_done(&c->name);
    buf_done(&c->folded);
}

static void collect(const struct account *a, const struct account_query *q,
                    struct item item, struct collection *c)
{
    if (item.record->alive &&
        list_matches(a, item.number, item.record, q, &c->name, &c->folded) &&
        (!q->by_ids || asked_for(a, &item, q)))
        c->item[c->n++] = item;
}

/* All that matched then, newest first. */
static int collect_all(const struct account *a, const struct account_query *q,
                       struct collection *c)
{
    size_t nchanged = 0;
    int64_t as_of = q->as_of_us ? q->as_of_us : INT64_MAX;
    struct item *changed = changed_since(a, as_of, &nchanged);
    c->item = malloc((a->order.count + nchanged + 1) * sizeof(*c->item));
    if (!changed || !c->item) {
        free(changed);
        return -ENOMEM;
    }
    struct order_cursor cursor = order_newest(&a->order, 0);
    for (int64_t n; (n = order_next(&cursor)) >= 0;) {
        struct item item = {&a->record[n], (uint32_t)n};
        struct item *found = NULL;
        for (size_t low = 0, high = nchanged; low < high && !found;) {
            size_t middle = low + (high - low) / 2;
            if (changed[middle].number == item.number)
                found = &changed[middle];
            else if (changed[middle].number < item.number)
                low = middle + 1;
            else
                high = middle;
        }
        if (!found)
            collect(a, q, item, c);
    }
    size_t unchanged = c->n;
    for (size_t i = 0; i < nchanged; i++)
        collect(a, q, changed[i], c);
    free(changed);
    if (c->n > unchanged)
        qsort(c->item, c->n, sizeof(*c->item), item_compare);
    return 0;
}

static void shuffle(struct item *item, size_t n, uint64_t seed)
{
    for (size_t i = n; i > 1; i--) {
        size_t j = hash_pair(seed, i) % i;
        struct item moved = item[j];
        item[j] = item[i - 1];
        item[i - 1] = moved;
    }
}

/* Shuffles each second that [from, to) touches. */
static void shuffle_seconds(struct collection *c, size_t from, size_t to,
                            uint64_t seed)
{
    while (from && from < c->n &&
           c->item[from - 1].record->at == c->item[from].record->at)
        from--;
    while (from < to && from < c->n) {
        size_t end = from + 1;
        while (end < c->n &&
               c->item[end].record->at == c->item[from].record->at)
            end++;
        shuffle(c->item + from, end - from,
                hash_pair(seed, (uint64_t)c->item[from].record->at));
        from = end;
    }
}

int list_past(struct account *a, const struct account_query *q, struct buf *out,
              size_t *ret_total)
{
    struct collection c __attribute__((cleanup(collection_done))) = {0};
    int err = collect_all(a, q, &c);
    if (err)
        return err;
    size_t skip = (size_t)(q->page - 1) * (size_t)q->limit;
    size_t end = skip + (size_t)q->limit;
    if (q->shuffle)
        shuffle_seconds(&c, skip, end, q->shuffle);
    for (size_t i = skip; i < c.n && i < end; i++) {
        if (out->len > 1)
            buf_char(out, ',');
        record_text(a, c.item[i].number, c.item[i].record, out);
    }
    *ret_total = c.n;
    return 0;
}

int account_get_past(struct account *a, const char *id, int64_t as_of_us,
                     struct buf *out)
{
    const char *ids[] = {id};
    struct account_query q = {
        .page = 1,
        .limit = 1,
        .by_ids = true,
        .ids = ids,
        .nids = 1,
        .as_of_us = as_of_us,
    };
    size_t total = 0;
    pthread_rwlock_rdlock(&a->lock);
    int err = list_past(a, &q, out, &total);
    pthread_rwlock_unlock(&a->lock);
    return err ? err : total ? 0 : -ENOENT;
}
