#include "json/page.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "json/scan.h"

/* Older releases of cJSON read a number through a buffer of 64 bytes and take a
 * longer one for a malformed document. */
#define CJSON_NUMBER_MAX 60
#define ID_MAX_BYTES     200
#define SIZE_MAX_EXACT   9007199254740992.0 /* 2^53: exact in a double */

struct slice {
    const char *text; /* NULL: absent */
    size_t len;
};

DEFINE_CLEANUP(delete_cjson, cJSON *, cJSON_Delete)

static struct slice member(struct slice object, const char *name)
{
    struct slice value = {0};
    if (scan_member(object.text, object.len, name, strlen(name), &value.text,
                    &value.len))
        return (struct slice){0};
    return value;
}

static bool is_string(struct slice value)
{
    return value.text && value.text[0] == '"';
}

/* A string's exact text with a NUL after it; NULL without memory. */
static char *unescape(struct slice token, size_t *ret_len)
{
    char *text = malloc(token.len + 1);
    if (!text)
        return NULL;
    size_t len = scan_unescape(token.text, token.len, text);
    text[len] = '\0';
    *ret_len = len;
    return text;
}

/* Appends a string token with what cJSON can't take (a lone surrogate is an
 * error to it, \u0000 the end) as U+FFFD. */
static int append_scratch_string(const struct scan_token *token,
                                 struct buf *out)
{
    const char *at = token->text;
    const char *end = token->text + token->len;
    while (at < end) {
        const char *escape = memchr(at, '\\', (size_t)(end - at));
        const char *stop = escape ? escape : end;
        int error = buf_append(out, at, (size_t)(stop - at));
        at = stop;
        if (!error && escape) {
            uint32_t code = 0;
            size_t len = scan_escape(at, (size_t)(end - at), &code);
            error = code == 0 || utf8_is_surrogate(code)
                        ? buf_append_str(out, "\\ufffd")
                        : buf_append(out, at, len);
            at += len;
        }
        if (error)
            return error;
    }
    return 0;
}

/* One object as cJSON can read it. The object is known to be well formed. */
static int parse_scratch(struct slice object, cJSON **ret_tree)
{
    cleanup(buf_done) struct buf scratch = {.max = object.len};
    struct scan s;
    struct scan_token token;
    scan_init(&s, object.text, object.len);
    while (!scan_next(&s, &token) && token.kind != SCAN_END) {
        int error;
        if (token.kind == SCAN_STRING)
            error = append_scratch_string(&token, &scratch);
        else if (token.kind == SCAN_NUMBER && token.len > CJSON_NUMBER_MAX)
            error = buf_append_str(&scratch, "null");
        else
            error = buf_append(&scratch, token.text, token.len);
        if (error)
            return -ENOMEM;
    }
    /* What the scanner accepts cJSON accepts too, so this is want of memory. */
    *ret_tree = cJSON_ParseWithLength(buf_str(&scratch), scratch.len);
    return *ret_tree ? 0 : -ENOMEM;
}

/* Of several members with one name the last, as in scan_member. */
static const cJSON *last_item(const cJSON *object, const char *name)
{
    const cJSON *found = NULL;
    const cJSON *item;
    if (!cJSON_IsObject(object))
        return NULL;
    cJSON_ArrayForEach(item, object)
    {
        if (item->string && strcmp(item->string, name) == 0)
            found = item;
    }
    return found;
}

static const char *string_of(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(last_item(object, name));
}

static int copy_clean_url(const cJSON *object, const char *name, char **ret_url)
{
    const char *url = string_of(object, name);
    if (!url || !asset_url_is_clean(url, strlen(url)))
        return 0;
    char *copy = strdup(url);
    if (!copy)
        return -ENOMEM;
    *ret_url = copy;
    return 0;
}

static bool is_under_way(const cJSON *object, const char *pending)
{
    const char *status = string_of(object, "status");
    return status &&
           (strcmp(status, "processing") == 0 || strcmp(status, pending) == 0);
}

static int64_t size_of(const cJSON *number)
{
    if (!cJSON_IsNumber(number) || !(number->valuedouble >= 0) ||
        !(number->valuedouble <= SIZE_MAX_EXACT))
        return -1;
    int64_t size = (int64_t)number->valuedouble;
    return (double)size == number->valuedouble ? size : -1;
}

static int read_typed_fields(struct slice object, struct asset *a)
{
    cleanup(delete_cjson) cJSON *tree = NULL;
    int error = parse_scratch(object, &tree);
    if (error)
        return error;

    const cJSON *hls = last_item(tree, "hls");
    const cJSON *thumbnail = last_item(tree, "thumbnail");
    const char *created_at = string_of(tree, "created_at");
    if (created_at)
        (void)clock_parse_rfc3339(created_at, strlen(created_at),
                                  &a->created_s);
    a->type = asset_type_of_mime(string_of(tree, "file_type"));
    a->size_bytes = size_of(last_item(tree, "size"));
    /* an asset's own status has no "pending" */
    a->unfinished = is_under_way(tree, "processing") ||
                    is_under_way(hls, "pending") ||
                    is_under_way(thumbnail, "pending");
    error = copy_clean_url(thumbnail, "representative_url", &a->picture_url);
    if (!error)
        error = copy_clean_url(hls, "manifest_url", &a->manifest_url);
    return error;
}

/* An id for what has none that can be used, the same whenever the same object
 * comes again: of what seldom changes, but all of that, for two that look alike
 * would be one asset. */
static int make_id(struct slice object, char **ret_id)
{
    static const char *const names[] = {"_id",    "created_at",   "filename",
                                        "size",   "method",       "file_type",
                                        "source", "user_metadata"};
    uint64_t hash = 0;
    for (size_t i = 0; i < array_count(names); i++) {
        struct slice value = member(object, names[i]);
        hash = hash_bytes(value.text, value.len, hash);
    }

    cleanup(buf_done) struct buf id = {.max = 64};
    int error = buf_appendf(&id, "noid-%016llx", (unsigned long long)hash);
    if (error)
        return -ENOMEM;
    *ret_id = buf_steal(&id, NULL);
    return 0;
}

static int read_id(struct slice object, struct asset *a)
{
    struct slice token = member(object, "_id");
    if (!is_string(token))
        return make_id(object, &a->id);
    size_t len = 0;
    cleanup(free_ptr) char *id = unescape(token, &len);
    if (!id)
        return -ENOMEM;
    if (len == 0 || len > ID_MAX_BYTES || strlen(id) != len)
        return make_id(object, &a->id);
    a->id = steal_ptr(id);
    return 0;
}

static int read_filename(struct slice object, struct asset *a)
{
    struct slice token = member(object, "filename");
    if (!is_string(token))
        return 0;
    a->filename = unescape(token, &a->filename_len);
    return a->filename ? 0 : -ENOMEM;
}

static int read_asset(struct slice object, struct asset *ret_asset)
{
    struct asset a = {
        .created_s = ASSET_NO_TIME, .type = ASSET_OTHER, .size_bytes = -1};
    int error = 0;
    a.json = malloc(object.len + 1);
    if (!a.json)
        return -ENOMEM;
    memcpy(a.json, object.text, object.len);
    a.json[object.len] = '\0';
    a.json_len = object.len;

    error = read_id(object, &a);
    if (!error)
        error = read_filename(object, &a);
    if (!error)
        error = read_typed_fields(object, &a);
    if (error) {
        asset_done(&a);
        return error;
    }
    *ret_asset = a;
    return 0;
}

static bool is_one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c);
}

/* The end of a string that may hold anything, NULL when it has none. */
static const char *skip_string(const char *at, const char *end)
{
    for (at++; at < end; at++) {
        if (*at == '"')
            return at + 1;
        if (*at == '\\' && ++at == end)
            break;
    }
    return NULL;
}

/* The end of an object or array, told by counting brackets outside strings.
 * The last one must fit the first, else the count went astray. */
static const char *skip_brackets(const char *at, const char *end)
{
    char last = *at == '{' ? '}' : ']';
    size_t depth = 0;
    while (at && at < end) {
        if (*at == '"') {
            at = skip_string(at, end);
            continue;
        }
        if (*at == '{' || *at == '[')
            depth++;
        else if ((*at == '}' || *at == ']') && --depth == 0)
            return *at == last ? at + 1 : NULL;
        at++;
    }
    return NULL;
}

/* The end of what isn't JSON at all, NaN say. */
static const char *skip_word(const char *at, const char *end)
{
    const char *start = at;
    while (at < end && !is_one_of(*at, " \t\r\n,:[]{}\""))
        at++;
    return at == start ? NULL : at;
}

/* Passes a value of any depth and content: one asset that is too deep or
 * malformed must not cost its page. -EBADMSG where its end can't be told. */
static int skip_value(struct scan *s, struct slice *ret_value)
{
    const char *start = s->at;
    while (start < s->end && is_one_of(*start, " \t\r\n"))
        start++;
    if (start == s->end)
        return -EBADMSG;

    const char *end;
    if (*start == '"')
        end = skip_string(start, s->end);
    else if (*start == '{' || *start == '[')
        end = skip_brackets(start, s->end);
    else
        end = skip_word(start, s->end);
    if (!end)
        return -EBADMSG;
    *ret_value = (struct slice){start, (size_t)(end - start)};
    s->at = end;
    return 0;
}

/* Passes the next token if it is of this kind. */
static bool pass(struct scan *s, enum scan_kind kind)
{
    struct scan ahead = *s;
    struct scan_token token;
    if (scan_next(&ahead, &token) || token.kind != kind)
        return false;
    *s = ahead;
    return true;
}

static int find_envelope(const char *bytes, size_t len, struct slice *ret_data,
                         struct slice *ret_info)
{
    struct scan s;
    scan_init(&s, bytes, len);
    if (!pass(&s, SCAN_OBJECT_OPEN))
        return -EBADMSG;
    do {
        struct scan_token name;
        struct slice value;
        /* an object without a member has no data either */
        if (scan_next(&s, &name) || name.kind != SCAN_STRING ||
            !pass(&s, SCAN_COLON) || skip_value(&s, &value))
            return -EBADMSG;
        if (scan_equals(name.text, name.len, "data", strlen("data")))
            *ret_data = value;
        else if (scan_equals(name.text, name.len, "page_info",
                             strlen("page_info")))
            *ret_info = value;
    } while (pass(&s, SCAN_COMMA));
    return pass(&s, SCAN_OBJECT_CLOSE) && pass(&s, SCAN_END) ? 0 : -EBADMSG;
}

static int reserve_asset(struct page *p, size_t *capacity)
{
    if (p->count < *capacity)
        return 0;
    size_t wanted = *capacity ? *capacity * 2 : 50; /* the API's page_limit */
    struct asset *assets = reallocarray(p->assets, wanted, sizeof(*assets));
    if (!assets)
        return -ENOMEM;
    p->assets = assets;
    *capacity = wanted;
    return 0;
}

/* Some writers leave control characters in strings as they are. Appends the
 * text with those escaped: the same value, as JSON spells it. */
static int escape_controls(struct slice text, struct buf *out)
{
    bool in_string = false;
    const char *plain = text.text;
    const char *end = text.text + text.len;
    for (const char *at = plain; at < end; at++) {
        int error = 0;
        if (*at == '"') {
            in_string = !in_string;
        } else if (in_string && *at == '\\' && at + 1 < end) {
            at++;
        } else if (in_string && (unsigned char)*at < 0x20) {
            error = buf_append(out, plain, (size_t)(at - plain));
            if (!error)
                error = buf_appendf(out, "\\u%04x", (unsigned char)*at);
            plain = at + 1;
        }
        if (error)
            return error;
    }
    return buf_append(out, plain, (size_t)(end - plain));
}

static int add_asset(struct slice object, struct page *p, size_t *capacity)
{
    int error = reserve_asset(p, capacity);
    if (!error)
        error = read_asset(object, &p->assets[p->count]);
    if (!error)
        p->count++;
    return error;
}

/* An element that isn't well formed: an asset all the same where only its
 * control characters were at fault. */
static int read_malformed(struct scan *s, struct page *p, size_t *capacity)
{
    struct slice element = {0};
    struct scan whole;
    int error = skip_value(s, &element);
    if (error)
        return error;
    cleanup(buf_done) struct buf mended = {.max = 6 * element.len};
    error = escape_controls(element, &mended);
    if (error)
        return error;
    scan_init(&whole, buf_str(&mended), mended.len);
    if (mended.len == element.len ||
        scan_value(&whole, &element.text, &element.len) ||
        element.text[0] != '{') {
        p->skipped++;
        return 0;
    }
    return add_asset(element, p, capacity);
}

static int read_element(struct scan *s, struct page *p, size_t *capacity)
{
    struct slice element = {0};
    if (p->count + p->skipped == PAGE_MAX_ASSETS)
        return -EBADMSG;
    if (scan_value(s, &element.text, &element.len))
        return read_malformed(s, p, capacity);
    if (element.text[0] != '{') {
        p->skipped++;
        return 0;
    }
    return add_asset(element, p, capacity);
}

static int read_elements(struct slice data, struct page *p)
{
    struct scan s;
    size_t capacity = 0;
    scan_init(&s, data.text, data.len);
    if (!data.text || !pass(&s, SCAN_ARRAY_OPEN))
        return -EBADMSG;
    if (pass(&s, SCAN_ARRAY_CLOSE))
        return 0;
    do {
        int error = read_element(&s, p, &capacity);
        if (error)
            return error;
    } while (pass(&s, SCAN_COMMA));
    return pass(&s, SCAN_ARRAY_CLOSE) ? 0 : -EBADMSG;
}

/* A member that is a plain non-negative integer, else -1. */
static int64_t count_of(struct slice info, const char *name)
{
    struct slice value = member(info, name);
    int64_t count = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (value.text[i] < '0' || value.text[i] > '9' ||
            __builtin_mul_overflow(count, 10, &count) ||
            __builtin_add_overflow(count, value.text[i] - '0', &count))
            return -1;
    }
    return value.len ? count : -1;
}

int page_parse(const char *bytes, size_t len, struct page *ret_page)
{
    cleanup(page_done) struct page p = {0};
    struct slice data = {0};
    struct slice info = {0};
    int error = find_envelope(bytes, len, &data, &info);
    if (!error)
        error = read_elements(data, &p);
    if (error)
        return error;
    p.page = count_of(info, "page");
    p.limit = count_of(info, "limit_per_page");
    p.total_pages = count_of(info, "total_page");
    p.total_results = count_of(info, "total_results");
    *ret_page = p;
    p = (struct page){0};
    return 0;
}

int page_parse_asset(const char *bytes, size_t len, struct asset *ret_asset)
{
    struct scan s;
    struct slice object = {0};
    scan_init(&s, bytes, len);
    if (scan_value(&s, &object.text, &object.len) || object.text[0] != '{' ||
        !pass(&s, SCAN_END))
        return -EBADMSG;
    return read_asset(object, ret_asset);
}

void page_done(struct page *p)
{
    for (size_t i = 0; i < p->count; i++)
        asset_done(&p->assets[i]);
    free(p->assets);
    *p = (struct page){0};
}

/* Replaces control characters and cuts to size at a character's end. */
static void copy_text(const char *text, size_t len, char *out, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < len;) {
        uint32_t code = 0;
        size_t count = utf8_decode(text + i, len - i, &code);
        bool replaced =
            count == 0 || utf8_is_control(code) || utf8_is_surrogate(code);
        count = count ? count : 1;
        if (used + (replaced ? 1 : count) >= size)
            break;
        if (replaced)
            out[used++] = ' ';
        else
            memcpy(out + used, text + i, count);
        used += replaced ? 0 : count;
        i += count;
    }
    out[used] = '\0';
}

static void copy_member(struct slice object, const char *name, char *out,
                        size_t size)
{
    struct slice token = member(object, name);
    size_t len = 0;
    if (size == 0)
        return;
    out[0] = '\0';
    if (!is_string(token))
        return;
    cleanup(free_ptr) char *text = unescape(token, &len);
    if (text)
        copy_text(text, len, out, size);
}

void page_parse_error(const char *bytes, size_t len, char *ret_code,
                      size_t code_size, char *ret_message, size_t message_size)
{
    struct slice body = {bytes, len};
    copy_member(body, "code", ret_code, code_size);
    copy_member(body, "message", ret_message, message_size);
}
