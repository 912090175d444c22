/* SPDX-License-Identifier: MIT */
/* Memory that ends, under the catalogue. */
#include "ending_memory.h"

#include "catalogue_fixture.h"
#include "grammar/query.h"
#include "json/page.h"

static void make_directory(void)
{
    /* thousands of files: memory does */
    (void)snprintf(directory, sizeof(directory), "%s/allocationXXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(directory));
}

static int put_json(const char *json, bool named)
{
    struct asset a;
    int64_t row;
    bool fresh;
    int err = page_parse_asset(json, strlen(json), &a);
    if (err)
        return err;
    err = catalogue_put(cat, &a, named, 1790000000, &row, &fresh);
    asset_done(&a);
    return err;
}

/* The second commit's changes, from what the first one left. */
static int change(void)
{
    struct catalogue_diff diff;
    int err = catalogue_begin(cat);
    if (err)
        return err;
    err = put_json(ASSET_TWO, false);
    if (!err)
        err = put_json(ASSET_THREE, true);
    if (!err)
        err = catalogue_name_all(cat);
    if (!err)
        err = catalogue_remove(cat, 1);
    if (!err)
        err = catalogue_state_set(cat, "polled_s", 7);
    if (err) {
        catalogue_rollback(cat);
        return err;
    }
    err = catalogue_commit(cat, &diff);
    if (err)
        return err;
    size_t n = diff.count;
    catalogue_diff_done(&diff);
    return n == 3 ? 0 : -EBADMSG;
}

static int first_commit(void)
{
    struct catalogue_diff diff;
    int err = catalogue_begin(cat);
    if (!err)
        err = put_json(ASSET_ONE, true);
    if (!err)
        err = catalogue_commit(cat, &diff);
    if (!err)
        catalogue_diff_done(&diff);
    return err;
}

static bool keep_listing(void *ctx, const struct catalogue_entry *e)
{
    *(int64_t *)ctx = *(int64_t *)ctx * 10 + e->row;
    return true;
}

/* The rows of every listing, as digits; 0 when it is empty. */
static int64_t rows(void)
{
    cleanup(release) struct catalogue_reader *r = catalogue_reader_acquire(cat);
    int64_t digits = 0;
    assert_non_null(r);
    assert_int_equal(
        catalogue_list(r, ASSET_TYPE_COUNT, 0, keep_listing, &digits), 0);
    assert_int_equal(
        catalogue_count(cat, ASSET_TYPE_COUNT),
        digits == 0 ? 0 : snprintf(NULL, 0, "%lld", (long long)digits));
    return digits;
}

static int open_one(void)
{
    return catalogue_open(directory, &cat);
}

static int open_and_commit(void)
{
    int err = open_one();
    return err ? err : first_commit();
}

static void close_one(void)
{
    catalogue_close(cat);
    cat = NULL;
}

/* As if the last daemon had been killed: the file is checked. */
static void make_suspect(void)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/catalogue.lock", directory);
    cleanup(close_fd) int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "o", 1, 0), 1);
}

/* Whatever failed while it was opened, the next open finds all. */
static void what_is_kept_survives_every_open(void **state)
{
    (void)state;
    make_directory();
    assert_int_equal(open_and_commit(), 0);
    close_one();
    bool reached = true;
    for (unsigned long n = 1; reached; n += FAIL_STEP) {
        make_suspect();
        assert_done_or_no_memory(run_failing(open_one, n, &reached), n);
        close_one();
        if (n % 16 && reached)
            continue;
        assert_int_equal(open_one(), 0);
        assert_int_equal(rows(), 1);
        close_one();
    }
    remove_tree();
}

static void a_new_file_can_be_made_after_each_failure(void **state)
{
    (void)state;
    bool reached = true;
    for (unsigned long n = 1; reached; n += FAIL_STEP) {
        make_directory();
        int err = run_failing(open_and_commit, n, &reached);
        assert_done_or_no_memory(err, n);
        close_one();
        if (n % 16 == 0) {
            assert_int_equal(open_one(), 0);
            assert_true(rows() == (err ? 0 : 1));
            close_one();
        }
        remove_tree();
    }
}

/* All of a transaction or nothing. The statements are prepared anew each
 * time, for their memory counts too. */
static void a_commit_is_whole_or_undone(void **state)
{
    (void)state;
    make_directory();
    assert_int_equal(open_and_commit(), 0);
    bool reached = true;
    for (unsigned long n = 1; reached; n += FAIL_STEP) {
        close_one();
        remove_tree();
        make_directory();
        assert_int_equal(open_and_commit(), 0);
        int err = run_failing(change, n, &reached);
        assert_done_or_no_memory(err, n);
        assert_int_equal(rows(), err ? 1 : 23);
        if (err)
            assert_int_equal(change(), 0);
        assert_int_equal(rows(), 23);
    }
    close_one();
    remove_tree();
}

static bool keep_link(void *ctx, const struct catalogue_link *l)
{
    *(int64_t *)ctx += l->link;
    return true;
}

static int read_places(struct catalogue_reader *r)
{
    struct catalogue_slot *places = NULL;
    int64_t rank;
    size_t n;
    int err = catalogue_rank(r, INT64_MAX, INT64_MAX, &rank);
    if (!err)
        err = catalogue_between(r, NULL, NULL, 10, &places, &n);
    if (err)
        return err;
    catalogue_slots_free(places, n);
    if (n != 2 || rank != 2)
        return -EBADMSG;
    err = catalogue_unfinished(r, 10, &places, &n);
    if (err)
        return err;
    catalogue_slots_free(places, n);
    return n == 1 ? 0 : -EBADMSG;
}

static int read_query(struct catalogue_reader *r)
{
    cleanup(query_done) struct query q = {0};
    cleanup(free_ptr) int64_t *found = NULL;
    cleanup(free_ptr) uint32_t *lines = NULL;
    size_t n;
    int err = query_add(&q, "size=5..", catalogue_field_known, r);
    if (!err)
        err = query_add(&q, "file_type=image%2Fpng", catalogue_field_known, r);
    if (!err)
        err = catalogue_select(r, &q, 0, &found, &lines, &n);
    if (!err && (n != 1 || found[0] != 3))
        err = -EBADMSG;
    return err ? err : catalogue_matches(r, &q, 3);
}

static int read_entries(struct catalogue_reader *r)
{
    cleanup(buf_done) struct buf body = {.max = 1 << 20};
    struct catalogue_entry e;
    struct catalogue_link link;
    int64_t listed = 0;
    int64_t links = 0;
    int err = catalogue_get(r, 2, &e);
    if (!err)
        err = catalogue_get_by_id(r, "68b1c0a9d4e5f60718293a4d", &e);
    if (!err)
        err = catalogue_get_by_folder(r, "c", &e);
    if (!err)
        err = catalogue_body(r, 3, &body);
    if (!err)
        err = catalogue_list(r, ASSET_IMAGE, 0, keep_listing, &listed);
    if (!err)
        err = catalogue_links(r, "", 0, keep_link, &links);
    if (!err)
        err = catalogue_link_get(r, "", "k", &link);
    if (!err)
        err = catalogue_link_by_number(r, 1, &link);
    if (!err && (listed != 3 || links != 1 || body.len == 0))
        err = -EBADMSG;
    return err;
}

static int read_all(void)
{
    cleanup(release) struct catalogue_reader *r = catalogue_reader_acquire(cat);
    if (!r)
        return -ENOMEM;
    int err = read_entries(r);
    if (!err)
        err = read_query(r);
    return err ? err : read_places(r);
}

static int index_and_link(void)
{
    int64_t number;
    int err = index_field("size");
    if (!err)
        err = index_field("file_type");
    if (!err)
        err = catalogue_link_add(cat, "", "k", "size=1..", 5, &number);
    return err;
}

/* A reader that fails answers no absence, and the next is well. */
static void a_reading_is_whole_or_refused(void **state)
{
    (void)state;
    make_directory();
    assert_int_equal(open_and_commit(), 0);
    assert_int_equal(change(), 0);
    assert_int_equal(index_and_link(), 0);
    bool reached = true;
    for (unsigned long n = 1; reached; n += FAIL_STEP) {
        close_one();
        assert_int_equal(open_one(), 0);
        assert_done_or_no_memory(run_failing(read_all, n, &reached), n);
        if (n % 16 == 0)
            assert_int_equal(read_all(), 0);
    }
    close_one();
    remove_tree();
}

static void an_index_and_a_link_can_be_made_again(void **state)
{
    (void)state;
    bool reached = true;
    for (unsigned long n = 1; reached; n += FAIL_STEP) {
        make_directory();
        assert_int_equal(open_and_commit(), 0);
        assert_int_equal(change(), 0);
        int err = run_failing(index_and_link, n, &reached);
        assert_done_or_no_memory(err, n);
        if (err)
            assert_int_equal(index_and_link(), 0);
        assert_int_equal(read_all(), 0);
        close_one();
        remove_tree();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_kept_survives_every_open),
        cmocka_unit_test(a_new_file_can_be_made_after_each_failure),
        cmocka_unit_test(a_commit_is_whole_or_undone),
        cmocka_unit_test(a_reading_is_whole_or_refused),
        cmocka_unit_test(an_index_and_a_link_can_be_made_again),
    };
    return cmocka_run_group_tests(tests, hook_libraries, NULL);
}
