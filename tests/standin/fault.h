/* SPDX-License-Identifier: MIT */
/*
 * Faults on order: rules that name requests and what shall go wrong.
 *
 * A rule is JSON (see the head of main.c). Rules are asked in the order they
 * came; "latency" and "lagging_total" add up and let the search go on, the
 * first of any other kind that matches is the fault. Leaf lock inside.
 */
#ifndef STANDIN_FAULT_H
#define STANDIN_FAULT_H

#include <cjson/cJSON.h>
#include <stdint.h>

#include "buf.h"
#include "stats.h"

#define FAULT_RULES_MAX 1000

enum fault_kind {
    FAULT_NONE,
    FAULT_STATUS,
    FAULT_RESET,
    FAULT_TRUNCATE,
    FAULT_STALL,
    FAULT_STALL_BODY,
    FAULT_DRIP,
    FAULT_GARBAGE,
    FAULT_HTML,
    FAULT_WRONG_TYPES,
    FAULT_ENDLESS,
    FAULT_EMPTY,
    FAULT_REDIRECT,
    FAULT_GZIP_BOMB,
    FAULT_LATENCY,
    FAULT_LAGGING_TOTAL,
    FAULT_PARTIAL_JSON,
    FAULT_CONTENT_TYPE,
    FAULT_HEADERS,
    FAULT_PLAYLIST,
    FAULT_CHANGING_LENGTH,
    FAULT_LOST_ANSWER,
    FAULT_LATE_ANSWER,
    FAULT_KINDS
};

/* What a request is to suffer; a copy that its owner frees. */
struct fault {
    enum fault_kind kind;
    int status;
    int64_t ms;         /* stall, drip, late: -1 for for ever / default */
    int64_t latency_ms; /* sum over the latency rules */
    long delta;         /* sum over the lagging_total rules */
    long variant;
    uint64_t seed;
    char *body;
    char *location;
    cJSON *headers; /* object of strings or NULL */
};

struct faults;

struct faults *faults_new(void);
void faults_free(struct faults *f);
/* Adds a rule: its number from 1, or -EINVAL, -ENOMEM, -ENOSPC. */
int faults_add(struct faults *f, const cJSON *rule);
void faults_clear(struct faults *f);
/* Finds what this request is to suffer and counts it. */
void faults_match(struct faults *f, enum origin origin, enum kind kind,
                  const char *method, const char *target,
                  struct fault *ret_fault);
void faults_json(struct faults *f, struct buf *out);
void fault_done(struct fault *fault);
/* Whether the request is refused, so that nothing comes of it. A 408 and a 5xx
 * may be said of what was done. */
bool fault_refuses(const struct fault *fault);
/* A literal, NULL for FAULT_NONE. */
const char *fault_name(enum fault_kind kind);

#endif
