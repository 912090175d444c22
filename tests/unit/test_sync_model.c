/* SPDX-License-Identifier: MIT */
/*
 * Random accounts with random histories under servers of random moods. What
 * must hold, whatever comes:
 *
 *   - nothing is taken from the catalogue that the account still has;
 *   - once the walk is complete all that stood throughout is there;
 *   - when the account rests, catalogue and account agree after few polls, and
 *     a poll then costs one request (more where no total can be believed).
 *
 * SYNC_SEEDS says how many accounts, SYNC_FIRST which is the first.
 */
#include "sync_world.h"

#include <sched.h>

enum mood {
    PLAIN,
    LAGGING,      /* the total is some answers behind */
    OFF,          /* … wrong by a constant */
    ABSENT,       /* … never there */
    DISAPPEARING, /* … not any more */
    SHUFFLED,     /* equal seconds in another order in every answer */
    SHUFFLED_OFF,
    FLAPPING, /* every other total is wrong */
    CAPPED,   /* the total ends at a number */
    STALE,    /* answers from a moment ago */
    MOODS
};

static unsigned dice;
static unsigned seed;
static enum mood mood;
static int started_below; /* numbers below this were there at the start */
static bool gone[WORLD_MAX];

static int roll(int sides)
{
    return (int)((unsigned)rand_r(&dice) % (unsigned)sides);
}

static void create_one(struct world *w)
{
    int64_t newest = w->count ? w->things[0].created_s : WORLD_NOW;
    world_insert(w, 0, newest + roll(3), NULL);
}

static void delete_one(struct world *w, int at)
{
    gone[w->things[at].number] = true;
    world_delete(w, at);
}

static void change_one(struct world *w)
{
    if (roll(2) || !w->count)
        create_one(w);
    else
        delete_one(w, roll(w->count));
}

static void change_between_answers(struct world *w)
{
    if (w->changes_left <= 0 || roll(4))
        return;
    for (int i = 1 + roll(4); i > 0; i--, w->changes_left--)
        change_one(w);
}

/* Called within a commit, under the lock. */
static void note_removed(struct world *w, const char *id)
{
    int number = atoi(id);
    for (int i = 0; mood != STALE && i < w->count; i++)
        if (w->things[i].number == number)
            world_fail("seed %u: %d was taken away and is there", seed, number);
}

/* Mostly one or two a second, now and then a crowd. */
static void fill(struct world *w)
{
    int crowd = mood == SHUFFLED || mood == SHUFFLED_OFF ? 300 : 150;
    int count = roll(5) ? roll(700) : roll(120);
    int64_t now_s = WORLD_NOW - 2000;
    int run = 0;
    world_fill(w, count);
    for (int i = count; i-- > 0;) {
        w->things[i].created_s = now_s;
        if (run > 0) {
            run--;
            continue;
        }
        now_s += roll(3);
        if (!roll(200))
            run = roll(crowd);
    }
    started_below = w->next_number;
}

static void set_mood(struct world *w)
{
    w->mood_seed = seed * 7 + 1;
    w->total_lag = mood == LAGGING ? 1 + roll(10) : 0;
    w->lie = mood == OFF || mood == SHUFFLED_OFF ? roll(121) - 60 : 0;
    w->total_absent = mood == ABSENT;
    w->ties_at_random = mood == SHUFFLED || mood == SHUFFLED_OFF;
    w->total_cap = mood == CAPPED ? 100 : 0;
    w->stale = mood == STALE ? 1 + roll(6) : 0;
    w->flaps = mood == FLAPPING;
    if (w->flaps)
        w->lie = 1 + roll(30);
}

static void check_complete(struct world *w)
{
    guard_mutex(&w->lock);
    for (int n = 1; n < started_below; n++)
        if (!gone[n] && !world_knows(w, n))
            fail_msg("seed %u: %d of %d stood throughout and is not there",
                     seed, n, w->count);
}

static bool agrees(struct world *w)
{
    guard_mutex(&w->lock);
    if (world_known(w) != w->count)
        return false;
    for (int i = 0; i < w->count; i++)
        if (!world_knows(w, w->things[i].number))
            return false;
    return true;
}

/* How many polls it may take until both agree. */
static int patience(const struct world *w)
{
    return mood == STALE ? 80 : mood == LAGGING || mood == FLAPPING ? 20 : 3;
}

/* Answers of one millisecond can't be told apart, and prove nothing. */
static void let_time_pass(void)
{
    int64_t now_ms = clock_mono_ms();
    while (clock_mono_ms() == now_ms)
        (void)sched_yield();
}

static void rest_and_agree(struct world *w)
{
    int polls = 0;
    world_change(w, w->changes_left = 0);
    while (polls < patience(w)) {
        polls++;
        let_time_pass();
        if (world_ask(w, SYNC_POLL, NULL) == 0 && agrees(w))
            return;
    }
    fail_msg("seed %u, mood %d: %d known of %d after %d polls", seed, mood,
             (int)world_known(w), w->count, polls);
}

static void expect_quiet(struct world *w)
{
    bool exact = mood == PLAIN || mood == LAGGING || mood == SHUFFLED;
    uint64_t most = exact ? 1 : mood == FLAPPING ? 6 : 2;
    for (int i = 0; i < w->total_lag + 2; i++)
        (void)world_poll_cost(w); /* whatever lags comes */
    for (int i = 0; i < 3; i++) {
        uint64_t cost = world_poll_cost(w);
        if (mood != STALE && cost > most)
            fail_msg("seed %u, mood %d: a quiet poll cost %d", seed, mood,
                     (int)cost);
    }
    if (mood != STALE && !agrees(w))
        fail_msg("seed %u: rest changed it", seed);
}

static void walk(struct world *w)
{
    int err = -EIO;
    world_start(w);
    for (int i = 0; i < 20 && err; i++)
        err = world_ask(w, SYNC_COMPLETE, NULL);
    if (err)
        fail_msg("seed %u, mood %d: %s", seed, mood, strerror(-err));
    if (mood != STALE)
        check_complete(w);
}

/* Between two polls: some changes, or many of a kind. */
static void live(struct world *w)
{
    guard_mutex(&w->lock);
    switch (roll(6)) {
    case 0:
        for (int i = roll(600); i > 0; i--)
            create_one(w);
        break;
    case 1:
        for (int i = roll(w->count + 1); i > 0; i--)
            delete_one(w, roll(w->count));
        break;
    case 2:
        while (w->count && roll(4) != 0)
            delete_one(w, w->count - 1);
        break;
    default:
        for (int i = roll(20); i > 0; i--)
            change_one(w);
    }
    w->changes_left = roll(3) ? 0 : roll(60);
}

static void one_account(unsigned number)
{
    struct world *w = &world;
    seed = dice = w->seed = number;
    mood = (enum mood)(number % MOODS);
    memset(gone, 0, sizeof(gone));
    fill(w);
    set_mood(w);
    w->before = change_between_answers;
    w->removed = note_removed;
    w->changes_left = roll(3) ? roll(100) : 0;
    walk(w);
    if (mood == DISAPPEARING)
        world_change(w, w->total_absent = true);
    for (int i = roll(6); i > 0; i--) {
        live(w);
        (void)world_ask(w, SYNC_POLL, NULL);
    }
    rest_and_agree(w);
    expect_quiet(w);
}

static unsigned from_environment(const char *name, unsigned fallback)
{
    const char *text = getenv(name);
    return text ? (unsigned)strtoul(text, NULL, 10) : fallback;
}

static void random_accounts_are_kept_whole(void **state)
{
    unsigned first = from_environment("SYNC_FIRST", 1);
    unsigned count = from_environment("SYNC_SEEDS", 150);
    for (unsigned i = 0; i < count; i++) {
        one_account(first + i);
        world_teardown(state);
        world_setup(state);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        world_test(random_accounts_are_kept_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
