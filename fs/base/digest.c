/* SPDX-License-Identifier: MIT */
#include "base/digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"

DEFINE_CLEANUP(free_context, EVP_MD_CTX *, EVP_MD_CTX_free)

int digest_hex(const struct digest_part *parts, size_t count,
               char out[DIGEST_HEX_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    cleanup(free_context) EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL);
    for (size_t i = 0; good && i < count; i++) {
        uint64_t length = parts[i].len;
        good = EVP_DigestUpdate(context, &length, sizeof(length)) &&
               EVP_DigestUpdate(context, parts[i].bytes, parts[i].len);
    }
    if (!good || !EVP_DigestFinal_ex(context, digest, &len))
        return -ENOMEM;
    for (size_t i = 0; i < (DIGEST_HEX_SIZE - 1) / 2; i++) {
        out[2 * i] = digits[digest[i] >> 4];
        out[2 * i + 1] = digits[digest[i] & 15];
    }
    out[DIGEST_HEX_SIZE - 1] = '\0';
    return 0;
}
