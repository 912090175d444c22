/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
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

#include "base/cleanup.h"
#include "media/media_folder.h"

static char directory[] = "/tmp/test-folder-XXXXXX";
static char path[64];
static struct media_folder *folder;

static int remove_one(const char *name, const struct stat *st, int type,
                      struct FTW *where)
{
    return remove(name);
}

static int remove_tree(const char *root)
{
    return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static int make_folder(void **state)
{
    (void)strcpy(directory + sizeof(directory) - 7, "XXXXXX");
    if (!mkdtemp(directory))
        return -1;
    (void)snprintf(path, sizeof(path), "%s/a/media", directory);
    return media_folder_open(path, &folder);
}

static int remove_folder(void **state)
{
    media_folder_close(folder);
    folder = NULL;
    return remove_tree(directory);
}

static const char *within(const char *name)
{
    static char out[200];
    (void)snprintf(out, sizeof(out), "%s/%s", path, name);
    return out;
}

static int put(const char *name, const char *text)
{
    cleanup(buf_done) struct buf body = {.max = 1000};
    assert_int_equal(buf_append_str(&body, text), 0);
    return media_folder_write(folder, name, &body);
}

static void reads(const char *name, const char *text)
{
    char bytes[64] = "";
    int64_t len = (int64_t)strlen(text);
    assert_int_equal(
        media_folder_read(folder, name, len, bytes, (size_t)len, 0), 0);
    assert_string_equal(bytes, text);
}

static void what_is_written_is_read_in_parts(void **state)
{
    char byte = 0;
    struct stat st;
    assert_int_equal(put("p", "picture"), 0);
    reads("p", "picture");
    assert_int_equal(media_folder_read(folder, "p", 7, &byte, 1, 6), 0);
    assert_int_equal(byte, 'e');
    assert_int_equal(media_folder_read(folder, "p", 7, &byte, 0, 7), 0);
    assert_int_equal(put("p", "another"), 0);
    reads("p", "another");
    media_folder_remove(folder, "p");
    assert_int_equal(media_folder_read(folder, "p", 7, &byte, 1, 0), -ENOENT);
    media_folder_remove(folder, "p");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
}

/* What isn't whole any more, or never was a file of ours, isn't there. */
static void a_file_that_somebody_touched_is_gone(void **state)
{
    char byte;
    assert_int_equal(put("p", "picture"), 0);
    assert_int_equal(truncate(within("p"), 6), 0);
    assert_int_equal(media_folder_read(folder, "p", 7, &byte, 1, 0), -ENOENT);
    assert_int_equal(truncate(within("p"), 8), 0);
    assert_int_equal(media_folder_read(folder, "p", 7, &byte, 1, 0), -ENOENT);
    media_folder_remove(folder, "p");
    assert_int_equal(symlink("/proc/version", within("p")), 0);
    assert_int_equal(media_folder_read(folder, "p", 0, &byte, 1, 0), -ENOENT);
    media_folder_remove(folder, "p");
    assert_int_equal(mkfifo(within("p"), 0600), 0); /* nobody writes to it */
    assert_int_equal(media_folder_read(folder, "p", 0, &byte, 1, 0), -ENOENT);
}

static void a_link_in_a_files_place_is_replaced_not_followed(void **state)
{
    cleanup(close_fd) int fd =
        open(within("other"), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    struct stat st;
    assert_int_equal(symlink("other", within("p")), 0);
    assert_int_equal(put("p", "picture"), 0);
    reads("p", "picture");
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, 0);
}

struct shown {
    int files;
    int64_t bytes;
    int err;
};

static int folder_show(void *ctx, const char *name, int64_t size_bytes,
                       int64_t used_ns, bool *ret_wanted)
{
    struct shown *s = ctx;
    s->files++;
    s->bytes += size_bytes;
    assert_true(used_ns > 0);
    *ret_wanted = strncmp(name, "new-", 4) != 0;
    return s->err;
}

static void each_shows_files_and_removes_all_else(void **state)
{
    struct shown s = {0};
    assert_int_equal(put("a", "1234"), 0);
    assert_int_equal(put("b", "56"), 0);
    assert_int_equal(put("new-of-a-crash", "789"), 0);
    assert_int_equal(symlink("a", within("link")), 0);
    assert_int_equal(mkfifo(within("pipe"), 0600), 0);
    assert_int_equal(media_folder_each(folder, folder_show, &s), 0);
    assert_int_equal(s.files, 3);
    assert_int_equal(s.bytes, 9);
    s = (struct shown){0};
    assert_int_equal(media_folder_each(folder, folder_show, &s), 0);
    assert_int_equal(s.files, 2);
    struct stat st;
    assert_int_equal(lstat(within("link"), &st), -1);
    assert_int_equal(lstat(within("pipe"), &st), -1);
    s = (struct shown){.err = -ENOMEM};
    assert_int_equal(media_folder_each(folder, folder_show, &s), -ENOMEM);
    assert_int_equal(s.files, 1);
    reads("a", "1234"); /* an error takes nothing away */
    reads("b", "56");
}

struct writer {
    const char *text;
    int err; /* the first */
};

static void *write_often(void *ctx)
{
    struct writer *w = ctx;
    cleanup(buf_done) struct buf body = {.max = 1000};
    w->err = buf_append_str(&body, w->text);
    for (int i = 0; !w->err && i < 100; i++)
        w->err = media_folder_write(folder, "p", &body);
    return NULL;
}

/* As rm -r does, while somebody writes into it. */
static void take_away(void)
{
    while (access(path, F_OK) == 0)
        (void)remove_tree(path);
}

/* The folder goes while two write: what is read is of one or the other, or not
 * there, and the next one who writes makes it anew. Who loses it twice in one
 * write is told. */
static void a_folder_that_is_taken_away_is_made_anew(void **state)
{
    struct writer writers[2] = {{.text = "one"}, {.text = "two"}};
    pthread_t threads[2];
    char bytes[3];
    for (size_t i = 0; i < array_count(writers); i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, write_often, &writers[i]), 0);
    for (int i = 0; i < 20; i++) {
        take_away();
        int err = media_folder_read(folder, "p", 3, bytes, 3, 0);
        assert_true(err == 0 || err == -ENOENT);
        assert_true(err || memcmp(bytes, "one", 3) == 0 ||
                    memcmp(bytes, "two", 3) == 0);
    }
    for (size_t i = 0; i < array_count(writers); i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_true(writers[i].err == 0 || writers[i].err == -ENOENT);
    }
    take_away();
    assert_int_equal(put("p", "three"), 0);
    reads("p", "three");
    assert_int_equal(access(within("p"), R_OK), 0);
}

static void where_no_folder_can_be_it_is_told(void **state)
{
    struct media_folder *other = NULL;
    assert_int_equal(put("file", "x"), 0);
    assert_int_equal(media_folder_open(within("file"), &other), -ENOTDIR);
    assert_int_equal(media_folder_open("/proc/nowhere/media", &other), -ENOENT);
    assert_null(other);
    assert_int_equal(symlink("file", within("link")), 0);
    assert_int_not_equal(media_folder_open(within("link"), &other), 0);
    assert_null(other);
}

#define T(test)                                                                \
    cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(what_is_written_is_read_in_parts),
        T(a_file_that_somebody_touched_is_gone),
        T(a_link_in_a_files_place_is_replaced_not_followed),
        T(each_shows_files_and_removes_all_else),
        T(a_folder_that_is_taken_away_is_made_anew),
        T(where_no_folder_can_be_it_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
