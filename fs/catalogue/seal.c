/*
 * A checksum of the closed file: SQLite has none, and a flipped bit in a text
 * is a sound file to it. What a killed daemon leaves has no seal; its log has
 * SQLite's own checksums.
 *
 * Not against malice: it has to find what a disk or a copy did, at the speed
 * of memory, for it stands before every mount.
 */
#include "catalogue/catalogue_internal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/hash.h"

#define CHUNK_BYTES ((size_t)1 << 20)

/* Up to size bytes; fewer only at the end. -1 on an error. */
static ssize_t read_chunk(int fd, unsigned char *bytes, size_t size)
{
    size_t len = 0;

    while (len < size) {
        ssize_t got = read(fd, bytes + len, size - len);
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        len += (size_t)got;
    }
    return (ssize_t)len;
}

uint64_t seal_of(const char *path)
{
    cleanup(close_fd) int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    cleanup(free_ptr) unsigned char *bytes = malloc(CHUNK_BYTES);
    uint64_t seal = 1;
    ssize_t len;

    if (fd < 0 || !bytes)
        return 0;
    while ((len = read_chunk(fd, bytes, CHUNK_BYTES)) > 0)
        seal = hash_bytes(bytes, (size_t)len, seal);
    if (len < 0)
        return 0;
    return seal ? seal : 1;
}
