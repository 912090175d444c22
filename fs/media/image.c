/* SPDX-License-Identifier: MIT */
#include "media/image.h"

#include <string.h>

#include "base/cleanup.h"

struct mark {
    const char *bytes;
    size_t len;
};
#define MARK(text)                                                             \
    {                                                                          \
        text, sizeof(text) - 1                                                 \
    }

static bool stands_at(const char *bytes, size_t len, size_t at,
                      const struct mark *m)
{
    return len >= at + m->len && memcmp(bytes + at, m->bytes, m->len) == 0;
}

static bool any_at(const char *bytes, size_t len, size_t at,
                   const struct mark *marks, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (stands_at(bytes, len, at, &marks[i]))
            return true;
    return false;
}

/* The BITMAPFILEHEADER's reserved words are 0, and an info header of one of a
 * few lengths follows. "BM" alone would match many texts. */
static bool is_bmp(const char *bytes, size_t len)
{
    static const struct mark bm = MARK("BM"), reserved = MARK("\0\0\0\0"),
                             info_high = MARK("\0\0\0");
    return stands_at(bytes, len, 0, &bm) &&
           stands_at(bytes, len, 6, &reserved) &&
           stands_at(bytes, len, 15, &info_high);
}

/* ISO base media files are videos as well: the major brand tells. */
static bool is_heif(const char *bytes, size_t len)
{
    static const struct mark ftyp = MARK("ftyp");
    static const struct mark brands[] = {
        MARK("avif"), MARK("avis"), MARK("heic"), MARK("heix"), MARK("heim"),
        MARK("heis"), MARK("hevc"), MARK("hevx"), MARK("mif1"), MARK("msf1"),
    };
    return stands_at(bytes, len, 4, &ftyp) &&
           any_at(bytes, len, 8, brands, array_count(brands));
}

bool image_is_one(const void *bytes, size_t len)
{
    static const struct mark starts[] = {
        MARK("\xff\xd8\xff"),   MARK("\x89PNG\r\n\x1a\n"), MARK("GIF87a"),
        MARK("GIF89a"),         MARK("II\x2a\0"),          MARK("MM\0\x2a"),
        MARK("II\x2b\0\x08\0"), MARK("MM\0\x2b\0\x08"),
    };
    static const struct mark riff = MARK("RIFF"), webp = MARK("WEBP");
    return any_at(bytes, len, 0, starts, array_count(starts)) ||
           (stands_at(bytes, len, 0, &riff) &&
            stands_at(bytes, len, 8, &webp)) ||
           is_bmp(bytes, len) || is_heif(bytes, len);
}
