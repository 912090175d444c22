/* SPDX-License-Identifier: MIT */
#include "catalogue_fixture.h"

#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>

static void files_are_private_and_locked(void **state)
{
    struct catalogue *second;
    struct stat st;

    begin();
    PUT("a");
    done();
    static const char *const names[] = {
        "catalogue.sqlite", "catalogue.sqlite-wal", "catalogue.lock"};
    for (size_t i = 0; i < array_count(names); i++) {
        assert_int_equal(stat(file(names[i]), &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
    assert_int_equal(access(file("catalogue.sqlite-shm"), F_OK), -1);
    assert_int_equal(catalogue_open(directory, &second), -EBUSY);
    assert_int_equal(chmod(directory, 0777), 0);
    assert_int_equal(catalogue_open(directory, &second), -EACCES);
    assert_int_equal(chmod(directory, 0700), 0);
}

static void who_mounts_again_waits_for_the_one_that_ends(void **state)
{
    static const struct {
        char word;
        int ms;
    } cases[] = {{LOCK_OPEN, 300}, {LOCK_ENDING, 2500}};

    for (size_t i = 0; i < array_count(cases); i++) {
        int status, ready[2];
        char byte;
        catalogue_close(cat);
        cat = NULL;
        assert_int_equal(pipe(ready), 0);
        pid_t child = fork();
        if (child == 0) {
            int fd = open(file("catalogue.lock"), O_RDWR);
            bool held = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 &&
                        pwrite(fd, &cases[i].word, 1, 0) == 1 &&
                        write(ready[1], "", 1) == 1;
            (void)poll(NULL, 0, held ? cases[i].ms : 0);
            _exit(held ? 0 : 1);
        }
        assert_int_equal(read(ready[0], &byte, 1), 1);
        assert_int_equal(catalogue_open(directory, &cat), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        (void)close(ready[0]);
        (void)close(ready[1]);
    }
}

static void what_a_killed_daemon_committed_is_there(void **state)
{
    int status;

    catalogue_close(cat);
    cat = NULL;
    pid_t child = fork();
    if (child == 0) {
        int err = catalogue_open(directory, &cat);
        if (!err)
            err = catalogue_begin(cat);
        if (!err)
            (void)PUT("a");
        struct catalogue_diff diff;
        if (!err)
            err = catalogue_commit(cat, &diff);
        if (!err)
            err = catalogue_begin(cat);
        if (!err)
            (void)PUT("b");
        _exit(err ? 1 : 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(catalogue_open(directory, &cat), 0);
    assert_string_equal(list(ASSET_TYPE_COUNT), "x.mp4 ");
    assert_int_equal(access(file("catalogue.sqlite.damaged"), F_OK), -1);
}

static void scribble(const char *name, off_t from, off_t to)
{
    int fd = open(file(name), O_WRONLY);
    char noise[512];

    assert_true(fd >= 0);
    memset(noise, 0xa5, sizeof(noise));
    for (off_t at = from; at < to; at += (off_t)sizeof(noise))
        assert_int_equal(pwrite(fd, noise, sizeof(noise), at), sizeof(noise));
    (void)close(fd);
}

static void a_file_that_is_none_is_set_aside(void **state)
{
    begin();
    int64_t before = PUT("a");
    done();
    catalogue_close(cat);
    scribble("catalogue.sqlite", 0, 8192);
    assert_int_equal(catalogue_open(directory, &cat), 0);
    assert_int_equal(access(file("catalogue.sqlite.damaged"), F_OK), 0);
    assert_int_equal(catalogue_count(cat, ASSET_TYPE_COUNT), 0);
    begin();
    int64_t row = PUT("a");
    done();
    assert_true(row > before);
    assert_true(row < CATALOGUE_MAX_ROW);
    reopen();
    assert_string_equal(list(ASSET_TYPE_COUNT), "x.mp4 ");
}

static void another_version_hands_on_rows_and_links(void **state)
{
    struct catalogue_link link;
    int64_t number;

    begin();
    PUT("a");
    int64_t before = PUT("b");
    done();
    assert_int_equal(catalogue_link_add(cat, "", "k", "a=b", 5, &number), 0);
    assert_int_equal(db_exec(&cat->db, "PRAGMA user_version = 99"), 0);
    reopen();
    assert_int_equal(access(file("catalogue.sqlite.damaged"), F_OK), 0);
    assert_string_equal(list(ASSET_TYPE_COUNT), "");
    begin();
    assert_int_equal(PUT("a"), before + 1);
    done();
    cleanup(release) struct catalogue_reader *r = reader();
    assert_int_equal(catalogue_link_get(r, "", "k", &link), 0);
    assert_int_equal(link.link, number);
}

/* A disk that is full leaves a rebuilding as a kill does: begun. */
static void a_rebuilding_that_broke_off_hands_on_links_later(void **state)
{
    struct catalogue_link link;
    struct rlimit all, none;
    int64_t number;

    assert_int_equal(catalogue_link_add(cat, "", "k", "a=b", 5, &number), 0);
    catalogue_mark_damaged(cat);
    catalogue_close(cat);
    cat = NULL;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &all), 0);
    none = (struct rlimit){.rlim_cur = 100, .rlim_max = all.rlim_max};
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    for (int i = 0; i < 2; i++)
        assert_true(catalogue_open(directory, &cat) < 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &all), 0);
    assert_int_equal(catalogue_open(directory, &cat), 0);
    cleanup(release) struct catalogue_reader *r = reader();
    assert_int_equal(catalogue_link_get(r, "", "k", &link), 0);
    assert_int_equal(link.link, number);
}

struct spell {
    _Atomic bool over;
    _Atomic int readings;
    _Atomic bool torn;
};

static bool count_entry(void *ctx, const struct catalogue_entry *e)
{
    (void)e;
    ++*(int64_t *)ctx;
    return true;
}

static void *read_on(void *ctx)
{
    struct spell *s = ctx;

    while (!atomic_load(&s->over)) {
        struct catalogue_reader *r = catalogue_reader_acquire(cat);
        int64_t count = 0;
        if (!r || catalogue_list(r, ASSET_VIDEO, 0, count_entry, &count) ||
            count != catalogue_total(r) || count % 10 != 0)
            atomic_store(&s->torn, true);
        catalogue_reader_release(r);
        (void)catalogue_version(cat);
        (void)catalogue_changed_ns(cat, ASSET_VIDEO);
        atomic_fetch_add(&s->readings, 1);
    }
    return NULL;
}

static off_t log_bytes(void)
{
    struct stat st;

    return stat(file("catalogue.sqlite-wal"), &st) == 0 ? st.st_size : 0;
}

/* Ten rows a commit, each of `bytes`. */
static void put_ten(int round, size_t bytes)
{
    static char extra[3000];
    struct catalogue_diff diff;

    memset(extra, 'x', bytes);
    memcpy(extra, ",\"x\":\"", 6);
    memcpy(extra + bytes, "\"", 2);
    begin();
    for (int i = 0; i < 10; i++) {
        char id[16], name[32];
        (void)snprintf(id, sizeof(id), "t%dz", round * 10 + i);
        (void)snprintf(name, sizeof(name), "%d.mp4", round * 10 + i);
        (void)PUT(id, .filename = name, .extra = extra);
    }
    assert_int_equal(catalogue_commit(cat, &diff), 0);
    catalogue_diff_done(&diff);
}

static void readers_never_see_half_a_commit(void **state)
{
    struct spell s = {0};
    pthread_t threads[2];
    int round = 0;

    for (size_t i = 0; i < array_count(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, &s), 0);
    while (round < 60 || atomic_load(&s.readings) < 60)
        put_ten(round++, 20);
    atomic_store(&s.over, true);
    for (size_t i = 0; i < array_count(threads); i++)
        (void)pthread_join(threads[i], NULL);
    assert_false(atomic_load(&s.torn));
}

static void the_log_is_cut_though_readers_idle(void **state)
{
    struct catalogue_reader *r[3];
    struct catalogue_entry e;
    int64_t deadline_ms = clock_mono_ms() + 60000;
    off_t longest = 0;
    int round = 0;

    for (size_t i = 0; i < array_count(r); i++) {
        r[i] = reader();
        (void)catalogue_get(r[i], 1, &e);
    }
    for (size_t i = 0; i < array_count(r); i++)
        catalogue_reader_release(r[i]);
    do {
        put_ten(round++, 2900);
        off_t now = log_bytes();
        if (now > longest)
            longest = now;
        if (now < longest)
            break;
    } while (clock_mono_ms() < deadline_ms);
    assert_true(longest > 32 << 20);
    assert_true(log_bytes() < longest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(files_are_private_and_locked),
        CASE(who_mounts_again_waits_for_the_one_that_ends),
        CASE(what_a_killed_daemon_committed_is_there),
        CASE(a_file_that_is_none_is_set_aside),
        CASE(another_version_hands_on_rows_and_links),
        CASE(a_rebuilding_that_broke_off_hands_on_links_later),
        CASE(readers_never_see_half_a_commit),
        CASE(the_log_is_cut_though_readers_idle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
