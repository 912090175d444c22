/* SPDX-License-Identifier: MIT */
/* A directory for a test, removed after it, and files in it. */
#ifndef TESTS_UPLOAD_PLACE_H
#define TESTS_UPLOAD_PLACE_H

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static inline int place_remove_one(const char *path, const struct stat *st,
                                   int type, struct FTW *where)
{
    return remove(path);
}

static inline int place_make(void **state)
{
    char *path = strdup("/tmp/test-upload-XXXXXX");
    *state = path ? mkdtemp(path) : NULL;
    return *state ? 0 : -1;
}

static inline int place_unmake(void **state)
{
    int err = nftw(*state, place_remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(*state);
    return err;
}

static inline const char *place_path(void **state, const char *name)
{
    static char path[4][600];
    static int next;
    char *out = path[next++ % 4];
    (void)snprintf(out, sizeof(path[0]), "%s/%s", (char *)*state, name);
    return out;
}

static inline void place_write(void **state, const char *name, const char *text)
{
    int fd = open(place_path(state, name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(close(fd), 0);
}

#endif
