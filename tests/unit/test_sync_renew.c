/* SPDX-License-Identifier: MIT */
/*
 * URLs past their time: few requests for many of them.
 */
#include "sync_world.h"

#define SOON_MS 60000

static void walked(struct world *w, int count, bool pictured)
{
    world_fill(w, count);
    for (int i = 0; i < count; i++)
        w->things[i].pictured = pictured;
    counted.answers = counted.others = 0;
    world_start(w);
    assert_int_equal(world_ask(w, SYNC_COMPLETE, NULL), 0);
}

static void ask(struct world *w, int number)
{
    char id[32];
    world_id(number, id);
    (void)world_ask_query(w, SYNC_RENEW, NULL, id, SOON_MS);
}

static void await_renewals(struct world *w, uint64_t requests)
{
    guard_mutex(&w->lock);
    while (w->requests[API_CAUSE_RENEW] < requests)
        (void)pthread_cond_wait(&w->changed, &w->lock);
}

static void edit_all(struct world *w)
{
    guard_mutex(&w->lock);
    w->edits = 0;
    for (int i = 0; i < w->count; i++)
        w->things[i].edited = !w->things[i].edited;
}

static void whoever_waits_is_renewed_together(void **state)
{
    struct world *w = &world;
    walked(w, 1000, false);
    world_change(w, w->held = true);
    ask(w, 1);
    await_renewals(w, 1);
    for (int i = 1; i <= 120; i++)
        ask(w, i);
    world_change(w, w->held = false);
    await_answers(&counted, 121);
    assert_int_equal(counted.last, 0);
    assert_int_equal(w->requests[API_CAUSE_RENEW], 4);
}

/* Those of the same type, nearest first, as old as the one that is needed. */
static void neighbours_come_along(void **state)
{
    struct world *w = &world;
    char id[32];
    walked(w, 1000, true);
    edit_all(w);
    world_id(500, id);
    assert_int_equal(world_ask(w, SYNC_RENEW, id), 0);
    assert_int_equal(w->requests[API_CAUSE_RENEW], 1);
    assert_int_equal(w->edits, API_IDS_LIMIT);
    world_change(w, w->edits = 0);
    world_id(501, id); /* an image: every third is one */
    assert_int_equal(world_ask(w, SYNC_RENEW, id), 0);
    assert_int_equal(w->edits, API_IDS_LIMIT);
    assert_int_equal(w->requests[API_CAUSE_RENEW], 2);
}

static void who_asks_for_what_is_under_way_joins_it(void **state)
{
    struct world *w = &world;
    walked(w, 1000, true);
    world_change(w, w->held = true);
    ask(w, 500);
    await_renewals(w, 1);
    ask(w, 500);
    ask(w, 502); /* its neighbour */
    world_change(w, w->held = false);
    await_answers(&counted, 3);
    assert_int_equal(w->requests[API_CAUSE_RENEW], 1);
}

/* Its answer may be older than what made somebody ask for it anew. */
static void who_asks_for_it_anew_joins_nothing_older(void **state)
{
    struct world *w = &world;
    char id[32];
    walked(w, 1000, true);
    world_change(w, w->held = true);
    ask(w, 500);
    await_renewals(w, 1);
    world_id(500, id);
    (void)world_ask_query(w, SYNC_REREAD, NULL, id, SOON_MS);
    world_change(w, w->held = false);
    await_answers(&counted, 2);
    assert_int_equal(counted.last, 0);
    assert_int_equal(w->requests[API_CAUSE_RENEW], 2);
    /* … nor one that has just come */
    assert_int_equal(world_ask(w, SYNC_REREAD, id), 0);
    assert_int_equal(w->requests[API_CAUSE_RENEW], 3);
}

static void who_was_deleted_is_out_of_the_catalogue(void **state)
{
    struct world *w = &world;
    char id[32];
    struct catalogue_entry entry;
    walked(w, 1000, true);
    world_id(500, id);
    assert_int_equal(world_ask(w, SYNC_GONE, id), 0);
    struct catalogue_reader *r = catalogue_reader_acquire(w->catalogue);
    assert_int_equal(catalogue_get_by_id(r, id, &entry), -ENOENT);
    catalogue_reader_release(r);
    assert_int_equal(world_ask(w, SYNC_GONE, id), 0);
    assert_int_equal(w->requests[API_CAUSE_RENEW], 0);
}

/* One of them may be what the server doesn't take: each is asked alone. */
static void a_refusal_costs_only_its_own(void **state)
{
    struct world *w = &world;
    walked(w, 1000, false);
    world_change(w, w->held = true);
    ask(w, 1);
    await_renewals(w, 1);
    for (int i = 2; i <= 4; i++)
        ask(w, i);
    world_change(w, (w->refuse_ids = -EINVAL, w->held = false));
    await_answers(&counted, 4);
    assert_int_equal(counted.last, -EIO);
    assert_int_equal(w->requests[API_CAUSE_RENEW], 1 + 1 + 3);
    world_change(w, w->refuse_ids = 0);
    char id[32];
    world_id(3, id);
    assert_int_equal(world_ask(w, SYNC_RENEW, id), 0);
}

static void an_error_is_every_waiters(void **state)
{
    struct world *w = &world;
    walked(w, 1000, true);
    world_change(w, (w->fail_with = -EHOSTUNREACH,
                     w->fail_causes = 1u << API_CAUSE_RENEW));
    for (int i = 1; i <= 3; i++)
        ask(w, i);
    await_answers(&counted, 3);
    assert_int_equal(counted.last, -EHOSTUNREACH);
}

static void who_is_gone_is_told_so_and_nobody_else(void **state)
{
    struct world *w = &world;
    char id[32];
    walked(w, 1000, true);
    world_change(w, world_delete(w, 1000 - 500));
    world_id(500, id);
    assert_int_equal(world_ask(w, SYNC_RENEW, id), -ENOENT);
    world_id(502, id);
    assert_int_equal(world_ask(w, SYNC_RENEW, id), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        world_test(whoever_waits_is_renewed_together),
        world_test(neighbours_come_along),
        world_test(who_asks_for_what_is_under_way_joins_it),
        world_test(who_asks_for_it_anew_joins_nothing_older),
        world_test(who_was_deleted_is_out_of_the_catalogue),
        world_test(a_refusal_costs_only_its_own),
        world_test(an_error_is_every_waiters),
        world_test(who_is_gone_is_told_so_and_nobody_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
