#include "mount/fs_ops.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

#define PLAYLIST_MAX_BYTES 65536

/* What an asset's picture or playlist is made from, copied out of a reader. */
struct source {
    char *id;
    char *url;
    char *title;
    int64_t fetched_s;
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
    int err = catalogue_get(reader, n->row, &asset);
    if (err)
        return err == -ENOENT ? -ESTALE : err;
    const char *url =
        n->kind == NODE_PICTURE ? asset.picture_url : asset.manifest_url;
    if (!url)
        return -ESTALE;
    ret->id = strdup(asset.id);
    ret->url = strdup(url);
    ret->title = strdup(asset.folder ? asset.folder : asset.id);
    ret->fetched_s = asset.fetched_s;
    return ret->id && ret->url && ret->title ? 0 : -ENOMEM;
}

static int pin_picture(struct request *r, uint64_t number,
                       const struct source *s, struct pin **ret)
{
    struct mount *m = r->mount;
    struct pin *pin = pin_get(m->pins, number);
    if (pin && asset_url_same_but_query(pin->url, s->url)) {
        *ret = pin;
        return 0;
    }
    pin_unref(m->pins, pin);
    struct media_file *file = steal_ptr(r->file);
    int err = file ? 0 : media_lookup(m->media, s->id, s->url, &file);
    if (err == -ENOENT && !(r->asked & REQUEST_ASKED_PICTURE))
        return park_fetch(r, s->id);
    if (err)
        return err == -ENOENT ? -EIO : err;
    return pin_put(m->pins, number, s->url, file, NULL, 0, 0, ret);
}

static int pin_playlist(struct request *r, uint64_t number,
                        const struct source *s, bool renew, struct pin **ret)
{
    struct mount *m = r->mount;
    struct pin *pin = pin_get(m->pins, number);
    bool stale =
        renew && media_url_is_stale(s->url, s->fetched_s, clock_wall_s());
    if (pin && strcmp(pin->url, s->url) == 0 &&
        (!stale || request_has_asked(r, SYNC_RENEW))) {
        *ret = pin;
        return 0;
    }
    pin_unref(m->pins, pin);
    if (stale && !request_has_asked(r, SYNC_RENEW)) {
        /* An old URL beats none: it may still do. */
        r->tolerant = true;
        return park_ask(
            r, &(struct sync_question){.want = SYNC_RENEW, .text = s->id});
    }
    cleanup(buf_done) struct buf text = {.max = PLAYLIST_MAX_BYTES};
    int err = media_playlist(s->title, s->url, &text);
    if (err)
        return err;
    size_t len;
    char *bytes = buf_steal(&text, &len);
    if (!bytes)
        return -ENOMEM;
    return pin_put(m->pins, number, s->url, NULL, bytes, len, s->fetched_s,
                   ret);
}

static int refuse_picture(struct mount *m)
{
    if (!atomic_exchange(&m->told_no_pictures, true))
        log_info("pictures=no: whoever reads one is told EACCES");
    return -EACCES;
}

int fs_media_pin(struct request *r, const struct node *n, bool renew,
                 struct pin **ret_pin)
{
    cleanup(source_done) struct source s = {0};
    int err = read_source(r->mount, n, &s);
    if (err)
        return err;
    if (n->kind == NODE_PICTURE && r->mount->no_pictures)
        return refuse_picture(r->mount);
    uint64_t number = node_number(n->kind, 0, n->row);
    return n->kind == NODE_PICTURE
               ? pin_picture(r, number, &s, ret_pin)
               : pin_playlist(r, number, &s, renew, ret_pin);
}
