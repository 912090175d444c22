/* SPDX-License-Identifier: MIT */
#include "json/renewal.h"

#include <string.h>

#include "base/asset.h"
#include "base/cleanup.h"
#include "json/scan.h"
#include "json/text.h"

#define URL_MAX 16384 /* of a token; a longer one is no URL of ours */

static char *renewal_url_of(const struct scan_token *t)
{
    size_t len;
    cleanup(free_ptr) char *url =
        t->len > URL_MAX ? NULL : text_decode(t->text, t->len, &len);

    if (url && strncmp(url, "http", 4) == 0 && strlen(url) == len)
        return steal_ptr(url);
    return NULL;
}

static bool renewed_token(const struct scan_token *a,
                          const struct scan_token *b, bool is_signed)
{
    if (a->kind != b->kind)
        return false;
    if (a->len == b->len && memcmp(a->text, b->text, a->len) == 0)
        return true;
    if (a->kind != SCAN_STRING || !is_signed)
        return false;
    cleanup(free_ptr) char *a_url = renewal_url_of(a);
    cleanup(free_ptr) char *b_url = renewal_url_of(b);
    return a_url && b_url && asset_url_same_but_query(a_url, b_url);
}

/* Token by token: white space within a member is no difference either. */
bool renewal_is_value(const char *a, size_t a_len, const char *b, size_t b_len,
                      bool is_signed)
{
    struct scan a_scan, b_scan;
    struct scan_token a_token, b_token;

    scan_init(&a_scan, a, a_len);
    scan_init(&b_scan, b, b_len);
    do {
        if (scan_next(&a_scan, &a_token) || scan_next(&b_scan, &b_token) ||
            !renewed_token(&a_token, &b_token, is_signed))
            return false;
    } while (a_token.kind != SCAN_END);
    return true;
}

static bool renewed_member(const struct span *a, const struct span *b)
{
    return renewal_is_value(a->text, a->len, b->text, b->len, true);
}

/* The members that hold signed URLs, as they stand in the text. */
static size_t signed_members(const char *json, size_t len, struct span out[2])
{
    static const char *const names[] = {"hls", "thumbnail"};
    size_t count = 0;

    for (size_t i = 0; i < array_count(names); i++) {
        struct span *s = &out[count];
        count += scan_member(json, len, names[i], strlen(names[i]), &s->text,
                             &s->len) == 0;
    }
    if (count == 2 && out[0].text > out[1].text) {
        struct span first = out[1];
        out[1] = out[0];
        out[0] = first;
    }
    return count;
}

static bool same_bytes(const char *a, const char *a_end, const char *b,
                       const char *b_end)
{
    return a_end - a == b_end - b && memcmp(a, b, (size_t)(a_end - a)) == 0;
}

bool renewal_is(const char *a, size_t a_len, const char *b, size_t b_len)
{
    struct span a_spans[2], b_spans[2];
    const char *a_at = a, *b_at = b;
    size_t count = signed_members(a, a_len, a_spans);

    if (count == 0 || count != signed_members(b, b_len, b_spans))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!same_bytes(a_at, a_spans[i].text, b_at, b_spans[i].text) ||
            !renewed_member(&a_spans[i], &b_spans[i]))
            return false;
        a_at = a_spans[i].text + a_spans[i].len;
        b_at = b_spans[i].text + b_spans[i].len;
    }
    return same_bytes(a_at, a + a_len, b_at, b + b_len);
}
