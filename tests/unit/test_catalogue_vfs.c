/* SPDX-License-Identifier: MIT */
/*
 * Files that something else wrote to, while they were closed or under the
 * catalogue's hands: what is shown is what was committed, or an error.
 */
#include "catalogue_fixture.h"

#include "base/hash.h"

/* Everything that a row shows, as one number; 0 when it can't be read. */
static uint64_t shown(struct catalogue_reader *r, int64_t row, int *ret_err)
{
    cleanup(buf_done) struct buf all = {.max = 1 << 20};
    struct catalogue_entry e;
    int err = catalogue_get(r, row, &e);

    if (!err)
        err = buf_appendf(&all, "%lld %lld %s %s ", (long long)e.created_s,
                          (long long)e.metadata_bytes, e.id,
                          e.folder ? e.folder : "-");
    if (!err)
        err = catalogue_body(r, row, &all);
    *ret_err = err;
    return err ? 0 : hash_bytes(all.data, all.len, 0);
}

static uint64_t expected[PLACES + 1];

static bool note_entry(void *ctx, const struct catalogue_entry *e)
{
    uint64_t *sum = ctx;

    *sum = hash_bytes(e->folder, strlen(e->folder), *sum + (uint64_t)e->row);
    return true;
}

static uint64_t expected_listing;

static void put_expected(void)
{
    int err;

    put_places();
    cleanup(release) struct catalogue_reader *r = reader();
    for (int64_t row = 1; row <= PLACES; row++) {
        expected[row] = shown(r, row, &err);
        assert_int_equal(err, 0);
    }
    expected_listing = 0;
    assert_int_equal(
        catalogue_list(r, ASSET_VIDEO, 0, note_entry, &expected_listing), 0);
}

/* How many readings were errors; none may be wrong. */
static int count_errors(void)
{
    struct catalogue_reader *r = catalogue_reader_acquire(cat);
    uint64_t listing = 0;
    int failures = 0;

    if (!r)
        return 1;
    for (int64_t row = 1; row <= PLACES; row++) {
        int err;
        uint64_t now = shown(r, row, &err);
        assert_true(err == 0 || err == -EIO);
        assert_true(err || now == expected[row]);
        failures += err != 0;
    }
    int err = catalogue_list(r, ASSET_VIDEO, 0, note_entry, &listing);
    assert_true(err == -EIO || (!err && listing == expected_listing));
    failures += err != 0;
    catalogue_reader_release(r);
    return failures;
}

static bool was_set_aside(void)
{
    return access(file("catalogue.sqlite.damaged"), F_OK) == 0;
}

/* A bit of each page in turn. */
static void a_flipped_bit_is_never_shown(void **state)
{
    cleanup(free_ptr) unsigned char *sound = NULL;
    unsigned seed = 7;
    int at_open = 0, met = 0;
    struct stat st;

    put_expected();
    catalogue_close(cat);
    cat = NULL;
    assert_int_equal(stat(file("catalogue.sqlite"), &st), 0);
    sound = malloc((size_t)st.st_size);
    int fd = open(file("catalogue.sqlite"), O_RDWR);
    assert_int_equal(pread(fd, sound, (size_t)st.st_size, 0), st.st_size);
    (void)close(fd);
    for (off_t page = 0; page < st.st_size; page += PAGE_BYTES) {
        (void)unlink(file("catalogue.sqlite.damaged"));
        fd = open(file("catalogue.sqlite"), O_RDWR | O_TRUNC);
        assert_int_equal(pwrite(fd, sound, (size_t)st.st_size, 0), st.st_size);
        off_t at = page + rand_r(&seed) % PAGE_BYTES;
        unsigned char byte =
            sound[at] ^ (unsigned char)(1U << (rand_r(&seed) % 8));
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        (void)close(fd);
        assert_int_equal(catalogue_open(directory, &cat), 0);
        bool rebuilt = was_set_aside();
        int failures = rebuilt ? 0 : count_errors();
        at_open += rebuilt;
        met += failures > 0;
        if (failures) {
            reopen();
            assert_true(was_set_aside());
            assert_string_equal(list(ASSET_TYPE_COUNT), "");
        }
        catalogue_close(cat);
        cat = NULL;
    }
    assert_true(at_open > 0);
    assert_true(met > st.st_size / PAGE_BYTES / 3);
}

static void damage_met_while_reading_ends_with_the_next_open(void **state)
{
    struct stat st;
    static const char noise[PAGE_BYTES] = {0x5a};

    put_expected();
    reopen();
    assert_int_equal(stat(file("catalogue.sqlite"), &st), 0);
    int fd = open(file("catalogue.sqlite"), O_WRONLY);
    for (off_t at = (off_t)20 * PAGE_BYTES; at < st.st_size; at += PAGE_BYTES)
        assert_int_equal(pwrite(fd, noise, PAGE_BYTES, at), PAGE_BYTES);
    (void)close(fd);
    assert_true(count_errors() > 0);
    reopen();
    assert_true(was_set_aside());
    assert_string_equal(list(ASSET_TYPE_COUNT), "");
    begin();
    assert_true(PUT("a") > PLACES);
    done();
}

/* Where a file is mapped this ends the process. */
static void a_file_that_is_cut_short_is_an_error(void **state)
{
    static const off_t lengths[] = {0, 5000, (off_t)30 * PAGE_BYTES};

    for (size_t i = 0; i < array_count(lengths); i++) {
        put_expected();
        reopen();
        assert_int_equal(truncate(file("catalogue.sqlite"), lengths[i]), 0);
        assert_true(count_errors() > 0);
        struct catalogue_diff diff = {0};
        if (catalogue_begin(cat) == 0) {
            int64_t row;
            bool fresh;
            (void)give(&(struct given){.id = "new"}, true, NOW, &row, &fresh);
            if (catalogue_commit(cat, &diff) == 0)
                catalogue_diff_done(&diff);
        }
        (void)count_errors();
        reopen();
        assert_true(was_set_aside());
        assert_string_equal(list(ASSET_TYPE_COUNT), "");
        catalogue_close(cat);
        remove_tree();
        (void)setup(state);
    }
}

static void a_log_that_is_cut_short_is_an_error(void **state)
{
    put_expected();
    struct catalogue_reader *cached = reader();
    assert_int_equal(truncate(file("catalogue.sqlite-wal"), 0), 0);
    assert_true(count_errors() > 0);
    catalogue_reader_release(cached);
    struct catalogue_diff diff;
    assert_int_equal(catalogue_begin(cat), 0);
    int64_t row;
    bool fresh;
    int err = give(&(struct given){.id = "new"}, true, NOW, &row, &fresh);
    if (!err)
        err = catalogue_commit(cat, &diff);
    else
        catalogue_rollback(cat);
    assert_int_equal(err, -EIO);
    (void)count_errors();
    reopen();
    assert_string_equal(list(ASSET_TYPE_COUNT), "");
}

/* Also when it lies behind symbolic links, as SQLite sees it. */
static void connections_share_one_log(void **state)
{
    char name[sizeof(directory) + 8];

    catalogue_close(cat);
    cat = NULL;
    (void)snprintf(name, sizeof(name), "%s.link", directory);
    assert_int_equal(symlink(directory, name), 0);
    assert_int_equal(catalogue_open(name, &cat), 0);
    begin();
    PUT("a");
    done();
    assert_string_equal(list(ASSET_TYPE_COUNT), "x.mp4 ");
    assert_int_equal(unlink(name), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_flipped_bit_is_never_shown),
        CASE(damage_met_while_reading_ends_with_the_next_open),
        CASE(a_file_that_is_cut_short_is_an_error),
        CASE(a_log_that_is_cut_short_is_an_error),
        CASE(connections_share_one_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
