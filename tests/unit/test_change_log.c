/* SPDX-License-Identifier: MIT */
/* The log of changes: what is in it, its bounds, and where it goes on. */
#include "catalogue_fixture.h"

#include "json/event.h"

static void complete(void)
{
    begin();
    assert_int_equal(catalogue_state_set(cat, "complete", 1), 0);
    done();
}

static struct catalogue_log bounds(void)
{
    cleanup(release) struct catalogue_reader *r = reader();
    struct catalogue_log log;

    assert_int_equal(catalogue_log_bounds(r, &log), 0);
    return log;
}

/* Lines from seq on, up to max bytes, without their times. */
static const char *events(int64_t seq)
{
    static char text[8192];
    cleanup(release) struct catalogue_reader *r = reader();
    cleanup(buf_done) struct buf out = {.max = EVENT_MAX_BYTES};
    int64_t next;
    size_t len = 0;

    text[0] = '\0';
    assert_int_equal(catalogue_log_read(r, seq, &out, &next), 0);
    assert_int_equal(next, bounds().next);
    for (char *line = out.data; line && *line; line = strchr(line, '\n') + 1) {
        const char *kind = strstr(line, "\"kind\":");
        size_t part = strcspn(kind, "\n") + 1;
        assert_true(len + part < sizeof(text));
        memcpy(text + len, kind, part);
        len += part;
        text[len] = '\0';
    }
    return text;
}

#define ID_A "a00000000000000000000000"
#define HEAD(kind, id)                                                         \
    "\"kind\":\"" kind "\",\"id\":\"" id "\",\"type\":\"video\","              \
    "\"filename\":\"x.mp4\""

static void the_first_walk_is_one_event(void **state)
{
    begin();
    (void)PUT("a");
    (void)PUT("b");
    done();
    assert_int_equal(bounds().next, 1);
    begin();
    (void)PUT("c");
    assert_int_equal(catalogue_remove(cat, 1), 0);
    assert_int_equal(catalogue_state_set(cat, "complete", 1), 0);
    done();
    assert_string_equal(events(1), "\"kind\":\"complete\",\"assets\":2}\n");
    complete(); /* a later walk */
    assert_int_equal(bounds().next, 2);
}

static void what_a_commit_did_is_written(void **state)
{
    complete();
    begin();
    int64_t row = PUT("a", .extra = ",\"status\":\"processing\"");
    done();
    assert_string_equal(events(2),
                        HEAD("created", ID_A) ",\"status\":\"processing\"}\n");
    begin();
    (void)PUT("a", .extra = ",\"status\":\"ready\"");
    done();
    assert_string_equal(
        events(3),
        HEAD("changed", ID_A) ",\"status\":\"ready\",\"changes\":"
                              "[{\"field\":\"status\",\"old\":\"processing\","
                              "\"new\":\"ready\"}]}\n");
    begin();
    (void)PUT("a", .extra = ",\"status\":\"ready\"");
    done();
    assert_int_equal(bounds().next, 4);
    begin();
    assert_int_equal(catalogue_remove(cat, row), 0);
    done();
    assert_string_equal(events(4),
                        HEAD("deleted", ID_A) ",\"status\":\"ready\"}\n");
}

static void steps_of_one_transaction_are_summed_up(void **state)
{
    complete();
    begin();
    int64_t row = PUT("a", .extra = ",\"n\":1");
    (void)PUT("a", .extra = ",\"n\":2");
    int64_t passing = PUT("b");
    assert_int_equal(catalogue_remove(cat, passing), 0);
    done();
    assert_string_equal(events(2), HEAD("created", ID_A) "}\n");
    begin();
    (void)PUT("a", .extra = ",\"n\":3");
    (void)PUT("a", .extra = ",\"n\":2");
    done();
    assert_int_equal(bounds().next, 3);
    begin();
    (void)PUT("a", .extra = ",\"n\":3");
    assert_int_equal(catalogue_remove(cat, row), 0);
    done();
    assert_string_equal(events(3), HEAD("deleted", ID_A) "}\n");
}

/* sync gives a row without a name another number that way. */
static void an_id_that_went_and_came_is_one_asset(void **state)
{
    complete();
    begin();
    int64_t row = PUT_ANON("a", .extra = ",\"n\":1");
    done();
    begin();
    assert_int_equal(catalogue_remove(cat, row), 0);
    row = PUT("a", .extra = ",\"n\":1");
    done();
    assert_int_equal(bounds().next, 3);
    begin();
    assert_int_equal(catalogue_remove(cat, row), 0);
    (void)PUT("a", .extra = ",\"n\":2");
    (void)PUT("b");
    done();
    assert_string_equal(
        events(3),
        HEAD("changed", ID_A) ",\"changes\":[{\"field\":\"n\","
                              "\"old\":1,\"new\":2}]}\n" HEAD(
                                  "created", "b00000000000000000000000") "}\n");
}

static void a_rollback_leaves_nothing(void **state)
{
    begin();
    assert_int_equal(catalogue_state_set(cat, "complete", 1), 0);
    catalogue_rollback(cat);
    begin();
    (void)PUT("a");
    done();
    assert_int_equal(bounds().next, 1);
    complete();
    begin();
    (void)PUT("b");
    catalogue_rollback(cat);
    begin();
    (void)PUT("c");
    done();
    assert_int_equal(bounds().next, 3);
    assert_string_equal(events(2),
                        HEAD("created", "c00000000000000000000000") "}\n");
}

static int64_t time_of(int64_t seq)
{
    int64_t ns = -1;

    assert_int_equal(sqlite3_exec(cat->db.handle, "BEGIN", NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_stmt *s;
    assert_int_equal(db_bind(&cat->db, S_EVENT_AT, VALUES(INT(seq)), &s), 0);
    assert_int_equal(db_step(&cat->db, s), 1);
    ns = sqlite3_column_int64(s, 1);
    (void)sqlite3_reset(s);
    assert_int_equal(sqlite3_exec(cat->db.handle, "COMMIT", NULL, NULL, NULL),
                     SQLITE_OK);
    return ns;
}

static void a_time_says_where_to_go_on(void **state)
{
    complete();
    for (int i = 0; i < 5; i++) {
        char id[8];
        begin();
        for (int k = 0; k < 10; k++) {
            (void)snprintf(id, sizeof(id), "%dz%d", i, k);
            (void)PUT(id);
        }
        done();
        if (i == 2)
            reopen();
    }
    struct catalogue_log log = bounds();
    assert_int_equal(log.next, 52);
    assert_int_equal(log.first_ns, time_of(1));
    for (int64_t seq = 1; seq < log.next; seq++) {
        cleanup(release) struct catalogue_reader *r = reader();
        int64_t found;
        int64_t ns = time_of(seq);
        assert_true(seq == 1 || ns > time_of(seq - 1));
        assert_int_equal(catalogue_log_seek(r, &log, ns, &found), 0);
        assert_int_equal(found, seq + 1);
        assert_int_equal(catalogue_log_seek(r, &log, ns - 1, &found), 0);
        assert_int_equal(found, seq);
    }
}

static int64_t stored_bytes(void)
{
    int64_t bytes = -1;
    sqlite3_stmt *s;

    assert_int_equal(sqlite3_prepare_v2(cat->db.handle,
                                        "SELECT sum(length(line)) FROM event",
                                        -1, &s, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    bytes = sqlite3_column_int64(s, 0);
    (void)sqlite3_finalize(s);
    return bytes;
}

/* Changes one asset so many times, some hundred a commit. */
static void change(int count, const char *filename)
{
    char extra[32];
    static int made;

    for (int done_so_far = 0; done_so_far < count;) {
        begin();
        for (int k = 0; k < 500 && done_so_far < count; k++, done_so_far++) {
            char id[16];
            (void)snprintf(id, sizeof(id), "%dz", made);
            (void)snprintf(extra, sizeof(extra), ",\"n\":%d", made++);
            (void)PUT(id, .filename = filename, .extra = extra);
        }
        done();
    }
}

static void it_is_bounded_by_events(void **state)
{
    complete();
    change(CATALOGUE_LOG_EVENTS + 3000, NULL);
    struct catalogue_log log = bounds();
    assert_int_equal(log.next, CATALOGUE_LOG_EVENTS + 3002);
    assert_true(log.next - log.first <= CATALOGUE_LOG_EVENTS);
    assert_true(log.next - log.first > CATALOGUE_LOG_EVENTS * 9 / 10);
    assert_int_equal(log.first_ns, time_of(log.first));
    reopen();
    begin();
    (void)PUT("last");
    done();
    assert_int_equal(bounds().next, log.next + 1);
    assert_int_equal(bounds().first, log.first);
}

static void it_is_bounded_by_bytes(void **state)
{
    char name[1301];

    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    complete();
    change(30000, name);
    struct catalogue_log log = bounds();
    assert_int_equal(log.next, 30002);
    assert_true(stored_bytes() <= CATALOGUE_LOG_BYTES + EVENT_MAX_BYTES);
    assert_true(stored_bytes() > CATALOGUE_LOG_BYTES * 9 / 10);
    reopen();
    change(500, name);
    assert_true(stored_bytes() <= CATALOGUE_LOG_BYTES + EVENT_MAX_BYTES);
    assert_true(bounds().first >= log.first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_first_walk_is_one_event),
        CASE(what_a_commit_did_is_written),
        CASE(steps_of_one_transaction_are_summed_up),
        CASE(an_id_that_went_and_came_is_one_asset),
        CASE(a_rollback_leaves_nothing),
        CASE(a_time_says_where_to_go_on),
        CASE(it_is_bounded_by_events),
        CASE(it_is_bounded_by_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
