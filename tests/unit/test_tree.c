/* SPDX-License-Identifier: MIT */
/* The whole tree of a small account, without a kernel. */
#include "catalogue_fixture.h"

#include "grammar/name.h"
#include "sync/sync_internal.h"
#include "tree/tree_internal.h"

#define NAMES_MAX 64
#define HOSTILE   "..%2f/\n\\\"=@"

static struct tree tree;
static struct sync *sync_;
static bool seen[64]; /* kinds that a walk came by */

static int append_status(void *ctx, struct buf *out)
{
    static int looks;
    (void)ctx;
    return buf_appendf(out, "{\"looks\": %d}\n", ++looks);
}

static void put_account(void)
{
    int64_t number;
    begin();
    PUT("aa", "whole.mp4", .type = ASSET_VIDEO, .created_s = NOW - 5,
        .picture = "https://c/p.png?s=1", .manifest = "https://c/m.m3u8");
    PUT("ab", "picture.mp4", .type = ASSET_VIDEO, .created_s = NOW - 4,
        .picture = "https://c/p.jpg");
    PUT("ac", "bare.pdf", .type = ASSET_DOCUMENT, .created_s = NOW - 3);
    PUT(HOSTILE, ".media", .type = ASSET_VIDEO, .created_s = NOW - 2,
        .picture = "https://c/../x.webp", .manifest = "https://c/é",
        .json = "{}");
    PUT("ad", "a=b/../\n%2f", .type = ASSET_AUDIO, .created_s = NOW - 1,
        .json = "{\"filename\": \"a=b/../\\n%2f\"}");
    PUT("ae", "whole.mp4", .type = ASSET_OTHER, .created_s = NOW);
    done();
    assert_int_equal(
        catalogue_link_add(cat, "", "saved", "filename=whole", NOW, &number),
        0);
    assert_int_equal(
        catalogue_link_add(cat, "video", "saved", "status=x", NOW, &number), 0);
}

static int begin_tree(void **state)
{
    const struct sync_config config = {.refresh_ms = 60000};
    (void)setup(state);
    put_account();
    assert_int_equal(sync_new(cat, NULL, &config, NULL, NULL, &sync_), 0);
    sync_->complete = true;
    tree = (struct tree){.catalogue = cat,
                         .sync = sync_,
                         .uid = 7,
                         .gid = 8,
                         .umask = 0027,
                         .refresh_s = 60,
                         .status = append_status};
    assert_int_equal(tree_init(&tree), 0);
    memset(seen, 0, sizeof(seen));
    return 0;
}

static int end_tree(void **state)
{
    tree_done(&tree);
    sync_free(sync_);
    return teardown(state);
}

struct names {
    struct tree_entry entry[NAMES_MAX];
    char name[NAMES_MAX][NAME_SIZE];
    int64_t next[NAMES_MAX];
    size_t count;
    size_t most; /* names that one piece takes */
};

static bool note_name(void *ctx, const char *name, const struct tree_entry *e,
                      int64_t next)
{
    struct names *n = ctx;
    assert_true(n->count < NAMES_MAX);
    if (n->most == 0)
        return false;
    n->most--;
    (void)snprintf(n->name[n->count], NAME_SIZE, "%s", name);
    n->entry[n->count] = *e;
    n->next[n->count++] = next;
    return true;
}

static void list_piece(const struct tree_node *dir, int64_t off,
                       struct names *n)
{
    cleanup(release) struct catalogue_reader *r = reader();
    struct tree_listing l = {.tree = &tree,
                             .dir = dir,
                             .reader = r,
                             .off = off,
                             .emit = note_name,
                             .ctx = n};
    assert_int_equal(tree_list(&l), 0);
}

/* In one piece, and name by name: the same. */
static void list_all(const struct tree_node *dir, struct names *ret)
{
    static struct names one;
    one.count = ret->count = 0;
    ret->most = NAMES_MAX;
    list_piece(dir, 0, ret);
    size_t before;
    do {
        before = one.count;
        one.most = 1;
        list_piece(dir, before ? one.next[before - 1] : 0, &one);
    } while (one.count > before);
    assert_int_equal(one.count, ret->count);
    for (size_t i = 0; i < one.count; i++) {
        assert_string_equal(one.name[i], ret->name[i]);
        assert_true(i == 0 || one.next[i] > one.next[i - 1]);
    }
}

static int look_up(const struct tree_node *dir, const char *name,
                   struct tree_entry *ret)
{
    cleanup(tree_lookup_done) struct tree_lookup l = {
        .name = name, .complete = sync_->complete};
    int answer = tree_lookup(&tree, dir, &l);
    *ret = l.entry;
    if (answer == TREE_FOUND) /* the kernel knows it now, and its view */
        view_remember(tree.views, (uint32_t)(l.entry.ino >> 33 & 0xffff), 1);
    return answer;
}

static void assert_same_attr(const struct tree_entry *a,
                             const struct tree_entry *b)
{
    assert_int_equal(a->attr.st_mode, b->attr.st_mode);
    assert_int_equal(a->attr.st_size, b->attr.st_size);
    assert_int_equal(a->attr.st_nlink, b->attr.st_nlink);
    assert_int_equal(a->attr.st_blocks, b->attr.st_blocks);
    assert_true(a->attr.st_mtim.tv_sec == b->attr.st_mtim.tv_sec);
    assert_int_equal(a->attr.st_uid, 7);
    assert_int_equal(a->attr.st_gid, 8);
    assert_true(a->attr.st_ino == b->attr.st_ino);
    assert_true(a->generation == b->generation);
}

/* As long as its size says, in one piece and byte by byte. */
static void check_text(const struct tree_node *n, const struct tree_entry *e)
{
    cleanup(buf_done) struct buf whole = {.max = 1 << 20};
    size_t skip = 7, size = (size_t)e->attr.st_size;
    assert_int_equal(tree_target(&tree, n, &whole), -EINVAL);
    assert_int_equal(tree_read(&tree, n, 0, size, &whole, &skip), 0);
    assert_int_equal(skip, 0);
    assert_int_equal(whole.len, size);
    for (size_t off = 0; off < size; off++) {
        cleanup(buf_done) struct buf part = {.max = 1 << 20};
        assert_int_equal(tree_read(&tree, n, (int64_t)off, 1, &part, &skip), 0);
        assert_true(part.len > skip);
        assert_int_equal(buf_str(&part)[skip], buf_str(&whole)[off]);
    }
}

static uint64_t follow(uint64_t from, const char *target);

/* It leads to what can be looked up, from the directory that it stands in. */
static void check_target(const struct tree_node *dir, const struct tree_node *n,
                         const struct tree_entry *e)
{
    cleanup(buf_done) struct buf target = {.max = 4096};
    cleanup(buf_done) struct buf text = {.max = 4096};
    size_t skip;
    assert_int_equal(tree_read(&tree, n, 0, 1, &text, &skip), -EISDIR);
    assert_int_equal(tree_target(&tree, n, &target), 0);
    assert_int_equal(target.len, e->attr.st_size);
    (void)follow(node_ino(dir->id.kind, dir->id.view, dir->id.row),
                 buf_str(&target));
}

static void walk(uint64_t ino);

static void check_name(const struct tree_node *dir, const char *name,
                       const struct tree_entry *listed)
{
    struct tree_entry found, asked;
    cleanup(tree_node_done) struct tree_node n = {0};
    assert_int_equal(look_up(dir, name, &found), TREE_FOUND);
    assert_int_equal(tree_find(&tree, found.ino, &n), 0);
    assert_int_equal(tree_attr(&tree, &n, &asked), 0);
    assert_same_attr(&found, &asked);
    if (listed && listed->ino)
        assert_same_attr(&found, listed);
    else if (listed)
        assert_int_equal(found.attr.st_mode, listed->attr.st_mode);
    const struct tree_kind *k = &tree_kinds[n.id.kind];
    assert_int_equal(found.attr.st_mode & S_IFMT, k->type);
    assert_true(S_ISLNK(k->type) || !(found.attr.st_mode & 0027));
    seen[n.id.kind] = true;
    if (S_ISDIR(k->type))
        walk(found.ino);
    else if (S_ISLNK(k->type))
        check_target(dir, &n, &found);
    else if (!tree_is_late(n.id.kind))
        check_text(&n, &found);
    else
        assert_true(found.attr_timeout_s == 0); /* it must be asked */
}

/* What the table has and no listing. */
static void check_hidden(const struct tree_node *dir)
{
    bool root = dir->view->number == VIEW_ROOT;
    int kind = -1;
    if (dir->id.kind == NODE_VIEW && !view_is_listing(dir->view))
        return;
    while ((kind = tree_next_child(dir->id.kind, kind)) >= 0)
        if (tree_kinds[kind].hidden && (!tree_kinds[kind].in_root || root))
            check_name(dir, tree_kinds[kind].name, NULL);
}

static void walk(uint64_t ino)
{
    struct names *names = malloc(sizeof(*names));
    cleanup(tree_node_done) struct tree_node dir = {0};
    uint64_t parent;
    assert_non_null(names);
    assert_int_equal(tree_find(&tree, ino, &dir), 0);
    assert_int_equal(tree_parent(&dir, &parent), 0);
    list_all(&dir, names);
    assert_string_equal(names->name[0], ".");
    assert_string_equal(names->name[1], "..");
    assert_true(names->entry[0].attr.st_ino == ino);
    assert_true(names->entry[1].attr.st_ino == parent);
    for (size_t i = 2; i < names->count; i++) {
        assert_null(strchr(names->name[i], '/'));
        check_name(&dir, names->name[i], &names->entry[i]);
    }
    check_hidden(&dir);
    free(names);
}

static uint64_t follow(uint64_t from, const char *target)
{
    char *copy = strdup(target), *rest = copy;
    assert_non_null(copy);
    for (char *name; (name = strsep(&rest, "/"));) {
        cleanup(tree_node_done) struct tree_node dir = {0};
        struct tree_entry e;
        assert_int_equal(tree_find(&tree, from, &dir), 0);
        if (strcmp(name, "..") == 0) {
            assert_int_equal(tree_parent(&dir, &from), 0);
        } else {
            assert_int_equal(look_up(&dir, name, &e), TREE_FOUND);
            from = e.ino;
        }
    }
    free(copy);
    return from;
}

static void test_everything_listed_is_found_and_is_what_it_was(void **state)
{
    char id[NAME_SIZE], path[NAME_SIZE + 8];
    (void)state;
    walk(NODE_ROOT);
    walk(follow(NODE_ROOT, "filename=whole"));
    walk(follow(NODE_ROOT, "video/filename=whole/type=video,image"));
    assert_int_equal(name_of_id(full_id(HOSTILE), id), 0);
    (void)snprintf(path, sizeof(path), ".id/%s", id);
    walk(follow(NODE_ROOT, path));
    (void)snprintf(path, sizeof(path), ".media/%s", id);
    walk(follow(NODE_ROOT, path));
    seen[NODE_VIEW] = seen[NODE_MEDIA] = true; /* as just done */
    for (int kind = 0; kind < tree_kind_count; kind++)
        assert_true(seen[kind]); /* a row that nothing leads to */
}

static const char *names_in(const char *path)
{
    static char text[1024];
    static struct names names;
    cleanup(tree_node_done) struct tree_node dir = {0};
    size_t len = 0;
    text[0] = '\0';
    assert_int_equal(
        tree_find(&tree, *path ? follow(NODE_ROOT, path) : NODE_ROOT, &dir), 0);
    list_all(&dir, &names);
    for (size_t i = 2; i < names.count; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s ",
                                names.name[i]);
    return text;
}

/* Between them is room for more generated files. */
static void assert_first_and_last(const char *path, const char *first,
                                  const char *last)
{
    const char *names = names_in(path);
    assert_true(strncmp(names, first, strlen(first)) == 0);
    assert_true(strlen(names) >= strlen(last));
    assert_string_equal(names + strlen(names) - strlen(last), last);
    assert_null(strstr(names + strlen(first), ".url"));
}

static void test_listings_are_in_their_order(void **state)
{
    (void)state;
    assert_string_equal(names_in(""),
                        "video image audio document other pictures saved ");
    assert_first_and_last("video/whole.mp4",
                          "metadata.json thumbnail.url manifest.url ",
                          "media ");
    assert_first_and_last("video/picture.mp4", "metadata.json thumbnail.url ",
                          "media ");
    assert_first_and_last("document/bare.pdf", "metadata.json ", "");
    assert_string_equal(names_in(".media/aa0000000000000000000000"),
                        "thumbnail.png manifest.m3u8 ");
    assert_string_equal(names_in(".pictures"),
                        "whole.mp4.png picture.mp4.jpg %2Emedia.webp ");
    assert_string_equal(names_in(".twelvefs"), "status.json ");
    assert_string_equal(names_in(".id"), "");
    assert_string_equal(names_in(".media"), "");
}

static int question_for(const char *path, const char *name, bool complete,
                        unsigned asked, struct tree_entry *ret)
{
    cleanup(tree_node_done) struct tree_node dir = {0};
    assert_int_equal(
        tree_find(&tree, *path ? follow(NODE_ROOT, path) : NODE_ROOT, &dir), 0);
    cleanup(tree_lookup_done) struct tree_lookup l = {
        .name = name, .complete = complete, .asked = asked};
    int answer = tree_lookup(&tree, &dir, &l);
    if (answer == TREE_ASK)
        return (int)l.question.want;
    assert_int_equal(answer, TREE_ABSENT);
    *ret = l.entry;
    return -1;
}

/* What isn't known is asked once, and then an absence holds for a moment. */
static void test_an_absence_is_asked_for_until_all_is_known(void **state)
{
    static const struct {
        const char *path, *name;
        enum sync_want want;
        double timeout_s;
    } cases[] = {
        {"video", "none.mp4", SYNC_NAME, TREE_DAY_S},
        {"filename=x", "none.mp4", SYNC_NAME, 60},
        {".pictures", "none.mp4.jpg", SYNC_NAME, 60},
        {"video/.pictures", "none.mp4.jpg", SYNC_NAME, 60},
        {".id", "ffff", SYNC_ID, 60},
        {".media", "ffff", SYNC_ID, 60},
        {"", "nokey=1", SYNC_COMPLETE, 60},
        {"video", "nokey=1", SYNC_COMPLETE, 60},
    };
    struct tree_entry e;
    (void)state;
    for (size_t i = 0; i < array_count(cases); i++) {
        sync_->complete = false;
        assert_int_equal(
            question_for(cases[i].path, cases[i].name, false, 0, &e),
            cases[i].want);
        assert_int_equal(question_for(cases[i].path, cases[i].name, false,
                                      1u << cases[i].want, &e),
                         -1);
        assert_true(e.entry_timeout_s == TREE_MOMENT_S);
        sync_->complete = true;
        assert_int_equal(
            question_for(cases[i].path, cases[i].name, true, 0, &e), -1);
        assert_true(e.entry_timeout_s == cases[i].timeout_s);
    }
}

static void test_what_is_certain_is_never_asked_for(void **state)
{
    static const struct {
        const char *path, *name;
        double timeout_s;
    } cases[] = {
        {"", "none", TREE_DAY_S},             /* the root has no assets */
        {"", ".hidden", TREE_DAY_S},          /* likewise */
        {"video", ".git", TREE_MOMENT_S},     /* a probe */
        {"video", "bare.pdf", TREE_MOMENT_S}, /* it stands in document/ */
        {"video/whole.mp4", "none", TREE_DAY_S},
        {"video/picture.mp4", "manifest.url", TREE_DAY_S},
        {".media/aa0000000000000000000000", "thumbnail.jpg", 60},
        {".twelvefs", "none", TREE_DAY_S},
        {".id", "a/b", 60}, /* no id's name */
        {".pictures", "none", 60},
    };
    struct tree_entry e;
    (void)state;
    sync_->complete = false;
    for (size_t i = 0; i < array_count(cases); i++) {
        assert_int_equal(
            question_for(cases[i].path, cases[i].name, false, 0, &e), -1);
        assert_true(e.entry_timeout_s == cases[i].timeout_s);
    }
    assert_int_equal(question_for("", ".assets.ndjson", false, 0, &e),
                     SYNC_QUERY);
}

/* Whatever the kernel, or a file handle, brings: an answer, or an error. */
static void test_hostile_numbers_and_names_are_refused(void **state)
{
    static const char *const hostile[] = {
        "",
        "/",
        "a/b",
        "%",
        "%2F",
        "=",
        "@",
        "..%2f",
        "\xff",
        "a=\xff",
        ".assets.ndjson ",
        "thumbnail.",
        "metadata.json/",
        "...",
    };
    char long_name[NAME_MAX + 2];
    uint64_t number = 88172645463325252u;
    (void)state;
    memset(long_name, 'x', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = '\0';
    for (int i = 0; i < 20000; i++) {
        cleanup(tree_node_done) struct tree_node n = {0};
        struct tree_entry e;
        number ^= number << 13;
        number ^= number >> 7;
        number ^= number << 17;
        uint64_t class = (number >> 40) % 18, row = number % 9;
        uint64_t ino =
            i % 4 ? class << 49 | (number >> 20 & 7) << 33 | row : number;
        if (tree_find(&tree, ino, &n))
            continue;
        int err = tree_attr(&tree, &n, &e);
        assert_true(err == 0 || err == -ESTALE);
        assert_true(err || e.attr.st_ino == ino);
        assert_int_equal(look_up(&n, long_name, &e), -ENAMETOOLONG);
        for (size_t name = 0; name < array_count(hostile); name++)
            assert_int_not_equal(look_up(&n, hostile[name], &e), TREE_FOUND);
    }
}

/* An asset of such a name would hide it, or be hidden. */
static void test_no_asset_has_a_name_of_ours(void **state)
{
    char safe[NAME_SIZE];
    (void)state;
    for (int kind = 0; kind < tree_kind_count; kind++) {
        const struct tree_kind *k = &tree_kinds[kind];
        if (!k->name || k->parent != NODE_VIEW || k->type == S_IFLNK)
            continue;
        (void)name_make(k->name, strlen(k->name), safe);
        assert_string_not_equal(safe, k->name);
    }
}

static void test_what_went_is_stale(void **state)
{
    struct tree_entry e;
    cleanup(tree_node_done) struct tree_node dir = {0};
    cleanup(tree_node_done) struct tree_node file = {0};
    uint64_t folder = follow(NODE_ROOT, "document/bare.pdf");
    cleanup(buf_done) struct buf text = {.max = 4096};
    size_t skip;
    (void)state;
    assert_int_equal(tree_find(&tree, folder, &dir), 0);
    assert_int_equal(look_up(&dir, "metadata.json", &e), TREE_FOUND);
    assert_int_equal(tree_find(&tree, e.ino, &file), 0);
    begin();
    assert_int_equal(catalogue_remove(cat, dir.id.row), 0);
    done();
    assert_int_equal(tree_attr(&tree, &dir, &e), -ESTALE);
    assert_int_equal(tree_attr(&tree, &file, &e), -ESTALE);
    assert_int_equal(tree_read(&tree, &file, 0, 1, &text, &skip), -ESTALE);
    assert_int_equal(look_up(&dir, "metadata.json", &e), -ESTALE);
}

#define TREE_CASE(name)                                                        \
    cmocka_unit_test_setup_teardown(name, begin_tree, end_tree)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TREE_CASE(test_everything_listed_is_found_and_is_what_it_was),
        TREE_CASE(test_listings_are_in_their_order),
        TREE_CASE(test_an_absence_is_asked_for_until_all_is_known),
        TREE_CASE(test_what_is_certain_is_never_asked_for),
        TREE_CASE(test_hostile_numbers_and_names_are_refused),
        TREE_CASE(test_no_asset_has_a_name_of_ours),
        TREE_CASE(test_what_went_is_stale),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
