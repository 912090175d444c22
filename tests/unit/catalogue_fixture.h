/* SPDX-License-Identifier: MIT */
/*
 * catalogue_fixture.h - a catalogue in a directory of its own, and short ways
 * to fill it and to tell what is in it. For the test_catalogue programs.
 */
#ifndef TWELVEFS_CATALOGUE_FIXTURE_H
#define TWELVEFS_CATALOGUE_FIXTURE_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "catalogue/catalogue_internal.h"

#define NOW 1790000000

/* ---- fixture ----------------------------------------------------- */

static char directory[64];
static struct catalogue *cat;

__attribute__((unused)) static void remove_tree(void)
{
    DIR *dir = opendir(directory);
    struct dirent *entry;

    assert_non_null(dir);
    while ((entry = readdir(dir)))
        (void)unlinkat(dirfd(dir), entry->d_name, 0);
    (void)closedir(dir);
    assert_int_equal(rmdir(directory), 0);
}

__attribute__((unused)) static int setup(void **state)
{
    (void)snprintf(directory, sizeof(directory), "/tmp/catalogueXXXXXX");
    assert_non_null(mkdtemp(directory));
    assert_int_equal(catalogue_open(directory, &cat), 0);
    return 0;
}

__attribute__((unused)) static int teardown(void **state)
{
    catalogue_close(cat);
    cat = NULL;
    remove_tree();
    return 0;
}

__attribute__((unused)) static void reopen(void)
{
    catalogue_close(cat);
    cat = NULL;
    assert_int_equal(catalogue_open(directory, &cat), 0);
}

__attribute__((unused)) static const char *file(const char *name)
{
    static char path[128];

    (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
    return path;
}

/* ---- assets ------------------------------------------------------ */

struct given {
    const char *id, *filename, *extra, *picture, *manifest, *json;
    enum asset_type type;
    int64_t created_s, size;
    bool unfinished;
};

__attribute__((unused)) static const char *full_id(const char *id)
{
    static char padded[25];
    size_t len = strlen(id);

    assert_true(len < sizeof(padded));
    memset(padded, '0', sizeof(padded) - 1);
    memcpy(padded, id, len);
    return padded;
}

__attribute__((unused)) static int give(const struct given *g, bool named,
                                        int64_t now_s, int64_t *ret_row,
                                        bool *ret_new)
{
    char json[4096], created[CLOCK_RFC3339_SIZE];
    const char *id = full_id(g->id);
    const char *filename = g->filename ? g->filename : "x.mp4";
    struct asset a = {.id = (char *)id,
                      .filename = (char *)filename,
                      .filename_len = strlen(filename),
                      .created_s = g->created_s,
                      .type = g->type,
                      .unfinished = g->unfinished,
                      .size_bytes = g->size,
                      .picture_url = (char *)g->picture,
                      .manifest_url = (char *)g->manifest};

    clock_format_rfc3339(g->created_s, created);
    (void)snprintf(json, sizeof(json),
                   "{\"_id\":\"%s\",\"filename\":\"%s\",\"type\":%d,"
                   "\"created_at\":\"%s\"%s}",
                   id, filename, (int)g->type, created,
                   g->extra ? g->extra : "");
    a.created_at = created;
    a.json = g->json ? (char *)g->json : json;
    a.json_len = strlen(a.json);
    return catalogue_put(cat, &a, named, now_s, ret_row, ret_new);
}

__attribute__((unused)) static int64_t put(const struct given *g, bool named)
{
    int64_t row;
    bool fresh;

    assert_int_equal(give(g, named, NOW, &row, &fresh), 0);
    return row;
}

#define PUT(...)      put(&(struct given){.id = __VA_ARGS__}, true)
#define PUT_ANON(...) put(&(struct given){.id = __VA_ARGS__}, false)

__attribute__((unused)) static void begin(void)
{
    assert_int_equal(catalogue_begin(cat), 0);
}

__attribute__((unused)) static struct catalogue_diff commit(void)
{
    struct catalogue_diff diff;

    assert_int_equal(catalogue_commit(cat, &diff), 0);
    return diff;
}

__attribute__((unused)) static void done(void)
{
    struct catalogue_diff diff = commit();

    catalogue_diff_done(&diff);
}

DEFINE_CLEANUP(release, struct catalogue_reader *, catalogue_reader_release)

__attribute__((unused)) static struct catalogue_reader *reader(void)
{
    struct catalogue_reader *r = catalogue_reader_acquire(cat);

    assert_non_null(r);
    return r;
}

__attribute__((unused)) static void assert_folder(int64_t row,
                                                  const char *folder)
{
    cleanup(release) struct catalogue_reader *r = reader();
    struct catalogue_entry e;

    assert_int_equal(catalogue_get(r, row, &e), 0);
    if (!folder) {
        assert_null(e.folder);
        return;
    }
    assert_string_equal(e.folder, folder);
    assert_int_equal(catalogue_get_by_folder(r, folder, &e), 0);
    assert_int_equal(e.row, row);
}

struct listing {
    char text[4096];
};

__attribute__((unused)) static bool
append_entry(void *ctx, const struct catalogue_entry *e)
{
    struct listing *l = ctx;
    size_t len = strlen(l->text);

    (void)snprintf(l->text + len, sizeof(l->text) - len, "%s ", e->folder);
    return true;
}

__attribute__((unused)) static const char *list(enum asset_type type)
{
    static struct listing l;
    cleanup(release) struct catalogue_reader *r = reader();

    l.text[0] = '\0';
    assert_int_equal(catalogue_list(r, type, 0, append_entry, &l), 0);
    return l.text;
}

/* "+" added, "-" removed, "*" changed, "~" renewed, ">" moved, with rows. */
__attribute__((unused)) static const char *summary(struct catalogue_diff diff)
{
    static char text[1024];
    size_t len = 0;

    text[0] = '\0';
    for (size_t i = 0; i < diff.count; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%c%lld ",
                                "+-*~>"[diff.changes[i].kind],
                                (long long)diff.changes[i].row);
    catalogue_diff_done(&diff);
    return text;
}

#define PLACES 200

__attribute__((unused)) static int64_t place_s[PLACES + 1];

__attribute__((unused)) static bool is_newer(int64_t a, int64_t b)
{
    return place_s[a] != place_s[b] ? place_s[a] > place_s[b] : a > b;
}

__attribute__((unused)) static void put_places(void)
{
    unsigned seed = 3;

    begin();
    for (int64_t row = 1; row <= PLACES; row++) {
        char id[16];
        place_s[row] = rand_r(&seed) % 20;
        (void)snprintf(id, sizeof(id), "p%lldz", (long long)row);
        assert_int_equal(put(&(struct given){.id = id,
                                             .created_s = place_s[row],
                                             .unfinished = row % 7 == 0},
                             row % 5 != 0),
                         row);
    }
    done();
}

__attribute__((unused)) static int index_field(const char *field)
{
    bool indexed = false;
    int err = 0;

    while (!err && !indexed) {
        struct catalogue_diff diff = {0};
        err = catalogue_begin(cat);
        if (err)
            return err;
        err = catalogue_fields_index_step(cat, &field, 1, 7, &indexed);
        if (err)
            catalogue_rollback(cat);
        else
            err = catalogue_commit(cat, &diff);
        catalogue_diff_done(&diff);
    }
    return err;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
