/* SPDX-License-Identifier: MIT */
#include "tree/view.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static int set_up(void **state)
{
    struct view_table *t = NULL;
    int err = view_table_new(&t);
    *state = t;
    return err;
}

static int tear_down(void **state)
{
    view_table_free(*state);
    return 0;
}

static struct view *enter(struct view_table *t, struct view *parent,
                          const char *segment)
{
    struct view *v = NULL;
    assert_int_equal(view_enter(t, parent, segment, NULL, NULL, &v), 0);
    return v;
}

static void types_and_root_are_there_from_the_start(void **state)
{
    struct view_table *t = *state;
    struct view *root = view_get(t, VIEW_ROOT);
    struct view *audio = view_get(t, VIEW_FIRST_TYPE + ASSET_AUDIO);
    assert_non_null(root);
    assert_string_equal(root->path, "");
    assert_int_equal(root->query.count, 0);
    assert_string_equal(audio->path, "audio");
    assert_ptr_equal(audio->parent, root);
    assert_int_equal(audio->query.count, 1);
    view_unref(t, audio);
    view_unref(t, root);
    audio = view_get(t, VIEW_FIRST_TYPE + ASSET_AUDIO);
    assert_non_null(audio); /* unref'ing doesn't drop these */
    view_unref(t, audio);
}

static void a_path_of_segments_is_one_view_with_its_place(void **state)
{
    struct view_table *t = *state;
    struct view *video = view_get(t, VIEW_FIRST_TYPE + ASSET_VIDEO);
    struct view *a = enter(t, video, "filename=x");
    struct view *b = enter(t, a, "status=failed");
    struct view *again = enter(t, a, "status=failed");
    assert_ptr_equal(b, again);
    assert_string_equal(b->path, "video/filename=x/status=failed");
    assert_string_equal(b->segment, "status=failed");
    assert_int_equal(b->depth, 3);
    assert_int_equal(b->query.count, 3);
    view_unref(t, again);
    view_unref(t, b);
    view_unref(t, a);
    view_unref(t, video);
    assert_int_equal(view_count(t), 0);
}

static void two_orders_are_two_views(void **state)
{
    struct view_table *t = *state;
    struct view *root = view_get(t, VIEW_ROOT);
    struct view *a = enter(t, root, "filename=x");
    struct view *b = enter(t, root, "status=failed");
    struct view *ab = enter(t, a, "status=failed");
    struct view *ba = enter(t, b, "filename=x");
    assert_int_not_equal(ab->number, ba->number);
    view_unref(t, ab);
    view_unref(t, ba);
    view_unref(t, a);
    view_unref(t, b);
    view_unref(t, root);
}

static void the_kernel_and_children_keep_a_view(void **state)
{
    struct view_table *t = *state;
    struct view *root = view_get(t, VIEW_ROOT);
    struct view *a = enter(t, root, "filename=x");
    struct view *b = enter(t, a, "status=failed");
    uint32_t parent = a->number, child = b->number;
    view_remember(t, child, 3);
    view_unref(t, b);
    view_unref(t, a);
    view_unref(t, root);
    assert_int_equal(view_count(t), 2); /* the child keeps its parent */
    view_forget(t, child, 2);
    assert_int_equal(view_count(t), 2);
    view_forget(t, child, 1);
    assert_int_equal(view_count(t), 0);
    assert_null(view_get(t, parent));
    assert_null(view_get(t, child));
    view_forget(t, child, 1); /* a stray one does no harm */
}

static void unusable_segments_are_refused(void **state)
{
    struct view_table *t = *state;
    struct view *root = view_get(t, VIEW_ROOT), *v = NULL;
    struct view *ids = view_get(t, VIEW_ID);
    char longest[400];
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    memcpy(longest, "filename=", 9);
    assert_int_equal(view_enter(t, root, "nokey=1", NULL, NULL, &v), -ENOENT);
    assert_int_equal(view_enter(t, ids, "filename=x", NULL, NULL, &v), -ENOENT);
    assert_int_equal(view_enter(t, root, longest, NULL, NULL, &v),
                     -ENAMETOOLONG);
    assert_null(v);
    assert_int_equal(view_count(t), 0);
    view_unref(t, ids);
    view_unref(t, root);
}

static void depth_ends_at_sixteen(void **state)
{
    struct view_table *t = *state;
    struct view *v = view_get(t, VIEW_ROOT);
    int depth = 0, err;
    for (;; depth++) {
        struct view *next = NULL;
        err = view_enter(t, v, "filename=x", NULL, NULL, &next);
        view_unref(t, v);
        if (err)
            break;
        view_remember(t, next->number, 1);
        v = next;
    }
    assert_int_equal(err, -ENOENT);
    assert_int_equal(depth, QUERY_MAX_TERMS);
}

static void ten_thousand_forgotten_views_leave_little(void **state)
{
    struct view_table *t = *state;
    struct view *root = view_get(t, VIEW_ROOT);
    size_t before = mallinfo2().uordblks;
    for (int i = 0; i < 10000; i++) {
        char segment[64];
        (void)snprintf(segment, sizeof(segment), "filename=meeting %d", i);
        struct view *v = enter(t, root, segment);
        view_remember(t, v->number, 1);
        view_unref(t, v);
    }
    assert_int_equal(view_count(t), 10000);
    for (uint32_t n = VIEW_FIRST_QUERY; n < VIEW_FIRST_QUERY + 10000; n++)
        view_forget(t, n, 1);
    assert_int_equal(view_count(t), 0);
    size_t after = mallinfo2().uordblks;
    assert_true(after < before + (1u << 20));
    view_unref(t, root);
}

static void views_alive_are_bounded(void **state)
{
    struct view_table *t = *state;
    struct view *root = view_get(t, VIEW_ROOT), *v = NULL;
    char segment[64];
    for (int i = 0; i < VIEW_MAX; i++) {
        (void)snprintf(segment, sizeof(segment), "filename=%d", i);
        v = enter(t, root, segment);
        view_remember(t, v->number, 1);
        view_unref(t, v);
    }
    assert_int_equal(view_enter(t, root, "filename=more", NULL, NULL, &v),
                     -ENFILE);
    view_unref(t, root);
}

struct racer {
    struct view_table *t;
    int failures;
};

/* Enters and leaves the same few paths as the others do. */
static void *race(void *ctx)
{
    struct racer *r = ctx;
    struct view *root = view_get(r->t, VIEW_ROOT);
    for (int i = 0; i < 5000; i++) {
        char segment[32];
        struct view *a = NULL, *b = NULL;
        (void)snprintf(segment, sizeof(segment), "filename=%d", i % 7);
        if (view_enter(r->t, root, segment, NULL, NULL, &a)) {
            r->failures++;
            continue;
        }
        if (view_enter(r->t, a, "status=ready", NULL, NULL, &b) ||
            b->parent != a)
            r->failures++;
        uint32_t number = b->number;
        view_remember(r->t, number, 1);
        view_unref(r->t, b);
        view_unref(r->t, a);
        struct view *again = view_get(r->t, number);
        r->failures += !again;
        view_unref(r->t, again);
        view_forget(r->t, number, 1);
    }
    view_unref(r->t, root);
    return NULL;
}

static void threads_may_enter_and_forget_at_once(void **state)
{
    struct racer racers[4];
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        racers[i] = (struct racer){.t = *state};
        assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]),
                         0);
    }
    for (int i = 0; i < 4; i++) {
        (void)pthread_join(threads[i], NULL);
        assert_int_equal(racers[i].failures, 0);
    }
    assert_int_equal(view_count(*state), 0);
}

#define TEST(function)                                                         \
    cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(types_and_root_are_there_from_the_start),
        TEST(a_path_of_segments_is_one_view_with_its_place),
        TEST(two_orders_are_two_views),
        TEST(the_kernel_and_children_keep_a_view),
        TEST(unusable_segments_are_refused),
        TEST(depth_ends_at_sixteen),
        TEST(ten_thousand_forgotten_views_leave_little),
        TEST(views_alive_are_bounded),
        TEST(threads_may_enter_and_forget_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
