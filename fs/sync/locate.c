/* SPDX-License-Identifier: MIT */
#include "sync/locate.h"

#include <stddef.h>

#define LIMIT_HIGH 50
#define LIMIT_LOW  40
#define ROOM       4 /* on either side */

int locate_limit(int64_t guess)
{
    for (int limit = LIMIT_HIGH; limit >= LIMIT_LOW; limit--)
        if (guess % limit > ROOM && guess % limit < limit - ROOM)
            return limit;
    return LIMIT_HIGH;
}

void locate_begin(struct locate *l, int64_t second, int limit, int64_t guess)
{
    *l = (struct locate){.second = second,
                         .limit = limit,
                         .high = INT64_MAX,
                         .empty_from = INT64_MAX,
                         .guess = guess > 0 ? guess : 0};
}

/* The offset at which the page after the last begins. */
static int64_t locate_past_end(const struct locate *l)
{
    return (l->low + l->limit - 1) / l->limit * l->limit;
}

bool locate_is_found(const struct locate *l)
{
    bool sure = !l->surely || l->second != INT64_MIN ||
                l->empty_from <= locate_past_end(l);
    return l->low == l->high && sure;
}

int64_t locate_next_page(const struct locate *l)
{
    if (l->low == l->high)
        return locate_past_end(l) / l->limit + 1; /* to see that it is empty */
    if (l->high != INT64_MAX)
        return (l->low + (l->high - l->low) / 2) / l->limit + 1;
    if (l->guess > l->low)
        return (l->guess - 1) / l->limit + 1;
    return l->low / l->limit + 1 + l->stride;
}

static size_t locate_count_newer(const struct locate *l,
                                 const struct page *page)
{
    size_t i = 0;
    while (i < page->count && page->assets[i].created_s > l->second)
        i++;
    return i;
}

/* Later news is right where two contradict each other: the list has moved. */
static void locate_is_at_least(struct locate *l, int64_t number)
{
    if (number > l->low)
        l->low = number;
    if (l->high < l->low) {
        l->high = INT64_MAX;
        l->contradictions++;
    }
    if (l->empty_from < l->low)
        l->empty_from = INT64_MAX;
}

static void locate_is_at_most(struct locate *l, int64_t number)
{
    if (number < l->high)
        l->high = number;
    if (l->low > l->high)
        l->low = 0;
}

void locate_take(struct locate *l, int64_t number, const struct page *page)
{
    int64_t before = (number - 1) * l->limit;
    size_t elements = page->count + page->skipped;
    size_t newer =
        l->second == INT64_MIN ? page->count : locate_count_newer(l, page);
    bool passes = newer < page->count;
    bool ends = elements < (size_t)l->limit;
    if (!elements && before < l->empty_from)
        l->empty_from = before;
    if (!passes && elements)
        newer = elements;
    if (newer || !before)
        locate_is_at_least(l, before + (int64_t)newer);
    if (passes || ends || !newer)
        locate_is_at_most(l, before + (int64_t)newer);
    if (l->high == INT64_MAX && before >= l->guess)
        l->stride = l->stride ? 2 * l->stride : 1;
}
