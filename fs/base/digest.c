/* SPDX-License-Identifier: MIT */
#include "base/digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/cleanup.h"

DEFINE_CLEANUP(free_context, EVP_MD_CTX *, EVP_MD_CTX_free)

static void append_hex(const unsigned char *digest, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[digest[i] >> 4];
        out[2 * i + 1] = digits[digest[i] & 15];
    }
    out[2 * len] = '\0';
}

int digest_hex(const struct digest_part *parts, size_t count,
               char out[DIGEST_HEX_SIZE])
{
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
    append_hex(digest, (DIGEST_HEX_SIZE - 1) / 2, out);
    return 0;
}

struct digest {
    EVP_MD_CTX *context;
};

struct digest *digest_new(enum digest_kind kind)
{
    struct digest *d = calloc(1, sizeof(*d));
    if (!d)
        return NULL;
    d->context = EVP_MD_CTX_new();
    const EVP_MD *method = kind == DIGEST_MD5 ? EVP_md5() : EVP_sha256();
    if (d->context && EVP_DigestInit_ex(d->context, method, NULL))
        return d;
    digest_free(d);
    return NULL;
}

void digest_free(struct digest *d)
{
    if (!d)
        return;
    EVP_MD_CTX_free(d->context);
    free(d);
}

int digest_feed(struct digest *d, const void *bytes, size_t len)
{
    return EVP_DigestUpdate(d->context, bytes, len) ? 0 : -ENOMEM;
}

int digest_end(struct digest *d, char out[DIGEST_HEX_SIZE])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (!EVP_DigestFinal_ex(d->context, digest, &len) ||
        len > (DIGEST_HEX_SIZE - 1) / 2)
        return -ENOMEM;
    append_hex(digest, len, out);
    return 0;
}
