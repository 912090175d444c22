/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api_world.h"
#include "range.h"

struct reply {
    struct answer answer;
    int status;
    bool maybe_done;
    char words[256];
};

static void on_reply(void *ctx, int err, const struct api_reply *said)
{
    struct reply *o = ctx;
    pthread_mutex_lock(&o->answer.lock);
    o->status = said->status;
    o->maybe_done = said->maybe_done;
    snprintf(o->words, sizeof(o->words), "%s", said->words);
    answer_come(&o->answer, err, NULL);
    pthread_mutex_unlock(&o->answer.lock);
}

static void write_start(struct world *w, const struct api_writing *writing,
                        int64_t within_ms, struct reply *o)
{
    answer_init(&o->answer);
    assert_int_equal(api_write(w->api, writing, clock_mono_ms() + within_ms,
                               on_reply, o, NULL),
                     0);
}

static const struct api_writing a_tag = {
    .method = "PATCH",
    .path = "/assets/a1/user-metadata",
    .json = "{\"user_metadata\":{\"k\":1}}",
    .category = API_TAGS,
    .cause = API_CAUSE_TAG,
};
static const struct api_writing a_deletion = {
    .method = "DELETE",
    .path = "/assets/a1",
    .category = API_DELETIONS,
    .cause = API_CAUSE_DELETE,
};
static const struct api_writing a_creation = {
    .method = "POST",
    .path = "/assets",
    .json = "{}",
    .category = API_TAGS,
    .cause = API_CAUSE_TAG,
    .once = true,
};

static int write_one(struct world *w, const struct api_writing *writing,
                     struct reply *o)
{
    write_start(w, writing, 20000, o);
    return answer_wait(&o->answer);
}

/* The body is taken off the connection, so that the next request is one. */
static void take_body(int fd, const char *request)
{
    const char *at = strcasestr(request, "\r\nContent-Length:");
    size_t left =
        at ? strtoul(at + strlen("\r\nContent-Length:"), NULL, 10) : 0;
    char byte;
    while (left > 0 && recv(fd, &byte, 1, 0) == 1)
        left--;
}

/* What the server says, one head after another; the last one for good. */
static const char *const *script;

static bool say_script(struct loopback *s, int fd, int number, const char *r)
{
    int i = 0;
    take_body(fd, r);
    while (i < number && script[i + 1])
        i++;
    if (!script[i][0])
        return false; /* taken, not answered */
    const char *body = strchr(script[i], '|');
    char head[256];
    snprintf(head, sizeof(head), "%.*s", (int)(body - script[i]), script[i]);
    loopback_reply(fd, body + 1, "HTTP/1.1 %s\r\n", head);
    return true;
}

static void world_says(struct world *w, const char *const *says)
{
    script = says;
    world_open(w, say_script, 600);
}

static void a_change_carries_method_body_and_key(void **state)
{
    static const char *const says[] = {"200 OK|{}", NULL};
    struct world w;
    struct reply o;
    world_says(&w, says);
    assert_int_equal(write_one(&w, &a_tag, &o), 0);
    assert_int_equal(o.status, 200);
    const char *asked = w.server->log[0];
    assert_non_null(
        strstr(asked, "PATCH /v1.3/assets/a1/user-metadata HTTP/1.1\r\n"));
    assert_non_null(strstr(asked, "\r\nx-api-key: " KEY "\r\n"));
    assert_non_null(strstr(asked, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(asked, "\r\nContent-Length: 25\r\n"));
    world_close(&w);
}

static void every_2xx_is_a_success_but_for_a_web_page(void **state)
{
    static const char *const all[][2] = {
        {"200 OK|"}, {"200 OK|{}"}, {"201 Created|{}"}, {"202 Accepted|"}};
    struct world w;
    struct reply o;
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        world_says(&w, all[i]);
        assert_int_equal(write_one(&w, &a_deletion, &o), 0);
        assert_int_equal(loopback_requests(w.server), 1);
        world_close(&w);
    }
    static const char *const portal[] = {
        "200 OK\r\nContent-Type: text/html|<p>Log in", "200 OK|<p>Log in",
        "204 No Content|", NULL};
    world_says(&w, portal);
    assert_int_equal(write_one(&w, &a_tag, &o), 0);
    assert_int_equal(loopback_requests(w.server), 3);
    world_close(&w);
}

static void refusals_are_told_apart_and_not_repeated(void **state)
{
    static const struct {
        const char *says;
        int err;
    } all[] = {
        {"400 Bad|{\"code\":\"parameter_invalid\",\"message\":\"no such "
         "type\"}",
         -EINVAL},
        {"400 Bad|{\"code\":\"usage_limit_exceeded\",\"message\":\"m\"}",
         -EDQUOT},
        {"400 Bad|{\"code\":\"video_filesize_too_large\"}", -EFBIG},
        {"401 No|{}", -EACCES},
        {"402 Pay|", -EDQUOT},
        {"403 No|", -EACCES},
        {"404 Gone|", -ENOENT},
        {"409 Used|{\"message\":\"indexed\"}", -EBUSY},
        {"413 Large|<html>", -EFBIG},
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        const char *const says[] = {all[i].says, NULL};
        struct world w;
        struct reply o;
        world_says(&w, says);
        assert_int_equal(write_one(&w, &a_deletion, &o), all[i].err);
        assert_false(o.maybe_done);
        assert_true(o.words[0]);
        assert_int_equal(loopback_requests(w.server), 1);
        if (i == 0)
            assert_non_null(strstr(o.words, "no such type"));
        world_close(&w);
    }
}

static void what_is_harmless_is_repeated_until_it_is_done(void **state)
{
    static const char *const says[] = {
        "500 Oops|", "", "429 Slow\r\nretry-after-ms: 1|", "200 OK|", NULL};
    struct world w;
    struct reply o;
    world_says(&w, says);
    assert_int_equal(write_one(&w, &a_tag, &o), 0);
    /* libcurl may have sent one of them again by itself */
    assert_true(loopback_requests(w.server) >= 4);
    assert_false(o.maybe_done);
    world_close(&w);
}

static void what_may_be_done_is_not_sent_again(void **state)
{
    static const char *const all[] = {"500 Oops|", "408 Late|", "",
                                      "503 Busy\r\nRetry-After: 0|"};
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        const char *const says[] = {all[i], NULL};
        struct world w;
        struct reply o;
        world_says(&w, says);
        assert_true(write_one(&w, &a_creation, &o) < 0);
        assert_true(o.maybe_done);
        assert_int_equal(loopback_requests(w.server), 1);
        world_close(&w);
    }
}

static void what_was_refused_for_its_rate_is_sent_again(void **state)
{
    static const char *const says[] = {"429 Slow\r\nretry-after-ms: 1|",
                                       "201 Created|{}", NULL};
    struct world w;
    struct reply o;
    world_says(&w, says);
    assert_int_equal(write_one(&w, &a_creation, &o), 0);
    assert_int_equal(loopback_requests(w.server), 2);
    world_close(&w);
}

/* 429 to what changes, pages to who reads. */
static bool refuse_changes(struct loopback *s, int fd, int number,
                           const char *r)
{
    take_body(fd, r);
    if (strncmp(r, "GET ", 4) != 0)
        loopback_reply(fd, "", "HTTP/1.1 429 Slow\r\nRetry-After: 86400\r\n");
    else
        loopback_reply(fd, "{\"data\":[],\"page_info\":{\"total_results\":0}}",
                       "HTTP/1.1 200 OK\r\n");
    return true;
}

static void a_limit_on_changes_is_none_on_lists(void **state)
{
    struct world w;
    struct reply o;
    struct answer page;
    world_open(&w, refuse_changes, 600);
    assert_int_equal(write_one(&w, &a_tag, &o), -EAGAIN);
    assert_int_equal(get_page(&w, 5000), 0);
    ask_page(&w, 1, API_BACKGROUND, 5000, &page);
    assert_int_equal(answer_wait(&page), 0);
    /* and one category's is none on the other */
    int before = loopback_requests(w.server);
    assert_int_equal(write_one(&w, &a_deletion, &o), -EAGAIN);
    assert_int_equal(loopback_requests(w.server), before + 1);
    struct api_stats stats;
    api_stats(w.api, &stats);
    assert_int_equal(stats.last_error, 0);
    assert_int_equal(stats.throttled, 2);
    world_close(&w);
}

static void trouble_with_changes_is_none_with_the_host(void **state)
{
    static const char *const says[] = {"501 No|", NULL};
    struct world w;
    struct reply o;
    world_says(&w, says);
    for (int i = 0; i < 2 * API_CIRCUIT_FAILURES; i++)
        assert_int_equal(write_one(&w, &a_creation, &o), -EIO);
    struct api_stats stats;
    api_stats(w.api, &stats);
    assert_false(stats.circuit_open);
    world_close(&w);
}

/* More at once than a minute may have: those that would be late say so. */
static void deletions_keep_their_pace(void **state)
{
    enum { COUNT = 12 };
    static const char *const says[] = {"204 No Content|", NULL};
    static struct reply o[COUNT];
    struct world w;
    int done = 0, late = 0;
    world_says(&w, says); /* delete_rpm isn't given: one a minute */
    for (int i = 0; i < COUNT; i++)
        write_start(&w, &a_deletion, 10000, &o[i]);
    for (int i = 0; i < COUNT; i++) {
        int err = answer_wait(&o[i].answer);
        done += err == 0;
        late += err == -EAGAIN;
    }
    assert_int_equal(done, 1);
    assert_int_equal(late, COUNT - 1);
    assert_int_equal(loopback_requests(w.server), 1);
    world_close(&w);
}

/* One a minute: the second waits for its turn, which never comes. */
static void what_waits_can_be_withdrawn(void **state)
{
    static const char *const says[] = {"204 No Content|", NULL};
    struct world w;
    struct reply first, second;
    uint64_t ticket;
    world_says(&w, says);
    assert_int_equal(write_one(&w, &a_deletion, &first), 0);
    answer_init(&second.answer);
    assert_int_equal(api_write(w.api, &a_deletion, clock_mono_ms() + 100000,
                               on_reply, &second, &ticket),
                     0);
    api_withdraw(w.api, ticket);
    assert_int_equal(answer_wait(&second.answer), -ECANCELED);
    assert_false(second.maybe_done);
    assert_int_equal(loopback_requests(w.server), 1);
    api_withdraw(w.api, ticket); /* it is none any more */
    world_close(&w);
}

static void an_absence_is_the_apis_to_state(void **state)
{
    static const char *const portal[] = {"404 Not Found|<p>Not here",
                                         "204 No Content|", NULL};
    static const char *const own[] = {"404 Not Found|{\"code\":\"c\"}", NULL};
    struct world w;
    struct reply o;
    world_says(&w, own);
    assert_int_equal(write_one(&w, &a_deletion, &o), -ENOENT);
    world_close(&w);
    world_says(&w, portal);
    assert_int_equal(write_one(&w, &a_tag, &o), 0);
    assert_int_equal(loopback_requests(w.server), 2);
    world_close(&w);
}

static void the_key_is_not_in_the_words(void **state)
{
    static const char *const says[] = {
        "400 Bad|{\"code\":\"c\",\"message\":\"bad key " KEY " used\"}", NULL};
    struct world w;
    struct reply o;
    world_says(&w, says);
    assert_int_equal(write_one(&w, &a_tag, &o), -EINVAL);
    assert_null(strstr(o.words, KEY));
    assert_non_null(strstr(o.words, "bad key "));
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_carries_method_body_and_key),
        cmocka_unit_test(every_2xx_is_a_success_but_for_a_web_page),
        cmocka_unit_test(refusals_are_told_apart_and_not_repeated),
        cmocka_unit_test(what_is_harmless_is_repeated_until_it_is_done),
        cmocka_unit_test(what_may_be_done_is_not_sent_again),
        cmocka_unit_test(what_was_refused_for_its_rate_is_sent_again),
        cmocka_unit_test(a_limit_on_changes_is_none_on_lists),
        cmocka_unit_test(trouble_with_changes_is_none_with_the_host),
        cmocka_unit_test(deletions_keep_their_pace),
        cmocka_unit_test(what_waits_can_be_withdrawn),
        cmocka_unit_test(an_absence_is_the_apis_to_state),
        cmocka_unit_test(the_key_is_not_in_the_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
