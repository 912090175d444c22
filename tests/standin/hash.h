/* SPDX-License-Identifier: MIT */
/* Deterministic noise: the account, its pictures and its faults follow a
 * seed, so a failing run can be had again. Not for secrets. */
#ifndef STANDIN_HASH_H
#define STANDIN_HASH_H

#include <stddef.h>
#include <stdint.h>

/* splitmix64's finaliser: neighbouring inputs, unrelated outputs. */
static inline uint64_t hash_mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15ULL;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
}

static inline uint64_t hash_pair(uint64_t a, uint64_t b)
{
    return hash_mix(hash_mix(a) ^ b);
}

static inline uint64_t hash_bytes(const void *bytes, size_t n, uint64_t seed)
{
    const unsigned char *p = bytes;
    uint64_t h = hash_mix(seed);
    for (size_t i = 0; i < n; i++)
        h = (h ^ p[i]) * 0x100000001b3ULL;
    return hash_mix(h);
}

#endif
