/* SPDX-License-Identifier: MIT */
/*
 * commit.c - the catalogue's transactions: what is committed is told to whoever
 * wants to know, before anybody is answered. A walk's pages are steps, many of
 * which are committed together.
 */
#include <errno.h>

#include "base/clock.h"
#include "sync/sync_internal.h"

int sync_begin_step(struct sync *s)
{
    struct catalogue_reader *r = catalogue_reader_acquire(s->catalogue);
    if (!r)
        return -ENOMEM;
    s->commits.has_unnamed =
        catalogue_total(r) != catalogue_count(s->catalogue, ASSET_TYPE_COUNT);
    catalogue_reader_release(r);
    return catalogue_begin(s->catalogue);
}

int sync_begin(struct sync *s)
{
    int err = sync_flush(s);
    return err ? err : sync_begin_step(s);
}

/* Who lists a type while the walk goes on has rows of it to look for. */
static bool commit_has_more(struct sync *s, struct waiter *w, void *ctx,
                            int *ret_err)
{
    const struct catalogue_diff *diff = ctx;
    if (!w->begun || w->want != SYNC_MORE || w->owner)
        return false;
    unsigned types = query_types(&w->query);
    *ret_err = 0;
    for (size_t i = 0; types && i < diff->count; i++) {
        const struct catalogue_change *c = &diff->changes[i];
        if (c->row > w->after_row && c->folder && types & 1u << c->type)
            return true;
    }
    return false;
}

/* Steps of the walk are gone with a failed transaction: see sync_run. */
static int commit_note_lost(struct sync *s, int err)
{
    if (catalogue_lost_steps(s->catalogue))
        s->commits.lost_err = err;
    return err;
}

typedef int commit_fn(struct catalogue *c, struct catalogue_diff *ret_diff);

static int commit_end_with(struct sync *s, int err, commit_fn *commit)
{
    struct catalogue_diff diff = {0};
    if (err)
        catalogue_rollback(s->catalogue);
    else
        err = commit(s->catalogue, &diff);
    if (err)
        return commit_note_lost(s, err);
    if (diff.count) {
        s->commits.told(s->commits.ctx, &diff);
        waiters_settle(s, commit_has_more, &diff);
    }
    catalogue_diff_done(&diff);
    return 0;
}

int sync_end(struct sync *s, int err)
{
    return commit_end_with(s, err, catalogue_commit);
}

int sync_end_step(struct sync *s, int err)
{
    return commit_end_with(s, err, catalogue_commit_later);
}

int sync_flush(struct sync *s)
{
    if (catalogue_commit_due_ms(s->catalogue) == CLOCK_NEVER_MS)
        return 0;
    int err = catalogue_begin(s->catalogue);
    return err ? err : sync_end(s, 0);
}
