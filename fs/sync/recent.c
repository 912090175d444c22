/* SPDX-License-Identifier: MIT */
/*
 * recent.c - what was lately added, removed and changed, and when that was
 * answered: answers cross, and an older one that is applied later must not undo
 * it.
 */
#include <string.h>

#include "base/hash.h"
#include "sync/sync_internal.h"

void recent_added(struct sync *s, int64_t row, int64_t seen_ms)
{
    struct recent *r = &s->recent;
    size_t at = r->next_added++ % array_count(r->added);
    if (r->added[at].seen_ms > r->floor_ms)
        r->floor_ms = r->added[at].seen_ms;
    r->added[at].row = row;
    r->added[at].seen_ms = seen_ms;
}

bool recent_may_be_newer(const struct sync *s, int64_t row, int64_t asked_ms)
{
    const struct recent *r = &s->recent;
    for (size_t i = 0; i < array_count(r->added); i++)
        if (r->added[i].row == row && r->added[i].seen_ms >= asked_ms)
            return true;
    return asked_ms <= r->floor_ms;
}

static uint64_t hash(const char *id)
{
    return hash_bytes(id, strlen(id), 0);
}

static void note_removal(struct sync *s, const char *id, int64_t seen_ms,
                         bool deleted)
{
    struct recent *r = &s->recent;
    size_t at = r->next_removed++ % array_count(r->removed);
    r->removed[at].id_hash = hash(id);
    r->removed[at].seen_ms = seen_ms;
    r->removed[at].deleted = deleted;
    if (seen_ms > r->last_removed_ms)
        r->last_removed_ms = seen_ms;
}

void recent_removed(struct sync *s, const char *id, int64_t seen_ms)
{
    note_removal(s, id, seen_ms, false);
}

void recent_deleted(struct sync *s, const char *id, int64_t seen_ms)
{
    note_removal(s, id, seen_ms, true);
}

static bool is_among(const struct sync *s, const char *id, int64_t asked_ms,
                     bool deleted)
{
    const struct recent *r = &s->recent;
    if (asked_ms > r->last_removed_ms || !r->next_removed)
        return false;
    uint64_t id_hash = hash(id);
    for (size_t i = 0; i < array_count(r->removed); i++)
        if (r->removed[i].id_hash == id_hash &&
            r->removed[i].seen_ms >= asked_ms &&
            (r->removed[i].deleted || !deleted))
            return true;
    return false;
}

void recent_changed(struct sync *s, const char *id, int64_t changed_ms)
{
    struct recent *r = &s->recent;
    size_t at = r->next_changed++ % array_count(r->changed);
    if (r->changed[at].changed_ms > r->changed_floor_ms)
        r->changed_floor_ms = r->changed[at].changed_ms;
    r->changed[at].id_hash = hash(id);
    r->changed[at].changed_ms = changed_ms;
    if (changed_ms > r->last_changed_ms)
        r->last_changed_ms = changed_ms;
}

bool recent_was_changed(const struct sync *s, const char *id, int64_t asked_ms)
{
    const struct recent *r = &s->recent;
    if (asked_ms >= r->last_changed_ms)
        return false;
    if (asked_ms < r->changed_floor_ms)
        return true;
    uint64_t id_hash = hash(id);
    for (size_t i = 0; i < array_count(r->changed); i++)
        if (r->changed[i].id_hash == id_hash &&
            asked_ms < r->changed[i].changed_ms)
            return true;
    return false;
}

bool recent_is_gone(const struct sync *s, const char *id, int64_t asked_ms)
{
    return is_among(s, id, asked_ms, false);
}

bool recent_was_deleted(const struct sync *s, const char *id, int64_t asked_ms)
{
    return is_among(s, id, asked_ms, true);
}
