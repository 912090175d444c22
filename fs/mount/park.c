/* SPDX-License-Identifier: MIT */
/*
 * park.c - requests that wait; and why no process that uses the mount can
 * become unkillable.
 *
 * A process that waits for a FUSE reply sleeps interruptibly until a signal
 * comes. Then the kernel sends INTERRUPT and waits for the reply, and until
 * that comes nothing, not even SIGKILL, reaches the process. Others wait in
 * the same way for the name or the directory that such a request has locked.
 * So everything depends on replies:
 *
 *   1. Each request that may wait for the network is parked here. It has a
 *      deadline, which sync or media keeps, and INTERRUPT answers it with
 *      EINTR at once. A request that is answered without parking needs only
 *      memory, processor and the cache's disk.
 *  2. The threads that reply never wait for the network, nor for a lock that is
 *     held over I/O, a reply or a notification.
 *   3. Notifications can wait in the kernel for a directory that a request has
 *      locked. They have a thread of their own, which holds no lock meanwhile.
 *      With delete= another process writes them (notifier.h), so that the
 *      thread can be killed while one waits.
 *   4. At the end parked requests are answered (park_close) and notifications
 *      stopped while there are still threads that reply; then the threads end.
 *  5. When the daemon dies, however, its device closes and the kernel ends all
 *     requests itself. The device isn't handed on: every descriptor is
 *     close-on-exec.
 *   6. The daemon never uses its own mount: it starts in "/", and a cache
 *      below the mount point is refused (service.c).
 *
 * tests/test_endings.py tries it at each stage.
 */
#include "mount/park.h"

#include <errno.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "mount/mount.h"

enum parked_state {
    PARKED_ASKING, /* its question is being asked; nobody else may end it */
    PARKED_WAITING,
    PARKED_READY
};

/* Which module was asked, and can cancel. */
enum ticket_kind { TICKET_SYNC, TICKET_MEDIA, TICKET_CHANGE, TICKET_NOTIFY };

/* Everything but `request` is guarded by the park's lock. */
struct parked {
    struct request request;
    struct park *park;
    TAILQ_ENTRY(parked) link; /* among those that wait, or are ready */
    enum parked_state state;
    bool answered;    /* while ASKING */
    bool interrupted; /* while ASKING */
    enum ticket_kind kind;
    uint64_t ticket;
    int answer;
    struct media_file *file;
    char *name, *text;
    char words[256];
};

TAILQ_HEAD(parked_list, parked);

struct park {
    pthread_mutex_t lock; /* guards the lists, count, closed */
    pthread_cond_t idle;  /* nobody waits any more */
    struct parked_list waiting, ready;
    size_t count; /* on `waiting` */
    bool closed;
    _Atomic size_t ready_count;
    struct sync *sync;
    struct media *media;
    park_wake_fn *wake;
    void *ctx;
};

int park_new(struct sync *sync, struct media *media, park_wake_fn *wake,
             void *ctx, struct park **ret_park)
{
    struct park *p = calloc(1, sizeof(*p));
    if (!p)
        return -ENOMEM;
    (void)pthread_mutex_init(&p->lock, NULL);
    (void)pthread_cond_init(&p->idle, NULL);
    TAILQ_INIT(&p->waiting);
    TAILQ_INIT(&p->ready);
    p->sync = sync;
    p->media = media;
    p->wake = wake;
    p->ctx = ctx;
    *ret_park = p;
    return 0;
}

void park_free(struct park *p)
{
    if (!p)
        return;
    (void)pthread_cond_destroy(&p->idle);
    (void)pthread_mutex_destroy(&p->lock);
    free(p);
}

void parked_free(struct request *r)
{
    if (!r || !r->parked)
        return;
    struct parked *k = r->parked;
    media_file_unref(k->request.file);
    free(k->name);
    free(k->text);
    free(k);
}

static void park_leave_waiting(struct park *p, struct parked *k)
{
    TAILQ_REMOVE(&p->waiting, k, link);
    p->count--;
    if (p->count == 0)
        (void)pthread_cond_broadcast(&p->idle);
}

static void park_make_ready(struct park *p, struct parked *k, int answer)
{
    park_leave_waiting(p, k);
    k->state = PARKED_READY;
    k->answer = answer;
    TAILQ_INSERT_TAIL(&p->ready, k, link);
    p->ready_count++;
    p->wake(p->ctx);
}

/* If it is too late to cancel, the answer is on its way and makes the request
 * ready itself. */
static void park_cancel(struct park *p, struct parked *k, int answer)
{
    bool cancelled = false;
    if (k->kind == TICKET_SYNC)
        cancelled = sync_cancel(p->sync, k->ticket);
    else if (k->kind == TICKET_MEDIA)
        cancelled = media_cancel(p->media, k->ticket);
    else if (k->kind == TICKET_CHANGE)
        cancelled = change_cancel(k->request.mount->change, k->ticket);
    else if (k->kind == TICKET_NOTIFY)
        cancelled = notify_cancel(k->request.mount->notify, k);
    if (cancelled)
        park_make_ready(p, k, answer);
}

static void park_on_answer(void *ctx, int err)
{
    struct parked *k = ctx;
    struct park *p = k->park;
    if (failpoint("park_error_lost"))
        err = 0;
    guard_mutex(&p->lock);
    if (k->state == PARKED_WAITING) {
        park_make_ready(p, k, err);
        return;
    }
    k->answered = true;
    k->answer = err;
}

static void park_on_picture(void *ctx, int err, struct media_file *file)
{
    struct parked *k = ctx;
    {
        guard_mutex(&k->park->lock);
        k->file = file;
    }
    park_on_answer(k, err);
}

static void park_on_changed(void *ctx, int err, const char *words)
{
    struct parked *k = ctx;
    {
        guard_mutex(&k->park->lock);
        (void)snprintf(k->words, sizeof(k->words), "%s", words);
    }
    park_on_answer(k, err);
}

/* libfuse calls this under the request's lock, also from within
 * fuse_req_interrupt_func: so no reply may be sent here. */
static void park_on_interrupt(fuse_req_t req, void *data)
{
    (void)req;
    struct parked *k = data;
    struct park *p = k->park;
    opcount_add(&k->request.mount->operations, FUSE_INTERRUPT);
    guard_mutex(&p->lock);
    if (failpoint("park_interrupt_lost"))
        return;
    if (k->state == PARKED_ASKING)
        k->interrupted = true;
    else if (k->state == PARKED_WAITING)
        park_cancel(p, k, -EINTR);
}

static char *park_copy_text(const char *text, bool *failed)
{
    char *copy = text ? strdup(text) : NULL;
    *failed |= text && !copy;
    return copy;
}

/* The request moves to the heap the first time it waits. */
static struct parked *park_move(struct request *r)
{
    if (r->parked)
        return r->parked;
    struct parked *k = calloc(1, sizeof(*k));
    if (!k)
        return NULL;
    bool failed = false;
    k->name = park_copy_text(r->name, &failed);
    k->text = park_copy_text(r->text, &failed);
    k->park = r->mount->park;
    k->request = *r;
    k->request.name = k->name;
    k->request.text = k->text;
    k->request.parked = k;
    if (!k->request.deadline_ms)
        k->request.deadline_ms = clock_mono_ms() + r->mount->timeout_ms;
    if (failed) {
        parked_free(&k->request);
        return NULL;
    }
    return k;
}

static int park_begin(struct request *r, enum ticket_kind kind,
                      struct parked **ret)
{
    struct parked *k = park_move(r);
    if (!k)
        return -ENOMEM;
    struct park *p = k->park;
    int err = 0;
    {
        guard_mutex(&p->lock);
        if (p->closed)
            err = -ESHUTDOWN;
        else if (p->count >= PARK_MAX)
            err = -EAGAIN;
        else
            TAILQ_INSERT_HEAD(&p->waiting, k, link);
        if (!err)
            p->count++;
        k->state = PARKED_ASKING;
        k->answered = k->interrupted = false;
        k->kind = kind;
    }
    if (err) {
        if (!r->parked)
            parked_free(&k->request);
        return err;
    }
    fuse_req_interrupt_func(k->request.req, park_on_interrupt, k);
    *ret = k;
    return 0;
}

/* Called after the question was asked. The request may be gone once this
 * returns. */
static int park_settle(struct request *r, struct parked *k, int err,
                       uint64_t ticket)
{
    struct park *p = k->park;
    if (err) {
        fuse_req_interrupt_func(k->request.req, NULL, NULL);
        {
            guard_mutex(&p->lock);
            park_leave_waiting(p, k);
        }
        if (!r->parked)
            parked_free(&k->request);
        return err;
    }
    guard_mutex(&p->lock);
    k->ticket = ticket;
    if (k->answered) {
        park_make_ready(p, k, k->answer);
        return REQUEST_PARKED;
    }
    k->state = PARKED_WAITING;
    if (p->closed)
        park_cancel(p, k, -ESHUTDOWN);
    else if (k->interrupted)
        park_cancel(p, k, -EINTR);
    return REQUEST_PARKED;
}

int park_ask(struct request *r, const struct sync_question *question)
{
    struct parked *k;
    uint64_t ticket = 0;
    int err = park_begin(r, TICKET_SYNC, &k);
    if (err)
        return err;
    k->request.asked |= 1u << question->want;
    err = sync_ask(k->park->sync, question, k->request.deadline_ms,
                   park_on_answer, k, &ticket);
    return park_settle(r, k, err, ticket);
}

int park_fetch(struct request *r, const char *id)
{
    struct parked *k;
    uint64_t ticket = 0;
    int err = park_begin(r, TICKET_MEDIA, &k);
    if (err)
        return err;
    k->request.fetches++;
    err = media_fetch(k->park->media, id, k->request.deadline_ms,
                      park_on_picture, k, &ticket);
    return park_settle(r, k, err, ticket);
}

int park_change(struct request *r, struct change *change,
                const struct change_question *question)
{
    struct parked *k;
    uint64_t ticket = 0;
    int err = park_begin(r, TICKET_CHANGE, &k);
    if (err)
        return err;
    k->request.asked |= REQUEST_ASKED_CHANGE;
    err = change_ask(change, question, k->request.deadline_ms, park_on_changed,
                     k, &ticket);
    return park_settle(r, k, err, ticket);
}

static void park_on_flushed(void *ctx)
{
    park_on_answer(ctx, 0);
}

int park_flush(struct request *r)
{
    struct parked *k;
    int err = park_begin(r, TICKET_NOTIFY, &k);
    if (err)
        return err;
    k->request.asked |= REQUEST_ASKED_FLUSH;
    err = notify_after(k->request.mount->notify, park_on_flushed, k);
    return park_settle(r, k, err, 0);
}

bool park_is_ready(const struct park *p)
{
    return p->ready_count > 0;
}

struct request *park_take(struct park *p)
{
    struct parked *k;
    {
        guard_mutex(&p->lock);
        k = TAILQ_FIRST(&p->ready);
        if (!k)
            return NULL;
        TAILQ_REMOVE(&p->ready, k, link);
        p->ready_count--;
    }
    /* Waits for an interrupt handler that is just looking at k. */
    fuse_req_interrupt_func(k->request.req, NULL, NULL);
    media_file_unref(k->request.file);
    k->request.file = steal_ptr(k->file);
    k->request.answer = k->answer;
    k->request.words = k->words;
    return &k->request;
}

void park_close(struct park *p)
{
    guard_mutex(&p->lock);
    p->closed = true;
    for (struct parked *k = TAILQ_FIRST(&p->waiting), *next; k; k = next) {
        next = TAILQ_NEXT(k, link);
        if (k->state == PARKED_WAITING)
            park_cancel(p, k, -ESHUTDOWN);
    }
    while (p->count > 0)
        (void)pthread_cond_wait(&p->idle, &p->lock);
}

size_t park_count(struct park *p)
{
    guard_mutex(&p->lock);
    return p->count;
}

/* An ioctl holds no lock: a notification that it waits for must not be
 * postponed because of it. */
static bool park_holds_lock(const struct request *r, uint64_t directory)
{
    return r->ino == directory && r->operation != FS_COMMAND;
}

bool park_holds(struct park *p, uint64_t directory)
{
    guard_mutex(&p->lock);
    const struct parked_list *lists[] = {&p->waiting,
                                         &p->ready}; /* unanswered */
    for (size_t i = 0; i < array_count(lists); i++) {
        const struct parked *k;
        TAILQ_FOREACH(k, lists[i], link)
        if (park_holds_lock(&k->request, directory))
            return true;
    }
    return false;
}
