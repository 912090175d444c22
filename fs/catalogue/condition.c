/* SPDX-License-Identifier: MIT */
/*
 * condition.c - queries as SQL.
 *
 * Each term is a condition on the asset's row, or on the rows of table field
 * that it has. A field's value is compared as what it is: a number as a double,
 * unless a double can't tell it from others, when its exact digits are compared
 * too; all else as its exact text after a '='.
 */
#include "catalogue/condition.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "json/scan.h"
#include "json/text.h"

#define EXPONENT_SHORT 280           /* with 15 digits well within a double's */
#define EXPONENT_MAX   1000000000000 /* beyond it exponents are alike */

void condition_values_done(struct condition_values *v)
{
    for (size_t i = 0; i < v->count; i++)
        free(v->items[i].text);
    free(v->items);
    *v = (struct condition_values){0};
}

/* Exact texts. */

static int exact_string(const struct scan_token *t, struct buf *out)
{
    size_t len;
    cleanup(free_ptr) char *text = text_decode(t->text, t->len, &len);
    int err = text ? buf_reserve(out, len + 1) : -ENOMEM;

    if (!err)
        err = buf_append_char(out, '=');
    return err ? err : buf_append(out, text, len);
}

struct decimal {
    bool negative;
    const char *digits; /* with the point, where there is one */
    size_t len;
    int64_t exponent;
};

static struct decimal condition_parse_decimal(const char *at, const char *end)
{
    struct decimal d = {0};
    bool negative = false;

    d.negative = *at == '-';
    at += d.negative;
    d.digits = at;
    while (at < end && *at != 'e' && *at != 'E')
        at++;
    d.len = (size_t)(at - d.digits);
    if (at < end)
        at++;
    if (at < end && (*at == '-' || *at == '+'))
        negative = *at++ == '-';
    for (; at < end; at++) {
        if (d.exponent < EXPONENT_MAX)
            d.exponent = d.exponent * 10 + (*at - '0');
    }
    if (d.exponent > EXPONENT_MAX)
        d.exponent = EXPONENT_MAX;
    if (negative)
        d.exponent = -d.exponent;
    return d;
}

/* "#" sign, digits without zeros at either end, "e", exponent. */
static int exact_number(const struct scan_token *t, struct buf *out)
{
    struct decimal d = condition_parse_decimal(t->text, t->text + t->len);
    size_t first = d.len, last = 0;
    const char *point = memchr(d.digits, '.', d.len);
    size_t whole = point ? (size_t)(point - d.digits) : d.len;

    for (size_t i = 0; i < d.len; i++) {
        if (d.digits[i] < '1' || d.digits[i] > '9')
            continue;
        if (first == d.len)
            first = i;
        last = i;
    }
    int err = buf_append_char(out, '#');
    if (first == d.len)
        return err ? err : buf_append_char(out, '0');
    if (!err && d.negative)
        err = buf_append_char(out, '-');
    for (size_t i = first; !err && i <= last; i++) {
        if (d.digits[i] != '.')
            err = buf_append_char(out, d.digits[i]);
    }
    /* The last digit's place: 0 for units, -1 for tenths. */
    int64_t place =
        last < whole ? (int64_t)(whole - 1 - last) : -(int64_t)(last - whole);
    return err ? err : buf_appendf(out, "e%" PRId64, d.exponent + place);
}

int condition_exact_of(const char *token, size_t len, struct buf *out)
{
    struct scan scan;
    struct scan_token t;
    size_t before = out->len;

    scan_init(&scan, token, len);
    if (scan_next(&scan, &t) || t.text != token || t.len != len)
        return -EINVAL;
    int err = 0;
    switch (t.kind) {
    case SCAN_STRING:
        err = exact_string(&t, out);
        break;
    case SCAN_NUMBER:
        err = exact_number(&t, out);
        break;
    case SCAN_TRUE:
    case SCAN_FALSE:
    case SCAN_NULL:
        err = buf_append_char(out, '=');
        if (!err)
            err = buf_append(out, token, len);
        break;
    default:
        return -EINVAL;
    }
    if (err)
        buf_truncate(out, before);
    return err;
}

bool condition_exact_is_short(const char *exact, size_t len)
{
    const char *end = memchr(exact, 'e', len);
    size_t digits = end ? (size_t)(end - exact) - 1 : 1;

    if (!end)
        return true; /* "#0" */
    digits -= exact[1] == '-';
    int64_t exponent = strtoll(end + 1, NULL, 10);
    return digits <= CONDITION_SHORT_DIGITS && exponent > -EXPONENT_SHORT &&
           exponent < EXPONENT_SHORT;
}

/* Conditions. */

struct condition {
    struct buf *sql;
    struct condition_values *values;
    enum condition_form form;
    int err; /* the first; what follows does nothing */
};

static void condition_put(struct condition *c, const char *sql)
{
    if (!c->err)
        c->err = buf_append_str(c->sql, sql);
}

static void put_value(struct condition *c, struct condition_value value)
{
    struct condition_values *v = c->values;

    condition_put(c, "?");
    struct condition_value *items =
        c->err ? NULL : reallocarray(v->items, v->count + 1, sizeof(*v->items));
    if (!items) {
        c->err = c->err ? c->err : -ENOMEM;
        free(value.text);
        return;
    }
    v->items = items;
    v->items[v->count++] = value;
}

static void put_text(struct condition *c, const char *text, size_t len)
{
    char *copy = malloc(len + 1);

    if (!copy) {
        c->err = -ENOMEM;
        return;
    }
    memcpy(copy, text, len);
    copy[len] = '\0';
    put_value(c, (struct condition_value){.kind = CONDITION_BIND_TEXT,
                                          .text = copy,
                                          .text_len = len});
}

static void condition_put_string(struct condition *c, const char *text)
{
    put_text(c, text, strlen(text));
}

/* Beside other terms the type must not drive the query: a '+' keeps it from
 * an index. */
static void put_types(struct condition *c, const struct query_term *t,
                      bool alone)
{
    const char *separator = "";

    condition_put(c, alone ? "a.type IN (" : "+a.type IN (");
    for (int i = 0; i < ASSET_TYPE_COUNT; i++) {
        if (!(t->types & 1u << i))
            continue;
        condition_put(c, separator);
        put_value(c, (struct condition_value){.kind = CONDITION_BIND_INT,
                                              .integer = i});
        separator = ", ";
    }
    condition_put(c, ")");
}

static void put_ids(struct condition *c, const struct query_term *t)
{
    condition_put(c, "a.id IN (");
    for (size_t i = 0; i < t->text_count; i++) {
        condition_put(c, i > 0 ? ", " : "");
        condition_put_string(c, t->texts[i]);
    }
    condition_put(c, ")");
}

static void put_created(struct condition *c, const struct query_term *t)
{
    condition_put(c, "a.created >= ");
    condition_put_string(c, t->texts[0]);
    if (t->texts[1][0] == '\0')
        return;
    condition_put(c, " AND a.created < ");
    condition_put_string(c, t->texts[1]);
}

/* The rows that have a value for the field, up to what is asked of it. */
static void put_field(struct condition *c, const char *field)
{
    condition_put(
        c, c->form == CONDITION_SCAN
               ? "a.row IN (SELECT f.row FROM field f WHERE f.key = "
                 "(SELECT k.key FROM field_key k WHERE k.name = "
               : "EXISTS (SELECT 1 FROM field f WHERE f.row = a.row AND "
                 "f.key = (SELECT k.key FROM field_key k WHERE k.name = ");
    condition_put_string(c, field);
    condition_put(c, ")");
}

static void put_number(struct condition *c, double number)
{
    put_value(c, (struct condition_value){.kind = CONDITION_BIND_DOUBLE,
                                          .number = number});
}

/* Texts sort after all numbers. */
static void put_range(struct condition *c, const struct query_term *t)
{
    put_field(c, t->field);
    if (!isinf(t->low) || t->low > 0) {
        condition_put(c, " AND f.value >= ");
        put_number(c, t->low);
    }
    if (!isinf(t->high) || t->high < 0) {
        condition_put(c, " AND f.value <= ");
        put_number(c, t->high);
    } else {
        condition_put(c, " AND f.value < ");
        put_text(c, "", 0);
    }
    condition_put(c, ")");
}

/* What a text of an EXACT term may be meant as: a string or a word, and the
 * number that it spells. */
struct meaning {
    struct buf text, number; /* number: empty where it spells none */
};

static void meaning_done(struct meaning *m)
{
    buf_done(&m->text);
    buf_done(&m->number);
}

static int find_meaning(const char *text, struct meaning *m)
{
    size_t len = strlen(text);

    buf_init(&m->text, len + 1);
    buf_init(&m->number, len + 64);
    int err = buf_append_char(&m->text, '=');
    if (!err)
        err = buf_append(&m->text, text, len);
    if (err)
        return err;
    err = condition_exact_of(text, len, &m->number);
    if (err == -ENOMEM)
        return err;
    if (err || m->number.data[0] != '#')
        buf_reset(&m->number);
    return 0;
}

static bool is_long(const struct meaning *m)
{
    return m->number.len > 0 &&
           !condition_exact_is_short(m->number.data, m->number.len);
}

/* Each text's values, of those that `exact` tells apart (which are numbers), of
 * the others, or of all. */
enum which { WHICH_ALL, WHICH_SHORT };

static void put_values(struct condition *c, const struct query_term *t,
                       enum which which)
{
    const char *separator = "";

    for (size_t i = 0; !c->err && i < t->text_count; i++) {
        cleanup(meaning_done) struct meaning m = {0};
        c->err = find_meaning(t->texts[i], &m);
        if (c->err)
            return;
        condition_put(c, separator);
        put_text(c, m.text.data, m.text.len);
        separator = ", ";
        if (m.number.len == 0 || (which == WHICH_SHORT && is_long(&m)))
            continue;
        condition_put(c, separator);
        put_number(c, strtod(t->texts[i], NULL));
    }
}

/* Answers whether there are any. */
static bool put_longs(struct condition *c, const struct query_term *t)
{
    bool any = false;

    for (size_t i = 0; !c->err && i < t->text_count; i++) {
        cleanup(meaning_done) struct meaning m = {0};
        c->err = find_meaning(t->texts[i], &m);
        if (c->err || !is_long(&m))
            continue;
        condition_put(c, any ? ", " : " AND (f.exact IN (");
        put_text(c, m.number.data, m.number.len);
        any = true;
    }
    return any;
}

static void put_exact(struct condition *c, const struct query_term *t)
{
    bool null = false;

    condition_put(c, "(");
    put_field(c, t->field);
    condition_put(c, " AND f.value IN (");
    put_values(c, t, WHICH_ALL);
    condition_put(c, ")");
    bool longs = put_longs(c, t);
    condition_put(c, longs ? ") OR f.exact = " : " AND f.exact = ");
    put_text(c, "", 0);
    if (longs) {
        condition_put(c, " AND f.value IN (");
        put_values(c, t, WHICH_SHORT);
        condition_put(c, "))");
    }
    condition_put(c, ")");
    for (size_t i = 0; i < t->text_count; i++)
        null |= strcmp(t->texts[i], "null") == 0;
    if (null) {
        condition_put(c, " OR NOT ");
        put_field(c, t->field);
        condition_put(c, ")");
    }
    condition_put(c, ")");
}

static void put_term(struct condition *c, const struct query_term *t,
                     bool alone)
{
    switch (t->kind) {
    case QUERY_TYPE:
        put_types(c, t, alone);
        break;
    case QUERY_ID:
        put_ids(c, t);
        break;
    case QUERY_FILENAME:
        condition_put(c, "instr(a.fold, ");
        condition_put_string(c, t->texts[0]);
        condition_put(c, ") > 0");
        break;
    case QUERY_CREATED:
        put_created(c, t);
        break;
    case QUERY_RANGE:
        put_range(c, t);
        break;
    case QUERY_EXACT:
        put_exact(c, t);
        break;
    }
}

int condition_write(const struct query *q, enum condition_form form,
                    struct buf *sql, struct condition_values *values)
{
    struct condition c = {.sql = sql, .values = values, .form = form};

    if (q->count == 0)
        condition_put(&c, "1");
    for (size_t i = 0; i < q->count; i++) {
        condition_put(&c, i > 0 ? " AND " : "");
        put_term(&c, &q->terms[i], q->count == 1);
    }
    return c.err;
}
