/* SPDX-License-Identifier: MIT */
/*
 * failpoint.h - faults on demand, to show that a test would find them.
 *
 * failpoint("name") is false and costs nothing, unless the program was compiled
 * with -DTWELVEFS_FAILPOINT; then it is whether the environment's
 * TWELVEFS_FAILPOINT names that fault. tests/test_failpoints.py builds such a
 * program and expects each to be caught; test_canary.py does so with those that
 * are for sanitizers.
 */
#ifndef TWELVEFS_FAILPOINT_H
#define TWELVEFS_FAILPOINT_H

#ifdef TWELVEFS_FAILPOINT
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static inline bool failpoint(const char *name)
{
    const char *wanted = getenv("TWELVEFS_FAILPOINT");
    return wanted && strcmp(wanted, name) == 0;
}

/* For sanitizers to find, each in its way. */
static inline void failpoint_overflow(void)
{
    volatile size_t size = 8;
    volatile char *bytes = (volatile char *)malloc(size);
    if (bytes)
        bytes[size] = 1;
    free((void *)bytes);
}

static inline void failpoint_undefined(void)
{
    volatile int most = INT_MAX;
    most = most + 1;
}

static inline void failpoint_leak(void)
{
    void *volatile lost = malloc(100);
    lost = NULL;
    (void)lost;
}

static inline void *failpoint_race_half(void *ctx)
{
    *(volatile int *)ctx += 1;
    return NULL;
}

static inline void failpoint_race(void)
{
    static volatile int count;
    pthread_t other;
    if (pthread_create(&other, NULL, failpoint_race_half, (void *)&count))
        return;
    (void)failpoint_race_half((void *)&count);
    (void)pthread_join(other, NULL);
}

static inline void failpoint_for_sanitizers(void)
{
    if (failpoint("overflow"))
        failpoint_overflow();
    if (failpoint("undefined"))
        failpoint_undefined();
    if (failpoint("leak"))
        failpoint_leak();
    if (failpoint("race"))
        failpoint_race();
}
#else
#define failpoint(name)            false
#define failpoint_for_sanitizers() ((void)0)
#endif

#endif
