/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api_world.h"

/* In one write: in two it would wait for an acknowledgement. */
static bool say_page(struct loopback *s, int fd, int number, const char *r)
{
    static const char answer[] =
        "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"
        "{\"data\":[{\"_id\":\"a1\"}],\"page_info\":{\"page\":1,"
        "\"limit_per_page\":50,\"total_page\":1,\"total_results\":1}}";
    loopback_write(fd, answer, strlen(answer));
    return true;
}

#define LOOKERS 3
#define ASKS    2000

struct storm {
    struct world world;
    atomic_bool over;
};

static void ask_often(struct storm *s, enum api_lane lane, int within_ms)
{
    for (int i = 0; i < ASKS; i++) {
        struct answer o;
        ask_page(&s->world, 1, lane, within_ms, &o);
        (void)answer_wait(&o);
    }
}

static void *ask_in_the_foreground(void *ctx)
{
    ask_often(ctx, API_FOREGROUND, 30000);
    return NULL;
}

/* Whoever comes to the api's lock has to wait for it. */
static void *look_in(void *ctx)
{
    struct storm *s = ctx;
    struct api_stats stats;
    while (!atomic_load(&s->over))
        api_stats(s->world.api, &stats);
    return NULL;
}

/* Times come due (those of calls that wait for a pace that they can't live to
 * see) just when others ask; and one call's time is far away. */
static void freeing_waits_for_no_time_to_come(void **state)
{
    struct storm s = {0};
    struct answer first, far;
    pthread_t asker, lookers[LOOKERS];
    world_open(&s.world, say_page, 1);
    ask_page(&s.world, 1, API_BACKGROUND, 90000, &first); /* the minute's one */
    assert_int_equal(answer_wait(&first), 0);
    ask_page(&s.world, 1, API_BACKGROUND, 50000, &far);
    assert_int_equal(pthread_create(&asker, NULL, ask_in_the_foreground, &s),
                     0);
    for (int i = 0; i < LOOKERS; i++)
        assert_int_equal(pthread_create(&lookers[i], NULL, look_in, &s), 0);
    ask_often(&s, API_BACKGROUND, 1);
    pthread_join(asker, NULL);
    atomic_store(&s.over, true);
    for (int i = 0; i < LOOKERS; i++)
        pthread_join(lookers[i], NULL);
    assert_false(answer_came(&far));
    int64_t start = clock_mono_ms();
    world_close(&s.world);
    assert_true(clock_mono_ms() - start < 15000);
    assert_int_equal(far.err, -ECANCELED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(freeing_waits_for_no_time_to_come),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
