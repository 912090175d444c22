/* SPDX-License-Identifier: MIT */
#include "wire/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/cleanup.h"

/* IANA's special-purpose registry (RFC 6890 and its updates), without what it
 * calls globally reachable. */
static bool is_private_v4(uint32_t address)
{
    static const struct {
        uint32_t network;
        int bits;
    } ranges[] = {
        {0x00000000, 8},  /* this network */
        {0x0a000000, 8},  /* private */
        {0x64400000, 10}, /* shared (carrier-grade NAT) */
        {0x7f000000, 8},  /* loopback */
        {0xa9fe0000, 16}, /* link-local, cloud metadata */
        {0xac100000, 12}, /* private */
        {0xc0000000, 24}, /* protocol assignments */
        {0xc0000200, 24}, /* documentation */
        {0xc0586300, 24}, /* 6to4 relays, withdrawn */
        {0xc0a80000, 16}, /* private */
        {0xc6120000, 15}, /* benchmarking */
        {0xc6336400, 24}, /* documentation */
        {0xcb007100, 24}, /* documentation */
        {0xe0000000, 4},  /* multicast */
        {0xf0000000, 4},  /* reserved, broadcast */
    };
    for (size_t i = 0; i < array_count(ranges); i++) {
        if ((address ^ ranges[i].network) >> (32 - ranges[i].bits) == 0)
            return true;
    }
    return false;
}

static uint32_t v4_at(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
           (uint32_t)bytes[2] << 8 | bytes[3];
}

static bool starts_with(const uint8_t *address, const char *prefix, size_t len)
{
    return memcmp(address, prefix, len) == 0;
}

static bool is_private_v6(const uint8_t *a)
{
    if (starts_with(a, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12))
        return is_private_v4(v4_at(a + 12)); /* mapped */
    if (starts_with(a, "\0\x64\xff\x9b\0\0\0\0\0\0\0\0", 12))
        return is_private_v4(v4_at(a + 12)); /* NAT64, RFC 6052 */
    if (starts_with(a, "\x20\x02", 2))
        return is_private_v4(v4_at(a + 2));      /* 6to4 */
    if (starts_with(a, "\x20\x01\0\0", 4) ||     /* Teredo */
        starts_with(a, "\x20\x01\x0d\xb8", 4) || /* documentation */
        (starts_with(a, "\x3f\xff", 2) && a[2] < 0x10))
        return true;
    /* Global unicast is 2000::/3 (RFC 4291, section 2.4, as allocated). */
    return (a[0] & 0xe0) != 0x20;
}

bool address_is_private(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof(in));
        return is_private_v4(ntohl(in.sin_addr.s_addr));
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, address, sizeof(in6));
        return is_private_v6(in6.sin6_addr.s6_addr);
    }
    return true;
}

bool address_url_host(const char *url, char ret_host[ADDRESS_HOST_SIZE])
{
    const char *host = strstr(url, "://");
    if (!host)
        return false;
    host += strlen("://");
    size_t len;
    if (*host == '[') {
        host++;
        len = strcspn(host, "]");
    } else {
        len = strcspn(host, ":/?#");
        if (len > 0 && host[len - 1] == '.')
            len--;
    }
    if (len >= ADDRESS_HOST_SIZE)
        return false;
    memcpy(ret_host, host, len);
    ret_host[len] = '\0';
    return true;
}

static bool is_localhost(const char *host)
{
    static const char name[] = "localhost";
    size_t len = strlen(host);
    if (len < strlen(name) || strcasecmp(host + len - strlen(name), name) != 0)
        return false;
    return len == strlen(name) || host[len - strlen(name) - 1] == '.';
}

bool address_url_is_private(const char *url)
{
    char host[ADDRESS_HOST_SIZE];
    if (!address_url_host(url, host))
        return false;
    struct in_addr in;
    struct in6_addr in6;
    /* inet_aton reads the old forms too ("127.1"), as curl and libc do. */
    if (inet_aton(host, &in))
        return is_private_v4(ntohl(in.s_addr));
    if (inet_pton(AF_INET6, host, &in6) == 1)
        return is_private_v6(in6.s6_addr);
    return is_localhost(host);
}
