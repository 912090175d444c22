/* SPDX-License-Identifier: MIT */
/*
 * canary.c - a fault of each kind that sanitizers look for, at the end of any
 * program that this is linked into, where TWELVEFS_FAILPOINT names it. It is
 * linked into the program that failpoints.py builds; test_canary.py expects
 * that each fails a test.
 */
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static void canary_overflow(void)
{
    volatile size_t size = 8;
    volatile char *bytes = (volatile char *)malloc(size);
    if (bytes)
        bytes[size] = 1;
    free((void *)bytes);
}

static void canary_undefined(void)
{
    volatile int number = INT_MAX;
    number = number + 1;
}

static void canary_leak(void)
{
    void *volatile lost = malloc(100);
    lost = NULL;
    (void)lost;
}

static void *canary_count(void *ctx)
{
    *(volatile int *)ctx += 1;
    return NULL;
}

static void canary_race(void)
{
    static volatile int count;
    pthread_t other;
    if (pthread_create(&other, NULL, canary_count, (void *)&count))
        return;
    (void)canary_count((void *)&count);
    (void)pthread_join(other, NULL);
}

static void canary_sing(void)
{
    static const struct {
        const char *name;
        void (*fault)(void);
    } faults[] = {
        {"overflow", canary_overflow},
        {"undefined", canary_undefined},
        {"leak", canary_leak},
        {"race", canary_race},
    };
    const char *wanted = getenv("TWELVEFS_FAILPOINT");
    for (size_t i = 0; wanted && i < sizeof(faults) / sizeof(*faults); i++)
        if (strcmp(faults[i].name, wanted) == 0)
            faults[i].fault();
}

/* As the last of those that atexit has, it runs before the leak checker. */
__attribute__((constructor)) static void canary_begin(void)
{
    (void)atexit(canary_sing);
}
