/* SPDX-License-Identifier: MIT */
#include "json/text.h"

#include <stdlib.h>

#include "json/scan.h"

char *text_decode(const char *token, size_t len, size_t *ret_len)
{
    char *text = malloc(len + 1);
    if (!text)
        return NULL;
    size_t decoded = scan_unescape(token, len, text);
    text[decoded] = '\0';
    if (ret_len)
        *ret_len = decoded;
    return text;
}

int text_append_string(struct buf *out, const char *text, size_t len)
{
    int err = buf_append_char(out, '"');
    for (size_t i = 0; !err && i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\')
            err = buf_appendf(out, "\\%c", c);
        else if (c < 0x20)
            err = buf_appendf(out, "\\u%04x", c);
        else
            err = buf_append_char(out, (char)c);
    }
    return err ? err : buf_append_char(out, '"');
}
