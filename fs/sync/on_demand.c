/* SPDX-License-Identifier: MIT */
/*
 * on_demand.c - questions that the first walk hasn't answered yet go to the
 * server as on-demand queries, ahead of it.
 *
 * An on-demand query is read whole and committed at once, oldest first. Its
 * answer counts when its pages have one total and as many different assets:
 * what shifted between two pages would be missing or double; then it is asked
 * again. Without a total that can be told of a single page alone, and more than
 * that waits for the walk. What is known to meet the query and wasn't in its
 * answer is asked for by its id, which proves it gone: what the server takes
 * for a match is its own. An answer to `filename=` holds every asset of each
 * filename in it, so their folder names are final; one to `asset_ids=` doesn't,
 * so each filename in it is asked for next.
 *
 * Where no such query can be made, it is refused, or it turns out wide, the
 * question waits for the walk. A refusal (400, 404) proves no absence, not even
 * of an id: a gateway's looks the same.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "grammar/name.h"
#include "sync/sync_internal.h"

#define PAGES_MAX  100        /* a wider answer waits for the walk */
#define BYTES_MAX  (32 << 20) /* … and so does a fatter one, held in memory */
#define TRIES_MAX  5
#define SELECT_MAX 50000 /* rows are looked through in some milliseconds */
#define NAMES_MAX  64    /* filenames to complete after an answer by ids */

struct on_demand;
struct part {
    struct on_demand *query;
    size_t index;
};

struct on_demand {
    struct on_demand *next;
    struct query query; /* one term: ids, or a filename */
    char *key;          /* its canonical text */
    char *filter;
    bool by_ids;   /* what is asked for now; later their filenames are */
    bool ids_came; /* … and are in the catalogue */
    bool nameless; /* some filename of theirs can't be asked for */
    int64_t deadline_ms;
    int64_t total;
    struct page pages[PAGES_MAX];
    struct part parts[PAGES_MAX]; /* their slots, for callbacks */
    size_t page_count, asked, in_flight;
    size_t bytes;             /* of the objects in there */
    struct api_answer answer; /* the earliest */
    int tries;
    int err;                /* of the first page that failed */
    char *names[NAMES_MAX]; /* filenames that remain to be asked for */
    size_t name_count;
    struct catalogue_slot *absent; /* known, and not in the answer */
    size_t absent_count;
};

static void on_demand_ask_more(struct sync *s, struct on_demand *n);

static void on_demand_free(struct on_demand *n)
{
    for (size_t i = 0; i < PAGES_MAX; i++)
        page_done(&n->pages[i]);
    for (size_t i = 0; i < n->name_count; i++)
        free(n->names[i]);
    catalogue_slots_free(n->absent, n->absent_count);
    query_done(&n->query);
    free(n->key);
    free(n->filter);
    free(n);
}

static void on_demand_ask_again(struct sync *s, struct on_demand *n)
{
    for (size_t i = 0; i < n->page_count; i++)
        page_done(&n->pages[i]);
    n->page_count = n->asked = n->bytes = 0;
    n->total = -1;
    n->err = 0;
    on_demand_ask_more(s, n);
}

static void on_demand_end(struct sync *s, struct on_demand *n, int err)
{
    for (struct on_demand **at = &s->on_demand; *at; at = &(*at)->next) {
        if (*at == n) {
            *at = n->next;
            break;
        }
    }
    if (!err)
        coverage_add(s, &n->query);
    waiters_answer(s, n, err);
    on_demand_free(n);
}

static bool on_demand_asks_for_id(struct sync *s, struct waiter *w, void *ctx,
                                  int *ret_err)
{
    *ret_err = 0;
    return w->owner == ctx && w->want == SYNC_ID;
}

static bool on_demand_hand_to_walk(struct sync *s, struct waiter *w, void *ctx,
                                   int *ret_err)
{
    if (w->owner == ctx)
        w->owner = NULL;
    return false;
}

/* Too wide, or nothing that a server can be asked: whoever asked waits for the
 * walk instead; but not for an asset that has come and only lacks its folder
 * name. */
static void on_demand_give_up(struct sync *s, struct on_demand *n)
{
    if (n->ids_came)
        waiters_settle(s, on_demand_asks_for_id, n);
    if (!s->complete)
        waiters_settle(s, on_demand_hand_to_walk, n);
    else
        waiters_answer(s, n, 0);
    on_demand_end(s, n, -EAGAIN);
}

static bool on_demand_is_named(struct sync *s, const char *id)
{
    struct catalogue_entry entry;
    struct catalogue_reader *r = catalogue_reader_acquire(s->catalogue);
    bool named = r && !catalogue_get_by_id(r, id, &entry) && entry.folder;
    catalogue_reader_release(r);
    return named;
}

static bool on_demand_has_name(const struct on_demand *n, const char *run,
                               size_t len)
{
    for (size_t i = 0; i < n->name_count; i++)
        if (strlen(n->names[i]) == len && memcmp(n->names[i], run, len) == 0)
            return true;
    return false;
}

/* Notes what to ask for, so that an asset gets its folder name. */
static int on_demand_note_name(struct sync *s, struct on_demand *n,
                               const struct asset *a)
{
    const char *run;
    size_t len;
    if (on_demand_is_named(s, a->id))
        return 0;
    if (!a->filename ||
        !name_ascii_run(a->filename, a->filename_len, &run, &len)) {
        n->nameless = true;
        return 0;
    }
    if (on_demand_has_name(n, run, len))
        return 0;
    if (n->name_count == NAMES_MAX) {
        n->nameless = true;
        return 0;
    }
    n->names[n->name_count] = strndup(run, len);
    if (!n->names[n->name_count])
        return -ENOMEM;
    n->name_count++;
    return 0;
}

static int on_demand_put_page(struct sync *s, struct on_demand *n,
                              struct page *page)
{
    for (size_t i = page->count; i-- > 0;) {
        struct apply_outcome out;
        int err =
            apply_asset(s, &page->assets[i], !n->by_ids, &n->answer, &out);
        if (err)
            return err;
        if (n->by_ids && !out.gone)
            err = on_demand_note_name(s, n, &page->assets[i]);
        if (err)
            return err;
    }
    return 0;
}

static int on_demand_commit(struct sync *s, struct on_demand *n)
{
    int err = sync_begin(s);
    if (err)
        return err;
    for (size_t i = n->page_count; !err && i-- > 0;)
        err = on_demand_put_page(s, n, &n->pages[i]);
    return sync_end(s, err);
}

static int on_demand_compare_ids(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Those of its answer; borrowed. */
static int on_demand_sort_ids(const struct on_demand *n, const char ***ret_ids,
                              size_t *ret_count)
{
    size_t count = 0;
    for (size_t i = 0; i < n->page_count; i++)
        count += n->pages[i].count;
    const char **ids = calloc(count + 1, sizeof(*ids));
    if (!ids)
        return -ENOMEM;
    *ret_ids = ids;
    *ret_count = count;
    for (size_t i = 0; i < n->page_count; i++)
        for (size_t k = 0; k < n->pages[i].count; k++)
            *ids++ = n->pages[i].assets[k].id;
    qsort(*ret_ids, count, sizeof(*ids), on_demand_compare_ids);
    return 0;
}

/* 0 when nothing is missing or double, -ESTALE when something is. */
static int on_demand_check_whole(const struct on_demand *n)
{
    size_t count = 0;
    for (size_t i = 0; i < n->page_count; i++) {
        if (n->pages[i].total_results != n->total)
            return -ESTALE;
        count += n->pages[i].count + n->pages[i].skipped;
    }
    if ((int64_t)count != n->total)
        return -ESTALE;
    cleanup(free_ptr) const char **ids = NULL;
    size_t used;
    int err = on_demand_sort_ids(n, &ids, &used);
    if (err)
        return err;
    for (size_t i = 1; i < used; i++)
        if (strcmp(ids[i - 1], ids[i]) == 0)
            return -ESTALE;
    return 0;
}

static int on_demand_set_query(struct on_demand *n, const char *segment)
{
    struct query q = {0};
    cleanup(buf_done) struct buf filter = {.max = 64 << 10};
    int err = query_add(&q, segment, NULL, NULL);
    if (!err)
        err = query_ask(&q, &filter);
    query_done(&q);
    if (err)
        return err;
    free(n->filter);
    n->filter = buf_steal(&filter, NULL);
    return n->filter ? 0 : -ENOMEM;
}

/* Answers false when no filename is left. */
static bool on_demand_next_name(struct sync *s, struct on_demand *n)
{
    while (n->name_count) {
        cleanup(free_ptr) char *name = n->names[--n->name_count];
        cleanup(free_ptr) char *segment = NULL;
        if (asprintf(&segment, "filename=%s", name) < 0 ||
            on_demand_set_query(n, segment)) {
            n->nameless = true;
            continue;
        }
        n->by_ids = false;
        n->tries = 0;
        on_demand_ask_again(s, n);
        return true;
    }
    return false;
}

/* Each id that was asked for is there: whatever the total says. */
static bool on_demand_has_all_ids(const struct on_demand *n)
{
    return n->by_ids && n->page_count == 1 &&
           n->pages[0].count == n->query.terms[0].text_count;
}

struct lateness {
    const struct on_demand *query;
    int64_t latest_ms;
};

static bool on_demand_is_out_of_time(struct sync *s, struct waiter *w,
                                     void *ctx, int *ret_err)
{
    struct lateness *l = ctx;
    if (w->owner != l->query)
        return false;
    if (w->deadline_ms > l->latest_ms)
        l->latest_ms = w->deadline_ms;
    *ret_err = l->query->err;
    return w->deadline_ms <= l->query->deadline_ms;
}

/* Another try may do better, and there would be one with more time. */
static bool on_demand_wants_time(int err)
{
    return err == -ETIMEDOUT || err == -EAGAIN || err == -EIO ||
           err == -ENETUNREACH || err == -EHOSTUNREACH;
}

/* Tries went on as long as whoever asked first could wait: only he hears that
 * they failed, and they go on for who joined and can wait longer. */
static bool on_demand_goes_on(struct sync *s, struct on_demand *n)
{
    struct lateness l = {n, n->deadline_ms};
    if (!on_demand_wants_time(n->err))
        return false;
    waiters_settle(s, on_demand_is_out_of_time, &l);
    if (l.latest_ms == n->deadline_ms)
        return false;
    n->deadline_ms = l.latest_ms;
    on_demand_ask_again(s, n);
    return true;
}

/* Known assets that meet the query and weren't in its answer, as many as one
 * request can ask for. */
static int on_demand_find_absent(struct sync *s, struct on_demand *n)
{
    cleanup(free_ptr) const char **ids = NULL;
    cleanup(free_ptr) int64_t *rows = NULL;
    size_t id_count;
    size_t row_count = 0;
    int err = on_demand_sort_ids(n, &ids, &id_count);
    struct catalogue_reader *r = catalogue_reader_acquire(s->catalogue);
    n->absent = calloc(API_IDS_LIMIT, sizeof(*n->absent));
    if (!err && (!r || !n->absent))
        err = -ENOMEM;
    bool many = !err && catalogue_total(r) > SELECT_MAX;
    if (!err && !many)
        err = catalogue_select(r, &n->query, 0, &rows, NULL, &row_count);
    for (size_t i = 0; !err && i < row_count; i++) {
        struct catalogue_entry e;
        if (n->absent_count == API_IDS_LIMIT || catalogue_get(r, rows[i], &e) ||
            apply_is_made_id(e.id) ||
            bsearch(&e.id, ids, id_count, sizeof(*ids), on_demand_compare_ids))
            continue;
        struct catalogue_slot *slot = &n->absent[n->absent_count];
        *slot = (struct catalogue_slot){e.row, e.created_s, strdup(e.id)};
        n->absent_count += slot->id != NULL;
    }
    catalogue_reader_release(r);
    return err;
}

static void on_demand_proceed(struct sync *s, struct on_demand *n, int err)
{
    if (!err && on_demand_next_name(s, n))
        return;
    if (!err && n->nameless)
        on_demand_give_up(s, n);
    else
        on_demand_end(s, n, err);
}

/* What can't be found out stays: the answer is whole without. */
static void on_demand_on_absent(struct sync *s, void *ctx, int err,
                                struct page *page,
                                const struct api_answer *answer)
{
    struct on_demand *n = ctx;
    size_t removed;
    size_t doubtful;
    if (!err)
        err = apply_ids(s, n->absent, n->absent_count, page, answer, true,
                        &removed, &doubtful);
    on_demand_proceed(s, n, err == -ESHUTDOWN ? err : 0);
}

static void on_demand_ask_absent(struct sync *s, struct on_demand *n)
{
    request_ids(s, n->absent, n->absent_count, API_FOREGROUND, API_CAUSE_QUERY,
                on_demand_on_absent, n);
}

static void on_demand_conclude(struct sync *s, struct on_demand *n)
{
    if (on_demand_goes_on(s, n))
        return;
    int err = n->err ? n->err : on_demand_check_whole(n);
    if (err == -ESTALE && on_demand_has_all_ids(n))
        err = 0;
    if (err == -ESTALE && ++n->tries < TRIES_MAX) {
        on_demand_ask_again(s, n);
        return;
    }
    if (err == -ESTALE || err == -EINVAL || err == -ENOENT || err == -E2BIG) {
        on_demand_give_up(s, n);
        return;
    }
    if (!err)
        err = on_demand_commit(s, n);
    if (!err && !n->ids_came)
        err = on_demand_find_absent(s, n);
    n->ids_came |= !err && n->by_ids;
    if (!err && n->absent_count)
        on_demand_ask_absent(s, n);
    else
        on_demand_proceed(s, n, err);
}

static bool on_demand_is_wide(const struct on_demand *n)
{
    return n->total > (int64_t)PAGES_MAX * API_PAGE_LIMIT ||
           n->bytes > BYTES_MAX;
}

/* None is stated, or none that can be read. */
static void on_demand_make_total(const struct on_demand *n, struct page *page)
{
    size_t count = page->count + page->skipped;
    page->total_results =
        n->asked == 1 && count < API_PAGE_LIMIT ? (int64_t)count : INT64_MAX;
}

static void on_demand_on_page(struct sync *s, void *ctx, int err,
                              struct page *page,
                              const struct api_answer *answer)
{
    struct part *part = ctx;
    struct on_demand *n = part->query;
    size_t index = part->index;
    n->in_flight--;
    if (!err && page->total_results < 0)
        on_demand_make_total(n, page);
    if (err && !n->err)
        n->err = err;
    if (!err) {
        if (index == 0) {
            n->total = page->total_results;
            n->answer = *answer;
        }
        for (size_t i = 0; i < page->count; i++)
            n->bytes += page->assets[i].json_len;
        n->pages[index] = *page;
        *page = (struct page){0};
    }
    if (!n->err && on_demand_is_wide(n)) {
        if (!n->in_flight)
            on_demand_give_up(s, n);
        return;
    }
    if (!n->err)
        on_demand_ask_more(s, n);
    if (!n->in_flight)
        on_demand_conclude(s, n);
}

/* Page 1 first: it tells how many there are; then the rest, several at once. */
static void on_demand_ask_more(struct sync *s, struct on_demand *n)
{
    size_t pages = 1;
    if (n->total > 0)
        pages = (size_t)((n->total + API_PAGE_LIMIT - 1) / API_PAGE_LIMIT);
    if (pages > PAGES_MAX)
        pages = PAGES_MAX;
    n->page_count = pages;
    while (n->asked < pages && n->in_flight < (size_t)s->config.walk_parallel) {
        struct part *part = &n->parts[n->asked];
        *part = (struct part){n, n->asked++};
        n->in_flight++;
        request_page(s, (int64_t)part->index + 1, API_PAGE_LIMIT, n->filter,
                     API_FOREGROUND, API_CAUSE_QUERY, n->deadline_ms,
                     on_demand_on_page, part);
    }
}

static const struct query_term *on_demand_narrowest_term(const struct query *q)
{
    const struct query_term *best = NULL;
    for (size_t i = 0; i < q->count; i++) {
        const struct query_term *t = &q->terms[i];
        if (t->kind == QUERY_ID)
            return t;
        if (t->kind == QUERY_FILENAME &&
            (!best || strlen(t->texts[0]) > strlen(best->texts[0])))
            best = t;
    }
    return best;
}

static struct on_demand *on_demand_find(struct sync *s, const char *key)
{
    for (struct on_demand *n = s->on_demand; n; n = n->next)
        if (strcmp(n->key, key) == 0)
            return n;
    return NULL;
}

static int on_demand_new(const struct query *term, const char *key,
                         struct on_demand **ret_query)
{
    cleanup(buf_done) struct buf filter = {.max = 64 << 10};
    int err = query_ask(term, &filter);
    if (err)
        return err;
    struct on_demand *n = calloc(1, sizeof(*n));
    if (!n)
        return -ENOMEM;
    n->total = -1;
    n->by_ids = term->terms[0].kind == QUERY_ID;
    n->key = strdup(key);
    n->filter = buf_steal(&filter, NULL);
    if (!n->key || !n->filter || query_copy(term, &n->query)) {
        on_demand_free(n);
        return -ENOMEM;
    }
    *ret_query = n;
    return 0;
}

/* Joins the query of this term that is under way, or begins it. */
static int on_demand_join(struct sync *s, struct waiter *w,
                          const struct query *term)
{
    cleanup(buf_done) struct buf key = {.max = 64 << 10};
    int err = query_canonical(term, &key);
    if (err)
        return err;
    if (coverage_of(s, term))
        return 0;
    struct on_demand *n = on_demand_find(s, buf_str(&key));
    if (n) {
        w->owner = n;
        return QUESTION_WAITS;
    }
    err = on_demand_new(term, buf_str(&key), &n);
    if (err)
        return err;
    n->deadline_ms = w->deadline_ms;
    n->next = s->on_demand;
    s->on_demand = n;
    w->owner = n;
    on_demand_ask_more(s, n);
    return QUESTION_WAITS;
}

int on_demand_query(struct sync *s, struct waiter *w, const struct query *q)
{
    const struct query_term *t = on_demand_narrowest_term(q);
    if (!t)
        return -EOPNOTSUPP;
    struct query_term copy = *t;
    const struct query one = {&copy, 1};
    return on_demand_join(s, w, &one);
}

int on_demand_id(struct sync *s, struct waiter *w, const char *id)
{
    struct query q = {0};
    int err = query_add_id(&q, id);
    if (!err)
        err = on_demand_join(s, w, &q);
    query_done(&q);
    return err;
}

/* The filename behind a folder name, as far as a server can be asked for it. */
int on_demand_folder(struct sync *s, struct waiter *w, const char *folder)
{
    const char *run;
    size_t len;
    cleanup(free_ptr) char *segment = NULL;
    cleanup(buf_done) struct buf filename = {.max = NAME_SIZE};
    struct query q = {0};
    int err = name_unescape(folder, &filename);
    if (err)
        return err;
    if (!name_ascii_run(buf_str(&filename), filename.len, &run, &len))
        return -EOPNOTSUPP;
    if (asprintf(&segment, "filename=%.*s", (int)len, run) < 0)
        return -ENOMEM;
    err = query_add(&q, segment, NULL, NULL);
    if (!err)
        err = on_demand_join(s, w, &q);
    query_done(&q);
    return err;
}

void on_demand_done(struct sync *s)
{
    for (struct on_demand *n; (n = s->on_demand);) {
        s->on_demand = n->next;
        on_demand_free(n);
    }
}
