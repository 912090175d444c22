/* SPDX-License-Identifier: MIT */
#include "account_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <wctype.h>

/* One code point of valid UTF-8, or 0 when the bytes are none. */
static unsigned decode(const unsigned char *p, size_t *ret_n)
{
    static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    unsigned cp = p[0] & (0xffu >> (n + 1));
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        cp = cp << 6 | (p[i] & 0x3f);
    }
    *ret_n = n;
    return cp < least[n] || cp > 0x10ffff ? 0 : cp;
}

void account_fold(const char *text, struct buf *out)
{
    const unsigned char *p = (const unsigned char *)text;
    while (*p) {
        size_t n = 1;
        unsigned cp = *p < 0x80 ? 0 : decode(p, &n);
        if (*p >= 'A' && *p <= 'Z')
            buf_char(out, (char)(*p | 32));
        else if (cp)
            buf_utf8(out, (unsigned)towlower((wint_t)cp));
        else
            buf_char(out, (char)*p);
        p += cp ? n : 1;
    }
}

static bool name_matches(const struct account *a, uint32_t n,
                         const struct record *r, const char *needle,
                         struct buf *name, struct buf *folded)
{
    if (r->own)
        return strstr(r->own->folded, needle);
    struct asset asset = record_asset(n, r);
    buf_clear(name);
    buf_clear(folded);
    generate_filename(&a->gen, &asset, name);
    account_fold(name->data ? name->data : "", folded);
    return folded->data && strstr(folded->data, needle);
}

static void matches_unref(struct matches *m)
{
    if (!m || atomic_fetch_sub(&m->refs, 1) > 1)
        return;
    free(m->needle);
    free(m->number);
    free(m);
}

void account_cache_done(struct account *a)
{
    for (int i = 0; i < CACHED_MATCHES; i++)
        matches_unref(a->cache[i]);
}

static struct matches *cache_get(struct account *a,
                                 const struct account_query *q)
{
    struct matches *found = NULL;
    pthread_mutex_lock(&a->cache_lock);
    for (int i = 0; i < CACHED_MATCHES && !found; i++) {
        struct matches *m = a->cache[i];
        if (m && m->version == a->version && m->types == q->types &&
            !strcmp(m->needle, q->needle ? q->needle : ""))
            found = m;
    }
    if (found)
        atomic_fetch_add(&found->refs, 1);
    pthread_mutex_unlock(&a->cache_lock);
    return found;
}

static void cache_put(struct account *a, struct matches *m)
{
    atomic_fetch_add(&m->refs, 1);
    pthread_mutex_lock(&a->cache_lock);
    struct matches *old = a->cache[a->cache_next];
    a->cache[a->cache_next] = m;
    a->cache_next = (a->cache_next + 1) % CACHED_MATCHES;
    pthread_mutex_unlock(&a->cache_lock);
    matches_unref(old);
}

static bool type_matches(const struct record *r, unsigned types)
{
    /* The type of an asset in work is not known yet: in no type's list. */
    if (!types)
        return true;
    return (r->own || r->status == STATUS_READY) && types & 1u << r->type;
}

bool list_matches(const struct account *a, uint32_t n,
                  const struct record *record, const struct account_query *q,
                  struct buf *name, struct buf *folded)
{
    return type_matches(record, q->types) &&
           (!q->needle || name_matches(a, n, record, q->needle, name, folded));
}

/* All matches of a filter, newest first. Lock held for reading. */
static struct matches *scan(struct account *a, const struct account_query *q)
{
    struct buf name BUF_SCOPE = {0}, folded BUF_SCOPE = {0};
    struct matches *m = calloc(1, sizeof(*m));
    if (!m)
        return NULL;
    atomic_init(&m->refs, 1);
    m->version = a->version;
    m->types = q->types;
    m->needle = strdup(q->needle ? q->needle : "");
    m->number = malloc((a->order.count + 1) * sizeof(*m->number));
    if (!m->needle || !m->number) {
        matches_unref(m);
        return NULL;
    }
    struct order_cursor c = order_newest(&a->order, 0);
    for (int64_t n; (n = order_next(&c)) >= 0;)
        if (list_matches(a, (uint32_t)n, &a->record[n], q, &name, &folded))
            m->number[m->n++] = (uint32_t)n;
    uint32_t *less = realloc(m->number, (m->n + 1) * sizeof(*less));
    if (less)
        m->number = less;
    return m;
}

static void add_object(const struct account *a, uint32_t n, struct buf *out)
{
    if (out->len > 1)
        buf_char(out, ',');
    record_text(a, n, &a->record[n], out);
}

static int list_filtered(struct account *a, const struct account_query *q,
                         size_t skip, struct buf *out, size_t *ret_total)
{
    struct matches *m = cache_get(a, q);
    if (!m) {
        m = scan(a, q);
        if (!m)
            return -ENOMEM;
        cache_put(a, m);
    }
    for (size_t i = skip; i < m->n && i - skip < (size_t)q->limit; i++)
        add_object(a, m->number[i], out);
    *ret_total = m->n;
    matches_unref(m);
    return 0;
}

static int newest_first(const void *left, const void *right, void *account)
{
    const struct account *a = account;
    uint32_t l = *(const uint32_t *)left, r = *(const uint32_t *)right;
    if (a->record[l].at != a->record[r].at)
        return a->record[l].at < a->record[r].at ? 1 : -1;
    return l < r ? 1 : l > r ? -1 : 0;
}

static int list_by_ids(struct account *a, const struct account_query *q,
                       size_t skip, struct buf *out, size_t *ret_total)
{
    struct buf name BUF_SCOPE = {0}, folded BUF_SCOPE = {0};
    uint32_t *number = malloc((q->nids + 1) * sizeof(*number));
    size_t n = 0, unique = 0;
    if (!number)
        return -ENOMEM;
    for (size_t i = 0; i < q->nids; i++) {
        int64_t found = account_find(a, q->ids[i], false);
        if (found >= 0 && list_matches(a, (uint32_t)found, &a->record[found], q,
                                       &name, &folded))
            number[n++] = (uint32_t)found;
    }
    qsort_r(number, n, sizeof(*number), newest_first, a);
    for (size_t i = 0; i < n; i++)
        if (!unique || number[unique - 1] != number[i])
            number[unique++] = number[i];
    for (size_t i = skip; i < unique && i - skip < (size_t)q->limit; i++)
        add_object(a, number[i], out);
    free(number);
    *ret_total = unique;
    return 0;
}

/* The total of another moment. Lock held for reading. */
static int total_then(struct account *a, const struct account_query *q,
                      size_t *ret_total)
{
    struct account_query then = *q;
    struct buf nothing BUF_SCOPE = {0};
    if (!q->types && !q->needle) {
        *ret_total = history_count(a, q->total_as_of_us);
        return 0;
    }
    then.as_of_us = q->total_as_of_us;
    then.limit = 0;
    return list_past(a, &then, &nothing, ret_total);
}

int account_list(struct account *a, const struct account_query *q,
                 struct buf *out, size_t *ret_total)
{
    size_t skip = (size_t)(q->page - 1) * (size_t)q->limit;
    int err = 0;
    struct buf data BUF_SCOPE = {0};
    buf_char(&data, '[');
    pthread_rwlock_rdlock(&a->lock);
    if (q->as_of_us || q->shuffle) {
        err = list_past(a, q, &data, ret_total);
    } else if (q->by_ids) {
        err = list_by_ids(a, q, skip, &data, ret_total);
    } else if (q->types || q->needle) {
        err = list_filtered(a, q, skip, &data, ret_total);
    } else {
        struct order_cursor c = order_newest(&a->order, skip);
        int64_t n;
        for (long i = 0; i < q->limit && (n = order_next(&c)) >= 0; i++)
            add_object(a, (uint32_t)n, &data);
        *ret_total = a->order.count;
    }
    if (!err && q->total_as_of_us && !q->by_ids)
        err = total_then(a, q, ret_total);
    pthread_rwlock_unlock(&a->lock);
    buf_char(&data, ']');
    buf_add(out, data.data ? data.data : "", data.len);
    return err ? err : data.failed ? -ENOMEM : 0;
}

int account_get(struct account *a, const char *id, bool internal,
                struct buf *out)
{
    pthread_rwlock_rdlock(&a->lock);
    int64_t n = account_find(a, id, internal);
    if (n >= 0)
        record_text(a, (uint32_t)n, &a->record[n], out);
    pthread_rwlock_unlock(&a->lock);
    return n >= 0 ? 0 : -ENOENT;
}

bool account_has(struct account *a, const char *id)
{
    pthread_rwlock_rdlock(&a->lock);
    int64_t n = account_find(a, id, true);
    pthread_rwlock_unlock(&a->lock);
    return n >= 0;
}

int account_filename(struct account *a, const char *id, struct buf *out)
{
    struct buf text BUF_SCOPE = {0};
    int err = account_get(a, id, true, &text);
    if (!err)
        json_find_string((struct slice){text.data, text.len}, "filename", out);
    return err;
}

/* The _id a client sees, or the internal one where the object has none. */
static void visible_id(const struct account *a, uint32_t n, struct buf *out)
{
    const struct record *r = &a->record[n];
    char id[ID_LENGTH + 1];
    generate_id(&a->gen, n, r->at, id);
    buf_json(out, r->own && r->own->id ? r->own->id : id);
}

void account_ids(struct account *a, uint32_t mark, struct buf *out)
{
    bool first = true;
    buf_char(out, '[');
    pthread_rwlock_rdlock(&a->lock);
    struct order_cursor c = order_newest(&a->order, 0);
    for (int64_t n; (n = order_next(&c)) >= 0;) {
        if (mark && n >= mark)
            continue;
        if (!first)
            buf_char(out, ',');
        first = false;
        visible_id(a, (uint32_t)n, out);
    }
    pthread_rwlock_unlock(&a->lock);
    buf_char(out, ']');
}

void account_dump(struct account *a, struct buf *out)
{
    pthread_rwlock_rdlock(&a->lock);
    struct order_cursor c = order_newest(&a->order, 0);
    for (int64_t n; (n = order_next(&c)) >= 0;) {
        size_t from = out->len;
        record_text(a, (uint32_t)n, &a->record[n], out);
        if (out->failed)
            break;
        for (char *p = out->data + from; p < out->data + out->len; p++)
            if (*p == '\n' || *p == '\r')
                *p = ' ';
        buf_char(out, '\n');
    }
    pthread_rwlock_unlock(&a->lock);
}

size_t account_count(struct account *a)
{
    pthread_rwlock_rdlock(&a->lock);
    size_t n = a->order.count;
    pthread_rwlock_unlock(&a->lock);
    return n;
}

uint32_t account_mark(struct account *a)
{
    pthread_rwlock_rdlock(&a->lock);
    uint32_t n = a->nrecords;
    pthread_rwlock_unlock(&a->lock);
    return n;
}

int account_id_at(struct account *a, size_t place, char ret_id[ID_LENGTH + 1])
{
    pthread_rwlock_rdlock(&a->lock);
    struct order_cursor c = order_newest(&a->order, place);
    int64_t n = order_next(&c);
    if (n >= 0)
        generate_id(&a->gen, (uint32_t)n, a->record[n].at, ret_id);
    pthread_rwlock_unlock(&a->lock);
    return n >= 0 ? 0 : -ENOENT;
}
