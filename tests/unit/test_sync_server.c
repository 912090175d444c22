/* SPDX-License-Identifier: MIT */
/*
 * Servers that are wrong, odd or away: sync gets right what can be, takes away
 * nothing on their word, and never asks without end.
 */
#include "sync_world.h"

static void wait_a_while(struct world *w, int64_t ms)
{
    const struct sync_question q = {.want = SYNC_COMPLETE};
    (void)sync_wait(w->sync, &q, clock_mono_ms() + ms);
}

/* ---- totals ---- */

static void a_total_that_is_too_large_ends_no_walk(void **state)
{
    struct world *w = &world;
    static const int lies[] = {1, 3, 49, 50, 51, 230, 2000};
    for (size_t i = 0; i < array_count(lies); i++) {
        w->lie = lies[i];
        world_walked(w, 1010);
        world_check(w);
        int pages = (1010 + lies[i]) / 50;
        if (world_requests(w) > (uint64_t)pages * 3 / 2 + 30)
            fail_msg("too large by %d: %d requests", lies[i],
                     (int)world_requests(w));
        world_teardown(state);
        world_setup(state);
    }
}

static void a_total_that_is_a_little_small_hides_nothing(void **state)
{
    struct world *w = &world;
    w->lie = -3;
    world_walked(w, 1010);
    world_check(w);
    assert_true(world_requests(w) <= 60);
}

static void a_total_far_too_small_hides_nothing(void **state)
{
    struct world *w = &world;
    struct sync_status status;
    w->lie = -400;
    world_walked(w, 420);
    world_check(w);
    assert_true(world_requests(w) <= 25);
    sync_status(w->sync, &status);
    assert_int_equal(status.stated_total, 20);
    assert_int_equal(status.counted_total, 420);
}

/* One request more, for the list's end, which tells what a total would. */
static void polls_need_no_total(void **state)
{
    struct world *w = &world;
    struct sync_status status;
    world_walked(w, 2000);
    world_change(w, (w->total_absent = true, world_create(w)));
    for (int i = 0; i < 5; i++)
        assert_int_equal(world_poll_cost(w), 2);
    world_check(w);
    sync_status(w->sync, &status);
    assert_int_equal(status.stated_total, -1);
    assert_int_equal(status.counted_total, 2001);
    world_change(w, world_delete(w, 1000));
    assert_true(world_poll_cost(w) <= 25);
    world_check(w);
}

static void a_walk_needs_no_total(void **state)
{
    struct world *w = &world;
    static const int sizes[] = {0, 1, 49, 50, 51, 500, 10000};
    for (size_t i = 0; i < array_count(sizes); i++) {
        w->total_absent = true;
        world_walked(w, sizes[i]);
        world_check(w);
        if (world_requests(w) > (uint64_t)sizes[i] / 50 + 30)
            fail_msg("%d requests for %d", (int)world_requests(w), sizes[i]);
        world_teardown(state);
        world_setup(state);
    }
}

static void delete_two_after_first(struct world *w)
{
    if (w->told != 1)
        return;
    world_delete(w, 10);
    world_delete(w, 10);
}

/* What was on page 2 has moved to page 1 when page 2 is seen empty. */
static void an_empty_page_says_nothing_of_an_earlier_full_one(void **state)
{
    struct world *w = &world;
    w->total_absent = true;
    w->before = delete_two_after_first;
    world_walked(w, 51);
    world_check(w);
}

/* An everyday thing: a count that is cached for some seconds. */
static void a_total_behind_the_list_takes_nothing_away(void **state)
{
    struct world *w = &world;
    world_walked(w, 400);
    world_change(w, w->total_lag = 8);
    (void)world_poll_cost(w);
    world_change(w, {
        for (int i = 0; i < 120; i++)
            world_create(w);
    });
    for (int i = 0; i < 12; i++) {
        assert_true(world_poll_cost(w) <= 12);
        world_check(w);
    }
    assert_int_equal(world_poll_cost(w), 1);
}

static void created_under_a_first_walk_by_such_a_total(struct world *w)
{
    if (w->told == 4)
        for (int i = 0; i < 120; i++)
            world_create(w);
}

static void nor_hides_anything_from_a_first_walk(void **state)
{
    struct world *w = &world;
    w->total_lag = 6;
    w->before = created_under_a_first_walk_by_such_a_total;
    world_walked(w, 900);
    assert_true(world_known(w) >= 900);
    assert_int_equal(world_ask(w, SYNC_POLL, NULL), 0);
    world_check(w);
}

/* ---- equal seconds ---- */

static void put_in_one_second(struct world *w, int from, int count)
{
    for (int i = from; i < from + count; i++)
        w->things[i].created_s = w->things[from + count - 1].created_s;
}

/* 25 requests for each of the pages that they fill, and 60, at most. */
static void a_thousand_of_one_second_in_any_order_are_all_found(void **state)
{
    struct world *w = &world;
    for (unsigned seed = 1; seed <= 5; seed++) {
        world_fill(w, 1400);
        put_in_one_second(w, 200, 1000);
        w->ties_at_random = true;
        w->mood_seed = seed;
        world_start(w);
        assert_int_equal(world_ask(w, SYNC_COMPLETE, NULL), 0);
        world_check(w);
        if (world_requests(w) > 1400 / 50 + 25 * 21 + 60 + 40)
            fail_msg("%d requests", (int)world_requests(w));
        assert_int_equal(world_poll_cost(w), 1);
        world_teardown(state);
        world_setup(state);
    }
}

static void
a_list_that_is_never_seen_whole_is_an_error_until_it_is(void **state)
{
    struct world *w = &world;
    struct sync_status status;
    world_fill(w, 400);
    put_in_one_second(w, 100, 200);
    w->twin = w->things[150].number;
    w->twin_of = w->things[160].number;
    world_start(w);
    assert_int_equal(world_ask(w, SYNC_COMPLETE, NULL), -EIO);
    sync_status(w->sync, &status);
    assert_false(status.complete);
    assert_int_equal(status.last_error, -EIO);
    assert_true(world_requests(w) < 25 * 5 + 60 + 60);
    world_change(w, w->twin = 0);
    int err = -EIO;
    for (int i = 0; i < 4 && err; i++)
        err = world_ask(w, SYNC_COMPLETE, NULL);
    assert_int_equal(err, 0);
    world_check(w);
}

/* ---- totals that change their mind ---- */

static void a_total_that_flaps_costs_ever_less(void **state)
{
    struct world *w = &world;
    world_walked(w, 2000);
    world_change(w, (w->lie = 1, w->flaps = true));
    uint64_t cost = 0;
    for (int i = 0; i < 40; i++)
        cost += world_poll_cost(w);
    if (cost > 600)
        fail_msg("%d requests for 40 polls", (int)cost);
    assert_int_equal(world_known(w), 2000);
}

static void a_total_that_lags_is_caught_up_with(void **state)
{
    struct world *w = &world;
    world_walked(w, 5000);
    world_change(w, (world_delete(w, 2500), w->lie = 1));
    for (int i = 0; i < 2; i++)
        assert_int_equal(world_poll_cost(w), 1);
    world_change(w, w->lie = 0);
    assert_true(world_poll_cost(w) <= 25);
    world_check(w);
}

static void searches_are_trusted_again(void **state)
{
    struct world *w = &world;
    world_walked(w, 2000);
    world_change(w, w->lie = -3);
    for (int i = 0; i < 3; i++)
        (void)world_poll_cost(w);
    world_change(w, w->lie = 0);
    for (int i = 0; i < 4; i++)
        (void)world_poll_cost(w);
    world_change(w, world_delete(w, 1000));
    assert_true(world_poll_cost(w) <= 25);
    world_check(w);
}

/* ---- pages ---- */

static void its_own_page_length(bool echoed)
{
    struct world *w = &world;
    world_walked(w, 460);
    world_change(w, (w->limit_at_most = 10, w->limit_echoed = echoed));
    for (int i = 0; i < 6; i++) {
        int err = world_ask(w, SYNC_POLL, NULL);
        assert_true(err == 0 || err == -EIO);
    }
    world_change(w, world_create(w));
    (void)world_ask(w, SYNC_POLL, NULL);
    assert_true(world_known(w) >= 460); /* nothing is taken away */
    assert_true(world_requests(w) < 250);
}

static void a_page_length_of_its_own_takes_nothing_away(void **state)
{
    its_own_page_length(true);
}

static void nor_does_one_that_it_keeps_to_itself(void **state)
{
    its_own_page_length(false);
}

static void a_server_that_answers_short_pages_says_so_once(void **state)
{
    struct world *w = &world;
    world_fill(w, 500);
    w->limit_at_most = 10;
    w->limit_echoed = true;
    world_start(w);
    assert_int_equal(world_ask(w, SYNC_READY, NULL), -EIO);
    wait_a_while(w, 1500);
    assert_true(world_requests(w) <= 4);
}

static void an_unsorted_list_is_walked_and_polled(void **state)
{
    struct world *w = &world;
    w->unsorted = true;
    world_walked(w, 1010);
    world_check(w);
    world_change(w, world_delete(w, 500));
    uint64_t cost = world_poll_cost(w);
    assert_true(cost <= 200);
    world_check(w);
}

static void a_page_that_came_empty_is_asked_for_again(void **state)
{
    struct world *w = &world;
    world_fill(w, 2000);
    w->held_causes = 1u << API_CAUSE_WALK;
    world_start(w);
    world_change(w, (w->empty_pages = 0, w->held_causes = 0));
    assert_int_equal(world_ask(w, SYNC_READY, NULL), 0);
    world_change(w, w->empty_pages = 1);
    assert_int_equal(world_ask(w, SYNC_COMPLETE, NULL), 0);
    world_check(w);
}

static void holes_are_counted(void **state)
{
    struct world *w = &world;
    world_fill(w, 3000);
    static const int unreadable[] = {3, 60, 1500, 2999};
    for (size_t i = 0; i < array_count(unreadable); i++)
        w->things[unreadable[i]].unreadable = true;
    world_start(w);
    assert_int_equal(world_ask(w, SYNC_COMPLETE, NULL), 0);
    world_check(w);
    assert_int_equal(world_poll_cost(w), 1);
    world_change(w, world_delete(w, 2000));
    (void)world_poll_cost(w);
    world_check(w);
    assert_int_equal(world_poll_cost(w), 1);
}

static void assets_without_an_id_stay(void **state)
{
    struct world *w = &world;
    world_fill(w, 300);
    w->things[100].nameless = w->things[100].unfinished = true;
    w->things[200].nameless = true;
    world_start(w);
    assert_int_equal(world_ask(w, SYNC_COMPLETE, NULL), 0);
    for (int i = 0; i < 4; i++) {
        (void)world_poll_cost(w);
        world_check(w);
    }
}

/* Every answer has the list in another order. */
static void shuffle(struct world *w)
{
    for (int i = 0; i + 60 < w->count; i += 60) {
        struct thing other = w->things[i];
        w->things[i] = w->things[i + 57];
        w->things[i + 57] = other;
    }
    if (++w->answers % 3 == 0)
        world_delete(w, w->count / 2);
    else
        world_create(w);
}

static void a_list_without_order_makes_no_storm(void **state)
{
    struct world *w = &world;
    world_fill(w, 3000);
    w->before = shuffle;
    world_start(w);
    wait_a_while(w, 1500);
    assert_true(world_requests(w) < 900);
}

/* ---- away ---- */

static void a_poll_that_fails_takes_nothing_and_says_so(void **state)
{
    struct world *w = &world;
    struct sync_status status;
    world_walked(w, 500);
    world_change(w, w->fail_with = -ENETUNREACH);
    assert_int_equal(world_ask(w, SYNC_POLL, NULL), -ENETUNREACH);
    sync_status(w->sync, &status);
    assert_int_equal(status.last_error, -ENETUNREACH);
    assert_int_equal(world_known(w), 500);
    world_change(w, w->fail_with = 0);
    assert_int_equal(world_ask(w, SYNC_POLL, NULL), 0);
    sync_status(w->sync, &status);
    assert_int_equal(status.last_error, 0);
    assert_int_equal(status.walked, 500);
    assert_int_equal(status.total, 500);
}

static void a_refused_key_is_said_at_once(void **state)
{
    struct world *w = &world;
    world_fill(w, 500);
    w->fail_with = -EACCES;
    world_start(w);
    assert_int_equal(world_ask(w, SYNC_READY, NULL), -EACCES);
    assert_int_equal(world_ask(w, SYNC_COMPLETE, NULL), -EACCES);
}

static void fail_at_eighth(struct world *w)
{
    if (w->requests[API_CAUSE_WALK] > 8 && w->changes_left) {
        w->changes_left = 0;
        w->fail_with = -EIO;
    }
}

static void a_walk_that_was_broken_off_goes_on(void **state)
{
    struct world *w = &world;
    struct sync_status status;
    world_fill(w, 1500);
    w->before = fail_at_eighth;
    w->changes_left = 1;
    world_start(w);
    assert_int_equal(world_ask(w, SYNC_COMPLETE, NULL), -EIO);
    sync_status(w->sync, &status);
    assert_int_equal(status.last_error, -EIO);
    world_change(w, w->fail_with = 0);
    int err = -EIO;
    for (int i = 0; i < 16 && err; i++) /* others had failed meanwhile */
        err = world_ask(w, SYNC_COMPLETE, NULL);
    assert_int_equal(err, 0);
    world_check(w);
    sync_status(w->sync, &status);
    assert_int_equal(status.last_error, 0);
    assert_true(world_requests(w) <= 60);
}

/* ---- ends ---- */

static int end_at; /* after so many requests nobody is answered any more */

static void hold_at_end(struct world *w)
{
    if (w->answers++ == 0)
        world_delete(w, w->count / 2); /* borders have to be looked across */
    if (w->answers % 4 == 3)
        world_create(w);
    if (w->answers == end_at) {
        w->held = true;
        (void)pthread_cond_broadcast(&w->changed);
    }
}

static void note_walked(void *ctx, int err)
{
    struct world *w = ctx;
    world_change(w, w->changes_left = 0);
}

static void a_walk_may_end_anywhere(void **state)
{
    struct world *w = &world;
    const struct sync_question whole = {.want = SYNC_COMPLETE};
    for (end_at = 1; end_at < 60; end_at += 3) {
        world_fill(w, 1000);
        w->before = hold_at_end;
        w->changes_left = 1; /* until it is through or held */
        world_start(w);
        assert_int_equal(
            sync_ask(w->sync, &whole, CLOCK_NEVER_MS, note_walked, w, NULL), 0);
        {
            guard_mutex(&w->lock);
            while (!w->held && w->changes_left)
                (void)pthread_cond_wait(&w->changed, &w->lock);
        }
        sync_free(w->sync);
        w->sync = NULL;
        world_teardown(state);
        world_setup(state);
    }
}

/* ---- the sweep ---- */

static void an_edit_of_an_old_asset_is_swept_up(void **state)
{
    struct world *w = &world;
    struct sync_status status;
    world_fill(w, 300);
    world_start_sweeping(w, 1);
    assert_int_equal(world_ask(w, SYNC_COMPLETE, NULL), 0);
    sync_status(w->sync, &status);
    assert_int_equal(status.sweep_bound_s, 1);
    guard_mutex(&w->lock);
    w->things[222].edited = true;
    while (!w->edits)
        (void)pthread_cond_wait(&w->changed, &w->lock);
    assert_int_equal(w->edits, 1);
}

static uint64_t swept_requests(const struct world *w)
{
    return w->requests[API_CAUSE_SWEEP];
}

/* Two rounds at least, from their beginning on. */
static void wait_swept(struct world *w)
{
    guard_mutex(&w->lock);
    uint64_t enough = swept_requests(w) + 3 * ((uint64_t)w->count / 50 + 2);
    while (swept_requests(w) < enough)
        (void)pthread_cond_wait(&w->changed, &w->lock);
}

static void fail_removed(struct world *w, const char *id)
{
    world_fail("%s was removed, and stands", id);
}

/* Any but the newest page's, which a poll reads; to any place. */
static void move_one(struct world *w)
{
    int64_t newest_s = WORLD_NOW + 300;
    int from = 60 + rand_r(&w->mood_seed) % (w->count - 60);
    struct thing t = w->things[from];
    int to = 0;
    t.created_s = newest_s - rand_r(&w->mood_seed) % 400;
    t.edited = true;
    world_delete(w, from);
    while (to < w->count && w->things[to].created_s >= t.created_s)
        to++;
    world_insert(w, to, t.created_s, t.name);
    w->things[to] = t;
    w->next_number--;
}

static void move_at_every_third(struct world *w)
{
    if (w->changes_left && w->answers++ % 3 == 0) {
        w->changes_left--;
        move_one(w);
    }
}

/* Nor is it removed and created again, which watch would tell of. */
static void an_asset_whose_time_changes_is_never_gone(void **state)
{
    struct world *w = &world;
    for (unsigned seed = 1; seed <= 5; seed++) {
        world_fill(w, 300);
        world_start_sweeping(w, 1);
        assert_int_equal(world_ask(w, SYNC_COMPLETE, NULL), 0);
        world_change(w, {
            w->removed = fail_removed;
            w->mood_seed = seed;
            w->changes_left = 60;
            w->before = move_at_every_third;
        });
        {
            guard_mutex(&w->lock);
            while (w->changes_left)
                (void)pthread_cond_wait(&w->changed, &w->lock);
        }
        wait_swept(w);
        world_check(w);
        world_teardown(state);
        world_setup(state);
    }
}

static int gone_left; /* that sync hasn't removed */

static void count_gone(struct world *w, const char *id)
{
    gone_left--;
}

static void what_the_sweep_finds_gone_it_asked_for_by_id(void **state)
{
    struct world *w = &world;
    world_fill(w, 1000);
    world_start_sweeping(w, 1);
    assert_int_equal(world_ask(w, SYNC_COMPLETE, NULL), 0);
    wait_swept(w);
    guard_mutex(&w->lock);
    assert_int_equal(w->ids_requests, 0); /* nothing was lacking */
    gone_left = 600;
    w->removed = count_gone;
    for (int i = 0; i < 600; i++)
        world_delete(w, 222); /* within a page */
    while (gone_left)
        (void)pthread_cond_wait(&w->changed, &w->lock);
    assert_int_equal(world_known(w), 400);
    assert_true(w->ids_requests >= 600 / 50);
    assert_true(w->ids_requests <= 2 * 600 / 50);
}

/* A server that answers no such question holds up nothing else. */
static void what_cannot_be_asked_for_by_id_stays(void **state)
{
    struct world *w = &world;
    world_fill(w, 300);
    world_start_sweeping(w, 1);
    assert_int_equal(world_ask(w, SYNC_COMPLETE, NULL), 0);
    guard_mutex(&w->lock);
    w->refuse_ids = -EINVAL;
    w->removed = fail_removed;
    world_delete(w, 222);
    w->things[70].edited = true; /* in a page after that */
    while (!w->edits)
        (void)pthread_cond_wait(&w->changed, &w->lock);
    assert_true(w->ids_requests > 0);
    gone_left = 1;
    w->removed = count_gone;
    w->refuse_ids = 0;
    while (gone_left)
        (void)pthread_cond_wait(&w->changed, &w->lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        world_test(a_total_that_is_too_large_ends_no_walk),
        world_test(a_total_that_is_a_little_small_hides_nothing),
        world_test(polls_need_no_total),
        world_test(a_walk_needs_no_total),
        world_test(a_total_far_too_small_hides_nothing),
        world_test(an_empty_page_says_nothing_of_an_earlier_full_one),
        world_test(a_total_behind_the_list_takes_nothing_away),
        world_test(nor_hides_anything_from_a_first_walk),
        world_test(a_thousand_of_one_second_in_any_order_are_all_found),
        world_test(a_list_that_is_never_seen_whole_is_an_error_until_it_is),
        world_test(a_total_that_flaps_costs_ever_less),
        world_test(a_total_that_lags_is_caught_up_with),
        world_test(searches_are_trusted_again),
        world_test(a_page_length_of_its_own_takes_nothing_away),
        world_test(nor_does_one_that_it_keeps_to_itself),
        world_test(a_server_that_answers_short_pages_says_so_once),
        world_test(an_unsorted_list_is_walked_and_polled),
        world_test(a_page_that_came_empty_is_asked_for_again),
        world_test(holes_are_counted),
        world_test(assets_without_an_id_stay),
        world_test(a_list_without_order_makes_no_storm),
        world_test(a_poll_that_fails_takes_nothing_and_says_so),
        world_test(a_refused_key_is_said_at_once),
        world_test(a_walk_that_was_broken_off_goes_on),
        world_test(a_walk_may_end_anywhere),
        world_test(an_edit_of_an_old_asset_is_swept_up),
        world_test(an_asset_whose_time_changes_is_never_gone),
        world_test(what_the_sweep_finds_gone_it_asked_for_by_id),
        world_test(what_cannot_be_asked_for_by_id_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
