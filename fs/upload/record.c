/* SPDX-License-Identifier: MIT */
/*
 * record.c - what an item is by itself: its names, its token, its phase, its
 * state in the store.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "json/tag.h"
#include "upload/upload_internal.h"

#define TOKEN_KEY "twelvefs_upload"

const char *item_name(const struct item *i)
{
    const char *slash = strrchr(i->r.path, '/');
    return slash ? slash + 1 : i->r.path;
}

bool item_is_detached(const struct item *i)
{
    return i->r.path[0] == '/';
}

void item_say(struct upload *u, struct item *i, const char *words)
{
    char said[sizeof(i->words)];
    (void)snprintf(said, sizeof(said), "%s", words);
    if (strcmp(said, i->words) == 0)
        return;
    memcpy(i->words, said, sizeof(said));
    u->changed = true;
}

void item_phase(struct upload *u, struct item *i, enum item_phase phase)
{
    u->active -= i->phase != ITEM_IDLE;
    u->active += phase != ITEM_IDLE;
    i->phase = phase;
    u->changed = true;
}

int item_commit(struct upload *u, struct item *i, enum upload_state state)
{
    enum upload_state before = i->r.state;
    char words[sizeof(i->words)];
    i->r.state = state;
    if (failpoint("upload_state_late") && state == UPLOAD_SENDING)
        return 0;
    int err = store_put(u->store, u->folder, &i->r);
    u->changed = true;
    if (!err)
        return 0;
    i->r.state = before;
    i->not_before_ms = clock_mono_ms() + UPLOAD_AGAIN_MS;
    (void)snprintf(words, sizeof(words), STORE_NAME ": %s", strerror(-err));
    item_say(u, i, words);
    return err;
}

int item_new_token(struct item *i)
{
    unsigned char bytes[(STORE_TOKEN_SIZE - 1) / 2];
    if (i->r.token[0])
        return 0;
    arc4random_buf(bytes, sizeof(bytes));
    for (size_t n = 0; n < sizeof(bytes); n++)
        (void)snprintf(i->r.token + 2 * n, 3, "%02x", bytes[n]);
    return 0;
}

int item_append_metadata(const struct item *i, struct buf *out)
{
    cleanup(buf_done) struct buf tags = {.max = out->max};
    int err = filename_append_tags(&tags, i->r.path);
    if (!err)
        err = tag_append(&tags, TOKEN_KEY, i->r.token, strlen(i->r.token));
    if (!err)
        err = tag_end(&tags);
    return err ? err : buf_append(out, tags.data, tags.len);
}
