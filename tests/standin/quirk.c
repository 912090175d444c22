/* SPDX-License-Identifier: MIT */
#include "quirk.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

#define WORDS_MAX 6

struct definition {
    const char *name;
    const char *help;
    int64_t otherwise; /* the default; of words the first */
    int64_t least;
    int64_t most;
    const char *word[WORDS_MAX + 1]; /* in place of numbers: 0, 1, … */
};

#define MS_MAX    86400000
#define COUNT_MAX 100000000
#define BYTES_MAX 10000000000000

#define NUMBER(first, lowest, highest)                                         \
    .otherwise = (first), .least = (lowest), .most = (highest)
#define WORDS(...)                                                             \
    .word = {__VA_ARGS__},                                                     \
    .most = sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *) - 1

static const struct definition definitions[QUIRKS] = {
    /* The list */
    [QUIRK_TOTAL_LAG_MS] = {"total_lag_ms",
                            "total_results is what it was so long ago",
                            NUMBER(0, 0, MS_MAX)},
    [QUIRK_TOTAL_FROZEN] = {"total_frozen",
                            "total_results is what it was when this was set",
                            NUMBER(0, 0, 1)},
    [QUIRK_TOTAL_DELTA] = {"total_delta", "added to total_results (never < 0)",
                           NUMBER(0, -COUNT_MAX, COUNT_MAX)},
    [QUIRK_TOTAL_JUMP] =
        {"total_jump",
         "total_results is off by up to this many, either way, anew in"
         " each answer",
         NUMBER(0, 0, COUNT_MAX)},
    [QUIRK_TOTAL_FORM] =
        {"total_form",
         "what total_results and total_page are; no_page_info: "
         "page_info itself is absent",
         WORDS("number", "absent", "null", "string", "float", "no_page_info")},
    [QUIRK_TIES] =
        {"ties",
         "the order of assets of one second: that of their creation, "
         "another in each answer, another for each query and "
         "page_limit",
         WORDS("stable", "random", "by_query")},
    [QUIRK_PAGE_CAP] =
        {"page_cap",
         "pages have at most this many, whatever page_limit asks for; "
         "0: as many as asked",
         NUMBER(0, 0, 50)},
    [QUIRK_PAGE_CAP_SAYS] = {"page_cap_says", "limit_per_page under a page_cap",
                             WORDS("capped", "asked")},
    [QUIRK_STALE_MS] = {"stale_ms",
                        "answers are of so long ago (lists and retrievals)",
                        NUMBER(0, 0, MS_MAX)},
    [QUIRK_STALE_FROZEN] = {"stale_frozen",
                            "answers are of the moment when this was set",
                            NUMBER(0, 0, 1)},
    [QUIRK_STALE_EVERY] = {"stale_every",
                           "of so many answers only the last is stale",
                           NUMBER(1, 1, 1000)},
    [QUIRK_EMPTY_METADATA] = {"empty_metadata",
                              "user_metadata of an asset that has none",
                              WORDS("object", "absent")},
    /* Writing */
    [QUIRK_DELETE_ANSWER] = {"delete_answer",
                             "to a deletion: 204, 200 and nothing, 200 and {}",
                             WORDS("204", "empty", "object")},
    [QUIRK_METADATA_ANSWER] =
        {"metadata_answer",
         "to PATCH, PUT and DELETE of user-metadata: 200 and nothing, "
         "200 and {}",
         WORDS("empty", "object")},
    [QUIRK_CREATE_STATUS] = {"create_status",
                             "of what was uploaded, in the answer",
                             WORDS("processing", "ready")},
    [QUIRK_READY_AFTER_MS] =
        {"ready_after_ms",
         "when it gets ready (or failed) by itself; -1: when POST "
         "/control/settle says so",
         NUMBER(-1, -1, MS_MAX)},
    [QUIRK_REFUSAL] =
        {"refusal",
         "of a file whose content or type is none that is taken: 400 "
         "at once, or an asset that fails later",
         WORDS("now", "later")},
    [QUIRK_OVERSIZE] =
        {"oversize",
         "of a file that is too large: 400 video_filesize_too_large, "
         "413 without JSON",
         WORDS("400", "413")},
    [QUIRK_NO_CREDIT] =
        {"no_credit",
         "every upload is refused: 402, or 400 usage_limit_exceeded",
         WORDS("off", "402", "400")},
    [QUIRK_DIRECT_MAX] = {"direct_max", "bytes of a direct upload",
                          NUMBER(200000000, 1, BYTES_MAX)},
    [QUIRK_IMAGE_MAX] = {"image_max", "bytes of an image",
                         NUMBER(32000000, 1, BYTES_MAX)},
    [QUIRK_MULTIPART_MAX] = {"multipart_max", "bytes of a multipart upload",
                             NUMBER(10000000000, 1, BYTES_MAX)},
    [QUIRK_MULTIPART] = {"multipart", "whether the account may; else 403",
                         WORDS("allowed", "refused")},
    [QUIRK_MULTIPART_LISTED] =
        {"multipart_listed",
         "from when on a multipart upload's asset is in the list",
         WORDS("session", "complete")},
    [QUIRK_CHUNK_SIZE] = {"chunk_size", "of new sessions",
                          NUMBER(5 << 20, 1, 1 << 30)},
    [QUIRK_FIRST_URLS] = {"first_urls",
                          "how many URLs a new session brings; 0: all",
                          NUMBER(10, 0, 100000)},
    [QUIRK_URL_TTL_S] = {"url_ttl_s", "how long a presigned URL is good",
                         NUMBER(3600, 0, 604800)},
    [QUIRK_URL_REUSE] =
        {"url_reuse", "a second PUT to one URL: 403, or as good as the first",
         WORDS("refused", "allowed")},
    [QUIRK_URL_SPENT] =
        {"url_spent",
         "what uses a URL up: a PUT that succeeds, or any that begins",
         WORDS("success", "attempt")},
    [QUIRK_UPLOAD_HEADERS] =
        {"upload_headers", "headers that a session names and a PUT must bring",
         WORDS("none", "required")},
    [QUIRK_ETAG] =
        {"etag",
         "of a chunk: its MD5 in quotes, without, no ETag at all, W/ "
         "before it",
         WORDS("quoted", "bare", "absent", "weak")},
    [QUIRK_SESSION_TTL_S] = {"session_ttl_s", "how long a session lives",
                             NUMBER(86400, 0, 604800)},
    [QUIRK_SESSION_LAG] = {"session_lag",
                           "a session's status is that before the last report",
                           NUMBER(0, 0, 1)},
};

struct quirks {
    _Atomic int64_t value[QUIRKS];
    _Atomic int64_t frozen_at[QUIRKS];
    _Atomic uint64_t count;
};

struct quirks *quirks_new(void)
{
    struct quirks *q = calloc(1, sizeof(*q));
    if (q)
        quirks_clear(q);
    return q;
}

void quirks_free(struct quirks *q)
{
    free(q);
}

int64_t quirk_get(const struct quirks *q, enum quirk which)
{
    return atomic_load_explicit(&q->value[which], memory_order_relaxed);
}

int64_t quirk_frozen_at(const struct quirks *q, enum quirk which)
{
    return quirk_get(q, which) ? atomic_load(&q->frozen_at[which]) : 0;
}

uint64_t quirk_count(struct quirks *q)
{
    return atomic_fetch_add(&q->count, 1);
}

static void quirk_set(struct quirks *q, int which, int64_t value)
{
    atomic_store(&q->frozen_at[which], clock_us());
    atomic_store(&q->value[which], value);
}

void quirks_clear(struct quirks *q)
{
    for (int i = 0; i < QUIRKS; i++)
        quirk_set(q, i, definitions[i].otherwise);
    atomic_store(&q->count, 0);
}

/* By name, of n bytes; -1 for none. */
static int quirk_find(const char *name, size_t n)
{
    for (int i = 0; i < QUIRKS; i++)
        if (strlen(definitions[i].name) == n &&
            !memcmp(definitions[i].name, name, n))
            return i;
    return -1;
}

static bool parse_word(const struct definition *d, const char *text,
                       int64_t *ret_value)
{
    char *end;
    for (int i = 0; d->word[i]; i++) {
        if (!strcmp(d->word[i], text)) {
            *ret_value = i;
            return true;
        }
    }
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (d->word[0] || errno || end == text || *end)
        return false;
    *ret_value = n;
    return true;
}

static bool parse_value(const struct definition *d, const cJSON *item,
                        int64_t *ret_value)
{
    int64_t value;
    if (cJSON_IsBool(item)) {
        value = cJSON_IsTrue(item);
    } else if (cJSON_IsString(item)) {
        if (!parse_word(d, item->valuestring, &value))
            return false;
    } else if (cJSON_IsNumber(item) && item->valuedouble > -9e15 &&
               item->valuedouble < 9e15) {
        value = (int64_t)item->valuedouble;
    } else {
        return false;
    }
    if (value < d->least || value > d->most)
        return false;
    *ret_value = value;
    return true;
}

int quirks_set(struct quirks *q, const cJSON *values)
{
    const cJSON *item;
    for (int apply = 0; apply < 2; apply++) {
        cJSON_ArrayForEach(item, values)
        {
            int64_t value;
            int i = quirk_find(item->string, strlen(item->string));
            if (i < 0 || !parse_value(&definitions[i], item, &value))
                return -EINVAL;
            if (apply)
                quirk_set(q, i, value);
        }
    }
    return 0;
}

int quirks_set_text(struct quirks *q, const char *text)
{
    int64_t value;
    size_t n = strcspn(text, "=");
    int i = quirk_find(text, n);
    if (i < 0 || !text[n] ||
        !parse_word(&definitions[i], text + n + 1, &value) ||
        value < definitions[i].least || value > definitions[i].most)
        return -EINVAL;
    quirk_set(q, i, value);
    return 0;
}

static void add_value(const struct definition *d, int64_t value,
                      struct buf *out)
{
    if (d->word[0])
        buf_json(out, d->word[value]);
    else
        buf_number(out, value);
}

void quirks_json(const struct quirks *q, struct buf *out)
{
    for (int i = 0; i < QUIRKS; i++) {
        buf_printf(out, "%s\"%s\":", i ? "," : "{", definitions[i].name);
        add_value(&definitions[i], quirk_get(q, (enum quirk)i), out);
    }
    buf_char(out, '}');
}

void quirks_help(struct buf *out)
{
    for (int i = 0; i < QUIRKS; i++) {
        const struct definition *d = &definitions[i];
        buf_printf(out, "%s=", d->name);
        if (d->word[0])
            buf_str(out, d->word[d->otherwise]);
        else
            buf_printf(out, "%lld (%lld to %lld)", (long long)d->otherwise,
                       (long long)d->least, (long long)d->most);
        for (int w = 0; d->word[w]; w++)
            if (w != d->otherwise)
                buf_printf(out, "|%s", d->word[w]);
        buf_printf(out, "\n    %s\n", d->help);
    }
}
