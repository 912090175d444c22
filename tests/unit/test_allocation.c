/*
 * Every allocation of page, query and catalogue fails once, in turn: what was
 * asked is then done or -ENOMEM, nothing is lost, and afterwards all is as if
 * nothing had been asked. (That nothing leaks is counted for page and query;
 * for the catalogue, which keeps things, a sanitizer says so at the end.)
 *
 * The linker wraps our own calls (meson.build); cJSON and SQLite take their
 * memory through hooks of theirs.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <cjson/cJSON.h>
#include <sqlite3.h>

#include "base/cleanup.h"
#include "catalogue/catalogue.h"
#include "grammar/query.h"
#include "json/page.h"

/* ---- memory that ends ------------------------------------------------- */

/* Of this thread alone: the catalogue's others go on. */
static _Thread_local bool armed;
static _Thread_local unsigned long asked; /* since armed */
static _Thread_local unsigned long fails_at;
static _Thread_local long live; /* blocks, since armed */

static bool refuse(void)
{
    return armed && ++asked == fails_at;
}

static void *count(void *block)
{
    live += armed && block;
    return block;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_reallocarray(void *old, size_t count, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t max);
void __real_free(void *block);

void __wrap_log_write(int level, const char *format, ...);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t number, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_reallocarray(void *old, size_t number, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t max);
int __wrap_asprintf(char **ret_text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void __wrap_free(void *block);

/* Thousands of lines would say that there is no memory. */
void __wrap_log_write(int level, const char *format, ...)
{
    (void)level;
    (void)format;
}

void *__wrap_malloc(size_t size)
{
    return refuse() ? NULL : count(__real_malloc(size));
}

void *__wrap_calloc(size_t number, size_t size)
{
    return refuse() ? NULL : count(__real_calloc(number, size));
}

void *__wrap_realloc(void *old, size_t size)
{
    if (refuse())
        return NULL;
    void *block = __real_realloc(old, size);
    return old ? block : count(block);
}

void *__wrap_reallocarray(void *old, size_t number, size_t size)
{
    if (refuse())
        return NULL;
    void *block = __real_reallocarray(old, number, size);
    return old ? block : count(block);
}

char *__wrap_strdup(const char *text)
{
    return refuse() ? NULL : count(__real_strdup(text));
}

char *__wrap_strndup(const char *text, size_t max)
{
    return refuse() ? NULL : count(__real_strndup(text, max));
}

int __wrap_asprintf(char **ret_text, const char *format, ...)
{
    if (refuse())
        return -1;
    va_list arguments;
    va_start(arguments, format);
    int len = vasprintf(ret_text, format, arguments);
    va_end(arguments);
    live += armed && len >= 0;
    return len;
}

void __wrap_free(void *block)
{
    live -= armed && block;
    __real_free(block);
}

static sqlite3_mem_methods plain;

static void *sqlite_malloc(int size)
{
    return refuse() ? NULL : plain.xMalloc(size);
}

static void *sqlite_realloc(void *old, int size)
{
    return refuse() ? NULL : plain.xRealloc(old, size);
}

static int hook_libraries(void **state)
{
    (void)state;
    cJSON_Hooks hooks = {.malloc_fn = __wrap_malloc, .free_fn = __wrap_free};
    cJSON_InitHooks(&hooks);
    if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &plain) != SQLITE_OK)
        return -1;
    sqlite3_mem_methods ending = plain;
    ending.xMalloc = sqlite_malloc;
    ending.xRealloc = sqlite_realloc;
    return sqlite3_config(SQLITE_CONFIG_MALLOC, &ending) == SQLITE_OK &&
                   sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0) == SQLITE_OK
               ? 0
               : -1;
}

typedef int work_fn(void);

/* Answers what work did with the nth allocation failed; whether there was an
 * nth. */
static int run_failing(work_fn *work, unsigned long n, bool *ret_reached)
{
    asked = 0;
    live = 0;
    fails_at = n;
    armed = true;
    int err = work();
    armed = false;
    *ret_reached = asked >= n;
    return err;
}

static void assert_done_or_no_memory(int err, unsigned long n)
{
    if (err != 0 && err != -ENOMEM)
        fail_msg("allocation %lu failed: %s", n, strerror(-err));
}

/* For work that keeps nothing. */
static void fail_each(work_fn *work, unsigned long at_least)
{
    bool reached = true;
    unsigned long n = 0;
    bool refused = false;
    while (reached) {
        int err = run_failing(work, ++n, &reached);
        assert_done_or_no_memory(err, n);
        assert_int_equal(live, 0);
        refused |= err != 0;
        assert_true(reached || err == 0);
    }
    assert_true(refused && n > at_least);
}

/* ---- page ------------------------------------------------------------- */

#define ASSET_ONE                                                              \
    "{\"_id\":\"68b1c0a9d4e5f60718293a4b\",\"filename\":\"a\\u0000\\ud800b\"," \
    "\"created_at\":\"2026-03-14T09:26:53Z\",\"file_type\":\"video/mp4\","     \
    "\"status\":\"ready\",\"size\":12,\"duration\":1.5,\"hls\":{\"status\":"   \
    "\"ready\",\"manifest_url\":\"https://m.test/a.m3u8\"},\"thumbnail\":{"    \
    "\"status\":\"ready\",\"representative_url\":\"https://m.test/a.jpg\"},"   \
    "\"user_metadata\":{\"n\":9007199254740993,\"s\":\"x\",\"t\":[1,true]}}"
#define ASSET_TWO                                                              \
    "{\"_id\":\"68b1c0a9d4e5f60718293a4c\",\"filename\":\"a\\u0000\\ud800b\"," \
    "\"created_at\":\"2026-03-14T09:26:54Z\",\"status\":\"processing\"}"
#define ASSET_THREE                                                            \
    "{\"_id\":\"68b1c0a9d4e5f60718293a4d\",\"filename\":\"c\",\"size\":7,"     \
    "\"created_at\":\"2026-03-14T09:26:55Z\",\"file_type\":\"image/png\"}"

static const char answer[] =
    "{\"data\":[" ASSET_THREE "," ASSET_TWO "," ASSET_ONE ",3],"
    "\"page_info\":{\"limit_per_page\":50,\"page\":1,\"total_page\":1,"
    "\"total_results\":3}}";

static int parse_page(void)
{
    struct page p;
    int err = page_parse(answer, strlen(answer), &p);
    if (err)
        return err;
    bool whole = p.count == 3 && p.skipped == 1 && p.total_results == 3 &&
                 p.assets[2].manifest_url && p.assets[2].picture_url;
    page_done(&p);
    return whole ? 0 : -EBADMSG;
}

static int parse_asset(void)
{
    struct asset a;
    int err = page_parse_asset(ASSET_ONE, strlen(ASSET_ONE), &a);
    if (err)
        return err;
    bool whole = a.filename && a.manifest_url && a.picture_url;
    asset_done(&a);
    return whole ? 0 : -EBADMSG;
}

/* It has nobody to tell: what can't be read is "". */
static int parse_error(void)
{
    static const char body[] =
        "{\"code\":\"parameter_invalid\",\"message\":\"no\"}";
    char code[32];
    char message[32];
    page_parse_error(body, strlen(body), code, sizeof(code), message,
                     sizeof(message));
    return 0;
}

static void a_page_is_whole_or_refused(void **state)
{
    (void)state;
    fail_each(parse_page, 30);
    fail_each(parse_asset, 10);
    for (unsigned long n = 1; n < 30; n++) {
        bool reached;
        assert_int_equal(run_failing(parse_error, n, &reached), 0);
        assert_int_equal(live, 0);
    }
}

/* ---- query ------------------------------------------------------------ */

static int ask_query(const struct query *q)
{
    cleanup(query_done) struct query copy = {0};
    cleanup(query_values_done) struct query_values point = {0};
    cleanup(query_values_done) struct query_values scan = {0};
    cleanup(buf_done) struct buf text = {.max = 1 << 20};
    int err = query_copy(q, &copy);
    if (!err)
        err = query_canonical(&copy, &text);
    if (!err)
        err = query_ask(q, &text);
    if (!err)
        err = query_condition(q, QUERY_POINT, &text, &point);
    if (!err)
        err = query_condition(q, QUERY_SCAN, &text, &scan);
    if (!err)
        err = query_exact_of("\"a\\u0041\"", 9, &text);
    if (!err)
        err = query_exact_of("10.50e3", 7, &text);
    return err;
}

static int make_query(void)
{
    static const char *const segments[] = {
        "type=video,image", "id=aa,bb%20",      "filename=\xc3\x84pfel",
        "created=2026-08",  "duration=1m..",    "size=1k..2G",
        "status=ready,1.0", "hls.status=error", "created=2026..2027",
    };
    const char *reason = NULL;
    cleanup(query_done) struct query q = {0};
    int err = 0;
    for (size_t i = 0; !err && i < array_count(segments); i++)
        err = query_add(&q, segments[i], NULL, NULL);
    if (!err)
        err = query_add_type(&q, ASSET_VIDEO);
    if (!err)
        err = query_add_id(&q, "68b1c0a9d4e5f60718293a4b");
    if (!err)
        err = query_check_target("type=video/filename=x", NULL, NULL, &reason);
    return err ? err : ask_query(&q);
}

static void a_query_is_whole_or_refused(void **state)
{
    (void)state;
    fail_each(make_query, 60);
}

/* ---- catalogue -------------------------------------------------------- */

static char directory[64];
static struct catalogue *cat;

DEFINE_CLEANUP(release, struct catalogue_reader *, catalogue_reader_release)

static void remove_directory(void)
{
    DIR *dir = opendir(directory);
    struct dirent *entry;
    assert_non_null(dir);
    while ((entry = readdir(dir)))
        (void)unlinkat(dirfd(dir), entry->d_name, 0);
    (void)closedir(dir);
    assert_int_equal(rmdir(directory), 0);
}

static void make_directory(void)
{
    /* thousands of files: memory does */
    (void)snprintf(directory, sizeof(directory), "%s/allocationXXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(directory));
}

static int put(const char *json, bool named)
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
    int64_t unmarked[4];
    size_t n;
    int err = catalogue_begin(cat);
    if (err)
        return err;
    err = put(ASSET_TWO, false);
    if (!err)
        err = put(ASSET_THREE, true);
    if (!err)
        err = catalogue_name_all(cat);
    if (!err)
        err = catalogue_mark_begin(cat);
    if (!err)
        err = catalogue_mark(cat, 2);
    if (!err)
        err = catalogue_unmarked(cat, unmarked, array_count(unmarked), &n);
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
    n = diff.count;
    catalogue_diff_done(&diff);
    return n == 3 ? 0 : -EBADMSG;
}

static int first_commit(void)
{
    struct catalogue_diff diff;
    int err = catalogue_begin(cat);
    if (!err)
        err = put(ASSET_ONE, true);
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
    for (unsigned long n = 1; reached; n++) {
        make_suspect();
        assert_done_or_no_memory(run_failing(open_one, n, &reached), n);
        close_one();
        if (n % 16 && reached)
            continue;
        assert_int_equal(open_one(), 0);
        assert_int_equal(rows(), 1);
        close_one();
    }
    remove_directory();
}

static void a_new_file_can_be_made_after_each_failure(void **state)
{
    (void)state;
    bool reached = true;
    for (unsigned long n = 1; reached; n++) {
        make_directory();
        int err = run_failing(open_and_commit, n, &reached);
        assert_done_or_no_memory(err, n);
        close_one();
        if (n % 16 == 0) {
            assert_int_equal(open_one(), 0);
            assert_true(rows() == (err ? 0 : 1));
            close_one();
        }
        remove_directory();
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
    for (unsigned long n = 1; reached; n++) {
        close_one();
        remove_directory();
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
    remove_directory();
}

static bool keep_link(void *ctx, const struct catalogue_link *l)
{
    *(int64_t *)ctx += l->link;
    return true;
}

static int read_places(struct catalogue_reader *r)
{
    struct catalogue_place *places = NULL;
    int64_t rank;
    size_t n;
    int err = catalogue_rank(r, INT64_MAX, INT64_MAX, &rank);
    if (!err)
        err = catalogue_between(r, NULL, NULL, 10, &places, &n);
    if (err)
        return err;
    catalogue_places_free(places, n);
    if (n != 2 || rank != 2)
        return -EBADMSG;
    err = catalogue_unfinished(r, 10, &places, &n);
    if (err)
        return err;
    catalogue_places_free(places, n);
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
    int err = catalogue_index_field(cat, "size");
    if (!err)
        err = catalogue_index_field(cat, "file_type");
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
    for (unsigned long n = 1; reached; n++) {
        close_one();
        assert_int_equal(open_one(), 0);
        assert_done_or_no_memory(run_failing(read_all, n, &reached), n);
        if (n % 16 == 0)
            assert_int_equal(read_all(), 0);
    }
    close_one();
    remove_directory();
}

static void an_index_and_a_link_can_be_made_again(void **state)
{
    (void)state;
    bool reached = true;
    for (unsigned long n = 1; reached; n++) {
        make_directory();
        assert_int_equal(open_and_commit(), 0);
        assert_int_equal(change(), 0);
        int err = run_failing(index_and_link, n, &reached);
        assert_done_or_no_memory(err, n);
        if (err)
            assert_int_equal(index_and_link(), 0);
        assert_int_equal(read_all(), 0);
        close_one();
        remove_directory();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_is_whole_or_refused),
        cmocka_unit_test(a_query_is_whole_or_refused),
        cmocka_unit_test(what_is_kept_survives_every_open),
        cmocka_unit_test(a_new_file_can_be_made_after_each_failure),
        cmocka_unit_test(a_commit_is_whole_or_undone),
        cmocka_unit_test(a_reading_is_whole_or_refused),
        cmocka_unit_test(an_index_and_a_link_can_be_made_again),
    };
    return cmocka_run_group_tests(tests, hook_libraries, NULL);
}
