/* SPDX-License-Identifier: MIT */
#include "private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/directory.h"

static int make_parent(const char *path)
{
    cleanup(free_ptr) char *parent = strdup(path);
    if (!parent)
        return -ENOMEM;
    *strrchr(parent, '/') = '\0';
    return directory_make(parent);
}

static int private_write_all(int fd, const char *text)
{
    for (size_t len = strlen(text); len > 0;) {
        ssize_t written = write(fd, text, len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -errno;
        text += written;
        len -= (size_t)written;
    }
    return fsync(fd) < 0 ? -errno : 0;
}

int private_write_file(const char *path, const char *text)
{
    cleanup(free_ptr) char *temporary = NULL;
    int err = make_parent(path);
    if (err)
        return err;
    if (asprintf(&temporary, "%s.XXXXXX", path) < 0)
        return -ENOMEM;
    cleanup(close_fd) int fd = mkostemp(temporary, O_CLOEXEC); /* mode 0600 */
    if (fd < 0)
        return -errno;
    err = private_write_all(fd, text);
    if (!err && rename(temporary, path) < 0)
        err = -errno;
    if (err)
        (void)unlink(temporary);
    return err;
}
