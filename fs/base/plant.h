/*
 * plant.h - faults planted on purpose, to show that a test would find them.
 *
 * planted("name") is false and costs nothing, unless the program was compiled
 * with -DTWELVEFS_PLANT; then it is whether TWELVEFS_PLANT names that fault.
 * tests/test_planted.py builds such a program and expects each to be caught.
 */
#ifndef TWELVEFS_PLANT_H
#define TWELVEFS_PLANT_H

#ifdef TWELVEFS_PLANT
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static inline bool planted(const char *name)
{
    const char *wanted = getenv("TWELVEFS_PLANT");
    return wanted && strcmp(wanted, name) == 0;
}
#else
#define planted(name) false
#endif

#endif
