/* SPDX-License-Identifier: MIT */
/*
 * failpoint.h - faults on demand, to show that a test would find them.
 *
 * failpoint("name") is false and costs nothing, unless the program was compiled
 * with -DTWELVEFS_FAILPOINT; then it is whether the environment's
 * TWELVEFS_FAILPOINT names that fault. tests/test_failpoints.py builds such a
 * program and expects each to be caught.
 */
#ifndef TWELVEFS_FAILPOINT_H
#define TWELVEFS_FAILPOINT_H

#ifdef TWELVEFS_FAILPOINT
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static inline bool failpoint(const char *name)
{
    const char *wanted = getenv("TWELVEFS_FAILPOINT");
    return wanted && strcmp(wanted, name) == 0;
}
#else
#define failpoint(name) false
#endif

#endif
