/* SPDX-License-Identifier: MIT */
#include "mount/notify.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "tree/node.h"

#define CALL_SIZE 96

/* A kernel that writes down what it was told, in words. */
struct kernel {
    pthread_mutex_t lock;
    pthread_cond_t told;
    char calls[512][CALL_SIZE];
    size_t count;
    size_t pictures; /* calls about VIEW/.pictures */
    bool blocked;    /* holds the next call up */
    bool waiting;    /* … and one is held up */
    int delete_result, entry_result;
    uint64_t held; /* this directory is */
};

struct fixture {
    struct kernel kernel;
    struct view_table *views;
    struct notify *notify;
};

static void write_down(struct kernel *k, const char *call)
{
    guard_mutex(&k->lock);
    if (strncmp(call, "inode 1/", 8) == 0) {
        k->pictures++; /* after every commit, and in no one's way */
        (void)pthread_cond_broadcast(&k->told);
        return;
    }
    while (k->blocked) {
        k->waiting = true;
        (void)pthread_cond_broadcast(&k->told);
        (void)pthread_cond_wait(&k->told, &k->lock);
    }
    k->waiting = false;
    if (k->count < array_count(k->calls))
        (void)snprintf(k->calls[k->count++], CALL_SIZE, "%s", call);
    (void)pthread_cond_broadcast(&k->told);
}

static void describe(uint64_t ino, char *out, size_t size)
{
    struct node n;
    assert_true(node_parse(ino, &n));
    (void)snprintf(out, size, "%d/%u/%lld", (int)n.kind, n.view,
                   (long long)n.row);
}

/* Pages of generated files that come after those in here are no matter. */
static int inval_inode(void *ctx, uint64_t ino, int64_t off)
{
    char node[32], call[CALL_SIZE];
    struct node n;
    if (node_parse(ino, &n) && n.kind >= NODE_FURTHER)
        return 0;
    describe(ino, node, sizeof(node));
    (void)snprintf(call, sizeof(call), "inode %s %lld", node, (long long)off);
    write_down(ctx, call);
    return 0;
}

static int inval_entry(void *ctx, uint64_t parent, const char *name)
{
    char node[32], call[CALL_SIZE];
    describe(parent, node, sizeof(node));
    (void)snprintf(call, sizeof(call), "entry %s %s", node, name);
    write_down(ctx, call);
    return ((struct kernel *)ctx)->entry_result;
}

static int expire_entry(void *ctx, uint64_t parent, const char *name)
{
    char node[32], call[CALL_SIZE];
    describe(parent, node, sizeof(node));
    (void)snprintf(call, sizeof(call), "expire %s %s", node, name);
    write_down(ctx, call);
    return 0;
}

static int delete_entry(void *ctx, uint64_t parent, uint64_t child,
                        const char *name)
{
    char node[32], node2[32], call[CALL_SIZE];
    describe(parent, node, sizeof(node));
    describe(child, node2, sizeof(node2));
    (void)snprintf(call, sizeof(call), "delete %s %s %s", node, node2, name);
    write_down(ctx, call);
    return ((struct kernel *)ctx)->delete_result;
}

static bool is_held(void *ctx, uint64_t directory)
{
    struct kernel *k = ctx;
    guard_mutex(&k->lock);
    return k->held == directory;
}

static int set_up(void **state)
{
    static const struct notify_kernel calls = {
        .is_held = is_held,
        .inval_inode = inval_inode,
        .inval_entry = inval_entry,
        .expire_entry = expire_entry,
        .delete_entry = delete_entry,
    };
    static struct fixture f;
    memset(&f, 0, sizeof(f));
    (void)pthread_mutex_init(&f.kernel.lock, NULL);
    (void)pthread_cond_init(&f.kernel.told, NULL);
    *state = &f;
    int err = view_table_new(&f.views);
    if (!err)
        err = notify_new(&calls, &f.kernel, f.views, &f.notify);
    return err ? err : notify_start(f.notify);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    notify_free(f->notify);
    view_table_free(f->views);
    return 0;
}

/* Waits for so many calls, and that the last is this one. */
static void expect_last(struct fixture *f, size_t count, const char *call)
{
    {
        guard_mutex(&f->kernel.lock);
        while (f->kernel.count < count)
            (void)pthread_cond_wait(&f->kernel.told, &f->kernel.lock);
    }
    assert_string_equal(f->kernel.calls[count - 1], call);
}

static void expect(struct fixture *f, const char *const *calls, size_t count)
{
    expect_last(f, count, calls[count - 1]);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(f->kernel.calls[i], calls[i]);
}
#define EXPECT(f, ...)                                                         \
    do {                                                                       \
        static const char *const calls_[] = {__VA_ARGS__};                     \
        expect(f, calls_, array_count(calls_));                                \
    } while (0)

static void commit(struct fixture *f, struct catalogue_change *changes,
                   size_t count, bool negatives)
{
    const struct catalogue_diff diff = {.changes = changes, .count = count};
    notify_commit(f->notify, &diff, negatives);
}

static struct catalogue_change change(enum catalogue_change_kind kind,
                                      int64_t row)
{
    return (struct catalogue_change){.kind = kind,
                                     .row = row,
                                     .type = ASSET_VIDEO,
                                     .old_type = ASSET_VIDEO,
                                     .id = (char *)"id",
                                     .folder = (char *)"new.mp4",
                                     .old_folder = (char *)"old.mp4"};
}

static void hold(struct fixture *f)
{
    guard_mutex(&f->kernel.lock);
    f->kernel.blocked = true;
}

static void await_held(struct fixture *f)
{
    guard_mutex(&f->kernel.lock);
    while (!f->kernel.waiting)
        (void)pthread_cond_wait(&f->kernel.told, &f->kernel.lock);
}

static void let_go(struct fixture *f)
{
    guard_mutex(&f->kernel.lock);
    f->kernel.blocked = false;
    (void)pthread_cond_broadcast(&f->kernel.told);
}

static void added_ends_the_absence_and_the_listing(void **state)
{
    struct catalogue_change c = change(CATALOGUE_ADDED, 5);
    commit(*state, &c, 1, true);
    EXPECT(*state, "entry 0/1/1 new.mp4", "entry 0/6/1 id", "entry 14/0/1 id",
           "inode 0/1/1 -1");
}

static void added_spares_names_nobody_was_refused(void **state)
{
    struct catalogue_change c = change(CATALOGUE_ADDED, 5);
    commit(*state, &c, 1, false);
    EXPECT(*state, "inode 0/1/1 -1");
}

static void directories_are_told_once_a_commit(void **state)
{
    struct fixture *f = *state;
    struct catalogue_change c[3];
    for (int i = 0; i < 3; i++)
        c[i] = change(CATALOGUE_ADDED, 5 + i);
    hold(f); /* so that the commit is whole before the thread looks */
    notify_other(f->notify, true, true);
    await_held(f);
    commit(f, c, 3, true);
    let_go(f);
    expect_last(f, 12, "inode 0/1/1 -1");
    assert_string_equal(f->kernel.calls[10], "inode 0/0/1 -1");
    for (size_t i = 0; i < 10; i++)
        assert_memory_equal(f->kernel.calls[i], "entry", 5);
}

static void removed_is_a_deletion(void **state)
{
    struct catalogue_change c = change(CATALOGUE_REMOVED, 7);
    c.folder = NULL;
    commit(*state, &c, 1, true);
    EXPECT(*state, "delete 0/1/1 2/1/7 old.mp4", "delete 0/6/1 2/6/7 id",
           "entry 14/0/1 id", "inode 5/0/7 0", "inode 0/1/1 -1");
}

static void a_folder_in_use_is_dropped_by_name(void **state)
{
    struct fixture *f = *state;
    f->kernel.delete_result = -ENOTEMPTY;
    struct catalogue_change c = change(CATALOGUE_REMOVED, 7);
    c.folder = NULL;
    commit(f, &c, 1, true);
    EXPECT(f, "delete 0/1/1 2/1/7 old.mp4", "entry 0/1/1 old.mp4",
           "delete 0/6/1 2/6/7 id", "entry 0/6/1 id", "entry 14/0/1 id",
           "inode 5/0/7 0", "inode 0/1/1 -1");
}

static void what_is_not_cached_needs_no_second_word(void **state)
{
    struct fixture *f = *state;
    f->kernel.delete_result = -ENOENT;
    struct catalogue_change c = change(CATALOGUE_REMOVED, 7);
    c.folder = NULL;
    commit(f, &c, 1, true);
    EXPECT(f, "delete 0/1/1 2/1/7 old.mp4", "delete 0/6/1 2/6/7 id",
           "entry 14/0/1 id", "inode 5/0/7 0", "inode 0/1/1 -1");
}

static void changed_drops_the_pages_of_all_its_files(void **state)
{
    struct catalogue_change c = change(CATALOGUE_CHANGED, 9);
    (void)strcpy(c.extension, "jpg");
    (void)strcpy(c.old_extension, "jpg");
    c.manifest = c.old_manifest = true;
    commit(*state, &c, 1, true);
    EXPECT(*state, "inode 5/0/9 0", "inode 6/0/9 0", "inode 7/0/9 0");
}

static void links_that_come_and_go_reset_the_folder(void **state)
{
    struct catalogue_change c = change(CATALOGUE_CHANGED, 9);
    (void)strcpy(c.extension, "png");
    (void)strcpy(c.old_extension, "jpg");
    c.manifest = true;
    commit(*state, &c, 1, true);
    EXPECT(*state, "inode 5/0/9 0", "inode 6/0/9 0", "inode 7/0/9 0",
           "entry 2/1/9 manifest.url", "entry 2/1/9 metadata.json",
           "entry 2/6/9 manifest.url", "entry 2/6/9 metadata.json",
           "entry 10/0/9 thumbnail.jpg", "entry 10/0/9 thumbnail.png",
           "entry 10/0/9 manifest.m3u8", "entry 10/0/9 metadata.json");
}

static void a_first_picture_brings_the_link_to_media(void **state)
{
    struct catalogue_change c = change(CATALOGUE_CHANGED, 9);
    (void)strcpy(c.extension, "png");
    commit(*state, &c, 1, true);
    EXPECT(*state, "inode 5/0/9 0", "inode 6/0/9 0",
           "entry 2/1/9 thumbnail.url", "entry 2/1/9 media",
           "entry 2/1/9 metadata.json", "entry 2/6/9 thumbnail.url");
}

static void a_listing_without_known_names_loses_its_pages(void **state)
{
    struct fixture *f = *state;
    f->kernel.entry_result = -ENOENT;
    struct catalogue_change c = change(CATALOGUE_CHANGED, 9);
    c.manifest = true;
    commit(f, &c, 1, true);
    EXPECT(f, "inode 5/0/9 0", "inode 7/0/9 0", "entry 2/1/9 manifest.url",
           "entry 2/1/9 media", "entry 2/1/9 metadata.json", "inode 2/1/9 0",
           "entry 2/6/9 manifest.url");
}

static void renamed_is_dropped_not_deleted(void **state)
{
    struct catalogue_change c = change(CATALOGUE_MOVED, 9);
    commit(*state, &c, 1, true);
    EXPECT(*state, "entry 0/1/1 old.mp4", "entry 0/1/1 new.mp4",
           "inode 5/0/9 0", "inode 0/1/1 -1");
}

static void moved_is_dropped_there_and_added_here(void **state)
{
    struct catalogue_change c = change(CATALOGUE_MOVED, 9);
    c.old_type = ASSET_OTHER;
    commit(*state, &c, 1, true);
    EXPECT(*state, "entry 0/5/1 old.mp4", "entry 0/1/1 new.mp4",
           "inode 5/0/9 0", "inode 0/1/1 -1", "inode 0/5/1 -1");
}

static void other_goes_without_a_burial(void **state)
{
    struct fixture *f = *state;
    notify_other(f->notify, false, true);
    EXPECT(f, "entry 0/0/1 other", "inode 0/0/1 -1");
}

static void other_comes_quietly_while_absences_are_short(void **state)
{
    struct fixture *f = *state;
    notify_other(f->notify, true, false);
    EXPECT(f, "inode 0/0/1 -1");
}

static void overflow_drops_whole_directories(void **state)
{
    struct fixture *f = *state;
    struct view *root = view_get(f->views, VIEW_ROOT), *v = NULL;
    assert_int_equal(view_enter(f->views, root, "filename=x", NULL, NULL, &v),
                     0);
    struct catalogue_change c = change(CATALOGUE_RENEWED, 9);
    hold(f);
    commit(f, &c, 1, true);
    await_held(f);
    for (int i = 0; i < NOTIFY_MAX + 1; i++) {
        c.row = 10 + i;
        commit(f, &c, 1, true);
    }
    let_go(f);
    EXPECT(f, "inode 5/0/9 0", "entry 0/0/1 video", "entry 0/0/1 image",
           "entry 0/0/1 audio", "entry 0/0/1 document", "entry 0/0/1 other",
           "entry 0/0/1 .id", "entry 0/0/1 .media", "entry 0/0/1 filename=x",
           "inode 0/0/1 -1", "inode 0/1/1 -1", "inode 0/2/1 -1",
           "inode 0/3/1 -1", "inode 0/4/1 -1", "inode 0/5/1 -1",
           "inode 0/16/1 -1");
    c.row = 3; /* and then goes on as ever */
    commit(f, &c, 1, true);
    expect_last(f, 17, "inode 5/0/3 0");
    view_unref(f->views, v);
    view_unref(f->views, root);
}

static void query_directories_hear_of_names_too(void **state)
{
    struct fixture *f = *state;
    struct view *root = view_get(f->views, VIEW_ROOT), *v = NULL;
    assert_int_equal(
        view_enter(f->views, root, "status=failed", NULL, NULL, &v), 0);
    struct catalogue_change c = change(CATALOGUE_CHANGED, 9);
    c.old_folder = c.folder;
    commit(f, &c, 1, true);
    EXPECT(f, "inode 5/0/9 0", "expire 0/16/1 new.mp4", "inode 0/16/1 -1");
    view_unref(f->views, v);
    view_unref(f->views, root);
}

static void too_many_names_are_left_to_the_timeout(void **state)
{
    struct fixture *f = *state;
    static struct catalogue_change c[NOTIFY_MAX_NAMES + 1];
    struct view *root = view_get(f->views, VIEW_ROOT), *v = NULL;
    assert_int_equal(
        view_enter(f->views, root, "status=failed", NULL, NULL, &v), 0);
    hold(f);
    notify_other(f->notify, true, true);
    await_held(f);
    for (size_t i = 0; i < array_count(c); i++)
        c[i] = change(CATALOGUE_ADDED, 100 + (int64_t)i);
    commit(f, c, array_count(c), true);
    let_go(f);
    expect_last(f, array_count(f->kernel.calls), "entry 0/1/1 new.mp4");
    for (size_t i = 0; i < f->kernel.count; i++)
        assert_memory_not_equal(f->kernel.calls[i], "expire", 6);
    view_unref(f->views, v);
    view_unref(f->views, root);
}

static void note_call(void *ctx)
{
    write_down(ctx, "called");
}

static void a_call_comes_after_all_that_was_queued(void **state)
{
    struct fixture *f = *state;
    struct catalogue_change c = change(CATALOGUE_ADDED, 9);
    hold(f);
    notify_other(f->notify, true, true);
    await_held(f);
    assert_int_equal(notify_after(f->notify, note_call, &f->kernel), 0);
    commit(f, &c, 1, false);
    let_go(f);
    EXPECT(f, "entry 0/0/1 other", "inode 0/0/1 -1", "inode 0/1/1 -1",
           "called");
}

static void let_directory_go(struct fixture *f)
{
    {
        guard_mutex(&f->kernel.lock);
        f->kernel.held = 0;
    }
    notify_go_on(f->notify);
}

static void a_name_in_a_directory_that_is_held_is_put_off(void **state)
{
    struct fixture *f = *state;
    struct catalogue_change c = change(CATALOGUE_MOVED, 9);
    c.old_type = ASSET_OTHER;
    f->kernel.held = node_ino(NODE_VIEW, 1, 1);
    hold(f); /* until all is queued */
    commit(f, &c, 1, true);
    await_held(f);
    assert_int_equal(notify_after(f->notify, note_call, &f->kernel), 0);
    let_go(f);
    EXPECT(f, "entry 0/5/1 old.mp4", "inode 5/0/9 0", "inode 0/1/1 -1",
           "inode 0/5/1 -1", "called");
    c = change(CATALOGUE_RENEWED, 3); /* it is looked at again, in vain */
    commit(f, &c, 1, true);
    expect_last(f, 6, "inode 5/0/3 0");
    let_directory_go(f);
    expect_last(f, 7, "entry 0/1/1 new.mp4");
}

static void the_root_is_dropped_when_it_is_let_go(void **state)
{
    struct fixture *f = *state;
    struct catalogue_change c = change(CATALOGUE_RENEWED, 9);
    f->kernel.held = NODE_ROOT;
    hold(f);
    commit(f, &c, 1, true);
    await_held(f);
    for (int i = 0; i < NOTIFY_MAX + 1; i++)
        commit(f, &c, 1, true);
    let_go(f);
    let_directory_go(f);
    expect_last(f, 2, "entry 0/0/1 video");
}

static void a_call_is_made_though_nothing_runs(void **state)
{
    struct fixture *f = *state;
    notify_stop(f->notify);
    assert_int_equal(notify_after(f->notify, note_call, &f->kernel), 0);
    assert_int_equal(f->kernel.count, 1);
}

static void nothing_is_said_after_the_stop(void **state)
{
    struct fixture *f = *state;
    struct catalogue_change c = change(CATALOGUE_RENEWED, 9);
    commit(f, &c, 1, true);
    expect_last(f, 1, "inode 5/0/9 0");
    notify_stop(f->notify);
    commit(f, &c, 1, true);
    notify_other(f->notify, true, true);
    notify_pages(f->notify, 4);
    assert_int_equal(f->kernel.count, 1);
}

#define TEST(function)                                                         \
    cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(added_ends_the_absence_and_the_listing),
        TEST(added_spares_names_nobody_was_refused),
        TEST(directories_are_told_once_a_commit),
        TEST(removed_is_a_deletion),
        TEST(a_folder_in_use_is_dropped_by_name),
        TEST(what_is_not_cached_needs_no_second_word),
        TEST(changed_drops_the_pages_of_all_its_files),
        TEST(links_that_come_and_go_reset_the_folder),
        TEST(a_first_picture_brings_the_link_to_media),
        TEST(a_listing_without_known_names_loses_its_pages),
        TEST(renamed_is_dropped_not_deleted),
        TEST(moved_is_dropped_there_and_added_here),
        TEST(other_goes_without_a_burial),
        TEST(other_comes_quietly_while_absences_are_short),
        TEST(overflow_drops_whole_directories),
        TEST(query_directories_hear_of_names_too),
        TEST(too_many_names_are_left_to_the_timeout),
        TEST(a_call_comes_after_all_that_was_queued),
        TEST(a_name_in_a_directory_that_is_held_is_put_off),
        TEST(the_root_is_dropped_when_it_is_let_go),
        TEST(a_call_is_made_though_nothing_runs),
        TEST(nothing_is_said_after_the_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
