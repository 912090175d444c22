/* SPDX-License-Identifier: MIT */
/*
 * upload.c - the uploading thread, and who begins and ends it.
 *
 * The thread sleeps until something is there for it: an event in the folder, an
 * answer, an end of waiting. Then it looks through the folder if need be, takes
 * what was answered, and asks each item for its next step.
 *
 * Shutdown: the thread ends first; freeing the api brings the answers of all
 * requests, into a queue that nobody reads any more; then what they borrowed
 * goes.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "upload/upload_internal.h"

#define SCAN_EVERY_MS      60000
#define TIDY_EVERY_MS      60000
#define CONNECTIONS        16
#define HOST_CONNECTIONS   8
#define CONNECT_TIMEOUT_MS 10000

/* ---- the thread ---- */

static void upload_scan(struct upload *u, int64_t now_ms)
{
    struct watch_file *files = NULL;
    size_t count = 0;
    u->scan_due_ms = now_ms + SCAN_EVERY_MS;
    int err = watch_scan(u->watch, &files, &count);
    if (!err)
        item_merge(u, files, count);
    watch_files_free(files, count);
    u->scanned_ms = clock_mono_ms();
    u->scan_took_ms = u->scanned_ms - now_ms;
    if (err && err != -ENOTCONN)
        log_warning("uploads: the folder can't be read: %s", strerror(-err));
}

static void upload_tidy(struct upload *u, int64_t now_ms)
{
    struct item *i = TAILQ_FIRST(&u->items), *next;
    int64_t now_s = clock_wall_s();
    u->tidy_due_ms = now_ms + TIDY_EVERY_MS;
    for (; i; i = next) {
        next = TAILQ_NEXT(i, link);
        if (!place_expire(u, i, now_s) || store_remove(u->store, i->r.number))
            continue;
        TAILQ_REMOVE(&u->items, i, link);
        item_free(u, i);
        u->changed = true;
    }
}

static void upload_dispatch(struct upload *u, struct transfer *t)
{
    struct item *i = t->item;
    if (!i)
        return;
    if (t->kind == TRANSFER_DIRECT)
        direct_answered(u, i, t);
    else if (t->kind == TRANSFER_LOOK)
        look_answered(u, i, t);
    else
        parts_answered(u, i, t);
}

static void upload_take_answers(struct upload *u)
{
    struct transfer *t;
    while ((t = transfer_take(u))) {
        upload_dispatch(u, t);
        transfer_free(t);
        u->changed = true;
    }
}

static void upload_take_key(struct upload *u)
{
    bool changed;
    {
        guard_mutex(&u->lock);
        changed = u->key_changed;
        u->key_changed = false;
    }
    if (changed)
        u->paused_until_ms = 0;
}

static void upload_turn(struct upload *u)
{
    int64_t now_ms = clock_mono_ms();
    struct item *i;
    u->next_ms = CLOCK_NEVER_MS;
    upload_take_key(u);
    upload_take_answers(u);
    if (watch_take_events(u->watch))
        upload_rescan(u);
    if (now_ms >= u->scan_due_ms)
        upload_scan(u, now_ms);
    if (now_ms >= u->tidy_due_ms)
        upload_tidy(u, now_ms);
    TAILQ_FOREACH(i, &u->items, link)
    item_step(u, i, now_ms);
    show_publish(u, now_ms);
    upload_wake_by(u, u->scan_due_ms);
    upload_wake_by(u, u->tidy_due_ms);
}

static void upload_sleep(struct upload *u)
{
    uint64_t count;
    int64_t left_ms = u->next_ms - clock_mono_ms();
    struct pollfd fds[] = {
        {.fd = u->event_fd, .events = POLLIN},
        {.fd = watch_event_fd(u->watch), .events = POLLIN},
    };
    if (left_ms < 0)
        left_ms = 0;
    if (left_ms > SCAN_EVERY_MS)
        left_ms = SCAN_EVERY_MS;
    (void)poll(fds, array_count(fds), (int)left_ms);
    if (read(u->event_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
        log_debug("uploads: eventfd: %s", strerror(errno));
}

static bool is_stopping(struct upload *u)
{
    guard_mutex(&u->lock);
    return u->stopping;
}

static void *upload_run(void *ctx)
{
    struct upload *u = ctx;
    while (!is_stopping(u)) {
        upload_turn(u);
        upload_sleep(u);
    }
    return NULL;
}

/* ---- life ---- */

static int upload_open_network(struct upload *u, const char *base_url,
                               const char *key)
{
    const struct http_limits limits = {
        .max_host_connections = HOST_CONNECTIONS,
        .max_connections = CONNECTIONS,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .idle_timeout_ms = u->config.timeout_ms,
    };
    const struct api_config config = {
        .base_url = base_url,
        .key = key,
        .timeout_ms = u->config.timeout_ms,
        .rpm = 60,
    };
    int err = http_new(&limits, &u->http);
    return err ? err : api_new(u->http, &config, &u->api);
}

static int explain(struct buf *error, const char *what, const char *path,
                   const char *why, int err)
{
    (void)buf_appendf(error, "upload=: %s%s%s", what, path,
                      why ? why : strerror(-err));
    return err;
}

static int upload_open(struct upload *u, struct buf *error)
{
    int err = watch_open(u->folder, &u->watch);
    if (err)
        return explain(error, u->folder, ": ",
                       err == -EBUSY ? "another twelvefs watches it" : NULL,
                       err);
    err = store_open(u->directory, &u->store);
    if (err)
        return explain(
            error, "the state of uploads, ", u->directory,
            err == -EBUSY     ? "/" STORE_NAME ": another twelvefs has it"
            : err == -EBADMSG ? "/" STORE_NAME
                                ": is damaged, or of another version; what was "
                                "under way is known nowhere else: look at the "
                                "account, and move the file away to begin anew"
                              : NULL,
            err);
    err = item_load(u);
    return err ? explain(error, "the state of uploads: ", "", NULL, err) : 0;
}

static int upload_copy(struct upload *u, const struct upload_config *config)
{
    u->config = *config;
    u->folder = strdup(config->folder);
    u->directory = strdup(config->directory);
    u->mountpoint = strdup(config->mountpoint);
    u->config.folder = u->folder;
    u->config.directory = u->directory;
    u->config.mountpoint = u->mountpoint;
    u->config.base_url = u->config.key = NULL;
    u->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (u->event_fd < 0)
        return -errno;
    return u->folder && u->directory && u->mountpoint ? 0 : -ENOMEM;
}

DEFINE_CLEANUP(free_upload, struct upload *, upload_free)

int upload_new(const struct upload_config *config, struct catalogue *catalogue,
               struct sync *sync, struct upload **ret_upload, struct buf *error)
{
    cleanup(free_upload) struct upload *u = calloc(1, sizeof(*u));
    if (!u)
        return explain(error, "", "", NULL, -ENOMEM);
    (void)pthread_mutex_init(&u->lock, NULL);
    (void)pthread_cond_init(&u->quiet, NULL);
    TAILQ_INIT(&u->queue);
    TAILQ_INIT(&u->items);
    u->catalogue = catalogue;
    u->sync = sync;
    u->changed = true;
    u->event_fd = -1;
    int err = upload_copy(u, config);
    if (!err)
        err = upload_open_network(u, config->base_url, config->key);
    if (err)
        return explain(error, "", "", NULL, err);
    err = upload_open(u, error);
    if (!err)
        *ret_upload = steal_ptr(u);
    return err;
}

int upload_start(struct upload *u)
{
    int err = thread_start(&u->thread, upload_run, u);
    u->started = !err;
    return err;
}

static void upload_stop(struct upload *u)
{
    const uint64_t one = 1;
    {
        guard_mutex(&u->lock);
        u->stopping = true;
    }
    if (write(u->event_fd, &one, sizeof(one)) < 0)
        log_debug("uploads: eventfd: %s", strerror(errno));
    if (u->started)
        (void)pthread_join(u->thread, NULL);
}

/* Sync's answer, if one is due. */
static void upload_end_question(struct upload *u)
{
    {
        guard_mutex(&u->lock);
        if (!u->asks)
            return;
    }
    if (sync_cancel(u->sync, u->asked))
        return;
    guard_mutex(&u->lock);
    while (u->asks)
        (void)pthread_cond_wait(&u->quiet, &u->lock);
}

static void upload_destroy_items(struct upload *u)
{
    struct item *i;
    while ((i = TAILQ_FIRST(&u->items))) {
        TAILQ_REMOVE(&u->items, i, link);
        item_free(u, i);
    }
}

static void upload_destroy_queue(struct upload *u)
{
    struct transfer *t;
    while ((t = TAILQ_FIRST(&u->queue))) {
        TAILQ_REMOVE(&u->queue, t, link);
        transfer_free(t);
    }
}

void upload_free(struct upload *u)
{
    if (!u)
        return;
    upload_stop(u);
    upload_end_question(u);
    upload_destroy_items(u);
    api_free(u->api);
    http_free(u->http);
    upload_destroy_queue(u);
    store_close(u->store);
    watch_close(u->watch);
    if (u->event_fd >= 0)
        (void)close(u->event_fd);
    buf_done(&u->list);
    free(u->folder);
    free(u->directory);
    free(u->mountpoint);
    (void)pthread_cond_destroy(&u->quiet);
    (void)pthread_mutex_destroy(&u->lock);
    free(u);
}

int upload_set_key(struct upload *u, const char *key)
{
    const uint64_t one = 1;
    int err = api_set_key(u->api, key);
    if (err)
        return err;
    guard_mutex(&u->lock);
    u->key_changed = true;
    if (write(u->event_fd, &one, sizeof(one)) < 0)
        log_debug("uploads: eventfd: %s", strerror(errno));
    return 0;
}
