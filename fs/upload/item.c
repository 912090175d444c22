/* SPDX-License-Identifier: MIT */
/*
 * item.c - an item's life: what it is, its state in the store, what ends it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "upload/upload_internal.h"

struct item *item_new(struct upload *u, const char *path,
                      const struct source_identity *identity)
{
    struct item *i = calloc(1, sizeof(*i));
    if (!i)
        return NULL;
    TAILQ_INIT(&i->transfers);
    i->since_ms = clock_mono_ms();
    if (!path)
        return i;
    i->r.path = strdup(path);
    if (!i->r.path) {
        free(i);
        return NULL;
    }
    i->r.identity = *identity;
    i->present = true;
    upload_wake_by(u, i->since_ms + u->config.settle_ms);
    return i;
}

void item_free(struct upload *u, struct item *i)
{
    item_rest(u, i);
    upload_record_done(&i->r);
    free(i);
}

void item_rest(struct upload *u, struct item *i)
{
    transfer_abandon(u, i);
    parts_free(i->parts);
    i->parts = NULL;
    digest_free(i->digest);
    i->digest = NULL;
    source_unref(i->source);
    i->source = NULL;
    item_phase(u, i, ITEM_IDLE);
    upload_wake_by(u, 0);
}

static void forget_record(struct upload *u, struct item *i)
{
    free(steal_ptr(i->r.upload_id));
    free(steal_ptr(i->r.asset_id));
    free(steal_ptr(i->r.headers));
    free(steal_ptr(i->r.kept));
    free(steal_ptr(i->r.error));
    i->r.token[0] = i->r.digest[0] = '\0';
    i->r.number = 0;
    i->r.state = (enum upload_state)0;
    i->placed = false;
    i->looks = i->tries = 0;
    i->words[0] = '\0';
    u->changed = true;
}

/* The record's going is not waited for: a record of bytes that aren't there any
 * more is none of the file that is. */
void item_forget(struct upload *u, struct item *i,
                 const struct source_identity *identity)
{
    item_rest(u, i);
    if (i->r.state == UPLOAD_FAILED)
        place_remove_error(u, i);
    if (i->r.number)
        (void)store_remove(u->store, i->r.number);
    forget_record(u, i);
    if (identity)
        i->r.identity = *identity;
    else
        upload_rescan(u);
    i->since_ms = clock_mono_ms();
    i->not_before_ms = 0;
    upload_wake_by(u, i->since_ms + u->config.settle_ms);
}

void item_drop(struct upload *u, struct item *i)
{
    item_rest(u, i);
    if (i->r.number && store_remove(u->store, i->r.number)) {
        i->not_before_ms = clock_mono_ms() + UPLOAD_AGAIN_MS;
        return;
    }
    forget_record(u, i);
    upload_rescan(u);
}

void item_fail(struct upload *u, struct item *i, const char *words)
{
    char quoted[200];
    item_rest(u, i);
    free(i->r.error);
    i->r.error = strdup(words);
    if (!i->r.error || item_commit(u, i, UPLOAD_FAILED))
        return;
    log_warning("uploads: %s is refused: %s",
                log_quote(i->r.path, strlen(i->r.path), quoted, sizeof(quoted)),
                words);
    if (!i->present || !place_error(u, i))
        return;
    free(i->r.kept);
    i->r.kept = strdup("error"); /* from now on its removal means something */
    if (i->r.kept)
        (void)item_commit(u, i, UPLOAD_FAILED);
}

void item_sent(struct upload *u, struct item *i, const char *asset_id)
{
    char quoted[200];
    char *id = strdup(asset_id);
    item_rest(u, i);
    if (!id) {
        i->not_before_ms = clock_mono_ms() + UPLOAD_AGAIN_MS;
        return;
    }
    free(i->r.asset_id);
    i->r.asset_id = id;
    i->words[0] = '\0';
    i->tries = 0;
    if (item_commit(u, i, UPLOAD_SENT))
        return;
    i->not_before_ms = i->seen_ms = 0;
    i->shown = 0;
    i->version = 0;
    log_info("uploads: %s is up as %s",
             log_quote(i->r.path, strlen(i->r.path), quoted, sizeof(quoted)),
             id);
    upload_wake_by(u, 0);
}

/* ---- what a scan found ---- */

static void remove_item(struct upload *u, struct item *i)
{
    TAILQ_REMOVE(&u->items, i, link);
    item_free(u, i);
    u->changed = true;
}

/* What the account may have of it stays known. */
static void item_vanish(struct upload *u, struct item *i)
{
    bool was_present = i->present;
    i->present = false;
    switch (i->r.state) {
    case UPLOAD_SENDING:
    case UPLOAD_SESSION:
        if (was_present && i->phase != ITEM_IDLE) {
            item_rest(u, i);
            i->looks = 0;
        }
        return;
    case UPLOAD_SENT:
    case UPLOAD_DONE:
        return;
    default:
        break;
    }
    if (i->r.state == UPLOAD_FAILED)
        place_remove_error(u, i);
    if (!i->r.number || !store_remove(u->store, i->r.number))
        remove_item(u, i);
}

/* Where it belongs in the order of paths. */
static void insert_sorted(struct upload *u, struct item *i)
{
    struct item *before = TAILQ_FIRST(&u->items);
    while (before && strcmp(before->r.path, i->r.path) < 0)
        before = TAILQ_NEXT(before, link);
    if (before)
        TAILQ_INSERT_BEFORE(before, i, link);
    else
        TAILQ_INSERT_TAIL(&u->items, i, link);
}

/* The file at the path is another, or has another mode: what the account has,
 * or may have, of the one before stays known, beside it, by "/NAME". Should the
 * bytes be the same, the file waits for what comes of that. */
static bool item_detach(struct upload *u, struct item *i)
{
    char *path;
    bool known = i->r.state == UPLOAD_SENDING || i->r.state == UPLOAD_SENT ||
                 i->r.state == UPLOAD_DONE ||
                 (i->r.state == UPLOAD_SESSION && i->r.upload_id);
    if (!known || asprintf(&path, "/%s", item_name(i)) < 0)
        return false;
    item_rest(u, i);
    free(i->r.path);
    i->r.path = path;
    i->present = false;
    i->looks = 0;
    (void)item_commit(u, i, i->r.state);
    TAILQ_REMOVE(&u->items, i, link);
    insert_sorted(u, i);
    return true;
}

static void insert_found(struct upload *u, struct item *before,
                         const struct watch_file *file)
{
    struct item *i = item_new(u, file->path, &file->identity);
    if (!i) {
        upload_rescan(u);
        return;
    }
    if (before)
        TAILQ_INSERT_BEFORE(before, i, link);
    else
        TAILQ_INSERT_TAIL(&u->items, i, link);
    u->changed = true;
}

/* An item's file is there. */
static void item_meet(struct upload *u, struct item *i,
                      const struct watch_file *file)
{
    struct item *next = TAILQ_NEXT(i, link);
    bool again =
        i->r.state == UPLOAD_FAILED && i->r.kept && !place_has_error(u, i);
    if (source_same(&i->r.identity, &file->identity) && !again) {
        i->present = true;
        return;
    }
    if (item_detach(u, i)) {
        insert_found(u, next, file);
        return;
    }
    i->present = true;
    item_forget(u, i, &file->identity);
}

void item_merge(struct upload *u, struct watch_file *files, size_t count)
{
    struct item *i = TAILQ_FIRST(&u->items), *next;
    for (size_t n = 0; n < count; n++) {
        for (; i && strcmp(i->r.path, files[n].path) < 0; i = next) {
            next = TAILQ_NEXT(i, link);
            item_vanish(u, i);
        }
        if (!i || strcmp(i->r.path, files[n].path) != 0) {
            insert_found(u, i, &files[n]);
            continue;
        }
        next = TAILQ_NEXT(i, link);
        item_meet(u, i, &files[n]);
        i = next;
    }
    for (; i; i = next) {
        next = TAILQ_NEXT(i, link);
        item_vanish(u, i);
    }
}

/* ---- what the store knows ---- */

static int take_record(void *ctx, struct upload_record *r)
{
    struct upload *u = ctx;
    struct item *i = item_new(u, NULL, NULL);
    if (!i) {
        upload_record_done(r);
        return -ENOMEM;
    }
    i->r = *r;
    insert_sorted(u, i);
    return 0;
}

int item_load(struct upload *u)
{
    return store_each(u->store, u->folder, take_record, u);
}
