/* SPDX-License-Identifier: MIT */
/*
 * text.c - what generated files hold, and where links lead.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "grammar/name.h"
#include "json/metadata.h"
#include "tree/tree_internal.h"

#define URL_HEAD         "[InternetShortcut]\r\nURL="
#define URL_TAIL         "\r\n"
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

int64_t text_metadata_size(const struct catalogue_entry *asset)
{
    return asset->metadata_bytes;
}

int text_metadata(const struct tree_source *s, struct buf *out)
{
    cleanup(buf_done) struct buf body = {.max = TREE_TEXT_MAX};
    size_t size = (size_t)s->asset->metadata_bytes;
    int err = catalogue_body(s->reader, s->row, &body);
    if (!err)
        err = buf_reserve(out, size);
    return err ? err : metadata_render(buf_str(&body), body.len, out);
}

/* An Internet shortcut. */
static int text_url(const char *url, struct buf *out)
{
    int err = buf_append_str(out, URL_HEAD);
    if (!err)
        err = buf_append_str(out, url);
    return err ? err : buf_append_str(out, URL_TAIL);
}

static int64_t text_url_size(const char *url)
{
    return (int64_t)(strlen(url) + sizeof(URL_HEAD) - 1 + sizeof(URL_TAIL) - 1);
}

int text_picture_url(const struct tree_source *s, struct buf *out)
{
    return text_url(s->asset->picture_url, out);
}

int64_t text_picture_url_size(const struct catalogue_entry *asset)
{
    return text_url_size(asset->picture_url);
}

int text_manifest_url(const struct tree_source *s, struct buf *out)
{
    return text_url(s->asset->manifest_url, out);
}

int64_t text_manifest_url_size(const struct catalogue_entry *asset)
{
    return text_url_size(asset->manifest_url);
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
