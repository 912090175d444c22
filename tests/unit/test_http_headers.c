/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "wire/http.h"
#include "wire/http_headers.h"

static int64_t retry_after(const char *text)
{
    /* 06 Nov 1994 08:49:37 is 784111777 */
    return http_parse_retry_after(text, strlen(text), 784111770);
}

static void retry_after_is_read_in_both_forms(void **state)
{
    assert_int_equal(retry_after("0"), 0);
    assert_int_equal(retry_after(" 120 \r\n"), 120000);
    assert_int_equal(retry_after("1.5"), 1500);
    assert_int_equal(retry_after("0.0019"), 1);
    assert_int_equal(retry_after("Sun, 06 Nov 1994 08:49:37 GMT"), 7000);
    assert_int_equal(retry_after("Sun, 06 Nov 1994 08:00:00 GMT"), 0);
    assert_int_equal(retry_after("Fri, 06 Nov 2099 08:00:00 GMT"), 86400000);
    assert_int_equal(retry_after("99999999"), 86400000);
    static const char *const bad[] = {"",   "-1",    "+1",
                                      "1x", "soon",  ".5",
                                      "5.", "1.2.3", "99999999999999999999",
                                      "1e3"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(retry_after(bad[i]), -1);
}

static void take_line(struct http_headers *h, const char *line)
{
    assert_int_equal(http_headers_line(h, line, strlen(line), 0), 0);
}

static void a_new_head_forgets_the_one_before(void **state)
{
    struct http_headers h;
    http_headers_init(&h);
    take_line(&h, "HTTP/1.1 302 Found\r\n");
    take_line(&h, "Retry-After: 7\r\n");
    take_line(&h, "X-Ratelimit-Limit: 8\r\n");
    assert_int_equal(h.limit, 8);
    take_line(&h, "HTTP/2 200\r\n");
    assert_int_equal(http_headers_retry_after_ms(&h), -1);
    assert_int_equal(h.limit, -1);
    take_line(&h, "retry-after-ms: 250\r\n");
    take_line(&h, "Retry-After: 9\r\n");
    assert_int_equal(http_headers_retry_after_ms(&h), 250);
    take_line(&h, "X-Ratelimit-Remaining: -4\r\n");
    take_line(&h, "X-Ratelimit-Reset: 1e9\r\n");
    take_line(&h, "Content-Type: a\x01\xff\r\n");
    assert_int_equal(h.limit_remaining, -1);
    assert_int_equal(h.limit_reset_s, -1);
    assert_string_equal(h.content_type, "a??");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(retry_after_is_read_in_both_forms),
        cmocka_unit_test(a_new_head_forgets_the_one_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
