/* SPDX-License-Identifier: MIT */
/*
 * look.c - whether a POST that got no answer was done all the same.
 *
 * The account's newest assets, as far as they may be as old as the sending, are
 * looked through for the one with our token: at once, and, since an asset may
 * show late, again after config.recheck_ms. Not found twice is not done: it is
 * sent again. Lists are filtered by a part of the name, when it has one that
 * any server would find.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/failpoint.h"
#include "upload/upload_internal.h"

#define LOOKS         2
#define PAGES_MOST    100
#define FAILED_MS     30000
#define RESEND_MS     1000
#define DOUBLINGS_MAX 11

void look_begin(struct upload *u, struct item *i)
{
    item_phase(u, i, ITEM_ASKING);
    if (transfer_look(u, i, 1)) {
        item_rest(u, i);
        i->not_before_ms = clock_mono_ms() + UPLOAD_AGAIN_MS;
    }
}

/* It isn't there: it was not done. Each time it takes longer until the next. */
static void not_found(struct upload *u, struct item *i, int64_t now_ms)
{
    char quoted[200];
    i->looks = 0;
    if (!i->present) {
        item_drop(u, i);
        return;
    }
    log_info("uploads: %s isn't in the account: it will be sent again",
             log_quote(i->r.path, strlen(i->r.path), quoted, sizeof(quoted)));
    if (item_commit(u, i, UPLOAD_WAITING))
        return;
    i->not_before_ms = now_ms + ((int64_t)RESEND_MS << i->tries);
    if (i->tries < DOUBLINGS_MAX)
        i->tries++;
}

/* Whether the page is the last that can have it. */
static bool is_last(const struct item *i, const struct transfer *t)
{
    return t->oldest_s == INT64_MIN || t->chunk >= PAGES_MOST ||
           t->oldest_s < i->r.sent_s - UPLOAD_DAY_S;
}

void look_answered(struct upload *u, struct item *i, struct transfer *t)
{
    int64_t now_ms = clock_mono_ms();
    if (failpoint("upload_blind")) { /* as if it had been looked for */
        item_rest(u, i);
        not_found(u, i, now_ms);
        return;
    }
    if (!t->err && !t->found && !is_last(i, t) &&
        !transfer_look(u, i, t->chunk + 1))
        return;
    item_rest(u, i);
    if (!t->err && t->found) {
        item_sent(u, i, t->found);
        return;
    }
    if (t->err || !is_last(i, t)) {
        i->not_before_ms = now_ms + FAILED_MS;
        return;
    }
    i->not_before_ms = now_ms + u->config.recheck_ms;
    if (++i->looks >= LOOKS)
        not_found(u, i, now_ms);
}
