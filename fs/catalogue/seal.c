/*
 * A checksum of the closed file: SQLite has none, and a flipped bit in a text
 * is a sound file to it. What a killed daemon leaves has no seal; its log has
 * SQLite's own checksums.
 *
 * Not against malice: it has to find what a disk or a copy did, at the speed
 * of memory, for it stands before every mount. Each step is a bijection of its
 * lane's state, so that a change within one lane is found for certain.
 */
#include "catalogue/catalogue_internal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

#define LANES       4
#define CHUNK_BYTES ((size_t)1 << 20) /* whole rounds of lanes */

struct seal {
    uint64_t lanes[LANES];
};

static uint64_t mix(uint64_t state, uint64_t word)
{
    state = (state ^ word) * 0x9e3779b97f4a7c15U;
    return state ^ state >> 32;
}

/* The bytes after len, up to a round's end, are zero. */
static void add(struct seal *s, const unsigned char *bytes, size_t len)
{
    uint64_t words[LANES];

    for (size_t at = 0; at < len; at += sizeof(words)) {
        memcpy(words, bytes + at, sizeof(words));
        for (size_t i = 0; i < LANES; i++)
            s->lanes[i] = mix(s->lanes[i], words[i]);
    }
}

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
    memset(bytes + len, 0, size - len);
    return (ssize_t)len;
}

uint64_t seal_of(const char *path)
{
    cleanup(close_fd) int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    cleanup(free_ptr) unsigned char *bytes = malloc(CHUNK_BYTES);
    struct seal s = {{1, 2, 3, 4}};
    uint64_t total = 0;
    ssize_t len;

    if (fd < 0 || !bytes)
        return 0;
    while ((len = read_chunk(fd, bytes, CHUNK_BYTES)) > 0) {
        add(&s, bytes, (size_t)len);
        total += (uint64_t)len;
    }
    if (len < 0)
        return 0;
    for (size_t i = 0; i < LANES; i++)
        total = mix(total, s.lanes[i]);
    return total ? total : 1;
}
