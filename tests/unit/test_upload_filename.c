/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "upload/filename.h"

static void names_that_wait(void **state)
{
    static const char *const waiting[] = {
        ".a.mp4",    "a.part",     "a.MP4.PART", "x.crdownload", "a.tmp",
        "a.partial", "a.download", "a~",         "a.mp4.error",  "."};
    static const char *const others[] = {"a.mp4", "part", "a.part.mp4",
                                         "-rf",   "tmp",  "\n"};
    for (size_t i = 0; i < array_count(waiting); i++)
        assert_true(filename_waits(waiting[i]));
    for (size_t i = 0; i < array_count(others); i++)
        assert_false(filename_waits(others[i]));
}

static void kinds_go_by_the_extension(void **state)
{
    assert_int_equal(filename_kind("A.MP4")->type, ASSET_VIDEO);
    assert_int_equal(filename_kind("a.b.jpeg")->type, ASSET_IMAGE);
    assert_int_equal(filename_kind("a.flac")->type, ASSET_AUDIO);
    assert_int_equal(filename_kind("a.pdf")->type, ASSET_DOCUMENT);
    assert_null(filename_kind("mp4"));
    assert_null(filename_kind("a.mp4 "));
    assert_null(filename_kind(""));
}

static void sizes_at_their_borders(void **state)
{
    static const struct {
        const char *name;
        int64_t size;
        bool good;
    } all[] = {
        {"a.jpg", 1, true},
        {"a.jpg", 32000000, true},
        {"a.jpg", 32000001, false},
        {"a.txt", 200000000, true},
        {"a.txt", 200000001, false},
        {"a.mp4", 10000000000, true},
        {"a.mp4", 10000000001, false},
        {"a.mp4", 0, false},
        {"a.zip", 5, false},
    };
    for (size_t i = 0; i < array_count(all); i++)
        assert_int_equal(!filename_refusal(all[i].name, all[i].size, "x", 1),
                         all[i].good);
    const struct filename_kind *video = filename_kind("a.mp4");
    assert_false(filename_goes_in_chunks(video, 99, 100));
    assert_true(filename_goes_in_chunks(video, 100, 100));
    assert_true(filename_goes_in_chunks(video, 200000001, 1000000000));
    assert_false(filename_goes_in_chunks(filename_kind("a.jpg"), 100, 1));
    assert_false(filename_goes_in_chunks(filename_kind("a.pdf"), 100, 1));
}

static void appended(int (*fn)(struct buf *, const char *), const char *in,
                     const char *out)
{
    cleanup(buf_done) struct buf text = {.max = 10000};
    assert_int_equal(fn(&text, in), 0);
    assert_string_equal(buf_str(&text), out);
}

static void names_become_utf8(void **state)
{
    appended(filename_append,
             "a\xff"
             "b",
             "a\xef\xbf\xbd"
             "b");
    appended(filename_append, "\xed\xa0\x80", "\xef\xbf\xbd"); /* a surrogate */
    appended(filename_append, "\xc3", "\xef\xbf\xbd");
    appended(filename_append, "\xc3\xbc\n", "\xc3\xbc\n");
}

static void a_filter_is_a_run_that_any_server_finds(void **state)
{
    appended(filename_append_filter, "my-long_name 12.mp4", "long");
    appended(filename_append_filter, "\xff&x=1?#/..", "");
    appended(filename_append_filter, "%41bcd%", "41bcd");
    appended(filename_append_filter, "ab.cd", "");
}

static void a_long_name_has_a_note_of_its_own(void **state)
{
    char a[256], b[256], note_a[256], note_b[256];
    memset(a, 'n', 255);
    memset(b, 'n', 255);
    a[255] = b[255] = '\0';
    a[254] = '1';
    filename_of_error(a, note_a);
    filename_of_error(b, note_b);
    assert_true(strlen(note_a) <= 255);
    assert_string_not_equal(note_a, note_b);
    filename_of_error("a.mp4", note_a);
    assert_string_equal(note_a, "a.mp4.error");
    /* no half of a character */
    for (size_t i = 0; i + 1 < 255; i += 2)
        memcpy(a + i, "\xc3\xbc", 2);
    filename_of_error(a, note_a);
    cleanup(buf_done) struct buf text = {.max = 1000};
    assert_int_equal(filename_append(&text, note_a), 0);
    assert_string_equal(buf_str(&text), note_a);
}

static void copies_keep_their_extension(void **state)
{
    char a[256], out[256];
    filename_of_copy("a.mp4", 0, out);
    assert_string_equal(out, "a.mp4");
    filename_of_copy("a.b.mp4", 12, out);
    assert_string_equal(out, "a.b.12.mp4");
    memset(a, 'n', 251);
    strcpy(a + 251, ".mp4");
    filename_of_copy(a, 7, out);
    assert_int_equal(strlen(out), 255);
    assert_string_equal(out + 249, ".7.mp4");
    filename_of_copy("noext", 2, out);
    assert_string_equal(out, "noext.2");
}

static void directories_are_tags(void **state)
{
    appended(filename_append_tags, "a/b/c.mp4", "");
    appended(filename_append_tags,
             "user_metadata.team=red/x/user_metadata.take=7/a.mp4",
             "{\"team\":\"red\",\"take\":7");
    appended(filename_append_tags, "user_metadata.k=1/user_metadata.k=2/a",
             "{\"k\":2");
    appended(filename_append_tags, "user_metadata.=1/user_metadata.k=/a", "");
    appended(filename_append_tags, "user_metadata.a=b.mp4", "");
    assert_true(filename_is_tag("user_metadata.a=b"));
    assert_false(filename_is_tag("user_metadata.a"));
    assert_false(filename_is_tag("user_metadata.a="));
    assert_false(filename_is_tag("user_metadata.a=\xff"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_that_wait),
        cmocka_unit_test(kinds_go_by_the_extension),
        cmocka_unit_test(sizes_at_their_borders),
        cmocka_unit_test(names_become_utf8),
        cmocka_unit_test(a_filter_is_a_run_that_any_server_finds),
        cmocka_unit_test(a_long_name_has_a_note_of_its_own),
        cmocka_unit_test(copies_keep_their_extension),
        cmocka_unit_test(directories_are_tags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
