/* SPDX-License-Identifier: MIT */
/*
 * What stands in .media/<id>: the picture itself and the playlist. Their sizes
 * are learnt by fetching and by making them, once; content.h says how what was
 * told and what is read stay one thing.
 */
#include "mount/fs_ops.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "mount/entry.h"

#define PLAYLIST_MAX_BYTES 65536
#define FETCHES_MAX        3 /* for one request: its URL may change meanwhile */
#define NS_PER_S           1000000000

/* What an asset's picture or playlist is made from, copied out of a reader. */
struct source {
    char *id;
    char *url;
    char *title;
    int64_t created_s, fetched_s;
    char name[ENTRY_PICTURE_SIZE]; /* of the picture */
    struct media_content content;  /* … as far as known */
};

static void source_done(struct source *s)
{
    free(s->id);
    free(s->url);
    free(s->title);
}

static int read_source(struct mount *m, const struct node *n,
                       struct source *ret)
{
    cleanup(release_reader) struct catalogue_reader *reader =
        catalogue_reader_acquire(m->catalogue);
    if (!reader)
        return -ENOMEM;
    struct catalogue_entry asset;
    bool picture = n->kind == NODE_PICTURE;
    int err = catalogue_get(reader, n->row, &asset);
    if (err)
        return err == -ENOENT ? -ESTALE : err;
    const char *url = picture ? asset.picture_url : asset.manifest_url;
    if (!url || (picture && entry_picture_name(&asset, ret->name)))
        return -ESTALE;
    ret->id = strdup(asset.id);
    ret->url = strdup(url);
    ret->title = strdup(asset.folder ? asset.folder : asset.id);
    ret->created_s = asset.created_s;
    ret->fetched_s = asset.fetched_s;
    if (!ret->id || !ret->url || !ret->title)
        return -ENOMEM;
    if (picture)
        media_describe(m->media, reader, n->row, ret->id, ret->url,
                       &ret->content);
    return 0;
}

/* ---- picture --------------------------------------------------------------
 */

/* -ESTALE when the kernel was told of another one; it is to look anew. */
static int picture_settle(struct request *r, const struct node *n,
                          const struct source *s)
{
    struct mount *m = r->mount;
    int err =
        pin_check(m->pins, node_number(NODE_PICTURE, 0, n->row), &s->content);
    if (err == -ESTALE)
        notify_name(m->notify, node_number(NODE_MEDIA, 0, n->row), s->name);
    return err;
}

static int refuse_picture(struct mount *m)
{
    if (!atomic_exchange(&m->told_no_pictures, true))
        log_info("pictures=no: whoever reads one is told EACCES");
    return -EACCES;
}

/* Its bytes with a reference: those that just came, if they are still of its
 * URL, or those kept; else waits for them. */
static int picture_bytes(struct request *r, const struct source *s,
                         struct media_file **ret_file)
{
    struct media_file *file = steal_ptr(r->file);
    if (file && media_is_of(file, s->id, s->url)) {
        *ret_file = file;
        return 0;
    }
    media_file_unref(file);
    int err = media_lookup(r->mount->media, s->id, s->url, ret_file);
    if (err != -ENOENT)
        return err;
    if (r->mount->no_pictures)
        return refuse_picture(r->mount);
    if (r->fetches == FETCHES_MAX)
        return -EIO;
    r->tolerant = true; /* for the errno */
    return park_fetch(r, s->id);
}

static int picture_getattr(struct request *r, const struct node *n,
                           struct source *s, struct fuse_entry_param *e)
{
    struct media_file *file;
    int err = 0;
    if (!media_content_is_known(&s->content)) {
        err = picture_bytes(r, s, &file);
        if (err)
            return err;
        media_describe_file(file, s->url, &s->content);
        media_file_unref(file);
    }
    err = picture_settle(r, n, s);
    if (!err)
        entry_in_media(r->mount, n, s->content.size_bytes,
                       (struct timespec){.tv_sec = s->created_s}, e);
    return err;
}

static int picture_read(struct request *r, const struct node *n,
                        struct source *s)
{
    size_t got = 0;
    cleanup(free_ptr) char *bytes = malloc(r->size ? r->size : 1);
    int err = bytes ? picture_settle(r, n, s) : -ENOMEM;
    bool gone = true; /* somebody may take the file away meanwhile */
    while (!err && gone) {
        struct media_file *file;
        err = picture_bytes(r, s, &file);
        if (err)
            return err;
        media_describe_file(file, s->url, &s->content);
        err = picture_settle(r, n, s);
        if (!err)
            err = media_file_read(file, bytes, r->size, r->off, &got);
        gone = err == -ENOENT;
        if (gone)
            err = 0;
        media_file_unref(file);
    }
    if (!err)
        (void)fuse_reply_buf(r->req, bytes, got);
    return err;
}

/* ---- playlist -------------------------------------------------------------
 */

/* With another URL it has other bytes, maybe as many: the kernel goes by the
 * time then. */
static struct timespec playlist_time(const struct source *s,
                                     const struct pin_text *text)
{
    return (struct timespec){
        .tv_sec = s->created_s,
        .tv_nsec = (long)(hash_bytes(text->bytes, text->len, 0) % NS_PER_S)};
}

static int playlist_make(struct request *r, uint64_t number,
                         const struct source *s, struct pin_text **ret_text)
{
    cleanup(buf_done) struct buf made = {.max = PLAYLIST_MAX_BYTES};
    int err = media_playlist(s->title, s->url, &made);
    if (err)
        return err;
    struct pin_text *held = pin_get_text(r->mount->pins, number);
    if (held && held->len == made.len &&
        memcmp(held->bytes, buf_str(&made), made.len) == 0) {
        *ret_text = held;
        return 0;
    }
    pin_unref_text(r->mount->pins, held);
    size_t len;
    char *bytes = buf_steal(&made, &len);
    return bytes ? pin_put_text(r->mount->pins, number, s->url, bytes, len,
                                ret_text)
                 : -ENOMEM;
}

static int playlist_getattr(struct request *r, const struct node *n,
                            const struct source *s, struct fuse_entry_param *e)
{
    uint64_t number = node_number(NODE_PLAYLIST, 0, n->row);
    struct pin_text *text;
    if (!request_has_asked(r, SYNC_RENEW) &&
        media_url_is_stale(s->url, s->fetched_s, clock_wall_s())) {
        /* An old URL beats none: it may still do. */
        r->tolerant = true;
        return park_ask(
            r, &(struct sync_question){.want = SYNC_RENEW, .text = s->id});
    }
    int err = playlist_make(r, number, s, &text);
    if (err)
        return err;
    entry_in_media(r->mount, n, (int64_t)text->len, playlist_time(s, text), e);
    pin_unref_text(r->mount->pins, text);
    return 0;
}

/* GETATTR looked whether the URL is fresh; this is what it measured. */
static int playlist_read(struct request *r, const struct node *n,
                         const struct source *s)
{
    struct pin_table *pins = r->mount->pins;
    uint64_t number = node_number(NODE_PLAYLIST, 0, n->row);
    struct pin_text *text = pin_get_text(pins, number);
    int err = text ? 0 : playlist_make(r, number, s, &text);
    if (err)
        return err;
    if (asset_url_same_but_query(text->url, s->url))
        err = fs_reply_part(r, text->bytes, text->len);
    else
        err = -ESTALE;
    pin_unref_text(pins, text);
    return err;
}

/* ---- face -----------------------------------------------------------------
 */

/* Why a picture that was waited for didn't come. */
static int fetch_failure(const struct request *r)
{
    return r->fetches ? r->answer : 0;
}

int fs_media_getattr(struct request *r, const struct node *n,
                     struct fuse_entry_param *e)
{
    cleanup(source_done) struct source s = {0};
    int err = fetch_failure(r);
    if (!err)
        err = read_source(r->mount, n, &s);
    if (err)
        return err;
    return n->kind == NODE_PICTURE ? picture_getattr(r, n, &s, e)
                                   : playlist_getattr(r, n, &s, e);
}

int fs_media_read(struct request *r, const struct node *n)
{
    cleanup(source_done) struct source s = {0};
    int err = fetch_failure(r);
    if (!err)
        err = read_source(r->mount, n, &s);
    if (err)
        return err;
    return n->kind == NODE_PICTURE ? picture_read(r, n, &s)
                                   : playlist_read(r, n, &s);
}

int fs_media_lookup(struct mount *m, const struct node *n,
                    struct fuse_entry_param *e)
{
    cleanup(source_done) struct source s = {0};
    uint64_t number = node_number(n->kind, 0, n->row);
    uint64_t generation;
    int err = read_source(m, n, &s);
    if (n->kind != NODE_PICTURE)
        s.content.size_bytes = -1;
    if (!err)
        err = pin_tell(m->pins, number, &s.content, &generation);
    if (err)
        return err;
    struct timespec mtime = {.tv_sec = s.created_s};
    struct pin_text *text =
        n->kind == NODE_PLAYLIST ? pin_get_text(m->pins, number) : NULL;
    entry_in_media(m, n, text ? (int64_t)text->len : s.content.size_bytes,
                   text ? playlist_time(&s, text) : mtime, e);
    if (n->kind == NODE_PICTURE)
        e->generation = generation;
    pin_unref_text(m->pins, text);
    return 0;
}
