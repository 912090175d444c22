/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "mount/history.h"

static int make_history(void **state)
{
    struct history *h = NULL;
    int err = history_new(&h);
    *state = h;
    return err;
}

static int free_history(void **state)
{
    history_free(*state);
    return 0;
}

static void add(struct history *h, struct catalogue_change change)
{
    const struct catalogue_diff diff = {.changes = &change, .count = 1};
    history_add(h, &diff);
}

static void create(struct history *h, int number)
{
    char name[32];
    (void)snprintf(name, sizeof(name), "f%d", number);
    add(h, (struct catalogue_change){
               .kind = CATALOGUE_ADDED, .type = ASSET_VIDEO, .folder = name});
}

static void says(struct history *h, const struct history_mark *since,
                 const char *expected)
{
    cleanup(buf_done) struct buf out = {.max = 10000};
    assert_int_equal(history_text(h, since, &out), 0);
    assert_string_equal(buf_str(&out), expected);
}

static void each_kind_is_counted_and_named_in_order(void **state)
{
    struct history *h = *state;
    struct history_mark start;
    history_now(h, &start);
    says(h, &start, "nothing changed\n");
    create(h, 1);
    add(h, (struct catalogue_change){.kind = CATALOGUE_REMOVED,
                                     .old_type = ASSET_IMAGE,
                                     .old_folder = (char *)"gone.png"});
    add(h, (struct catalogue_change){.kind = CATALOGUE_MOVED,
                                     .type = ASSET_AUDIO,
                                     .old_type = ASSET_VIDEO,
                                     .old_folder = (char *)"m",
                                     .folder = (char *)"m"});
    says(h, &start,
         "1 created, 1 deleted, 1 changed\n+ video/f1\n- image/gone.png\n"
         "~ audio/m\n");
}

/* What nobody could see isn't news: unnamed ones, new signatures. */
static void what_has_no_name_is_not_told(void **state)
{
    struct history *h = *state;
    struct history_mark start;
    history_now(h, &start);
    add(h, (struct catalogue_change){.kind = CATALOGUE_ADDED});
    add(h, (struct catalogue_change){.kind = CATALOGUE_REMOVED});
    add(h, (struct catalogue_change){.kind = CATALOGUE_CHANGED});
    add(h, (struct catalogue_change){.kind = CATALOGUE_RENEWED,
                                     .folder = (char *)"r"});
    says(h, &start, "nothing changed\n");
}

static void who_asks_later_hears_of_what_came_since(void **state)
{
    struct history *h = *state;
    struct history_mark start, middle;
    history_now(h, &start);
    create(h, 1);
    history_now(h, &middle);
    create(h, 2);
    says(h, &start,
         "2 created, 0 deleted, 0 changed\n+ video/f1\n+ video/f2\n");
    says(h, &middle, "1 created, 0 deleted, 0 changed\n+ video/f2\n");
}

/* Counts are exact, names are the last of them. */
static void of_many_the_last_hundred_are_named(void **state)
{
    struct history *h = *state;
    struct history_mark start;
    cleanup(buf_done) struct buf out = {.max = 10000};
    history_now(h, &start);
    for (int i = 0; i < HISTORY_NAMES; i++)
        create(h, i);
    assert_int_equal(history_text(h, &start, &out), 0);
    assert_null(strstr(buf_str(&out), "earlier"));
    assert_non_null(strstr(buf_str(&out), "+ video/f0\n"));
    create(h, HISTORY_NAMES);
    buf_reset(&out);
    assert_int_equal(history_text(h, &start, &out), 0);
    assert_non_null(strstr(buf_str(&out), "101 created"));
    assert_non_null(strstr(buf_str(&out), "… 1 earlier ones\n+ video/f1\n"));
    assert_null(strstr(buf_str(&out), "+ video/f0\n"));
    assert_non_null(strstr(buf_str(&out), "+ video/f100\n"));
}

static void a_buffer_that_is_full_is_told(void **state)
{
    struct history *h = *state;
    struct history_mark start;
    cleanup(buf_done) struct buf out = {.max = 40};
    history_now(h, &start);
    for (int i = 0; i < 10; i++)
        create(h, i);
    assert_int_equal(history_text(h, &start, &out), -E2BIG);
}

#define T(test)                                                                \
    cmocka_unit_test_setup_teardown(test, make_history, free_history)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(each_kind_is_counted_and_named_in_order),
        T(what_has_no_name_is_not_told),
        T(who_asks_later_hears_of_what_came_since),
        T(of_many_the_last_hundred_are_named),
        T(a_buffer_that_is_full_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
