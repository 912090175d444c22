/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "media/media.h"

static void a_playlist_has_one_entry(void **state)
{
    cleanup(buf_done) struct buf out = {.max = 4096};
    assert_int_equal(media_playlist("keynote.mp4", "https://c/a.m3u8", &out),
                     0);
    assert_string_equal(buf_str(&out),
                        "#EXTM3U\n#EXTINF:-1,keynote.mp4\nhttps://c/a.m3u8\n");
}

static void a_title_never_breaks_the_line(void **state)
{
    cleanup(buf_done) struct buf out = {.max = 4096};
    assert_int_equal(media_playlist("a\r\nhttp://evil/\x7f\xc2\x85z"
                                    "\xe2\x80\xa8y",
                                    "https://c/a.m3u8", &out),
                     0);
    assert_string_equal(
        buf_str(&out),
        "#EXTM3U\n#EXTINF:-1,a  http://evil/  z y\nhttps://c/a.m3u8\n");
}

static void an_unclean_url_makes_no_playlist(void **state)
{
    static const char *const urls[] = {"javascript:alert(1)", "http://c/\n#x",
                                       "file:///etc/passwd", ""};
    for (size_t i = 0; i < array_count(urls); i++) {
        cleanup(buf_done) struct buf out = {.max = 4096};
        assert_int_equal(media_playlist("t", urls[i], &out), -EINVAL);
        assert_int_equal(out.len, 0);
    }
}

struct expiry {
    const char *url;
    int64_t fetched_s;
    int64_t now_s;
    bool stale;
};

static void expiry_is_read_from_the_query(void **state)
{
    static const struct expiry cases[] = {
        {"https://c/a.jpg", 0, 1000000, false},
        {"https://c/a.jpg?Expires=5000", 0, 4000, false},
        {"https://c/a.jpg?x=1&Expires=5000&Signature=s", 4000, 4990, true},
        {"https://c/a.jpg?Expires=5000", 4000, 5001, true},
        {"https://c/a.jpg?Signature=s", 1000, 2000, false},
        {"https://c/a.jpg?Signature=s", 1000, 2800, true},
        {"https://c/a.jpg?token=s#f", 1000, 2800, true},
        {"https://c/a?X-Amz-Date=20260801T000000Z&X-Amz-Expires=3600", 0,
         1785542400 + 3000, false},
        {"https://c/a?X-Amz-Date=20260801T000000Z&X-Amz-Expires=3600", 0,
         1785542400 + 3600, true},
        {"https://c/a?Expires=99999999999999999999", 0, 5, false},
        {"https://c/a?NotExpires=1", 0, 5000, false},
    };
    for (size_t i = 0; i < array_count(cases); i++)
        if (media_url_is_stale(cases[i].url, cases[i].fetched_s,
                               cases[i].now_s) != cases[i].stale)
            fail_msg("%s at %ld", cases[i].url, (long)cases[i].now_s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_playlist_has_one_entry),
        cmocka_unit_test(a_title_never_breaks_the_line),
        cmocka_unit_test(an_unclean_url_makes_no_playlist),
        cmocka_unit_test(expiry_is_read_from_the_query),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
