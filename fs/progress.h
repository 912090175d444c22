/* SPDX-License-Identifier: MIT */
/*
 * progress.h - how far a first walk is, in words and as a bar, for people.
 * Pure functions.
 */
#ifndef TWELVEFS_PROGRESS_H
#define TWELVEFS_PROGRESS_H

#include <stdint.h>

#include "base/buf.h"

/* "[#####...............]  25 %  25,000 of 100,000 assets"; a total that
 * isn't known (-1) leaves the bar out. Appends. */
int progress_append_bar(struct buf *out, int64_t done, int64_t total);

#endif
