/* SPDX-License-Identifier: MIT */
/*
 * text.c - where links lead, and the texts of status.json.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "grammar/name.h"
#include "tree/tree_internal.h"

#define STATUS_MAX_BYTES 16000
#define STATUS_KEPT      64

int tree_make_text(const struct tree_source *s, struct buf *out)
{
    const struct tree_kind *k = &tree_kinds[s->kind];
    return s->asset && !kind_is_there(k, s->asset) ? -ENOENT : k->text(s, out);
}

int tree_file_text(struct tree *t, struct catalogue_reader *reader, int kind,
                   const struct catalogue_entry *asset, struct buf *out)
{
    const struct tree_source s = {.tree = t,
                                  .reader = reader,
                                  .kind = (enum node_kind)kind,
                                  .row = asset->row,
                                  .asset = asset};
    return tree_make_text(&s, out);
}

/* The asset's .media/<id>, from a directory one below the view's. -ENOENT for
 * an id that has none. */
static int text_media_path(const struct tree_source *s, struct buf *out)
{
    char component[NAME_SIZE];
    if (name_of_id(s->asset->id, component))
        return -ENOENT;
    int err = 0;
    for (unsigned i = 0; !err && i <= s->view->depth; i++)
        err = buf_append_str(out, "../");
    if (!err)
        err = buf_append_str(out, tree_kinds[NODE_ALL_MEDIA].name);
    if (!err)
        err = buf_append_char(out, '/');
    return err ? err : buf_append_str(out, component);
}

int text_media_target(const struct tree_source *s, struct buf *out)
{
    return text_media_path(s, out);
}

int text_contact_target(const struct tree_source *s, struct buf *out)
{
    char space[NAME_SIZE];
    const char *name = kind_name(&tree_kinds[NODE_PICTURE], s->asset, space);
    int err = text_media_path(s, out);
    if (!err)
        err = buf_append_char(out, '/');
    return err ? err : buf_append_str(out, name);
}

int text_saved_target(const struct tree_source *s, struct buf *out)
{
    return buf_append_str(out, s->saved->target);
}

int text_sheet_target(const struct tree_source *s, struct buf *out)
{
    (void)s;
    return buf_append_str(out, tree_kinds[NODE_PICTURES].name);
}

int text_status(const struct tree_source *s, struct buf *out)
{
    return buf_append_str(out, s->status->text);
}

static void text_status_destroy(struct lru_entry *e)
{
    struct tree_status *s = (struct tree_status *)e;
    free(s->text);
    free(s);
}

void text_status_init(struct lru *kept)
{
    lru_init(kept, STATUS_KEPT, SIZE_MAX, text_status_destroy);
}

int text_make_status(struct tree *t, struct tree_status **ret_status)
{
    cleanup(buf_done) struct buf text = {.max = STATUS_MAX_BYTES};
    int err = t->status(t->ctx, &text);
    if (err)
        return err;
    struct tree_status *s = calloc(1, sizeof(*s));
    char *bytes = s ? buf_steal(&text, NULL) : NULL;
    if (!bytes) {
        free(s);
        return -ENOMEM;
    }
    int64_t number = ++t->statuses_made % NODE_ROW_END;
    s->text = bytes;
    s->kept = (struct lru_entry){.key = {(uint64_t)number, 0}, .refs = 1};
    *ret_status = (struct tree_status *)lru_put(&t->statuses, &s->kept);
    return 0;
}
