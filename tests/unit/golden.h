/* SPDX-License-Identifier: MIT */
/*
 * golden.h - files of input and expected output, under tests/golden.
 */
#ifndef TWELVEFS_TESTS_GOLDEN_H
#define TWELVEFS_TESTS_GOLDEN_H

#include <stdio.h>

#include "base/buf.h"

/* The whole file `name` under tests/golden. 0 or -1. */
static inline int golden_read(const char *name, struct buf *out)
{
    char path[4096];
    char block[4096];
    size_t count;
    (void)snprintf(path, sizeof(path), "%s/%s", TESTS_GOLDEN_DIR, name);
    FILE *file = fopen(path, "rb");
    if (!file)
        return -1;
    int failed = 0;
    while ((count = fread(block, 1, sizeof(block), file)) > 0)
        failed |= buf_append(out, block, count);
    failed |= ferror(file);
    return fclose(file) || failed ? -1 : 0;
}

#endif
