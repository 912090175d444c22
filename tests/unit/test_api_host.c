/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/clock.h"
#include "wire/api_host.h"

/* Here a moment's number is its millisecond. */
static struct api_moment at(int64_t ms)
{
    return (struct api_moment){(uint64_t)ms, ms};
}

static void only_failures_one_after_another_are_a_hosts_end(void **state)
{
    static struct api_hosts all;
    struct api_host *h = api_host_hold(&all, "https://a.test/x");
    for (int i = 0; i < 100; i++)
        api_host_failed(h, -EIO, 1000, at(1010)); /* asked together */
    assert_false(api_host_is_down(h));
    for (int i = 0; i < API_CIRCUIT_FAILURES - 1; i++) {
        assert_false(api_host_is_down(h));
        api_host_failed(h, -EIO, 2000 + (uint64_t)i * 20, at(2010 + i * 20));
    }
    assert_true(api_host_is_down(h));
    api_host_succeeded(h);
    assert_false(api_host_is_down(h));
    api_host_release(h, NULL);
}

static void a_host_that_is_down_is_asked_by_one_at_a_time(void **state)
{
    static struct api_hosts all;
    static char call; /* what it is isn't looked at */
    const struct api_call *probe = (const struct api_call *)(void *)&call;
    struct api_host *h = api_host_hold(&all, "https://a.test/x");
    assert_int_equal(api_host_when_ms(h, 10), 10);
    for (int i = 0; i < API_CIRCUIT_FAILURES; i++)
        api_host_failed(h, -EIO, 2000 + (uint64_t)i * 20, at(2010 + i * 20));
    assert_int_equal(api_host_when_ms(h, 2100), 2090 + 1000);
    assert_true(api_host_failed_since(h, 2089));
    assert_false(api_host_failed_since(h, 2090));
    api_host_sent(h, probe);
    assert_int_equal(api_host_when_ms(h, 9999), CLOCK_NEVER_MS);
    api_host_ended(h, probe);
    assert_true(api_host_when_ms(h, 9999) <= 9999);
    api_host_release(h, probe);
}

static void hosts_are_known_apart_as_far_as_there_is_room(void **st)
{
    static struct api_hosts all;
    char url[64];
    struct api_host *a = api_host_hold(&all, "https://a.test/x?y");
    assert_ptr_equal(api_host_hold(&all, "HTTPS://A.test/z"), a);
    assert_ptr_not_equal(api_host_hold(&all, "https://a.test:444/"), a);
    for (int i = 0; i < 100; i++) {
        snprintf(url, sizeof(url), "http://h%d.test/", i);
        api_host_release(api_host_hold(&all, url), NULL);
    }
    assert_ptr_equal(api_host_hold(&all, "https://a.test"), a);
    int held = 0;
    for (int i = 0; i < 100; i++) {
        snprintf(url, sizeof(url), "http://h%d.test/", i);
        held += api_host_hold(&all, url) != NULL;
    }
    assert_int_equal(held, API_HOSTS_MAX - 2);
    assert_null(api_host_hold(&all, "nonsense"));
    assert_false(api_host_is_down(NULL));
    assert_int_equal(api_host_when_ms(NULL, 5), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_failures_one_after_another_are_a_hosts_end),
        cmocka_unit_test(a_host_that_is_down_is_asked_by_one_at_a_time),
        cmocka_unit_test(hosts_are_known_apart_as_far_as_there_is_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
