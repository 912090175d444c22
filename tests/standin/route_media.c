/* SPDX-License-Identifier: MIT */
/* The second origin: pictures, playlists, segments. */
#include <string.h>

#include "http.h"
#include "picture.h"
#include "write.h"

static bool ends_with(const char *text, const char *tail)
{
    size_t n = strlen(text), t = strlen(tail);
    return n >= t && !strcmp(text + n - t, tail);
}

enum kind route_media_kind(const char *method, const char *path)
{
    if (!strncmp(path, "/upload/", 8))
        return !strcmp(method, "PUT") ? KIND_CHUNK : KIND_OTHER;
    if (ends_with(path, "/manifest.m3u8"))
        return KIND_MANIFEST;
    if (ends_with(path, ".ts"))
        return KIND_SEGMENT;
    if (!strcmp(path, "/thumb") || strstr(path, "/thumb"))
        return KIND_PICTURE;
    return KIND_OTHER;
}

/* The asset a request is about: /assets/<id>/… or ?asset=<id>. */
static bool find_id(const struct request *r, struct buf *out)
{
    if (!strcmp(r->path, "/thumb"))
        return query_text(r->query, "asset", out);
    if (strncmp(r->path, "/assets/", 8) != 0)
        return false;
    path_decode(r->path + 8, strcspn(r->path + 8, "/"), out);
    return !out->failed;
}

static void send_picture(struct request *r, const char *id, struct answer *a)
{
    struct buf name BUF_SCOPE = {0};
    enum picture_format format = ends_with(r->path, ".png")    ? PICTURE_PNG
                                 : ends_with(r->path, ".webp") ? PICTURE_WEBP
                                                               : PICTURE_JPEG;
    account_filename(r->server->account, id, &name);
    a->type = picture_draw(id, name.data ? name.data : "", format, &a->body);
    answer_header(a, "Cache-Control", "max-age=3600");
}

static void send_manifest(struct answer *a)
{
    a->type = "application/vnd.apple.mpegurl";
    buf_str(&a->body, "#EXTM3U\n"
                      "#EXT-X-VERSION:3\n"
                      "#EXT-X-PLAYLIST-TYPE:VOD\n"
                      "#EXT-X-TARGETDURATION:4\n"
                      "#EXT-X-MEDIA-SEQUENCE:0\n"
                      "#EXTINF:4.000,\n"
                      "segment-0.ts\n"
                      "#EXT-X-ENDLIST\n");
}

static void plain(struct answer *a, int status, const char *text)
{
    a->status = status;
    a->type = "text/plain";
    buf_str(&a->body, text);
}

void route_media(struct request *r, struct answer *a)
{
    struct server *s = r->server;
    struct buf id BUF_SCOPE = {0};
    enum sign_verdict verdict = SIGN_GOOD;
    if (r->kind == KIND_PICTURE || r->kind == KIND_MANIFEST)
        verdict = signer_check(s->signer, r->target);
    if (r->kind == KIND_CHUNK) {
        route_chunk(r, a);
    } else if (strcmp(r->method, "GET") != 0 &&
               strcmp(r->method, "HEAD") != 0) {
        plain(a, 405, "Method not allowed.\n");
    } else if (r->kind == KIND_OTHER || !find_id(r, &id) ||
               !account_has(s->account, id.data)) {
        plain(a, 404, "Not found.\n");
    } else if (verdict != SIGN_GOOD) {
        plain(a, 403,
              verdict == SIGN_EXPIRED ? "Signature expired.\n"
                                      : "Bad signature.\n");
    } else if (r->kind == KIND_PICTURE) {
        send_picture(r, id.data, a);
    } else if (r->kind == KIND_MANIFEST) {
        send_manifest(a);
    } else if (s->clip) {
        a->type = "video/mp2t";
        buf_add(&a->body, s->clip, s->clip_size);
    } else {
        plain(a, 404, "The stand-in was built without ffmpeg.\n");
    }
}
