/* SPDX-License-Identifier: MIT */
/*
 * direct.c - a file in one POST /assets. The closing line of the form leaves
 * only when the file was read and is what it was: what changed meanwhile is
 * never a whole request.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "json/scan.h"
#include "upload/upload_internal.h"

#define FORM_MAX 65536
#define ID_MAX   200

/* A line that is in no field, being as random as the token. */
static int append_boundary(struct buf *out, const struct item *i)
{
    return buf_appendf(out, "--twelvefs-%s", i->r.token);
}

static int append_field(struct buf *out, const struct item *i, const char *name)
{
    int err = append_boundary(out, i);
    return err ? err
               : buf_appendf(out,
                             "\r\nContent-Disposition: form-data; "
                             "name=\"%s\"\r\n\r\n",
                             name);
}

static int append_text_field(struct buf *out, const struct item *i,
                             const char *name, const char *text)
{
    int err = append_field(out, i, name);
    return err ? err : buf_appendf(out, "%s\r\n", text);
}

static int make_head(const struct item *i, const struct filename_kind *kind,
                     struct buf *out)
{
    int err = append_text_field(out, i, "method", "direct");
    if (!err)
        err = append_boundary(out, i);
    return err ? err
               : buf_appendf(out,
                             "\r\nContent-Disposition: form-data; "
                             "name=\"file\"; filename=\"upload%s\"\r\n"
                             "Content-Type: %s\r\n\r\n",
                             kind->extension, kind->mime);
}

static int make_tail(const struct item *i, const struct filename_kind *kind,
                     struct buf *out)
{
    bool video = kind->type == ASSET_VIDEO;
    int err = buf_append_str(out, "\r\n");
    if (!err)
        err = append_field(out, i, "filename");
    if (!err)
        err = filename_append(out, item_name(i));
    if (!err)
        err = buf_append_str(out, "\r\n");
    if (!err && video)
        err = append_text_field(out, i, "enable_hls", "true");
    if (!err && (video || kind->type == ASSET_IMAGE))
        err = append_text_field(out, i, "enable_thumbnail", "true");
    if (!err)
        err = append_field(out, i, "user_metadata");
    if (!err)
        err = item_append_metadata(i, out);
    if (!err)
        err = buf_append_str(out, "\r\n");
    if (!err)
        err = append_boundary(out, i);
    return err ? err : buf_append_str(out, "--\r\n");
}

static int direct_send(struct upload *u, struct item *i)
{
    const struct filename_kind *kind = filename_kind(item_name(i));
    cleanup(buf_done) struct buf head = {.max = FORM_MAX};
    cleanup(buf_done) struct buf tail = {.max = FORM_MAX};
    char line[128];
    const char *const lines[] = {line, NULL};
    int err = make_head(i, kind, &head);
    if (!err)
        err = make_tail(i, kind, &tail);
    if (err)
        return err;
    (void)snprintf(line, sizeof(line),
                   "Content-Type: multipart/form-data; boundary=twelvefs-%s",
                   i->r.token);
    struct http_body body = {
        .head = head.data,
        .head_bytes = head.len,
        .fd = i->source->fd,
        .file_bytes = i->source->identity.size_bytes,
        .tail = tail.data,
        .tail_bytes = tail.len,
        .guard = source_check,
        .guard_ctx = i->source,
    };
    const struct api_writing writing = {
        .method = "POST",
        .path = "/assets",
        .headers = lines,
        .category = API_CREATIONS,
        .once = true,
    };
    return transfer_write(u, i, TRANSFER_DIRECT, 0, &writing, &body);
}

void direct_begin(struct upload *u, struct item *i)
{
    item_phase(u, i, ITEM_ASKING);
    i->r.sent_s = clock_wall_s();
    if (item_new_token(i) || item_commit(u, i, UPLOAD_SENDING)) {
        item_rest(u, i);
        return;
    }
    if (!direct_send(u, i))
        return;
    item_rest(u, i);
    i->not_before_ms = clock_mono_ms() + UPLOAD_AGAIN_MS;
    (void)item_commit(u, i, UPLOAD_WAITING);
}

static bool take_id(const struct transfer *t, char *out, size_t size)
{
    const char *value;
    size_t len;
    if (scan_member(buf_str(&t->body), t->body.len, "_id", 3, &value, &len) ||
        value[0] != '"' || len >= size)
        return false;
    out[scan_unescape(value, len, out)] = '\0';
    return out[0];
}

/* Whatever the answer was, the next thing to do is to look. */
static void doubt(struct item *i)
{
    char quoted[200];
    i->looks = 0;
    i->not_before_ms = 0;
    log_info("uploads: nobody knows whether %s arrived: looking for it",
             log_quote(i->r.path, strlen(i->r.path), quoted, sizeof(quoted)));
}

void direct_answered(struct upload *u, struct item *i, struct transfer *t)
{
    char id[ID_MAX];
    item_rest(u, i);
    if (!t->err && take_id(t, id, sizeof(id))) {
        upload_went_well(u);
        item_sent(u, i, id);
    } else if (!t->err) {
        doubt(i);
    } else if (t->err == -ESTALE) {
        item_forget(u, i, NULL);
    } else if (t->maybe_done) {
        doubt(i);
        (void)transfer_trouble(u, i, t);
    } else if (transfer_trouble(u, i, t)) {
        (void)item_commit(u, i, UPLOAD_WAITING);
    } else {
        item_fail(u, i, t->words[0] ? t->words : strerror(-t->err));
    }
}
