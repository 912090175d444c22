/* SPDX-License-Identifier: MIT */
/*
 * http.c - one thread that drives one curl multi handle.
 *
 * A request is a job: submitted into `inbox` by any thread, started from there
 * by the http thread, then in `active` until it ends by an answer, its deadline
 * or a cancellation. The thread sleeps in curl_multi_poll until a socket is
 * ready, a deadline comes, the tick is due, or curl_multi_wakeup is called for
 * a new job.
 */
#include "wire/http.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/asset.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/thread.h"
#include "wire/http_internal.h"

#define IDLE_HANDLES        16
#define POLL_MAX_MS         60000
#define POLL_AFTER_ERROR_MS 100

struct http_job {
    TAILQ_ENTRY(http_job) link; /* protected by http.lock */
    bool cancelled;             /* protected by http.lock */
    uint64_t ticket;
    int64_t deadline_ms;
    http_done_fn *done;
    void *ctx;
    bool in_multi; /* the http thread's */
    struct http_transfer transfer;
};

TAILQ_HEAD(job_list, http_job);

struct http {
    pthread_mutex_t lock;
    struct job_list inbox;  /* under lock: submitted, not yet started */
    struct job_list active; /* under lock: started */
    size_t live;            /* under lock: jobs in both lists */
    uint64_t last_ticket;   /* under lock */
    bool stopping;          /* under lock */
    http_tick_fn *tick;     /* under lock; NULL: nobody needs time */
    void *tick_ctx;         /* under lock */
    int64_t tick_due_ms;    /* under lock */

    struct http_limits limits;
    struct http_environment environment;
    CURLM *multi;             /* the http thread's; curl_multi_wakeup: any */
    CURL *idle[IDLE_HANDLES]; /* the http thread's */
    size_t idle_count;
    pthread_t thread;
};

/* The http thread. */

static CURL *take_handle(struct http *h)
{
    return h->idle_count > 0 ? h->idle[--h->idle_count] : curl_easy_init();
}

static void give_handle(struct http *h, CURL *easy)
{
    curl_easy_reset(easy);
    if (h->idle_count < IDLE_HANDLES)
        h->idle[h->idle_count++] = easy;
    else
        curl_easy_cleanup(easy);
}

/* Answers a job that is in no list any more, and frees it. */
static void http_finish(struct http *h, struct http_job *job,
                        struct http_response *response)
{
    CURL *easy = job->transfer.easy;
    if (job->in_multi)
        (void)curl_multi_remove_handle(h->multi, easy);
    if (easy)
        give_handle(h, easy);
    job->transfer.easy = NULL;
    job->done(job->ctx, response);
    transfer_done(&job->transfer);
    free(job);
}

static void http_finish_with(struct http *h, struct http_job *job, int err)
{
    struct http_response response;
    const char *text = err == -ETIMEDOUT ? "the deadline passed"
                       : err == -ENOMEM  ? "out of memory"
                                         : "cancelled";
    transfer_result_of(&job->transfer, err, text, &response);
    http_finish(h, job, &response);
}

static void unlink_active(struct http *h, struct http_job *job)
{
    guard_mutex(&h->lock);
    TAILQ_REMOVE(&h->active, job, link);
    h->live--;
}

static void http_start(struct http *h, struct http_job *job)
{
    CURL *easy = take_handle(h);
    int err = easy ? 0 : -ENOMEM;
    if (!err) {
        err =
            transfer_attach(&job->transfer, easy, &h->limits, &h->environment);
        if (err)
            give_handle(h, easy);
    }
    if (!err && (curl_easy_setopt(easy, CURLOPT_PRIVATE, job) ||
                 curl_multi_add_handle(h->multi, easy)))
        err = -ENOMEM;
    if (!err) {
        job->in_multi = true;
        return;
    }
    unlink_active(h, job);
    http_finish_with(h, job, err);
}

static struct http_job *take_new(struct http *h)
{
    guard_mutex(&h->lock);
    struct http_job *job = TAILQ_FIRST(&h->inbox);
    if (!job)
        return NULL;
    TAILQ_REMOVE(&h->inbox, job, link);
    TAILQ_INSERT_TAIL(&h->active, job, link);
    return job;
}

/* The next job that was cancelled, or whose deadline is now or before; NULL:
 * none is left. */
static struct http_job *http_take_ended(struct http *h, int64_t now_ms,
                                        bool all)
{
    struct http_job *job;
    guard_mutex(&h->lock);
    TAILQ_FOREACH(job, &h->active, link)
    if (all || job->cancelled || job->deadline_ms <= now_ms)
        break;
    if (!job)
        return NULL;
    TAILQ_REMOVE(&h->active, job, link);
    h->live--;
    return job;
}

static void end_overdue(struct http *h, bool all)
{
    int64_t now_ms = clock_mono_ms();
    struct http_job *job;
    while ((job = http_take_ended(h, now_ms, all))) {
        bool cancelled = all || job->cancelled;
        http_finish_with(h, job, cancelled ? -ECANCELED : -ETIMEDOUT);
    }
}

/* On to where a redirect leads; false: the answer is the last one. */
static bool http_follow(struct http *h, struct http_job *job)
{
    CURL *easy = job->transfer.easy;
    if (!transfer_follow(&job->transfer))
        return false;
    (void)curl_multi_remove_handle(h->multi, easy);
    job->in_multi = !curl_multi_add_handle(h->multi, easy);
    if (!job->in_multi)
        job->transfer.abort_error = -ENOMEM;
    return job->in_multi;
}

static void take_result(struct http *h, struct http_job *job, CURLcode code)
{
    struct http_response response;
    if (code == CURLE_OK && http_follow(h, job))
        return;
    transfer_result(&job->transfer, code, &response);
    unlink_active(h, job);
    http_finish(h, job, &response);
}

static void take_results(struct http *h)
{
    int left = 0;
    CURLMsg *message;
    while ((message = curl_multi_info_read(h->multi, &left))) {
        char *private = NULL;
        CURLcode code = message->data.result;
        if (message->msg != CURLMSG_DONE ||
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE,
                              &private) ||
            !private)
            continue;
        take_result(h, (struct http_job *)(void *)private, code);
    }
}

static void http_run_tick(struct http *h)
{
    http_tick_fn *fn = NULL;
    void *ctx = NULL;
    {
        guard_mutex(&h->lock);
        if (h->tick && h->tick_due_ms <= clock_mono_ms()) {
            fn = h->tick;
            ctx = h->tick_ctx;
            h->tick_due_ms = CLOCK_NEVER_MS;
        }
    }
    if (!fn)
        return;
    int64_t due_ms = fn(ctx);
    guard_mutex(&h->lock);
    if (due_ms < h->tick_due_ms)
        h->tick_due_ms = due_ms;
}

/* How long the thread may sleep; ret_stop: it should end. */
static int next_event_ms(struct http *h, bool *ret_stop)
{
    int64_t now_ms = clock_mono_ms();
    int64_t next_ms = now_ms + POLL_MAX_MS;
    guard_mutex(&h->lock);
    *ret_stop = h->stopping;
    const struct http_job *j;
    TAILQ_FOREACH(j, &h->active, link)
    {
        if (j->cancelled)
            return 0;
        if (j->deadline_ms < next_ms)
            next_ms = j->deadline_ms;
    }
    if (!TAILQ_EMPTY(&h->inbox))
        return 0;
    if (h->tick && h->tick_due_ms < next_ms)
        next_ms = h->tick_due_ms;
    return next_ms > now_ms ? (int)(next_ms - now_ms) : 0;
}

static void end_everything(struct http *h)
{
    while (take_new(h))
        ;
    end_overdue(h, true);
    while (h->idle_count > 0)
        curl_easy_cleanup(h->idle[--h->idle_count]);
}

static void *http_run(void *ctx)
{
    struct http *h = ctx;
    for (;;) {
        struct http_job *job;
        int running = 0;
        bool stop = false;
        while ((job = take_new(h)))
            http_start(h, job);
        CURLMcode code = curl_multi_perform(h->multi, &running);
        take_results(h);
        end_overdue(h, false);
        http_run_tick(h);
        int wait_ms = next_event_ms(h, &stop);
        if (stop)
            break;
        if (code != CURLM_OK && wait_ms < POLL_AFTER_ERROR_MS)
            wait_ms = POLL_AFTER_ERROR_MS;
        (void)curl_multi_poll(h->multi, NULL, 0, wait_ms, NULL);
    }
    end_everything(h);
    return NULL;
}

/* Making and freeing. */

static void init_curl(void)
{
    /* Never undone: another user of curl in this process may be left. */
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* CURLMOPT_QUICK_EXIT of libcurl 8.20, by number, since the headers may be
 * older than the library: without it, curl_multi_cleanup waits for lookups
 * that hang. A library that doesn't know it says so, and has no such wait. */
#define MULTI_QUICK_EXIT ((CURLMoption)21)

static bool set_limits(struct http *h)
{
    (void)curl_multi_setopt(h->multi, MULTI_QUICK_EXIT, 1L);
    return curl_multi_setopt(h->multi, CURLMOPT_MAX_HOST_CONNECTIONS,
                             (long)h->limits.max_host_connections) ||
           curl_multi_setopt(h->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS,
                             (long)h->limits.max_connections) ||
           curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS,
                             (long)h->limits.max_connections) ||
           curl_multi_setopt(h->multi, CURLMOPT_PIPELINING,
                             (long)CURLPIPE_MULTIPLEX);
}

static void http_destroy(struct http *h)
{
    if (h->multi)
        (void)curl_multi_cleanup(h->multi);
    http_environment_done(&h->environment);
    (void)pthread_mutex_destroy(&h->lock);
    free(h);
}

int http_new(const struct http_limits *limits, struct http **ret_http)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, init_curl);

    struct http *h = calloc(1, sizeof(*h));
    if (!h)
        return -ENOMEM;
    TAILQ_INIT(&h->inbox);
    TAILQ_INIT(&h->active);
    h->limits = *limits;
    (void)pthread_mutex_init(&h->lock, NULL);
    int err = http_environment_read(&h->environment);
    if (!err)
        h->multi = curl_multi_init();
    if (!err)
        err = h->multi && !set_limits(h) ? thread_start(&h->thread, http_run, h)
                                         : -ENOMEM;
    if (err) {
        http_destroy(h);
        return err;
    }
    *ret_http = h;
    return 0;
}

void http_free(struct http *h)
{
    if (!h)
        return;
    {
        guard_mutex(&h->lock);
        h->stopping = true;
    }
    (void)curl_multi_wakeup(h->multi);
    (void)pthread_join(h->thread, NULL);
    assert(!h->live && !h->tick);
    http_destroy(h);
}

/* Requests. */

static void free_job(struct http_job *job)
{
    transfer_done(&job->transfer);
    free(job);
}

static int http_enqueue(struct http *h, struct http_job *job,
                        uint64_t *ret_ticket)
{
    guard_mutex(&h->lock);
    if (h->stopping)
        return -ESHUTDOWN;
    if (h->live >= HTTP_MAX_LIVE)
        return -ENOMEM;
    job->ticket = ++h->last_ticket;
    /* under the lock: the answer may come before we return */
    if (ret_ticket)
        *ret_ticket = job->ticket;
    TAILQ_INSERT_TAIL(&h->inbox, job, link);
    h->live++;
    return 0;
}

/* A line break within one would make two, and the second anything. */
static bool are_lines(const char *const *headers)
{
    for (; headers && *headers; headers++)
        if (strpbrk(*headers, "\r\n"))
            return false;
    return true;
}

int http_submit(struct http *h, const struct http_request *request,
                http_done_fn *done, void *ctx, uint64_t *ret_ticket)
{
    if (!request->url ||
        !asset_url_is_clean(request->url, strlen(request->url)) ||
        !are_lines(request->headers))
        return -EINVAL;
    struct http_job *job = calloc(1, sizeof(*job));
    if (!job)
        return -ENOMEM;
    job->deadline_ms = request->deadline_ms;
    job->done = done;
    job->ctx = ctx;
    int err = transfer_init(&job->transfer, request, ctx);
    if (!err)
        err = http_enqueue(h, job, ret_ticket);
    if (err) {
        free_job(job);
        return err;
    }
    (void)curl_multi_wakeup(h->multi);
    return 0;
}

static struct http_job *http_find_job(const struct job_list *list,
                                      uint64_t ticket)
{
    struct http_job *job;
    TAILQ_FOREACH(job, list, link)
    if (job->ticket == ticket)
        break;
    return job;
}

void http_cancel(struct http *h, uint64_t ticket)
{
    {
        guard_mutex(&h->lock);
        struct http_job *job = http_find_job(&h->active, ticket);
        if (!job)
            job = http_find_job(&h->inbox, ticket);
        if (!job)
            return;
        job->cancelled = true;
    }
    (void)curl_multi_wakeup(h->multi);
}

/* The tick. */

void http_attach(struct http *h, http_tick_fn *fn, void *ctx)
{
    guard_mutex(&h->lock);
    assert(!h->tick);
    h->tick = fn;
    h->tick_ctx = ctx;
    h->tick_due_ms = CLOCK_NEVER_MS;
}

void http_detach(struct http *h)
{
    guard_mutex(&h->lock);
    h->tick = NULL;
}

void http_call_by(struct http *h, int64_t due_ms)
{
    {
        guard_mutex(&h->lock);
        if (due_ms >= h->tick_due_ms)
            return;
        h->tick_due_ms = due_ms;
    }
    (void)curl_multi_wakeup(h->multi);
}

const char *http_library_version(void)
{
    return curl_version_info(CURLVERSION_NOW)->version;
}
