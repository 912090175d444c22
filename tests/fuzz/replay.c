/* SPDX-License-Identifier: MIT */
/*
 * replay.c - runs a fuzz target over the files of one directory, its corpus:
 * as a unit test, where there is no libFuzzer.
 */
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "fuzz.h"

#define INPUT_MAX_BYTES 1000000

static bool replay(const char *directory, const char *name, uint8_t *input)
{
    char path[4096];
    int len = snprintf(path, sizeof(path), "%s/%s", directory, name);
    if (len < 0 || (size_t)len >= sizeof(path))
        return false;
    FILE *file = fopen(path, "rb");
    if (!file)
        return false;
    size_t size = fread(input, 1, INPUT_MAX_BYTES, file);
    bool failed = ferror(file) != 0;
    failed |= fclose(file) != 0;
    /* a copy without a byte to spare, as libFuzzer makes it */
    uint8_t *exact = malloc(size ? size : 1);
    if (failed || !exact) {
        free(exact);
        return false;
    }
    memcpy(exact, input, size);
    (void)fprintf(stderr, "%s\n", path);
    (void)LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    return true;
}

int main(int argc, char **argv)
{
    static uint8_t input[INPUT_MAX_BYTES];
    size_t count = 0;
    bool failed = false;
    DIR *directory = argc == 2 ? opendir(argv[1]) : NULL;
    if (!directory) {
        (void)fprintf(stderr, "usage: %s CORPUS\n", argv[0]);
        return 2;
    }
    struct dirent *entry;
    while ((entry = readdir(directory))) {
        if (entry->d_name[0] == '.')
            continue;
        failed |= !replay(argv[1], entry->d_name, input);
        count++;
    }
    (void)closedir(directory);
    /* an empty corpus is a wrong path, not a success */
    return failed || count == 0 ? 1 : 0;
}
