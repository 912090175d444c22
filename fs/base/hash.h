/* SPDX-License-Identifier: MIT */
/*
 * hash.h - 64-bit hashes, for tables and against accidents, not against malice
 * (digest.h is). The adapter to libxxhash.
 */
#ifndef TWELVEFS_HASH_H
#define TWELVEFS_HASH_H

#include <stddef.h>
#include <stdint.h>

/* The same on every machine and in every version. With the hash of one part as
 * the seed of the next, several are hashed as one. */
uint64_t hash_bytes(const void *bytes, size_t len, uint64_t seed);

#endif
