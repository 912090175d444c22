/* SPDX-License-Identifier: MIT */
/*
 * digest.h - SHA-256 of a few texts, as hex. The adapter to libcrypto.
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

#endif
