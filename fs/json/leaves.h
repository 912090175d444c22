/* SPDX-License-Identifier: MIT */
/*
 * leaves.h - an object's values, each with the names that lead to it.
 *
 * Fed with a value's tokens in order, it says which of them are values of
 * fields, and of which: "hls.status". A scalar element of an array counts as a
 * value of the array's field; an object or array is one too, as its opening
 * bracket. Names of more than LEAVES_MAX_NAMES levels or LEAVES_MAX_PATH bytes,
 * empty ones at the top and such with a NUL lead to nothing. Checks no grammar:
 * scan_accept does. No shared state: any thread.
 */
#ifndef TWELVEFS_LEAVES_H
#define TWELVEFS_LEAVES_H

#include <stdbool.h>
#include <stddef.h>

#include "json/scan.h"

#define LEAVES_MAX_PATH  200
#define LEAVES_MAX_NAMES 8

struct leaves_level {
    bool object;
    bool lost; /* below a name that leads to nothing */
    unsigned char names;
    unsigned short path_len;
};

struct leaves {
    char path[LEAVES_MAX_PATH + 1]; /* of the value just told */
    struct leaves_level at;         /* the value that comes, or just came */
    bool name_next;
    size_t depth; /* containers that are open */
    struct leaves_level levels[SCAN_MAX_DEPTH + 1];
};

void leaves_init(struct leaves *w);

/* True when the token is a value; then path and at are its own. */
bool leaves_take(struct leaves *w, const struct scan_token *token);

/* After a container's bracket: passes over all that is in it, to after its
 * closing bracket. 0 or -EBADMSG. */
int leaves_skip(struct leaves *w, struct scan *s);

#endif
