/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "upload/store.h"
#include "upload_place.h"

static struct upload_record a_record(const char *path)
{
    return (struct upload_record){
        .path = strdup(path),
        .identity = {UINT64_MAX, 7, -5, INT64_MAX},
        .state = UPLOAD_SESSION,
        .token = "00112233445566778899aabbccddeeff",
        .digest = "ba78",
        .sent_s = 1000,
        .done_s = 2000,
        .upload_id = strdup("u1"),
        .asset_id = strdup("a1"),
        .chunk_bytes = 5,
        .chunk_count = 2,
        .headers = strdup("{\"a\":\"b\"}"),
        .kept = strdup("kept\xff"),
        .error = strdup("words"),
    };
}

struct found {
    struct upload_record records[10];
    size_t count;
    char chunks[100];
};

static int keep(void *ctx, struct upload_record *r)
{
    struct found *f = ctx;
    f->records[f->count++] = *r;
    return 0;
}

static int keep_chunk(void *ctx, int64_t chunk, const char *etag)
{
    struct found *f = ctx;
    size_t len = strlen(f->chunks);
    (void)snprintf(f->chunks + len, sizeof(f->chunks) - len, "%d=%s ",
                   (int)chunk, etag);
    return 0;
}

static void found_done(struct found *f)
{
    for (size_t i = 0; i < f->count; i++)
        upload_record_done(&f->records[i]);
    *f = (struct found){0};
}

static void what_is_put_is_there_after_a_kill(void **state)
{
    struct found f = {0};
    struct store *s = NULL;
    if (fork() == 0) { /* ends without closing anything */
        struct upload_record r = a_record("sub/\xff\n.mp4");
        struct upload_record other = a_record("other");
        bool good = store_open(*state, &s) == 0 &&
                    store_put(s, "/root", &r) == 0 &&
                    store_put(s, "/other", &other) == 0 &&
                    store_chunk(s, r.number, 1, "e1") == 0 &&
                    store_chunk(s, r.number, 2, "e2") == 0 &&
                    store_chunk(s, other.number, 2, "no") == 0;
        (void)raise(good ? SIGKILL : SIGTERM);
    }
    int status;
    (void)wait(&status);
    assert_int_equal(WTERMSIG(status), SIGKILL);
    assert_int_equal(store_open(*state, &s), 0);
    assert_int_equal(store_each(s, "/root", keep, &f), 0);
    assert_int_equal(f.count, 1);
    const struct upload_record *r = &f.records[0];
    assert_string_equal(r->path, "sub/\xff\n.mp4");
    assert_true(r->identity.inode == UINT64_MAX && r->identity.mtime_ns == -5 &&
                r->identity.ctime_ns == INT64_MAX &&
                r->identity.size_bytes == 7);
    assert_int_equal(r->state, UPLOAD_SESSION);
    assert_string_equal(r->token, "00112233445566778899aabbccddeeff");
    assert_string_equal(r->digest, "ba78");
    assert_true(r->sent_s == 1000 && r->done_s == 2000 && r->chunk_bytes == 5 &&
                r->chunk_count == 2);
    assert_string_equal(r->upload_id, "u1");
    assert_string_equal(r->asset_id, "a1");
    assert_string_equal(r->headers, "{\"a\":\"b\"}");
    assert_string_equal(r->kept, "kept\xff");
    assert_string_equal(r->error, "words");
    assert_int_equal(store_each_chunk(s, r->number, keep_chunk, &f), 0);
    assert_string_equal(f.chunks, "1=e1 2=e2 ");
    found_done(&f);
    store_close(s);
}

static void chunks_go_with_their_session(void **state)
{
    struct found f = {0};
    struct store *s = NULL;
    struct upload_record r = a_record("a");
    assert_int_equal(store_open(*state, &s), 0);
    assert_int_equal(store_put(s, "/root", &r), 0);
    int64_t number = r.number;
    assert_int_equal(store_chunk(s, number, 1, "e1"), 0);
    assert_int_equal(store_put(s, "/root", &r), 0);
    assert_int_equal(r.number, number);
    assert_int_equal(store_each_chunk(s, number, keep_chunk, &f), 0);
    assert_string_equal(f.chunks, "1=e1 ");
    r.state = UPLOAD_SENT;
    assert_int_equal(store_put(s, "/root", &r), 0);
    found_done(&f);
    assert_int_equal(store_each_chunk(s, number, keep_chunk, &f), 0);
    assert_string_equal(f.chunks, "");
    assert_int_equal(store_remove(s, number), 0);
    assert_int_equal(store_each(s, "/root", keep, &f), 0);
    assert_int_equal(f.count, 0);
    upload_record_done(&r);
    store_close(s);
}

static void one_process_at_a_time(void **state)
{
    struct store *s = NULL, *other = NULL;
    assert_int_equal(store_open(*state, &s), 0);
    assert_int_equal(store_open(*state, &other), -EBUSY);
    store_close(s);
    assert_int_equal(store_open(*state, &other), 0);
    store_close(other);
}

static void damage_is_no_new_beginning(void **state)
{
    struct store *s = NULL;
    char text[5000];
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    place_write(state, STORE_NAME, text);
    assert_int_equal(store_open(*state, &s), -EBADMSG);
    struct stat st;
    assert_int_equal(stat(place_path(state, STORE_NAME), &st), 0);
    assert_int_equal(st.st_size, sizeof(text) - 1);
}

/* A full disk, as far as a process can have one of its own. */
static void a_full_disk_leaves_what_was(void **state)
{
    struct found f = {0};
    struct store *s = NULL;
    struct rlimit before;
    struct upload_record r = a_record("a"), big = a_record("b");
    char *words = malloc(1 << 20);
    memset(words, 'w', 1 << 20);
    words[(1 << 20) - 1] = '\0';
    free(big.error);
    big.error = words;
    assert_int_equal(store_open(*state, &s), 0);
    assert_int_equal(store_put(s, "/root", &r), 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    const struct rlimit small = {200000, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_true(store_put(s, "/root", &big) < 0);
    assert_int_equal(big.number, 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    r.state = UPLOAD_SENT;
    assert_int_equal(store_put(s, "/root", &r), 0);
    assert_int_equal(store_put(s, "/root", &big), 0);
    store_close(s);
    assert_int_equal(store_open(*state, &s), 0);
    assert_int_equal(store_each(s, "/root", keep, &f), 0);
    assert_int_equal(f.count, 2);
    assert_int_equal(f.records[0].state, UPLOAD_SENT);
    found_done(&f);
    upload_record_done(&r);
    upload_record_done(&big);
    store_close(s);
}

int main(void)
{
#define IN_A_PLACE(test)                                                       \
    cmocka_unit_test_setup_teardown(test, place_make, place_unmake)
    const struct CMUnitTest tests[] = {
        IN_A_PLACE(what_is_put_is_there_after_a_kill),
        IN_A_PLACE(chunks_go_with_their_session),
        IN_A_PLACE(one_process_at_a_time),
        IN_A_PLACE(damage_is_no_new_beginning),
        IN_A_PLACE(a_full_disk_leaves_what_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
