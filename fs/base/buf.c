/* SPDX-License-Identifier: MIT */
#include "base/buf.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"

#define BUF_FIRST_CAPACITY 64

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

void buf_done(struct buf *b)
{
    free(b->data);
    buf_init(b, b->max);
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    if (b->data)
        b->data[0] = '\0';
}

void buf_truncate(struct buf *b, size_t len)
{
    if (len >= b->len)
        return;
    b->len = len;
    b->data[len] = '\0';
}

int buf_reserve(struct buf *b, size_t extra)
{
    if (b->len > b->max || extra > b->max - b->len)
        return -E2BIG;
    size_t need = b->len + extra;
    if (need == SIZE_MAX)
        return -ENOMEM;
    need++; /* the NUL */
    if (need <= b->capacity)
        return 0;

    size_t capacity = b->capacity ? b->capacity : BUF_FIRST_CAPACITY;
    while (capacity < need)
        capacity = capacity > SIZE_MAX / 2 ? need : capacity * 2;
    /* max may be SIZE_MAX, where max + 1 is 0 */
    if (capacity - 1 > b->max)
        capacity = b->max + 1;

    char *data = realloc(b->data, capacity);
    if (!data)
        return -ENOMEM;
    data[b->len] = '\0';
    b->data = data;
    b->capacity = capacity;
    return 0;
}

int buf_append(struct buf *b, const void *bytes, size_t len)
{
    int err = buf_reserve(b, len);
    if (err)
        return err;
    if (len)
        memcpy(b->data + b->len, bytes, len);
    b->len += len;
    b->data[b->len] = '\0';
    return 0;
}

int buf_append_str(struct buf *b, const char *text)
{
    return buf_append(b, text, strlen(text));
}

int buf_append_char(struct buf *b, char c)
{
    return buf_append(b, &c, 1);
}

int buf_appendf(struct buf *b, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (len < 0)
        return -ENOMEM;

    int err = buf_reserve(b, (size_t)len);
    if (err)
        return err;
    va_start(arguments, format);
    (void)vsnprintf(b->data + b->len, (size_t)len + 1, format, arguments);
    va_end(arguments);
    b->len += (size_t)len;
    return 0;
}

int buf_append_count(struct buf *b, int64_t count)
{
    char digits[32];
    int len = snprintf(digits, sizeof(digits), "%" PRId64, count);
    int err = 0;
    for (int i = 0; !err && i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0 && digits[i - 1] != '-')
            err = buf_append_char(b, ',');
        if (!err)
            err = buf_append_char(b, digits[i]);
    }
    return err;
}

int buf_append_url(struct buf *b, const char *text, size_t len)
{
    int err = 0;
    for (size_t i = 0; !err && i < len; i++) {
        char c = text[i];
        bool plain = ascii_is_alnum(c) || (c != '\0' && strchr("-._~", c));
        err = plain ? buf_append_char(b, c)
                    : buf_appendf(b, "%%%02X", (unsigned char)c);
    }
    return err;
}

const char *buf_str(const struct buf *b)
{
    return b->data ? b->data : "";
}

char *buf_steal(struct buf *b, size_t *ret_len)
{
    char *data = b->data ? b->data : calloc(1, 1);
    if (data && ret_len)
        *ret_len = b->len;
    b->data = NULL;
    buf_init(b, b->max);
    return data;
}
