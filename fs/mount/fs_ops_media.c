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

#define PLAYLIST_MAX_BYTES 65536
#define FETCHES_MAX        3 /* for one request: its URL may change meanwhile */
#define NS_PER_S           1000000000

/* What an asset's picture or playlist is made from, copied out of a reader. */
struct source {
    char *id;
    char *url;
    char *title;
    int64_t created_s, fetched_s;
    char name[NAME_SIZE];         /* of the picture */
    struct media_content content; /* … as far as known */
};

static void source_done(struct source *s)
{
    free(s->id);
    free(s->url);
    free(s->title);
}

static int source_read(struct mount *m, const struct node *n,
                       struct source *ret)
{
    cleanup(release_reader) struct catalogue_reader *reader =
        catalogue_reader_acquire(m->catalogue);
    if (!reader)
        return -ENOMEM;
    struct catalogue_entry asset;
    bool picture = n->kind == NODE_PICTURE;
    int err = tree_get_row(reader, n->row, &asset);
    if (err)
        return err;
    const char *url = picture ? asset.picture_url : asset.manifest_url;
    if (!url)
        return -ESTALE;
    if (picture) {
        char extension[ASSET_EXT_SIZE];
        asset_picture_extension(url, extension);
        tree_child_name(NODE_PICTURE, extension, ret->name);
    }
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

/* -ESTALE when the kernel was told of another one; it is to look again. */
static int picture_settle(struct request *r, const struct node *n,
                          const struct source *s)
{
    struct mount *m = r->mount;
    int err = content_check(m->contents, node_ino(NODE_PICTURE, 0, n->row),
                            &s->content);
    if (err == -ESTALE)
        notify_name(m->notify, node_ino(NODE_MEDIA, 0, n->row), s->name);
    return err;
}

static int picture_refuse(struct mount *m)
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
        return picture_refuse(r->mount);
    if (r->fetches == FETCHES_MAX)
        return -EIO;
    r->tolerant = true; /* for the errno */
    return park_fetch(r, s->id);
}

static int picture_getattr(struct request *r, const struct node *n,
                           struct source *s, struct tree_entry *e)
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
        tree_late_entry(&r->mount->tree, n, s->content.size_bytes,
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

/* With another URL it has other bytes, maybe as many: the kernel goes by the
 * time then. */
static struct timespec playlist_time(const struct source *s,
                                     const struct content_text *text)
{
    return (struct timespec){
        .tv_sec = s->created_s,
        .tv_nsec = (long)(hash_bytes(text->bytes, text->len, 0) % NS_PER_S)};
}

static int playlist_make(struct request *r, uint64_t ino,
                         const struct source *s, struct content_text **ret_text)
{
    cleanup(buf_done) struct buf made = {.max = PLAYLIST_MAX_BYTES};
    int err = media_playlist(s->title, s->url, &made);
    if (err)
        return err;
    struct content_text *held = content_get_text(r->mount->contents, ino);
    if (held && held->len == made.len &&
        memcmp(held->bytes, buf_str(&made), made.len) == 0) {
        *ret_text = held;
        return 0;
    }
    content_unref_text(r->mount->contents, held);
    size_t len;
    char *bytes = buf_steal(&made, &len);
    return bytes ? content_put_text(r->mount->contents, ino, s->url, bytes, len,
                                    ret_text)
                 : -ENOMEM;
}

static int playlist_getattr(struct request *r, const struct node *n,
                            const struct source *s, struct tree_entry *e)
{
    uint64_t ino = node_ino(NODE_PLAYLIST, 0, n->row);
    struct content_text *text;
    if (!request_has_asked(r, SYNC_RENEW) &&
        media_url_is_stale(s->url, s->fetched_s, clock_wall_s())) {
        /* An old URL beats none: it may still do. */
        r->tolerant = true;
        return park_ask(
            r, &(struct sync_question){.want = SYNC_RENEW, .text = s->id});
    }
    int err = playlist_make(r, ino, s, &text);
    if (err)
        return err;
    tree_late_entry(&r->mount->tree, n, (int64_t)text->len,
                    playlist_time(s, text), e);
    content_unref_text(r->mount->contents, text);
    return 0;
}

/* GETATTR looked whether the URL is fresh; this is what it measured. */
static int playlist_read(struct request *r, const struct node *n,
                         const struct source *s)
{
    struct content_table *contents = r->mount->contents;
    uint64_t ino = node_ino(NODE_PLAYLIST, 0, n->row);
    struct content_text *text = content_get_text(contents, ino);
    int err = text ? 0 : playlist_make(r, ino, s, &text);
    if (err)
        return err;
    if (asset_url_same_but_query(text->url, s->url))
        err = fs_reply_part(r, text->bytes, text->len, (size_t)r->off);
    else
        err = -ESTALE;
    content_unref_text(contents, text);
    return err;
}

/* Unless the picture that was waited for didn't come: then why. */
static int source_begin(const struct request *r, const struct node *n,
                        struct source *ret)
{
    return r->fetches && r->answer ? r->answer : source_read(r->mount, n, ret);
}

int fs_media_getattr(struct request *r, const struct node *n,
                     struct tree_entry *ret_entry)
{
    cleanup(source_done) struct source s = {0};
    int err = source_begin(r, n, &s);
    if (err)
        return err;
    return n->kind == NODE_PICTURE ? picture_getattr(r, n, &s, ret_entry)
                                   : playlist_getattr(r, n, &s, ret_entry);
}

int fs_media_read(struct request *r, const struct node *n)
{
    cleanup(source_done) struct source s = {0};
    int err = source_begin(r, n, &s);
    if (err)
        return err;
    return n->kind == NODE_PICTURE ? picture_read(r, n, &s)
                                   : playlist_read(r, n, &s);
}

int fs_media_lookup(struct mount *m, const struct node *n, struct tree_entry *e)
{
    cleanup(source_done) struct source s = {0};
    uint64_t ino = node_ino(n->kind, 0, n->row);
    uint64_t generation;
    int err = source_read(m, n, &s);
    if (n->kind != NODE_PICTURE)
        s.content.size_bytes = -1;
    if (!err)
        err = content_tell(m->contents, ino, &s.content, &generation);
    if (err)
        return err;
    struct timespec mtime = {.tv_sec = s.created_s};
    struct content_text *text =
        n->kind == NODE_PLAYLIST ? content_get_text(m->contents, ino) : NULL;
    tree_late_entry(&m->tree, n,
                    text ? (int64_t)text->len : s.content.size_bytes,
                    text ? playlist_time(&s, text) : mtime, e);
    if (n->kind == NODE_PICTURE)
        e->generation = generation;
    content_unref_text(m->contents, text);
    return 0;
}
