/* SPDX-License-Identifier: MIT */
/* Running MD5 and SHA-256 of bytes as they come. The door to libcrypto. One
 * owner; not for two threads at once. */
#ifndef STANDIN_DIGEST_H
#define STANDIN_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct digest;

struct digest_text {
    char md5[33];
    char sha256[65];
};

struct digest *digest_new(void);
void digest_free(struct digest *d); /* NULL is fine */
void digest_add(struct digest *d, const void *bytes, size_t n);
/* Once, at the end. */
void digest_end(struct digest *d, struct digest_text *ret_text);

#endif
