/* SPDX-License-Identifier: MIT */
#include "account_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void own_free(struct own *own)
{
    if (!own)
        return;
    free(own->text);
    free(own->folded);
    free(own->id);
    free(own);
}

void account_free(struct account *a)
{
    if (!a)
        return;
    for (uint32_t i = 0; i < a->nrecords; i++)
        own_free(a->record[i].own);
    history_done(a);
    free(a->record);
    free(a->odd);
    order_done(&a->order);
    account_cache_done(a);
    pthread_rwlock_destroy(&a->lock);
    pthread_mutex_destroy(&a->cache_lock);
    free(a);
}

const struct generator *account_generator(const struct account *a)
{
    return &a->gen;
}

void account_omit_empty_metadata(struct account *a, bool omit)
{
    pthread_rwlock_wrlock(&a->lock);
    a->gen.no_empty_metadata = omit;
    pthread_rwlock_unlock(&a->lock);
}

/* Appends a record and puts it in order. Lock held for writing. */
static int add_record(struct account *a, int64_t at, enum asset_status status,
                      uint32_t *ret_number)
{
    if (a->nrecords == ASSETS_MAX || history_reserve(a))
        return -ENOMEM;
    if (a->nrecords == a->cap) {
        uint32_t cap = a->cap ? a->cap * 2 : 1024;
        struct record *record = realloc(a->record, cap * sizeof(*record));
        if (!record)
            return -ENOMEM;
        a->record = record;
        a->cap = cap;
    }
    uint32_t n = a->nrecords;
    a->record[n] = (struct record){
        .at = at,
        .alive = 1,
        .type = (uint8_t)generate_type(&a->gen, n),
        .status = (uint8_t)status,
    };
    int err = order_insert(&a->order, (struct order_key){at, n});
    if (err)
        return err;
    a->nrecords++;
    a->version++;
    history_push(a, n, &(struct record){.at = at});
    *ret_number = n;
    return 0;
}

struct account *account_new(const struct generator *g, uint32_t total)
{
    struct account *a = calloc(1, sizeof(*a));
    if (!a)
        return NULL;
    a->gen = *g;
    pthread_rwlock_init(&a->lock, NULL);
    pthread_mutex_init(&a->cache_lock, NULL);
    if (g->profile == PROFILE_HOSTILE && hostile_fill(a)) {
        account_free(a);
        return NULL;
    }
    for (uint32_t i = a->nrecords; i < total; i++) {
        uint32_t number;
        if (add_record(a, generate_time(g, i, total),
                       generate_status(g, i, total), &number)) {
            account_free(a);
            return NULL;
        }
    }
    a->history.on = true;
    return a;
}

void record_text(const struct account *a, uint32_t n, const struct record *r,
                 struct buf *out)
{
    if (r->own) {
        buf_add(out, r->own->text, r->own->len);
        return;
    }
    struct asset asset = record_asset(n, r);
    generate_json(&a->gen, &asset, out);
}

int64_t account_find(const struct account *a, const char *id, bool internal)
{
    char own_id[ID_LENGTH + 1];
    int64_t n = generate_number(&a->gen, id);
    if (n >= 0 && n < a->nrecords && a->record[n].alive) {
        const struct record *r = &a->record[n];
        generate_id(&a->gen, (uint32_t)n, r->at, own_id);
        if (!r->own && !strcmp(own_id, id))
            return n;
        if (r->own && (internal || (r->own->id && !strcmp(r->own->id, id))))
            return n;
    }
    for (uint32_t i = 0; i < a->nodd; i++) {
        const struct record *r = &a->record[a->odd[i]];
        if (r->alive && r->own && r->own->id && !strcmp(r->own->id, id))
            return a->odd[i];
    }
    return -1;
}

static int note_odd(struct account *a, uint32_t n)
{
    for (uint32_t i = 0; i < a->nodd; i++)
        if (a->odd[i] == n)
            return 0;
    if (a->nodd == a->odd_cap) {
        uint32_t cap = a->odd_cap ? a->odd_cap * 2 : 64;
        uint32_t *odd = realloc(a->odd, cap * sizeof(*odd));
        if (!odd)
            return -ENOMEM;
        a->odd = odd;
        a->odd_cap = cap;
    }
    a->odd[a->nodd++] = n;
    return 0;
}

static char *string_of(struct slice object, const char *name)
{
    struct buf value BUF_SCOPE = {0};
    if (!json_find_string(object, name, &value))
        return NULL;
    return buf_take(&value, NULL);
}

static bool time_of(struct slice object, int64_t *ret_at)
{
    struct tm tm = {0};
    char *stamp = string_of(object, "created_at");
    const char *end = stamp ? strptime(stamp, "%Y-%m-%dT%H:%M:%SZ", &tm) : 0;
    bool ok = end && !*end;
    free(stamp);
    if (ok)
        *ret_at = timegm(&tm);
    return ok;
}

static enum asset_type type_of(struct slice object)
{
    char *mime = string_of(object, "file_type");
    enum asset_type type = mime ? generate_type_of_mime(mime) : TYPE_NONE;
    free(mime);
    return type;
}

static enum asset_status status_of(struct slice object)
{
    char *text = string_of(object, "status");
    enum asset_status status = STATUS_READY;
    if (text && !strcmp(text, "processing"))
        status = STATUS_PROCESSING;
    else if (text && !strcmp(text, "failed"))
        status = STATUS_FAILED;
    free(text);
    return status;
}

static struct own *own_new(char *text, size_t len)
{
    struct own *own = calloc(1, sizeof(*own));
    if (!own) {
        free(text);
        return NULL;
    }
    *own = (struct own){.text = text, .len = len};
    struct slice object = {text, len};
    struct buf folded BUF_SCOPE = {0};
    char *name = string_of(object, "filename");
    if (name)
        account_fold(name, &folded);
    free(name);
    buf_add(&folded, "", 0);
    own->folded = buf_take(&folded, NULL);
    own->id = string_of(object, "_id");
    if (!own->folded) {
        own_free(own);
        return NULL;
    }
    return own;
}

/* Moves a record to another place in the order. Lock held for writing. */
static int reorder(struct account *a, uint32_t n, int64_t at)
{
    struct record *r = &a->record[n];
    if (r->at == at)
        return 0;
    int err = order_insert(&a->order, (struct order_key){at, n});
    if (err)
        return err;
    order_remove(&a->order, (struct order_key){r->at, n});
    r->at = at;
    return 0;
}

/* Gives record n this text (taken). Lock held for writing. */
static int set_text(struct account *a, uint32_t n, char *text, size_t len)
{
    struct own *own = own_new(text, len);
    struct record *r = &a->record[n], was = *r;
    if (!own || history_reserve(a)) {
        own_free(own);
        return -ENOMEM;
    }
    struct slice object = {own->text, own->len};
    char id[ID_LENGTH + 1];
    generate_id(&a->gen, n, r->at, id);
    int64_t at = r->at;
    int err = 0;
    if (time_of(object, &at))
        err = reorder(a, n, at);
    if (!err && own->id && strcmp(own->id, id) != 0)
        err = note_odd(a, n);
    if (err) {
        own_free(own);
        return err;
    }
    history_push(a, n, &was);
    r->own = own;
    r->type = (uint8_t)type_of(object);
    r->status = (uint8_t)status_of(object);
    a->version++;
    return 0;
}

static int patch_record(struct account *a, uint32_t n, struct slice patch)
{
    struct buf text BUF_SCOPE = {0}, merged BUF_SCOPE = {0};
    record_text(a, n, &a->record[n], &text);
    json_merge((struct slice){text.data, text.len}, patch, &merged);
    size_t len = 0;
    char *taken = text.failed ? NULL : buf_take(&merged, &len);
    return taken ? set_text(a, n, taken, len) : -ENOMEM;
}

static int64_t fresh_time(const struct account *a)
{
    int64_t now = time(NULL);
    struct order_cursor c = order_newest(&a->order, 0);
    int64_t newest = order_next(&c);
    if (newest >= 0 && a->record[newest].at > now)
        return a->record[newest].at;
    return now;
}

/* After history_reserve; lock held for writing. */
static void remove_record(struct account *a, uint32_t n)
{
    struct record *r = &a->record[n];
    order_remove(&a->order, (struct order_key){r->at, n});
    history_push(a, n, r);
    r->own = NULL;
    r->alive = 0;
    a->version++;
}

int account_create(struct account *a, enum asset_status status,
                   int64_t created_at, struct slice fields,
                   char ret_id[ID_LENGTH + 1])
{
    uint32_t n;
    pthread_rwlock_wrlock(&a->lock);
    if (fields.n)
        time_of(fields, &created_at);
    int err =
        add_record(a, created_at < 0 ? fresh_time(a) : created_at, status, &n);
    if (!err && fields.n) {
        err = patch_record(a, n, fields);
        if (err && !history_reserve(a))
            remove_record(a, n);
    }
    if (!err) {
        const struct record *r = &a->record[n];
        generate_id(&a->gen, n, r->at, ret_id);
    }
    pthread_rwlock_unlock(&a->lock);
    return err;
}

/* `template` with $ID, $AT and $MEDIA filled in. */
static void fill_in(const struct account *a, uint32_t n, struct slice template,
                    struct buf *out)
{
    char id[ID_LENGTH + 1], stamp[32];
    generate_id(&a->gen, n, a->record[n].at, id);
    generate_stamp(a->record[n].at, stamp);
    for (size_t i = 0; i < template.n;) {
        struct slice rest = {template.p + i, template.n - i};
        if (rest.n >= 3 && !memcmp(rest.p, "$ID", 3)) {
            buf_str(out, id);
            i += 3;
        } else if (rest.n >= 3 && !memcmp(rest.p, "$AT", 3)) {
            buf_str(out, stamp);
            i += 3;
        } else if (rest.n >= 6 && !memcmp(rest.p, "$MEDIA", 6)) {
            buf_str(out, a->gen.media);
            i += 6;
        } else {
            buf_char(out, *rest.p);
            i++;
        }
    }
}

int account_create_text(struct account *a, int64_t created_at,
                        struct slice template, char ret_id[ID_LENGTH + 1])
{
    uint32_t n;
    pthread_rwlock_wrlock(&a->lock);
    int err = add_record(a, created_at < 0 ? fresh_time(a) : created_at,
                         STATUS_READY, &n);
    if (!err) {
        struct buf text BUF_SCOPE = {0};
        size_t len = 0;
        fill_in(a, n, template, &text);
        char *taken = buf_take(&text, &len);
        generate_id(&a->gen, n, a->record[n].at, ret_id);
        err = taken ? set_text(a, n, taken, len) : -ENOMEM;
        if (err && !history_reserve(a))
            remove_record(a, n);
    }
    pthread_rwlock_unlock(&a->lock);
    return err;
}

int account_delete(struct account *a, const char *id)
{
    pthread_rwlock_wrlock(&a->lock);
    int64_t n = account_find(a, id, true);
    int err = n < 0 ? -ENOENT : history_reserve(a);
    if (!err)
        remove_record(a, (uint32_t)n);
    pthread_rwlock_unlock(&a->lock);
    return err;
}

int account_edit(struct account *a, const char *id, struct slice patch)
{
    pthread_rwlock_wrlock(&a->lock);
    int64_t n = account_find(a, id, true);
    int err = n < 0 ? -ENOENT : patch_record(a, (uint32_t)n, patch);
    pthread_rwlock_unlock(&a->lock);
    return err;
}

int account_set_status(struct account *a, const char *id,
                       enum asset_status status, struct slice patch)
{
    static const char *const to[] = {
        [STATUS_PROCESSING] = "{\"status\":\"processing\",\"file_type\":null,"
                              "\"size\":null,\"duration\":null,"
                              "\"technical_metadata\":null}",
        [STATUS_FAILED] = "{\"status\":\"failed\",\"error\":{\"message\":"
                          "\"The file could not be decoded.\"}}",
    };
    pthread_rwlock_wrlock(&a->lock);
    int64_t n = account_find(a, id, true);
    int err = n < 0 ? -ENOENT : history_reserve(a);
    if (!err && !a->record[n].own) {
        history_push(a, (uint32_t)n, &a->record[n]);
        a->record[n].status = (uint8_t)status;
        a->version++;
    } else if (!err) {
        struct buf change BUF_SCOPE = {0};
        struct asset asset = record_asset((uint32_t)n, &a->record[n]);
        if (asset.type == TYPE_NONE)
            asset.type = generate_type(&a->gen, asset.number);
        if (status == STATUS_READY)
            generate_ready_members(&a->gen, &asset, &change);
        else
            buf_str(&change, to[status]);
        err = change.failed
                  ? -ENOMEM
                  : patch_record(a, (uint32_t)n,
                                 (struct slice){change.data, change.len});
    }
    if (!err && patch.n)
        err = patch_record(a, (uint32_t)n, patch);
    pthread_rwlock_unlock(&a->lock);
    return err;
}

/* The history takes the text of a record that goes: what comes back needs
 * one of its own. */
static int show_record(struct account *a, uint32_t n, bool shown)
{
    struct record *r = &a->record[n];
    struct record was = *r;
    struct order_key key = {r->at, n};
    if (r->alive == shown)
        return 0;
    char *text = r->own ? malloc(r->own->len + 1) : NULL;
    if (history_reserve(a) || !r->own || !text) {
        free(text);
        return r->own ? -ENOMEM : -ENOENT;
    }
    memcpy(text, r->own->text, r->own->len);
    struct own *own = own_new(text, r->own->len);
    if (!own || (shown && order_insert(&a->order, key))) {
        own_free(own);
        return -ENOMEM;
    }
    if (!shown)
        order_remove(&a->order, key);
    history_push(a, n, &was);
    r->own = own;
    r->alive = shown;
    a->version++;
    return 0;
}

int account_show(struct account *a, const char *id, bool shown)
{
    pthread_rwlock_wrlock(&a->lock);
    int64_t n = generate_number(&a->gen, id);
    int err = n < 0 || n >= a->nrecords ? -ENOENT
                                        : show_record(a, (uint32_t)n, shown);
    pthread_rwlock_unlock(&a->lock);
    return err;
}
