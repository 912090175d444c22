/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api_world.h"
#include "media/media.h"

/* ---- a sync that renews as the test says ---- */

struct question {
    uint64_t ticket;
    char id[16];
    sync_answer_fn *answer;
    void *ctx;
};

struct sync {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    struct catalogue *catalogue;
    int asked;           /* under lock, as all below */
    int err;             /* of the next answers */
    char url[256];       /* what a renewal finds; "" nothing new */
    bool hold, stopping; /* hold: keep questions unanswered */
    struct question waiting[64];
    int count;
    int noted; /* pictures whose bytes were described */
    struct catalogue_picture picture;
};

static void put_asset(struct catalogue *c, const char *id, const char *url)
{
    struct catalogue_diff diff = {0};
    int64_t row;
    bool fresh;
    char json[512];
    snprintf(json, sizeof(json), "{\"_id\":\"%s\",\"u\":\"%s\"}", id, url);
    const struct asset a = {.id = (char *)id,
                            .filename = (char *)id,
                            .filename_len = strlen(id),
                            .type = ASSET_VIDEO,
                            .size_bytes = -1,
                            .picture_url = url[0] ? (char *)url : NULL,
                            .json = json,
                            .json_len = strlen(json)};
    assert_int_equal(catalogue_begin(c), 0);
    assert_int_equal(catalogue_put(c, &a, true, clock_wall_s(), &row, &fresh),
                     0);
    assert_int_equal(catalogue_commit(c, &diff), 0);
    catalogue_diff_done(&diff);
}

static void *run_sync(void *ctx)
{
    struct sync *s = ctx;
    pthread_mutex_lock(&s->lock);
    while (!s->stopping) {
        if (!s->count || s->hold) {
            pthread_cond_wait(&s->changed, &s->lock);
            continue;
        }
        struct question q = s->waiting[--s->count];
        int err = s->err;
        pthread_mutex_unlock(&s->lock);
        if (!err && s->url[0])
            put_asset(s->catalogue, q.id, s->url);
        q.answer(q.ctx, err);
        pthread_mutex_lock(&s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

int sync_ask(struct sync *s, const struct sync_question *question,
             int64_t deadline_ms, sync_answer_fn *answer, void *ctx,
             uint64_t *ret_ticket)
{
    int err = 0;
    pthread_mutex_lock(&s->lock);
    if (question->want == SYNC_PICTURE) {
        s->noted++;
        s->picture = *question->picture;
    } else if (question->want == SYNC_RENEW && s->count < 64) {
        struct question *q = &s->waiting[s->count++];
        *q = (struct question){
            .ticket = (uint64_t)++s->asked, .answer = answer, .ctx = ctx};
        snprintf(q->id, sizeof(q->id), "%s", question->text);
        *ret_ticket = q->ticket;
    } else {
        err = -EINVAL;
    }
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    return err;
}

bool sync_cancel(struct sync *s, uint64_t ticket)
{
    bool ours = false;
    pthread_mutex_lock(&s->lock);
    for (int i = 0; !ours && i < s->count; i++) {
        ours = s->waiting[i].ticket == ticket;
        if (ours)
            s->waiting[i] = s->waiting[--s->count];
    }
    pthread_mutex_unlock(&s->lock);
    return ours;
}

static void wait_asked(struct sync *s, int count)
{
    pthread_mutex_lock(&s->lock);
    while (s->asked < count)
        pthread_cond_wait(&s->changed, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

/* ---- fixture ---- */

struct studio {
    struct world w;
    struct catalogue *catalogue;
    struct sync sync;
    struct media *media;
    char directory[64];
};

static void studio_open(struct studio *t, loopback_fn *handle)
{
    *t = (struct studio){0};
    snprintf(t->directory, sizeof(t->directory), "/tmp/test-media-XXXXXX");
    assert_non_null(mkdtemp(t->directory));
    world_open(&t->w, handle, 60);
    assert_int_equal(catalogue_open(t->directory, &t->catalogue), 0);
    t->sync.catalogue = t->catalogue;
    pthread_mutex_init(&t->sync.lock, NULL);
    pthread_cond_init(&t->sync.changed, NULL);
    pthread_create(&t->sync.thread, NULL, run_sync, &t->sync);
    const struct media_config config = {.directory = t->directory,
                                        .cache_bytes = 1 << 20};
    assert_int_equal(
        media_new(&config, t->catalogue, &t->sync, t->w.api, &t->media), 0);
}

static int remove_one(const char *path, const struct stat *st, int type,
                      struct FTW *where)
{
    return remove(path);
}

static void studio_close(struct studio *t)
{
    media_free(t->media);
    pthread_mutex_lock(&t->sync.lock);
    t->sync.stopping = true;
    pthread_cond_broadcast(&t->sync.changed);
    pthread_mutex_unlock(&t->sync.lock);
    pthread_join(t->sync.thread, NULL);
    catalogue_close(t->catalogue);
    world_close(&t->w);
    assert_int_equal(nftw(t->directory, remove_one, 8, FTW_DEPTH | FTW_PHYS),
                     0);
}

static const char *url_of(struct studio *t, char *url, const char *path)
{
    snprintf(url, 256, "http://127.0.0.1:%d%s", t->w.server->port, path);
    return url;
}

static void asset_at(struct studio *t, const char *id, const char *path)
{
    char url[256];
    put_asset(t->catalogue, id, url_of(t, url, path));
}

static void on_file(void *ctx, int err, struct media_file *file)
{
    struct answer *o = ctx;
    pthread_mutex_lock(&o->lock);
    if (file) {
        size_t got = 0;
        assert_int_equal(
            media_file_read(file, o->body, sizeof(o->body) - 1, 0, &got), 0);
        o->count = got;
        o->total = file->size_bytes;
    }
    answer_come(o, err, NULL);
    pthread_mutex_unlock(&o->lock);
    media_file_unref(file);
}

static uint64_t fetch(struct studio *t, const char *id, int64_t within_ms,
                      struct answer *o)
{
    uint64_t ticket = 0;
    answer_init(o);
    assert_int_equal(media_fetch(t->media, id, clock_mono_ms() + within_ms,
                                 on_file, o, &ticket),
                     0);
    return ticket;
}

#define LARGE_BYTES (10 << 20)

static void reply_large(int fd)
{
    char head[64];
    char *bytes = malloc(LARGE_BYTES);
    assert_non_null(bytes);
    memset(bytes, 'x', LARGE_BYTES);
    bytes[0] = bytes[2] = '\xff';
    bytes[1] = '\xd8';
    int len =
        snprintf(head, sizeof(head),
                 "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", LARGE_BYTES);
    loopback_write(fd, head, (size_t)len);
    loopback_write(fd, bytes, LARGE_BYTES);
    free(bytes);
}

#define JPEG                                                                   \
    "\xff\xd8\xff"                                                             \
    "a JPEG"

/* /expired and /gone are refused, /list is a playlist, /large-<n> is a large
 * picture, and all else is one; /slow waits. */
static bool cdn(struct loopback *s, int fd, int number, const char *r)
{
    if (strncmp(r, "GET /slow", 9) == 0)
        loopback_pass(s, number);
    if (strncmp(r, "GET /expired", 12) == 0)
        loopback_reply(fd, "", "HTTP/1.1 403 Expired\r\n");
    else if (strncmp(r, "GET /gone", 9) == 0)
        loopback_reply(fd, "", "HTTP/1.1 410 Gone\r\n");
    else if (strncmp(r, "GET /list", 9) == 0)
        loopback_reply(fd, "#EXTM3U\nfile:///etc/passwd\n",
                       "HTTP/1.1 200 OK\r\n");
    else if (strncmp(r, "GET /large", 10) == 0)
        reply_large(fd);
    else
        loopback_reply(fd, JPEG, "HTTP/1.1 200 OK\r\n");
    return true;
}

/* ---- fetching ---- */

static void a_picture_is_fetched_once_and_kept(void **state)
{
    struct studio t;
    struct answer o;
    char url[256];
    struct media_file *file = NULL;
    studio_open(&t, cdn);
    asset_at(&t, "a1", "/p.jpg");
    assert_int_equal(
        media_lookup(t.media, "a1", url_of(&t, url, "/p.jpg"), &file), -ENOENT);
    fetch(&t, "a1", 9000, &o);
    assert_int_equal(answer_wait(&o), 0);
    assert_string_equal(o.body, JPEG);
    assert_int_equal(o.total, strlen(JPEG));
    assert_int_equal(t.sync.noted, 1);
    assert_int_equal(t.sync.picture.size_bytes, strlen(JPEG));
    assert_int_equal(media_lookup(t.media, "a1",
                                  url_of(&t, url, "/p.jpg?Signature=new"),
                                  &file),
                     0);
    media_file_unref(file);
    fetch(&t, "a1", 9000, &o); /* who looked before it was kept */
    assert_int_equal(answer_wait(&o), 0);
    assert_int_equal(loopback_requests(t.w.server), 1);
    assert_int_equal(t.sync.asked, 0);
    studio_close(&t);
}

static void many_askers_cost_one_request(void **state)
{
    struct studio t;
    struct answer o[10];
    studio_open(&t, cdn);
    asset_at(&t, "a1", "/slow.jpg");
    for (int i = 0; i < 10; i++)
        fetch(&t, "a1", 9000, &o[i]);
    loopback_wait_requests(t.w.server, 1);
    loopback_open(t.w.server, 100);
    for (int i = 0; i < 10; i++)
        assert_int_equal(answer_wait(&o[i]), 0);
    assert_int_equal(loopback_requests(t.w.server), 1);
    studio_close(&t);
}

static void what_has_no_picture_is_absent(void **state)
{
    struct studio t;
    struct answer o;
    studio_open(&t, cdn);
    put_asset(t.catalogue, "a1", "");
    fetch(&t, "a1", 9000, &o);
    assert_int_equal(answer_wait(&o), -ENOENT);
    fetch(&t, "nobody", 9000, &o);
    assert_int_equal(answer_wait(&o), -ENOENT);
    assert_int_equal(loopback_requests(t.w.server), 0);
    studio_close(&t);
}

/* The asset has another picture by the time that the old one's bytes come. */
static void bytes_belong_to_the_url_that_they_came_from(void **state)
{
    struct studio t;
    struct answer o;
    char before[256], after[256];
    struct media_file *file = NULL;
    studio_open(&t, cdn);
    url_of(&t, before, "/slow.jpg");
    url_of(&t, after, "/other.jpg");
    asset_at(&t, "a1", "/slow.jpg");
    fetch(&t, "a1", 9000, &o);
    loopback_wait_requests(t.w.server, 1);
    asset_at(&t, "a1", "/other.jpg");
    loopback_open(t.w.server, 100);
    assert_int_equal(answer_wait(&o), 0);
    assert_int_equal(media_lookup(t.media, "a1", after, &file), -ENOENT);
    assert_int_equal(media_lookup(t.media, "a1", before, &file), 0);
    assert_true(media_is_of(file, "a1", before));
    assert_false(media_is_of(file, "a1", after));
    media_file_unref(file);
    fetch(&t, "a1", 9000, &o);
    assert_int_equal(answer_wait(&o), 0);
    assert_int_equal(media_lookup(t.media, "a1", after, &file), 0);
    media_file_unref(file);
    studio_close(&t);
}

static void what_is_no_picture_is_refused(void **state)
{
    struct studio t;
    struct answer o;
    char url[256];
    struct media_file *file = NULL;
    studio_open(&t, cdn);
    asset_at(&t, "a1", "/list.jpg");
    fetch(&t, "a1", 9000, &o);
    assert_int_equal(answer_wait(&o), -EIO);
    assert_int_equal(
        media_lookup(t.media, "a1", url_of(&t, url, "/list.jpg"), &file),
        -ENOENT);
    assert_int_equal(t.sync.noted, 0);
    studio_close(&t);
}

/* Eight at a time would be 80 MB. */
static void what_finds_no_room_comes_again_alone(void **state)
{
    struct studio t;
    struct answer o[16];
    char id[16], path[32];
    studio_open(&t, cdn);
    for (int i = 0; i < 16; i++) {
        snprintf(id, sizeof(id), "s%d", i);
        snprintf(path, sizeof(path), "/large%d.jpg", i);
        asset_at(&t, id, path);
        fetch(&t, id, 60000, &o[i]);
    }
    for (int i = 0; i < 16; i++) {
        assert_int_equal(answer_wait(&o[i]), 0);
        assert_int_equal(o[i].total, LARGE_BYTES);
    }
    studio_close(&t);
}

/* ---- what is known without asking ---- */

static void what_the_bytes_are_outlives_them(void **state)
{
    struct studio t;
    char url[256];
    struct media_content c;
    struct catalogue_entry entry;
    studio_open(&t, cdn);
    asset_at(&t, "a1", "/p.jpg?Signature=1");
    struct catalogue_reader *r = catalogue_reader_acquire(t.catalogue);
    assert_int_equal(catalogue_get_by_id(r, "a1", &entry), 0);
    int64_t row = entry.row;
    media_describe(t.media, r, row, "a1", url_of(&t, url, "/p.jpg"), &c);
    assert_false(media_content_is_known(&c));
    catalogue_reader_release(r);
    const struct catalogue_picture picture = {
        .label = c.label, .size_bytes = 7, .checksum = UINT64_MAX};
    assert_int_equal(catalogue_picture_set(t.catalogue, row, &picture), 0);
    assert_int_equal(catalogue_picture_set(t.catalogue, row + 1, &picture), 0);
    r = catalogue_reader_acquire(t.catalogue);
    media_describe(t.media, r, row, "a1", url_of(&t, url, "/p.jpg?Signature=2"),
                   &c);
    assert_int_equal(c.size_bytes, 7);
    assert_true(c.checksum == UINT64_MAX);
    struct media_content other;
    media_describe(t.media, r, row, "a1", url_of(&t, url, "/q.jpg"), &other);
    assert_false(media_content_is_known(&other));
    assert_true(media_content_differs(&c, &other));
    struct catalogue_picture none;
    assert_int_equal(catalogue_picture_get(r, row + 1, &none), -ENOENT);
    catalogue_reader_release(r);
    studio_close(&t);
}

/* ---- renewing ---- */

/* Eight are fetched at a time, but all are renewed at once. */
static void who_must_renew_takes_no_turn(void **state)
{
    struct studio t;
    struct answer o[20];
    char id[16];
    studio_open(&t, cdn);
    t.sync.hold = true;
    for (int i = 0; i < 20; i++) {
        snprintf(id, sizeof(id), "s%d", i);
        asset_at(&t, id, "/p.jpg?Expires=1");
        fetch(&t, id, 9000, &o[i]);
    }
    wait_asked(&t.sync, 20);
    pthread_mutex_lock(&t.sync.lock);
    t.sync.hold = false;
    pthread_cond_broadcast(&t.sync.changed);
    pthread_mutex_unlock(&t.sync.lock);
    for (int i = 0; i < 20; i++)
        assert_int_equal(answer_wait(&o[i]), 0);
    assert_int_equal(loopback_requests(t.w.server), 20);
    studio_close(&t);
}

static void a_dead_url_is_renewed_once(void **state)
{
    static const struct {
        const char *before, *after;
        int err, requests;
    } cases[] = {
        {"/expired", "/p.jpg", 0, 2},
        {"/gone", "/p.jpg", 0, 2},
        {"/expired", "/expired?again", -EACCES, 2},
        {"/p.jpg?Expires=1", "/p.jpg?Expires=99999999999", 0, 1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct studio t;
        struct answer o;
        studio_open(&t, cdn);
        asset_at(&t, "a1", cases[i].before);
        url_of(&t, t.sync.url, cases[i].after);
        fetch(&t, "a1", 9000, &o);
        assert_int_equal(answer_wait(&o), cases[i].err);
        assert_int_equal(t.sync.asked, 1);
        assert_int_equal(loopback_requests(t.w.server), cases[i].requests);
        studio_close(&t);
    }
}

static void a_renewal_that_fails_costs_only_what_needed_it(void **state)
{
    struct studio t;
    struct answer o;
    studio_open(&t, cdn);
    t.sync.err = -EAGAIN;
    asset_at(&t, "a1", "/expired");
    fetch(&t, "a1", 9000, &o);
    assert_int_equal(answer_wait(&o), -EAGAIN);
    asset_at(&t, "a1", "/p.jpg?Expires=1"); /* it works all the same */
    fetch(&t, "a1", 9000, &o);
    assert_int_equal(answer_wait(&o), 0);
    studio_close(&t);
}

/* ---- deadlines, cancelling, ending ---- */

static void whoever_joins_keeps_his_own_deadline(void **state)
{
    struct studio t;
    struct answer hasty, patient;
    studio_open(&t, cdn);
    asset_at(&t, "a1", "/slow.jpg");
    fetch(&t, "a1", 200, &hasty);
    fetch(&t, "a1", 9000, &patient);
    assert_int_equal(answer_wait(&hasty), -ETIMEDOUT);
    assert_false(answer_came(&patient));
    loopback_open(t.w.server, 100);
    assert_int_equal(answer_wait(&patient), 0);
    studio_close(&t);
}

static void who_joins_between_is_not_answered_at_the_last_ones(void **state)
{
    struct studio t;
    struct answer hasty, middling, patient;
    studio_open(&t, cdn);
    asset_at(&t, "a1", "/slow.jpg");
    fetch(&t, "a1", 200, &hasty);
    fetch(&t, "a1", 9000, &patient);
    fetch(&t, "a1", 400, &middling);
    assert_int_equal(answer_wait(&hasty), -ETIMEDOUT);
    assert_int_equal(answer_wait(&middling), -ETIMEDOUT);
    assert_false(answer_came(&patient));
    loopback_open(t.w.server, 100);
    assert_int_equal(answer_wait(&patient), 0);
    studio_close(&t);
}

/* Eight are under way, and as many may be. */
static void who_waits_for_his_turn_has_a_deadline_too(void **state)
{
    struct studio t;
    struct answer slow[8], hasty, patient;
    char id[8];
    studio_open(&t, cdn);
    for (int i = 0; i < 8; i++) {
        snprintf(id, sizeof(id), "s%d", i);
        asset_at(&t, id, "/slow.jpg");
        fetch(&t, id, 9000, &slow[i]);
    }
    asset_at(&t, "a1", "/p.jpg");
    asset_at(&t, "a2", "/p.jpg");
    fetch(&t, "a1", 200, &hasty);
    fetch(&t, "a2", 9000, &patient);
    assert_int_equal(answer_wait(&hasty), -ETIMEDOUT);
    assert_false(answer_came(&slow[0]));
    loopback_open(t.w.server, 100);
    assert_int_equal(answer_wait(&patient), 0);
    for (int i = 0; i < 8; i++)
        assert_int_equal(answer_wait(&slow[i]), 0);
    assert_int_equal(loopback_requests(t.w.server), 9);
    studio_close(&t);
}

static void a_cancelled_waiter_is_not_called(void **state)
{
    struct studio t;
    struct answer leaving, staying;
    studio_open(&t, cdn);
    asset_at(&t, "a1", "/slow.jpg");
    uint64_t ticket = fetch(&t, "a1", 9000, &leaving);
    fetch(&t, "a1", 9000, &staying);
    assert_true(media_cancel(t.media, ticket));
    assert_false(media_cancel(t.media, ticket));
    loopback_open(t.w.server, 100);
    assert_int_equal(answer_wait(&staying), 0);
    studio_close(&t);
    assert_int_equal(leaving.calls, 0);
}

static void more_than_eight_take_turns(void **state)
{
    struct studio t;
    struct answer o[30];
    char id[16], path[32];
    studio_open(&t, cdn);
    for (int i = 0; i < 30; i++) {
        snprintf(id, sizeof(id), "s%d", i);
        snprintf(path, sizeof(path), "/slow%d.jpg", i);
        asset_at(&t, id, path);
        fetch(&t, id, 9000, &o[i]);
    }
    loopback_wait_requests(t.w.server, 8);
    loopback_open(t.w.server, 100);
    for (int i = 0; i < 30; i++)
        assert_int_equal(answer_wait(&o[i]), 0);
    assert_int_equal(loopback_requests(t.w.server), 30);
    studio_close(&t);
}

static void freeing_answers_everyone(void **state)
{
    struct studio t;
    struct answer o[20], renewing;
    char id[16];
    studio_open(&t, cdn);
    t.sync.hold = true;
    asset_at(&t, "a1", "/expired");
    fetch(&t, "a1", 9000, &renewing);
    wait_asked(&t.sync, 1);
    for (int i = 0; i < 20; i++) {
        snprintf(id, sizeof(id), "s%d", i);
        asset_at(&t, id, "/slow.jpg");
        fetch(&t, id, 9000, &o[i]);
    }
    loopback_wait_requests(t.w.server, 2);
    studio_close(&t);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(o[i].calls, 1);
        assert_true(o[i].err == -ESHUTDOWN || o[i].err == -ECANCELED);
    }
    assert_int_equal(renewing.calls, 1);
    assert_int_equal(renewing.err, -ESHUTDOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_picture_is_fetched_once_and_kept),
        cmocka_unit_test(many_askers_cost_one_request),
        cmocka_unit_test(what_has_no_picture_is_absent),
        cmocka_unit_test(bytes_belong_to_the_url_that_they_came_from),
        cmocka_unit_test(what_is_no_picture_is_refused),
        cmocka_unit_test(what_finds_no_room_comes_again_alone),
        cmocka_unit_test(what_the_bytes_are_outlives_them),
        cmocka_unit_test(who_must_renew_takes_no_turn),
        cmocka_unit_test(a_dead_url_is_renewed_once),
        cmocka_unit_test(a_renewal_that_fails_costs_only_what_needed_it),
        cmocka_unit_test(whoever_joins_keeps_his_own_deadline),
        cmocka_unit_test(who_joins_between_is_not_answered_at_the_last_ones),
        cmocka_unit_test(who_waits_for_his_turn_has_a_deadline_too),
        cmocka_unit_test(a_cancelled_waiter_is_not_called),
        cmocka_unit_test(more_than_eight_take_turns),
        cmocka_unit_test(freeing_answers_everyone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
