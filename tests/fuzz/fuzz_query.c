/* SPDX-License-Identifier: MIT */
/*
 * Path segments, one a line, of which the first byte chooses what is known;
 * then the same bytes as a link's target, as a scalar and as a filename.
 */
#include "fuzz.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#include "base/cleanup.h"
#include "catalogue/condition.h"
#include "grammar/query.h"

static bool knows(void *ctx, const char *field)
{
    (void)field;
    return *(const bool *)ctx;
}

static void check_term(const struct query_term *t)
{
    switch (t->kind) {
    case QUERY_TYPE:
        require(t->types > 0 && t->types < 1u << ASSET_TYPE_COUNT);
        break;
    case QUERY_FILENAME:
        require(t->text_count == 2 && t->texts[0][0] && t->texts[1][0]);
        break;
    case QUERY_CREATED:
        require(t->text_count == 2 && (t->texts[0][0] || t->texts[1][0]));
        break;
    case QUERY_RANGE:
        require(t->field && !isnan(t->low) && !isnan(t->high));
        break;
    default:
        require(t->text_count > 0);
    }
}

/* Every value stands for a mark; no text of the path is in the SQL. */
static void check_condition(const struct query *q, enum condition_form form)
{
    cleanup(buf_done) struct buf sql;
    cleanup(condition_values_done) struct condition_values values = {0};
    size_t marks = 0;

    buf_init(&sql, 1 << 24);
    require(condition_write(q, form, &sql, &values) == 0);
    for (const char *p = buf_str(&sql); *p; p++) {
        marks += *p == '?';
        require(*p >= ' ' && *p < 0x7f && !strchr("'\"`;\\", *p));
    }
    require(marks == values.count);
}

/* A copy is the same question. */
static void check_canonical(const struct query *q)
{
    cleanup(query_done) struct query copy = {0};
    cleanup(buf_done) struct buf a, b;

    buf_init(&a, 1 << 24);
    buf_init(&b, 1 << 24);
    require(query_copy(q, &copy) == 0);
    require(query_canonical(q, &a) == 0 && query_canonical(&copy, &b) == 0);
    require(strcmp(buf_str(&a), buf_str(&b)) == 0);
}

/* Every byte of a text escaped stands for itself. */
static void append_escaped(struct buf *out, const char *text)
{
    for (; *text; text++)
        require(buf_appendf(out, "%%%02X", (unsigned char)*text) == 0);
}

static void append_texts(struct buf *out, const struct query_term *t)
{
    for (size_t i = 0; i < t->text_count; i++) {
        require(i == 0 || buf_append_char(out, ',') == 0);
        append_escaped(out, t->texts[i]);
    }
}

/* A field as a key: what a key may hold stands for itself. */
static void append_field(struct buf *out, const char *field)
{
    for (; *field; field++) {
        bool plain = isalnum((unsigned char)*field) || strchr("_-.", *field);
        require((plain
                     ? buf_append_char(out, *field)
                     : buf_appendf(out, "%%%02X", (unsigned char)*field)) == 0);
    }
    require(buf_append_char(out, '=') == 0);
}

/* open: the infinity that means no bound on this side. */
static void append_bound(struct buf *out, double bound, double open)
{
    if (bound == open)
        return;
    require((isinf(bound) ? buf_append_str(out, bound < 0 ? "-1e999" : "1e999")
                          : buf_appendf(out, "%.17g", bound)) == 0);
}

static void append_range(struct buf *out, const struct query_term *t)
{
    append_field(out, t->field);
    append_bound(out, t->low, -INFINITY);
    require(buf_append_str(out, "..") == 0);
    append_bound(out, t->high, INFINITY);
}

/* A segment that says what a term says; false where none is made here: a
 * bound of created_at may be no text that can be typed. */
static bool write_segment(struct buf *out, const struct query_term *t)
{
    switch (t->kind) {
    case QUERY_TYPE:
        require(buf_append_str(out, "type") == 0);
        for (int i = 0; i < ASSET_TYPE_COUNT; i++)
            if (t->types & 1u << i)
                require(buf_appendf(out, "%c%s",
                                    strchr(buf_str(out), '=') ? ',' : '=',
                                    asset_type_name((enum asset_type)i)) == 0);
        return true;
    case QUERY_ID:
        require(buf_append_str(out, "id=") == 0);
        append_texts(out, t);
        return true;
    case QUERY_FILENAME:
        require(buf_append_str(out, "filename=") == 0);
        append_escaped(out, t->texts[1]);
        return true;
    case QUERY_RANGE:
        append_range(out, t);
        return t->low != -INFINITY || t->high != INFINITY;
    case QUERY_EXACT:
        append_field(out, t->field);
        append_texts(out, t);
        return true;
    default:
        return false;
    }
}

/* What a query means can be written down and read again. */
static void check_round_trip(const struct query *q)
{
    bool known = true;
    for (size_t i = 0; i < q->count; i++) {
        cleanup(query_done) struct query again = {0};
        cleanup(buf_done) struct buf segment = {.max = 1 << 20};
        cleanup(buf_done) struct buf a = {.max = 1 << 24};
        cleanup(buf_done) struct buf b = {.max = 1 << 24};
        struct query one = {&q->terms[i], 1};
        if (!write_segment(&segment, &q->terms[i]))
            continue;
        require(query_add(&again, buf_str(&segment), knows, &known) == 0);
        require(query_canonical(&one, &a) == 0);
        require(query_canonical(&again, &b) == 0);
        require(strcmp(buf_str(&a), buf_str(&b)) == 0);
    }
}

static void check_segments(const char *text, bool known)
{
    cleanup(query_done) struct query q = {0};
    cleanup(free_ptr) char *copy = strdup(text);
    cleanup(buf_done) struct buf ask;
    char *rest = copy, *segment;

    require(copy);
    while ((segment = strsep(&rest, "\n"))) {
        size_t before = q.count;
        int err = query_add(&q, segment, knows, &known);
        require(q.count == before + (err == 0));
        require(err || query_is_segment(segment));
    }
    for (size_t i = 0; i < q.count; i++)
        check_term(&q.terms[i]);
    check_condition(&q, CONDITION_SCAN);
    check_condition(&q, CONDITION_POINT);
    check_canonical(&q);
    check_round_trip(&q);
    buf_init(&ask, 1 << 24);
    if (query_ask(&q, &ask) == 0)
        require(ask.len > 1 && ask.data[0] == '&');
    else
        require(ask.len == 0);
}

/* Folding what is folded changes nothing. */
static void check_fold(const char *text, size_t len)
{
    cleanup(buf_done) struct buf once, twice;

    buf_init(&once, 4 * len + 64);
    buf_init(&twice, 4 * once.max);
    require(query_fold(text, len, &once) == 0);
    require(query_fold(buf_str(&once), once.len, &twice) == 0);
    require(once.len == twice.len &&
            memcmp(buf_str(&once), buf_str(&twice), once.len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup(free_ptr) char *text = strndup((const char *)data, size);
    cleanup(buf_done) struct buf exact;
    bool known = size > 0 && (data[0] & 1);
    const char *reason = NULL;

    require(text);
    check_segments(text, known);
    if (query_check_target(text, knows, &known, &reason))
        require(reason);
    buf_init(&exact, size + 64);
    if (condition_exact_of((const char *)data, size, &exact) == 0)
        require(exact.len > 0 &&
                (exact.data[0] == '=' || exact.data[0] == '#'));
    check_fold((const char *)data, size);
    return 0;
}
