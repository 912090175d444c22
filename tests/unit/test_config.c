/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "config.h"

#define STOP "stop" /* the entry at which entry_take says -E2BIG */

static char path[] = "/tmp/test-config-XXXXXX";

static int make_file(void **state)
{
    (void)strcpy(path + sizeof(path) - 7, "XXXXXX");
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    return unlink(path);
}

static int entry_take(void *ctx, const char *section, const char *name,
                      const char *value)
{
    if (strcmp(name, STOP) == 0)
        return -E2BIG;
    return buf_appendf(ctx, "[%s]%s=%s|", section, name, value);
}

static int read_bytes(const char *bytes, size_t len, struct buf *out,
                      int *ret_line)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
    buf_reset(out);
    return config_read(path, entry_take, out, ret_line);
}

static void reads(const char *text, const char *entries)
{
    cleanup(buf_done) struct buf out = {.max = 10000};
    int line = -1;
    assert_int_equal(read_bytes(text, strlen(text), &out, &line), 0);
    assert_int_equal(line, 0);
    assert_string_equal(out.len ? buf_str(&out) : "", entries);
}

static void fails(const char *text, int err, int line, const char *before)
{
    cleanup(buf_done) struct buf out = {.max = 10000};
    int at = -1;
    assert_int_equal(read_bytes(text, strlen(text), &out, &at), err);
    assert_int_equal(at, line);
    assert_string_equal(out.len ? buf_str(&out) : "", before);
}

static void entries_stand_in_their_sections(void **state)
{
    reads("", "");
    reads("\n\n# only a comment\n; and another\n", "");
    reads("a=1", "[]a=1|"); /* no line end */
    reads("a = 1\r\n b=2\r\n", "[]a=1|[]b=2|");
    reads("a=1\n[x]\nb=2\n[y]\n[x]\nc=3\n", "[]a=1|[x]b=2|[x]c=3|");
    reads("a=b=c\nd=\n", "[]a=b=c|[]d=|");
    reads("a=1 ; why\nb=x;y\nc=x#y\n", "[]a=1|[]b=x;y|[]c=x#y|");
}

/* inih would hand it over as the value before it, once more. */
static void an_indented_line_is_an_entry_of_its_own(void **state)
{
    reads("[x]\na=1\n  b=2\n\tc=3\n", "[x]a=1|[x]b=2|[x]c=3|");
    fails("a=1\n  more\n", -EBADMSG, 2, "[]a=1|");
}

static void the_first_fault_is_told_with_its_line(void **state)
{
    static const char *const bad[] = {"nonsense", "[open", "[", "=", "]"};
    for (size_t i = 0; i < array_count(bad); i++) {
        char text[100];
        int len =
            snprintf(text, sizeof(text), "\n\na=1\n%s\nb=2\nstop=1\n", bad[i]);
        cleanup(buf_done) struct buf out = {.max = 10000};
        int line = 0;
        int err = read_bytes(text, (size_t)len, &out, &line);
        if (strcmp(bad[i], "=") == 0)
            continue; /* an entry without a name, for who takes it to refuse */
        assert_int_equal(err, -EBADMSG);
        assert_int_equal(line, 4);
    }
}

static void who_takes_the_entries_may_end_it(void **state)
{
    fails("a=1\n\nstop=1\nb=2\nnonsense\n", -E2BIG, 3, "[]a=1|");
}

static void the_longest_line_is_whole_and_a_longer_one_is_refused(void **state)
{
    char text[CONFIG_LINE_MAX * 3];
    for (size_t len = CONFIG_LINE_MAX - 3; len < CONFIG_LINE_MAX + 20; len++) {
        cleanup(buf_done) struct buf out = {.max = 10000};
        int line = 0;
        memset(text, 'x', len);
        text[1] = '=';
        text[len - 1] = '\n';
        int err = read_bytes(text, len, &out, &line);
        assert_int_equal(err, len > CONFIG_LINE_MAX ? -EBADMSG : 0);
        assert_int_equal(line, len > CONFIG_LINE_MAX);
        if (!err) /* "[]x=", len - 3 bytes, "|" */
            assert_int_equal(out.len, 4 + len - 3 + 1);
    }
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    fails(text, -EBADMSG, 1, "");
}

/* What isn't text at all ends somehow, with nothing read past its end. */
static void any_bytes_end_without_harm(void **state)
{
    unsigned seed = 7;
    char bytes[2000];
    for (int round = 0; round < 300; round++) {
        static const char alphabet[] = "a=[];# \n\n\0\xff\t\r";
        cleanup(buf_done) struct buf out = {.max = 100000};
        int line = 0;
        size_t len = (size_t)rand_r(&seed) % sizeof(bytes);
        for (size_t i = 0; i < len; i++)
            bytes[i] = alphabet[(size_t)rand_r(&seed) % (sizeof(alphabet) - 1)];
        int err = read_bytes(bytes, len, &out, &line);
        assert_true(err == 0 || err == -EBADMSG);
        assert_int_equal(line > 0, err != 0);
    }
}

static void a_file_that_others_may_write_is_refused(void **state)
{
    int line;
    cleanup(buf_done) struct buf out = {.max = 10000};
    static const mode_t bad[] = {0620, 0602, 0666, 0777};
    for (size_t i = 0; i < array_count(bad); i++) {
        assert_int_equal(chmod(path, bad[i]), 0);
        assert_int_equal(config_read(path, entry_take, &out, &line), -EPERM);
    }
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(config_read(path, entry_take, &out, &line), 0);
    if (geteuid() != 0)
        return;
    assert_int_equal(chown(path, 12345, (gid_t)-1), 0);
    assert_int_equal(config_read(path, entry_take, &out, &line), -EPERM);
}

static void what_is_no_file_is_an_error_and_never_a_wait(void **state)
{
    int line = 9;
    cleanup(buf_done) struct buf out = {.max = 10000};
    assert_int_equal(config_read("/nonexistent/x", entry_take, &out, &line),
                     -ENOENT);
    assert_int_equal(line, 0);
    assert_int_equal(config_read("/", entry_take, &out, &line), -EISDIR);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0); /* nobody writes into it */
    assert_int_equal(config_read(path, entry_take, &out, &line), -EINVAL);
    assert_int_equal(out.len, 0);
}

#define T(test) cmocka_unit_test_setup_teardown(test, make_file, remove_file)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(entries_stand_in_their_sections),
        T(an_indented_line_is_an_entry_of_its_own),
        T(the_first_fault_is_told_with_its_line),
        T(who_takes_the_entries_may_end_it),
        T(the_longest_line_is_whole_and_a_longer_one_is_refused),
        T(any_bytes_end_without_harm),
        T(a_file_that_others_may_write_is_refused),
        T(what_is_no_file_is_an_error_and_never_a_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
