/* SPDX-License-Identifier: MIT */
#include "command_ask.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <unistd.h>

#define MAGIC_FUSE 0x65735546

static enum exit_status status_of(int err)
{
    switch (err) {
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ETIMEDOUT:
    case EIO:
        return EXIT_NETWORK;
    case EACCES:
        return EXIT_KEY_REFUSED;
    case ENOTTY:
    case ENOTDIR:
    case ENOENT:
    case ENOTCONN:
        return EXIT_MOUNT_POINT;
    default:
        return EXIT_INTERNAL;
    }
}

int command_open(const char *path, struct buf *error)
{
    struct statfs st;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        (void)buf_appendf(error, "%s: %s", path, strerror(errno));
        return -1;
    }
    if (fstatfs(fd, &st) < 0 || (unsigned long)st.f_type != MAGIC_FUSE) {
        (void)buf_appendf(error, "%s: not in a twelvefs mount", path);
        (void)close(fd);
        return -1;
    }
    return fd;
}

bool command_put_words(struct command *question, char *const *words,
                       size_t count)
{
    size_t at = 0;
    *question = (struct command){.version = COMMAND_VERSION};
    for (size_t i = 0; i < count; i++) {
        size_t size = strlen(words[i]) + 1;
        if (size > sizeof(question->text) - at)
            return false;
        memcpy(question->text + at, words[i], size);
        at += size;
    }
    question->length = (uint32_t)at;
    return true;
}

/* What an ioctl's errno means here. */
enum exit_status command_explain(const char *path, int err, struct buf *error)
{
    const char *why = strerror(err);
    if (err == ENOTTY || err == EINVAL)
        why = "it is not served by a twelvefs of this version";
    else if (err == EPERM)
        why = "only the mount's owner may do that";
    else if (err == EACCES)
        why = "the API refuses the key";
    else if (err == ETIMEDOUT)
        why = "not done within timeout=; it goes on in the background";
    (void)buf_appendf(error, "%s: %s", path, why);
    return status_of(err);
}
