/* SPDX-License-Identifier: MIT */
/*
 * walk.h - what walk.c, walk_read.c and prefix.c share. Private to the module.
 */
#ifndef TWELVEFS_WALK_H
#define TWELVEFS_WALK_H

#include "sync/locate.h"
#include "sync/sync_internal.h"
#include "sync/verify.h"

#define WALK_PARALLEL_MAX 16
#define BUFFERED_MAX      32
#define PREFIX_IDS        ((size_t)4 * API_PAGE_LIMIT)

/* A page that came and waits for its turn. */
struct buffered {
    int64_t number;
    struct page page;
    struct api_answer answer;
    bool last; /* the page after it was seen empty */
};

/* A page under way. */
struct asked {
    int64_t number; /* 0: the slot is free */
    int64_t from;   /* the lowest position it should bring */
};

enum walk_phase {
    WALK_OPENING,  /* page 1 is asked for */
    WALK_LOCATING, /* where the foot is */
    WALK_READING,
    WALK_FOOT, /* a stretch closes: the foot once more, … */
    WALK_TOP,  /* … and page 1 */
    WALK_VERIFYING
};

struct walk {
    int64_t foot_s; /* reads what is newer; INT64_MIN: all */
    enum api_lane lane;
    enum api_cause cause;
    enum walk_phase phase;
    bool over_known; /* the catalogue had assets before */
    bool opened;
    struct api_answer opened_answer;
    bool paused;
    bool restart; /* start over once nothing is under way */
    bool lost;    /* likewise: what was joined isn't in the catalogue */
    int err;      /* of a walk that ends with it */
    int in_flight;
    int64_t requests, largest; /* so far; the largest count heard */

    struct locate locate;
    struct extent extent; /* above the foot, as it was last seen */
    int64_t count;        /* … and as last heard */
    int64_t reach;        /* position of the prefix's newest asset */
    int64_t ask_from;     /* lowest position not asked for */
    int steps_back;       /* in all */
    bool distrust;        /* the answers' totals seem to be wrong */
    int closings;         /* in a row without a step forward */
    int64_t closed_reach; /* the prefix's at the last closing */
    int64_t unreadable;   /* elements that were no assets */
    int64_t total;        /* of page 1, as last read */

    struct asked asked[WALK_PARALLEL_MAX];
    struct buffered buffered[BUFFERED_MAX];
    size_t buffered_count;

    char *ids[PREFIX_IDS]; /* of the prefix's newest assets, oldest first */
    size_t id_count;
    int64_t top_s; /* second of its newest asset */

    /* the stretch */
    char *open_top;    /* id of the newest asset when it was opened */
    int64_t open_foot; /* offset of the foot then; -1 not known */
    int64_t foot_now;  /* … at the closing, … */
    int64_t foot_page; /* … by this page */
    int pages;
    bool finishing,
        through;     /* page 1 is buffered; and has joined: that is all */
    int looks;       /* at foot and top, to find them still */
    bool proven;     /* the last one */
    bool all_proven; /* all so far */

    struct segment *borders;
    size_t border_count, border_capacity;
    size_t borders_proven; /* leading ones, of stretches that are closed */
    int verified;          /* how often that was tried in vain */
    bool measured;         /* … without a number that was known */
    bool settled;          /* verified; the numbers are looked at once more */
    int recounts;          /* how often they were */
    uint64_t changes;      /* account.changes before a verification */
};

static inline bool walk_is_whole(const struct walk *w)
{
    return w->foot_s == INT64_MIN;
}

static inline int64_t buffered_top(const struct walk *w,
                                   const struct buffered *h)
{
    return extent_at(&w->extent, &h->page) - (h->number - 1) * API_PAGE_LIMIT;
}

static inline int64_t buffered_bottom(const struct walk *w,
                                      const struct buffered *h)
{
    return buffered_top(w, h) - (int64_t)(h->page.count + h->page.skipped) + 1;
}

/* walk.c: an error pauses the walk, or ends one that a poll waits for. */
void walk_fail(struct sync *s, int err);
/* Heard how many there are. */
void walk_heard(struct walk *w, const struct page *page);
/* Sends for one more page. False: so many requests can't be explained by any
 * account that keeps to its own list. */
bool walk_may_spend(struct walk *w);
/* Nothing is under way any more: what was put off until then. True when there
 * was something. */
bool walk_ended(struct sync *s);
void walk_ask(struct sync *s, int64_t number, int limit, request_fn *fn,
              void *ctx);
void walk_verify(struct sync *s);

/* walk_locate.c: begins with page 1; presumed above the foot are so many. Then
 * where the foot is. */
int walk_open(struct sync *s, const struct page *page,
              const struct api_answer *answer, int64_t guess);
void walk_locate(struct sync *s);

/* walk_read.c */
void walk_buffer(struct walk *w, int64_t number, struct page *page,
                 const struct api_answer *answer);
void walk_drop(struct walk *w, size_t index);
/* Asks for what comes next. Page 1 closes the stretch once all else is in. */
void walk_pump(struct sync *s);
/* Joins what is buffered and whose turn it is. */
int walk_join_buffered(struct sync *s);

/* walk_close.c */
int walk_open_stretch(struct walk *w, const struct page *page);
void walk_close(struct sync *s);

/* prefix.c: commits a page on top of the prefix. -EAGAIN: it doesn't join;
 * -ESTALE: nothing will. */
int prefix_join(struct sync *s, struct buffered *h);
void prefix_done(struct walk *w);

#endif
