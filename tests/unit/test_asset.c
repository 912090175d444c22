/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/asset.h"
#include "base/cleanup.h"

static void types_have_their_directories_names(void **state)
{
    static const char *const names[] = {"video", "image", "audio", "document",
                                        "other"};
    assert_int_equal(ASSET_TYPE_COUNT, array_count(names));
    for (unsigned i = 0; i < array_count(names); i++) {
        enum asset_type type = ASSET_TYPE_COUNT;
        assert_string_equal(asset_type_name((enum asset_type)i), names[i]);
        assert_int_equal(asset_type_parse(names[i], &type), 0);
        assert_int_equal(type, i);
    }
    enum asset_type type = ASSET_AUDIO;
    assert_int_equal(asset_type_parse("Video", &type), -ENOENT);
    assert_int_equal(asset_type_parse("", &type), -ENOENT);
    assert_int_equal(type, ASSET_AUDIO);
}

static void mime_types_are_sorted(void **state)
{
    static const struct {
        const char *mime;
        enum asset_type type;
    } cases[] = {
        {"video/mp4", ASSET_VIDEO},
        {"VIDEO/QuickTime", ASSET_VIDEO},
        {" video/mp4 ; codecs=\"a/b\"", ASSET_VIDEO},
        {"image/jpeg", ASSET_IMAGE},
        {"image/svg+xml", ASSET_IMAGE},
        {"audio/mpeg", ASSET_AUDIO},
        {"text/plain; charset=utf-8", ASSET_DOCUMENT},
        {"text/markdown", ASSET_DOCUMENT},
        {"application/pdf", ASSET_DOCUMENT},
        {"Application/PDF", ASSET_DOCUMENT},
        {"application/msword", ASSET_DOCUMENT},
        {"application/vnd.openxmlformats-officedocument.wordprocessingml."
         "document",
         ASSET_DOCUMENT},
        {"application/vnd.oasis.opendocument.text", ASSET_DOCUMENT},
        {"application/rtf", ASSET_DOCUMENT},
        {"application/octet-stream", ASSET_OTHER},
        {"application/pdfx", ASSET_OTHER},
        {"model/gltf+json", ASSET_OTHER},
        {"video", ASSET_OTHER},
        {"video/", ASSET_OTHER},
        {"/mp4", ASSET_OTHER},
        {"videos/mp4", ASSET_OTHER},
        {"vide/mp4", ASSET_OTHER},
        {"", ASSET_OTHER},
        {NULL, ASSET_OTHER},
    };
    for (size_t i = 0; i < array_count(cases); i++)
        assert_int_equal(asset_type_of_mime(cases[i].mime), cases[i].type);
}

static bool clean(const char *url)
{
    return asset_url_is_clean(url, strlen(url));
}

static void web_urls_are_clean(void **state)
{
    assert_true(clean("https://cdn.example.com/a/b.jpg?x=1&y=%20#z"));
    assert_true(clean("HTTP://127.0.0.1:8080"));
    assert_true(clean("http://[::1]:80/x"));
    assert_true(clean("https://h?query"));
    assert_true(clean("https://h/a@b:c"));
}

static void other_urls_are_not(void **state)
{
    static const char *const urls[] = {
        "",
        "https://",
        "https:///x",
        "https://?x",
        "https://#x",
        "http:/h",
        "ftp://h/x",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "//h/x",
        "/x",
        " https://h/x",
        "https://h/a b",
        "https://h/a\nURL=x",
        "https://h/\x7f",
        "https://h/\xc3\xa9",
        "https://u@h/",
        "https://u:p@h/",
        "https://h\\@evil/",
        "https://h:80x/",
        "https://h:123456/",
        "https://[::1/",
        "https://[]/",
        "https://[x@y]/",
        "https://:80/",
        "https://[::1]x/",
        "https://a b/",
        "https://%41/",
    };
    for (size_t i = 0; i < array_count(urls); i++) {
        if (clean(urls[i]))
            fail_msg("clean: %s", urls[i]);
    }
    assert_false(asset_url_is_clean("https://h/\0x", 12));
    assert_false(asset_url_is_clean("https://h\0x/", 12));
    assert_false(asset_url_is_clean(NULL, 0));
}

static void urls_are_clean_up_to_8000_bytes(void **state)
{
    char url[8002];
    memset(url, 'x', sizeof(url));
    memcpy(url, "https://h/", 10);
    assert_true(asset_url_is_clean(url, 8000));
    assert_false(asset_url_is_clean(url, 8001));
}

static void renewed_signatures_are_no_change(void **state)
{
    assert_true(asset_url_same_but_query("https://h/x?a", "https://h/x?b"));
    assert_true(asset_url_same_but_query("https://h/x", "https://h/x?b"));
    assert_true(asset_url_same_but_query("https://h/x?a#f", "https://h/x#f"));
    assert_true(asset_url_same_but_query(NULL, NULL));
    assert_false(asset_url_same_but_query("https://h/x?a#f", "https://h/x?a"));
    assert_false(asset_url_same_but_query("https://h/x?a", "https://h/xy?a"));
    assert_false(asset_url_same_but_query("https://h/x?a", "https://g/x?a"));
    assert_false(asset_url_same_but_query(NULL, "https://h/x"));
    assert_false(asset_url_same_but_query("https://h/x", NULL));
    assert_false(asset_url_same_but_query("", NULL));
}

static void pictures_keep_their_extension(void **state)
{
    static const struct {
        const char *url;
        const char *extension;
    } cases[] = {
        {"https://h/a.PNG", "png"},
        {"https://h/a.b.webp?x=.gif", "webp"},
        {"https://h/a.jpeg#.gif", "jpeg"},
        {"https://h/a", "jpg"},
        {"https://h/a.", "jpg"},
        {"https://h/a.toolong", "jpg"},
        {"https://h/a.Url", "jpg"},
        {"https://h/a.urls", "jpg"},
        {"https://h/a.HeIc", "heic"},
        {"https://h/a.tiff", "tiff"},
        {"https://h/a.m3u8", "jpg"},
        {"https://h/a.html", "jpg"},
        {"https://h/a.svg", "jpg"},
        {"https://h/a.mp4", "jpg"},
        {"https://h/a.p%6e", "jpg"},
        {"https://h/b.png/a", "jpg"},
        {"https://h.png", "jpg"},
        {"https://h.png?x", "jpg"},
        {"https://h/", "jpg"},
        {"", "jpg"},
        {NULL, "jpg"},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        char out[ASSET_EXT_SIZE];
        asset_picture_extension(cases[i].url, out);
        assert_string_equal(out, cases[i].extension);
    }
}

static void done_empties(void **state)
{
    struct asset a = {.id = strdup("x"),
                      .filename = strdup("y"),
                      .picture_url = strdup("p"),
                      .manifest_url = strdup("m"),
                      .json = strdup("{}")};
    asset_done(&a);
    assert_null(a.id);
    assert_null(a.filename);
    assert_null(a.json);
    asset_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_have_their_directories_names),
        cmocka_unit_test(mime_types_are_sorted),
        cmocka_unit_test(web_urls_are_clean),
        cmocka_unit_test(other_urls_are_not),
        cmocka_unit_test(urls_are_clean_up_to_8000_bytes),
        cmocka_unit_test(renewed_signatures_are_no_change),
        cmocka_unit_test(pictures_keep_their_extension),
        cmocka_unit_test(done_empties),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
