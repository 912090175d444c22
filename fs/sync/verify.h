/* SPDX-License-Identifier: MIT */
/*
 * verify.h - what verify.c and verify_read.c share, and their face to walk.c
 * and poll.c. Private to the module. The sync thread's alone.
 */
#ifndef TWELVEFS_VERIFY_H
#define TWELVEFS_VERIFY_H

#include "sync/locate.h"
#include "sync/sync_internal.h"

#define VERIFY_SEGMENTS_MAX 4096
#define VERIFY_PARALLEL_MAX 16

/* The seconds from older_s on, and below newer_s; INT64_MIN and INT64_MAX are
 * the list's ends. Counted: by what the account showed, so many assets of
 * those above the foot are older than each. */
struct segment {
    int64_t older_s, newer_s;
    int64_t older_count, newer_count;
    bool counted;
    bool placed;   /* not counted, yet these are where it should be */
    bool suspect;  /* a walk's border at which more is known than it showed */
    bool good;     /* … or at which nothing can be missing */
    int tries;     /* in vain, to have it in one answer */
    int64_t shift; /* offsets, from where it was presumed to where it was */
};

enum probe_kind {
    PROBE_FREE,
    PROBE_PAGE, /* a page that holds the segment, or halves it */
    PROBE_IDS,  /* those that may be gone, by their ids */
    PROBE_GROUP /* one second that fills pages */
};

/* A request under way, and the segment that it is for. */
struct probe {
    enum probe_kind kind;
    struct segment segment;
    int64_t page;
    int limit;
    /* IDS, GROUP */
    struct catalogue_slot *slots;
    size_t slot_count, slot_next, slot_asked;
    bool confirming; /* asked again, since the total says otherwise */
    struct catalogue_slot after; /* where the next ones begin */
    size_t removed;
    /* GROUP */
    struct locate locate; /* of one edge */
    int64_t second;
    int64_t upper_count; /* older than its newer edge, once that is found, … */
    int64_t upper_offset;              /* … at this offset */
    int64_t lower_count, lower_offset; /* likewise its older edge */
    bool checking;                     /* whether the newer edge has moved */
    struct segment around; /* it lies in there; all of it is left to others */
    bool split;            /* … who have been told */
    int round_limit;       /* the length of its pages in this round … */
    int64_t offset;        /* … and where the next one begins */
    int64_t requests, requests_max;
};

struct verify_task {
    int64_t foot_s;                /* only what is newer; INT64_MIN: all */
    const struct segment *borders; /* each to be seen within one answer */
    size_t border_count;
    int64_t
        unreadable; /* elements above the foot that can't be read as assets */
    struct extent extent; /* count -1: to be found out */
    int64_t guess;        /* of the count, then */
    bool after_walk;      /* there is no cheaper way */
    bool no_totals;       /* they were found to contradict each other */
    enum api_lane lane;
    enum api_cause cause;
    int64_t beside_max; /* requests in API_WALK, if that is its lane; the rest
                           are within rpm */
    /* 0: all is seen and settled; -EAGAIN: the answers don't agree; -ESTALE:
     * so much differs that a walk costs less; else an error. The extent above
     * the foot as it was seen first. */
    void (*on_end)(struct sync *s, int err, const struct extent *extent,
                   int64_t requests);
};

struct verify {
    struct verify_task task;
    struct segment segments[VERIFY_SEGMENTS_MAX];
    size_t count;
    size_t border_next; /* of the task's, to be taken up */
    struct probe probes[VERIFY_PARALLEL_MAX];
    int in_flight;
    bool locating;
    struct locate locate;
    struct page last; /* the list's last page, until the next is seen empty */
    struct api_answer last_answer;
    int64_t last_number;
    int64_t above; /* assets above the foot, as last heard */
    int64_t requests, requests_max;
    int64_t expected;  /* by then what differed at first should be found; … */
    bool shrank;       /* … but more went meanwhile */
    bool unsettled;    /* something could not be settled */
    bool differs_much; /* a walk costs less */
    int err;           /* of the first request that failed */
};

void verify_start(struct sync *s, const struct verify_task *task);
/* Ends with -EINTR once nothing is under way any more. */
void verify_interrupt(struct sync *s);
/* So many came on top, and are known. */
void verify_note_created(struct verify *v, int64_t count);

/* verify.c */
void verify_push(struct verify *v, const struct segment *g);
/* Known assets in a segment; less those that the account has there. */
int verify_known(struct sync *s, int64_t older_s, int64_t newer_s,
                 int64_t *ret_known);
int verify_surplus(struct sync *s, const struct segment *g,
                   int64_t *ret_surplus);
void verify_hear(struct verify *v, const struct page *page);
/* A probe's segment is settled, or another way is taken. */
void verify_release(struct sync *s, struct probe *p);
/* Asks, and calls back with the probe. */
void verify_ask_page(struct sync *s, struct probe *p, int64_t page, int limit,
                     request_fn *fn);
void verify_fail(struct sync *s, struct probe *p, int err);

/* Offsets of the newest and oldest asset to see: a neighbour on either side. */
struct range {
    int64_t first, last;
};

/* verify_read.c: takes a segment up in a free probe; where that is presumed. */
int verify_look_into(struct sync *s, struct probe *p, const struct segment *g);
int verify_presume(struct sync *s, const struct segment *g,
                   struct range *ret_range);

/* A page length under which the range is on one page, well within it where
 * possible; 0 for none. */
int verify_limit_for(const struct range *range);

/* verify_group.c: asks for what is known in the probe's segment, until no more
 * is known than is there. */
int verify_ask_by_id(struct sync *s, struct probe *p);
/* Splits the segment around a second that fills pages, and settles that. */
int verify_find_edges(struct sync *s, struct probe *p, int64_t second);
/* One second whose edges are known, and that no page can hold; settles it. */
int verify_group(struct sync *s, struct probe *p);

#endif
