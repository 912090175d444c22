/* SPDX-License-Identifier: MIT */
/*
 * Polls, and the searches and walks that they ask for, against an account that
 * changes between and under them.
 */
#include "sync_world.h"
#include "range.h"

static unsigned dice;

static void a_quiet_poll_costs_one_request(void **state)
{
    struct world *w = &world;
    world_walked(w, 3000);
    for (int i = 0; i < 5; i++)
        assert_int_equal(world_poll_cost(w), 1);
}

static void one_deletion_among_twenty_thousand_is_found(void **state)
{
    struct world *w = &world;
    static const int places[] = {0,   1,     49,    50,   51,    99,   100,
                                 777, 10000, 19000, 9999, 12345, 19900};
    world_walked(w, 20000);
    for (size_t i = 0; i < array_count(places); i++) {
        {
            guard_mutex(&w->lock);
            world_delete(w, places[i]);
        }
        uint64_t cost = world_poll_cost(w);
        if (cost > 25)
            fail_msg("at %d: %d requests", places[i], (int)cost);
        world_check(w);
    }
    {
        guard_mutex(&w->lock);
        world_delete(w, w->count - 1);
    }
    assert_true(world_poll_cost(w) <= 25);
    world_check(w);
}

static void many_changes_between_two_polls_are_found(void **state)
{
    struct world *w = &world;
    dice = 7;
    world_walked(w, 5000);
    for (int round = 0; round < 30; round++) {
        {
            guard_mutex(&w->lock);
            for (int i = rand_r(&dice) % 20; i > 0; i--)
                world_delete(w, rand_r(&dice) % w->count);
            for (int i = rand_r(&dice) % 120; i > 0; i--)
                world_create(w);
        }
        (void)world_poll_cost(w);
        world_check(w);
    }
}

static void deletions_within_one_second_are_found(void **state)
{
    struct world *w = &world;
    world_fill(w, 3000);
    for (int i = 1000; i < 1500; i++)
        w->things[i].created_s = w->things[1500].created_s;
    world_start(w);
    assert_int_equal(world_ask(w, SYNC_COMPLETE, NULL), 0);
    world_check(w);
    static const int places[] = {1000, 1250, 1496, 1049, 1050};
    for (size_t i = 0; i < array_count(places); i++) {
        {
            guard_mutex(&w->lock);
            world_delete(w, places[i]);
        }
        uint64_t cost = world_poll_cost(w);
        if (cost > 40)
            fail_msg("at %d: %d requests", places[i], (int)cost);
        world_check(w);
    }
}

static void a_late_insertion_is_found(void **state)
{
    struct world *w = &world;
    world_walked(w, 5000);
    static const int places[] = {51, 2500, 4999, 100};
    for (size_t i = 0; i < array_count(places); i++) {
        {
            guard_mutex(&w->lock);
            world_insert(w, places[i], w->things[places[i]].created_s, NULL);
        }
        assert_true(world_poll_cost(w) <= 25);
        world_check(w);
    }
}

static void twenty_scattered_deletions_are_found(void **state)
{
    struct world *w = &world;
    dice = 11;
    world_walked(w, 40000);
    {
        guard_mutex(&w->lock);
        for (int i = 0; i < 20; i++)
            world_delete(w, rand_r(&dice) % w->count);
    }
    uint64_t cost = world_poll_cost(w);
    if (cost > 300)
        fail_msg("%d requests", (int)cost);
    world_check(w);
}

/* ---- growth ---- */

static void create_many(struct world *w, int count)
{
    for (int i = 0; i < count; i++)
        world_create(w);
}

/* After page 1 and where what is known begins nobody is answered until eight
 * have asked: if fewer ever do, the poll ends at its deadline. */
static void many_creations_are_read_many_at_once(void **state)
{
    struct world *w = &world;
    world_walked(w, 2000);
    world_change(w, (create_many(w, 6000), w->before = world_gather_later,
                     w->changes_left = 3));
    uint64_t cost = world_poll_cost(w);
    if (cost > 6000 / 50 + 5)
        fail_msg("%d requests", (int)cost);
    assert_int_equal(w->gather, 0);
    assert_int_equal(w->requests[API_CAUSE_WALK], 2000 / 50 + 3);
    world_check(w);
    assert_int_equal(world_poll_cost(w), 1);
}

static void an_emptied_account_may_be_filled_again(void **state)
{
    struct world *w = &world;
    world_walked(w, 2000);
    world_change(w, w->count = 0);
    (void)world_poll_cost(w);
    world_check(w);
    world_change(w, create_many(w, 30000));
    uint64_t cost = world_poll_cost(w);
    if (cost > 30000 / 50 + 10)
        fail_msg("%d requests", (int)cost);
    world_check(w);
}

static void hold_after_first(struct world *w)
{
    if (w->changes_left && w->requests[API_CAUSE_POLL] >= 5) {
        w->changes_left = 0;
        w->held = true;
        (void)pthread_cond_broadcast(&w->changed);
    }
}

static void what_is_known_to_be_missing_is_said(void **state)
{
    struct world *w = &world;
    struct sync_status status;
    const struct sync_question q = {.want = SYNC_POLL};
    world_walked(w, 2000);
    counted.answers = 0;
    world_change(w, (create_many(w, 6000), w->before = hold_after_first,
                     w->changes_left = 1));
    assert_int_equal(
        sync_ask(w->sync, &q, CLOCK_NEVER_MS, count_answer, &counted, NULL), 0);
    {
        guard_mutex(&w->lock);
        while (!w->held)
            (void)pthread_cond_wait(&w->changed, &w->lock);
    }
    sync_status(w->sync, &status);
    assert_int_equal(status.missing, 6000);
    assert_int_equal(status.walked, 2000);
    assert_int_equal(status.total, 8000);
    assert_true(status.missing_since_s > 0);
    world_change(w, w->held = false);
    await_answers(&counted, 1);
    assert_int_equal(counted.last, 0);
    sync_status(w->sync, &status);
    assert_int_equal(status.missing, 0);
    assert_int_equal(status.total, 8000);
    world_check(w);
}

static void create_now_and_then(struct world *w)
{
    if (w->told % 2 == 0)
        world_create(w);
}

/* Five a second, polled once a minute, while they go on. */
static void growth_costs_its_pages_and_a_few_more(void **state)
{
    struct world *w = &world;
    world_walked(w, 20000);
    uint64_t walked = w->requests[API_CAUSE_WALK];
    world_change(w, w->before = create_now_and_then);
    for (int minute = 0; minute < 10; minute++) {
        world_change(w, create_many(w, 300));
        uint64_t cost = world_poll_cost(w);
        if (cost > 6 + 26)
            fail_msg("minute %d: %d requests", minute, (int)cost);
    }
    assert_int_equal(w->requests[API_CAUSE_WALK], walked);
    world_change(w, w->before = NULL);
    (void)world_poll_cost(w);
    world_check(w);
}

/* One asset has come by its id: what lies below it is no less new for that. */
static void a_known_asset_amid_new_ones_ends_no_poll(void **state)
{
    struct world *w = &world;
    char id[32];
    world_walked(w, 1000);
    {
        guard_mutex(&w->lock);
        for (int i = 0; i < 80; i++)
            world_create(w);
        for (int i = 0; i < 30; i++)
            world_delete(w, 500); /* so that the total tells nothing */
        world_id(w->things[49].number, id);
    }
    assert_int_equal(world_ask(w, SYNC_RENEW, id), 0);
    (void)world_poll_cost(w);
    world_check(w);
    assert_int_equal(world_poll_cost(w), 1);
}

static void the_whole_account_may_go(void **state)
{
    struct world *w = &world;
    world_walked(w, 9000);
    {
        guard_mutex(&w->lock);
        w->count = 0;
    }
    assert_true(world_poll_cost(w) <= 4);
    world_check(w);
}

static void delete_older(struct world *w)
{
    if (w->requests[API_CAUSE_VERIFY] && w->changes_left-- > 0)
        world_delete(w, w->count - 1 - w->changes_left % 7 * 500);
}

/* … and the total is as it was. */
static void replace_older(struct world *w)
{
    int before = w->count;
    delete_older(w);
    if (w->count < before)
        world_create(w);
}

/* In the middle of the list one more on the older side looks as if nothing
 * were missing on the newer. */
static void a_deletion_during_a_search_hides_none_before_it(void **state)
{
    struct world *w = &world;
    world_walked(w, 20000);
    for (int i = 0; i < 12; i++) {
        int number = w->things[3000 + i].number;
        uint64_t before = w->requests[API_CAUSE_WALK];
        world_change(w, (world_delete(w, 3000 + i),
                         w->before = i % 2 ? delete_older : replace_older,
                         w->changes_left = 1 + i % 3,
                         w->requests[API_CAUSE_VERIFY] = 0));
        assert_int_equal(world_ask(w, SYNC_POLL, NULL), 0);
        assert_false(world_knows(w, number));
        assert_int_equal(w->requests[API_CAUSE_WALK], before);
    }
    world_change(w, w->before = NULL);
    assert_int_equal(world_ask(w, SYNC_POLL, NULL), 0);
    world_check(w);
}

/* It knows that something is missing, and that it can't say what. */
static void no_poll_is_fresh_while_the_walk_it_wants_pauses(void **state)
{
    struct world *w = &world;
    struct sync_status status;
    world_walked(w, 3000);
    {
        guard_mutex(&w->lock);
        for (int i = 0; i < 600; i++)
            world_delete(w, 4 * i);
        w->fail_with = -EIO;
        w->fail_causes = 1u << API_CAUSE_WALK;
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(world_ask(w, SYNC_POLL, NULL), -EIO);
        sync_status(w->sync, &status);
        assert_int_equal(status.last_error, -EIO);
    }
    world_change(w, w->fail_with = 0);
    assert_int_equal(world_ask(w, SYNC_POLL, NULL), 0);
    world_check(w);
}

/* The list's end is looked at instead; it tells of deletions, too. */
static void a_total_that_is_wrong_for_ever_costs_one_request_more(void **state)
{
    struct world *w = &world;
    static const int lies[] = {-60, 60};
    for (size_t i = 0; i < array_count(lies); i++) {
        world_walked(w, 400);
        world_change(w, w->lie = lies[i]);
        (void)world_poll_cost(w);
        for (int k = 0; k < 8; k++)
            assert_int_equal(world_poll_cost(w), 2);
        assert_int_equal(world_known(w), 400); /* and takes nothing away */
        world_change(
            w, (world_delete(w, 200), world_create(w), world_delete(w, 300)));
        assert_true(world_poll_cost(w) <= 25);
        world_check(w);
        world_teardown(state);
        world_setup(state);
    }
}

static void only_stuck_unfinished_assets_rest(void **state)
{
    struct world *w = &world;
    world_fill(w, 400);
    for (int i = 100; i < 130; i++)
        w->things[i].unfinished = true;
    world_start(w);
    assert_int_equal(world_ask(w, SYNC_COMPLETE, NULL), 0);
    uint64_t before = w->requests[API_CAUSE_UNFINISHED];
    for (int i = 0; i < 120; i++)
        (void)world_poll_cost(w);
    assert_int_equal(w->requests[API_CAUSE_UNFINISHED] - before, 120);
    for (int i = 0; i < 64; i++)
        (void)world_poll_cost(w);
    assert_int_in_range(w->requests[API_CAUSE_UNFINISHED] - before, 123, 128);
}

/* ---- accounts that don't stand still ---- */

static bool went[WORLD_MAX];

static void replace_three(struct world *w)
{
    if (w->changes_left <= 0)
        return;
    w->changes_left--;
    for (int i = 0; i < 3; i++) {
        int at = 100 + rand_r(&dice) % (w->count - 100);
        went[w->things[at].number] = true;
        world_delete(w, at);
        world_create(w);
    }
}

/* Three go with each answer, more than a search finds meanwhile, until the
 * account stands still: after a few answers, in later polls after more than
 * the whole list takes. Each poll that says it is through has found all that
 * went before it began. */
static void a_poll_ends_right_while_the_account_changes(void **state)
{
    struct world *w = &world;
    static bool before[WORLD_MAX];
    dice = 3;
    world_walked(w, 3000);
    int through = 0;
    world_change(w, w->before = replace_three);
    for (int poll = 0; poll < 12; poll++) {
        world_change(w, memcpy(before, went, sizeof(before)));
        world_change(w, w->changes_left = 4 + 12 * poll);
        int err = world_ask(w, SYNC_POLL, NULL);
        if (err) { /* in vain, and it says so */
            assert_int_equal(err, -EIO);
            continue;
        }
        through++;
        for (int i = 1; i < WORLD_MAX; i++)
            if (before[i] && world_knows(w, i))
                fail_msg("poll %d: %d went before it", poll, i);
    }
    assert_true(through >= 3);
    world_change(w, w->before = NULL);
    assert_int_equal(world_ask(w, SYNC_POLL, NULL), 0);
    world_check(w);
}

/* Two of one second have one name, so that one of them is never seen. */
static void a_poll_in_vain_fails_and_the_next_one_tries(void **state)
{
    struct world *w = &world;
    struct sync_status status;
    world_fill(w, 400);
    for (int i = 100; i < 300; i++)
        w->things[i].created_s = w->things[99].created_s - 1;
    world_start(w);
    assert_int_equal(world_ask(w, SYNC_COMPLETE, NULL), 0);
    world_change(w, (w->twin_of = w->things[160].number,
                     world_insert(w, 152, w->things[151].created_s, NULL),
                     w->twin = w->things[152].number));
    for (int i = 0; i < 5; i++) {
        uint64_t before = world_requests(w);
        assert_int_equal(world_ask(w, SYNC_POLL, NULL), -EIO);
        assert_true(world_requests(w) - before > 2);
        sync_status(w->sync, &status);
        assert_int_equal(status.last_error, -EIO);
    }
    world_change(w, w->twin = 0);
    assert_int_equal(world_ask(w, SYNC_POLL, NULL), 0);
    world_check(w);
}

/* ---- what is new waits for nothing ---- */

static void poll_often(struct world *w, int count)
{
    world_fill(w, count);
    world_start_paced(w, 20, 3600000);
    assert_int_equal(world_ask(w, SYNC_COMPLETE, NULL), 0);
}

static bool is_behind(struct world *w)
{
    struct sync_status status;
    sync_status(w->sync, &status);
    return status.behind;
}

static void creations_wait_for_no_verification(void **state)
{
    struct world *w = &world;
    poll_often(w, 5000);
    world_change(
        w, (w->held_causes = 1u << API_CAUSE_VERIFY, world_delete(w, 3000)));
    world_await(w, w->requests[API_CAUSE_VERIFY] > 0);
    for (int i = 0; i < 4; i++) {
        world_change(w, world_create(w));
        world_await(w, world_knows(w, w->things[0].number));
    }
    world_change(w, {
        for (int i = 0; i < 200; i++)
            world_create(w);
        w->things[4500].unfinished = false;
    });
    world_await(w, world_knows(w, w->things[0].number));
    world_await(w, is_behind(w));
    world_change(w, w->held_causes = 0);
    world_await(w, world_known(w) == w->count);
    world_await(w, !is_behind(w));
    world_check(w);
}

/* Much more than page 1 is a walk's, for which the verification gives way. */
static void bulk_creations_wait_for_no_verification(void **state)
{
    struct world *w = &world;
    poll_often(w, 5000);
    world_change(
        w, (w->held_causes = 1u << API_CAUSE_VERIFY, world_delete(w, 3000)));
    world_await(w, w->requests[API_CAUSE_VERIFY] > 0);
    world_change(w, {
        for (int i = 0; i < 2000; i++)
            world_create(w);
    });
    world_await(w, is_behind(w));
    world_change(w, w->held_causes = 0);
    world_await(w, world_known(w) == w->count);
    world_check(w);
}

static void delete_often(struct world *w)
{
    if (w->told % 5 == 0 && w->count > 15000)
        world_delete(w, 100 + rand_r(&dice) % (w->count - 200));
}

/* While more goes than can be found, what finding costs is bounded by what
 * reading everything costs. */
static void finding_costs_no_more_than_reading(void **state)
{
    struct world *w = &world;
    dice = 5;
    poll_often(w, 20000);
    uint64_t walked = w->requests[API_CAUSE_WALK];
    world_change(w, w->before = delete_often);
    world_await(w, w->requests[API_CAUSE_WALK] > walked);
    world_change(w, w->before = NULL);
    if (w->requests[API_CAUSE_VERIFY] > 2 * 400 + 100)
        fail_msg("%d requests", (int)w->requests[API_CAUSE_VERIFY]);
    assert_int_equal(world_ask(w, SYNC_POLL, NULL), 0);
    world_check(w);
}

/* ---- growth where answers lag ---- */

static void growth_costs_few_pages_where_answers_lag(void **state)
{
    struct world *w = &world;
    w->stale = 6;
    w->ties_at_random = true;
    world_walked(w, 20000);
    world_change(w, w->before = create_now_and_then);
    for (int minute = 0; minute < 10; minute++) {
        world_change(w, create_many(w, 150));
        (void)world_ask(w, SYNC_POLL, NULL);
    }
    if (w->requests[API_CAUSE_POLL] > 10 * 40)
        fail_msg("%d requests", (int)w->requests[API_CAUSE_POLL]);
    world_change(w, (w->before = NULL, w->stale = 0));
    assert_int_equal(world_ask(w, SYNC_POLL, NULL), 0);
    world_check(w);
}

/* Beside rpm the pages are read once, not as often as the answers disagree. */
static void bulk_that_never_agrees_keeps_to_rpm(void **state)
{
    struct world *w = &world;
    w->stale = 12;
    poll_often(w, 200);
    world_change(w, {
        for (int i = 0; i < 3000; i++)
            world_create(w);
        w->before = create_now_and_then;
    });
    world_await(w, w->requests[API_CAUSE_POLL] > 1500);
    world_change(w, (w->before = NULL, w->stale = 0));
    if (w->beside > 2 * 2 * 60 + 100)
        fail_msg("%d requests beside rpm", (int)w->beside);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        world_test(a_quiet_poll_costs_one_request),
        world_test(one_deletion_among_twenty_thousand_is_found),
        world_test(many_changes_between_two_polls_are_found),
        world_test(deletions_within_one_second_are_found),
        world_test(a_late_insertion_is_found),
        world_test(twenty_scattered_deletions_are_found),
        world_test(many_creations_are_read_many_at_once),
        world_test(an_emptied_account_may_be_filled_again),
        world_test(what_is_known_to_be_missing_is_said),
        world_test(growth_costs_its_pages_and_a_few_more),
        world_test(a_known_asset_amid_new_ones_ends_no_poll),
        world_test(the_whole_account_may_go),
        world_test(a_deletion_during_a_search_hides_none_before_it),
        world_test(no_poll_is_fresh_while_the_walk_it_wants_pauses),
        world_test(a_total_that_is_wrong_for_ever_costs_one_request_more),
        world_test(only_stuck_unfinished_assets_rest),
        world_test(a_poll_ends_right_while_the_account_changes),
        world_test(a_poll_in_vain_fails_and_the_next_one_tries),
        world_test(creations_wait_for_no_verification),
        world_test(bulk_creations_wait_for_no_verification),
        world_test(finding_costs_no_more_than_reading),
        world_test(growth_costs_few_pages_where_answers_lag),
        world_test(bulk_that_never_agrees_keeps_to_rpm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
