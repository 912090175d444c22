/* SPDX-License-Identifier: MIT */
/*
 * address.h - which addresses are private: no URL from the API may lead there.
 *
 * A URL in an API answer must not make this host talk to its own services or
 * its neighbours. So every address that isn't globally routable unicast counts
 * as private. No shared state: any thread.
 */
#ifndef TWELVEFS_ADDRESS_H
#define TWELVEFS_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

struct sockaddr;

/* Loopback, link-local, private, shared, multicast, reserved and unspecified
 * addresses, IPv6 forms that carry such an IPv4 address, and every family that
 * isn't IP. */
bool address_is_private(const struct sockaddr *address);

/* Whether the host of an http(s) URL is written as a private address
 * ("[::1]", "10.1", "0x7f000001"), or is localhost or a name under it. False
 * for a name that only DNS could resolve. */
bool address_url_is_private(const char *url);

/* The host of an http(s) URL, without port, brackets and a root's dot; false
 * for what has none, or one too long for any name. */
#define ADDRESS_HOST_SIZE 256
bool address_url_host(const char *url, char ret_host[ADDRESS_HOST_SIZE]);

#endif
