/* SPDX-License-Identifier: MIT */
/*
 * digest.h - SHA-256 of a few texts, or of what comes bit by bit, as hex; MD5
 * where a store's checksum is one. The adapter to libcrypto.
 */
#ifndef TWELVEFS_DIGEST_H
#define TWELVEFS_DIGEST_H

#include <stddef.h>

#define DIGEST_HEX_SIZE 65

struct digest_part {
    const void *bytes;
    size_t len;
};

/* The parts are told apart: ("ab", "c") and ("a", "bc") differ. 0, -ENOMEM. */
int digest_hex(const struct digest_part *parts, size_t count,
               char out[DIGEST_HEX_SIZE]);

/* What comes bit by bit: NULL for want of memory. One owner. */
enum digest_kind { DIGEST_SHA256, DIGEST_MD5 };
struct digest;
struct digest *digest_new(enum digest_kind kind);
/* NULL is fine. */
void digest_free(struct digest *d);
/* 0, -ENOMEM. */
int digest_feed(struct digest *d, const void *bytes, size_t len);
/* Nothing can be fed after it. out: hex digits, fewer than DIGEST_HEX_SIZE. */
int digest_end(struct digest *d, char out[DIGEST_HEX_SIZE]);

#endif
