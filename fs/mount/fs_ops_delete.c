/* SPDX-License-Identifier: MIT */
/*
 * fs_ops_delete.c - rmdir of an asset's folder deletes the asset (delete=), as
 * rmdir does in cgroupfs: what is in the folder goes with it.
 *
 * Only who means one asset may. Two kinds of programs don't:
 *
 *  Who deletes a tree wants the files first, or the directory above (Node's
 *  fs.rm), is refused, and some then try the folders all the same (find
 *  -delete, shutil.rmtree(ignore_errors=True)). So after a refusal no folder
 *  goes for CAUTION_MS, and every further attempt prolongs that: none of them
 *  gets through. Who removes folders alone, deepest first (find -type d
 *  -delete), does what rmdir of each does, and can't be told from it.
 *
 *  Who repeats what failed halfway (a deadline, a signal, a lost answer) would
 *  meet another asset: of several with one name the next takes the name that
 *  became free. So for CAUTION_MS a name deletes only what it stood for when it
 *  was first tried.
 *
 * The kernel holds the directory's lock until we reply, and takes the name out
 * itself. It needn't be told of that, and isn't: whoever tells it would wait
 * for the next rmdir in line, which has the lock by then, and all other
 * notifications with it.
 */
#include "mount/fs_ops.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"

#define CAUTION_MS   60000
#define NAMES_KEPT   1024
#define TRIED_KEPT   16384
#define BODY_MAX     (256u << 20)
#define QUOTED_BYTES 200

struct caution {
    pthread_mutex_t lock;
    int64_t until_ms; /* under lock, as is all that follows */
    struct {
        uint64_t hash;
        int64_t row;
        int64_t until_ms;
    } tried[TRIED_KEPT]; /* a ring: a name, and what it stood for */
    size_t next;
    struct {
        uint64_t directory, folder; /* inode numbers */
    } own[NAMES_KEPT];              /* a ring: what rmdir removes, or has */
    size_t next_own;
};

int caution_new(struct caution **ret_caution)
{
    struct caution *c = calloc(1, sizeof(*c));
    if (!c)
        return -ENOMEM;
    (void)pthread_mutex_init(&c->lock, NULL);
    *ret_caution = c;
    return 0;
}

void caution_free(struct caution *c)
{
    if (c)
        (void)pthread_mutex_destroy(&c->lock);
    free(c);
}

void fs_note_refusal(struct mount *m)
{
    struct caution *c = m->caution;
    int64_t now_ms = clock_mono_ms();
    bool news;
    if (!m->tree.deletes)
        return;
    {
        guard_mutex(&c->lock);
        news = c->until_ms <= now_ms;
        c->until_ms = now_ms + CAUTION_MS;
    }
    if (news)
        log_warning(
            "what is no asset can't be removed; in case a whole tree is "
            "to be, no asset is deleted for a minute");
}

/* Whether a tree is being deleted; then it goes on being refused. */
static bool delete_is_on_guard(struct mount *m)
{
    struct caution *c = m->caution;
    int64_t now_ms = clock_mono_ms();
    guard_mutex(&c->lock);
    if (c->until_ms <= now_ms)
        return false;
    c->until_ms = now_ms + CAUTION_MS;
    return true;
}

/* Whether a name stood for another asset when it was lately tried; else it is
 * noted that it stands for this one. */
static bool delete_has_changed_hands(struct mount *m, const char *name,
                                     int64_t row)
{
    struct caution *c = m->caution;
    uint64_t hash = hash_bytes(name, strlen(name), 0);
    int64_t now_ms = clock_mono_ms();
    guard_mutex(&c->lock);
    for (size_t i = 0; i < TRIED_KEPT; i++)
        if (c->tried[i].hash == hash && c->tried[i].until_ms > now_ms &&
            c->tried[i].row != row)
            return true;
    size_t at = c->next++ % TRIED_KEPT;
    c->tried[at].hash = hash;
    c->tried[at].row = row;
    c->tried[at].until_ms = now_ms + m->timeout_ms + CAUTION_MS;
    return false;
}

/* A folder goes by rmdir; or it didn't. */
static void delete_keep_own(struct mount *m, uint64_t directory,
                            uint64_t folder)
{
    struct caution *c = m->caution;
    guard_mutex(&c->lock);
    c->own[c->next_own % NAMES_KEPT].directory = directory;
    c->own[c->next_own++ % NAMES_KEPT].folder = folder;
}

/* The kernel may have been told nothing of it, and must be. */
static void delete_give_up_own(struct mount *m, uint64_t directory,
                               const char *name)
{
    struct caution *c = m->caution;
    {
        guard_mutex(&c->lock);
        for (size_t i = 0; i < NAMES_KEPT; i++)
            if (c->own[i].directory == directory)
                c->own[i].directory = 0;
    }
    notify_name(m->notify, directory, name);
}

bool caution_has(struct caution *c, uint64_t directory, uint64_t folder)
{
    guard_mutex(&c->lock);
    for (size_t i = 0; i < NAMES_KEPT; i++)
        if (c->own[i].directory == directory && c->own[i].folder == folder)
            return true;
    return false;
}

/* What a name in a directory of assets stands for. */
static int delete_find_asset(struct catalogue_reader *reader,
                             const struct view *v, const char *name,
                             struct catalogue_entry *ret)
{
    char id[NAME_SIZE];
    if (v->number == VIEW_ID)
        return name_to_id(name, id) ? -ENOENT
                                    : catalogue_get_by_id(reader, id, ret);
    int err = catalogue_get_by_folder(reader, name, ret);
    return !err && ret->type != v->type ? -ENOENT : err;
}

static int delete_refuse_other(const struct request *r)
{
    char quoted[QUOTED_BYTES];
    log_warning("%s was to be deleted a moment ago, and what has its name now "
                "isn't it: try again in a minute",
                log_quote(r->name, strlen(r->name), quoted, sizeof(quoted)));
    return -EBUSY;
}

static int delete_ask_deletion(struct request *r, const struct view *v)
{
    struct mount *m = r->mount;
    struct catalogue_entry asset;
    cleanup(buf_done) struct buf body = {.max = BODY_MAX};
    cleanup(free_ptr) char *id = NULL;
    cleanup(release_reader) struct catalogue_reader *reader =
        catalogue_reader_acquire(m->catalogue);
    if (!reader)
        return -ENOMEM;
    int err = delete_find_asset(reader, v, r->name, &asset);
    if (err)
        return err;
    if (delete_has_changed_hands(m, r->name, asset.row))
        return delete_refuse_other(r);
    id = strdup(asset.id); /* the entry is borrowed from the reader */
    if (!id)
        return -ENOMEM;
    err = catalogue_body(reader, asset.row, &body);
    if (err)
        return err;
    delete_keep_own(m, r->ino, node_ino(NODE_FOLDER, v->number, asset.row));
    r->tolerant = true;
    return park_change(r, m->change,
                       &(struct change_question){.kind = CHANGE_DELETE,
                                                 .id = id,
                                                 .folder = r->name,
                                                 .body = buf_str(&body),
                                                 .body_bytes = body.len});
}

/* Where a folder is an asset's own place: not in a query, which is a question;
 * nor is anything but folders removed. */
static bool delete_has_assets(const struct node *n, const struct view *v)
{
    return n->kind == NODE_VIEW &&
           (v->number == VIEW_ID || v->type != ASSET_TYPE_COUNT) &&
           !view_is_query(v);
}

int fs_rmdir(struct request *r)
{
    struct mount *m = r->mount;
    cleanup(tree_node_done) struct tree_node n = {0};
    if (r->asked & REQUEST_ASKED_CHANGE && r->answer) {
        delete_give_up_own(m, r->ino, r->name);
        return r->answer;
    }
    if (r->asked & REQUEST_ASKED_CHANGE) {
        (void)fuse_reply_err(r->req, 0);
        return 0;
    }
    if (!m->change)
        return -EROFS;
    int err = tree_find(&m->tree, r->ino, &n);
    if (err)
        return err;
    if (!delete_has_assets(&n.id, n.view)) {
        fs_note_refusal(m);
        return -EPERM;
    }
    if (!m->tree.deletes || delete_is_on_guard(m))
        return -EPERM;
    return delete_ask_deletion(r, n.view);
}
