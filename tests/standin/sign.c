/* SPDX-License-Identifier: MIT */
#include "sign.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "generate.h"
#include "hash.h"

#define SECRET 0x7465737473656372ULL

struct signer {
    pthread_mutex_t lock; /* covers all */
    bool on;
    enum sign_style style;
    long ttl_s;
    uint64_t given;   /* serial of the last signature */
    uint64_t expired; /* serials up to this one are */
};

struct signer *signer_new(void)
{
    struct signer *s = calloc(1, sizeof(*s));
    if (s)
        pthread_mutex_init(&s->lock, NULL);
    return s;
}

void signer_free(struct signer *s)
{
    if (!s)
        return;
    pthread_mutex_destroy(&s->lock);
    free(s);
}

void signer_set(struct signer *s, bool on, enum sign_style style, long ttl_s)
{
    pthread_mutex_lock(&s->lock);
    s->on = on;
    s->style = style;
    s->ttl_s = ttl_s;
    pthread_mutex_unlock(&s->lock);
}

void signer_expire(struct signer *s)
{
    pthread_mutex_lock(&s->lock);
    s->expired = s->given;
    pthread_mutex_unlock(&s->lock);
}

/* Over everything of the URL that stands before the signature. */
static uint64_t seal(const char *url, size_t n, uint64_t serial)
{
    return hash_bytes(url, n, SECRET ^ serial);
}

/* Appends the signature to the URL of which `out` holds path?query from
 * `from` on. The serial travels in the clear, as the first half. */
static void append_signature(struct buf *out, size_t from,
                             enum sign_style style, long ttl_s, uint64_t serial)
{
    int64_t now = clock_wall_ms() / 1000;
    char stamp[32];
    if (out->failed)
        return;
    buf_char(out, memchr(out->data + from, '?', out->len - from) ? '&' : '?');
    if (style == SIGN_EXPIRES) {
        buf_printf(out, "Expires=%" PRId64 "&Signature=", now + ttl_s);
    } else if (style == SIGN_AMZ) {
        generate_stamp(now, stamp); /* to 20260314T092653Z */
        buf_printf(out,
                   "X-Amz-Date=%.4s%.2s%.5s%.2s%.3s&X-Amz-Expires=%ld"
                   "&X-Amz-Signature=",
                   stamp, stamp + 5, stamp + 8, stamp + 14, stamp + 17, ttl_s);
    } else {
        /* The token hides when it dies; the seal covers it. */
        buf_printf(out, "token=%08" PRIx64, (uint64_t)(now + ttl_s));
    }
    if (out->failed)
        return;
    uint64_t mac = seal(out->data + from, out->len - from, serial);
    buf_printf(out, "%016" PRIx64 "%016" PRIx64, serial, mac);
}

/* How far a URL goes in JSON text. */
static size_t url_length(struct slice s)
{
    size_t n = 0;
    while (n < s.n && s.p[n] != '"' && s.p[n] != '\\' &&
           (unsigned char)s.p[n] > ' ')
        n++;
    return n;
}

void signer_text(struct signer *s, const char *origin, struct slice text,
                 struct buf *out)
{
    size_t length = strlen(origin);
    pthread_mutex_lock(&s->lock);
    struct slice rest = text;
    const char *url;
    while (s->on && (url = memmem(rest.p, rest.n, origin, length))) {
        size_t before = (size_t)(url - rest.p) + length;
        buf_add(out, rest.p, before);
        rest = (struct slice){rest.p + before, rest.n - before};
        if (!rest.n || *rest.p != '/')
            continue;
        size_t from = out->len, n = url_length(rest);
        buf_add(out, rest.p, n);
        append_signature(out, from, s->style, s->ttl_s, ++s->given);
        rest = (struct slice){rest.p + n, rest.n - n};
    }
    buf_add(out, rest.p, rest.n);
    pthread_mutex_unlock(&s->lock);
}

static int64_t number_after(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    return at ? strtoll(at + strlen(name), NULL, 10) : -1;
}

static int64_t expiry_of(const char *target, enum sign_style style,
                         const char *sealed_end)
{
    if (style == SIGN_EXPIRES)
        return number_after(target, "Expires=");
    if (style == SIGN_TOKEN)
        return strtoll((char[9]){sealed_end[-8], sealed_end[-7], sealed_end[-6],
                                 sealed_end[-5], sealed_end[-4], sealed_end[-3],
                                 sealed_end[-2], sealed_end[-1]},
                       NULL, 16);
    struct tm tm = {0};
    const char *date = strstr(target, "X-Amz-Date=");
    if (!date || !strptime(date + strlen("X-Amz-Date="), "%Y%m%dT%H%M%SZ", &tm))
        return -1;
    return timegm(&tm) + number_after(target, "X-Amz-Expires=");
}

enum sign_verdict signer_check(struct signer *s, const char *target)
{
    static const char *const mark[] = {
        "Signature=", "X-Amz-Signature=", "token="};
    enum sign_verdict verdict = SIGN_BAD;
    pthread_mutex_lock(&s->lock);
    const char *at = strstr(target, mark[s->style]);
    const char *hex = at ? at + strlen(mark[s->style]) : NULL;
    if (hex && s->style == SIGN_TOKEN)
        hex += strnlen(hex, 8); /* the seal covers the hidden expiry */
    uint64_t serial, mac;
    if (!s->on)
        verdict = SIGN_GOOD;
    else if (hex && strspn(hex, "0123456789abcdef") == 32 && !hex[32] &&
             sscanf(hex, "%16" SCNx64 "%16" SCNx64, &serial, &mac) == 2 &&
             mac == seal(target, (size_t)(hex - target), serial))
        verdict = serial <= s->expired || expiry_of(target, s->style, hex) <=
                                              clock_wall_ms() / 1000
                      ? SIGN_EXPIRED
                      : SIGN_GOOD;
    pthread_mutex_unlock(&s->lock);
    return verdict;
}
