/* SPDX-License-Identifier: MIT */
/*
 * apply.c - what one answer proves.
 *
 * Invariants, on which walk, poll, verify and sweep all rest:
 *
 *  1. The list's order never changes for assets that stand: created_at,
 *     newest first, then something of the server's own among equal seconds.
 *  2. An answer is consecutive assets of that order at one moment,
 *     with the total of that moment.
 *  3. So whatever stood at that moment and belongs strictly between the
 *     answer's newest and oldest second is in it. The first page has no
 *     newer neighbours, and the last no older ones, which is the last when the
 *     page after it was seen empty: there the proof reaches to the end of the
 *     list. What a total says proves nothing.
 *  4. A known asset that belongs there and isn't in it was gone at that
 *     moment. It is removed, unless it was added from an answer that may be
 *     of a later moment (tombstones.c; where that is forgotten, nothing is
 *     removed). The sweep, which passes all of the list, doesn't rest on 1: a
 *     created_at may have changed. It removes nothing by this, but asks for
 *     what a page lacks by id.
 *  5. Nor does any answer bring back what one that may be of a later moment
 *     has shown to be gone: an id that went never comes again. Several are
 *     always under way at once, and they cross.
 *  6. Nor does it bring back what an asset was before somebody changed it
 *     through the mount.
 *  7. Assets of the answer's first and last second prove nothing about others
 *     of that second: only an answer about their own ids does.
 *
 * An asset without a usable created_at takes the second of its neighbour, so
 * that it has a place. An answer that isn't in order proves
 * no absence.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "sync/sync_internal.h"

#define BETWEEN_MAX 256 /* candidates of one transaction, some milliseconds */
#define BODY_MAX    (256u << 20)

/* Gives what has no second its neighbour's; false when out of order. */
bool apply_order(struct page *page)
{
    int64_t older_s = ASSET_NO_TIME;
    for (size_t i = page->count; i-- > 0;) {
        struct asset *a = &page->assets[i];
        if (a->created_s == ASSET_NO_TIME)
            a->created_s = older_s;
        older_s = a->created_s;
    }
    if (older_s == ASSET_NO_TIME && page->count)
        page->assets[0].created_s = 0; /* none has one */
    for (size_t i = 1; i < page->count; i++)
        if (page->assets[i].created_s == ASSET_NO_TIME)
            page->assets[i].created_s = page->assets[i - 1].created_s;
    for (size_t i = page->count; i-- > 1;)
        if (page->assets[i].created_s > page->assets[i - 1].created_s)
            return false;
    return true;
}

/* One lies where the second changes from one asset to the next older. */
static void apply_find_boundaries(const struct apply_options *options,
                                  const struct page *page,
                                  struct apply_result *result)
{
    int64_t before = (options->page - 1) * options->page_limit;
    for (size_t i = 0; i + 1 < page->count; i++) {
        if (page->assets[i].created_s == page->assets[i + 1].created_s)
            continue;
        struct boundary boundary = {page->assets[i].created_s,
                                    before + (int64_t)i + 1};
        if (!result->has_boundaries)
            result->newest = boundary;
        result->oldest = boundary;
        result->has_boundaries = true;
    }
}

int64_t extent_at(const struct extent *extent, const struct page *page)
{
    if (page->total_results < 0 || extent->total < 0)
        return extent->count;
    int64_t count = extent->count + page->total_results - extent->total;
    return count > 0 ? count : 0;
}

bool page_has_id(const struct page *page, const char *id)
{
    for (size_t i = 0; i < page->count; i++)
        if (strcmp(page->assets[i].id, id) == 0)
            return true;
    return false;
}

bool apply_is_short(const struct apply_options *options,
                    const struct page *page)
{
    return page->count + page->skipped < (size_t)options->page_limit;
}

/* The slots that belong strictly within the answer. */
static int apply_slots_within(struct sync *s,
                              const struct apply_options *options,
                              const struct page *page,
                              struct catalogue_slot **ret_places,
                              size_t *ret_count)
{
    bool first = options->page == 1;
    bool last = options->last;
    *ret_places = NULL;
    *ret_count = 0;
    if (!page->count && !(first && last))
        return 0; /* a page past the end */
    struct catalogue_slot newer = {0};
    struct catalogue_slot older = {0};
    if (page->count) {
        newer.created_s = page->assets[0].created_s; /* row 0: below them all */
        older.created_s = page->assets[page->count - 1].created_s;
        older.row = INT64_MAX; /* above them all */
    }
    struct catalogue_reader *r = catalogue_reader_of_writer(s->catalogue);
    int err = catalogue_between(r, first ? NULL : &newer,
                                last || !page->count ? NULL : &older,
                                BETWEEN_MAX, ret_places, ret_count);
    catalogue_reader_release(r);
    return err;
}

bool apply_is_made_id(const char *id)
{
    return asset_id_is_made(id);
}

static int apply_remove_absent(struct sync *s, const struct page *page,
                               const struct catalogue_slot *slots, size_t count,
                               const struct api_answer *answer, bool by_id,
                               size_t *ret_removed)
{
    for (size_t i = 0; i < count; i++) {
        if (page_has_id(page, slots[i].id) ||
            (by_id ? apply_is_made_id(slots[i].id) /* known when it was asked */
                   : tombstones_row_may_be_newer(s, slots[i].row,
                                                 answer->asked_ms)))
            continue;
        int err = catalogue_remove(s->catalogue, slots[i].row);
        if (err && err != -ENOENT)
            return err;
        tombstones_note_removed(s, slots[i].id, answer->answered_ms);
        *ret_removed += !err;
    }
    return 0;
}

/* Puts those in front that the page lacks and that can be asked for by id;
 * answers how many. */
static size_t apply_choose_absent(struct sync *s, const struct page *page,
                                  struct catalogue_slot *slots, size_t count,
                                  const struct api_answer *answer)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        struct catalogue_slot slot = slots[i];
        if (page_has_id(page, slot.id) || apply_is_made_id(slot.id) ||
            tombstones_row_may_be_newer(s, slot.row, answer->asked_ms))
            continue;
        slots[i] = slots[kept];
        slots[kept++] = slot;
    }
    return kept;
}

/* An unnamed row that gets its name would come into listings at a place which
 * some have passed: it gives way to a row of a new number. */
static int apply_forget_unnamed(struct sync *s, const char *id)
{
    struct catalogue_entry entry;
    struct catalogue_reader *r = catalogue_reader_acquire(s->catalogue);
    if (!r)
        return -ENOMEM;
    int err = catalogue_get_by_id(r, id, &entry);
    int64_t row = !err && !entry.folder ? entry.row : 0;
    catalogue_reader_release(r);
    if (!err && row)
        err = catalogue_remove(s->catalogue, row);
    return err == -ENOENT ? 0 : err;
}

/* 0: an asset as the catalogue has it, since the answer may be older than what
 * somebody changed. -ENOENT: as the answer has it. */
static int apply_find_newer(struct sync *s, const char *id,
                            const struct api_answer *answer,
                            struct asset *ret_asset, int64_t *ret_received_s)
{
    struct catalogue_entry entry;
    cleanup(buf_done) struct buf body = {.max = BODY_MAX};
    if (!tombstones_has_changed(s, id, answer->asked_ms))
        return -ENOENT;
    struct catalogue_reader *r = catalogue_reader_of_writer(s->catalogue);
    int err = catalogue_get_by_id(r, id, &entry);
    int64_t received_s = err ? 0 : entry.fetched_s;
    int64_t created_s = err ? 0 : entry.created_s;
    if (!err)
        err = catalogue_body(r, entry.row, &body);
    catalogue_reader_release(r);
    if (!err)
        err = page_parse_asset(buf_str(&body), body.len, ret_asset);
    if (err)
        return err;
    ret_asset->created_s = created_s; /* its place, where it says none */
    *ret_received_s = received_s;
    return 0;
}

static int apply_newest(struct sync *s, const struct asset *a, bool named,
                        const struct api_answer *answer, int64_t *ret_row,
                        bool *ret_added)
{
    cleanup(asset_done) struct asset kept = {0};
    int64_t received_s = answer->received_s;
    int err = apply_find_newer(s, a->id, answer, &kept, &received_s);
    if (err && err != -ENOENT)
        return err;
    const struct asset *newest = err ? a : &kept;
    if (named && s->commits.has_unnamed) {
        err = apply_forget_unnamed(s, a->id);
        if (err)
            return err;
    }
    return catalogue_put(s->catalogue, newest, named, received_s, ret_row,
                         ret_added);
}

int apply_asset(struct sync *s, const struct asset *a, bool named,
                const struct api_answer *answer,
                struct apply_outcome *ret_outcome)
{
    struct apply_outcome *out = ret_outcome;
    *out = (struct apply_outcome){0};
    if ((out->gone = tombstones_has(s, a->id, answer->asked_ms)))
        return 0;
    int err = apply_newest(s, a, named, answer, &out->row, &out->added);
    if (err == -EBADMSG)
        return 0;
    if (!err && out->added)
        tombstones_note_added(s, out->row, answer->answered_ms);
    return err;
}

static int apply_put_all(struct sync *s, const struct apply_options *options,
                         struct page *page, const struct api_answer *answer,
                         struct apply_result *result)
{
    for (size_t i = page->count; i-- > 0;) {
        struct apply_outcome out;
        int err =
            apply_asset(s, &page->assets[i], options->named, answer, &out);
        if (err)
            return err;
        result->added += out.added;
        result->lost += !out.row && !out.gone;
    }
    return 0;
}

/* The slots in front; the others are freed. */
static void apply_hand_over(struct apply_absent *absent,
                            struct catalogue_slot *slots, size_t kept,
                            size_t count)
{
    for (size_t i = kept; i < count; i++)
        free(slots[i].id);
    *absent = (struct apply_absent){
        .slots = slots, .count = kept, .more = count == BETWEEN_MAX};
}

/* One transaction: what the answer shows (when `result` is there to say so) and
 * what it disproves, of which there may be more than one transaction takes. */
static int apply_some(struct sync *s, const struct apply_options *options,
                      struct page *page, const struct api_answer *answer,
                      bool ordered, struct apply_result *result,
                      size_t *ret_removed, bool *ret_more)
{
    struct catalogue_slot *slots = NULL;
    size_t count = 0;
    size_t kept = 0; /* for who asks for them by id */
    size_t removed = 0;
    int err =
        ordered ? apply_slots_within(s, options, page, &slots, &count) : 0;
    if (!err && options->absent)
        kept = apply_choose_absent(s, page, slots, count, answer);
    if (!err)
        err = options->step ? sync_begin_step(s) : sync_begin(s);
    if (!err) {
        if (result)
            err = apply_put_all(s, options, page, answer, result);
        if (!err)
            err = apply_remove_absent(s, page, slots + kept, count - kept,
                                      answer, false, &removed);
        err = options->step ? sync_end_step(s, err) : sync_end(s, err);
    }
    if (!err && kept)
        apply_hand_over(options->absent, slots, kept, count);
    else
        catalogue_slots_free(slots, count);
    if (err)
        return err;
    *ret_removed = removed;
    *ret_more = removed && !kept && count == BETWEEN_MAX;
    return 0;
}

int apply_page(struct sync *s, const struct apply_options *options,
               struct page *page, const struct api_answer *answer,
               struct apply_result *ret_result)
{
    struct apply_result result = {0};
    bool ordered = apply_order(page);
    bool more = true;
    for (bool again = false; more; again = true) {
        size_t removed;
        int err = apply_some(s, options, page, answer, ordered,
                             again ? NULL : &result, &removed, &more);
        if (err)
            return err;
        result.removed += removed;
        if (more)
            sync_serve(s);
    }
    if (ordered)
        apply_find_boundaries(options, page, &result);
    result.exact = !page->skipped;
    if (page->count) {
        result.top_s = page->assets[0].created_s;
        result.bottom_s = page->assets[page->count - 1].created_s;
    }
    result.ordered = ordered;
    s->account.changes += result.added + result.removed;
    *ret_result = result;
    return 0;
}

/* Where an asset without a time stands isn't known from an answer by ids. */
static void apply_keep_times(const struct catalogue_slot *slots, size_t count,
                             struct page *page)
{
    for (size_t i = 0; i < page->count; i++) {
        bool timeless = page->assets[i].created_s == ASSET_NO_TIME;
        for (size_t k = 0; timeless && k < count; k++)
            if (strcmp(slots[k].id, page->assets[i].id) == 0)
                page->assets[i].created_s = slots[k].created_s;
    }
}

int apply_ids(struct sync *s, const struct catalogue_slot *slots, size_t count,
              struct page *page, const struct api_answer *answer,
              bool confirmed, size_t *ret_removed, size_t *ret_doubtful)
{
    size_t removed = 0;
    bool answered = page->skipped == 0 && page->count <= count;
    bool whole =
        answered && (confirmed || page->total_results == (int64_t)page->count);
    apply_keep_times(slots, count, page);
    int err = sync_begin(s);
    if (err)
        return err;
    for (size_t i = page->count; !err && i-- > 0;) {
        struct apply_outcome out;
        err = apply_asset(s, &page->assets[i], false, answer, &out);
    }
    if (!err && whole)
        err =
            apply_remove_absent(s, page, slots, count, answer, true, &removed);
    err = sync_end(s, err);
    if (err)
        return err;
    s->account.changes += removed;
    *ret_removed = removed;
    *ret_doubtful = answered && !whole ? count - page->count : 0;
    return 0;
}
