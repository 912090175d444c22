/* SPDX-License-Identifier: MIT */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/directory.h"

int file_write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t written = write(fd, bytes, len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return written < 0 ? -errno : -EIO;
        bytes += written;
        len -= (size_t)written;
    }
    return 0;
}

static int file_make_parent(const char *path)
{
    cleanup(free_ptr) char *parent = strdup(path);
    if (!parent)
        return -ENOMEM;
    *strrchr(parent, '/') = '\0';
    return directory_make(parent);
}

int file_replace_private(const char *path, const char *text)
{
    cleanup(free_ptr) char *temporary = NULL;
    int err = file_make_parent(path);
    if (err)
        return err;
    if (asprintf(&temporary, "%s.XXXXXX", path) < 0) {
        temporary = NULL;
        return -ENOMEM;
    }
    cleanup(close_fd) int fd = mkostemp(temporary, O_CLOEXEC); /* mode 0600 */
    if (fd < 0)
        return -errno;
    err = file_write_all(fd, text, strlen(text));
    if (!err && (fsync(fd) < 0 || rename(temporary, path) < 0))
        err = -errno;
    if (err)
        (void)unlink(temporary);
    return err;
}
