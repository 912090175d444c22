/* SPDX-License-Identifier: MIT */
/*
 * change.c - a thread takes each change from step to step.
 *
 * NEW -> (a deletion: its first line in the journal) -> ASKING, the API has it
 * -> ANSWERED -> (a deletion: its second line) -> SYNCING, sync has it ->
 * SYNCED -> whoever waits is answered. If the asset couldn't be read again the
 * change is RESTING, with nobody waiting, and is tried again later. Other
 * threads only move a change from ASKING to ANSWERED and from SYNCING to
 * SYNCED, and wake the thread. So only the list is shared, and disk and
 * callbacks belong to one thread.
 */
#include "change/change.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/asset.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "change/journal.h"

#define PATH_MAX_BYTES 7000

/* A re-read that failed is repeated after 1 s, then after twice as long each
 * time. After a quarter of an hour it is left to the sweep. */
#define REST_FIRST_MS 1000
#define REREADS_MOST  10
#define REREAD_MS     60000
#define RESTING_MOST  (CHANGE_MAX / 4)

enum change_state {
    CHANGE_NEW,
    CHANGE_ASKING,
    CHANGE_ANSWERED,
    CHANGE_SYNCING,
    CHANGE_SYNCED,
    CHANGE_RESTING
};

struct operation {
    struct change *change;
    uint64_t ticket;
    enum change_kind kind;
    char *id, *patch, *folder, *body;
    size_t body_bytes;
    int64_t deadline_ms;
    change_answer_fn *answer; /* under lock: NULL when nobody waits */
    void *ctx;                /* under lock */
    enum change_state state;  /* under lock */
    bool withdrawn;           /* under lock: it must not be sent (again) */
    uint64_t asked;           /* the thread's: ticket of api or sync */
    int err;                  /* under lock until ANSWERED */
    bool maybe_done;          /* likewise */
    char words[256];          /* likewise */
    int sync_err;             /* under lock until SYNCED */
    int rereads;              /* the thread's */
    int64_t due_ms;           /* under lock: RESTING until then */
    TAILQ_ENTRY(operation) link;
};

struct change {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    TAILQ_HEAD(, operation) operations; /* under lock */
    size_t count;                       /* under lock */
    size_t resting;                     /* under lock: of these, at rest */
    uint64_t last_ticket;               /* under lock */
    bool stopping;                      /* under lock */

    struct sync *sync;
    struct api *api;
    bool force;
    struct journal journal;
    pthread_t thread;
};

static void operation_free(struct operation *o)
{
    if (!o)
        return;
    free(o->id);
    free(o->patch);
    free(o->folder);
    free(o->body);
    free(o);
}

DEFINE_CLEANUP(free_operation, struct operation *, operation_free)

/* The thread: asking the API. */

static void change_move(struct operation *o, enum change_state state)
{
    guard_mutex(&o->change->lock);
    o->state = state;
    (void)pthread_cond_signal(&o->change->wake);
}

static void change_on_reply(void *ctx, int err, const struct api_reply *reply)
{
    struct operation *o = ctx;
    guard_mutex(&o->change->lock);
    o->err = err;
    o->maybe_done = reply->maybe_done;
    (void)memcpy(o->words, reply->words,
                 strnlen(reply->words, sizeof(o->words) - 1));
    o->state = CHANGE_ANSWERED;
    (void)pthread_cond_signal(&o->change->wake);
}

/* An id may be any text. One that can't be part of a path would make another
 * request. */
static int append_asset_path(struct buf *out, const char *id)
{
    if (!*id || strcmp(id, ".") == 0 || strcmp(id, "..") == 0 ||
        asset_id_is_made(id))
        return -EINVAL;
    int err = buf_append_str(out, "/assets/");
    return err ? err : buf_append_url(out, id, strlen(id));
}

static int send_tag(struct operation *o)
{
    struct change *c = o->change;
    cleanup(buf_done) struct buf path = {.max = PATH_MAX_BYTES};
    cleanup(buf_done) struct buf json = {.max = SIZE_MAX / 2};
    int err = append_asset_path(&path, o->id);
    if (!err)
        err = buf_append_str(&path, "/user-metadata");
    if (!err)
        err = buf_appendf(&json, "{\"user_metadata\":%s}", o->patch);
    if (err)
        return err;
    const struct api_writing writing = {.method = "PATCH",
                                        .path = buf_str(&path),
                                        .json = buf_str(&json),
                                        .category = API_TAGS,
                                        .cause = API_CAUSE_TAG};
    return api_write(c->api, &writing, o->deadline_ms, change_on_reply, o,
                     &o->asked);
}

/* Writes the first line. If that fails it may be on the disk all the same, so
 * a second line says that nothing was sent. An ENOENT or the like is about the
 * journal; the caller would take it for the asset's. */
static int keep_body(struct change *c, const struct operation *o)
{
    int err = journal_begin(&c->journal, o->id, o->folder, c->force, o->body,
                            o->body_bytes);
    if (!err)
        return 0;
    (void)journal_end(&c->journal, o->id, JOURNAL_KEPT, "not sent");
    log_warning("cannot write %s: %s", c->journal.path, strerror(-err));
    return err == -ENOSPC || err == -ENOMEM ? err : -EIO;
}

static int send_deletion(struct operation *o)
{
    struct change *c = o->change;
    char quoted[200], quoted_id[100];
    cleanup(buf_done) struct buf path = {.max = PATH_MAX_BYTES};
    int err = append_asset_path(&path, o->id);
    if (!err && c->force)
        err = buf_append_str(&path, "?force=true");
    if (!err)
        err = keep_body(c, o);
    if (err)
        return err;
    log_info("deleting %s (%s), kept in " JOURNAL_NAME,
             log_quote(o->folder, strlen(o->folder), quoted, sizeof(quoted)),
             log_quote(o->id, strlen(o->id), quoted_id, sizeof(quoted_id)));
    const struct api_writing writing = {.method = "DELETE",
                                        .path = buf_str(&path),
                                        .category = API_DELETIONS,
                                        .cause = API_CAUSE_DELETE};
    err = api_write(c->api, &writing, o->deadline_ms, change_on_reply, o,
                    &o->asked);
    if (err)
        (void)journal_end(&c->journal, o->id, JOURNAL_KEPT, "not sent");
    return err;
}

/* The thread: what came of it. */

/* -ENOENT: the asset is gone, as was wanted. */
static void settle_deletion(struct operation *o)
{
    if (o->err == -ENOENT)
        o->err = 0;
    enum journal_outcome outcome = !o->err         ? JOURNAL_GONE
                                   : o->maybe_done ? JOURNAL_UNKNOWN
                                                   : JOURNAL_KEPT;
    int err = journal_end(&o->change->journal, o->id, outcome,
                          o->err ? o->words : "");
    if (err)
        log_warning("cannot write a deletion's outcome to " JOURNAL_NAME ": %s",
                    strerror(-err));
}

static void tell_failure(const struct operation *o)
{
    char quoted[100];
    log_warning("%s %s: %s%s%s%s",
                o->kind == CHANGE_TAG ? "tagging" : "deleting",
                log_quote(o->id, strlen(o->id), quoted, sizeof(quoted)),
                strerror(-o->err), o->words[0] ? ": " : "", o->words,
                o->maybe_done ? "; it may have been done all the same" : "");
}

static void change_on_synced(void *ctx, int err)
{
    struct operation *o = ctx;
    guard_mutex(&o->change->lock);
    o->sync_err = err;
    o->state = CHANGE_SYNCED;
    (void)pthread_cond_signal(&o->change->wake);
}

/* A deleted asset is removed from the catalogue. One that was changed, or may
 * have been, is read again. */
static int sync_operation(struct operation *o)
{
    bool gone = o->kind == CHANGE_DELETE && !o->err;
    const struct sync_question question = {
        .want = gone ? SYNC_GONE : SYNC_REREAD,
        .text = o->id,
    };
    int64_t deadline_ms = o->deadline_ms;
    if (gone) /* it needs no network, and must not be lost */
        deadline_ms = CLOCK_NEVER_MS;
    change_move(o, CHANGE_SYNCING);
    return sync_ask(o->change->sync, &question, deadline_ms, change_on_synced,
                    o, &o->asked);
}

static bool needs_sync(const struct operation *o)
{
    return !o->err || (o->kind == CHANGE_TAG && o->maybe_done);
}

/* The thread: steps. */

/* Whether the asset is to be read again later, since what is known of it may
 * be old. */
static bool should_rest(struct change *c, const struct operation *o)
{
    guard_mutex(&c->lock);
    return !c->stopping && o->sync_err && o->sync_err != -ESHUTDOWN &&
           o->sync_err != -ENOENT && o->rereads < REREADS_MOST &&
           c->resting < RESTING_MOST;
}

static void change_rest(struct change *c, struct operation *o)
{
    guard_mutex(&c->lock);
    o->due_ms = clock_mono_ms() + (REST_FIRST_MS << o->rereads++);
    o->sync_err = 0;
    o->state = CHANGE_RESTING;
    c->resting++;
    c->count++;
    TAILQ_INSERT_TAIL(&c->operations, o, link);
}

static void change_answer(struct change *c, struct operation *o)
{
    change_answer_fn *fn;
    void *ctx;
    {
        guard_mutex(&c->lock);
        TAILQ_REMOVE(&c->operations, o, link);
        c->count--;
        fn = o->answer;
        ctx = o->ctx;
        o->answer = NULL;
    }
    if (!o->err && o->sync_err && o->sync_err != -ESHUTDOWN && !o->rereads)
        log_warning(
            "an asset was changed, but reading it again failed so far: %s",
            strerror(-o->sync_err));
    if (fn)
        fn(ctx, o->err, o->err ? o->words : "");
    if (should_rest(c, o))
        change_rest(c, o);
    else
        operation_free(o);
}

static void change_begin(struct change *c, struct operation *o)
{
    change_move(o, CHANGE_ASKING);
    int err = o->kind == CHANGE_TAG ? send_tag(o) : send_deletion(o);
    if (!err)
        return;
    o->err = err;
    tell_failure(o);
    change_answer(c, o);
}

static void change_go_on(struct change *c, struct operation *o)
{
    if (o->kind == CHANGE_DELETE)
        settle_deletion(o);
    if (o->err && o->err != -ECANCELED)
        tell_failure(o);
    if (o->err == -ECANCELED)
        o->err = -ESHUTDOWN; /* we are ending, or nobody waits */
    if (!needs_sync(o) || sync_operation(o))
        change_answer(c, o);
}

static bool is_due(const struct operation *o, int64_t now_ms)
{
    switch (o->state) {
    case CHANGE_ASKING:
        return o->withdrawn;
    case CHANGE_SYNCING:
        return false;
    case CHANGE_RESTING:
        return o->change->stopping || now_ms >= o->due_ms;
    default:
        return true;
    }
}

static enum change_state state_of(struct operation *o)
{
    guard_mutex(&o->change->lock);
    return o->state;
}

static void reread(struct change *c, struct operation *o)
{
    o->deadline_ms = clock_mono_ms() + REREAD_MS;
    if (sync_operation(o))
        change_answer(c, o);
}

/* At the end: api and sync answer at once, or aren't waited for. Only this
 * thread removes changes, and no new ones come. */
static void change_give_up(struct change *c)
{
    struct operation *o;
    TAILQ_FOREACH(o, &c->operations, link)
    {
        enum change_state state = state_of(o);
        if (state == CHANGE_ASKING)
            api_cancel(c->api, o->asked);
        else if (state == CHANGE_SYNCING && sync_cancel(c->sync, o->asked))
            change_on_synced(o, -ESHUTDOWN);
    }
}

/* The first change that is due; NULL: none before *ret_next_ms. */
static struct operation *find_due(struct change *c, int64_t *ret_next_ms)
{
    struct operation *o;
    int64_t now_ms = clock_mono_ms();
    *ret_next_ms = CLOCK_NEVER_MS;
    TAILQ_FOREACH(o, &c->operations, link)
    {
        if (is_due(o, now_ms))
            break;
        if (o->state == CHANGE_RESTING && o->due_ms < *ret_next_ms)
            *ret_next_ms = o->due_ms;
    }
    return o;
}

/* Waits for the next change that is due; NULL: `stopping` has begun, or
 * everything has ended. */
static struct operation *take_due(struct change *c, bool stops,
                                  enum change_state *ret_state)
{
    struct operation *o;
    int64_t next_ms;
    guard_mutex(&c->lock);
    while (!(o = find_due(c, &next_ms))) {
        if (c->stopping && (!stops || TAILQ_EMPTY(&c->operations)))
            return NULL;
        (void)clock_cond_wait(&c->wake, &c->lock, next_ms);
    }
    *ret_state = o->state;
    o->withdrawn = false;
    c->resting -= o->state == CHANGE_RESTING;
    if (o->state == CHANGE_NEW && c->stopping) { /* it never is sent */
        o->err = -ESHUTDOWN;
        *ret_state = CHANGE_SYNCED;
    }
    return o;
}

static void take_steps(struct change *c, bool stops)
{
    struct operation *o;
    enum change_state state;
    while ((o = take_due(c, stops, &state))) {
        if (state == CHANGE_NEW)
            change_begin(c, o);
        else if (state == CHANGE_ASKING)
            api_withdraw(c->api, o->asked);
        else if (state == CHANGE_RESTING)
            reread(c, o);
        else if (state == CHANGE_ANSWERED)
            change_go_on(c, o);
        else
            change_answer(c, o);
    }
}

static void *change_run(void *ctx)
{
    struct change *c = ctx;
    take_steps(c, false);
    change_give_up(c);
    take_steps(c, true);
    return NULL;
}

/* Asking and cancelling. */

static char *change_copy_text(const char *text, bool *failed)
{
    char *copy = text ? strdup(text) : NULL;
    *failed |= text && !copy;
    return copy;
}

static int make_operation(struct change *c, const struct change_question *q,
                          struct operation **ret_operation)
{
    bool failed = false;
    cleanup(free_operation) struct operation *o = calloc(1, sizeof(*o));
    if (!o)
        return -ENOMEM;
    o->change = c;
    o->kind = q->kind;
    o->id = change_copy_text(q->id, &failed);
    o->patch = change_copy_text(q->patch, &failed);
    o->folder = change_copy_text(q->folder, &failed);
    if (q->body) {
        o->body = malloc(q->body_bytes + 1);
        failed |= !o->body;
    }
    if (failed)
        return -ENOMEM;
    if (q->body)
        memcpy(o->body, q->body, q->body_bytes);
    o->body_bytes = q->body_bytes;
    *ret_operation = steal_ptr(o);
    return 0;
}

int change_ask(struct change *c, const struct change_question *question,
               int64_t deadline_ms, change_answer_fn *answer_fn, void *ctx,
               uint64_t *ret_ticket)
{
    cleanup(free_operation) struct operation *o = NULL;
    int err = make_operation(c, question, &o);
    if (err)
        return err;
    o->deadline_ms = deadline_ms;
    o->answer = answer_fn;
    o->ctx = ctx;
    guard_mutex(&c->lock);
    if (c->stopping)
        return -ESHUTDOWN;
    if (c->count >= CHANGE_MAX)
        return -EAGAIN;
    o->ticket = *ret_ticket = ++c->last_ticket;
    TAILQ_INSERT_TAIL(&c->operations, o, link);
    c->count++;
    o = NULL;
    (void)pthread_cond_signal(&c->wake);
    return 0;
}

bool change_cancel(struct change *c, uint64_t ticket)
{
    guard_mutex(&c->lock);
    struct operation *o;
    TAILQ_FOREACH(o, &c->operations, link)
    if (o->ticket == ticket)
        break;
    if (!o || !o->answer)
        return false;
    o->answer = NULL;
    if (o->state == CHANGE_NEW) { /* not sent: it needn't be */
        o->err = -EINTR;
        o->state = CHANGE_SYNCED;
    }
    o->withdrawn = o->state == CHANGE_ASKING;
    (void)pthread_cond_signal(&c->wake);
    return true;
}

int change_read_journal(struct change *c, int64_t offset, char *out,
                        size_t size, size_t *ret_count)
{
    return journal_read(&c->journal, offset, out, size, ret_count);
}

/* Making and freeing. */

static void change_destroy(struct change *c)
{
    journal_done(&c->journal);
    (void)pthread_cond_destroy(&c->wake);
    (void)pthread_mutex_destroy(&c->lock);
    free(c);
}

int change_new(const struct change_config *config, struct sync *sync,
               struct api *api, struct change **ret_change)
{
    struct change *c = calloc(1, sizeof(*c));
    if (!c)
        return -ENOMEM;
    (void)pthread_mutex_init(&c->lock, NULL);
    clock_cond_init(&c->wake);
    TAILQ_INIT(&c->operations);
    c->sync = sync;
    c->api = api;
    c->force = config->force;
    int err = journal_init(&c->journal, config->directory);
    if (!err)
        err = thread_start(&c->thread, change_run, c);
    if (err) {
        change_destroy(c);
        return err;
    }
    *ret_change = c;
    return 0;
}

void change_free(struct change *c)
{
    if (!c)
        return;
    {
        guard_mutex(&c->lock);
        c->stopping = true;
        (void)pthread_cond_signal(&c->wake);
    }
    (void)pthread_join(c->thread, NULL);
    change_destroy(c);
}
