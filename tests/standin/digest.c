/* SPDX-License-Identifier: MIT */
#include "digest.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

struct digest {
    EVP_MD_CTX *md5;
    EVP_MD_CTX *sha256;
};

struct digest *digest_new(void)
{
    struct digest *d = calloc(1, sizeof(*d));
    if (!d)
        return NULL;
    d->md5 = EVP_MD_CTX_new();
    d->sha256 = EVP_MD_CTX_new();
    if (d->md5 && d->sha256 && EVP_DigestInit_ex(d->md5, EVP_md5(), NULL) &&
        EVP_DigestInit_ex(d->sha256, EVP_sha256(), NULL))
        return d;
    digest_free(d);
    return NULL;
}

void digest_free(struct digest *d)
{
    if (!d)
        return;
    EVP_MD_CTX_free(d->md5);
    EVP_MD_CTX_free(d->sha256);
    free(d);
}

void digest_add(struct digest *d, const void *bytes, size_t n)
{
    (void)EVP_DigestUpdate(d->md5, bytes, n);
    (void)EVP_DigestUpdate(d->sha256, bytes, n);
}

static void end_one(EVP_MD_CTX *context, char *text)
{
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    (void)EVP_DigestFinal_ex(context, bytes, &n);
    for (unsigned i = 0; i < n; i++)
        (void)snprintf(text + (size_t)2 * i, 3, "%02x", bytes[i]);
}

void digest_end(struct digest *d, struct digest_text *ret_text)
{
    *ret_text = (struct digest_text){0};
    end_one(d->md5, ret_text->md5);
    end_one(d->sha256, ret_text->sha256);
}
