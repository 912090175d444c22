/* SPDX-License-Identifier: MIT */
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http_outcome.h"
#include "wire/http_environment.h"

/* Where "moved.test" is; the resolver has threads of its own. */
static _Atomic(const char *) place = "127.0.0.2";

/* Stands before libc's: "inward.test" is loopback. */
__attribute__((visibility("default"))) int
getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
            struct addrinfo **result)
{
    int (*real)(const char *, const char *, const struct addrinfo *,
                struct addrinfo **);
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    if (node && strcmp(node, "moved.test") == 0)
        node = atomic_load(&place);
    if (node && strcmp(node, "inward.test") == 0)
        node = "127.0.0.1";
    return real(node, service, hints, result);
}

static bool say_hello(struct loopback *s, int fd, int number, const char *r)
{
    loopback_reply(fd, "hello", "HTTP/1.1 200 OK\r\n");
    return true;
}

static void get(struct http *h, const char *url, bool public_only,
                struct outcome *o)
{
    const struct http_request r = {.url = url,
                                   .deadline_ms = clock_mono_ms() + 20000,
                                   .max_bytes = 1000,
                                   .redirects = 3,
                                   .public_only = public_only};
    outcome_init(o);
    assert_int_equal(http_submit(h, &r, on_done, o, NULL), 0);
    outcome_wait(o);
}

/* ---- names ---- */

static void a_name_that_moved_is_found_at_the_next_try(void **state)
{
    char url[64];
    struct outcome o;
    struct http *h = new_http();
    struct loopback *s = loopback_start(say_hello, NULL);
    snprintf(url, sizeof(url), "http://moved.test:%d/", s->port);
    get(h, url, false, &o);
    assert_int_equal(o.err, -ECONNREFUSED);
    outcome_done(&o);
    atomic_store(&place, "127.0.0.1");
    for (int i = 0; i < 2; i++) {
        get(h, url, false, &o);
        assert_int_equal(o.err, 0);
        outcome_done(&o);
    }
    assert_int_equal(s->connections, 1);
    http_free(h);
    loopback_stop(s);
}

/* ---- proxies ---- */

static const char *const variables[] = {
    "http_proxy",    "HTTP_PROXY",   "https_proxy",   "HTTPS_PROXY",
    "all_proxy",     "ALL_PROXY",    "no_proxy",      "NO_PROXY",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE"};

/* Pairs of name and value, up to a NULL. */
static void set_environment(const char *const pairs[])
{
    for (size_t i = 0; i < sizeof(variables) / sizeof(*variables); i++)
        unsetenv(variables[i]);
    for (; pairs && pairs[0]; pairs += 2)
        setenv(pairs[0], pairs[1], 1);
}

static int clear_environment(void **state)
{
    set_environment(NULL);
    return 0;
}

static void check_proxy(const char *const pairs[], const char *url,
                        const char *expected)
{
    struct http_environment e;
    set_environment(pairs);
    assert_int_equal(http_environment_read(&e), 0);
    assert_string_equal(http_environment_proxy(&e, url), expected);
    http_environment_done(&e);
}

static void proxies_are_read_as_curl_reads_them(void **state)
{
    static const char *const all[] = {"all_proxy",   "p:1", "https_proxy", "",
                                      "HTTPS_PROXY", "p:2", NULL};
    static const char *const cgi[] = {"HTTP_PROXY", "evil:1", NULL};
    static const char *const upper[] = {"ALL_PROXY", "p:3", NULL};
    check_proxy(NULL, "http://a.test/", "");
    check_proxy(all, "http://a.test/", "p:1");
    check_proxy(all, "HTTPS://a.test/", "p:2");
    check_proxy(cgi, "http://a.test/", "");
    check_proxy(upper, "http://a.test/", "p:3");
}

static void no_proxy_means_names_addresses_and_networks(void **state)
{
    static const struct {
        const char *list, *url;
        bool direct;
    } cases[] = {
        {"*", "http://a.test/", true},
        {"b.test, *", "http://a.test/", false},
        {"a.test", "http://a.test:80/x", true},
        {"A.TEST", "http://b.a.test./", true},
        {".a.test", "http://a.test/", true},
        {"x,a.test.", "https://a.test", true},
        {"x y\ta.test", "http://a.test", true},
        {"a.test", "http://ba.test/", false},
        {"a.test", "http://a.test.evil/", false},
        {"test", "http://a.test/", true},
        {".", "http://a.test/", false},
        {"", "http://a.test/", false},
        {"127.0.0.1", "http://127.0.0.1/", true},
        {"127.0.0.1", "http://127.1/", true},
        {"127.0.0.1", "http://127.0.0.1.evil/", false},
        {"10.0.0.0/8", "http://10.9.8.7/", true},
        {"10.0.0.0/8", "http://11.9.8.7/", false},
        {"192.168.4.0/22", "http://192.168.7.255/", true},
        {"192.168.4.0/22", "http://192.168.8.0/", false},
        {"0.0.0.0/0", "http://9.9.9.9/", true},
        {"10.0.0.0/33", "http://10.0.0.1/", false},
        {"10.0.0.0/", "http://10.0.0.0/", false},
        {"10.0.0.0/8x", "http://10.0.0.1/", false},
        {"fd00::/8", "http://[fd12::1]:8/", true},
        {"fd00::/8", "http://[fe80::1]/", false},
        {"::1", "http://[::1]/", true},
        {"10.0.0.0/8", "http://[::1]/", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const char *const pairs[] = {"all_proxy", "p:1", "NO_PROXY",
                                     cases[i].list, NULL};
        check_proxy(pairs, cases[i].url, cases[i].direct ? "" : "p:1");
    }
}

static bool lead_on(struct loopback *s, int fd, int number, const char *r)
{
    if (strstr(r, "/end HTTP"))
        return say_hello(s, fd, number, r);
    loopback_reply(fd, "", "HTTP/1.1 302 F\r\nLocation: http://%s/end\r\n",
                   strstr(r, "in.test") ? "elsewhere.test" : "inward.test");
    return true;
}

static void no_proxy_opens_no_way_to_private_addresses(void **state)
{
    char proxy[64], url[64];
    struct outcome o;
    struct loopback *s = loopback_start(say_hello, NULL);
    struct loopback *p = loopback_start(lead_on, NULL);
    snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%d", p->port);
    const char *const pairs[] = {"http_proxy", proxy, "no_proxy",
                                 "inward.test,127.0.0.1", NULL};
    set_environment(pairs);
    struct http *h = new_http();
    snprintf(url, sizeof(url), "http://inward.test:%d/", s->port);
    get(h, url, false, &o); /* the API's own: directly, as no_proxy says */
    assert_int_equal(o.err, 0);
    outcome_done(&o);
    get(h, url, true, &o);
    assert_int_equal(o.err, -EHOSTUNREACH);
    assert_true(o.refused);
    outcome_done(&o);
    assert_int_equal(loopback_requests(s), 1);
    assert_int_equal(loopback_requests(p), 0);

    /* each step of a redirect takes the way that is its own */
    get(h, "http://elsewhere.test/", true, &o);
    assert_int_equal(o.err, -EHOSTUNREACH);
    assert_true(o.refused);
    outcome_done(&o);
    assert_int_equal(loopback_requests(p), 1);
    get(h, "http://in.test/", true, &o);
    assert_int_equal(o.err, 0);
    assert_non_null(strstr(p->log[2], "GET http://elsewhere.test/end "));
    outcome_done(&o);
    http_free(h);
    loopback_stop(s);
    loopback_stop(p);
}

/* ---- certificates ---- */

static void check_trust(const char *const pairs[], const char *file,
                        const char *folder)
{
    struct http_environment e;
    set_environment(pairs);
    assert_int_equal(http_environment_read(&e), 0);
    assert_string_equal(e.ca_file ? e.ca_file : "", file);
    assert_string_equal(e.ca_folder ? e.ca_folder : "", folder);
    http_environment_done(&e);
}

static void whom_to_trust_is_read_as_curls_tool_reads_it(void **state)
{
    static const char *const both[] = {"SSL_CERT_FILE", "/f", "SSL_CERT_DIR",
                                       "/d", NULL};
    static const char *const bundle[] = {"SSL_CERT_FILE",
                                         "/f",
                                         "CURL_CA_BUNDLE",
                                         "/b",
                                         "SSL_CERT_DIR",
                                         "/d",
                                         NULL};
    static const char *const relative[] = {"SSL_CERT_DIR", ".", NULL};
    char here[4096];
    check_trust(NULL, "", "");
    check_trust(both, "/f", "/d");
    check_trust(bundle, "/b", "");
    assert_non_null(getcwd(here, sizeof(here)));
    check_trust(relative, "", here); /* a daemon leaves the folder */
}

#define cleared(test)                                                          \
    cmocka_unit_test_setup_teardown(test, clear_environment, clear_environment)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cleared(a_name_that_moved_is_found_at_the_next_try),
        cleared(proxies_are_read_as_curl_reads_them),
        cleared(no_proxy_means_names_addresses_and_networks),
        cleared(no_proxy_opens_no_way_to_private_addresses),
        cleared(whom_to_trust_is_read_as_curls_tool_reads_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
