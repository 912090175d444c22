/* SPDX-License-Identifier: MIT */
/*
 * A growing byte buffer with a maximum.
 *
 * Any failure (no memory, maximum reached) is sticky: `failed` is set, later
 * additions do nothing, and whoever sends the buffer looks at it once.
 * Bytes are followed by a NUL that is not counted, so text can be read in
 * place. Not for two threads at once.
 */
#ifndef STANDIN_BUF_H
#define STANDIN_BUF_H

#include <stdbool.h>
#include <stddef.h>

struct buf {
    char *data; /* NULL while empty */
    size_t len;
    size_t cap;
    size_t max; /* 0: the default of 1 GiB */
    bool failed;
};

void buf_done(struct buf *b);
/* Keeps the memory, forgets the bytes and any failure. */
void buf_clear(struct buf *b);
/* Room for n more bytes; returns where they go, or NULL. */
char *buf_room(struct buf *b, size_t n);
void buf_add(struct buf *b, const void *bytes, size_t n);
void buf_str(struct buf *b, const char *text);
void buf_char(struct buf *b, char c);
void buf_number(struct buf *b, long long n);
void buf_printf(struct buf *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A code point as UTF-8; surrogates as the three bytes WTF-8 gives them. */
void buf_utf8(struct buf *b, unsigned code_point);
/* `text` as a JSON string with its quotes; bytes over 0x7f as they are. */
void buf_json(struct buf *b, const char *text);
/* Takes the bytes out (caller frees), NULL after a failure or when empty. */
char *buf_take(struct buf *b, size_t *ret_len);

#define BUF_SCOPE __attribute__((cleanup(buf_done)))

#endif
