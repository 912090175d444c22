/* SPDX-License-Identifier: MIT */
/*
 * The first walk, while the account changes under it; and who is answered when.
 */
#include "sync_world.h"

/* ---- the first walk ---- */

static bool is_next(void *ctx, const struct catalogue_entry *e)
{
    int64_t *last = ctx;
    assert_true(e->created_s > *last);
    *last = e->created_s;
    return true;
}

static void a_quiet_walk_costs_its_pages_and_two(void **state)
{
    struct world *w = &world;
    world_fill(w, 10000);
    w->before = world_gather_later; /* page 1, and where the list ends */
    w->changes_left = 3;
    world_start(w);
    assert_int_equal(world_ask(w, SYNC_READY, NULL), 0);
    assert_int_equal(world_ask(w, SYNC_COMPLETE, NULL), 0);
    if (world_requests(w) > 203)
        fail_msg("%d requests", (int)world_requests(w));
    assert_int_equal(w->gather, 0); /* so many did ask at once */
    world_check(w);

    /* Rows are in the order of creation. */
    int64_t last = 0;
    struct catalogue_reader *r = catalogue_reader_acquire(w->catalogue);
    assert_int_equal(catalogue_list(r, ASSET_TYPE_COUNT, 0, is_next, &last), 0);
    catalogue_reader_release(r);
}

static void small_accounts_are_walked(void **state)
{
    struct world *w = &world;
    static const int sizes[] = {0, 1, 49, 50, 51, 100, 101};
    for (size_t i = 0; i < array_count(sizes); i++) {
        world_fill(w, sizes[i]);
        world_start(w);
        assert_int_equal(world_ask(w, SYNC_COMPLETE, NULL), 0);
        world_check(w);
        sync_free(w->sync);
        w->sync = NULL;
        catalogue_close(w->catalogue);
        assert_int_equal(
            nftw(w->directory, world_remove, 8, FTW_DEPTH | FTW_PHYS), 0);
        assert_int_equal(catalogue_open(w->directory, &w->catalogue), 0);
    }
}

static unsigned dice;
static int stood_below; /* numbers from 1 to this were there at the start */
static bool deleted[WORLD_MAX];

static void change_something(struct world *w)
{
    if (w->changes_left <= 0)
        return;
    for (int i = rand_r(&dice) % 4; i > 0; i--) {
        w->changes_left--;
        if (rand_r(&dice) % 2 || !w->count) {
            world_create(w);
            continue;
        }
        int at = rand_r(&dice) % w->count;
        deleted[w->things[at].number] = true;
        world_delete(w, at);
    }
}

static void walk_while_it_changes(unsigned seed)
{
    struct world *w = &world;
    dice = seed;
    w->seed = seed;
    memset(deleted, 0, sizeof(deleted));
    world_fill(w, 900 + (int)(seed * 37 % 300));
    stood_below = w->next_number;
    w->before = change_something;
    w->changes_left = 400;
    world_start(w);
    assert_int_equal(world_ask(w, SYNC_COMPLETE, NULL), 0);
    {
        guard_mutex(&w->lock);
        for (int n = 1; n < stood_below; n++)
            if (!deleted[n] && !world_knows(w, n))
                fail_msg("seed %u: %d stood throughout and is lost", seed, n);
        w->changes_left = 0;
    }
    for (int i = 0; i < 4 && (i == 0 || world_known(w) != w->count); i++)
        assert_int_equal(world_ask(w, SYNC_POLL, NULL), 0);
    world_check(w);
}

static void what_stands_throughout_a_walk_is_found(void **state)
{
    for (unsigned seed = 1; seed <= 40; seed++) {
        walk_while_it_changes(seed);
        world_teardown(state);
        world_setup(state);
    }
}

static void empty_it(struct world *w)
{
    if (w->requests[API_CAUSE_WALK] > 6)
        w->count = 0;
}

static void an_account_may_be_emptied_while_it_is_walked(void **state)
{
    struct world *w = &world;
    world_fill(w, 2000);
    w->before = empty_it;
    world_start(w);
    assert_int_equal(world_ask(w, SYNC_COMPLETE, NULL), 0);
    assert_int_equal(world_ask(w, SYNC_POLL, NULL), 0);
    assert_int_equal(world_known(w), 0);
}

/* Groups of one second each that lie across pages' borders. */
static void group(struct world *w, int at, int size)
{
    for (int i = at; i < at + size && i < w->count; i++)
        w->things[i].created_s = w->things[at + size - 1].created_s;
}

static void walk_groups_while_they_change(unsigned seed)
{
    struct world *w = &world;
    dice = w->seed = seed;
    memset(deleted, 0, sizeof(deleted));
    world_fill(w, 1300);
    group(w, 130, 120);
    group(w, 333, 500);
    group(w, 1000, 120);
    stood_below = w->next_number;
    w->before = change_something;
    w->changes_left = 60;
    world_start(w);
    assert_int_equal(world_ask(w, SYNC_COMPLETE, NULL), 0);
    {
        guard_mutex(&w->lock);
        for (int n = 1; n < stood_below; n++)
            if (!deleted[n] && !world_knows(w, n))
                fail_msg("seed %u: %d is lost", seed, n);
        w->changes_left = 0;
    }
    for (int i = 0; i < 4 && world_known(w) != w->count; i++)
        assert_int_equal(world_ask(w, SYNC_POLL, NULL), 0);
    world_check(w);
}

static void groups_of_one_second_are_walked_while_they_change(void **state)
{
    for (unsigned seed = 1; seed <= 20; seed++) {
        walk_groups_while_they_change(seed);
        world_teardown(state);
        world_setup(state);
    }
}

static void shrink_it(struct world *w)
{
    if (w->requests[API_CAUSE_WALK] > 20 && w->changes_left) {
        w->changes_left = 0;
        for (int i = 0; i < 1900; i++)
            world_delete(w, w->count - 1 - i % 70);
    }
}

static void an_account_may_shrink_while_it_is_walked(void **state)
{
    struct world *w = &world;
    world_fill(w, 2000);
    w->before = shrink_it;
    w->changes_left = 1;
    world_start(w);
    assert_int_equal(world_ask(w, SYNC_COMPLETE, NULL), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(world_ask(w, SYNC_POLL, NULL), 0);
    world_check(w);
    if (world_requests(w) > 160)
        fail_msg("%d requests, %d of a walk, %d to verify",
                 (int)world_requests(w), (int)w->requests[API_CAUSE_WALK],
                 (int)w->requests[API_CAUSE_VERIFY]);
}

/* Of what was read long ago, a few before each answer: the walk steps back. */
static void wear_it_down(struct world *w)
{
    for (int i = 0; i < 8 && w->changes_left > 0 && w->answers++ > 15; i++) {
        world_delete(w, w->count - 1 - w->changes_left % 100);
        w->changes_left--;
    }
}

static void where_a_walk_believes_no_total_it_finds_the_foot_again(void **state)
{
    struct world *w = &world;
    world_fill(w, 2000);
    w->before = wear_it_down;
    w->changes_left = 200;
    world_start(w);
    assert_int_equal(world_ask(w, SYNC_COMPLETE, NULL), 0);
    assert_int_equal(w->changes_left, 0);
    world_check(w);
}

static void an_account_of_one_page_says_that_it_was_walked(void **state)
{
    struct world *w = &world;
    struct sync_status status;
    world_walked(w, 7);
    sync_status(w->sync, &status);
    assert_int_equal(status.walked, 7);
    assert_int_equal(status.total, 7);
    assert_int_equal(status.walks, 1);
}

/* What went while nobody looked is asked for by id. */
static void a_kept_part_of_a_walk_is_judged(void **state)
{
    struct world *w = &world;
    struct catalogue_diff diff = {0};
    world_walked(w, 1000);
    sync_free(w->sync);
    w->sync = NULL;
    assert_int_equal(catalogue_begin(w->catalogue), 0);
    assert_int_equal(catalogue_state_set(w->catalogue, "complete", 0), 0);
    assert_int_equal(catalogue_commit(w->catalogue, &diff), 0);
    catalogue_diff_done(&diff);
    dice = 5;
    group(w, 200, 100);
    for (int i = 0; i < 300; i++)
        world_delete(w, rand_r(&dice) % w->count);
    world_start(w);
    assert_int_equal(world_ask(w, SYNC_COMPLETE, NULL), 0);
    world_check(w);
}

/* Until the walk asks for nothing more: sync has answered many questions and
 * all that came meanwhile, and only the late page is out. */
static uint64_t settled_requests(struct world *w)
{
    uint64_t before = 0;
    for (int quiet = 0; quiet < 10; quiet++) {
        for (int i = 0; i < 50; i++)
            assert_int_equal(world_ask(w, SYNC_FIELDS, NULL), 0);
        guard_mutex(&w->lock);
        if (w->at_once != 1 || w->requests[API_CAUSE_WALK] != before)
            quiet = 0;
        before = w->requests[API_CAUSE_WALK];
    }
    return before;
}

/* They wait in memory for the one that comes late. */
static void a_walk_holds_few_fat_pages(void **state)
{
    struct world *w = &world;
    world_fill(w, 3000);
    w->ballast = 100000;
    w->fat_causes = 1u << API_CAUSE_WALK;
    w->late_page = 60;
    world_start(w);
    assert_int_equal(world_ask(w, SYNC_READY, NULL), 0);
    assert_true(settled_requests(w) <= 20); /* lean ones: 32 */
    world_change(w, (w->late_page = 0, w->ballast = 0));
    assert_int_equal(world_ask(w, SYNC_COMPLETE, NULL), 0);
    world_check(w);
}

static void a_walk_goes_on_after_errors(void **state)
{
    struct world *w = &world;
    world_fill(w, 600);
    w->fail_with = -EIO;
    world_start(w);
    assert_int_equal(world_ask(w, SYNC_READY, NULL), -EIO);
    {
        guard_mutex(&w->lock);
        w->fail_with = 0;
    }
    assert_int_equal(world_ask(w, SYNC_COMPLETE, NULL), 0);
    world_check(w);
}

static void a_server_that_ignores_page_limit_makes_no_storm(void **state)
{
    struct world *w = &world;
    world_fill(w, 500);
    w->limit_at_most = 10;
    world_start(w);
    const struct sync_question q = {.want = SYNC_COMPLETE};
    (void)sync_wait(w->sync, &q, clock_mono_ms() + 2500);
    assert_true(world_requests(w) < 200);
}

/* ---- narrow questions ---- */

/* Holds the walk up after its first page. */
static void begin_held(struct world *w, int count)
{
    world_fill(w, count);
    world_start(w);
    assert_int_equal(world_ask(w, SYNC_READY, NULL), 0);
    counted.answers = 0;
}

static void equal_questions_share_one_request(void **state)
{
    struct world *w = &world;
    begin_held(w, 3000);
    {
        guard_mutex(&w->lock);
        w->held = true;
    }
    for (int i = 0; i < 5; i++)
        (void)world_ask_query(w, SYNC_QUERY, "filename=clip-77.", NULL, 60000);
    {
        guard_mutex(&w->lock);
        while (!w->requests[API_CAUSE_QUERY])
            (void)pthread_cond_wait(&w->changed, &w->lock);
        w->held = false;
        (void)pthread_cond_broadcast(&w->changed);
    }
    await_answers(&counted, 5);
    assert_int_equal(counted.last, 0);
    assert_true(w->requests[API_CAUSE_QUERY] <= 1);
    assert_true(world_knows(w, 77));
}

static void a_deadline_ends_a_question(void **state)
{
    struct world *w = &world;
    begin_held(w, 3000);
    {
        guard_mutex(&w->lock);
        w->held = true;
    }
    (void)world_ask_query(w, SYNC_QUERY, "filename=nothing-like-it", NULL, 50);
    await_answers(&counted, 1);
    assert_true(counted.last == -ETIMEDOUT || counted.last == 0);
}

static void a_cancelled_question_is_never_answered(void **state)
{
    struct world *w = &world;
    {
        guard_mutex(&w->lock);
        w->held = true;
    }
    world_fill(w, 3000);
    world_start(w);
    counted.answers = 0;
    const struct sync_question q = {.want = SYNC_COMPLETE};
    uint64_t ticket;
    assert_int_equal(
        sync_ask(w->sync, &q, CLOCK_NEVER_MS, count_answer, &counted, &ticket),
        0);
    assert_true(sync_cancel(w->sync, ticket));
    assert_false(sync_cancel(w->sync, ticket));
    sync_free(w->sync);
    w->sync = NULL;
    assert_int_equal(counted.answers, 0);
}

static void freeing_answers_whoever_waits(void **state)
{
    struct world *w = &world;
    {
        guard_mutex(&w->lock);
        w->held = true;
    }
    world_fill(w, 3000);
    world_start(w);
    counted.answers = 0;
    const struct sync_question q = {.want = SYNC_COMPLETE};
    assert_int_equal(
        sync_ask(w->sync, &q, CLOCK_NEVER_MS, count_answer, &counted, NULL), 0);
    sync_free(w->sync);
    w->sync = NULL;
    assert_int_equal(counted.answers, 1);
    assert_int_equal(counted.last, -ESHUTDOWN);
}

static void a_kept_catalogue_is_ready_without_a_request(void **state)
{
    struct world *w = &world;
    world_walked(w, 1000);
    sync_free(w->sync);
    w->sync = NULL;
    uint64_t before = world_requests(w);
    w->held = true;
    world_start(w);
    assert_int_equal(world_ask(w, SYNC_READY, NULL), 0);
    assert_int_equal(world_ask(w, SYNC_COMPLETE, NULL), 0);
    assert_true(world_requests(w) - before <= 1); /* the poll that is held */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        world_test(a_quiet_walk_costs_its_pages_and_two),
        world_test(small_accounts_are_walked),
        world_test(what_stands_throughout_a_walk_is_found),
        world_test(an_account_may_be_emptied_while_it_is_walked),
        world_test(groups_of_one_second_are_walked_while_they_change),
        world_test(an_account_may_shrink_while_it_is_walked),
        world_test(where_a_walk_believes_no_total_it_finds_the_foot_again),
        world_test(an_account_of_one_page_says_that_it_was_walked),
        world_test(a_kept_part_of_a_walk_is_judged),
        world_test(a_walk_holds_few_fat_pages),
        world_test(a_walk_goes_on_after_errors),
        world_test(a_server_that_ignores_page_limit_makes_no_storm),
        world_test(equal_questions_share_one_request),
        world_test(a_deadline_ends_a_question),
        world_test(a_cancelled_question_is_never_answered),
        world_test(freeing_answers_whoever_waits),
        world_test(a_kept_catalogue_is_ready_without_a_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
