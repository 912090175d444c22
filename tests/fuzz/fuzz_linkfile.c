/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "media/media.h"

static size_t count_lines(const struct buf *b)
{
    size_t lines = 0;
    for (size_t i = 0; i < b->len; i++)
        lines += b->data[i] == '\n';
    return lines;
}

/* Whatever the title is, a player sees three lines, the last of them the
 * URL. */
static void check_playlist(const char *title, const char *url)
{
    struct buf out = {.max = 1 << 20};
    if (media_playlist(title, url, &out) == 0) {
        size_t len = strlen(url);
        require(count_lines(&out) == 3);
        require(strncmp(out.data, "#EXTM3U\n#EXTINF:-1,", 19) == 0);
        require(out.len > len + 1 && out.data[out.len - 1] == '\n');
        require(memcmp(out.data + out.len - 1 - len, url, len) == 0);
        require(strlen(out.data) == out.len);
        for (size_t i = 0; i < out.len; i++)
            require(out.data[i] == '\n' || (unsigned char)out.data[i] >= ' ');
    } else {
        require(out.len == 0);
    }
    buf_done(&out);
}

/* The input's first line is the URL, the rest the title. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    char *title = memchr(text, '\n', size);
    if (title)
        *title++ = '\0';
    check_playlist(title ? title : "", text);
    check_playlist(text, "https://cdn.test/a.m3u8");
    (void)media_url_is_stale(text, 1789990000, 1790000000);
    (void)media_url_is_stale(text, 0, INT64_MAX);
    free(text);
    return 0;
}
