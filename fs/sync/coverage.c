/* SPDX-License-Identifier: MIT */
/*
 * coverage.c - which on-demand queries were answered lately: what they ask for
 * is in the catalogue, before the first walk is through.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "sync/sync_internal.h"

static bool coverage_has(struct sync *s, const char *text)
{
    int64_t now_ms = clock_mono_ms();
    guard_mutex(&s->lock);
    for (size_t i = 0; i < COVERAGE_MAX; i++)
        if (s->coverage.texts[i] && s->coverage.until_ms[i] > now_ms &&
            strcmp(s->coverage.texts[i], text) == 0)
            return true;
    return false;
}

static bool coverage_has_term(struct sync *s, struct query_term *term)
{
    cleanup(buf_done) struct buf text = {.max = 64 << 10};
    const struct query one = {term, 1};
    return (term->kind == QUERY_ID || term->kind == QUERY_FILENAME) &&
           !query_canonical(&one, &text) && coverage_has(s, buf_str(&text));
}

/* A conjunction is covered when one of its terms is: it holds no more. */
bool coverage_of(struct sync *s, const struct query *q)
{
    for (size_t i = 0; i < q->count; i++)
        if (coverage_has_term(s, &q->terms[i]))
            return true;
    cleanup(buf_done) struct buf text = {.max = 64 << 10};
    return !query_canonical(q, &text) && coverage_has(s, buf_str(&text));
}

void coverage_add(struct sync *s, const struct query *q)
{
    cleanup(buf_done) struct buf text = {.max = 64 << 10};
    if (query_canonical(q, &text))
        return;
    char *made = buf_steal(&text, NULL);
    int64_t until_ms = clock_mono_ms() + s->config.refresh_ms;
    guard_mutex(&s->lock);
    size_t oldest = 0;
    for (size_t i = 0; i < COVERAGE_MAX; i++) {
        if (s->coverage.texts[i] && made &&
            strcmp(s->coverage.texts[i], made) == 0) {
            oldest = i;
            break;
        }
        if (s->coverage.until_ms[i] < s->coverage.until_ms[oldest])
            oldest = i;
    }
    free(s->coverage.texts[oldest]);
    s->coverage.texts[oldest] = made;
    s->coverage.until_ms[oldest] = until_ms;
}

bool sync_covers(struct sync *s, const struct query *q)
{
    return s->complete || coverage_of(s, q);
}

void coverage_done(struct sync *s)
{
    for (size_t i = 0; i < COVERAGE_MAX; i++)
        free(s->coverage.texts[i]);
}
