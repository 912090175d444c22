/* SPDX-License-Identifier: MIT */
/*
 * condition.h - a query as an SQL condition over the catalogue's tables, and
 * how a JSON scalar compares in one. Pure functions.
 */
#ifndef TWELVEFS_CATALOGUE_CONDITION_H
#define TWELVEFS_CATALOGUE_CONDITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "grammar/query.h"

/* Over the tables that catalogue.h describes: appends "1" or terms joined by
 * AND, about the row `a` of table asset. Every value and field name is a `?`;
 * the values come in their order.
 *
 * CONDITION_SCAN is for listing (sub-selects that drive the query);
 * CONDITION_POINT for asking about one row (correlated EXISTS). Terms of kind
 * RANGE and EXACT read table field, which is complete for fields that were
 * asked for before. */
enum condition_form { CONDITION_SCAN, CONDITION_POINT };
struct condition_value {
    enum {
        CONDITION_BIND_INT,
        CONDITION_BIND_DOUBLE,
        CONDITION_BIND_TEXT
    } kind;
    int64_t integer;
    double number;
    char *text; /* owned */
    size_t text_len;
};
struct condition_values {
    struct condition_value *items;
    size_t count;
};
void condition_values_done(struct condition_values *v);
int condition_write(const struct query *q, enum condition_form form,
                    struct buf *sql, struct condition_values *values);

/* How a JSON scalar compares in an EXACT term, from its exact token: a string
 * is '=' and its unescaped text; true, false and null are '=' and the word; a
 * number is '#' and its canonical decimal ("0.10" -> "#1e-1", "10" and "1e1"
 * -> "#1e1", "-0" -> "#0"), so 2^53+1 keeps its value. Appends; -EINVAL for no
 * scalar. */
int condition_exact_of(const char *token, size_t len, struct buf *out);
/* Whether a double is exact enough to tell this number from all others that
 * doubles stand for: at most 15 digits, and not out of range. */
#define CONDITION_SHORT_DIGITS 15
bool condition_exact_is_short(const char *exact, size_t len);

#endif
