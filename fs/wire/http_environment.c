/* SPDX-License-Identifier: MIT */
#include "wire/http_environment.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "wire/address.h"

/* Reading the environment. */

/* The first of these variables that isn't empty; NULL none. */
static const char *first_set(const char *const names[], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *value = getenv(names[i]);
        if (value && *value)
            return value;
    }
    return NULL;
}

#define FIRST_SET(...)                                                         \
    first_set((const char *const[]){__VA_ARGS__},                              \
              array_count(((const char *const[]){__VA_ARGS__})))

/* ret_copy stays NULL for NULL. */
static bool environment_copy(const char *value, char **ret_copy)
{
    *ret_copy = value ? strdup(value) : NULL;
    return !value || *ret_copy;
}

/* A path that can't be resolved stays as it is: curl's error will name it. */
static bool copy_path(const char *path, char **ret_copy)
{
    *ret_copy = path ? realpath(path, NULL) : NULL;
    return *ret_copy || environment_copy(path, ret_copy);
}

int http_environment_read(struct http_environment *ret_environment)
{
    struct http_environment e = {0};
    const char *ca_file = FIRST_SET("CURL_CA_BUNDLE");
    const char *ca_folder = NULL;
    if (!ca_file) {
        ca_file = FIRST_SET("SSL_CERT_FILE");
        ca_folder = FIRST_SET("SSL_CERT_DIR");
    }
    bool whole =
        environment_copy(FIRST_SET("http_proxy", "all_proxy", "ALL_PROXY"),
                         &e.http_proxy) &&
        environment_copy(
            FIRST_SET("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"),
            &e.https_proxy) &&
        environment_copy(FIRST_SET("no_proxy", "NO_PROXY"), &e.no_proxy) &&
        copy_path(ca_file, &e.ca_file) && copy_path(ca_folder, &e.ca_folder);
    if (!whole) {
        http_environment_done(&e);
        return -ENOMEM;
    }
    *ret_environment = e;
    return 0;
}

void http_environment_done(struct http_environment *e)
{
    free(e->http_proxy);
    free(e->https_proxy);
    free(e->no_proxy);
    free(e->ca_file);
    free(e->ca_folder);
    *e = (struct http_environment){0};
}

/* Hosts that need no proxy. */

struct word {
    const char *text;
    size_t len;
};

/* The next word of a list; false at its end. */
static bool next_word(const char **at, struct word *ret_word)
{
    static const char between[] = ", \t";
    *at += strspn(*at, between);
    ret_word->text = *at;
    ret_word->len = strcspn(*at, between);
    *at += ret_word->len;
    return ret_word->len > 0;
}

static bool has_equal_bits(const unsigned char *a, const unsigned char *b,
                           unsigned bits)
{
    if (memcmp(a, b, bits / 8) != 0)
        return false;
    unsigned rest = bits % 8;
    return rest == 0 || (a[bits / 8] ^ b[bits / 8]) >> (8 - rest) == 0;
}

/* "10.1.2.3" or "10.0.0.0/8" against an address of that family. */
static bool is_network_of(const struct word *w, int family,
                          const unsigned char *address)
{
    char text[INET6_ADDRSTRLEN];
    unsigned char network[sizeof(struct in6_addr)];
    unsigned long bits = family == AF_INET ? 32 : 128;
    const char *slash = memchr(w->text, '/', w->len);
    size_t len = slash ? (size_t)(slash - w->text) : w->len;
    if (len >= sizeof(text))
        return false;
    memcpy(text, w->text, len);
    text[len] = '\0';
    if (inet_pton(family, text, network) != 1)
        return false;
    if (slash) {
        char *end;
        unsigned long given = strtoul(slash + 1, &end, 10);
        if (end == slash + 1 || end != w->text + w->len || given > bits)
            return false;
        bits = given;
    }
    return has_equal_bits(network, address, (unsigned)bits);
}

/* "example.com", ".example.com" and "example.com." mean that name and all
 * names under it. */
static bool is_domain_of(struct word w, const char *host)
{
    size_t host_len = strlen(host);
    if (*w.text == '.') {
        w.text++;
        w.len--;
    }
    if (w.len > 0 && w.text[w.len - 1] == '.')
        w.len--;
    if (w.len == 0 || w.len > host_len)
        return false;
    const char *tail = host + host_len - w.len;
    return strncasecmp(tail, w.text, w.len) == 0 &&
           (tail == host || tail[-1] == '.');
}

/* Addresses may be written as curl reads them ("127.1"). */
static bool needs_none(const char *list, const char *host)
{
    struct in_addr in;
    struct in6_addr in6;
    struct word w;
    bool v4 = inet_aton(host, &in);
    bool v6 = !v4 && inet_pton(AF_INET6, host, &in6) == 1;
    if (strcmp(list, "*") == 0)
        return true;
    while (next_word(&list, &w)) {
        bool fits = v4   ? is_network_of(&w, AF_INET, (unsigned char *)&in)
                    : v6 ? is_network_of(&w, AF_INET6, (unsigned char *)&in6)
                         : is_domain_of(w, host);
        if (fits)
            return true;
    }
    return false;
}

const char *http_environment_proxy(const struct http_environment *e,
                                   const char *url)
{
    char host[ADDRESS_HOST_SIZE];
    const char *proxy = strncasecmp(url, "https:", strlen("https:")) == 0
                            ? e->https_proxy
                            : e->http_proxy;
    if (!proxy)
        return "";
    if (e->no_proxy && address_url_host(url, host) &&
        needs_none(e->no_proxy, host))
        return "";
    return proxy;
}
