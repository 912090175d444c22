/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>

#include "upload/watch.h"
#include "upload_place.h"

static struct watch *open_here(void **state)
{
    struct watch *w = NULL;
    assert_int_equal(watch_open(*state, &w), 0);
    return w;
}

static void scan_finds(struct watch *w, const char *const *names)
{
    struct watch_file *files = NULL;
    size_t count = 0, want = 0;
    assert_int_equal(watch_scan(w, &files, &count), 0);
    while (names[want])
        want++;
    assert_int_equal(count, want);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(files[i].path, names[i]);
    watch_files_free(files, count);
}

static bool is_told(const struct watch *w)
{
    struct pollfd fd = {.fd = watch_event_fd(w), .events = POLLIN};
    return poll(&fd, 1, 10000) == 1;
}

static void a_scan_sees_files_and_what_is_below(void **state)
{
    static const char *const names[] = {"-b", "a.mp4", "d/e/x", "d/y", NULL};
    struct watch *w = open_here(state);
    assert_int_equal(mkdir(place_path(state, "d"), 0700), 0);
    assert_int_equal(mkdir(place_path(state, "d/e"), 0700), 0);
    assert_int_equal(mkdir(place_path(state, ".hidden"), 0700), 0);
    assert_int_equal(mkfifo(place_path(state, "fifo"), 0600), 0);
    assert_int_equal(symlink("/etc", place_path(state, "etc")), 0);
    place_write(state, "a.mp4", "x");
    place_write(state, "-b", "x");
    place_write(state, "c.part", "x");
    place_write(state, "d/e/x", "x");
    place_write(state, "d/y", "x");
    place_write(state, ".hidden/z", "x");
    scan_finds(w, names);
    watch_close(w);
}

static void changes_are_told_also_below(void **state)
{
    static const char *const none[] = {NULL};
    struct watch *w = open_here(state);
    assert_int_equal(mkdir(place_path(state, "d"), 0700), 0);
    scan_finds(w, none);
    (void)watch_take_events(w);
    assert_false(watch_take_events(w));
    place_write(state, "d/.x", "x");
    assert_true(is_told(w) && watch_take_events(w));
    assert_false(watch_take_events(w));
    assert_int_equal(
        rename(place_path(state, "d/.x"), place_path(state, "d/x")), 0);
    assert_true(is_told(w) && watch_take_events(w));
    assert_int_equal(unlink(place_path(state, "d/x")), 0);
    assert_true(is_told(w) && watch_take_events(w));
    watch_close(w);
}

/* More events than the kernel keeps: what is there is found all the same. */
static void a_queue_that_overflows_is_one_more_change(void **state)
{
    static const char *const none[] = {NULL};
    static const char *const names[] = {"z", NULL};
    struct watch *w = open_here(state);
    scan_finds(w, none);
    place_write(state, "x", "x");
    for (int i = 0; i < 20000; i++)
        assert_int_equal(rename(place_path(state, i % 2 ? "y" : "x"),
                                place_path(state, i % 2 ? "x" : "y")),
                         0);
    assert_int_equal(rename(place_path(state, "x"), place_path(state, "z")), 0);
    assert_true(is_told(w) && watch_take_events(w));
    scan_finds(w, names);
    watch_close(w);
}

static void one_watches_at_a_time(void **state)
{
    struct watch *w = open_here(state), *other = NULL;
    assert_int_equal(watch_open(*state, &other), -EBUSY);
    watch_close(w);
    w = open_here(state);
    watch_close(w);
    assert_int_equal(watch_open("/nowhere", &other), -ENOENT);
    assert_int_equal(watch_open("/etc/passwd", &other), -ENOTDIR);
}

static void a_folder_that_is_away_says_nothing(void **state)
{
    static const char *const names[] = {"x", NULL};
    struct watch *w = NULL;
    struct watch_file *files = NULL;
    size_t count = 0;
    assert_int_equal(mkdir(place_path(state, "f"), 0700), 0);
    place_write(state, "f/x", "x");
    assert_int_equal(watch_open(place_path(state, "f"), &w), 0);
    scan_finds(w, names);
    assert_int_equal(rename(place_path(state, "f"), place_path(state, "g")), 0);
    assert_int_equal(watch_scan(w, &files, &count), -ENOTCONN);
    assert_int_equal(rename(place_path(state, "g"), place_path(state, "f")), 0);
    scan_finds(w, names);
    assert_int_equal(rename(place_path(state, "f"), place_path(state, "g")), 0);
    assert_int_equal(mkdir(place_path(state, "f"), 0700), 0);
    scan_finds(w, names + 1);
    watch_close(w);
}

int main(void)
{
#define IN_A_PLACE(test)                                                       \
    cmocka_unit_test_setup_teardown(test, place_make, place_unmake)
    const struct CMUnitTest tests[] = {
        IN_A_PLACE(a_scan_sees_files_and_what_is_below),
        IN_A_PLACE(changes_are_told_also_below),
        IN_A_PLACE(a_queue_that_overflows_is_one_more_change),
        IN_A_PLACE(one_watches_at_a_time),
        IN_A_PLACE(a_folder_that_is_away_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
