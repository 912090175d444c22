/* SPDX-License-Identifier: MIT */
#include "churn.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "clock.h"
#include "hash.h"

enum change { CREATED, DELETED, EDITED, CHANGES };

struct churn {
    struct account *account;
    pthread_mutex_t lock; /* covers what follows */
    pthread_cond_t stopped;
    struct churn_plan plan;
    bool running;
    bool stop;
    bool joinable;
    pthread_t thread;
    uint64_t steps;
    uint32_t mark;
    struct buf ids[CHANGES]; /* "id","id",… */
};

struct churn *churn_new(struct account *a)
{
    struct churn *c = calloc(1, sizeof(*c));
    pthread_condattr_t attr;
    if (!c)
        return NULL;
    c->account = a;
    pthread_mutex_init(&c->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&c->stopped, &attr);
    pthread_condattr_destroy(&attr);
    return c;
}

void churn_free(struct churn *c)
{
    if (!c)
        return;
    churn_stop(c);
    for (int i = 0; i < CHANGES; i++)
        buf_done(&c->ids[i]);
    pthread_cond_destroy(&c->stopped);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static enum change choose(const struct churn_plan *p, uint64_t roll)
{
    double all = p->create + p->remove + p->edit;
    double at = (double)(roll >> 11) / 0x1p53 * all;
    if (at < p->create)
        return CREATED;
    return at < p->create + p->remove ? DELETED : EDITED;
}

static int step(struct churn *c, uint64_t n, enum change *ret_change,
                char ret_id[ID_LENGTH + 1])
{
    uint64_t roll = hash_pair(c->plan.seed, n);
    size_t count = account_count(c->account);
    enum change change = choose(&c->plan, roll);
    *ret_change = change;
    if (change == CREATED)
        return account_create(c->account, STATUS_READY, -1, (struct slice){0},
                              ret_id);
    int err = count ? account_id_at(c->account, hash_mix(roll) % count, ret_id)
                    : -ENOENT;
    if (err)
        return err;
    if (change == DELETED)
        return account_delete(c->account, ret_id);
    struct buf patch BUF_SCOPE = {0};
    buf_printf(&patch, "{\"user_metadata\":{\"churn\":%llu}}",
               (unsigned long long)n);
    if (patch.failed)
        return -ENOMEM;
    return account_edit(c->account, ret_id,
                        (struct slice){patch.data, patch.len});
}

static void note(struct churn *c, enum change change, const char *id)
{
    if (c->ids[change].len)
        buf_char(&c->ids[change], ',');
    buf_json(&c->ids[change], id);
}

static void *run(void *arg)
{
    struct churn *c = arg;
    int64_t start = clock_ms();
    pthread_mutex_lock(&c->lock);
    int64_t end = start + (int64_t)(c->plan.seconds * 1000);
    for (uint64_t n = 0; !c->stop; n++) {
        int64_t due = start + (int64_t)((double)n * 1000 / c->plan.per_second);
        if (due >= end)
            break;
        struct timespec t = {due / 1000, due % 1000 * 1000000};
        while (!c->stop && clock_ms() < due)
            pthread_cond_timedwait(&c->stopped, &c->lock, &t);
        if (c->stop)
            break;
        char id[ID_LENGTH + 1];
        enum change change;
        pthread_mutex_unlock(&c->lock);
        int err = step(c, n, &change, id);
        pthread_mutex_lock(&c->lock);
        c->steps++;
        if (!err)
            note(c, change, id);
    }
    c->running = false;
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

int churn_start(struct churn *c, const struct churn_plan *plan)
{
    pthread_mutex_lock(&c->lock);
    bool busy = c->running;
    pthread_mutex_unlock(&c->lock);
    if (busy)
        return -EBUSY;
    churn_stop(c); /* collects a thread that has run out */
    pthread_mutex_lock(&c->lock);
    c->plan = *plan;
    c->steps = 0;
    c->stop = false;
    c->running = true;
    c->mark = account_mark(c->account);
    for (int i = 0; i < CHANGES; i++)
        buf_clear(&c->ids[i]);
    c->joinable = !pthread_create(&c->thread, NULL, run, c);
    c->running = c->joinable;
    pthread_mutex_unlock(&c->lock);
    return c->joinable ? 0 : -EAGAIN;
}

void churn_stop(struct churn *c)
{
    pthread_mutex_lock(&c->lock);
    bool join = c->joinable;
    c->joinable = false;
    c->stop = true;
    pthread_cond_broadcast(&c->stopped);
    pthread_mutex_unlock(&c->lock);
    if (join)
        pthread_join(c->thread, NULL);
}

void churn_json(struct churn *c, struct buf *out)
{
    static const char *const name[] = {"created", "deleted", "edited"};
    pthread_mutex_lock(&c->lock);
    buf_printf(out, "{\"running\":%s,\"steps\":%llu,\"mark\":%u",
               c->running ? "true" : "false", (unsigned long long)c->steps,
               c->mark);
    for (int i = 0; i < CHANGES; i++)
        buf_printf(out, ",\"%s\":[%s]", name[i],
                   c->ids[i].data ? c->ids[i].data : "");
    buf_char(out, '}');
    pthread_mutex_unlock(&c->lock);
}
