/* SPDX-License-Identifier: MIT */
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http_outcome.h"
#include "wire/address.h"

/* Stands before libc's: "inward.test" is loopback. */
__attribute__((visibility("default"))) int
getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
            struct addrinfo **result)
{
    int (*real)(const char *, const char *, const struct addrinfo *,
                struct addrinfo **);
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    if (node && strcmp(node, "inward.test") == 0)
        node = "127.0.0.1";
    return real(node, service, hints, result);
}

static bool say_hello(struct loopback *s, int fd, int number, const char *r)
{
    loopback_reply(fd, "hello",
                   "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                   "X-Ratelimit-Limit: 100\r\nx-ratelimit-remaining: 42\r\n"
                   "X-RateLimit-Reset: 1700000000\r\nRetry-After: 3\r\n"
                   "x-ratelimit-request-remaining: 7\r\n");
    return true;
}

static void get_public(struct http *h, const char *url, int redirects,
                       struct outcome *o)
{
    struct http_request r = {.url = url,
                             .deadline_ms = clock_mono_ms() + 20000,
                             .max_bytes = 1000,
                             .redirects = redirects,
                             .public_only = true};
    outcome_init(o);
    assert_int_equal(http_submit(h, &r, on_done, o, NULL), 0);
    outcome_wait(o);
}

static void public_only_refuses_by_address_whatever_the_name(void **state)
{
    static const char *const hosts[] = {"127.0.0.1",  "inward.test",
                                        "2130706433", "0x7f.1",
                                        "localhost",  "[::ffff:127.0.0.1]"};
    struct http *h = new_http();
    struct loopback *s = loopback_start(say_hello, NULL);
    for (size_t i = 0; i < sizeof(hosts) / sizeof(*hosts); i++) {
        char url[256];
        struct outcome o;
        snprintf(url, sizeof(url), "http://%s:%d/", hosts[i], s->port);
        get_public(h, url, 0, &o);
        assert_int_equal(o.err, -EHOSTUNREACH);
        assert_true(o.refused);
        outcome_done(&o);
    }
    assert_int_equal(loopback_requests(s), 0);
    assert_int_equal(s->connections, 0);
    http_free(h);
    loopback_stop(s);
}

static void public_only_holds_on_a_connection_used_again(void **state)
{
    char url[256];
    struct outcome o;
    struct http *h = new_http();
    struct loopback *s = loopback_start(say_hello, NULL);
    struct http_request r = request_of(url, sizeof(url), s->port, "/");
    outcome_init(&o);
    assert_int_equal(http_submit(h, &r, on_done, &o, NULL), 0);
    outcome_wait(&o);
    assert_int_equal(o.err, 0);
    outcome_done(&o);
    get_public(h, url, 0, &o);
    assert_int_equal(o.err, -EHOSTUNREACH);
    assert_true(o.refused);
    outcome_done(&o);
    assert_int_equal(loopback_requests(s), 1);
    http_free(h);
    loopback_stop(s);
}

static void behind_a_proxy_the_url_is_judged_and_the_proxy_is_not(void **state)
{
    char proxy[64];
    struct outcome o;
    struct loopback *s = loopback_start(say_hello, NULL);
    snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%d", s->port);
    setenv("http_proxy", proxy, 1);
    struct http *h = new_http();
    get_public(h, "http://elsewhere.test/x", 0, &o);
    assert_int_equal(o.err, 0);
    assert_int_equal(o.status, 200);
    assert_non_null(strstr(s->log[0], "GET http://elsewhere.test/x "));
    outcome_done(&o);
    get_public(h, "http://10.0.0.1/x", 0, &o);
    assert_int_equal(o.err, -EHOSTUNREACH);
    outcome_done(&o);
    assert_int_equal(loopback_requests(s), 1);
    http_free(h);
    unsetenv("http_proxy");
    loopback_stop(s);
}

static const char *const inward[] = {
    "http://127.1/",
    "http://127%2e0.0.1/",
    "http://lo%63alhost/",
    "http://[::1%25lo]/",
    "http://[fe80::1%251]/",
    "http://a@127.0.0.1/",
    "http://127\xe3\x80\x82\x30\xe3\x80\x82\x30\xe3\x80\x82\x31/",
};

static bool lead_inward(struct loopback *s, int fd, int number, const char *r)
{
    if (strstr(r, "elsewhere.test"))
        loopback_reply(fd, "", "HTTP/1.1 302 Found\r\nLocation: %s\r\n",
                       inward[number]);
    else
        loopback_reply(fd, "inside", "HTTP/1.1 200 OK\r\n");
    return true;
}

static void behind_a_proxy_no_redirect_leads_inward(void **state)
{
    char proxy[64];
    struct loopback *s = loopback_start(lead_inward, NULL);
    snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%d", s->port);
    setenv("http_proxy", proxy, 1);
    struct http *h = new_http();
    for (int i = 0; i < (int)(sizeof(inward) / sizeof(*inward)); i++) {
        struct outcome o;
        get_public(h, "http://elsewhere.test/", 3, &o);
        assert_int_not_equal(o.err, 0);
        assert_int_equal(loopback_requests(s), i + 1);
        outcome_done(&o);
    }
    http_free(h);
    unsetenv("http_proxy");
    loopback_stop(s);
}

static bool is_private(const char *text)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
        return address_is_private((struct sockaddr *)&in);
    assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
    return address_is_private((struct sockaddr *)&in6);
}

static void private_addresses_are_known(void **state)
{
    static const char *const private[] = {"0.0.0.0",
                                          "0.1.2.3",
                                          "10.255.0.1",
                                          "100.64.0.1",
                                          "100.127.255.255",
                                          "127.0.0.1",
                                          "127.9.9.9",
                                          "169.254.169.254",
                                          "172.16.0.1",
                                          "172.31.255.255",
                                          "192.168.1.1",
                                          "192.0.0.8",
                                          "198.18.0.1",
                                          "224.0.0.1",
                                          "239.1.1.1",
                                          "240.0.0.1",
                                          "255.255.255.255",
                                          "::",
                                          "::1",
                                          "fe80::1",
                                          "fc00::1",
                                          "fd12::1",
                                          "ff02::1",
                                          "::ffff:10.0.0.1",
                                          "::127.0.0.1",
                                          "64:ff9b::7f00:1",
                                          "64:ff9b:1::1",
                                          "2002:7f00:1::",
                                          "2002:c0a8:1::1",
                                          "2001::1",
                                          "2001:db8::1",
                                          "3fff::1",
                                          "100::1",
                                          "fec0::1"};
    static const char *const public[] = {
        "1.1.1.1",          "9.255.255.255",   "11.0.0.0",
        "100.63.255.255",   "100.128.0.0",     "128.0.0.1",
        "169.253.0.1",      "172.15.0.1",      "172.32.0.1",
        "192.167.0.1",      "192.0.1.1",       "198.20.0.1",
        "223.255.255.255",  "2606:4700::1111", "::ffff:1.1.1.1",
        "64:ff9b::101:101", "2002:101:101::1", "2a00::1",
        "2001:4860::1"};
    for (size_t i = 0; i < sizeof(private) / sizeof(*private); i++)
        assert_true(is_private(private[i]));
    for (size_t i = 0; i < sizeof(public) / sizeof(*public); i++)
        assert_false(is_private(public[i]));
    assert_true(address_is_private(&(struct sockaddr){.sa_family = AF_UNIX}));
}

static void private_hosts_are_known_by_their_text(void **state)
{
    static const char *const private[] = {
        "http://localhost/", "https://LOCALHOST.:443", "http://a.localhost?",
        "http://127.1/",     "http://0x7f000001/",     "http://[::1]:8/",
        "http://10.0.0.1#",  "http://[fe80::1]/"};
    static const char *const public[] = {"http://example.com/",
                                         "http://notlocalhost/",
                                         "http://8.8.8.8/",
                                         "http://localhost.example.com/",
                                         "nonsense",
                                         ""};
    for (size_t i = 0; i < sizeof(private) / sizeof(*private); i++)
        assert_true(address_url_is_private(private[i]));
    for (size_t i = 0; i < sizeof(public) / sizeof(*public); i++)
        assert_false(address_url_is_private(public[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(public_only_refuses_by_address_whatever_the_name),
        cmocka_unit_test(public_only_holds_on_a_connection_used_again),
        cmocka_unit_test(behind_a_proxy_the_url_is_judged_and_the_proxy_is_not),
        cmocka_unit_test(behind_a_proxy_no_redirect_leads_inward),
        cmocka_unit_test(private_addresses_are_known),
        cmocka_unit_test(private_hosts_are_known_by_their_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
