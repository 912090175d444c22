/* SPDX-License-Identifier: MIT */
/*
 * show.c - how the uploads are, as others may ask: made by the uploading thread
 * now and then, copied under the lock.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "json/text.h"
#include "upload/upload_internal.h"

#define SHOW_EVERY_MS   250
#define SHOW_SENDING_MS 1000
#define LIST_MAX        (4u << 20)

static const char *state_word(const struct item *i)
{
    switch (i->r.state) {
    case UPLOAD_SENDING:
        return i->phase == ITEM_IDLE ? "unknown" : "sending";
    case UPLOAD_SESSION:
        return i->phase == ITEM_IDLE ? "waiting" : "sending";
    case UPLOAD_SENT:
        return "processing";
    case UPLOAD_DONE:
        return "done";
    case UPLOAD_FAILED:
        return "failed";
    default:
        return i->phase == ITEM_HASHING ? "reading" : "waiting";
    }
}

static int64_t item_sent_bytes(const struct item *i)
{
    const struct transfer *t = TAILQ_FIRST(&i->transfers);
    if (i->r.state == UPLOAD_SENT || i->r.state == UPLOAD_DONE)
        return i->r.identity.size_bytes;
    if (i->phase == ITEM_PARTS)
        return parts_sent_bytes(i);
    if (!t || t->kind != TRANSFER_DIRECT)
        return 0;
    int64_t sent = atomic_load(&t->sent);
    return sent < i->r.identity.size_bytes ? sent : i->r.identity.size_bytes;
}

/* The end of the path, which tells more than its beginning. */
static void show_name(const struct item *i, char *out, size_t size)
{
    cleanup(buf_done) struct buf name = {.max = 16384};
    out[0] = '\0';
    if (filename_append(&name, i->r.path))
        return;
    const char *text = buf_str(&name);
    while (strlen(text) >= size)
        do
            text++;
        while (((unsigned char)*text & 0xc0) == 0x80);
    (void)snprintf(out, size, "%s", text);
    for (char *c = out; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
}

static void show_one(const struct item *i, struct upload_shown *shown,
                     size_t *count)
{
    if (*count >= UPLOAD_SHOWN)
        return;
    struct upload_shown *one = &shown[(*count)++];
    *one = (struct upload_shown){.bytes = item_sent_bytes(i),
                                 .size_bytes = i->r.identity.size_bytes};
    show_name(i, one->name, sizeof(one->name));
    (void)snprintf(one->words, sizeof(one->words), "%s",
                   i->r.error ? i->r.error : i->words);
}

static void count_item(const struct item *i, struct upload_status *s)
{
    const char *word = state_word(i);
    if (strcmp(word, "done") == 0) {
        s->done++;
    } else if (strcmp(word, "processing") == 0) {
        s->processing++;
    } else if (strcmp(word, "failed") == 0) {
        s->failed++;
        show_one(i, s->failed_shown, &s->failed_count);
    } else if (strcmp(word, "sending") == 0) {
        s->sending++;
        show_one(i, s->sending_shown, &s->sending_count);
    } else {
        s->waiting++;
    }
}

static int append_item(const struct item *i, struct buf *out)
{
    cleanup(buf_done) struct buf path = {.max = 16384};
    const char *words = i->r.error ? i->r.error : i->words;
    int err = filename_append(&path, i->r.path);
    if (!err)
        err = buf_append_str(out, "{\"path\":");
    if (!err)
        err = text_append_string(out, buf_str(&path), path.len);
    if (!err)
        err = buf_appendf(out,
                          ",\"state\":\"%s\",\"bytes\":%" PRId64
                          ",\"size\":%" PRId64 ",\"asset\":",
                          state_word(i), item_sent_bytes(i),
                          i->r.identity.size_bytes);
    if (!err)
        err = i->r.asset_id ? text_append_string(out, i->r.asset_id,
                                                 strlen(i->r.asset_id))
                            : buf_append_str(out, "null");
    if (!err)
        err = buf_append_str(out, ",\"words\":");
    if (!err)
        err = text_append_string(out, words, strlen(words));
    return err ? err : buf_append_str(out, "}\n");
}

static void fill_pause(const struct upload *u, struct upload_status *s,
                       int64_t now_ms)
{
    struct api_stats stats;
    api_stats(u->api, &stats);
    s->requests = stats.sent[API_CAUSE_UPLOAD];
    s->requests_failed = stats.failed[API_CAUSE_UPLOAD];
    if (now_ms >= u->paused_until_ms)
        return;
    s->paused_until_s =
        clock_wall_s() + (u->paused_until_ms - now_ms + 999) / 1000;
    (void)snprintf(s->paused_words, sizeof(s->paused_words), "%s",
                   u->paused_words);
}

void show_publish(struct upload *u, int64_t now_ms)
{
    struct upload_status status = {0};
    struct buf list = {.max = LIST_MAX};
    struct item *i;
    if (!u->changed && !u->active)
        return;
    if (now_ms - u->published_ms < SHOW_EVERY_MS) {
        upload_wake_by(u, u->published_ms + SHOW_EVERY_MS);
        return;
    }
    u->changed = false;
    u->published_ms = now_ms;
    TAILQ_FOREACH(i, &u->items, link)
    {
        size_t before = list.len;
        count_item(i, &status);
        if (!item_is_detached(i) && append_item(i, &list))
            buf_truncate(&list, before);
    }
    fill_pause(u, &status, now_ms);
    if (u->active)
        upload_wake_by(u, now_ms + SHOW_SENDING_MS);
    guard_mutex(&u->lock);
    u->status = status;
    buf_done(&u->list);
    u->list = list;
}

const char *upload_folder(const struct upload *u)
{
    return u->folder;
}

void upload_status(struct upload *u, struct upload_status *ret_status)
{
    guard_mutex(&u->lock);
    *ret_status = u->status;
}

int upload_list(struct upload *u, size_t skip, struct buf *out)
{
    guard_mutex(&u->lock);
    const char *line = buf_str(&u->list);
    for (const char *end; (end = strchr(line, '\n')); line = end + 1) {
        if (skip > 0) {
            skip--;
            continue;
        }
        int err = buf_append(out, line, (size_t)(end - line) + 1);
        if (err)
            return err == -E2BIG ? 0 : err;
    }
    return 0;
}
