/* SPDX-License-Identifier: MIT */
#include "intake.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

struct entry {
    struct arrival arrival; /* its strings are owned */
    int64_t due_ms;         /* INT64_MAX: when told to; 0: it is settled */
};

struct intake {
    struct account *account;
    pthread_mutex_t lock; /* covers what follows */
    struct entry *entry;
    size_t n, cap;
    char **referred;
    size_t nreferred;
    _Atomic int64_t next_due_ms; /* a look without the lock */
};

struct intake *intake_new(struct account *a)
{
    struct intake *i = calloc(1, sizeof(*i));
    if (!i)
        return NULL;
    i->account = a;
    pthread_mutex_init(&i->lock, NULL);
    atomic_init(&i->next_due_ms, INT64_MAX);
    return i;
}

/* The strings of an arrival, to be copied or freed in turn. */
#define STRINGS 8
static void strings_of(struct arrival *a, const char **ret_string[STRINGS])
{
    const char **all[STRINGS] = {
        &a->method, &a->filename,  &a->part_filename, &a->part_type,
        &a->order,  &a->upload_id, &a->mime,          &a->failure,
    };
    memcpy(ret_string, all, sizeof(all));
}

static void entry_done(struct entry *e)
{
    const char **string[STRINGS];
    strings_of(&e->arrival, string);
    for (int s = 0; s < STRINGS; s++)
        free((char *)(uintptr_t)*string[s]);
}

void intake_free(struct intake *i)
{
    if (!i)
        return;
    for (size_t n = 0; n < i->n; n++)
        entry_done(&i->entry[n]);
    for (size_t n = 0; n < i->nreferred; n++)
        free(i->referred[n]);
    free(i->referred);
    free(i->entry);
    pthread_mutex_destroy(&i->lock);
    free(i);
}

static bool entry_init(struct entry *e, const struct arrival *arrival)
{
    const char **string[STRINGS];
    bool ok = true;
    e->arrival = *arrival;
    strings_of(&e->arrival, string);
    for (int s = 0; s < STRINGS; s++) {
        char *copy = *string[s] ? strdup(*string[s]) : NULL;
        ok &= copy || !*string[s];
        *string[s] = copy;
    }
    if (!ok)
        entry_done(e);
    return ok;
}

int intake_add(struct intake *i, const struct arrival *arrival,
               int64_t after_ms)
{
    struct entry e;
    int err = -ENOMEM;
    if (!entry_init(&e, arrival))
        return err;
    e.due_ms = after_ms == INTAKE_NEVER ? INT64_MAX : clock_ms() + after_ms;
    pthread_mutex_lock(&i->lock);
    if (i->n == i->cap) {
        size_t cap = i->cap ? i->cap * 2 : 64;
        struct entry *entry = realloc(i->entry, cap * sizeof(*entry));
        if (entry) {
            i->entry = entry;
            i->cap = cap;
        }
    }
    if (i->n < i->cap) {
        i->entry[i->n++] = e;
        if (e.due_ms < atomic_load(&i->next_due_ms))
            atomic_store(&i->next_due_ms, e.due_ms);
        err = 0;
    }
    pthread_mutex_unlock(&i->lock);
    if (err)
        entry_done(&e);
    return err;
}

static void add_media(const struct intake *i, const struct arrival *a,
                      struct buf *out)
{
    const char *media = account_generator(i->account)->media;
    bool plays =
        !strncmp(a->mime, "video/", 6) || !strncmp(a->mime, "audio/", 6);
    if (a->hls && plays)
        buf_printf(out,
                   ",\"hls\":{\"manifest_url\":\"%s/assets/%s/manifest.m3u8\","
                   "\"status\":\"ready\"}",
                   media, a->asset_id);
    else
        buf_str(out, ",\"hls\":null");
    if (a->thumbnail && strncmp(a->mime, "audio/", 6) != 0)
        buf_printf(out,
                   ",\"thumbnail\":{\"representative_url\":"
                   "\"%s/assets/%s/thumbnail.jpg\",\"status\":\"ready\"}",
                   media, a->asset_id);
    else
        buf_str(out, ",\"thumbnail\":null");
    if (!plays)
        buf_str(out, ",\"duration\":null");
}

static void settle_one(struct intake *i, struct entry *e)
{
    const struct arrival *a = &e->arrival;
    struct buf patch BUF_SCOPE = {0};
    e->due_ms = 0;
    if (a->failure) {
        buf_str(&patch, "{\"error\":{\"message\":");
        buf_json(&patch, a->failure);
        buf_char(&patch, '}');
    } else {
        buf_str(&patch, "{\"file_type\":");
        buf_json(&patch, a->mime);
        if (a->bytes >= 0)
            buf_printf(&patch, ",\"size\":%lld", (long long)a->bytes);
        add_media(i, a, &patch);
    }
    buf_char(&patch, '}');
    if (!patch.failed)
        (void)account_set_status(i->account, a->asset_id,
                                 a->failure ? STATUS_FAILED : STATUS_READY,
                                 (struct slice){patch.data, patch.len});
}

void intake_settle(struct intake *i, bool all)
{
    int64_t now = clock_ms(), next = INT64_MAX;
    if (!all && atomic_load(&i->next_due_ms) > now)
        return;
    pthread_mutex_lock(&i->lock);
    for (size_t n = 0; n < i->n; n++) {
        struct entry *e = &i->entry[n];
        if (e->due_ms && (all || e->due_ms <= now))
            settle_one(i, e);
        else if (e->due_ms && e->due_ms < next)
            next = e->due_ms;
    }
    atomic_store(&i->next_due_ms, next);
    pthread_mutex_unlock(&i->lock);
}

static void add_text(const char *name, const char *value, struct buf *out)
{
    buf_printf(out, ",\"%s\":", name);
    if (value)
        buf_json(out, value);
    else
        buf_str(out, "null");
}

void intake_json(struct intake *i, struct buf *out)
{
    buf_char(out, '[');
    pthread_mutex_lock(&i->lock);
    for (size_t n = 0; n < i->n; n++) {
        const struct arrival *a = &i->entry[n].arrival;
        buf_printf(out, "%s{\"asset_id\":\"%s\",\"bytes\":%lld", n ? "," : "",
                   a->asset_id, (long long)a->bytes);
        add_text("sha256", *a->digest.sha256 ? a->digest.sha256 : NULL, out);
        add_text("method", a->method, out);
        add_text("filename", a->filename, out);
        add_text("part_filename", a->part_filename, out);
        add_text("part_type", a->part_type, out);
        add_text("parts", a->order, out);
        add_text("upload_id", a->upload_id, out);
        buf_char(out, '}');
    }
    pthread_mutex_unlock(&i->lock);
    buf_char(out, ']');
}

static size_t find_referred(const struct intake *i, const char *id)
{
    size_t n = 0;
    while (n < i->nreferred && strcmp(i->referred[n], id) != 0)
        n++;
    return n;
}

int intake_refer(struct intake *i, const char *id, bool on)
{
    int err = 0;
    pthread_mutex_lock(&i->lock);
    size_t at = find_referred(i, id);
    if (!on && at < i->nreferred) {
        free(i->referred[at]);
        i->referred[at] = i->referred[--i->nreferred];
    } else if (on && at == i->nreferred) {
        char **more = realloc(i->referred, (i->nreferred + 1) * sizeof(*more));
        char *copy = strdup(id);
        if (more)
            i->referred = more;
        if (more && copy)
            i->referred[i->nreferred++] = copy;
        else
            free(copy);
        err = more && copy ? 0 : -ENOMEM;
    }
    pthread_mutex_unlock(&i->lock);
    return err;
}

bool intake_is_referred(struct intake *i, const char *id)
{
    pthread_mutex_lock(&i->lock);
    bool found = find_referred(i, id) < i->nreferred;
    pthread_mutex_unlock(&i->lock);
    return found;
}
