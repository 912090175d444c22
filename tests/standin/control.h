/* SPDX-License-Identifier: MIT */
/* A control call, between control.c and control_change.c. */
#ifndef STANDIN_CONTROL_H
#define STANDIN_CONTROL_H

#include "http.h"

struct call {
    struct request *request;
    struct answer *answer;
    cJSON *json;       /* the body, NULL without one; for plain parameters */
    struct slice body; /* its text, for objects that must keep every byte */
};

/* {"ok":true}, or the error with its status. */
void control_result(struct answer *a, int err);
/* Finite and within ±9e15, or `otherwise`. */
double control_number(const struct call *c, const char *name, double otherwise);
const char *control_text(const struct call *c, const char *name);

void control_create(struct call *c);
void control_delete(struct call *c);
void control_edit(struct call *c);
void control_status(struct call *c);
void control_churn(struct call *c);
void control_churn_start(struct call *c);
void control_churn_stop(struct call *c);

#endif
