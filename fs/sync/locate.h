/* SPDX-License-Identifier: MIT */
/*
 * locate.h - finds how many assets of the list are newer than a given second,
 * or how many there are at all, by looking at pages.
 *
 * A page that has both newer and older assets, or that is short, tells it at
 * once; else the number lies on one side, and the search gallops or halves.
 * Nobody's total is believed: it is only where the caller says to look first.
 * The end of a list is sure when the page past it was seen empty.
 *
 * No thread, no memory, no clock: the caller asks for pages and hands them in.
 */
#ifndef TWELVEFS_LOCATE_H
#define TWELVEFS_LOCATE_H

#include <stdbool.h>
#include <stdint.h>

#include "json/page.h"

struct locate {
    int64_t second;     /* count what is newer; INT64_MIN: all */
    int limit;          /* of the pages */
    bool surely;        /* an end counts once the page past it was seen empty */
    int64_t low, high;  /* the number lies between; INT64_MAX: not known */
    int64_t empty_from; /* the lowest offset that was seen empty */
    int64_t guess;
    int64_t stride;     /* of the gallop, in pages */
    int contradictions; /* where the list seemed to end it went on */
};

/* A page length under which that number lies well within a page. */
int locate_limit(int64_t guess);
void locate_begin(struct locate *l, int64_t second, int limit, int64_t guess);
/* The page to look at next; page + 1 is worth asking for at the same time. */
int64_t locate_next_page(const struct locate *l);
void locate_take(struct locate *l, int64_t number, const struct page *page);
bool locate_is_found(const struct locate *l);

#endif
