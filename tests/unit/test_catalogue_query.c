/* SPDX-License-Identifier: MIT */
#include "catalogue_fixture.h"

/* The rows that segments (parted by '/') select, as "1 2 ". */
static const char *selected(const char *path)
{
    static char text[256];
    cleanup(release) struct catalogue_reader *r = reader();
    cleanup(query_done) struct query q = {0};
    cleanup(free_ptr) int64_t *rows = NULL;
    cleanup(free_ptr) uint32_t *lines = NULL;
    char copy[512], *rest = copy, *segment;
    size_t count, len = 0;

    (void)snprintf(copy, sizeof(copy), "%s", path);
    while ((segment = strsep(&rest, "/")))
        assert_int_equal(query_add(&q, segment, catalogue_field_known, r), 0);
    assert_int_equal(catalogue_select(r, &q, 0, &rows, &lines, &count), 0);
    text[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        struct catalogue_entry e;
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%lld ",
                                (long long)rows[i]);
        assert_int_equal(catalogue_get(r, rows[i], &e), 0);
        assert_int_equal(e.line_bytes, lines[i]);
    }
    /* asking row by row says the same */
    for (int64_t row = 1, i = 0; row < 10; row++) {
        bool in = (size_t)i < count && rows[i] == row;
        struct catalogue_entry e;
        if (catalogue_get(r, row, &e) == 0 && e.folder)
            assert_int_equal(catalogue_matches(r, &q, row), in ? 0 : -ENOENT);
        i += in;
    }
    return text;
}

static void put_library(void)
{
    begin();
    PUT("a", .filename = "Caf\xc3\x89 1.mp4",
        .created_s = 1767225600, /* 2026-01-01 */
        .extra = ",\"status\":\"ready\",\"duration\":60.5,\"tags\":[\"x\","
                 "{\"deep\":1}],\"user_metadata\":{\"n\":10,\"big\":"
                 "9007199254740993}");
    PUT("b", .filename = "cafe 2.mp4", .created_s = 1769904000, /* 2026-02-01 */
        .type = ASSET_IMAGE,
        .extra = ",\"status\":\"failed\",\"duration\":600,\"tags\":[\"y\","
                 "\"z\"],\"user_metadata\":{\"n\":\"10\",\"flag\":true}");
    PUT("c", .filename = "tea.mp4", .created_s = 1772323200, /* 2026-03-01 */
        .extra = ",\"status\":null,\"duration\":1e3,"
                 "\"user_metadata\":{\"n\":1e1,\"big\":9007199254740992}");
    PUT_ANON("d", .filename = "unnamed caf.mp4",
             .extra = ",\"status\":\"ready\"");
    done();
}

static void index_fields(void)
{
    static const char *const fields[] = {"status",
                                         "duration",
                                         "tags",
                                         "tags.deep",
                                         "user_metadata.n",
                                         "user_metadata.big",
                                         "user_metadata.flag"};

    for (size_t i = 0; i < array_count(fields); i++)
        assert_int_equal(index_field(fields[i]), 0);
}

static void check_library(void)
{
    static const struct {
        const char *path, *rows;
    } cases[] = {
        {"filename=CAF", "1 2 "},
        {"filename=caf\xc3\xa9", "1 "},
        {"filename=mp4", "1 2 3 "},
        {"type=image", "2 "},
        {"type=image,video", "1 2 3 "},
        {"type=audio", ""},
        {"type=video/filename=caf", "1 "},
        {"id=a00000000000000000000000,zz", "1 "},
        {"created=2026", "1 2 3 "},
        {"created=2026-02", "2 "},
        {"created=2026-02..2026-03", "2 3 "},
        {"created=..2026-01", "1 "},
        {"status=ready", "1 "},
        {"status=ready,failed", "1 2 "},
        {"status=null", "3 "},
        {"user_metadata.flag=null", "1 3 "},
        {"user_metadata.flag=null,true", "1 2 3 "},
        {"duration=60..600", "1 2 "},
        {"duration=10m..", "2 3 "},
        {"duration=1000", "3 "},
        {"user_metadata.n=10", "1 2 3 "},
        {"user_metadata.n=1e1", "1 3 "},
        {"user_metadata.n=5..15", "1 3 "},
        {"user_metadata.big=9007199254740993", "1 "},
        {"user_metadata.big=9007199254740992", "3 "},
        {"user_metadata.big=9007199254740992,9007199254740993", "1 3 "},
        {"user_metadata.big=9007199254740992..", "1 3 "},
        {"tags=y", "2 "},
        {"tags=x,z", "1 2 "},
        {"tags.deep=1", "1 "},
        {"tags=z/status=failed/filename=2/type=image/created=2026", "2 "},
        {"status=ready/status=failed", ""},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        const char *rows = selected(cases[i].path);
        if (strcmp(rows, cases[i].rows) != 0)
            fail_msg("%s: \"%s\", not \"%s\"", cases[i].path, rows,
                     cases[i].rows);
    }
}

static void queries_select_what_they_say(void **state)
{
    put_library();
    index_fields();
    check_library();
    reopen();
    check_library();
}

static void fields_indexed_before_are_kept_right(void **state)
{
    index_fields();
    put_library();
    check_library();
    begin();
    PUT("a", .filename = "Caf\xc3\x89 1.mp4",
        .extra = ",\"status\":\"failed\"");
    assert_int_equal(catalogue_remove(cat, 2), 0);
    done();
    assert_string_equal(selected("status=failed"), "1 ");
    assert_string_equal(selected("status=ready"), "");
    assert_string_equal(selected("duration=0.."), "3 ");
    assert_string_equal(selected("tags=x,y,z"), "");
    int64_t left;
    assert_int_equal(db_integer(&cat->db, S_NAME_FIND,
                                VALUES(INT(folder_hash("none")), TEXT("none")),
                                &left),
                     -ENOENT);
}

/* What is put, removed and rolled back between the steps. */
static void fields_are_gathered_between_other_writes(void **state)
{
    static const char *const names[] = {"n", "m.k"};
    struct catalogue_diff diff = {0};
    bool through = false;
    int steps = 0;

    begin();
    for (int i = 1; i <= 40; i++) {
        char id[16];
        (void)snprintf(id, sizeof(id), "f%dz", i);
        PUT(id, .extra = ",\"n\":1,\"m\":{\"k\":\"old\",\"z\":[{}]}");
    }
    done();
    while (!through) {
        begin();
        assert_int_equal(catalogue_fields_index_step(
                             cat, names, array_count(names), 7, &through),
                         0);
        if (++steps == 3) {
            catalogue_rollback(cat);
            continue;
        }
        if (steps == 5) { /* one that was passed, and one to come */
            PUT("f1z", .extra = ",\"n\":2,\"m\":{\"k\":\"new\"}");
            PUT("f40z", .extra = ",\"n\":2,\"m\":{\"k\":\"new\"}");
            assert_int_equal(catalogue_remove(cat, 2), 0);
            assert_int_equal(catalogue_remove(cat, 39), 0);
        }
        if (through)
            done();
        else
            assert_int_equal(catalogue_commit_later(cat, &diff), 0);
        catalogue_diff_done(&diff);
        cleanup(release) struct catalogue_reader *r = reader();
        for (size_t i = 0; i < array_count(names); i++)
            assert_int_equal(catalogue_field_indexed(r, names[i]), through);
    }
    assert_true(steps > 8);
    assert_string_equal(selected("n=2"), "1 40 ");
    assert_string_equal(selected("m.k=new"), "1 40 ");
    assert_string_equal(selected("m.k=old/n=1/id=f38z00000000000000000000"),
                        "38 ");
    assert_string_equal(
        selected("m.k=old,new/n=1..2/id=f2z000000000000000000000"
                 ",f39z00000000000000000000"),
        "");
}

static void any_field_path_seen_is_known(void **state)
{
    begin();
    PUT("a", .extra = ",\"a\":{\"b.c\":1,\"\\u0064\":[[{\"e\":2}]],\"f\":{}},"
                      "\"l1\":{\"2\":{\"3\":{\"4\":{\"5\":{\"6\":{\"7\":{"
                      "\"8\":1,\"x\":{\"9\":1}}}}}}}}");
    done();
    cleanup(release) struct catalogue_reader *r = reader();
    assert_true(catalogue_field_known(r, "a.b.c"));
    assert_true(catalogue_field_known(r, "a.d.e"));
    assert_true(catalogue_field_known(r, "_id"));
    assert_true(catalogue_field_known(r, "l1.2.3.4.5.6.7.8"));
    assert_false(catalogue_field_known(r, "l1.2.3.4.5.6.7.x.9"));
    assert_true(catalogue_field_known(r, "a"));
    assert_true(catalogue_field_known(r, "a.f"));
}

static void of_many_indexed_fields_the_first_gives_way(void **state)
{
    char name[32];

    put_library();
    for (int i = 0; i <= CATALOGUE_MAX_INDEXED; i++) {
        (void)snprintf(name, sizeof(name), "user_metadata.f%d", i);
        assert_int_equal(index_field(name), 0);
    }
    cleanup(release) struct catalogue_reader *r = reader();
    assert_false(catalogue_field_indexed(r, "user_metadata.f0"));
    assert_true(catalogue_field_indexed(r, "user_metadata.f1"));
    assert_true(catalogue_field_indexed(r, name));
}

static void state_outlives_the_process(void **state)
{
    assert_int_equal(catalogue_state_set(cat, "complete", 1), 0);
    begin();
    assert_int_equal(catalogue_state_set(cat, "polled_s", 2), 0);
    catalogue_rollback(cat);
    reopen();
    cleanup(release) struct catalogue_reader *r = reader();
    assert_int_equal(catalogue_state(r, "complete", 0), 1);
    assert_int_equal(catalogue_state(r, "polled_s", -1), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(queries_select_what_they_say),
        CASE(fields_indexed_before_are_kept_right),
        CASE(fields_are_gathered_between_other_writes),
        CASE(any_field_path_seen_is_known),
        CASE(of_many_indexed_fields_the_first_gives_way),
        CASE(state_outlives_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
