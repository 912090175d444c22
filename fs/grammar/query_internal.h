/* SPDX-License-Identifier: MIT */
/*
 * query_internal.h - what the query's files share.
 */
#ifndef TWELVEFS_QUERY_INTERNAL_H
#define TWELVEFS_QUERY_INTERNAL_H

#include "grammar/query.h"

void query_term_done(struct query_term *t);

/* Takes ownership of what the term holds, also when it fails. */
int query_append(struct query *q, struct query_term *t);

/* Appends a copy of len bytes to the term's texts. */
int query_term_text(struct query_term *t, const char *text, size_t len);

#endif
