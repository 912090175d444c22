/* SPDX-License-Identifier: MIT */
/*
 * query.c - a query in other forms: folded, canonical, as the API's parameters.
 */
#include "grammar/query.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "base/cleanup.h"
#include "grammar/name.h"
#include "grammar/query_internal.h"

#define TERM_MAX (1 << 20) /* bytes of one term's canonical text */

/* Making and freeing. */

void query_term_done(struct query_term *t)
{
    for (size_t i = 0; i < t->text_count; i++)
        free(t->texts[i]);
    free(t->texts);
    free(t->field);
    *t = (struct query_term){0};
}

void query_done(struct query *q)
{
    for (size_t i = 0; i < q->count; i++)
        query_term_done(&q->terms[i]);
    free(q->terms);
    *q = (struct query){0};
}

int query_append(struct query *q, struct query_term *t)
{
    struct query_term *terms = NULL;
    int err = q->count >= QUERY_MAX_TERMS ? -ENOENT : 0;

    if (!err) {
        terms = reallocarray(q->terms, q->count + 1, sizeof(*terms));
        err = terms ? 0 : -ENOMEM;
    }
    if (err) {
        query_term_done(t);
        return err;
    }
    q->terms = terms;
    q->terms[q->count++] = *t;
    *t = (struct query_term){0};
    return 0;
}

int query_term_text(struct query_term *t, const char *text, size_t len)
{
    char **texts = reallocarray(t->texts, t->text_count + 1, sizeof(*texts));

    if (!texts)
        return -ENOMEM;
    t->texts = texts;
    char *copy = strndup(text, len);
    if (!copy)
        return -ENOMEM;
    texts[t->text_count++] = copy;
    return 0;
}

static int copy_term(const struct query_term *from, struct query *to)
{
    struct query_term t = {.kind = from->kind,
                           .types = from->types,
                           .low = from->low,
                           .high = from->high};
    int err = 0;

    if (from->field && !(t.field = strdup(from->field)))
        err = -ENOMEM;
    for (size_t i = 0; !err && i < from->text_count; i++)
        err = query_term_text(&t, from->texts[i], strlen(from->texts[i]));
    if (err) {
        query_term_done(&t);
        return err;
    }
    return query_append(to, &t);
}

int query_copy(const struct query *from, struct query *ret_query)
{
    struct query copy = {0};
    int err = 0;

    for (size_t i = 0; !err && i < from->count; i++)
        err = copy_term(&from->terms[i], &copy);
    if (err) {
        query_done(&copy);
        return err;
    }
    *ret_query = copy;
    return 0;
}

int query_add_type(struct query *q, enum asset_type type)
{
    struct query_term t = {.kind = QUERY_TYPE, .types = 1u << type};

    return query_append(q, &t);
}

int query_add_id(struct query *q, const char *id)
{
    struct query_term t = {.kind = QUERY_ID};
    int err = query_term_text(&t, id, strlen(id));

    if (err) {
        query_term_done(&t);
        return err;
    }
    return query_append(q, &t);
}

/* Folding. */

/* What is all characters. */
static int fold_characters(const utf8proc_uint8_t *text, size_t len,
                           struct buf *out)
{
    static const utf8proc_option_t options =
        UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD;
    utf8proc_ssize_t count =
        utf8proc_decompose(text, (utf8proc_ssize_t)len, NULL, 0, options);

    if (count < 0)
        return -E2BIG;
    /* One more, for the NUL that reencode writes. */
    cleanup(free_ptr) utf8proc_int32_t *points =
        calloc((size_t)count + 1, sizeof(*points));
    if (!points)
        return -ENOMEM;
    (void)utf8proc_decompose(text, (utf8proc_ssize_t)len, points, count,
                             options);
    utf8proc_ssize_t bytes = utf8proc_reencode(points, count, options);
    return buf_append(out, points, bytes > 0 ? (size_t)bytes : 0);
}

/* The length of the characters that text begins with. */
static size_t characters_len(const utf8proc_uint8_t *text, size_t len)
{
    size_t at = 0;
    utf8proc_int32_t point;

    while (at < len) {
        utf8proc_ssize_t n =
            utf8proc_iterate(text + at, (utf8proc_ssize_t)(len - at), &point);
        if (n <= 0)
            break;
        at += (size_t)n;
    }
    return at;
}

static int fold_ascii(const char *text, size_t len, struct buf *out)
{
    int err = 0;

    for (size_t i = 0; !err && i < len; i++) {
        char c = text[i];
        err = buf_append_char(out, (char)(c >= 'A' && c <= 'Z' ? c + 32 : c));
    }
    return err;
}

static bool is_ascii(const char *text, size_t len)
{
    unsigned char all = 0;

    for (size_t i = 0; i < len; i++)
        all |= (unsigned char)text[i];
    return all < 0x80;
}

int query_fold(const char *text, size_t len, struct buf *out)
{
    size_t before = out->len;
    int err = buf_reserve(out, len);

    if (!err && is_ascii(text, len))
        err = fold_ascii(text, len, out);
    else
        for (size_t at = 0; !err && at < len;) {
            const utf8proc_uint8_t *rest = (const utf8proc_uint8_t *)text + at;
            size_t count = characters_len(rest, len - at);
            err = count ? fold_characters(rest, count, out)
                        : buf_append_char(out, text[at]);
            at += count ? count : 1;
        }
    if (err)
        buf_truncate(out, before);
    return err;
}

/* Canonical text. */

static int order_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The texts as a set: sorted, each once. */
static int append_set(struct buf *out, const struct query_term *t)
{
    size_t count = t->text_count;
    cleanup(free_ptr) char **sorted = calloc(count + 1, sizeof(*sorted));
    int err = sorted ? 0 : -ENOMEM;

    if (!err && count > 0) {
        memcpy(sorted, t->texts, count * sizeof(*sorted));
        qsort(sorted, count, sizeof(*sorted), order_texts);
    }
    for (size_t i = 0; !err && i < count; i++) {
        if (i > 0 && strcmp(sorted[i], sorted[i - 1]) == 0)
            continue;
        err = i > 0 ? buf_append_char(out, ',') : 0;
        if (!err)
            err = buf_append_url(out, sorted[i], strlen(sorted[i]));
    }
    return err;
}

static int append_pair(struct buf *out, const struct query_term *t)
{
    int err = buf_append_url(out, t->texts[0], strlen(t->texts[0]));

    if (!err)
        err = buf_append_str(out, "..");
    return err ? err : buf_append_url(out, t->texts[1], strlen(t->texts[1]));
}

/* ':' and '=' tell the kinds apart: a field's name has neither, encoded. */
static int append_term(struct buf *out, const struct query_term *t)
{
    int err = t->field ? buf_append_url(out, t->field, strlen(t->field)) : 0;

    if (err)
        return err;
    switch (t->kind) {
    case QUERY_TYPE:
        return buf_appendf(out, ":type=%u", t->types);
    case QUERY_ID:
        err = buf_append_str(out, ":id=");
        return err ? err : append_set(out, t);
    case QUERY_FILENAME:
        err = buf_append_str(out, ":filename=");
        return err ? err
                   : buf_append_url(out, t->texts[0], strlen(t->texts[0]));
    case QUERY_CREATED:
        err = buf_append_str(out, ":created=");
        return err ? err : append_pair(out, t);
    case QUERY_RANGE:
        return buf_appendf(out, ":range=%.17g..%.17g", t->low, t->high);
    default:
        err = buf_append_str(out, "=");
        return err ? err : append_set(out, t);
    }
}

struct term_texts {
    char *items[QUERY_MAX_TERMS];
};

static void term_texts_done(struct term_texts *texts)
{
    for (size_t i = 0; i < QUERY_MAX_TERMS; i++)
        free(texts->items[i]);
}

int query_canonical(const struct query *q, struct buf *out)
{
    cleanup(term_texts_done) struct term_texts owned = {{NULL}};
    char **texts = owned.items;
    size_t before = out->len;
    int err = 0;

    for (size_t i = 0; !err && i < q->count; i++) {
        cleanup(buf_done) struct buf text;
        buf_init(&text, TERM_MAX);
        err = append_term(&text, &q->terms[i]);
        if (!err && !(texts[i] = buf_steal(&text, NULL)))
            err = -ENOMEM;
    }
    if (!err && q->count > 0)
        qsort(texts, q->count, sizeof(*texts), order_texts);
    for (size_t i = 0; !err && i < q->count; i++) {
        if (i > 0 && strcmp(texts[i], texts[i - 1]) == 0)
            continue;
        err = buf_append_str(out, texts[i]);
        if (!err)
            err = buf_append_char(out, '/');
    }
    if (err)
        buf_truncate(out, before);
    return err;
}

/* What a server can be asked. */

/* The id condition with the fewest ids: each holds the whole answer. */
static const struct query_term *fewest_ids(const struct query *q)
{
    const struct query_term *best = NULL;

    for (size_t i = 0; i < q->count; i++) {
        const struct query_term *t = &q->terms[i];
        if (t->kind == QUERY_ID && (!best || t->text_count < best->text_count))
            best = t;
    }
    return best;
}

static int query_ask_ids(const struct query_term *t, struct buf *out)
{
    int err = 0;

    for (size_t i = 0; !err && i < t->text_count; i++) {
        err = buf_append_str(out, "&asset_ids=");
        if (!err)
            err = buf_append_url(out, t->texts[i], strlen(t->texts[i]));
    }
    return err;
}

/* The longest run of all filename conditions. */
static int ask_filename(const struct query *q, struct buf *out)
{
    const char *best = NULL;
    size_t best_len = 0;

    for (size_t i = 0; i < q->count; i++) {
        const struct query_term *t = &q->terms[i];
        const char *run;
        size_t len;
        if (t->kind == QUERY_FILENAME &&
            name_ascii_run(t->texts[1], strlen(t->texts[1]), &run, &len) &&
            len > best_len) {
            best = run;
            best_len = len;
        }
    }
    if (!best)
        return -EOPNOTSUPP;
    int err = buf_append_str(out, "&filename=");
    return err ? err : buf_append_url(out, best, best_len);
}

/* Types are never asked for: the server maps MIME types by rules of its own,
 * so its answer might lack what we count as that type; and a folder name is
 * final only when all assets of that filename are known, of whatever type. */
int query_ask(const struct query *q, struct buf *out)
{
    const struct query_term *ids = fewest_ids(q);
    size_t before = out->len;
    int err = ids ? query_ask_ids(ids, out) : ask_filename(q, out);

    if (err)
        buf_truncate(out, before);
    return err;
}
