/* SPDX-License-Identifier: MIT */
#include "park.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "clock.h"

/* How often the sockets of waiting clients are looked at. */
#define HANGUP_CHECK_MS 50

struct park {
    pthread_mutex_t lock; /* covers the list and flags */
    pthread_cond_t changed;
    struct parked head; /* ring */
    size_t count[3];
    bool kicked;
    bool stop;
    uint64_t releases;
    bool started;
    pthread_t thread;
};

static bool hung_up(const struct parked *entry)
{
    char byte;
    ssize_t n = recv(entry->socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

static void wake(struct park *p, struct parked *entry, enum park_end end)
{
    entry->prev->next = entry->next;
    entry->next->prev = entry->prev;
    p->count[entry->kind]--;
    entry->end = end;
    MHD_resume_connection(entry->connection);
}

/* Wakes who is due; returns when to look again. Lock held. */
static int64_t sweep(struct park *p, bool check_sockets)
{
    int64_t now = clock_ms(), next = PARK_FOREVER;
    struct parked *after;
    for (struct parked *e = p->head.next; e != &p->head; e = after) {
        after = e->next;
        if (e->kind == PARK_UNTIL && e->ready(e->ctx))
            wake(p, e, PARK_RELEASED);
        else if (e->deadline_ms <= now)
            wake(p, e, PARK_DUE);
        else if (check_sockets && hung_up(e))
            wake(p, e, PARK_GONE);
        else if (e->deadline_ms < next)
            next = e->deadline_ms;
    }
    return next;
}

static void wait_until(struct park *p, int64_t when_ms)
{
    struct timespec t = {when_ms / 1000, when_ms % 1000 * 1000000};
    if (when_ms == PARK_FOREVER)
        pthread_cond_wait(&p->changed, &p->lock);
    else
        pthread_cond_timedwait(&p->changed, &p->lock, &t);
}

static void *run(void *arg)
{
    struct park *p = arg;
    int64_t check_ms = 0;
    pthread_mutex_lock(&p->lock);
    while (!p->stop) {
        bool check = clock_ms() >= check_ms;
        if (check)
            check_ms = clock_ms() + HANGUP_CHECK_MS;
        p->kicked = false;
        int64_t next = sweep(p, check);
        if (p->head.next != &p->head && check_ms < next)
            next = check_ms;
        if (!p->kicked && !p->stop)
            wait_until(p, next);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

struct park *park_new(void)
{
    struct park *p = calloc(1, sizeof(*p));
    pthread_condattr_t attr;
    if (!p)
        return NULL;
    p->head.next = p->head.prev = &p->head;
    pthread_mutex_init(&p->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&p->changed, &attr);
    pthread_condattr_destroy(&attr);
    p->started = !pthread_create(&p->thread, NULL, run, p);
    if (!p->started) {
        park_free(p);
        return NULL;
    }
    return p;
}

void park_stop(struct park *p)
{
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    while (p->head.next != &p->head)
        wake(p, p->head.next, PARK_GONE);
    pthread_cond_signal(&p->changed);
    pthread_mutex_unlock(&p->lock);
    if (p->started)
        pthread_join(p->thread, NULL);
    p->started = false;
}

void park_free(struct park *p)
{
    if (!p)
        return;
    park_stop(p);
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

void park_add(struct park *p, struct parked *entry)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(
        entry->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    entry->socket = info ? info->connect_fd : -1;
    entry->end = PARK_WAITS;
    pthread_mutex_lock(&p->lock);
    entry->prev = p->head.prev;
    entry->next = &p->head;
    p->head.prev->next = entry;
    p->head.prev = entry;
    p->count[entry->kind]++;
    if (p->stop)
        wake(p, entry, PARK_GONE);
    else if (entry->kind == PARK_STALL && entry->since != p->releases)
        wake(p, entry, PARK_RELEASED);
    p->kicked = true;
    pthread_cond_signal(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

void park_release(struct park *p)
{
    struct parked *after;
    pthread_mutex_lock(&p->lock);
    p->releases++;
    for (struct parked *e = p->head.next; e != &p->head; e = after) {
        after = e->next;
        if (e->kind == PARK_STALL)
            wake(p, e, PARK_RELEASED);
    }
    pthread_mutex_unlock(&p->lock);
}

uint64_t park_releases(struct park *p)
{
    pthread_mutex_lock(&p->lock);
    uint64_t n = p->releases;
    pthread_mutex_unlock(&p->lock);
    return n;
}

void park_drop(struct park *p)
{
    struct parked *after;
    pthread_mutex_lock(&p->lock);
    for (struct parked *e = p->head.next; e != &p->head; e = after) {
        after = e->next;
        if (e->kind != PARK_UNTIL)
            wake(p, e, PARK_GONE);
    }
    pthread_mutex_unlock(&p->lock);
}

void park_kick(struct park *p)
{
    pthread_mutex_lock(&p->lock);
    if (p->count[PARK_UNTIL]) {
        p->kicked = true;
        pthread_cond_signal(&p->changed);
    }
    pthread_mutex_unlock(&p->lock);
}

size_t park_count(struct park *p, enum park_kind kind)
{
    pthread_mutex_lock(&p->lock);
    size_t n = p->count[kind];
    pthread_mutex_unlock(&p->lock);
    return n;
}
