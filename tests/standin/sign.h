/* SPDX-License-Identifier: MIT */
/*
 * Signed URLs: when on, every URL of the media origin in an answer carries a
 * fresh signature, and the media origin refuses one that is missing, forged,
 * past its time, or older than the last sign_expire.
 *
 * Styles: "expires" (?Expires=EPOCH&Signature=HEX, as CloudFront and GCS),
 * "amz" (X-Amz-Date, X-Amz-Expires, X-Amz-Signature), "token" (?token=HEX,
 * which states no expiry). Not cryptography. Any thread; leaf lock.
 */
#ifndef STANDIN_SIGN_H
#define STANDIN_SIGN_H

#include "json.h"

enum sign_style { SIGN_EXPIRES, SIGN_AMZ, SIGN_TOKEN };
enum sign_verdict { SIGN_GOOD, SIGN_BAD, SIGN_EXPIRED };

struct signer;

struct signer *signer_new(void); /* off */
void signer_free(struct signer *s);
void signer_set(struct signer *s, bool on, enum sign_style style, long ttl_s);
/* All signatures given so far are expired. */
void signer_expire(struct signer *s);
/* Copies `text`, signing each URL that begins with `origin`. */
void signer_text(struct signer *s, const char *origin, struct slice text,
                 struct buf *out);
/* Of a request's target (path?query). SIGN_GOOD while off. */
enum sign_verdict signer_check(struct signer *s, const char *target);

#endif
