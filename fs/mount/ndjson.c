#include "mount/ndjson.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "json/metadata.h"

#define BODY_MAX (64u << 20) /* of one object; far above what a page holds */

struct snapshot {
    uint32_t view;
    uint64_t version;
    uint64_t used; /* the table's tick of the last use; 0: forgotten since */
    int refs;      /* guarded by the table's lock */
    int64_t *rows;
    uint64_t *ends; /* ends[i]: bytes up to and with line i */
    size_t count;
};

struct lines_table {
    pthread_mutex_t lock; /* guards everything below */
    struct snapshot *kept[LINES_MAX];
    size_t rows;
    uint64_t tick;
};

int lines_table_new(struct lines_table **ret_table)
{
    struct lines_table *t = calloc(1, sizeof(*t));
    if (!t)
        return -ENOMEM;
    (void)pthread_mutex_init(&t->lock, NULL);
    *ret_table = t;
    return 0;
}

static void unref(struct snapshot *s)
{
    if (!s || --s->refs > 0)
        return;
    free(s->rows);
    free(s->ends);
    free(s);
}

static void drop(struct lines_table *t, size_t at)
{
    struct snapshot *s = t->kept[at];
    if (!s)
        return;
    t->kept[at] = NULL;
    t->rows -= s->count;
    unref(s);
}

void lines_table_free(struct lines_table *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < LINES_MAX; i++)
        drop(t, i);
    (void)pthread_mutex_destroy(&t->lock);
    free(t);
}

static struct snapshot *find(struct lines_table *t, uint32_t view,
                             uint64_t version)
{
    for (size_t i = 0; i < LINES_MAX; i++) {
        struct snapshot *s = t->kept[i];
        if (!s || s->view != view || s->version != version)
            continue;
        s->used = ++t->tick;
        return s;
    }
    return NULL;
}

static int64_t size_of(const struct snapshot *s)
{
    return s->count ? (int64_t)s->ends[s->count - 1] : 0;
}

static void keep(struct lines_table *t, struct snapshot *s)
{
    size_t at;
    for (size_t i = 0; i < LINES_MAX; i++)
        if (t->kept[i] && t->kept[i]->used == 0)
            drop(t, i);
    for (;;) {
        size_t empty = LINES_MAX, oldest = LINES_MAX;
        for (size_t i = 0; i < LINES_MAX; i++) {
            if (!t->kept[i])
                empty = i;
            else if (oldest == LINES_MAX ||
                     t->kept[i]->used < t->kept[oldest]->used)
                oldest = i;
        }
        bool fits = t->rows + s->count <= LINES_MAX_ROWS;
        at = empty;
        if (empty < LINES_MAX && (fits || oldest == LINES_MAX))
            break;
        drop(t, oldest);
    }
    s->used = ++t->tick;
    t->kept[at] = s;
    t->rows += s->count;
    s->refs++;
}

static int build(const struct view *v, struct catalogue_reader *reader,
                 struct snapshot *s)
{
    cleanup(free_ptr) uint32_t *bytes = NULL;
    int err =
        catalogue_select(reader, &v->query, 0, &s->rows, &bytes, &s->count);
    if (err)
        return err;
    s->ends = malloc((s->count ? s->count : 1) * sizeof(*s->ends));
    if (!s->ends)
        return -ENOMEM;
    uint64_t end = 0;
    for (size_t i = 0; i < s->count; i++)
        s->ends[i] = end += bytes[i];
    return 0;
}

int lines_open(struct lines_table *t, const struct view *v,
               struct catalogue_reader *reader, uint64_t version,
               int64_t *ret_size)
{
    if (lines_size(t, v->number, version, ret_size) == 0)
        return 0;
    struct snapshot *s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->view = v->number;
    s->version = version;
    s->refs = 1;
    int err = build(v, reader, s);
    guard_mutex(&t->lock);
    if (!err) {
        *ret_size = size_of(s);
        struct snapshot *other = find(t, v->number, version);
        if (other)
            *ret_size = size_of(other);
        else
            keep(t, s);
    }
    unref(s);
    return err;
}

int lines_size(struct lines_table *t, uint32_t view, uint64_t version,
               int64_t *ret_size)
{
    guard_mutex(&t->lock);
    const struct snapshot *s = find(t, view, version);
    if (!s)
        return -ESTALE;
    *ret_size = size_of(s);
    return 0;
}

/* The index of the line that holds the byte at off. */
static size_t line_at(const struct snapshot *s, uint64_t off)
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

static int render(const struct snapshot *s, size_t at,
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

static int copy_lines(const struct snapshot *s, struct catalogue_reader *reader,
                      uint64_t off, size_t size, struct buf *out)
{
    cleanup(buf_done) struct buf line = {.max = BODY_MAX};
    uint64_t end = off + size;
    for (size_t i = line_at(s, off); i < s->count && off < end; i++) {
        int err = render(s, i, reader, &line);
        if (err)
            return err;
        uint64_t skip = off - (i ? s->ends[i - 1] : 0);
        uint64_t take = line.len - skip;
        if (take > end - off)
            take = end - off;
        err = buf_append(out, line.data + skip, (size_t)take);
        if (err)
            return err;
        off += take;
    }
    return 0;
}

int lines_read(struct lines_table *t, uint32_t view, uint64_t version,
               struct catalogue_reader *reader, int64_t off, size_t size,
               struct buf *out)
{
    struct snapshot *s;
    {
        guard_mutex(&t->lock);
        s = find(t, view, version);
        if (!s)
            return -ESTALE;
        s->refs++;
    }
    int err =
        off < 0 ? -EINVAL : copy_lines(s, reader, (uint64_t)off, size, out);
    guard_mutex(&t->lock);
    unref(s);
    return err;
}

void lines_forget(struct lines_table *t, uint32_t view, uint64_t version)
{
    guard_mutex(&t->lock);
    for (size_t i = 0; i < LINES_MAX; i++)
        if (t->kept[i] && t->kept[i]->view == view &&
            t->kept[i]->version == version)
            t->kept[i]->used = 0;
}
