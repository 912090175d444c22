/* SPDX-License-Identifier: MIT */
/*
 * lookup.c - what stands in a directory under a name.
 *
 * An absence is told for long only where it is certain: the whole catalogue,
 * or the whole of a query, was there before it was read. Else the question that
 * would settle it is the answer (TREE_ASK); the caller asks sync and comes
 * again with the question's bit in `asked`, and then what the catalogue says is
 * said on, for a moment.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "grammar/name.h"
#include "tree/tree_internal.h"

static bool lookup_has_asked(const struct tree_lookup *l, enum sync_want want)
{
    return l->asked & 1u << want;
}

static int lookup_ask(struct tree_lookup *l, enum sync_want want,
                      const struct query *query, const char *text)
{
    l->question =
        (struct sync_question){.want = want, .query = query, .text = text};
    return TREE_ASK;
}

static int lookup_absent(struct tree_lookup *l, double timeout_s)
{
    l->entry = (struct tree_entry){.entry_timeout_s = timeout_s};
    return TREE_ABSENT;
}

/* -ENOENT is an absence, too: of what the asset doesn't have. */
static int lookup_found(struct tree_lookup *l, const struct tree_source *s)
{
    int err = tree_make_entry(s, &l->entry);
    return err ? err : TREE_FOUND;
}

static int lookup_found_asset(struct tree *t, struct tree_lookup *l,
                              enum node_kind kind, const struct view *v,
                              const struct catalogue_entry *asset)
{
    return lookup_found(l, &(struct tree_source){.tree = t,
                                                 .kind = kind,
                                                 .row = asset->row,
                                                 .view = v,
                                                 .asset = asset});
}

static int lookup_fields(struct tree_lookup *l, const struct view *v,
                         struct catalogue_reader *reader)
{
    if (!view_is_query(v) || !tree_missing_field(reader, v))
        return 0;
    /* The field gave way to others before we came to look. */
    return lookup_has_asked(l, SYNC_FIELDS)
               ? -EAGAIN
               : lookup_ask(l, SYNC_FIELDS, &v->query, NULL);
}

static int lookup_lines(struct tree *t, const struct view *v,
                        struct tree_lookup *l)
{
    if (!lookup_has_asked(l, SYNC_QUERY) && !sync_covers(t->sync, &v->query))
        return lookup_ask(l, SYNC_QUERY, &v->query, NULL);
    cleanup(tree_release) struct catalogue_reader *reader =
        catalogue_reader_acquire(t->catalogue);
    if (!reader)
        return -ENOMEM;
    int answer = lookup_fields(l, v, reader);
    if (answer)
        return answer;
    struct selection *selection;
    int err = selection_open(&t->selections, v, reader, &selection);
    if (err)
        return err;
    const struct tree_source s = {
        .tree = t,
        .kind = NODE_LINES,
        .row = (int64_t)(selection->version % (uint64_t)NODE_ROW_END),
        .view = v,
        .selection = selection};
    answer = lookup_found(l, &s);
    selection_close(&t->selections, selection);
    return answer;
}

static int lookup_status(struct tree *t, struct tree_lookup *l)
{
    struct tree_status *status;
    int err = text_make_status(t, &status);
    if (err)
        return err;
    const struct tree_source s = {.tree = t,
                                  .kind = NODE_STATUS,
                                  .row = (int64_t)status->kept.key[0],
                                  .status = status};
    int answer = lookup_found(l, &s);
    lru_unref(&t->statuses, &status->kept);
    return answer;
}

/* A name from the table, of what isn't an asset's. */
static int lookup_child(struct tree *t, const struct view *v, int kind,
                        struct tree_lookup *l)
{
    switch (tree_kinds[kind].from) {
    case FROM_SELECTION:
        return lookup_lines(t, v, l);
    case FROM_STATUS:
        return lookup_status(t, l);
    default:
        return lookup_found(
            l,
            &(struct tree_source){
                .tree = t, .kind = (enum node_kind)kind, .row = 1, .view = v});
    }
}

/* A kind that stands in a directory under a name, from the table; -1 none. */
static int lookup_kind(const struct node *dir, const struct view *v,
                       const char *name)
{
    int kind = -1;
    if (dir->kind == NODE_VIEW && !view_is_listing(v))
        return -1;
    while ((kind = tree_next_child(dir->kind, kind)) >= 0)
        if (strcmp(tree_kinds[kind].name, name) == 0 &&
            (!tree_kinds[kind].in_root || v->number == VIEW_ROOT))
            return kind;
    return -1;
}

bool tree_name_is_ours(const struct tree *t, const struct view *v,
                       const char *name)
{
    const struct node dir = {.kind = NODE_VIEW};
    return lookup_kind(&dir, v, name) >= 0 ||
           (v->number == VIEW_ROOT && view_named(t->views, name));
}

static int lookup_in_asset(struct tree *t, const struct tree_node *dir,
                           struct tree_lookup *l)
{
    bool per_view = node_is_per_view(dir->id.kind);
    struct catalogue_entry asset;
    char space[NAME_SIZE];
    cleanup(tree_release) struct catalogue_reader *reader =
        catalogue_reader_acquire(t->catalogue);
    if (!reader)
        return -ENOMEM;
    int answer = tree_get_row(reader, dir->id.row, &asset);
    if (answer)
        return answer;
    struct tree_source s = {.tree = t,
                            .reader = reader,
                            .row = asset.row,
                            .view = per_view ? dir->view : NULL,
                            .asset = &asset};
    answer = -ENOENT;
    int kind = -1;
    while ((kind = tree_next_child(dir->id.kind, kind)) >= 0) {
        s.kind = (enum node_kind)kind;
        if (strcmp(kind_name(&tree_kinds[kind], &asset, space), l->name) == 0) {
            answer = lookup_found(l, &s);
            break;
        }
    }
    if (answer == -ENOENT)
        return lookup_absent(l, per_view ? entry_timeout(t, dir->view)
                                         : t->refresh_s);
    return answer;
}

/* A view's own directory, which lives until the lookup is done. */
static int lookup_found_view(struct tree *t, struct view *v,
                             struct tree_lookup *l)
{
    l->held = (struct tree_node){.view = v, .views = t->views};
    return lookup_found(l,
                        &(struct tree_source){
                            .tree = t, .kind = NODE_VIEW, .row = 1, .view = v});
}

static bool lookup_any_field(void *ctx, const char *field)
{
    (void)ctx;
    (void)field;
    return true;
}

/* Well-formed, so only its key speaks against it: the walk may yet bring an
 * asset that has it. */
static bool lookup_is_query(const char *segment)
{
    cleanup(query_done) struct query q = {0};
    return query_add(&q, segment, lookup_any_field, NULL) == 0;
}

static int lookup_segment(struct tree *t, struct view *parent,
                          struct tree_lookup *l)
{
    struct view *v;
    cleanup(tree_release) struct catalogue_reader *reader =
        catalogue_reader_acquire(t->catalogue);
    if (!reader)
        return -ENOMEM;
    int err = view_enter(t->views, parent, l->name, catalogue_field_known,
                         reader, &v);
    if (!err)
        return lookup_found_view(t, v, l);
    if (err != -ENOENT)
        return err;
    if (!l->complete && !lookup_has_asked(l, SYNC_COMPLETE) &&
        lookup_is_query(l->name))
        return lookup_ask(l, SYNC_COMPLETE, NULL, NULL);
    /* Not for long: the field may be seen in the next commit. */
    return lookup_absent(l, l->complete ? t->refresh_s : TREE_MOMENT_S);
}

/* The asset that has this folder name and meets the view's query: 0, TREE_ASK,
 * -ENOENT (not known), -ENODATA (known not to be there) or an error. */
static int lookup_asset_named(struct tree_lookup *l, const struct view *v,
                              struct catalogue_reader *reader,
                              const char *folder, struct catalogue_entry *ret)
{
    int err = catalogue_get_by_folder(reader, folder, ret);
    if (err)
        return err;
    int64_t row = ret->row;
    int answer = lookup_fields(l, v, reader);
    if (answer)
        return answer;
    err = tree_is_member(reader, v, ret);
    return err || !view_is_query(v) ? err : catalogue_get(reader, row, ret);
}

/* The end of a lookup that found nothing. err is lookup_asset_named's;
 * settled: all names were there before the catalogue was read; timeout_s: how
 * long the absence may be believed, unless it was waited for. */
static int lookup_settle(struct tree_lookup *l, const struct view *v, int err,
                         bool settled, const char *folder, double timeout_s)
{
    if (!settled && err != -ENODATA && !lookup_has_asked(l, SYNC_NAME) &&
        !name_is_probe(l->name))
        return lookup_ask(l, SYNC_NAME, &v->query, folder);
    return lookup_absent(l, l->asked ? TREE_MOMENT_S : timeout_s);
}

/* Whether the catalogue has all assets of a view. */
static bool lookup_is_settled(const struct tree *t, const struct view *v,
                              const struct tree_lookup *l)
{
    return l->complete || (view_is_query(v) && sync_covers(t->sync, &v->query));
}

static int lookup_asset(struct tree *t, const struct view *v,
                        struct tree_lookup *l)
{
    bool settled = lookup_is_settled(t, v, l);
    struct catalogue_entry asset;
    struct catalogue_link saved;
    cleanup(tree_release) struct catalogue_reader *reader =
        catalogue_reader_acquire(t->catalogue);
    if (!reader)
        return -ENOMEM;
    int err = v->number == VIEW_ROOT
                  ? -ENODATA
                  : lookup_asset_named(l, v, reader, l->name, &asset);
    if (!err)
        return lookup_found_asset(t, l, NODE_FOLDER, v, &asset);
    if (err != -ENOENT && err != -ENODATA)
        return err;
    int saved_err = catalogue_link_get(reader, v->path, l->name, &saved);
    if (!saved_err) {
        tree_saved_entry(t, v, &saved, &l->entry);
        return TREE_FOUND;
    }
    if (saved_err != -ENOENT)
        return saved_err;
    bool certain = l->complete || v->number == VIEW_ROOT;
    return lookup_settle(l, v, err, settled, l->name,
                         certain ? entry_timeout(t, v) : TREE_MOMENT_S);
}

/* A type's directory, or .id. */
static int lookup_fixed_view(struct tree *t, uint32_t number,
                             struct tree_lookup *l)
{
    if (number == VIEW_FIRST_TYPE + ASSET_OTHER && l->complete &&
        !t->other_shown && !t->other_offered)
        return lookup_absent(l, TREE_DAY_S);
    return lookup_found_view(t, view_get(t->views, number), l);
}

int lookup_in_view(struct tree *t, const struct tree_node *dir,
                   struct tree_lookup *l)
{
    struct view *v = dir->view;
    if (!view_is_listing(v))
        return lookup_id(t, dir, l);
    uint32_t fixed =
        v->number == VIEW_ROOT ? view_named(t->views, l->name) : VIEW_ROOT;
    if (fixed)
        return lookup_fixed_view(t, fixed, l);
    return query_is_segment(l->name) ? lookup_segment(t, v, l)
                                     : lookup_asset(t, v, l);
}

/* VIEW/.pictures/<folder name>.<ext> */
int lookup_contact(struct tree *t, const struct tree_node *dir,
                   struct tree_lookup *l)
{
    const struct view *v = dir->view;
    const char *dot = strrchr(l->name, '.');
    char name[NAME_SIZE];
    if (!dot || dot == l->name || (size_t)(dot - l->name) >= sizeof(l->text))
        return lookup_absent(l, t->refresh_s);
    memcpy(l->text, l->name, (size_t)(dot - l->name));
    l->text[dot - l->name] = '\0';

    bool settled = lookup_is_settled(t, v, l);
    cleanup(tree_release) struct catalogue_reader *reader =
        catalogue_reader_acquire(t->catalogue);
    if (!reader)
        return -ENOMEM;
    struct catalogue_entry asset;
    int answer = lookup_asset_named(l, v, reader, l->text, &asset);
    if (!answer && (contact_name(&asset, name) || strcmp(name, l->name) != 0))
        answer = -ENODATA;
    if (!answer)
        answer = lookup_found_asset(t, l, NODE_CONTACT, v, &asset);
    return answer == -ENOENT || answer == -ENODATA
               ? lookup_settle(l, v, answer, settled, l->text,
                               l->complete ? t->refresh_s : TREE_MOMENT_S)
               : answer;
}

/* .id/<id> and .media/<id> */
int lookup_id(struct tree *t, const struct tree_node *dir,
              struct tree_lookup *l)
{
    if (name_to_id(l->name, l->text))
        return lookup_absent(l, t->refresh_s);
    cleanup(tree_release) struct catalogue_reader *reader =
        catalogue_reader_acquire(t->catalogue);
    if (!reader)
        return -ENOMEM;
    struct catalogue_entry asset;
    int err = catalogue_get_by_id(reader, l->text, &asset);
    if (!err) {
        bool media = dir->id.kind == NODE_ALL_MEDIA;
        return lookup_found_asset(t, l, media ? NODE_MEDIA : NODE_FOLDER,
                                  media ? NULL : dir->view, &asset);
    }
    if (err != -ENOENT)
        return err;
    if (!l->complete && !lookup_has_asked(l, SYNC_ID) &&
        !name_is_probe(l->name))
        return lookup_ask(l, SYNC_ID, NULL, l->text);
    return lookup_absent(l, l->complete ? t->refresh_s : TREE_MOMENT_S);
}

int tree_lookup(struct tree *t, const struct tree_node *dir,
                struct tree_lookup *l)
{
    const struct tree_kind *k = &tree_kinds[dir->id.kind];
    if (strlen(l->name) > NAME_MAX)
        return -ENAMETOOLONG;
    if (!S_ISDIR(k->type))
        return -ENOTDIR;
    if (k->from == FROM_ASSET)
        return lookup_in_asset(t, dir, l);
    int kind = lookup_kind(&dir->id, dir->view, l->name);
    if (kind >= 0)
        return lookup_child(t, dir->view, kind, l);
    return k->find ? k->find(t, dir, l) : lookup_absent(l, TREE_DAY_S);
}

void tree_lookup_done(struct tree_lookup *l)
{
    tree_node_done(&l->held);
}
