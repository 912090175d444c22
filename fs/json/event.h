/* SPDX-License-Identifier: MIT */
/*
 * event.h - a change of the account as a line of JSON: what `twelvefs watch`
 * prints. The man page has the members. A line has EVENT_MAX_BYTES at most, its
 * newline included. Pure functions.
 */
#ifndef TWELVEFS_JSON_EVENT_H
#define TWELVEFS_JSON_EVENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define EVENT_MAX_BYTES 15000
#define EVENT_TIME_SIZE 48

struct event {
    int64_t time_ns;
    const char *kind; /* "created", "deleted", "changed" */
    const char *id;
    const char *type;
    const char *object; /* as it is, or was last; NULL: not known */
    size_t object_len;
};

/* 0, -ENOMEM; -EBADMSG for an object that is none. After a failure out is as
 * before. */
int event_append(const struct event *e, struct buf *out);
/* Likewise of a change; before: the object as it was, NULL where that isn't
 * known ("changes" is null then). -ENODATA: they don't differ in a field. */
int event_append_change(const struct event *e, const char *before,
                        size_t before_len, struct buf *out);
/* An account was read for the first time. */
int event_append_complete(int64_t time_ns, int64_t assets, struct buf *out);

/* "2026-08-01T10:30:00.123456789Z" */
void event_format_time(int64_t time_ns, char out[EVENT_TIME_SIZE]);

#endif
