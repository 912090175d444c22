/* SPDX-License-Identifier: MIT */
/*
 * buf.h - a byte buffer that grows, up to a maximum its owner chose.
 *
 * `data` is NUL-terminated whenever it is not NULL (the NUL isn't counted in
 * `len`); an untouched buf has data NULL. An append that would pass `max`, or
 * for which there is no memory, fails and leaves the buffer as it was.
 * One owner, no locking. Zero-filling a struct buf and setting max is also a
 * valid initialisation.
 */
#ifndef TWELVEFS_BUF_H
#define TWELVEFS_BUF_H

#include <stddef.h>
#include <stdint.h>

struct buf {
    char *data;
    size_t len;      /* bytes in use */
    size_t capacity; /* bytes allocated */
    size_t max;      /* most bytes it may ever hold */
};

void buf_init(struct buf *b, size_t max);

/* Frees the bytes; the buf is empty and usable again. */
void buf_done(struct buf *b);

/* Forgets the bytes, keeps the memory. */
void buf_reset(struct buf *b);

/* Cuts to len bytes; len must not pass the present length. */
void buf_truncate(struct buf *b, size_t len);

/* Makes room for `extra` more bytes. 0, -ENOMEM, or -E2BIG past max. */
int buf_reserve(struct buf *b, size_t extra);

/* Appends. 0, -ENOMEM, or -E2BIG past max. */
int buf_append(struct buf *b, const void *bytes, size_t len);
int buf_append_str(struct buf *b, const char *text);
int buf_append_char(struct buf *b, char c);
int buf_appendf(struct buf *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* "1,234,567", "-1,000". */
int buf_append_count(struct buf *b, int64_t count);

/* Appends bytes as they stand in a URL's path or query: %XX for all but
 * RFC 3986's unreserved characters. */
int buf_append_url(struct buf *b, const char *text, size_t len);

/* The text, "" when nothing was appended. Borrowed until the next change. */
const char *buf_str(const struct buf *b);

/* Hands the bytes to the caller, who frees them; "" is allocated when empty.
 * NULL when there is no memory. The buf is empty afterwards. */
char *buf_steal(struct buf *b, size_t *ret_len);

#endif
