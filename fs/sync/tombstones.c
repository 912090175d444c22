/* SPDX-License-Identifier: MIT */
/*
 * tombstones.c - what was lately added and removed, and when that was answered:
 * answers cross, and an older one that is applied later must not undo it.
 */
#include <string.h>

#include "base/hash.h"
#include "sync/sync_internal.h"

void tombstones_note_added(struct sync *s, int64_t row, int64_t seen_ms)
{
    struct tombstones *r = &s->tombstones;
    size_t at = r->next_added++ % array_count(r->added);
    if (r->added[at].seen_ms > r->floor_ms)
        r->floor_ms = r->added[at].seen_ms;
    r->added[at].row = row;
    r->added[at].seen_ms = seen_ms;
}

bool tombstones_row_may_be_newer(const struct sync *s, int64_t row,
                                 int64_t asked_ms)
{
    const struct tombstones *r = &s->tombstones;
    for (size_t i = 0; i < array_count(r->added); i++)
        if (r->added[i].row == row && r->added[i].seen_ms >= asked_ms)
            return true;
    return asked_ms <= r->floor_ms;
}

static uint64_t tombstone_hash(const char *id)
{
    return hash_bytes(id, strlen(id), 0);
}

void tombstones_note_removed(struct sync *s, const char *id, int64_t seen_ms)
{
    struct tombstones *r = &s->tombstones;
    size_t at = r->next_removed++ % array_count(r->removed);
    r->removed[at].id_hash = tombstone_hash(id);
    r->removed[at].seen_ms = seen_ms;
    if (seen_ms > r->last_removed_ms)
        r->last_removed_ms = seen_ms;
}

void tombstones_note_changed(struct sync *s, const char *id, int64_t changed_ms)
{
    struct tombstones *r = &s->tombstones;
    size_t at = r->next_changed++ % array_count(r->changed);
    if (r->changed[at].changed_ms > r->changed_floor_ms)
        r->changed_floor_ms = r->changed[at].changed_ms;
    r->changed[at].id_hash = tombstone_hash(id);
    r->changed[at].changed_ms = changed_ms;
    if (changed_ms > r->last_changed_ms)
        r->last_changed_ms = changed_ms;
}

bool tombstones_has_changed(const struct sync *s, const char *id,
                            int64_t asked_ms)
{
    const struct tombstones *r = &s->tombstones;
    if (asked_ms >= r->last_changed_ms)
        return false;
    if (asked_ms < r->changed_floor_ms)
        return true;
    uint64_t id_hash = tombstone_hash(id);
    for (size_t i = 0; i < array_count(r->changed); i++)
        if (r->changed[i].id_hash == id_hash &&
            asked_ms < r->changed[i].changed_ms)
            return true;
    return false;
}

bool tombstones_has(const struct sync *s, const char *id, int64_t asked_ms)
{
    const struct tombstones *r = &s->tombstones;
    if (asked_ms > r->last_removed_ms || !r->next_removed)
        return false;
    uint64_t id_hash = tombstone_hash(id);
    for (size_t i = 0; i < array_count(r->removed); i++)
        if (r->removed[i].id_hash == id_hash &&
            r->removed[i].seen_ms >= asked_ms)
            return true;
    return false;
}
