/* SPDX-License-Identifier: MIT */
/*
 * news.c - what is new: page 1, and as many of the pages below it as it takes
 * to reach what is known.
 *
 * Page 1 shows all that is new where it reaches down to a known asset, no newer
 * than where the list was last known to be whole: above that a known one may
 * stand alone, brought by its id, or by a reading that was broken off.
 *
 * Else the pages below are read one after the other, each so that it begins
 * above the lowest second of the one before. Where two answers overlap by a
 * second, nothing lies between them that stood while both were made, whatever
 * came on top or went meanwhile, and however equal seconds are ordered: no
 * total is needed for that, nor a second look. A page that doesn't overlap
 * (something went, or a server answered that lags behind) is asked for again,
 * further up. All are applied together, oldest first.
 *
 * What is more than NEWS_PAGES, or stands in one second, is a walk's: -E2BIG.
 * So a reading costs some 2 * NEWS_PAGES requests at the very most.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sync/sync_internal.h"

#define NEWS_PAGES    13 /* 12 of what is new, and one that overlaps */
#define NEWS_REQUESTS (2 * NEWS_PAGES)
#define LIMIT_LOW     25
#define STEP_BACK     20 /* further up, where two answers don't overlap */
#define PROGRESS_MIN  5
#define GONE_MAX      50 /* more at once on page 1's word want a second look */

struct news_page {
    struct apply_options options;
    struct page page;
    struct api_answer answer;
};

struct news {
    enum api_lane lane;
    news_end_fn *on_end;
    bool confirmed; /* that much is gone from the top */
    int requests;
    struct news_page pages[NEWS_PAGES]; /* from page 1 down */
    size_t count;
    struct apply_options asked;
    int64_t from; /* offset that it should begin at, or above */
};

void news_done(struct sync *s)
{
    struct news *n = s->news;
    for (size_t i = 0; n && i < n->count; i++)
        page_done(&n->pages[i].page);
    free(n);
    s->news = NULL;
}

static void news_end(struct sync *s, int err, struct page *page,
                     const struct api_answer *answer, struct news_result result)
{
    news_end_fn *on_end = s->news->on_end;
    result.page = page;
    result.answer = answer;
    struct news *n = s->news;
    s->news = NULL; /* or on_end couldn't begin another */
    on_end(s, err, &result);
    for (size_t i = 0; i < n->count; i++)
        page_done(&n->pages[i].page);
    free(n);
}

static void news_fail(struct sync *s, int err)
{
    news_end(s, err, NULL, NULL, (struct news_result){0});
}

/* How many known assets are newer than a second; counted from that end. */
static int news_count_newer(struct sync *s, int64_t second, int64_t *ret_newer)
{
    int64_t rank = 0;
    struct catalogue_reader *r = catalogue_reader_acquire(s->catalogue);
    if (!r)
        return -ENOMEM;
    int err = catalogue_rank(r, second, INT64_MAX, &rank);
    *ret_newer = catalogue_total(r) - rank;
    catalogue_reader_release(r);
    return err;
}

int news_guess(struct sync *s, const struct page *page, int64_t *ret_guess,
               int64_t *ret_above)
{
    int64_t known = account_known(s);
    int err = known < 0 ? (int)known
                        : news_count_newer(s, s->account.linked_s, ret_above);
    if (!err)
        *ret_guess = extent_at(&s->account.extent, page) - known + *ret_above;
    return err;
}

static int news_is_known(struct sync *s, const char *id, bool *ret_known)
{
    struct catalogue_entry entry;
    struct catalogue_reader *r = catalogue_reader_acquire(s->catalogue);
    if (!r)
        return -ENOMEM;
    int err = catalogue_get_by_id(r, id, &entry);
    catalogue_reader_release(r);
    *ret_known = !err;
    return err == -ENOENT ? 0 : err;
}

static bool news_is_ordered(const struct page *page)
{
    for (size_t i = 1; i < page->count; i++)
        if (page->assets[i - 1].created_s < page->assets[i].created_s)
            return false;
    return true;
}

/* Whether it reaches down to what is whole. */
static int news_links(struct sync *s, const struct apply_options *options,
                      const struct page *page, bool *ret_links)
{
    *ret_links = apply_is_short(options, page);
    if (*ret_links || !page->count)
        return 0;
    bool known;
    const struct asset *last = &page->assets[page->count - 1];
    int err = news_is_known(s, last->id, &known);
    *ret_links = !err && known &&
                 (!s->account.linked_s || !news_is_ordered(page) ||
                  last->created_s <= s->account.linked_s);
    return err;
}

/* Whether an answer takes away so much that it wants a second look. */
static int news_wants_confirmation(struct sync *s, const struct page *page,
                                   bool *ret_wants)
{
    struct news *n = s->news;
    int64_t newer = 0;
    *ret_wants = false;
    if (n->confirmed || n->count || !page->count)
        return 0;
    int err = news_count_newer(s, page->assets[0].created_s, &newer);
    *ret_wants = n->confirmed = !err && newer > GONE_MAX;
    return err;
}

/* All that was read, oldest first. */
static int news_apply(struct sync *s, struct news_result *ret_result)
{
    struct news *n = s->news;
    struct news_result total = {0};
    for (size_t i = n->count; i-- > 0;) {
        struct apply_result result;
        struct news_page *p = &n->pages[i];
        int err = apply_page(s, &p->options, &p->page, &p->answer, &result);
        if (err)
            return err;
        total.added += result.added;
        total.changes += (uint64_t)result.added;
        if (i == 0)
            total.changes += (uint64_t)result.removed;
        if (i + 1 == n->count)
            total.bottom_s = p->page.count ? result.bottom_s : INT64_MAX;
        if (i == 0)
            total.top_s = result.top_s;
    }
    total.total = n->pages[0].page.total_results;
    *ret_result = total;
    return 0;
}

static void news_ask(struct sync *s);

/* Where the page that goes on below this one is to begin: at an asset newer
 * than its lowest second. False where there is none. */
static bool news_continue_from(const struct news_page *p, int64_t *ret_from)
{
    size_t i = p->page.count;
    if (p->page.skipped || !news_is_ordered(&p->page))
        return false;
    while (i > 0 && p->page.assets[i - 1].created_s ==
                        p->page.assets[p->page.count - 1].created_s)
        i--;
    *ret_from = (p->options.page - 1) * p->options.page_limit + (int64_t)i - 1;
    return i > 0;
}

/* The page, of any length, that begins there or above and reaches furthest. */
static bool news_choose(struct news *n)
{
    const struct news_page *p = &n->pages[n->count - 1];
    int64_t best = p->options.page * p->options.page_limit + PROGRESS_MIN - 1;
    bool found = false;
    for (int limit = API_PAGE_LIMIT; limit >= LIMIT_LOW; limit--) {
        int64_t page = n->from / limit + 1;
        if (page * limit <= best)
            continue;
        best = page * limit;
        found = true;
        n->asked = (struct apply_options){
            .page = page, .page_limit = limit, .named = true};
    }
    return found;
}

/* The pages go on below. 0, or -E2BIG where that is a walk's. */
static int news_go_on(struct sync *s)
{
    struct news *n = s->news;
    if (n->count == NEWS_PAGES || n->requests >= NEWS_REQUESTS ||
        !news_continue_from(&n->pages[n->count - 1], &n->from) ||
        !news_choose(n))
        return -E2BIG;
    news_ask(s);
    return 0;
}

/* It begins below where the one before ended: further up, then, as far as that
 * brings anything. */
static int news_step_back(struct sync *s)
{
    struct news *n = s->news;
    int64_t from = n->from;
    if (n->requests >= NEWS_REQUESTS)
        return -E2BIG;
    n->from = from > STEP_BACK ? from - STEP_BACK : 0;
    if (!news_choose(n))
        n->from = from; /* the same once more: another server may answer */
    news_ask(s);
    return 0;
}

static bool news_overlaps(const struct news *n, const struct page *page)
{
    const struct page *above = &n->pages[n->count - 1].page;
    return page->count && above->count && !page->skipped &&
           news_is_ordered(page) &&
           page->assets[0].created_s >
               above->assets[above->count - 1].created_s;
}

static void news_keep(struct news *n, struct page *page,
                      const struct api_answer *answer)
{
    n->pages[n->count++] = (struct news_page){n->asked, *page, *answer};
    *page = (struct page){0};
}

/* There is more than page 1: whether it can be read from here. */
static int news_expect(struct sync *s, const struct page *page)
{
    int64_t guess;
    int64_t above;
    int err = news_guess(s, page, &guess, &above);
    if (err)
        return err;
    account_note_missing(s, guess > above ? guess - above : API_PAGE_LIMIT);
    return guess > (int64_t)(NEWS_PAGES - 1) * API_PAGE_LIMIT ? -E2BIG : 0;
}

static int news_take(struct sync *s, struct page *page,
                     const struct api_answer *answer, bool *ret_linked)
{
    struct news *n = s->news;
    bool again = false;
    *ret_linked = false;
    int err = news_wants_confirmation(s, page, &again);
    if (!err && again) {
        news_ask(s);
        return 0;
    }
    if (!err && n->count && !news_overlaps(n, page))
        return news_step_back(s);
    if (!err)
        err = news_links(s, &n->asked, page, ret_linked);
    if (err)
        return err;
    news_keep(n, page, answer);
    if (*ret_linked)
        return 0;
    if (n->count == 1)
        err = news_expect(s, &n->pages[0].page);
    return err ? err : news_go_on(s);
}

static void news_on_page(struct sync *s, void *ctx, int err, struct page *page,
                         const struct api_answer *answer)
{
    struct news *n = s->news;
    struct news_result result = {0};
    bool linked = false;
    if (!err)
        err = news_take(s, page, answer, &linked);
    if (!err && !linked)
        return;
    if (!err)
        err = news_apply(s, &result);
    if (!err && n->pages[0].page.count) /* or it says nothing of that */
        err = account_note_linked(s, result.top_s);
    if (err == -E2BIG)
        news_end(s, err, &n->pages[0].page, &n->pages[0].answer, result);
    else if (err)
        news_fail(s, err);
    else
        news_end(s, 0, NULL, NULL, result);
}

static void news_ask(struct sync *s)
{
    struct news *n = s->news;
    n->requests++;
    request_page(s, n->asked.page, n->asked.page_limit, NULL, n->lane,
                 API_CAUSE_POLL, 0, news_on_page, NULL);
}

void news_start(struct sync *s, enum api_lane lane, news_end_fn *on_end)
{
    struct news *n = calloc(1, sizeof(*n));
    if (!n) {
        on_end(s, -ENOMEM, &(struct news_result){0});
        return;
    }
    n->lane = lane;
    n->on_end = on_end;
    n->asked = (struct apply_options){
        .page = 1, .page_limit = API_PAGE_LIMIT, .named = true};
    s->news = n;
    news_ask(s);
}
