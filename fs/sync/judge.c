/*
 * judge.c - rows that were there before a walk and that the walk didn't see:
 * gone, or so it seems. Each is asked for by its id before it is removed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sync/walk.h"

static void on_judged(struct sync *s, void *ctx, int err, struct page *page,
                      const struct api_answer *answer)
{
    struct walk *w = s->walk;
    size_t removed = 0;
    if (!err)
        err = slice_apply_ids(s, w->judged, w->judged_count, page, answer,
                              &removed);
    /* What is still unmarked after an answer would be asked for for ever. */
    if (!err && page->count + removed < w->judged_count)
        err = -EIO;
    catalogue_places_free(w->judged, w->judged_count);
    w->judged = NULL;
    w->judged_count = 0;
    if (err)
        walk_fail(s, err);
    else
        judge_unseen(s);
}

static int read_places(struct sync *s, const int64_t *rows, size_t count,
                       struct walk *w)
{
    struct catalogue_reader *r = catalogue_reader_acquire(s->catalogue);
    w->judged = calloc(count, sizeof(*w->judged));
    int err = r && w->judged ? 0 : -ENOMEM;
    for (size_t i = 0; !err && i < count; i++) {
        struct catalogue_entry entry;
        err = catalogue_get(r, rows[i], &entry);
        if (err)
            break;
        struct catalogue_place *place = &w->judged[w->judged_count];
        *place = (struct catalogue_place){entry.row, entry.created_s,
                                          strdup(entry.id)};
        err = place->id ? 0 : -ENOMEM;
        w->judged_count += !err;
    }
    catalogue_reader_release(r);
    return err;
}

void judge_unseen(struct sync *s)
{
    struct walk *w = s->walk;
    int64_t rows[API_IDS_LIMIT];
    size_t count = 0;
    w->judging = true;
    int err = catalogue_unmarked(s->catalogue, rows, array_count(rows), &count);
    if (!err && !count) {
        walk_end(s);
        return;
    }
    if (!err)
        err = read_places(s, rows, count, w);
    if (err)
        walk_fail(s, err);
    else
        errand_ids(s, w->judged, w->judged_count, API_WALK, API_CAUSE_WALK,
                   on_judged, NULL);
}
