/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "media/media.h"
#include "media/media_store.h"

static int remove_one(const char *path, const struct stat *st, int type,
                      struct FTW *where)
{
    return remove(path);
}

static int make_directory(void **state)
{
    char *path = strdup("/tmp/test-media-XXXXXX");
    *state = path ? mkdtemp(path) : NULL;
    return *state ? 0 : -1;
}

static int remove_directory(void **state)
{
    int err = nftw(*state, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(*state);
    return err;
}

static struct media_store *open_store(const char *directory, int64_t limit)
{
    struct media_store *s = NULL;
    assert_int_equal(media_store_open(directory, limit, &s), 0);
    return s;
}

static struct media_file *put_file(struct media_store *s, const char *id,
                                   const char *text)
{
    char name[DIGEST_HEX_SIZE];
    struct media_file *file = NULL;
    struct buf body = {.max = 1000};
    assert_int_equal(media_store_name(id, "https://c/p.jpg", name), 0);
    assert_int_equal(buf_append_str(&body, text), 0);
    assert_int_equal(media_store_put(s, name, &body, &file), 0);
    assert_null(body.data);
    assert_int_equal(file->size_bytes, strlen(text));
    return file;
}

static void put(struct media_store *s, const char *id, const char *text)
{
    media_file_unref(put_file(s, id, text));
}

static void reads(struct media_file *file, const char *text)
{
    char bytes[64] = "";
    size_t got = 99;
    assert_int_equal(media_file_read(file, bytes, sizeof(bytes), 0, &got), 0);
    assert_int_equal(got, strlen(text));
    assert_string_equal(bytes, text);
    assert_int_equal(media_file_read(file, bytes, 2, 1, &got), 0);
    assert_int_equal(got, 2);
    assert_memory_equal(bytes, text + 1, 2);
    assert_int_equal(media_file_read(file, bytes, 2, 1000, &got), 0);
    assert_int_equal(got, 0);
}

static bool has(struct media_store *s, const char *id, const char *text)
{
    char name[DIGEST_HEX_SIZE];
    char byte;
    size_t got;
    struct media_file *file = NULL;
    assert_int_equal(media_store_name(id, "https://c/p.jpg", name), 0);
    if (media_store_lookup(s, name, &file))
        return false;
    bool there = media_file_read(file, &byte, 1, 0, &got) == 0;
    if (there)
        reads(file, text);
    media_file_unref(file);
    return there;
}

static void what_is_kept_survives_a_restart(void **state)
{
    struct media_store *s = open_store(*state, 1000);
    put(s, "a", "picture a");
    media_store_close(s);
    s = open_store(*state, 1000);
    assert_true(has(s, "a", "picture a"));
    assert_false(has(s, "b", ""));
    media_store_close(s);
}

static void the_least_recently_used_gives_way(void **state)
{
    struct media_store *s = open_store(*state, 10);
    put(s, "a", "aaaa");
    put(s, "b", "bbbb");
    assert_true(has(s, "a", "aaaa"));
    put(s, "c", "cccc");
    assert_true(has(s, "a", "aaaa"));
    assert_false(has(s, "b", ""));
    assert_true(has(s, "c", "cccc"));
    media_store_close(s);
}

static void what_is_referenced_does_not_give_way(void **state)
{
    struct media_store *s = open_store(*state, 5);
    struct media_file *file = put_file(s, "a", "aaaa");
    put(s, "b", "bbbb");
    assert_true(has(s, "a", "aaaa"));
    assert_true(has(s, "b", "bbbb"));
    media_file_unref(file);
    put(s, "c", "cccc");
    assert_false(has(s, "a", ""));
    assert_false(has(s, "b", ""));
    assert_true(has(s, "c", "cccc"));
    media_store_close(s);
}

static void a_reference_outlives_the_store_and_its_successor(void **state)
{
    struct media_store *s = open_store(*state, 100);
    struct media_file *file = put_file(s, "a", "first");
    put(s, "a", "the second");
    reads(file, "first");
    assert_true(has(s, "a", "the second"));
    media_store_close(s);
    reads(file, "first");
    media_file_unref(file);
    s = open_store(*state, 100);
    assert_true(has(s, "a", "the second"));
    media_store_close(s);
}

static void what_its_bytes_are_is_known_after_a_restart(void **state)
{
    struct media_store *s = open_store(*state, 100);
    struct media_file *file = put_file(s, "a", "aaaa");
    struct media_file *other = put_file(s, "b", "aaab");
    uint64_t checksum = file->checksum;
    assert_true(checksum != other->checksum);
    media_file_unref(file);
    media_file_unref(other);
    media_store_close(s);
    s = open_store(*state, 100);
    char name[DIGEST_HEX_SIZE];
    assert_int_equal(media_store_name("a", "https://c/p.jpg", name), 0);
    assert_int_equal(media_store_lookup(s, name, &file), 0);
    assert_true(file->checksum == checksum);
    assert_int_equal(file->size_bytes, 4);
    media_file_unref(file);
    media_store_close(s);
}

static void a_renewed_signature_keeps_the_picture(void **state)
{
    char a[DIGEST_HEX_SIZE];
    char b[DIGEST_HEX_SIZE];
    assert_int_equal(media_store_name("i", "https://c/p.jpg?Expires=1", a), 0);
    assert_int_equal(media_store_name("i", "https://c/p.jpg?Expires=2", b), 0);
    assert_string_equal(a, b);
    assert_int_equal(media_store_name("j", "https://c/p.jpg", b), 0);
    assert_string_not_equal(a, b);
    assert_int_equal(media_store_name("i", "https://c/q.jpg", b), 0);
    assert_string_not_equal(a, b);
}

static void unfinished_files_go_at_the_start(void **state)
{
    char path[128];
    struct media_store *s = open_store(*state, 10);
    media_store_close(s);
    (void)snprintf(path, sizeof(path), "%s/media/new-7", (char *)*state);
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    (void)close(fd);
    s = open_store(*state, 10);
    assert_int_equal(access(path, F_OK), -1);
    media_store_close(s);
}

/* The one file of the folder that isn't hidden. */
static void find_file(const char *directory, char *path, size_t size)
{
    char folder[128];
    (void)snprintf(folder, sizeof(folder), "%s/media", directory);
    DIR *d = opendir(folder);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] != '.')
            (void)snprintf(path, size, "%s/%s", folder, e->d_name);
    }
    (void)closedir(d);
}

static void a_file_cut_by_a_crash_is_not_served(void **state)
{
    char path[512] = "";
    struct media_store *s = open_store(*state, 100);
    put(s, "a", "picture a");
    find_file(*state, path, sizeof(path));
    assert_int_equal(truncate(path, 4), 0);
    assert_false(has(s, "a", ""));
    media_store_close(s);
    s = open_store(*state, 100);
    assert_false(has(s, "a", ""));
    assert_int_equal(access(path, F_OK), -1);
    put(s, "a", "picture a");
    assert_true(has(s, "a", "picture a"));
    media_store_close(s);
}

static void a_picture_of_another_size_replaces_the_one_before(void **state)
{
    char path[512] = "";
    struct media_store *s = open_store(*state, 100);
    put(s, "a", "first");
    find_file(*state, path, sizeof(path));
    put(s, "a", "the second");
    assert_true(has(s, "a", "the second"));
    assert_int_equal(access(path, F_OK), -1);
    media_store_close(s);
    s = open_store(*state, 100);
    assert_true(has(s, "a", "the second"));
    media_store_close(s);
}

static void what_somebody_removed_is_not_kept(void **state)
{
    char path[512] = "";
    struct media_store *s = open_store(*state, 100);
    put(s, "a", "picture a");
    find_file(*state, path, sizeof(path));
    assert_int_equal(unlink(path), 0);
    assert_false(has(s, "a", ""));
    put(s, "a", "picture a");
    assert_true(has(s, "a", "picture a"));
    media_store_close(s);
}

static void a_cache_that_was_taken_away_is_made_anew(void **state)
{
    char path[128];
    struct media_store *s = open_store(*state, 100);
    put(s, "a", "picture a");
    assert_int_equal(nftw(*state, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
    assert_false(has(s, "a", ""));
    put(s, "b", "picture b");
    put(s, "a", "picture a");
    assert_true(has(s, "a", "picture a"));
    assert_true(has(s, "b", "picture b"));
    (void)snprintf(path, sizeof(path), "%s/media", (char *)*state);
    assert_int_equal(access(path, F_OK), 0);
    media_store_close(s);
}

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_full_disk_still_serves(void **state)
{
    struct media_store *s = open_store(*state, 100);
    put(s, "a", "first");
    (void)signal(SIGXFSZ, SIG_IGN); /* as main.c has it */
    limit_files(1);
    struct media_file *file = put_file(s, "a", "picture a");
    put(s, "b", "picture b");
    limit_files(RLIM_INFINITY);
    reads(file, "picture a");
    assert_true(has(s, "a", "picture a"));
    assert_true(has(s, "b", "picture b"));
    media_file_unref(file);
    put(s, "a", "on disk again");
    assert_true(has(s, "a", "on disk again"));
    media_store_close(s);
    s = open_store(*state, 100);
    assert_true(has(s, "a", "on disk again"));
    assert_false(has(s, "b", ""));
    media_store_close(s);
}

static void memory_for_want_of_a_disk_is_bounded(void **state)
{
    struct media_store *s = open_store(*state, INT64_MAX);
    char *text = calloc(1, MEDIA_STORE_MEMORY / 4);
    char id[2] = "a";
    assert_non_null(text);
    memset(text, 'x', MEDIA_STORE_MEMORY / 4 - 1);
    (void)signal(SIGXFSZ, SIG_IGN);
    limit_files(1);
    for (; id[0] <= 'h'; id[0]++) {
        char name[DIGEST_HEX_SIZE];
        struct media_file *file = NULL;
        struct buf body = {.max = MEDIA_STORE_MEMORY};
        assert_int_equal(media_store_name(id, "https://c/p.jpg", name), 0);
        assert_int_equal(buf_append_str(&body, text), 0);
        assert_int_equal(media_store_put(s, name, &body, &file), 0);
        media_file_unref(file);
    }
    limit_files(RLIM_INFINITY);
    unsigned count = 0;
    for (id[0] = 'a'; id[0] <= 'h'; id[0]++) {
        char name[DIGEST_HEX_SIZE];
        struct media_file *file = NULL;
        assert_int_equal(media_store_name(id, "https://c/p.jpg", name), 0);
        count += media_store_lookup(s, name, &file) == 0;
        media_file_unref(file);
    }
    assert_int_equal(count, 4);
    free(text);
    media_store_close(s);
}

#define store_test(name)                                                       \
    cmocka_unit_test_setup_teardown(name, make_directory, remove_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        store_test(what_is_kept_survives_a_restart),
        store_test(the_least_recently_used_gives_way),
        store_test(what_is_referenced_does_not_give_way),
        store_test(a_reference_outlives_the_store_and_its_successor),
        store_test(what_its_bytes_are_is_known_after_a_restart),
        store_test(a_cache_that_was_taken_away_is_made_anew),
        store_test(memory_for_want_of_a_disk_is_bounded),
        store_test(unfinished_files_go_at_the_start),
        store_test(a_file_cut_by_a_crash_is_not_served),
        store_test(a_picture_of_another_size_replaces_the_one_before),
        store_test(what_somebody_removed_is_not_kept),
        store_test(a_full_disk_still_serves),
        cmocka_unit_test(a_renewed_signature_keeps_the_picture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
