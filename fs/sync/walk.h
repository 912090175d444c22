/* SPDX-License-Identifier: MIT */
/*
 * walk.h - what walk.c, tape.c, bridge.c and judge.c share. Private to the
 * room.
 */
#ifndef TWELVEFS_SYNC_WALK_H
#define TWELVEFS_SYNC_WALK_H

#include "sync/sync_internal.h"

#define WALK_PARALLEL_MAX 16
#define HELD_MAX          32
#define WALK_TAPE_MAX     ((size_t)4 * API_PAGE_LIMIT)

/* A page that came and waits for its turn. */
struct held {
    int64_t number;
    struct page page;
    struct api_answer answer;
};

static inline int64_t held_top(const struct held *h)
{
    return h->page.total_results - (h->number - 1) * API_PAGE_LIMIT;
}

static inline int64_t held_bottom(const struct held *h)
{
    return held_top(h) - (int64_t)(h->page.count + h->page.skipped) + 1;
}

/* A page under way. */
struct asked {
    int64_t number; /* 0: the slot is free */
    int64_t from;   /* the lowest position it should bring */
};

/* A presumed border between two neighbours of the tape. */
struct bridge {
    char *older_id, *newer_id;
    int64_t older_s, newer_s;
    int64_t position; /* of the older one, about */
    int tries;
    bool asked;
};

struct walk {
    bool opened;
    bool paused;
    int64_t failed_ms; /* when it paused */
    bool anew;         /* start over once nothing is under way */
    bool lost;         /* likewise: what was joined isn't in the catalogue */
    bool closing;      /* page 1 is asked for */
    bool bridging, judging;
    int64_t total;    /* as last heard */
    int64_t reach;    /* position of the tape's newest asset */
    int64_t ask_from; /* lowest position not asked for */
    int in_flight;
    int steps_back;       /* in all */
    int closings;         /* in a row without a step forward */
    int64_t closed_reach; /* the tape's at the last closing */
    int64_t requests;     /* so far */
    int64_t most;         /* the largest total heard */
    int64_t void_top; /* below it an empty page was, before the tape began */
    int64_t holes;    /* elements that were no assets */
    struct asked asked[WALK_PARALLEL_MAX];
    struct held held[HELD_MAX];
    size_t held_count;
    char *tape[WALK_TAPE_MAX]; /* ids of its newest assets, oldest first */
    size_t tape_count;
    int64_t tape_top_s;
    char *open_top; /* id of the newest asset when the stretch was opened */
    int64_t open_total;
    int stretch_pages;
    struct bridge *bridges;
    size_t bridge_count, bridge_capacity;
    size_t bridges_closed; /* leading ones, of stretches that weren't proven */
    struct catalogue_place *judged; /* asked for by id */
    size_t judged_count;
};

/* walk.c: an error pauses the walk; the bridges are all crossed; all is
 * judged. */
void walk_fail(struct sync *s, int err);
void walk_bridged(struct sync *s);
void walk_anew(struct sync *s);
/* Heard a total, and sent for a page. False: so many requests can't be
 * explained by any account that keeps to its own list. */
void walk_heard(struct walk *w, int64_t total);
bool walk_may_spend(struct walk *w);

void walk_end(struct sync *s);

/* judge.c: asks for what the walk didn't see; then walk_end. */
void walk_forget_judged(struct walk *w);
void judge_unseen(struct sync *s);

/* tape.c: commits a page on top of the tape. -EAGAIN: it doesn't join; -ESTALE:
 * nothing will. */
int tape_join(struct sync *s, struct held *h);
/* All that are held and whose turn it is. */
int tape_join_held(struct sync *s);
/* Before the tape begins: where it should, by a page that came empty. */
void tape_find_bottom(struct walk *w, int64_t number, const struct page *page);

/* bridge.c */
int bridge_add(struct walk *w, const char *older_id, int64_t older_s,
               const struct asset *newer, int64_t position);
/* The stretch ends: its borders are proven and forgotten, or to be crossed. */
void bridges_close(struct walk *w, bool proven);
/* Looks across those that are left; then walk_bridged. */
void bridges_start(struct sync *s);
void bridges_done(struct walk *w);

#endif
