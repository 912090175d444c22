/* SPDX-License-Identifier: MIT */
/*
 * chunks.h - what is known of a file's chunks. The uploading thread's.
 */
#ifndef TWELVEFS_UPLOAD_CHUNKS_H
#define TWELVEFS_UPLOAD_CHUNKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct item;

struct part {
    char *url;  /* for the next attempt, or NULL */
    char *etag; /* the store has it; NULL it hasn't */
    bool in_flight, in_report, reported;
    unsigned char tries;
};

struct parts {
    int64_t count, bytes; /* … of each but the last */
    char **lines;         /* headers */
    size_t in_flight, unsent, unreported;
    bool asks_urls, reports;
    int64_t sent_bytes; /* of those that the store has */
    int report_failures;
    struct part part[];
};

/* For an item whose record has a session. 0, -ENOMEM. */
int parts_new(struct item *i);
/* Of chunk n, from 0. */
int64_t parts_chunk_bytes(const struct item *i, int64_t n);
/* By its number, from 1; NULL: there is none. */
struct part *parts_find(struct parts *p, int64_t chunk);
/* The store has it. 0, -ENOMEM. */
int parts_set_etag(struct item *i, int64_t chunk, const char *etag);

#endif
