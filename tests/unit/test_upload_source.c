/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "upload/source.h"
#include "upload_place.h"

static struct source *open_one(void **state, const char *name)
{
    struct source *s = NULL;
    assert_int_equal(source_open(AT_FDCWD, place_path(state, name), NULL, &s),
                     0);
    return s;
}

/* Until a clock that the file system goes by has moved on. */
static void let_time_pass(void)
{
    struct timespec begin, now;
    (void)clock_gettime(CLOCK_REALTIME_COARSE, &begin);
    do
        (void)clock_gettime(CLOCK_REALTIME_COARSE, &now);
    while (now.tv_nsec == begin.tv_nsec);
}

static void what_is_no_regular_file_is_not_opened(void **state)
{
    struct source *s = NULL;
    place_write(state, "f", "x");
    assert_int_equal(symlink("f", place_path(state, "l")), 0);
    assert_int_equal(mkfifo(place_path(state, "p"), 0600), 0);
    assert_int_equal(mkdir(place_path(state, "d"), 0700), 0);
    assert_int_equal(source_open(AT_FDCWD, place_path(state, "l"), NULL, &s),
                     -ELOOP);
    assert_int_equal(source_open(AT_FDCWD, place_path(state, "p"), NULL, &s),
                     -EINVAL);
    assert_int_equal(source_open(AT_FDCWD, place_path(state, "d"), NULL, &s),
                     -EINVAL);
    assert_int_equal(source_open(AT_FDCWD, place_path(state, "n"), NULL, &s),
                     -ENOENT);
    assert_null(s);
}

static void write_over(void **state)
{
    int fd = open(place_path(state, "f"), O_WRONLY);
    assert_int_equal(pwrite(fd, "y", 1, 0), 1);
    (void)close(fd);
}

static void write_and_hide_it(void **state)
{
    struct stat st;
    assert_int_equal(stat(place_path(state, "f"), &st), 0);
    const struct timespec times[] = {st.st_atim, st.st_mtim};
    write_over(state);
    assert_int_equal(utimensat(AT_FDCWD, place_path(state, "f"), times, 0), 0);
}

static void write_by_mapping(void **state)
{
    int fd = open(place_path(state, "f"), O_RDWR);
    char *map = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(map != MAP_FAILED);
    map[0] = 'y';
    assert_int_equal(munmap(map, 1), 0);
    (void)close(fd);
}

static void make_longer(void **state)
{
    assert_int_equal(truncate(place_path(state, "f"), 10), 0);
}

static void every_change_is_seen(void **state)
{
    static void (*const changes[])(void **) = {write_over, write_and_hide_it,
                                               write_by_mapping, make_longer};
    for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
        place_write(state, "f", "xxx");
        struct source *s = open_one(state, "f");
        struct source *other = NULL;
        let_time_pass();
        assert_int_equal(source_check(s), 0);
        changes[i](state);
        assert_int_equal(source_check(s), -ESTALE);
        assert_int_equal(
            source_open(AT_FDCWD, place_path(state, "f"), &s->identity, &other),
            -ESTALE);
        source_unref(s);
    }
}

static void another_file_in_its_place_is_another(void **state)
{
    struct source *other = NULL;
    place_write(state, "f", "xxx");
    struct source *s = open_one(state, "f");
    place_write(state, "g", "xxx");
    assert_int_equal(rename(place_path(state, "g"), place_path(state, "f")), 0);
    assert_int_equal(
        source_open(AT_FDCWD, place_path(state, "f"), &s->identity, &other),
        -ESTALE);
    source_unref(s);
}

static void a_writer_is_noticed(void **state)
{
    place_write(state, "f", "xxx");
    struct source *s = open_one(state, "f");
    assert_false(source_is_written(s));
    int fd = open(place_path(state, "f"), O_WRONLY | O_APPEND);
    assert_true(source_is_written(s));
    (void)close(fd);
    assert_false(source_is_written(s));
    fd = open(place_path(state, "f"), O_RDWR);
    char *map = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    (void)close(fd);
    assert_true(source_is_written(s)); /* by the mapping alone */
    assert_int_equal(munmap(map, 1), 0);
    assert_false(source_is_written(s));
    fd = open(place_path(state, "f"), O_WRONLY); /* nobody is held up after */
    assert_true(fd >= 0);
    (void)close(fd);
    source_unref(s);
}

static void a_checksum_in_slices(void **state)
{
    char hex[DIGEST_HEX_SIZE];
    place_write(state, "f", "abc");
    struct source *s = open_one(state, "f");
    struct digest *d = digest_new(DIGEST_SHA256);
    assert_int_equal(source_digest(s, d, 0, 2), 2);
    assert_int_equal(source_digest(s, d, 2, 2), 1);
    assert_int_equal(source_digest(s, d, 3, 2), 0);
    assert_int_equal(digest_end(d, hex), 0);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9c"
                             "b410ff61f20015ad");
    digest_free(d);
    d = digest_new(DIGEST_MD5);
    assert_int_equal(source_digest(s, d, 0, 3), 3);
    assert_int_equal(digest_end(d, hex), 0);
    assert_string_equal(hex, "900150983cd24fb0d6963f7d28e17f72");
    digest_free(d);
    d = digest_new(DIGEST_SHA256);
    assert_int_equal(truncate(place_path(state, "f"), 1), 0);
    assert_int_equal(source_digest(s, d, 0, 3), -ESTALE);
    digest_free(d);
    source_unref(s);
}

int main(void)
{
#define IN_A_PLACE(test)                                                       \
    cmocka_unit_test_setup_teardown(test, place_make, place_unmake)
    const struct CMUnitTest tests[] = {
        IN_A_PLACE(what_is_no_regular_file_is_not_opened),
        IN_A_PLACE(every_change_is_seen),
        IN_A_PLACE(another_file_in_its_place_is_another),
        IN_A_PLACE(a_writer_is_noticed),
        IN_A_PLACE(a_checksum_in_slices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
