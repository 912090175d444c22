/* SPDX-License-Identifier: MIT */
/*
 * turn.c - when the uploading thread takes its next turn, and what it asks of
 * others by the way.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "upload/upload_internal.h"

#define SCAN_SOON_MS     20
#define SCAN_SHARE       10 /* a scan's time to that between two */
#define SHOW_DEADLINE_MS 30000

void upload_wake_by(struct upload *u, int64_t at_ms)
{
    if (at_ms < u->next_ms)
        u->next_ms = at_ms;
}

void upload_pause(struct upload *u, int64_t for_ms, const char *words)
{
    int64_t until_ms = clock_mono_ms() + for_ms;
    if (until_ms <= u->paused_until_ms)
        return;
    if (strcmp(u->paused_words, words) != 0)
        log_warning("uploads wait %lld s: %s", (long long)(for_ms + 999) / 1000,
                    words);
    u->paused_until_ms = until_ms;
    (void)snprintf(u->paused_words, sizeof(u->paused_words), "%s", words);
    u->changed = true;
    upload_wake_by(u, until_ms);
}

void upload_went_well(struct upload *u)
{
    u->troubles = 0;
    u->paused_words[0] = '\0';
}

void upload_rescan(struct upload *u)
{
    int64_t at_ms = u->scanned_ms + SCAN_SHARE * u->scan_took_ms;
    int64_t soon_ms = clock_mono_ms() + SCAN_SOON_MS;
    if (at_ms < soon_ms)
        at_ms = soon_ms;
    if (at_ms < u->scan_due_ms)
        u->scan_due_ms = at_ms;
    upload_wake_by(u, u->scan_due_ms);
}

static void upload_on_shown(void *ctx, int err)
{
    struct upload *u = ctx;
    const uint64_t one = 1;
    (void)err; /* it is asked for again */
    guard_mutex(&u->lock);
    u->asks = false;
    if (write(u->event_fd, &one, sizeof(one)) < 0)
        log_debug("uploads: eventfd: %s", strerror(errno));
    (void)pthread_cond_signal(&u->quiet);
}

static void clear_question(struct upload *u)
{
    guard_mutex(&u->lock);
    u->asks = false;
}

bool upload_show(struct upload *u, const char *asset_id)
{
    const struct sync_question question = {.want = SYNC_REREAD,
                                           .text = asset_id};
    {
        guard_mutex(&u->lock);
        if (u->asks)
            return false;
        u->asks = true;
    }
    if (!sync_ask(u->sync, &question, clock_mono_ms() + SHOW_DEADLINE_MS,
                  upload_on_shown, u, &u->asked))
        return true;
    clear_question(u);
    return false;
}
