/* SPDX-License-Identifier: MIT */
/*
 * fuzz.h - what the fuzz targets share.
 *
 * A target checks promises, not only that nothing crashes: require aborts,
 * whatever NDEBUG says, so that libFuzzer keeps the input.
 */
#ifndef TWELVEFS_TESTS_FUZZ_H
#define TWELVEFS_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define require(condition)                                                     \
    do {                                                                       \
        if (!(condition))                                                      \
            abort();                                                           \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
