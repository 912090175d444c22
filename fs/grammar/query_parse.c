/* SPDX-License-Identifier: MIT */
/*
 * query_parse.c - a path segment to a term. A table of keys tells how a value
 * is parsed; any other key is a field.
 */
#include "grammar/query.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"
#include "base/cleanup.h"
#include "grammar/query_internal.h"

#define CREATED_MAX 30 /* bytes of an RFC 3339 time with a fraction */
#define NUMBER_MAX  64

/* Fields of the asset object as API.md has them: known before one was seen. */
static const char *const api_fields[] = {
    "created_at",
    "filename",
    "file_type",
    "method",
    "status",
    "size",
    "duration",
    "hls",
    "hls.status",
    "hls.manifest_url",
    "thumbnail",
    "thumbnail.status",
    "thumbnail.representative_url",
    "source.details.provider",
    "source.details.source_id",
    "source.details.original_filename",
    "source.details.source_link",
    "error",
    "error.message",
    "source",
    "user_metadata",
    "technical_metadata",
};

/* Texts. */

/* Length of a segment's key: of what stands before its '='; 0 when the
 * component has not the form of a segment. */
static size_t query_key_len(const char *component)
{
    const char *end = component + strlen(component);
    const char *at = component;

    if (!ascii_is_letter(*at))
        return 0;
    while (*at != '=') {
        if (ascii_is_alnum(*at) || *at == '_' || *at == '-' || *at == '.')
            at++;
        else if (ascii_percent_value(at, (size_t)(end - at)) >= 0)
            at += 3;
        else
            return 0;
    }
    return (size_t)(at - component);
}

bool query_is_segment(const char *component)
{
    return query_key_len(component) > 0;
}

/* A malformed escape and an escaped NUL, which no text here can hold, are
 * -ENOENT. */
static int query_unescape(const char *text, size_t len, struct buf *out)
{
    const char *at = text, *end = text + len;

    buf_init(out, len + 1);
    while (at < end) {
        int byte = (unsigned char)*at;
        if (*at == '%') {
            byte = ascii_percent_value(at, (size_t)(end - at));
            at += 2;
        }
        if (byte <= 0)
            return -ENOENT;
        at++;
        int err = buf_append_char(out, (char)byte);
        if (err)
            return err;
    }
    return 0;
}

/* Appends each part between commas, unescaped. */
static int add_list(struct query_term *t, const char *value, bool may_be_empty)
{
    const char *at = value;

    for (;;) {
        cleanup(buf_done) struct buf text = {0};
        size_t len = strcspn(at, ",");
        int err = len == 0 && !may_be_empty ? -ENOENT
                                            : query_unescape(at, len, &text);
        if (!err)
            err = query_term_text(t, buf_str(&text), text.len);
        if (err || at[len] == '\0')
            return err;
        at += len + 1;
    }
}

/* Numbers. */

static const char *query_skip_digits(const char *at, const char *end)
{
    while (at < end && ascii_is_digit(*at))
        at++;
    return at;
}

/* Where a decimal number ends: `at` itself when none begins there. "600..700"
 * is two numbers: a dot must be followed by a digit. */
static const char *query_number_end(const char *at, const char *end)
{
    const char *p = at;

    if (p < end && *p == '-')
        p++;
    const char *digits = p;
    p = query_skip_digits(p, end);
    if (p == digits)
        return at;
    if (end - p >= 2 && *p == '.' && ascii_is_digit(p[1]))
        p = query_skip_digits(p + 1, end);
    if (end - p >= 2 && (*p == 'e' || *p == 'E')) {
        const char *exponent = p + 1;
        if (*exponent == '+' || *exponent == '-')
            exponent++;
        const char *stop = query_skip_digits(exponent, end);
        if (stop > exponent)
            p = stop;
    }
    return p;
}

struct unit {
    char suffix;
    double factor;
};

static const struct unit duration_units[] = {
    {'s', 1}, {'m', 60}, {'h', 3600}, {0, 0}};
static const struct unit size_units[] = {
    {'k', 1e3}, {'M', 1e6}, {'G', 1e9}, {'T', 1e12}, {0, 0}};
static const struct unit no_units[] = {{0, 0}};

/* A whole number with its unit. */
static bool parse_number(const char *at, const char *end,
                         const struct unit *units, double *ret_number)
{
    char text[NUMBER_MAX];
    const char *stop = query_number_end(at, end);
    size_t len = (size_t)(stop - at);
    double factor = 1;

    if (len == 0 || len >= sizeof(text))
        return false;
    if (stop < end) {
        while (units->suffix && units->suffix != *stop)
            units++;
        if (!units->suffix || stop + 1 != end)
            return false;
        factor = units->factor;
    }
    memcpy(text, at, len);
    text[len] = '\0';
    *ret_number = strtod(text, NULL) * factor;
    return true;
}

/* "low..high", either of them absent; or where `single`, one number. */
static bool parse_range(const char *value, const struct unit *units,
                        bool single, struct query_term *t)
{
    const char *end = value + strlen(value);
    const char *dots = strstr(value, "..");

    t->kind = QUERY_RANGE;
    if (!dots) {
        bool is_number = single && parse_number(value, end, units, &t->low);
        t->high = t->low;
        return is_number;
    }
    t->low = -INFINITY;
    t->high = INFINITY;
    if (end - value == 2)
        return false;
    return (dots == value || parse_number(value, dots, units, &t->low)) &&
           (dots + 2 == end || parse_number(dots + 2, end, units, &t->high));
}

/* Keys. */

static int parse_types(const char *value, struct query_term *t)
{
    int err = add_list(t, value, false);

    t->kind = QUERY_TYPE;
    for (size_t i = 0; !err && i < t->text_count; i++) {
        enum asset_type type;
        err = asset_type_parse(t->texts[i], &type);
        if (!err)
            t->types |= 1u << type;
        free(t->texts[i]);
        t->texts[i] = NULL;
    }
    if (err)
        return err;
    t->text_count = 0;
    return 0;
}

static int parse_ids(const char *value, struct query_term *t)
{
    t->kind = QUERY_ID;
    return add_list(t, value, false);
}

static int parse_filename(const char *value, struct query_term *t)
{
    cleanup(buf_done) struct buf text = {0};
    cleanup(buf_done) struct buf folded = {0};
    int err = query_unescape(value, strlen(value), &text);

    t->kind = QUERY_FILENAME;
    if (!err && text.len == 0)
        err = -ENOENT;
    buf_init(&folded, 4 * text.len + 64);
    if (!err)
        err = query_fold(buf_str(&text), text.len, &folded);
    if (!err)
        err = query_term_text(t, buf_str(&folded), folded.len);
    return err ? err : query_term_text(t, buf_str(&text), text.len);
}

/* A prefix of an RFC 3339 time, by its letters: SQL compares texts. */
static bool is_time_prefix(const char *text, size_t len)
{
    return len > 0 && len <= CREATED_MAX && ascii_is_digit(*text) &&
           strspn(text, "0123456789-T:Z.+") >= len;
}

/* The least text above all that begin with this one. */
static int add_successor(struct query_term *t, const char *prefix, size_t len)
{
    char text[CREATED_MAX];

    memcpy(text, prefix, len);
    text[len - 1]++;
    return query_term_text(t, text, len);
}

static int parse_created(const char *value, struct query_term *t)
{
    cleanup(buf_done) struct buf text = {0};
    int err = query_unescape(value, strlen(value), &text);

    if (err)
        return err;
    t->kind = QUERY_CREATED;
    const char *from = buf_str(&text);
    const char *dots = strstr(from, "..");
    const char *to = dots ? dots + 2 : from;
    size_t from_len = dots ? (size_t)(dots - from) : text.len;
    size_t to_len = strlen(to);
    if ((from_len == 0 && to_len == 0) ||
        (from_len > 0 && !is_time_prefix(from, from_len)) ||
        (to_len > 0 && !is_time_prefix(to, to_len)))
        return -ENOENT;
    err = query_term_text(t, from, from_len);
    if (err)
        return err;
    return to_len > 0 ? add_successor(t, to, to_len)
                      : query_term_text(t, "", 0);
}

static int parse_duration(const char *value, struct query_term *t)
{
    return parse_range(value, duration_units, true, t) ? 0 : -ENOENT;
}

static int parse_size(const char *value, struct query_term *t)
{
    return parse_range(value, size_units, true, t) ? 0 : -ENOENT;
}

static int parse_field(const char *value, struct query_term *t)
{
    if (parse_range(value, no_units, false, t))
        return 0;
    t->kind = QUERY_EXACT;
    return add_list(t, value, true);
}

struct key {
    const char *name;
    const char *field; /* of the table's; NULL when a column answers it */
    int (*parse)(const char *value, struct query_term *t);
};

static const struct key keys[] = {
    {"type", NULL, parse_types},
    {"id", NULL, parse_ids},
    {"filename", NULL, parse_filename},
    {"created", NULL, parse_created},
    {"created_at", NULL, parse_created},
    {"duration", "duration", parse_duration},
    {"size", "size", parse_size},
};

static bool query_field_is_known(const char *field, query_known_fn *known,
                                 void *ctx)
{
    for (size_t i = 0; i < array_count(api_fields); i++) {
        if (strcmp(api_fields[i], field) == 0)
            return true;
    }
    return known && known(ctx, field);
}

static int query_parse(const char *key, const char *value,
                       query_known_fn *known, void *ctx, struct query_term *t)
{
    const char *field = key;
    int (*parser)(const char *, struct query_term *) = parse_field;

    for (size_t i = 0; i < array_count(keys); i++) {
        if (strcmp(keys[i].name, key) == 0) {
            field = keys[i].field;
            parser = keys[i].parse;
        }
    }
    if (field && !query_field_is_known(field, known, ctx))
        return -ENOENT;
    if (field && !(t->field = strdup(field)))
        return -ENOMEM;
    return parser(value, t);
}

int query_add(struct query *q, const char *segment, query_known_fn *known,
              void *ctx)
{
    struct query_term t = {0};
    cleanup(buf_done) struct buf key = {0};
    size_t key_len = query_key_len(segment);

    if (key_len == 0 || q->count >= QUERY_MAX_TERMS)
        return -ENOENT;
    int err = query_unescape(segment, key_len, &key);
    if (!err)
        err = query_parse(buf_str(&key), segment + key_len + 1, known, ctx, &t);
    if (err) {
        query_term_done(&t);
        return err;
    }
    return query_append(q, &t);
}

/* Saved links. */

int query_check_target(const char *target, query_known_fn *known, void *ctx,
                       const char **ret_reason)
{
    cleanup(query_done) struct query q = {0};
    const char *at = target;

    if (*target == '\0' || *target == '/') {
        *ret_reason = "not a relative path";
        return -EINVAL;
    }
    while (*at != '\0') {
        size_t len = strcspn(at, "/");
        if (len > NAME_MAX) {
            *ret_reason = "a condition has over 255 bytes";
            return -ENAMETOOLONG;
        }
        cleanup(free_ptr) char *segment = strndup(at, len);
        int err = segment ? query_add(&q, segment, known, ctx) : -ENOMEM;
        if (err) {
            *ret_reason = err == -ENOMEM               ? "out of memory"
                          : q.count == QUERY_MAX_TERMS ? "too many conditions"
                          : query_is_segment(segment)
                              ? "unknown key or malformed value"
                              : "not a path of key=value";
            return err == -ENOMEM ? err : -EINVAL;
        }
        at += len + (at[len] == '/');
    }
    return 0;
}
