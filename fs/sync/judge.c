/* SPDX-License-Identifier: MIT */
/*
 * judge.c - rows that were there before a walk and that the walk didn't see:
 * gone, or so it seems. Each is asked for by its id before it is removed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sync/walk.h"

void walk_forget_judged(struct walk *w)
{
    catalogue_places_free(w->judged, w->judged_count);
    w->judged = NULL;
    w->judged_count = 0;
}

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
    walk_forget_judged(w);
    if (err)
        walk_fail(s, err);
    else
        judge_unseen(s);
}

/* An asset without an id can't be asked for. The walk has read all there is,
 * under whatever ids were made for it. */
static int drop_made_ids(struct sync *s, struct walk *w)
{
    size_t kept = 0;
    int err = sync_begin(s);
    if (err)
        return err;
    for (size_t i = 0; i < w->judged_count; i++) {
        struct catalogue_place place = w->judged[i];
        bool made = slice_is_made_id(place.id);
        if (!err && made)
            err = catalogue_remove(s->catalogue, place.row);
        w->judged[i] = w->judged[kept];
        w->judged[kept] = place;
        kept += !made;
    }
    err = sync_end(s, err);
    if (err)
        return err;
    for (size_t i = kept; i < w->judged_count; i++)
        free(w->judged[i].id);
    w->judged_count = kept;
    return 0;
}

static int read_places(struct sync *s, const int64_t *rows, size_t count,
                       struct walk *w)
{
    struct catalogue_reader *r = catalogue_reader_acquire(s->catalogue);
    walk_forget_judged(w);
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

/* The next few that are left to ask for; none when all is judged. */
static int choose(struct sync *s, struct walk *w)
{
    int64_t rows[API_IDS_LIMIT];
    size_t count = 0;
    do {
        int err =
            catalogue_unmarked(s->catalogue, rows, array_count(rows), &count);
        if (!err && count)
            err = read_places(s, rows, count, w);
        if (!err && count)
            err = drop_made_ids(s, w);
        if (err)
            return err;
    } while (count && !w->judged_count);
    return 0;
}

void judge_unseen(struct sync *s)
{
    struct walk *w = s->walk;
    w->judging = true;
    walk_forget_judged(w);
    int err = choose(s, w);
    if (err)
        walk_fail(s, err);
    else if (w->judged_count)
        errand_ids(s, w->judged, w->judged_count, API_WALK, API_CAUSE_WALK,
                   on_judged, NULL);
    else
        walk_end(s);
}
