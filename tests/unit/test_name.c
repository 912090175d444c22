/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/utf8.h"
#include "grammar/name.h"
#include "grammar/query.h"
#include "json/scan.h"
#include "golden.h"
#include "range.h"

static const char hex_id[] = "68b1c0a9d4e5f60718293a4b";

/* The promises of name.h that hold for any filename. */
static void check_safe(const char *name, size_t len)
{
    assert_int_in_range(len, 1, NAME_SAFE_MAX);
    assert_int_equal(strlen(name), len);
    assert_string_not_equal(name, ".");
    assert_string_not_equal(name, "..");
    assert_false(query_is_segment(name));
    size_t safe_len = 0;
    assert_false(name_has_suffix(name, &safe_len));
    for (size_t at = 0; at < len;) {
        uint32_t code = 0;
        size_t count = utf8_decode(name + at, len - at, &code);
        assert_true(count > 0);
        assert_false(utf8_is_surrogate(code) || utf8_is_control(code) ||
                     utf8_is_bidi_override(code) || code == '/');
        at += count;
    }
}

static size_t make(const char *filename, size_t len, char out[NAME_SIZE])
{
    char *exact = malloc(len ? len : 1);
    assert_non_null(exact);
    memcpy(exact, filename, len);
    size_t name_len = name_make(exact, len, out);
    free(exact);
    check_safe(out, name_len);
    return name_len;
}

static void unescaped_is(const char *folder, const char *expected, size_t len)
{
    cleanup(buf_done) struct buf out = {.max = 1000};
    assert_int_equal(name_unescape(folder, &out), 0);
    assert_int_equal(out.len, len);
    assert_memory_equal(buf_str(&out), expected, len);
}

/* A line: filename as a JSON string, tab, folder name. */
static void check_golden_line(char *line, size_t len)
{
    char *tab = memchr(line, '\t', len);
    assert_non_null(tab);
    char filename[1000];
    assert_true((size_t)(tab - line) < sizeof(filename));
    size_t filename_len = scan_unescape(line, (size_t)(tab - line), filename);
    line[len] = '\0';
    char name[NAME_SIZE];
    make(filename, filename_len, name);
    assert_string_equal(name, tab + 1);
    unescaped_is(name, filename, filename_len);
}

static void golden_names_are_met(void **state)
{
    cleanup(buf_done) struct buf file = {.max = 100000};
    assert_int_equal(golden_read("names.tsv", &file), 0);
    size_t lines = 0;
    for (char *at = file.data; *at; lines++) {
        size_t len = strcspn(at, "\n");
        check_golden_line(at, len);
        at += len + 1;
    }
    assert_true(lines > 50);
}

static void absent_is_empty(void **state)
{
    char name[NAME_SIZE];
    assert_int_equal(name_make(NULL, 0, name), 1);
    assert_string_equal(name, "%");
    unescaped_is("%", "", 0);
}

static void bytes_that_are_no_utf8_are_escaped(void **state)
{
    char name[NAME_SIZE];
    make("a\xff\xc3", 3, name);
    assert_string_equal(name, "a%FF%C3");
    make("\xc0\xaf", 2, name);
    assert_string_equal(name, "%C0%AF");
    make("\xf4\x90\x80\x80", 4, name);
    assert_string_equal(name, "%F4%90%80%80");
    make("\xe6\x97", 2, name);
    assert_string_equal(name, "%E6%97");
}

/* Every two bytes, alone and at the ends of a text. */
static void distinct_filenames_have_distinct_names(void **state)
{
    for (unsigned pair = 0; pair < 65536; pair++) {
        char text[] = {(char)(pair >> 8), (char)pair};
        char name[NAME_SIZE];
        make(text, 2, name);
        unescaped_is(name, text, 2);
        char longer[] = {'.', text[0], '%', text[1], '4', '1', text[0]};
        make(longer, sizeof(longer), name);
        unescaped_is(name, longer, sizeof(longer));
    }
}

static void long_names_are_cut_and_keep_their_extension(void **state)
{
    char text[400];
    char name[NAME_SIZE];
    memset(text, 'x', sizeof(text));
    memcpy(text + 300, ".mp4", 4);
    assert_int_equal(make(text, 304, name), NAME_SAFE_MAX);
    assert_string_equal(name + NAME_SAFE_MAX - 5, "x.mp4");
    /* 222 bytes fit, 223 don't */
    assert_int_equal(make(text, 222, name), 222);
    assert_int_equal(make(text, 223, name), 222);
    /* a tail of 16 bytes with its dot is an extension, of 17 none */
    memset(text, 'x', sizeof(text));
    text[400 - 16] = '.';
    make(text, 400, name);
    assert_int_equal(name[NAME_SAFE_MAX - 16], '.');
    memset(text, 'x', sizeof(text));
    text[400 - 17] = '.';
    make(text, 400, name);
    assert_null(strchr(name, '.'));
    /* nor is one that is longer only once it is escaped */
    memcpy(text + 400 - 8, ".\n\n\n\n\n\n\n", 8);
    make(text, 400, name);
    assert_null(strchr(name, '.'));
}

static void names_are_cut_between_characters(void **state)
{
    char text[400];
    char name[NAME_SIZE];
    for (size_t lead = 0; lead < 12; lead++) {
        memset(text, 'x', lead);
        for (size_t at = lead; at + 4 <= sizeof(text); at += 4)
            memcpy(text + at, "😀", 4);
        size_t len = make(text, lead + (sizeof(text) - lead) / 4 * 4, name);
        assert_int_equal(len, lead + (NAME_SAFE_MAX - lead) / 4 * 4);
        for (size_t at = lead; at + 3 <= sizeof(text); at += 3)
            memcpy(text + at, "\xed\xa0\x80", 3);
        len = make(text, lead + (sizeof(text) - lead) / 3 * 3, name);
        assert_int_equal(len, lead + (NAME_SAFE_MAX - lead) / 9 * 9);
    }
}

static void cutting_makes_no_key_and_no_suffix(void **state)
{
    char text[400];
    char name[NAME_SIZE];
    memset(text, 'x', sizeof(text));
    text[300] = ' ';
    memcpy(text + 390, ".a=b", 4);
    make(text, 394, name);
    assert_string_equal(name + strlen(name) - 6, ".a%3Db");
    for (size_t at = 180; at < 240; at++) {
        memset(text, 'x', sizeof(text));
        text[at] = '@';
        text[at + 60] = ' ';
        make(text, sizeof(text), name);
        text[at] = '=';
        make(text, sizeof(text), name);
    }
}

static void suffixes_are_put_on_and_taken_off(void **state)
{
    char name[NAME_SIZE];
    size_t safe_len = 0;
    assert_int_equal(name_with_suffix("a.mp4", hex_id, name), 30);
    assert_string_equal(name, "a.mp4@68b1c0a9d4e5f60718293a4b");
    assert_true(name_has_suffix(name, &safe_len));
    assert_int_equal(safe_len, 5);
    unescaped_is("a%2Fb@68b1c0a9d4e5f60718293a4b", "a/b", 3);
    unescaped_is("%@68b1c0a9d4e5f60718293a4b", "", 0);
    assert_false(name_has_suffix("a.mp4", &safe_len));
    assert_false(name_has_suffix("", &safe_len));
    assert_false(name_has_suffix("@68b1c0a9d4e5f60718293a4b", &safe_len));
}

static void odd_ids_are_stood_for_by_a_hash(void **state)
{
    static const char *const ids[] = {"",
                                      "x",
                                      "../../etc",
                                      "0123456789abcde",
                                      "0123456789abcdef012345678",
                                      "0123456789abcdef/"};
    char names[array_count(ids)][NAME_SIZE];
    for (size_t i = 0; i < array_count(ids); i++) {
        size_t safe_len = 0;
        assert_int_equal(name_with_suffix("a", ids[i], names[i]), 26);
        assert_true(name_has_suffix(names[i], &safe_len));
        assert_int_equal(safe_len, 1);
        assert_null(strchr(names[i], '/'));
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(names[i], names[j]);
    }
}

static void the_longest_suffixed_name_fits(void **state)
{
    char text[400];
    char safe[NAME_SIZE];
    char name[NAME_SIZE];
    memset(text, '\n', sizeof(text));
    make(text, sizeof(text), safe);
    assert_true(name_with_suffix(safe, hex_id, name) <= 255);
    memset(text, 'x', sizeof(text));
    make(text, sizeof(text), safe);
    /* an extension of 7 bytes goes after it, with its dot */
    assert_int_equal(name_with_suffix(safe, hex_id, name), 255 - 8);
}

static void a_full_buffer_keeps_its_bytes(void **state)
{
    cleanup(buf_done) struct buf out = {.max = 5};
    assert_int_equal(name_unescape("abc", &out), 0);
    assert_int_equal(name_unescape("def", &out), -E2BIG);
    assert_string_equal(buf_str(&out), "abc");
}

static void ids_come_back_from_their_components(void **state)
{
    static const struct {
        const char *id;
        const char *component;
    } cases[] = {
        {"68b1c0a9d4e5f60718293a4b", "68b1c0a9d4e5f60718293a4b"},
        {"a/../b", "a%2F..%2Fb"},
        {".", "%2E"},
        {"..", "%2E."},
        {".id", "%2Eid"},
        {"", "%"},
        {"%", "%25"},
        {"%41", "%2541"},
        {"a=b", "a=b"},
        {"x@0123456789abcdef", "x@0123456789abcdef"},
        {"\n\xff", "%0A%FF"},
        {"é", "é"},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        char out[NAME_SIZE];
        assert_int_equal(name_of_id(cases[i].id, out), 0);
        assert_string_equal(out, cases[i].component);
        assert_int_equal(name_to_id(cases[i].component, out), 0);
        assert_string_equal(out, cases[i].id);
    }
}

static void other_components_are_no_ids(void **state)
{
    static const char *const components[] = {
        "",    ".",   "..",    ".media", "%41",  "%2f",
        "a/b", "%00", "a%00b", "\xff",   "%2Ea",
    };
    char out[NAME_SIZE] = "kept";
    for (size_t i = 0; i < array_count(components); i++)
        assert_int_equal(name_to_id(components[i], out), -ENOENT);
    char text[300];
    memset(text, 'x', sizeof(text));
    text[256] = '\0';
    assert_int_equal(name_of_id(text, out), -ENAMETOOLONG);
    assert_int_equal(name_to_id(text, out), -ENOENT);
    assert_string_equal(out, "kept");
    text[255] = '\0';
    assert_int_equal(name_of_id(text, out), 0);
    assert_int_equal(name_to_id(text, out), 0);
    assert_string_equal(out, text);
}

static void probes_are_known(void **state)
{
    static const char *const probes[] = {
        ".Trash",    ".Trash-1000",   ".hidden",
        ".git",      "autorun.inf",   "AUTORUN.INF",
        ".DS_Store", "._keynote.mp4", ".directory",
    };
    static const char *const others[] = {
        "",
        ".",
        "keynote.mp4",
        "git",
        "Trash",
        "hidden",
        ".gi",
        ".id",
        "filename=x",
        ".twelvefs",
        ".assets.ndjson",
        ".media",
        ".pictures",
    };
    for (size_t i = 0; i < array_count(probes); i++)
        assert_true(name_is_probe(probes[i]));
    for (size_t i = 0; i < array_count(others); i++)
        assert_false(name_is_probe(others[i]));
}

static void run_is(const char *text, const char *expected)
{
    const char *run = NULL;
    size_t len = 0;
    bool found = name_ascii_run(text, strlen(text), &run, &len);
    assert_int_equal(found, expected != NULL);
    if (expected) {
        assert_int_equal(len, strlen(expected));
        assert_memory_equal(run, expected, len);
        assert_true(run >= text && run + len <= text + strlen(text));
    }
}

static void the_longest_ascii_run_is_found(void **state)
{
    run_is("keynote", "keynote");
    run_is("Grüße", "G");
    run_is("éabcdéab", "abc");
    run_is("cafe\xcc\x81 \xc3\xa9", "caf"); /* e, or U+00E9 elsewhere */
    run_is("ab%abcd", "abcd");
    run_is("ab/cd", "ab");
    run_is("a-b_c.d 1", "a-b_c.d 1");
    run_is("  ab  é", "ab");
    run_is("é   é", NULL);
    run_is("日本", NULL);
    run_is("", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_names_are_met),
        cmocka_unit_test(absent_is_empty),
        cmocka_unit_test(bytes_that_are_no_utf8_are_escaped),
        cmocka_unit_test(distinct_filenames_have_distinct_names),
        cmocka_unit_test(long_names_are_cut_and_keep_their_extension),
        cmocka_unit_test(names_are_cut_between_characters),
        cmocka_unit_test(cutting_makes_no_key_and_no_suffix),
        cmocka_unit_test(suffixes_are_put_on_and_taken_off),
        cmocka_unit_test(odd_ids_are_stood_for_by_a_hash),
        cmocka_unit_test(the_longest_suffixed_name_fits),
        cmocka_unit_test(a_full_buffer_keeps_its_bytes),
        cmocka_unit_test(ids_come_back_from_their_components),
        cmocka_unit_test(other_components_are_no_ids),
        cmocka_unit_test(probes_are_known),
        cmocka_unit_test(the_longest_ascii_run_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
