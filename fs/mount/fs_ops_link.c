#include "mount/fs_ops.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "mount/entry.h"

#define LOG_TEXT_SIZE 160

/* Names that a listing directory has by itself. */
static bool is_taken_by_us(const struct view *v, const char *name)
{
    static const char *const anywhere[] = {".assets.ndjson", ".pictures"};
    static const char *const in_root[] = {".id", ".media", ".twelvefs",
                                          ".rgignore"};
    enum asset_type type;
    for (size_t i = 0; i < array_count(anywhere); i++)
        if (strcmp(name, anywhere[i]) == 0)
            return true;
    if (v->number != VIEW_ROOT)
        return false;
    for (size_t i = 0; i < array_count(in_root); i++)
        if (strcmp(name, in_root[i]) == 0)
            return true;
    return asset_type_parse(name, &type) == 0;
}

static bool is_asset_here(struct catalogue_reader *reader, const struct view *v,
                          const char *name)
{
    struct catalogue_entry asset;
    if (v->number == VIEW_ROOT || catalogue_get_by_folder(reader, name, &asset))
        return false;
    return v->type == ASSET_TYPE_COUNT
               ? catalogue_matches(reader, &v->query, asset.row) == 0
               : asset.type == v->type;
}

/* Why a link can't be saved, as errno; 0 when it can. */
static int check_link(const struct request *r, const struct view *v,
                      struct catalogue_reader *reader)
{
    char quoted[LOG_TEXT_SIZE];
    const char *reason = "";
    struct catalogue_link link;
    if (strlen(r->name) > NAME_MAX)
        return -ENAMETOOLONG;
    if (query_is_segment(r->name))
        return -EROFS;
    if (is_taken_by_us(v, r->name) || is_asset_here(reader, v, r->name) ||
        catalogue_link_get(reader, v->place, r->name, &link) == 0)
        return -EEXIST;
    int err =
        query_check_target(r->text, catalogue_field_known, reader, &reason);
    if (err) {
        log_warning("only queries can be saved as links, not %s: %s",
                    log_quote(r->text, strlen(r->text), quoted, sizeof(quoted)),
                    reason);
        return err == -EINVAL ? -EROFS : err;
    }
    return 0;
}

/* The view that a name is changed in, held; -EROFS where nothing can be. */
static int begin_change(struct request *r, struct view_hold *hold)
{
    struct node n;
    int err = fs_node(r->mount, r->ino, &n, hold);
    if (err)
        return err;
    return n.kind == NODE_VIEW && view_is_listing(hold->view) ? 0 : -EROFS;
}

/* The root's listing changed; the kernel, which asked for it, knows. */
static void note_change(struct mount *m, const struct view *v)
{
    if (v->number == VIEW_ROOT)
        m->root_changed_ns = clock_wall_ns();
}

int fs_symlink(struct request *r)
{
    struct mount *m = r->mount;
    cleanup(view_hold_done) struct view_hold hold = {0};
    int err = begin_change(r, &hold);
    if (err)
        return err;
    cleanup(release_reader) struct catalogue_reader *reader =
        catalogue_reader_acquire(m->catalogue);
    if (!reader)
        return -ENOMEM;
    const struct view *v = hold.view;
    if (!request_has_asked(r, SYNC_LINK_ADD)) {
        err = check_link(r, v, reader);
        return err ? err
                   : park_ask(r, &(struct sync_question){.want = SYNC_LINK_ADD,
                                                         .place = v->place,
                                                         .text = r->name,
                                                         .target = r->text});
    }
    struct catalogue_link link;
    struct fuse_entry_param e;
    err = catalogue_link_get(reader, v->place, r->name, &link);
    if (err)
        return err;
    note_change(m, v);
    entry_saved(m, v, &link, &e);
    return fs_reply_entry(r, &e);
}

int fs_unlink(struct request *r)
{
    struct mount *m = r->mount;
    cleanup(view_hold_done) struct view_hold hold = {0};
    int err = begin_change(r, &hold);
    if (err)
        return err;
    const struct view *v = hold.view;
    if (request_has_asked(r, SYNC_LINK_REMOVE)) {
        note_change(m, v);
        (void)fuse_reply_err(r->req, 0);
        return 0;
    }
    cleanup(release_reader) struct catalogue_reader *reader =
        catalogue_reader_acquire(m->catalogue);
    if (!reader)
        return -ENOMEM;
    struct catalogue_link link;
    err = catalogue_link_get(reader, v->place, r->name, &link);
    if (err)
        return err == -ENOENT ? -EROFS : err;
    return park_ask(r, &(struct sync_question){.want = SYNC_LINK_REMOVE,
                                               .place = v->place,
                                               .text = r->name});
}

/* Whatever is written asks for a poll, and ends when it was made and the
 * kernel knows what came of it. Elsewhere a write fails, but one through a
 * mapping is in the page that all read by then. */
int fs_write(struct request *r)
{
    if (r->ino != node_number(NODE_FIXED, 0, NODE_FIXED_REFRESH)) {
        notify_written(r->mount->notify, r->ino);
        return -EROFS;
    }
    if (!request_has_asked(r, SYNC_POLL))
        return park_ask(r, &(struct sync_question){.want = SYNC_POLL});
    if (!(r->asked & REQUEST_ASKED_FLUSH))
        return park_flush(r);
    (void)fuse_reply_write(r->req, r->size);
    return 0;
}
