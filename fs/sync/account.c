/* SPDX-License-Identifier: MIT */
/*
 * account.c - how many assets the account has, as it was last found out, beside
 * how many are known.
 */
#include <errno.h>

#include "base/clock.h"
#include "sync/sync_internal.h"

int64_t account_known(struct sync *s)
{
    struct catalogue_reader *r = catalogue_reader_acquire(s->catalogue);
    if (!r)
        return -ENOMEM;
    int64_t total = catalogue_total(r);
    catalogue_reader_release(r);
    return total + s->account.unreadable;
}

int account_save(struct sync *s)
{
    int64_t off = s->account.extent.total < 0
                      ? 0
                      : s->account.extent.total - s->account.extent.count;
    return catalogue_state_set(s->catalogue, "total_off", off);
}

/* So many are known to be missing, from now on. */
void account_note_missing(struct sync *s, int64_t missing)
{
    guard_mutex(&s->lock);
    struct sync_status *status = &s->status;
    if (missing < 0)
        missing = 0;
    if (missing && !status->missing)
        status->missing_since_s = clock_wall_s();
    status->missing = missing;
    status->total = status->walked + missing;
}

int account_note_linked(struct sync *s, int64_t linked_s)
{
    if (linked_s == s->account.linked_s)
        return 0;
    int err = sync_begin(s);
    if (!err)
        err = sync_end(s,
                       catalogue_state_set(s->catalogue, "linked_s", linked_s));
    if (!err)
        s->account.linked_s = linked_s;
    return err;
}

void account_note_total(struct sync *s, int64_t total)
{
    guard_mutex(&s->lock);
    s->status.stated_total = total;
    s->status.counted_total = s->account.extent.count;
}

/* As the catalogue has kept it. */
int account_load(struct sync *s)
{
    struct account *a = &s->account;
    struct catalogue_reader *r = catalogue_reader_acquire(s->catalogue);
    if (!r)
        return -ENOMEM;
    int64_t known = catalogue_total(r);
    s->complete = catalogue_state(r, "complete", 0);
    a->unreadable = catalogue_state(r, "holes", 0);
    a->linked_s = catalogue_state(r, "linked_s", 0);
    a->extent.count = known + a->unreadable;
    a->extent.total = a->extent.count + catalogue_state(r, "total_off", 0);
    s->status.polled_s = catalogue_state(r, "polled_s", 0);
    s->status.swept_s = catalogue_state(r, "swept_s", 0);
    s->status.walked = known;
    s->status.total = s->complete ? known : -1;
    catalogue_reader_release(r);
    return 0;
}
