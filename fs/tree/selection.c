/* SPDX-License-Identifier: MIT */
#include "tree/selection.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/failpoint.h"
#include "json/metadata.h"

#define BODY_MAX (64u << 20) /* of one object; far above what a page holds */

static void selection_destroy(struct lru_entry *e)
{
    struct selection *s = (struct selection *)e;
    free(s->rows);
    free(s->ends);
    free(s);
}

void selection_init(struct lru *kept)
{
    lru_init(kept, SELECTIONS_MAX, SELECTIONS_MAX_BYTES, selection_destroy);
}

static int selection_fill(struct selection *s, const struct view *v,
                          struct catalogue_reader *reader)
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
    if (s->count && failpoint("part_as_whole"))
        s->count--;
    return 0;
}

/* A version's key; a planted fault takes one for the other. */
static uint64_t selection_key(uint64_t version)
{
    return failpoint("older_selection") ? 0 : version;
}

static int selection_make(struct lru *kept, const struct view *v,
                          struct catalogue_reader *reader, uint64_t version,
                          struct selection **ret)
{
    struct selection *s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->version = version;
    int err = selection_fill(s, v, reader);
    if (err) {
        selection_destroy(&s->kept);
        return err;
    }
    s->kept = (struct lru_entry){
        .key = {v->serial, selection_key(version)},
        .bytes = sizeof(*s) + s->count * (sizeof(*s->rows) + sizeof(*s->ends)),
        .refs = 1};
    *ret = (struct selection *)lru_put(kept, &s->kept);
    return 0;
}

static int selection_open_at(struct lru *kept, const struct view *v,
                             struct catalogue_reader *reader, uint64_t version,
                             uint64_t newest, struct selection **ret)
{
    struct lru_entry *e = lru_get(kept, v->serial, selection_key(version));
    if (e) {
        *ret = (struct selection *)e;
        return 0;
    }
    return version == newest ? selection_make(kept, v, reader, version, ret)
                             : -ESTALE;
}

int selection_open(struct lru *kept, const struct view *v,
                   struct catalogue_reader *reader,
                   struct selection **ret_selection)
{
    uint64_t version;
    int err = catalogue_reader_version(reader, &version);
    return err ? err
               : selection_open_at(kept, v, reader, version, version,
                                   ret_selection);
}

int selection_find(struct lru *kept, const struct view *v,
                   struct catalogue_reader *reader, uint64_t low_bits,
                   unsigned bits, struct selection **ret_selection)
{
    uint64_t newest;
    int err = catalogue_reader_version(reader, &newest);
    if (err)
        return err;
    uint64_t age = (newest - low_bits) & ((UINT64_C(1) << bits) - 1);
    return selection_open_at(kept, v, reader, newest - age, newest,
                             ret_selection);
}

void selection_close(struct lru *kept, struct selection *s)
{
    lru_unref(kept, s ? &s->kept : NULL);
}

/* The index of the first that is above a value, of ascending ones. */
static size_t selection_above(const uint64_t *values, size_t count,
                              uint64_t value)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (values[middle] > value)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

size_t selection_after(const struct selection *s, int64_t after)
{
    size_t at =
        selection_above((const uint64_t *)s->rows, s->count, (uint64_t)after);
    return after && at < s->count && failpoint("row_skipped") ? at + 1 : at;
}

int64_t selection_bytes(const struct selection *s)
{
    return s->count ? (int64_t)s->ends[s->count - 1] : 0;
}

static int selection_render(const struct selection *s, size_t at,
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
    for (size_t i = selection_above(s->ends, s->count, at);
         i < s->count && at < end; i++) {
        int err = selection_render(s, i, reader, &line);
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
