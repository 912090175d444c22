/* SPDX-License-Identifier: MIT */
/*
 * What one answer proves: apply.c alone, over the real catalogue, without a
 * thread. The world's things are the account; each answer is made by hand.
 */
#include "sync_world.h"

#include "sync/sync_internal.h"

static int64_t now_ms = 1000;

struct told {
    int64_t page;
    int limit;
    int64_t asked_ms, answered_ms;
    int64_t total, total_pages; /* 0: as the account has it */
    bool turned;
    bool last; /* the page after it was seen empty */
};

/* Applies a page of the account as it is now. */
static struct apply_result apply(struct world *w, struct told a)
{
    struct page page;
    struct apply_result result;
    const struct question q = {.page = a.page, .limit = a.limit};
    const struct apply_options options = {
        .page = a.page, .page_limit = a.limit, .named = true, .last = a.last};
    const struct api_answer answer = {a.asked_ms, a.answered_ms, WORLD_NOW};
    world_answer(w, &q, &page);
    if (a.total)
        page.total_results = a.total;
    if (a.total_pages)
        page.total_pages = a.total_pages;
    if (a.turned)
        world_turn(&page);
    assert_int_equal(apply_page(w->sync, &options, &page, &answer, &result), 0);
    page_done(&page);
    return result;
}

/* An answer asked for after all that was answered before. */
static struct told later(int64_t page, int limit)
{
    now_ms += 10;
    return (struct told){.page = page,
                         .limit = limit,
                         .asked_ms = now_ms,
                         .answered_ms = now_ms + 1};
}

static void read_pages(struct world *w)
{
    for (int64_t page = (w->count + 49) / 50; page >= 1; page--)
        (void)apply(w, later(page, 50));
    assert_int_equal(world_known(w), w->count);
}

static void begin(struct world *w, int count)
{
    const struct sync_config config = {.timeout_ms = 1000, .walk_parallel = 8};
    world_fill(w, count);
    assert_int_equal(
        sync_new(w->catalogue, NULL, &config, world_committed, NULL, &w->sync),
        0);
}

static void read_all(struct world *w, int count)
{
    begin(w, count);
    read_pages(w);
}

static void what_stood_within_is_gone(void **state)
{
    struct world *w = &world;
    read_all(w, 300);
    world_delete(w, 75);
    assert_int_equal(apply(w, later(2, 50)).removed, 1);
    world_check(w);
}

static void what_stood_outside_stays(void **state)
{
    struct world *w = &world;
    read_all(w, 300);
    world_delete(w, 20);
    world_delete(w, 200);
    assert_int_equal(apply(w, later(3, 50)).removed, 0);
    assert_int_equal(world_known(w), 300);
}

static void the_ends_of_the_list_prove_what_lies_beyond(void **state)
{
    struct world *w = &world;
    read_all(w, 300);
    world_delete(w, 0);
    assert_int_equal(apply(w, later(1, 50)).removed, 1);
    world_delete(w, w->count - 1);
    struct told last = later(6, 50);
    assert_int_equal(apply(w, last).removed, 0);
    last.last = true;
    assert_int_equal(apply(w, last).removed, 1);
    world_check(w);
}

static void equal_seconds_at_a_border_prove_nothing(void **state)
{
    struct world *w = &world;
    begin(w, 300);
    for (int i = 90; i < 110; i++)
        w->things[i].created_s = w->things[110].created_s;
    read_pages(w);
    world_delete(w, 95); /* the page ends among its equals */
    assert_int_equal(apply(w, later(2, 50)).removed, 0);
    assert_int_equal(world_known(w), 300);
    assert_int_equal(apply(w, later(2, 70)).removed, 1); /* holds them all */
    world_check(w);
}

static void an_older_answer_takes_nothing_newer_away(void **state)
{
    struct world *w = &world;
    read_all(w, 300);
    now_ms += 100;
    world_create(w);
    int newest = w->things[0].number;
    struct told first = later(1, 50);
    first.answered_ms = first.asked_ms + 10;
    (void)apply(w, first);
    world_delete(w, 0); /* as the list was before */
    struct told second = first;
    second.asked_ms = first.asked_ms + 5;
    assert_int_equal(apply(w, second).removed, 0);
    assert_true(world_knows(w, newest));
    now_ms += 100;
    assert_int_equal(apply(w, later(1, 50)).removed, 1);
}

/* It was on its way while another one showed what had gone. */
static void an_older_answer_brings_nothing_back(void **state)
{
    struct world *w = &world;
    read_all(w, 300);
    struct told old = later(2, 50);
    struct told newer = later(2, 50);
    struct thing gone = w->things[75];
    world_delete(w, 75);
    assert_int_equal(apply(w, newer).removed, 1);
    world_insert(w, 75, gone.created_s, NULL); /* as the list was before */
    w->things[75] = gone;
    old.answered_ms = newer.answered_ms + 1;
    assert_int_equal(apply(w, old).added, 0);
    assert_false(world_knows(w, gone.number));
    assert_int_equal(apply(w, later(2, 50)).added, 1); /* it was no deletion */
}

/* More than are remembered were added after it was asked for. */
static void an_answer_from_before_many_additions_proves_nothing(void **state)
{
    struct world *w = &world;
    read_all(w, 1000);
    world_delete(w, 75);
    struct told old = {
        .page = 2, .limit = 50, .asked_ms = 1000, .answered_ms = now_ms + 1};
    assert_int_equal(apply(w, old).removed, 0);
    assert_int_equal(apply(w, later(2, 50)).removed, 1);
}

static void an_answer_out_of_order_proves_nothing(void **state)
{
    struct world *w = &world;
    read_all(w, 300);
    world_delete(w, 75);
    struct told turned = later(2, 50);
    turned.turned = true;
    struct apply_result result = apply(w, turned);
    assert_int_equal(result.removed, 0);
    assert_false(result.has_boundaries);
}

/* Its total says that it is last, and nothing was seen. */
static void a_total_ends_no_list(void **state)
{
    struct world *w = &world;
    read_all(w, 300);
    struct told chance = later(2, 50);
    chance.total = 100;
    chance.total_pages = 2;
    assert_int_equal(apply(w, chance).removed, 0);
    assert_int_equal(world_known(w), 300);
}

static void an_account_that_is_empty_empties_the_catalogue(void **state)
{
    struct world *w = &world;
    read_all(w, 9000); /* more than one transaction takes */
    w->count = 0;
    struct told empty = later(1, 50);
    assert_int_equal(apply(w, empty).removed, 0);
    empty.last = true; /* page 2 was looked at, too */
    assert_int_equal(apply(w, empty).removed, 9000);
    assert_int_equal(world_known(w), 0);
}

static void a_page_past_the_end_proves_nothing(void **state)
{
    struct world *w = &world;
    read_all(w, 300);
    assert_int_equal(apply(w, later(9, 50)).removed, 0);
    assert_int_equal(world_known(w), 300);
}

static void boundaries_say_how_many_are_newer(void **state)
{
    struct world *w = &world;
    read_all(w, 300);
    struct apply_result result = apply(w, later(2, 50));
    assert_true(result.has_boundaries);
    assert_int_equal(result.newest.created_s, w->things[50].created_s);
    assert_int_equal(result.newest.newer, 51);
    assert_int_equal(result.oldest.created_s, w->things[98].created_s);
    assert_int_equal(result.oldest.newer, 99);
}

static void assets_without_a_time_keep_their_place(void **state)
{
    struct world *w = &world;
    begin(w, 300);
    w->things[75].created_s = ASSET_NO_TIME;
    w->things[299].created_s = ASSET_NO_TIME;
    read_pages(w);
    for (int64_t page = 6; page >= 1; page--)
        assert_int_equal(apply(w, later(page, 50)).removed, 0);
    world_check(w);
}

/* ---- by id ---- */

/* An empty answer about one asset, with this total, perhaps the second. */
static size_t ask_about(struct world *w, const char *id, int64_t total,
                        bool confirmed)
{
    struct catalogue_entry e;
    struct catalogue_reader *r = catalogue_reader_acquire(w->catalogue);
    struct catalogue_slot place = {.id = strdup(id)};
    assert_int_equal(catalogue_get_by_id(r, id, &e), 0);
    place.row = e.row;
    place.created_s = e.created_s;
    catalogue_reader_release(r);
    struct page page = {.total_results = total, .total_pages = 1};
    size_t removed = 99;
    size_t doubtful = 99;
    now_ms += 10;
    const struct api_answer answer = {now_ms, now_ms + 1, WORLD_NOW};
    assert_int_equal(apply_ids(w->sync, &place, 1, &page, &answer, confirmed,
                               &removed, &doubtful),
                     0);
    assert_int_equal(doubtful, !confirmed && total != 0);
    free(place.id);
    return removed;
}

static void an_id_that_a_whole_answer_lacks_is_gone(void **state)
{
    struct world *w = &world;
    char id[32];
    read_all(w, 300);
    world_id(100, id);
    assert_int_equal(ask_about(w, id, 0, false), 1);
    assert_false(world_knows(w, 100));
}

static void an_answer_that_is_not_whole_proves_no_id_gone(void **state)
{
    struct world *w = &world;
    char id[32];
    read_all(w, 300);
    world_id(100, id);
    assert_int_equal(ask_about(w, id, 1, false), 0);
    assert_int_equal(ask_about(w, id, -1, false), 0);
    assert_true(world_knows(w, 100));
}

/* Its total may be a string, or off by sixty. */
static void two_answers_that_lack_an_id_prove_it_gone(void **state)
{
    struct world *w = &world;
    char id[32];
    read_all(w, 300);
    world_id(100, id);
    assert_int_equal(ask_about(w, id, 60, false), 0);
    assert_int_equal(ask_about(w, id, 60, true), 1);
    assert_false(world_knows(w, 100));
}

static void asking_for_a_made_id_proves_nothing(void **state)
{
    struct world *w = &world;
    char id[32];
    begin(w, 300);
    w->things[100].nameless = true;
    read_pages(w);
    (void)snprintf(id, sizeof(id), "noid-%016d", w->things[100].number);
    assert_int_equal(ask_about(w, id, 0, true), 0);
    assert_int_equal(world_known(w), 300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        world_test(what_stood_within_is_gone),
        world_test(what_stood_outside_stays),
        world_test(the_ends_of_the_list_prove_what_lies_beyond),
        world_test(equal_seconds_at_a_border_prove_nothing),
        world_test(an_older_answer_takes_nothing_newer_away),
        world_test(an_older_answer_brings_nothing_back),
        world_test(an_answer_from_before_many_additions_proves_nothing),
        world_test(an_answer_out_of_order_proves_nothing),
        world_test(a_total_ends_no_list),
        world_test(an_account_that_is_empty_empties_the_catalogue),
        world_test(a_page_past_the_end_proves_nothing),
        world_test(boundaries_say_how_many_are_newer),
        world_test(assets_without_a_time_keep_their_place),
        world_test(an_id_that_a_whole_answer_lacks_is_gone),
        world_test(an_answer_that_is_not_whole_proves_no_id_gone),
        world_test(two_answers_that_lack_an_id_prove_it_gone),
        world_test(asking_for_a_made_id_proves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
