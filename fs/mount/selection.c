/* SPDX-License-Identifier: MIT */
#include "mount/selection.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/cleanup.h"
#include "base/failpoint.h"
#include "json/metadata.h"

#define BODY_MAX (64u << 20) /* of one object; far above what a page holds */

struct kept {
    struct selection selection;
    uint64_t view; /* its serial number: numbers are used again */
    int64_t *rows;
    uint64_t *ends;
    int refs; /* readers', and one for the table while it is in there */
    TAILQ_ENTRY(kept) link;
};

struct selection_table {
    pthread_mutex_t lock;    /* guards everything below, and kept's refs */
    TAILQ_HEAD(, kept) kept; /* the least recently used first */
    size_t count, bytes;
};

int selection_table_new(struct selection_table **ret_table)
{
    struct selection_table *t = calloc(1, sizeof(*t));
    if (!t)
        return -ENOMEM;
    (void)pthread_mutex_init(&t->lock, NULL);
    TAILQ_INIT(&t->kept);
    *ret_table = t;
    return 0;
}

static void kept_unref(struct kept *k)
{
    if (--k->refs > 0)
        return;
    free(k->rows);
    free(k->ends);
    free(k);
}

static size_t kept_bytes(const struct kept *k)
{
    return sizeof(*k) +
           k->selection.count * (sizeof(*k->rows) + sizeof(*k->ends));
}

static void drop(struct selection_table *t, struct kept *k)
{
    TAILQ_REMOVE(&t->kept, k, link);
    t->count--;
    t->bytes -= kept_bytes(k);
    kept_unref(k);
}

void selection_table_free(struct selection_table *t)
{
    if (!t)
        return;
    while (!TAILQ_EMPTY(&t->kept))
        drop(t, TAILQ_FIRST(&t->kept));
    (void)pthread_mutex_destroy(&t->lock);
    free(t);
}

/* With a reference; NULL when it isn't kept. */
static struct kept *take(struct selection_table *t, const struct view *v,
                         uint64_t version)
{
    struct kept *k;
    TAILQ_FOREACH(k, &t->kept, link)
    {
        if (k->view == v->serial &&
            (k->selection.version == version || failpoint("older_selection")))
            break;
    }
    if (!k)
        return NULL;
    TAILQ_REMOVE(&t->kept, k, link);
    TAILQ_INSERT_TAIL(&t->kept, k, link);
    k->refs++;
    return k;
}

static void keep(struct selection_table *t, struct kept *k)
{
    TAILQ_INSERT_TAIL(&t->kept, k, link);
    t->count++;
    t->bytes += kept_bytes(k);
    k->refs++;
    while (t->count > 1 &&
           (t->count > SELECTIONS_MAX || t->bytes > SELECTIONS_MAX_BYTES))
        drop(t, TAILQ_FIRST(&t->kept));
}

static int fill(struct kept *k, const struct view *v,
                struct catalogue_reader *reader)
{
    cleanup(free_ptr) uint32_t *bytes = NULL;
    size_t count;
    int err = catalogue_select(reader, &v->query, 0, &k->rows, &bytes, &count);
    if (err)
        return err;
    k->ends = malloc((count ? count : 1) * sizeof(*k->ends));
    if (!k->ends)
        return -ENOMEM;
    uint64_t end = 0;
    for (size_t i = 0; i < count; i++)
        k->ends[i] = end += bytes[i];
    k->selection.rows = k->rows;
    k->selection.ends = k->ends;
    k->selection.count = count;
    if (count && failpoint("part_as_whole"))
        k->selection.count--;
    return 0;
}

static int select_anew(struct selection_table *t, const struct view *v,
                       struct catalogue_reader *reader, uint64_t version,
                       struct selection **ret)
{
    struct kept *k = calloc(1, sizeof(*k));
    if (!k)
        return -ENOMEM;
    k->selection.version = version;
    k->view = v->serial;
    k->refs = 1;
    int err = fill(k, v, reader);
    guard_mutex(&t->lock);
    struct kept *other = err ? NULL : take(t, v, version);
    if (!err && !other)
        keep(t, k);
    if (err || other)
        kept_unref(k);
    if (!err)
        *ret = other ? &other->selection : &k->selection;
    return err;
}

static int open_at(struct selection_table *t, const struct view *v,
                   struct catalogue_reader *reader, uint64_t version,
                   uint64_t newest, struct selection **ret)
{
    {
        guard_mutex(&t->lock);
        struct kept *k = take(t, v, version);
        if (k) {
            *ret = &k->selection;
            return 0;
        }
    }
    return version == newest ? select_anew(t, v, reader, version, ret)
                             : -ESTALE;
}

int selection_open(struct selection_table *t, const struct view *v,
                   struct catalogue_reader *reader,
                   struct selection **ret_selection)
{
    uint64_t version;
    int err = catalogue_reader_version(reader, &version);
    return err ? err : open_at(t, v, reader, version, version, ret_selection);
}

int selection_find(struct selection_table *t, const struct view *v,
                   struct catalogue_reader *reader, uint64_t low_bits,
                   unsigned bits, struct selection **ret_selection)
{
    uint64_t newest;
    int err = catalogue_reader_version(reader, &newest);
    if (err)
        return err;
    uint64_t age = (newest - low_bits) & ((UINT64_C(1) << bits) - 1);
    return open_at(t, v, reader, newest - age, newest, ret_selection);
}

void selection_close(struct selection_table *t, struct selection *s)
{
    if (!s)
        return;
    guard_mutex(&t->lock);
    kept_unref((struct kept *)s);
}

size_t selection_after(const struct selection *s, int64_t after)
{
    size_t low = 0, high = s->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s->rows[middle] > after)
            high = middle;
        else
            low = middle + 1;
    }
    if (after && low < s->count && failpoint("row_skipped"))
        low++;
    return low;
}

/* ---- lines ---- */

int64_t selection_bytes(const struct selection *s)
{
    return s->count ? (int64_t)s->ends[s->count - 1] : 0;
}

/* The index of the line that holds the byte at off. */
static size_t line_at(const struct selection *s, uint64_t off)
{
    size_t low = 0, high = s->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s->ends[middle] > off)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static int render(const struct selection *s, size_t at,
                  struct catalogue_reader *reader, struct buf *line)
{
    struct catalogue_entry entry;
    cleanup(buf_done) struct buf body = {.max = BODY_MAX};
    int err = catalogue_get(reader, s->rows[at], &entry);
    if (!err && entry.version > s->version)
        err = -ESTALE;
    if (!err)
        err = catalogue_body(reader, s->rows[at], &body);
    buf_reset(line);
    if (!err)
        err = metadata_line(buf_str(&body), body.len, line);
    uint64_t begin = at ? s->ends[at - 1] : 0;
    if (!err && line->len != s->ends[at] - begin)
        err = -ESTALE;
    return err == -ENOENT ? -ESTALE : err;
}

int selection_lines(const struct selection *s, struct catalogue_reader *reader,
                    int64_t off, size_t size, struct buf *out)
{
    cleanup(buf_done) struct buf line = {.max = BODY_MAX};
    if (off < 0)
        return -EINVAL;
    uint64_t at = (uint64_t)off;
    uint64_t end = at + size;
    for (size_t i = line_at(s, at); i < s->count && at < end; i++) {
        int err = render(s, i, reader, &line);
        if (err)
            return err;
        uint64_t skip = at - (i ? s->ends[i - 1] : 0);
        uint64_t take = line.len - skip;
        if (take > end - at)
            take = end - at;
        err = buf_append(out, line.data + skip, (size_t)take);
        if (err)
            return err;
        at += take;
    }
    return 0;
}
