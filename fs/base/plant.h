/* SPDX-License-Identifier: MIT */
/*
 * plant.h - faults planted on purpose, to show that a test would find them.
 *
 * planted("name") is false and costs nothing, unless the program was compiled
 * with -DTWELVEFS_PLANT; then it is whether TWELVEFS_PLANT names that fault.
 * tests/test_planted.py builds such a program and expects each to be caught;
 * test_canary.py does so with those that are for sanitizers.
 */
#ifndef TWELVEFS_PLANT_H
#define TWELVEFS_PLANT_H

#ifdef TWELVEFS_PLANT
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static inline bool planted(const char *name)
{
    const char *wanted = getenv("TWELVEFS_PLANT");
    return wanted && strcmp(wanted, name) == 0;
}

/* For sanitizers to find, each in its way. */
static inline void plant_overflow(void)
{
    volatile size_t size = 8;
    volatile char *bytes = (volatile char *)malloc(size);
    if (bytes)
        bytes[size] = 1;
    free((void *)bytes);
}

static inline void plant_undefined(void)
{
    volatile int most = INT_MAX;
    most = most + 1;
}

static inline void plant_leak(void)
{
    void *volatile lost = malloc(100);
    lost = NULL;
    (void)lost;
}

static inline void *plant_race_half(void *ctx)
{
    *(volatile int *)ctx += 1;
    return NULL;
}

static inline void plant_race(void)
{
    static volatile int count;
    pthread_t other;
    if (pthread_create(&other, NULL, plant_race_half, (void *)&count))
        return;
    (void)plant_race_half((void *)&count);
    (void)pthread_join(other, NULL);
}

static inline void plant_for_sanitizers(void)
{
    if (planted("overflow"))
        plant_overflow();
    if (planted("undefined"))
        plant_undefined();
    if (planted("leak"))
        plant_leak();
    if (planted("race"))
        plant_race();
}
#else
#define planted(name)          false
#define plant_for_sanitizers() ((void)0)
#endif

#endif
