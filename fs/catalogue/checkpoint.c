/* SPDX-License-Identifier: MIT */
/*
 * checkpoint.c - the writer's commits don't checkpoint, since that would stop
 * the sync thread for a tenth of a second and more. This thread copies the log
 * into the file when it has grown: first PASSIVE, beside writer and readers,
 * then TRUNCATE for the little that came meanwhile, which delays the writer
 * only for as long as that takes. TRUNCATE needs a moment in which no reader
 * has an old snapshot: idle readers give theirs up at once, busy ones when
 * they are released. It also needs the writer's lock, which a busy writer
 * would hardly ever release: so the writer's next transaction waits for the
 * cut (checkpoint_let).
 */
#include "catalogue/catalogue_internal.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"

#define LOG_MAX_PAGES ((32 << 20) / 4096)
#define BUSY_MS       200
#define RETRY_MS      1000

static void set_cutting(struct checkpoint *k, bool cutting)
{
    guard_mutex(&k->mutex);
    k->cutting = cutting;
    (void)pthread_cond_broadcast(&k->wake);
}

void checkpoint_let(struct catalogue *c)
{
    struct checkpoint *k = &c->checkpoint;

    guard_mutex(&k->mutex);
    while (k->cutting)
        (void)pthread_cond_wait(&k->wake, &k->mutex);
}

bool checkpoint_is_cutting(struct catalogue *c)
{
    guard_mutex(&c->checkpoint.mutex);
    return c->checkpoint.cutting;
}

/* True when the log is empty. */
static bool checkpoint_cut(struct catalogue *c)
{
    struct checkpoint *k = &c->checkpoint;
    sqlite3 *handle = k->db.handle;
    int left = 0;

    readers_end_idle(c);
    (void)sqlite3_wal_checkpoint_v2(handle, NULL, SQLITE_CHECKPOINT_PASSIVE,
                                    NULL, NULL);
    set_cutting(k, true);
    atomic_store(&c->short_reads, true);
    readers_end_idle(c);
    int code = sqlite3_wal_checkpoint_v2(
        handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, &left, NULL);
    atomic_store(&c->short_reads, false);
    set_cutting(k, false);
    if (code != SQLITE_OK && code != SQLITE_BUSY)
        (void)db_fail(&k->db, code, "checkpoint");
    return code != SQLITE_BUSY;
}

static void wait_retry(struct checkpoint *k)
{
    int64_t until_ms = clock_mono_ms() + RETRY_MS;

    while (!k->ending && clock_cond_wait(&k->wake, &k->mutex, until_ms))
        ;
}

static void *checkpoint_run(void *ctx)
{
    struct catalogue *c = ctx;
    struct checkpoint *k = &c->checkpoint;

    (void)pthread_mutex_lock(&k->mutex);
    while (!k->ending) {
        if (!k->wanted) {
            (void)pthread_cond_wait(&k->wake, &k->mutex);
            continue;
        }
        (void)pthread_mutex_unlock(&k->mutex);
        bool done = checkpoint_cut(c);
        (void)pthread_mutex_lock(&k->mutex);
        if (done)
            k->wanted = false;
        else
            wait_retry(k);
    }
    (void)pthread_mutex_unlock(&k->mutex);
    return NULL;
}

void checkpoint_poke(struct catalogue *c, int pages)
{
    struct checkpoint *k = &c->checkpoint;

    if (pages < LOG_MAX_PAGES)
        return;
    guard_mutex(&k->mutex);
    k->wanted = true;
    (void)pthread_cond_broadcast(&k->wake);
}

int checkpoint_start(struct catalogue *c)
{
    struct checkpoint *k = &c->checkpoint;
    int err = schema_connect(c, &k->db);

    if (err)
        return err;
    (void)sqlite3_busy_timeout(k->db.handle, BUSY_MS);
    (void)pthread_mutex_init(&k->mutex, NULL);
    clock_cond_init(&k->wake);
    err = thread_start(&k->thread, checkpoint_run, c);
    if (err) {
        db_close(&k->db);
        return err;
    }
    k->started = true;
    return 0;
}

void checkpoint_stop(struct catalogue *c)
{
    struct checkpoint *k = &c->checkpoint;

    if (!k->started)
        return;
    (void)pthread_mutex_lock(&k->mutex);
    k->ending = true;
    (void)pthread_cond_broadcast(&k->wake);
    (void)pthread_mutex_unlock(&k->mutex);
    (void)pthread_join(k->thread, NULL);
    db_close(&k->db);
    (void)pthread_cond_destroy(&k->wake);
    (void)pthread_mutex_destroy(&k->mutex);
    k->started = false;
}
