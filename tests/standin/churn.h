/* SPDX-License-Identifier: MIT */
/*
 * Changes at a steady rate, from a thread of its own, following a seed:
 * creations at the top, deletions and edits anywhere.
 */
#ifndef STANDIN_CHURN_H
#define STANDIN_CHURN_H

#include "account.h"

struct churn;

struct churn_plan {
    double per_second;
    double seconds;
    uint64_t seed;
    double create, remove, edit; /* weights */
};

struct churn *churn_new(struct account *a);
void churn_free(struct churn *c); /* stops */
/* 0, -EBUSY while one runs, -EAGAIN without a thread. */
int churn_start(struct churn *c, const struct churn_plan *plan);
void churn_stop(struct churn *c); /* waits for its end */
/* {"running","steps","mark","created":[…],"deleted":[…],"edited":[…]} */
void churn_json(struct churn *c, struct buf *out);

#endif
