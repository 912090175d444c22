/* SPDX-License-Identifier: MIT */
#include "json/object.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hash.h"
#include "json/leaves.h"
#include "json/metadata.h"
#include "json/text.h"

#define ID_MAX_BYTES      200
#define CREATED_MAX_BYTES 64
#define NUMBER_MAX_BYTES  400
#define WORD_MAX_BYTES    1024               /* of a MIME type */
#define SIZE_MAX_EXACT    9007199254740992.0 /* 2^53: exact in a double */

enum field {
    FIELD_ID,
    FIELD_FILENAME,
    FIELD_CREATED_AT,
    FIELD_FILE_TYPE,
    FIELD_SIZE,
    FIELD_STATUS,
    FIELD_HLS,
    FIELD_HLS_STATUS,
    FIELD_HLS_URL,
    FIELD_THUMBNAIL,
    FIELD_THUMBNAIL_STATUS,
    FIELD_THUMBNAIL_URL,
    FIELD_COUNT
};

static const struct {
    const char *path;
    unsigned char len;
    unsigned char names;  /* "a.b" may be one name, or two */
    enum field last_part; /* what another member of this name replaces */
} fields[FIELD_COUNT] = {
#define FIELD(path, names, last_part)                                          \
    {                                                                          \
        path, sizeof(path) - 1, names, last_part                               \
    }
    [FIELD_ID] = FIELD("_id", 1, FIELD_ID),
    [FIELD_FILENAME] = FIELD("filename", 1, FIELD_FILENAME),
    [FIELD_CREATED_AT] = FIELD("created_at", 1, FIELD_CREATED_AT),
    [FIELD_FILE_TYPE] = FIELD("file_type", 1, FIELD_FILE_TYPE),
    [FIELD_SIZE] = FIELD("size", 1, FIELD_SIZE),
    [FIELD_STATUS] = FIELD("status", 1, FIELD_STATUS),
    [FIELD_HLS] = FIELD("hls", 1, FIELD_HLS_URL),
    [FIELD_HLS_STATUS] = FIELD("hls.status", 2, FIELD_HLS_STATUS),
    [FIELD_HLS_URL] = FIELD("hls.manifest_url", 2, FIELD_HLS_URL),
    [FIELD_THUMBNAIL] = FIELD("thumbnail", 1, FIELD_THUMBNAIL_URL),
    [FIELD_THUMBNAIL_STATUS] =
        FIELD("thumbnail.status", 2, FIELD_THUMBNAIL_STATUS),
    [FIELD_THUMBNAIL_URL] =
        FIELD("thumbnail.representative_url", 2, FIELD_THUMBNAIL_URL),
#undef FIELD
};

/* What the pass takes along. */
struct pass {
    struct leaves leaves;
    struct metadata_sizes sizes;
    struct scan_token tokens[FIELD_COUNT]; /* text NULL: absent */
    uint64_t shape;
    const char *start;
    size_t len;
};

static void pass_take(struct pass *p, const struct scan_token *t)
{
    const struct leaves *w = &p->leaves;
    size_t len = w->at.path_len;
    /* of the object itself, not of an array's elements */
    bool open = t->kind == SCAN_OBJECT_OPEN || t->kind == SCAN_ARRAY_OPEN;
    bool member = w->depth - open == w->at.names;

    p->shape = hash_bytes(w->path, len, p->shape + 1);
    if (!member || w->at.names > 2)
        return;
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        if (fields[i].len != len || fields[i].names != w->at.names ||
            memcmp(fields[i].path, w->path, len) != 0)
            continue;
        for (unsigned k = i; k <= fields[i].last_part; k++)
            p->tokens[k].text = NULL;
        p->tokens[i] = *t;
        return;
    }
}

/* Of several members with one name the last one counts. */
static int pass_over(struct scan *s, struct pass *p)
{
    struct scan ahead = *s;
    struct scan_grammar grammar = {0};
    struct scan_token token;

    leaves_init(&p->leaves);
    while (grammar.expect != SCAN_EXPECT_NOTHING) {
        if (scan_next(&ahead, &token))
            return -EBADMSG;
        int err = scan_accept(&grammar, token.kind);
        if (err)
            return err;
        if (!p->start) {
            if (token.kind != SCAN_OBJECT_OPEN)
                return -EBADMSG;
            p->start = token.text;
        }
        metadata_measure_token(&p->sizes, &token, &grammar);
        if (leaves_take(&p->leaves, &token))
            pass_take(p, &token);
    }
    metadata_measure_end(&p->sizes);
    p->len = (size_t)(ahead.at - p->start);
    s->at = ahead.at;
    return 0;
}

/* Texts. */

static bool object_is_string(const struct scan_token *t)
{
    return t->text && t->kind == SCAN_STRING;
}

static bool is_word(const struct scan_token *t, const char *word)
{
    return object_is_string(t) &&
           scan_equals(t->text, t->len, word, strlen(word));
}

static int read_text(const struct scan_token *t, char **ret_text,
                     size_t *ret_len)
{
    if (!object_is_string(t))
        return 0;
    *ret_text = text_decode(t->text, t->len, ret_len);
    return *ret_text ? 0 : -ENOMEM;
}

static int read_clean_url(const struct scan_token *t, char **ret_url)
{
    size_t len = 0;
    cleanup(free_ptr) char *url = NULL;
    int err = read_text(t, &url, &len);

    if (!err && url && asset_url_is_clean(url, len))
        *ret_url = steal_ptr(url);
    return err;
}

/* An id for what has none that can be used, the same whenever the same object
 * comes again: of what seldom changes, but all of that, for two that look alike
 * would be one asset. */
static int make_id(const struct pass *p, char **ret_id)
{
    static const char *const names[] = {"_id",    "created_at",   "filename",
                                        "size",   "method",       "file_type",
                                        "source", "user_metadata"};
    uint64_t hash = 0;

    for (size_t i = 0; i < array_count(names); i++) {
        const char *text = NULL;
        size_t len = 0;
        (void)scan_member(p->start, p->len, names[i], strlen(names[i]), &text,
                          &len);
        hash = hash_bytes(text, len, hash);
    }
    if (asprintf(ret_id, ASSET_MADE_ID "%016llx", (unsigned long long)hash) >=
        0)
        return 0;
    *ret_id = NULL;
    return -ENOMEM;
}

static int read_id(const struct pass *p, char **ret_id)
{
    size_t len = 0;
    cleanup(free_ptr) char *id = NULL;
    int err = read_text(&p->tokens[FIELD_ID], &id, &len);

    if (err)
        return err;
    if (len == 0 || len > ID_MAX_BYTES || strlen(id) != len)
        return make_id(p, ret_id);
    *ret_id = steal_ptr(id);
    return 0;
}

static int read_created(const struct scan_token *t, struct asset *a)
{
    size_t len = 0;

    if (!object_is_string(t) || t->len > CREATED_MAX_BYTES)
        return 0;
    a->created_at = text_decode(t->text, t->len, &len);
    if (!a->created_at)
        return -ENOMEM;
    (void)clock_parse_rfc3339(a->created_at, len, &a->created_s);
    return 0;
}

/* What is told from them. */

static bool is_under_way(const struct scan_token *status, const char *pending)
{
    return is_word(status, "processing") || is_word(status, pending);
}

static enum asset_type read_type(const struct scan_token *t)
{
    char mime[WORD_MAX_BYTES];

    if (!object_is_string(t) || t->len > sizeof(mime))
        return ASSET_OTHER;
    mime[scan_unescape(t->text, t->len, mime)] = '\0';
    return asset_type_of_mime(mime);
}

static int64_t read_size(const struct scan_token *t)
{
    char text[NUMBER_MAX_BYTES + 1];

    if (!t->text || t->kind != SCAN_NUMBER || t->len > NUMBER_MAX_BYTES)
        return -1;
    memcpy(text, t->text, t->len);
    text[t->len] = '\0';
    double number = strtod(text, NULL);
    if (!(number >= 0) || !(number <= SIZE_MAX_EXACT))
        return -1;
    int64_t size = (int64_t)number;
    return (double)size == number ? size : -1;
}

static int read_fields(const struct pass *p, struct asset *a)
{
    const struct scan_token *t = p->tokens;
    int err = read_id(p, &a->id);

    if (!err)
        err = read_text(&t[FIELD_FILENAME], &a->filename, &a->filename_len);
    if (!err)
        err = read_created(&t[FIELD_CREATED_AT], a);
    if (!err)
        err = read_clean_url(&t[FIELD_THUMBNAIL_URL], &a->picture_url);
    if (!err)
        err = read_clean_url(&t[FIELD_HLS_URL], &a->manifest_url);
    a->type = read_type(&t[FIELD_FILE_TYPE]);
    a->size_bytes = read_size(&t[FIELD_SIZE]);
    /* an asset's own status has no "pending" */
    a->unfinished = is_under_way(&t[FIELD_STATUS], "processing") ||
                    is_under_way(&t[FIELD_HLS_STATUS], "pending") ||
                    is_under_way(&t[FIELD_THUMBNAIL_STATUS], "pending");
    return err;
}

int object_read(struct scan *s, struct asset *ret_asset)
{
    struct scan ahead = *s;
    struct pass p;
    cleanup(asset_done) struct asset a = {.created_s = ASSET_NO_TIME,
                                          .size_bytes = -1};

    memset(p.tokens, 0, sizeof(p.tokens));
    p.sizes = (struct metadata_sizes){0};
    p.shape = 0;
    p.start = NULL;
    int err = pass_over(&ahead, &p);
    if (err)
        return err;
    a.json = malloc(p.len + 1);
    if (!a.json)
        return -ENOMEM;
    memcpy(a.json, p.start, p.len);
    a.json[p.len] = '\0';
    a.json_len = p.len;
    a.rendered_bytes = p.sizes.rendered;
    a.line_bytes = p.sizes.line;
    a.shape = p.shape;
    err = read_fields(&p, &a);
    if (err)
        return err;
    *ret_asset = a;
    a = (struct asset){0};
    s->at = ahead.at;
    return 0;
}
