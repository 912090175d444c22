/* SPDX-License-Identifier: MIT */
/*
 * difference.c - both objects become lists of fields, sorted by name; the lists
 * are then walked side by side.
 */
#include "json/difference.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/utf8.h"
#include "json/metadata.h"
#include "json/renewal.h"
#include "json/scan.h"
#include "json/text.h"

struct field {
    char *name;
    size_t name_len;
    const char *text; /* borrowed from the object */
    size_t len;
    size_t order;
};

struct field_list {
    struct field *items;
    size_t count, capacity;
};

static void field_list_done(struct field_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i].name);
    free(list->items);
    *list = (struct field_list){0};
}

/* The names that lead to where the scanner is. */
struct path {
    char text[DIFFERENCE_MAX_NAME];
    size_t len;
    size_t before[DIFFERENCE_MAX_LEVELS]; /* its length, level by level */
    size_t depth;                         /* objects that are open */
};

static int difference_list_add(struct field_list *list, const struct path *path,
                               const char *text, size_t len)
{
    if (list->count == DIFFERENCE_MAX_FIELDS)
        return 0;
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 32;
        struct field *items =
            reallocarray(list->items, capacity, sizeof(*items));
        if (!items)
            return -ENOMEM;
        list->items = items;
        list->capacity = capacity;
    }
    char *name = malloc(path->len + 1);
    if (!name)
        return -ENOMEM;
    memcpy(name, path->text, path->len);
    name[path->len] = '\0';
    list->items[list->count] =
        (struct field){name, path->len, text, len, list->count};
    list->count++;
    return 0;
}

/* The path to a member of the object that is open. */
static int path_enter(struct path *path, const struct scan_token *name)
{
    size_t len = 0, room;
    cleanup(free_ptr) char *decoded = text_decode(name->text, name->len, &len);

    if (!decoded)
        return -ENOMEM;
    path->len = path->before[path->depth - 1];
    if (path->depth > 1 && path->len < sizeof(path->text))
        path->text[path->len++] = '.';
    room = sizeof(path->text) - path->len;
    memcpy(path->text + path->len, decoded, len < room ? len : room);
    path->len += len < room ? len : room;
    return 0;
}

/* Whether the value that comes is an object to go into: then past its brace. */
static bool path_descend(struct path *path, struct scan *s)
{
    struct scan ahead = *s, beyond;
    struct scan_token token;

    if (path->depth == DIFFERENCE_MAX_LEVELS || scan_next(&ahead, &token) ||
        token.kind != SCAN_OBJECT_OPEN)
        return false;
    beyond = ahead;
    if (scan_next(&beyond, &token) || token.kind == SCAN_OBJECT_CLOSE)
        return false;
    path->before[path->depth++] = path->len;
    *s = ahead;
    return true;
}

/* A name was read: its value, or the way into it. */
static int list_take(struct field_list *list, struct path *path, struct scan *s,
                     const struct scan_token *name)
{
    struct scan_token colon;
    const char *text;
    size_t len;
    int err = path_enter(path, name);

    if (err)
        return err;
    if (scan_next(s, &colon) || colon.kind != SCAN_COLON)
        return -EBADMSG;
    if (path_descend(path, s))
        return 0;
    err = scan_value(s, &text, &len);
    return err ? -EBADMSG : difference_list_add(list, path, text, len);
}

static int difference_by_name(const void *left, const void *right)
{
    const struct field *a = left, *b = right;
    size_t len = a->name_len < b->name_len ? a->name_len : b->name_len;
    int order = memcmp(a->name, b->name, len);

    if (order)
        return order;
    if (a->name_len != b->name_len)
        return a->name_len < b->name_len ? -1 : 1;
    return a->order < b->order ? -1 : 1;
}

static int list_make(const char *json, size_t len, struct field_list *list)
{
    struct path path = {.depth = 1};
    struct scan s;
    struct scan_token token;
    int err = 0;

    scan_init(&s, json, len);
    if (scan_next(&s, &token) || token.kind != SCAN_OBJECT_OPEN)
        return -EBADMSG;
    while (!err && path.depth > 0) {
        err = scan_next(&s, &token);
        if (!err && token.kind == SCAN_STRING)
            err = list_take(list, &path, &s, &token);
        else if (!err && token.kind == SCAN_OBJECT_CLOSE)
            path.depth--;
        else if (!err && token.kind != SCAN_COMMA)
            err = -EBADMSG;
    }
    if (!err && list->count)
        qsort(list->items, list->count, sizeof(*list->items),
              difference_by_name);
    return err;
}

static bool difference_is_harmless(uint32_t code)
{
    return !utf8_is_control(code) && !utf8_is_bidi_override(code);
}

/* Of valid JSON: what isn't ASCII, and DEL, stands in strings alone. */
static int difference_append_clean(const char *text, size_t len,
                                   struct buf *out)
{
    int err = 0;

    for (size_t at = 0; !err && at < len;) {
        uint32_t code = 0;
        size_t count = utf8_decode(text + at, len - at, &code);
        if (count == 0 || utf8_is_surrogate(code))
            err = buf_append_str(out, "\xef\xbf\xbd"); /* U+FFFD */
        else if (difference_is_harmless(code))
            err = buf_append(out, text + at, count);
        else
            err = buf_appendf(out, "\\u%04x", (unsigned)code);
        at += count ? count : 1;
    }
    return err;
}

int difference_append_value(const char *json, size_t len, struct buf *out)
{
    cleanup(buf_done) struct buf line = {.max = len + 2};
    int err = metadata_line(json, len, &line);

    return err ? err : difference_append_clean(line.data, line.len - 1, out);
}

int difference_append_string(const char *text, size_t len, struct buf *out)
{
    cleanup(buf_done) struct buf string = {.max = 6 * len + 2};
    int err = text_append_string(&string, text, len);

    return err ? err : difference_append_clean(string.data, string.len, out);
}

static bool difference_is_signed(const struct field *f)
{
    return strncmp(f->name, "hls.", strlen("hls.")) == 0 ||
           strncmp(f->name, "thumbnail.", strlen("thumbnail.")) == 0;
}

static bool difference_same_value(const struct field *a, const struct field *b)
{
    if (a->len == b->len && memcmp(a->text, b->text, a->len) == 0)
        return true;
    return renewal_is_value(a->text, a->len, b->text, b->len,
                            difference_is_signed(a));
}

static int difference_append_side(const char *side, const struct field *f,
                                  struct buf *out)
{
    if (!f)
        return 0;
    if (f->len > DIFFERENCE_MAX_VALUE)
        return buf_appendf(out, ",\"%s_bytes\":%zu", side, f->len);
    int err = buf_appendf(out, ",\"%s\":", side);
    return err ? err : difference_append_value(f->text, f->len, out);
}

static int difference_append_field(const struct field *before,
                                   const struct field *after, bool first,
                                   struct buf *out)
{
    const struct field *any = before ? before : after;
    int err = buf_append_str(out, first ? "{\"field\":" : ",{\"field\":");

    if (!err)
        err = difference_append_string(any->name, any->name_len, out);
    if (!err)
        err = difference_append_side("old", before, out);
    if (!err)
        err = difference_append_side("new", after, out);
    return err ? err : buf_append_char(out, '}');
}

/* The last of the fields with one name, from *at on; passes them. */
static const struct field *difference_take_last(const struct field_list *list,
                                                size_t *at)
{
    const struct field *last = &list->items[(*at)++];

    while (*at < list->count && list->items[*at].name_len == last->name_len &&
           memcmp(list->items[*at].name, last->name, last->name_len) == 0)
        last = &list->items[(*at)++];
    return last;
}

/* The next name of either list, with the fields that have it. */
static void difference_take_next(const struct field_list *before,
                                 size_t *before_at,
                                 const struct field_list *after,
                                 size_t *after_at,
                                 const struct field **ret_before,
                                 const struct field **ret_after)
{
    int order = 0;

    if (*before_at == before->count || *after_at == after->count) {
        order = *before_at == before->count ? 1 : -1;
    } else {
        struct field a = before->items[*before_at];
        struct field b = after->items[*after_at];
        if (a.name_len != b.name_len || memcmp(a.name, b.name, a.name_len) != 0)
            order = difference_by_name(&a, &b);
    }
    *ret_before = order <= 0 ? difference_take_last(before, before_at) : NULL;
    *ret_after = order >= 0 ? difference_take_last(after, after_at) : NULL;
}

static int difference_append_all(const struct field_list *before,
                                 const struct field_list *after,
                                 size_t max_bytes, struct buf *out,
                                 size_t *told, size_t *untold)
{
    const struct field *a, *b;
    size_t start = out->len;
    size_t before_at = 0, after_at = 0;
    int err = buf_append_char(out, '[');

    while (!err && (before_at < before->count || after_at < after->count)) {
        difference_take_next(before, &before_at, after, &after_at, &a, &b);
        if (a && b && difference_same_value(a, b))
            continue;
        size_t mark = out->len;
        err = difference_append_field(a, b, *told == 0, out);
        if (err == -E2BIG || (!err && out->len - start + 1 > max_bytes)) {
            buf_truncate(out, mark);
            ++*untold;
            err = 0;
        } else if (!err) {
            ++*told;
        }
    }
    return err ? err : buf_append_char(out, ']');
}

int difference_append(const char *before, size_t before_len, const char *after,
                      size_t after_len, size_t max_bytes, struct buf *out,
                      size_t *ret_told, size_t *ret_untold)
{
    cleanup(field_list_done) struct field_list old = {0};
    cleanup(field_list_done) struct field_list new = {0};
    size_t start = out->len, told = 0, untold = 0;
    int err = list_make(before, before_len, &old);

    if (!err)
        err = list_make(after, after_len, &new);
    if (!err)
        err = difference_append_all(&old, &new, max_bytes, out, &told, &untold);
    if (err) {
        buf_truncate(out, start);
        return err;
    }
    *ret_told = told;
    *ret_untold = untold;
    return 0;
}
