/* SPDX-License-Identifier: MIT */
/* What begins as a picture, and what only looks like one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "media/image.h"

struct sample {
    const char *bytes;
    size_t len;
};
#define SAMPLE(text)                                                           \
    {                                                                          \
        text, sizeof(text) - 1                                                 \
    }

static void pictures_are_known_by_their_beginning(void **state)
{
    static const struct sample pictures[] = {
        SAMPLE("\xff\xd8\xff\xe0\0\x10JFIF"),
        SAMPLE("\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
        SAMPLE("GIF87a...."),
        SAMPLE("GIF89a...."),
        SAMPLE("RIFF\x10\0\0\0WEBPVP8 "),
        SAMPLE("\0\0\0\x1c"
               "ftypavif\0\0\0\0"),
        SAMPLE("\0\0\0\x18"
               "ftypheic\0\0\0\0"),
        SAMPLE("BM\x36\x10\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x10\0\0\0"),
        SAMPLE("II*\0\x08\0\0\0"),
        SAMPLE("MM\0*\0\0\0\x08"),
    };
    for (size_t i = 0; i < array_count(pictures); i++)
        assert_true(image_is_one(pictures[i].bytes, pictures[i].len));
}

static void what_is_none_is_known_too(void **state)
{
    static const struct sample others[] = {
        SAMPLE(""),
        SAMPLE("\xff\xd8"),
        SAMPLE("#EXTM3U\n#EXTINF:-1,\nfile:///etc/passwd\n"),
        SAMPLE("<!DOCTYPE html><html>"),
        SAMPLE("<?xml version=\"1.0\"?><svg xmlns=\"http://www.w3.org/\">"),
        SAMPLE("<svg onload=\"\">"),
        SAMPLE("[InternetShortcut]\r\nURL=file:///etc/passwd\r\n"),
        SAMPLE("%PDF-1.7"),
        SAMPLE("RIFF\x10\0\0\0WAVEfmt "),
        SAMPLE("RIFF\x10\0\0\0AVI LIST"),
        SAMPLE("\0\0\0\x20"
               "ftypisom\0\0\2\0isomiso2avc1mp41"),
        SAMPLE("BM: a text of two letters and more"),
        SAMPLE("GIF90a"),
        SAMPLE(" \xff\xd8\xff"),
    };
    for (size_t i = 0; i < array_count(others); i++)
        assert_false(image_is_one(others[i].bytes, others[i].len));
    assert_false(image_is_one(NULL, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pictures_are_known_by_their_beginning),
        cmocka_unit_test(what_is_none_is_known_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
