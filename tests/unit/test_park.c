/* SPDX-License-Identifier: MIT */
/* What waits for sync and media is the mount tests'; here what waits for the
 * kernel to be told. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mount/mount.h"
#include "tree/node.h"
#include "mount/notify.h"
#include "mount/park.h"

#define BLOCKS UINT64_C(99) /* a file of which telling waits for the gate */

/* Stands before libfuse's: there is no kernel that interrupts. */
__attribute__((visibility("default"))) void
fuse_req_interrupt_func(fuse_req_t req, fuse_interrupt_func_t func, void *data)
{
}

struct world {
    struct mount mount;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    bool open;       /* the gate */
    int told;        /* names */
    int told_before; /* … when somebody was woken */
    int woken;
};

static void world_wake(void *ctx)
{
    struct world *w = ctx;
    guard_mutex(&w->lock);
    w->woken++;
    w->told_before = w->told;
    (void)pthread_cond_broadcast(&w->changed);
}

static bool kernel_is_held(void *ctx, uint64_t directory)
{
    return park_holds(((struct world *)ctx)->mount.park, directory);
}

static int kernel_inval_inode(void *ctx, uint64_t ino, int64_t off)
{
    struct world *w = ctx;
    guard_mutex(&w->lock);
    while (ino == BLOCKS && !w->open)
        (void)pthread_cond_wait(&w->changed, &w->lock);
    return 0;
}

static int kernel_inval_entry(void *ctx, uint64_t parent, const char *name)
{
    struct world *w = ctx;
    guard_mutex(&w->lock);
    w->told++;
    (void)pthread_cond_broadcast(&w->changed);
    return 0;
}

static int set_up(void **state)
{
    static const struct notify_kernel kernel = {
        .is_held = kernel_is_held,
        .inval_inode = kernel_inval_inode,
        .inval_entry = kernel_inval_entry,
    };
    struct world *w = calloc(1, sizeof(*w));
    if (!w)
        return -1;
    (void)pthread_mutex_init(&w->lock, NULL);
    (void)pthread_cond_init(&w->changed, NULL);
    w->mount.timeout_ms = 60000;
    *state = w;
    return view_table_new(&w->mount.tree.views) ||
           notify_new(&kernel, w, w->mount.tree.views, &w->mount.notify) ||
           park_new(NULL, NULL, world_wake, w, &w->mount.park) ||
           notify_start(w->mount.notify);
}

static int tear_down(void **state)
{
    struct world *w = *state;
    notify_free(w->mount.notify);
    park_free(w->mount.park);
    view_table_free(w->mount.tree.views);
    (void)pthread_cond_destroy(&w->changed);
    (void)pthread_mutex_destroy(&w->lock);
    free(w);
    return 0;
}

static struct request in_root(struct world *w, enum fs_operation operation)
{
    return (struct request){.mount = &w->mount,
                            .operation = operation,
                            .ino = NODE_ROOT,
                            .name = "name",
                            .text = "text"};
}

static void open_gate(struct world *w)
{
    guard_mutex(&w->lock);
    w->open = true;
    (void)pthread_cond_broadcast(&w->changed);
}

static void wait_woken(struct world *w, int count)
{
    guard_mutex(&w->lock);
    while (w->woken < count)
        (void)pthread_cond_wait(&w->changed, &w->lock);
}

/* The one that is ready, with what it was parked with; gone afterwards. */
static void take_one(struct world *w, int answer)
{
    assert_true(park_is_ready(w->mount.park));
    struct request *r = park_take(w->mount.park);
    assert_non_null(r);
    assert_int_equal(r->answer, answer);
    assert_string_equal(r->name, "name");
    assert_string_equal(r->text, "text");
    parked_free(r);
    assert_null(park_take(w->mount.park));
}

/* twelvefs save, forget, refresh: once they end, the kernel knows. */
static void a_command_waits_until_the_kernel_was_told(void **state)
{
    struct world *w = *state;
    notify_written(w->mount.notify, BLOCKS);
    notify_saved(w->mount.notify, VIEW_ROOT, "name");
    {
        char name[] = "name", text[] = "text"; /* are copied */
        struct request r = in_root(w, FS_COMMAND);
        r.name = name;
        r.text = text;
        assert_int_equal(park_flush(&r), REQUEST_PARKED);
        memset(name, 'x', sizeof(name) - 1);
        memset(text, 'x', sizeof(text) - 1);
    }
    assert_int_equal(park_count(w->mount.park), 1);
    assert_int_equal(w->woken, 0);
    open_gate(w);
    wait_woken(w, 1);
    assert_int_equal(w->told_before, 1);
    take_one(w, 0);
}

/* The kernel would wait for the directory's lock, which the look-up holds. */
static void what_a_parked_lookup_holds_up_is_put_off(void **state)
{
    struct world *w = *state;
    notify_written(w->mount.notify, BLOCKS);
    notify_saved(w->mount.notify, VIEW_ROOT, "name");
    struct request r = in_root(w, FS_LOOKUP);
    assert_int_equal(park_flush(&r), REQUEST_PARKED);
    assert_true(park_holds(w->mount.park, NODE_ROOT));
    assert_false(park_holds(w->mount.park, NODE_ROOT + 1));
    open_gate(w);
    wait_woken(w, 1);
    assert_int_equal(w->told_before, 0);
    take_one(w, 0);
    assert_false(park_holds(w->mount.park, NODE_ROOT));
    notify_go_on(w->mount.notify);
    guard_mutex(&w->lock);
    while (w->told == 0)
        (void)pthread_cond_wait(&w->changed, &w->lock);
}

static void once_it_is_closed_nothing_waits(void **state)
{
    struct world *w = *state;
    park_close(w->mount.park);
    struct request r = in_root(w, FS_COMMAND);
    assert_int_equal(park_flush(&r), -ESHUTDOWN);
    assert_null(r.parked);
    assert_int_equal(park_count(w->mount.park), 0);
    assert_null(park_take(w->mount.park));
}

static void who_waits_at_the_end_is_answered(void **state)
{
    struct world *w = *state;
    notify_written(w->mount.notify, BLOCKS);
    struct request r = in_root(w, FS_COMMAND);
    assert_int_equal(park_flush(&r), REQUEST_PARKED);
    open_gate(w);
    notify_stop(w->mount.notify);
    wait_woken(w, 1);
    park_close(w->mount.park);
    take_one(w, 0);
}

#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_command_waits_until_the_kernel_was_told),
        T(what_a_parked_lookup_holds_up_is_put_off),
        T(once_it_is_closed_nothing_waits),
        T(who_waits_at_the_end_is_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
