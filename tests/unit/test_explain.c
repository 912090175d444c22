/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "explain.h"

DEFINE_CLEANUP(free_http, struct http *, http_free)
DEFINE_CLEANUP(free_api, struct api *, api_free)

/* What is said of an API that nobody asked yet: all that is known is err. */
static enum exit_status of_api(int err, const char *base_url, struct buf *error)
{
    const struct http_limits limits = {.max_host_connections = 1,
                                       .max_connections = 1,
                                       .connect_timeout_ms = 1000,
                                       .idle_timeout_ms = 1000};
    const struct api_config config = {.base_url = base_url,
                                      .key = "tlk_secret",
                                      .timeout_ms = 1000,
                                      .rpm = 60};
    const struct options o = {.base_url = (char *)base_url,
                              .account = (char *)"work"};
    cleanup(free_http) struct http *http = NULL;
    cleanup(free_api) struct api *api = NULL;
    assert_int_equal(http_new(&limits, &http), 0);
    assert_int_equal(api_new(http, &config, &api), 0);
    buf_reset(error);
    enum exit_status status = explain_api(api, err, &o, error);
    assert_null(strchr(buf_str(error), '\n'));
    assert_null(strstr(buf_str(error), "tlk_secret"));
    return status;
}

static void a_refused_key_names_the_account_and_where_keys_come_from(void **s)
{
    cleanup(buf_done) struct buf error = {.max = 4000};
    assert_int_equal(of_api(-EACCES, "http://127.0.0.1:1/v1.3", &error),
                     EXIT_KEY_REFUSED);
    assert_non_null(strstr(buf_str(&error), "http://127.0.0.1:1/v1.3"));
    assert_non_null(strstr(buf_str(&error), "work"));
    assert_non_null(strstr(buf_str(&error), "twelvefs login"));
}

static void what_was_not_reached_is_told_from_what_answered_badly(void **state)
{
    static const int unreached[] = {-EHOSTUNREACH, -ENETUNREACH, -ETIMEDOUT};
    static const int reached[] = {-EIO, -ENOENT, -EAGAIN};
    static const char url[] = "http://127.0.0.1:1/v1.3";
    cleanup(buf_done) struct buf error = {.max = 4000};
    for (size_t i = 0; i < array_count(unreached); i++) {
        assert_int_equal(of_api(unreached[i], url, &error), EXIT_NETWORK);
        assert_memory_equal(buf_str(&error), "cannot reach the API at ", 24);
        assert_non_null(strstr(buf_str(&error), strerror(-unreached[i])));
    }
    for (size_t i = 0; i < array_count(reached); i++) {
        assert_int_equal(of_api(reached[i], url, &error), EXIT_NETWORK);
        assert_memory_equal(buf_str(&error), "cannot list assets from ", 24);
    }
}

/* The fault that people make: a base URL without the version. */
static void a_base_url_without_a_version_gets_a_hint(void **state)
{
    static const char *const without[] = {
        "http://127.0.0.1:1", "http://127.0.0.1:1/api", "http://127.0.0.1:1/v",
        "http://127.0.0.1:1/vx", "http://v1.3.example:1"};
    static const char *const with[] = {"http://127.0.0.1:1/v1.3",
                                       "http://127.0.0.1:1/api/v2"};
    cleanup(buf_done) struct buf error = {.max = 4000};
    for (size_t i = 0; i < array_count(without); i++) {
        (void)of_api(-EIO, without[i], &error);
        assert_non_null(strstr(buf_str(&error), "ends with the API's version"));
        (void)of_api(-EHOSTUNREACH, without[i], &error);
        assert_null(strstr(buf_str(&error), "ends with the API's version"));
    }
    for (size_t i = 0; i < array_count(with); i++) {
        (void)of_api(-EIO, with[i], &error);
        assert_null(strstr(buf_str(&error), "ends with the API's version"));
    }
}

static enum exit_status of_mount(int err, const char *why, bool options,
                                 const char *expected)
{
    cleanup(buf_done) struct buf error = {.max = 4000};
    const struct options o = {.mountpoint = (char *)"/m",
                              .fuse_options =
                                  options ? (char *)"context=x" : NULL};
    enum exit_status status = explain_mount(err, why, &o, &error);
    if (!strstr(buf_str(&error), expected))
        fail_msg("\"%s\" is not in \"%s\"", expected, buf_str(&error));
    assert_memory_equal(buf_str(&error), "cannot mount on /m: ", 20);
    return status;
}

static void each_cause_has_its_status_and_says_what_to_do(void **state)
{
    assert_int_equal(of_mount(-ENODEV, "", false, "modprobe fuse"),
                     EXIT_INTERNAL);
    assert_int_equal(of_mount(-EPERM, "", false,
                              geteuid() ? "fusermount3" : strerror(EPERM)),
                     EXIT_MOUNT_POINT);
    assert_int_equal(of_mount(-EACCES, "", false, strerror(EACCES)),
                     EXIT_MOUNT_POINT);
    assert_int_equal(
        of_mount(-ETIMEDOUT, "", false, "the kernel does not answer"),
        EXIT_INTERNAL);
    assert_int_equal(of_mount(-ENOMEM, "", false, strerror(ENOMEM)),
                     EXIT_INTERNAL);
    /* whose fault EINVAL is: an option's, where there was one */
    assert_int_equal(of_mount(-EINVAL, "", true, strerror(EINVAL)), EXIT_USAGE);
    assert_int_equal(of_mount(-EINVAL, "", false, strerror(EINVAL)),
                     EXIT_MOUNT_POINT);
    /* who knows why is believed */
    assert_int_equal(of_mount(-ENODEV, "too old", false, "too old"),
                     EXIT_INTERNAL);
}

static void a_base_url_is_shown_with_one_that_would_do(void **state)
{
    cleanup(buf_done) struct buf error = {.max = 4000};
    const struct options o = {.base_url = (char *)"htp:/x"};
    assert_int_equal(explain_base_url(&o, &error), EXIT_USAGE);
    assert_string_equal(buf_str(&error),
                        "invalid base URL 'htp:/x' (use one like "
                        "https://api.twelvelabs.io/v1.3)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_refused_key_names_the_account_and_where_keys_come_from),
        cmocka_unit_test(what_was_not_reached_is_told_from_what_answered_badly),
        cmocka_unit_test(a_base_url_without_a_version_gets_a_hint),
        cmocka_unit_test(each_cause_has_its_status_and_says_what_to_do),
        cmocka_unit_test(a_base_url_is_shown_with_one_that_would_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
