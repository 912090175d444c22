/* SPDX-License-Identifier: MIT */
/*
 * Questions that go ahead of the first walk, and who answers them when.
 */
#include "sync_world.h"

#define SOON_MS 60000

/* The walk waits for its first page. */
static void begin_stopped(struct world *w, int count)
{
    world_fill(w, count);
    counted.answers = 0;
    w->held_causes = 1u << API_CAUSE_WALK;
    world_start(w);
}

static int ask_and_wait(struct world *w, enum sync_want want,
                        const char *segment, const char *text)
{
    int before = counted.answers;
    (void)world_ask_query(w, want, segment, text, SOON_MS);
    await_answers(&counted, before + 1);
    return counted.last;
}

static void await_request(struct world *w, enum api_cause cause)
{
    guard_mutex(&w->lock);
    while (!w->requests[cause])
        (void)pthread_cond_wait(&w->changed, &w->lock);
}

static int64_t row_of(struct world *w, int number, bool *ret_named)
{
    char id[32];
    struct catalogue_entry e;
    struct catalogue_reader *r = catalogue_reader_acquire(w->catalogue);
    world_id(number, id);
    int64_t row = catalogue_get_by_id(r, id, &e) ? 0 : e.row;
    *ret_named = row && e.folder;
    catalogue_reader_release(r);
    return row;
}

static void what_was_answered_is_not_asked_again(void **state)
{
    struct world *w = &world;
    begin_stopped(w, 40000);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(
            ask_and_wait(w, SYNC_QUERY, "filename=clip-777.", NULL), 0);
        assert_int_equal(ask_and_wait(w, SYNC_NAME, NULL, "clip-778.mp4"), 0);
        assert_int_equal(ask_and_wait(w, SYNC_NAME, NULL, "nothing.mp4"), 0);
    }
    assert_int_equal(w->requests[API_CAUSE_QUERY], 3);
    assert_true(world_knows(w, 777));
    assert_true(world_knows(w, 778));
}

static void an_id_is_found_with_its_name(void **state)
{
    struct world *w = &world;
    char id[32];
    begin_stopped(w, 40000);
    world_id(4321, id);
    assert_int_equal(ask_and_wait(w, SYNC_ID, NULL, id), 0);
    assert_true(world_knows(w, 4321));
    assert_int_equal(w->requests[API_CAUSE_QUERY], 2);
    assert_int_equal(ask_and_wait(w, SYNC_ID, NULL, id), 0);
    assert_int_equal(w->requests[API_CAUSE_QUERY], 2);
}

/* A gateway's 404 for the id of an asset that is there: the walk tells. */
static void a_refusal_proves_no_absence(void **state)
{
    struct world *w = &world;
    static const int refusals[] = {-EINVAL, -ENOENT};
    char id[32];
    for (size_t i = 0; i < array_count(refusals); i++) {
        begin_stopped(w, 3000);
        world_id(4, id);
        world_change(w, w->refuse_ids = refusals[i]);
        assert_int_equal(ask_and_wait(w, SYNC_RENEW, NULL, id), -EIO);
        counted.answers = 0;
        (void)world_ask_query(w, SYNC_ID, NULL, id, SOON_MS);
        await_request(w, API_CAUSE_QUERY);
        world_change(w, w->held_causes = 0);
        await_answers(&counted, 1);
        assert_int_equal(counted.last, 0);
        assert_true(world_knows(w, 4));
        world_teardown(state);
        world_setup(state);
    }
}

static void what_is_gone_cannot_be_renewed(void **state)
{
    struct world *w = &world;
    char id[32];
    begin_stopped(w, 1000);
    world_id(5000, id);
    assert_int_equal(ask_and_wait(w, SYNC_RENEW, NULL, id), -ENOENT);
    world_id(500, id);
    assert_int_equal(ask_and_wait(w, SYNC_RENEW, NULL, id), 0);
}

/* Its folder name comes with the walk: then it has a place that no listing has
 * passed. */
static void an_asset_named_late_stands_behind_those_listed_before(void **state)
{
    struct world *w = &world;
    char id[32];
    bool named;
    world_fill(w, 40000);
    w->things[100].name = "\xc3\xa9\xc3\xa9";
    int number = w->things[100].number;
    counted.answers = 0;
    w->held_causes = 1u << API_CAUSE_WALK;
    world_start(w);
    world_id(number, id);
    assert_int_equal(ask_and_wait(w, SYNC_ID, NULL, id), 0);
    int64_t row = row_of(w, number, &named);
    assert_true(row > 0);
    assert_false(named);
    assert_int_equal(ask_and_wait(w, SYNC_NAME, NULL, "clip-9.mp4"), 0);
    int64_t other = row_of(w, 9, &named);
    assert_true(named && other > row);
    world_change(w, w->held_causes = 0);
    assert_int_equal(world_ask(w, SYNC_COMPLETE, NULL), 0);
    assert_true(row_of(w, number, &named) > other);
    assert_true(named);
    world_check(w);
}

/* While its folder name isn't known, a query that it meets isn't answered. */
static void a_query_by_id_waits_for_the_name(void **state)
{
    struct world *w = &world;
    char segment[64];
    world_fill(w, 3000);
    w->things[100].name = "\xc3\xa9\xc3\xa9";
    counted.answers = 0;
    w->held_causes = 1u << API_CAUSE_WALK;
    world_start(w);
    (void)snprintf(segment, sizeof(segment), "id=%024d", w->things[100].number);
    (void)world_ask_query(w, SYNC_QUERY, segment, NULL, SOON_MS);
    assert_int_equal(ask_and_wait(w, SYNC_NAME, NULL, "clip-9.mp4"), 0);
    assert_int_equal(counted.answers, 1);
    world_change(w, w->held_causes = 0);
    await_answers(&counted, 2);
    assert_int_equal(counted.last, 0);
    assert_true(world_knows(w, w->things[100].number));
}

static void a_wide_question_waits_for_the_walk(void **state)
{
    struct world *w = &world;
    begin_stopped(w, 20000);
    (void)world_ask_query(w, SYNC_QUERY, "filename=clip", NULL, SOON_MS);
    assert_int_equal(ask_and_wait(w, SYNC_NAME, NULL, "clip-9.mp4"), 0);
    assert_int_equal(counted.answers, 1);
    assert_true(w->requests[API_CAUSE_QUERY] <= 3);
    world_change(w, w->held_causes = 0);
    await_answers(&counted, 2);
    assert_int_equal(counted.last, 0);
    assert_true(sync_is_complete(w->sync));
}

/* It would be held in memory as a whole. */
static void a_fat_answer_waits_for_the_walk(void **state)
{
    struct world *w = &world;
    begin_stopped(w, 3000);
    world_change(w,
                 (w->ballast = 200000, w->fat_causes = 1u << API_CAUSE_QUERY));
    (void)world_ask_query(w, SYNC_QUERY, "filename=clip-1", NULL, SOON_MS);
    world_change(w, w->held_causes = 0);
    await_answers(&counted, 1);
    assert_true(w->requests[API_CAUSE_QUERY] < 20); /* of 23 */
    assert_int_equal(counted.last, 0);
    assert_true(sync_is_complete(w->sync));
}

static void change_matches(struct world *w)
{
    if (w->requests[API_CAUSE_QUERY] && w->changes_left-- > 0)
        world_insert(w, 0, w->things[0].created_s + 1, "clip-1x.mp4");
}

static void a_narrow_answer_that_shifts_is_asked_for_again(void **state)
{
    struct world *w = &world;
    world_fill(w, 3000);
    w->before = change_matches;
    w->changes_left = 9;
    counted.answers = 0;
    w->held_causes = 1u << API_CAUSE_WALK;
    world_start(w);
    assert_int_equal(ask_and_wait(w, SYNC_QUERY, "filename=clip-1", NULL), 0);
    assert_true(w->requests[API_CAUSE_QUERY] > 23);
    world_change(w, w->held_causes = 0);
    assert_int_equal(world_ask(w, SYNC_COMPLETE, NULL), 0);
}

static void who_joins_a_question_has_its_own_time(void **state)
{
    struct world *w = &world;
    begin_stopped(w, 3000);
    counted.others = 0;
    world_change(w, w->held_causes |= 1u << API_CAUSE_QUERY);
    (void)world_ask_query(w, SYNC_QUERY, "filename=clip-77.", NULL, SOON_MS);
    (void)world_ask_query(w, SYNC_QUERY, "filename=clip-77.", NULL,
                          2 * SOON_MS);
    /* both are taken up before what is asked after them */
    (void)world_ask_query(w, SYNC_FIELDS, NULL, NULL, SOON_MS);
    await_answers(&counted, 1);
    world_change(w, (w->fail_with = -ETIMEDOUT, w->fails_left = 1,
                     w->held_causes = 1u << API_CAUSE_WALK));
    await_answers(&counted, 3);
    assert_int_equal(counted.last, 0);
    assert_true(world_knows(w, 77));
}

/* A thread that gathers a field's values in one go keeps no deadline meanwhile:
 * the question that has but little time would be answered last. */
static void deadlines_are_kept_while_fields_are_gathered(void **state)
{
    struct world *w = &world;
    world_walked(w, 20000);
    counted.answers = 0;
    world_change(w, w->held = true);
    (void)world_ask_query(w, SYNC_POLL, NULL, NULL, 5);
    (void)world_ask_query(w, SYNC_FIELDS, "status=ready", NULL, 60000);
    await_answers(&counted, 2);
    assert_int_equal(counted.last, 0); /* not -ETIMEDOUT */
    struct catalogue_reader *r = catalogue_reader_acquire(w->catalogue);
    assert_true(catalogue_field_indexed(r, "status"));
    catalogue_reader_release(r);
    world_change(w, w->held = false);
}

/* Nobody who lists is woken for rows of other types, or left asleep. */
static void who_lists_is_told_of_rows(void **state)
{
    struct world *w = &world;
    world_fill(w, 3000);
    counted.answers = 0;
    w->held = true;
    world_start(w);
    (void)world_ask_query(w, SYNC_MORE, "type=image", NULL, SOON_MS);
    (void)world_ask_query(w, SYNC_MORE, "type=audio", NULL, SOON_MS);
    assert_int_equal(counted.answers, 0);
    world_change(w, (w->held = false, w->held_causes = 0));
    await_answers(&counted, 2);
    assert_int_equal(counted.last, 0);
    assert_true(sync_is_complete(w->sync)); /* there is no audio */
}

static void an_end_answers_shutdown_whatever_was_asked(void **state)
{
    struct world *w = &world;
    begin_stopped(w, 3000);
    counted.others = 0;
    world_change(w, w->held = true);
    (void)world_ask_query(w, SYNC_QUERY, "filename=clip-5", NULL, SOON_MS);
    (void)world_ask_query(w, SYNC_POLL, NULL, NULL, SOON_MS);
    (void)world_ask_query(w, SYNC_RENEW, NULL, "x", SOON_MS);
    await_request(w, API_CAUSE_RENEW);
    sync_free(w->sync);
    w->sync = NULL;
    assert_int_equal(counted.answers, 3);
    assert_int_equal(counted.others, 0);
    assert_int_equal(counted.last, -ESHUTDOWN);
}

static void take_total(struct world *w)
{
    world_change(w, w->total_absent = true);
}

/* One page that isn't full is whole without; more waits for the walk. */
static void an_answer_needs_no_total(void **state)
{
    struct world *w = &world;
    begin_stopped(w, 2000);
    take_total(w);
    assert_int_equal(ask_and_wait(w, SYNC_QUERY, "filename=clip-77", NULL), 0);
    assert_true(world_knows(w, 777));
    assert_false(world_knows(w, 1000));
    int before = counted.answers;
    (void)world_ask_query(w, SYNC_QUERY, "filename=clip-1", NULL, SOON_MS);
    await_request(w, API_CAUSE_QUERY);
    world_change(w, w->held_causes = 0);
    await_answers(&counted, before + 1);
    assert_int_equal(counted.last, 0);
    assert_true(world_knows(w, 1000));
    world_check(w);
}

static int thing_at(const struct world *w, int number)
{
    for (int i = 0; i < w->count; i++)
        if (w->things[i].number == number)
            return i;
    return -1;
}

/* The walk may take long: a query doesn't show what its answer lacks. */
static void
what_an_answer_lacks_is_gone_before_the_walk_is_through(void **state)
{
    struct world *w = &world;
    begin_stopped(w, 5000);
    assert_int_equal(ask_and_wait(w, SYNC_QUERY, "filename=clip-777", NULL), 0);
    assert_int_equal(ask_and_wait(w, SYNC_QUERY, "filename=clip-778", NULL), 0);
    assert_true(world_knows(w, 777));
    world_change(w, world_delete(w, thing_at(w, 777)));
    assert_int_equal(ask_and_wait(w, SYNC_QUERY, "filename=clip-77", NULL), 0);
    assert_false(world_knows(w, 777));
    assert_true(world_knows(w, 778));
    world_change(w, w->held_causes = 0);
    assert_int_equal(world_ask(w, SYNC_COMPLETE, NULL), 0);
    world_check(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        world_test(what_was_answered_is_not_asked_again),
        world_test(an_id_is_found_with_its_name),
        world_test(a_refusal_proves_no_absence),
        world_test(what_is_gone_cannot_be_renewed),
        world_test(an_asset_named_late_stands_behind_those_listed_before),
        world_test(a_query_by_id_waits_for_the_name),
        world_test(a_wide_question_waits_for_the_walk),
        world_test(a_narrow_answer_that_shifts_is_asked_for_again),
        world_test(a_fat_answer_waits_for_the_walk),
        world_test(who_joins_a_question_has_its_own_time),
        world_test(deadlines_are_kept_while_fields_are_gathered),
        world_test(who_lists_is_told_of_rows),
        world_test(an_answer_needs_no_total),
        world_test(what_an_answer_lacks_is_gone_before_the_walk_is_through),
        world_test(an_end_answers_shutdown_whatever_was_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
