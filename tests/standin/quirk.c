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
    int64_t otherwise; /* the default */
    int64_t least;
    int64_t most;
    const char *word[WORDS_MAX + 1]; /* in place of numbers: 0, 1, … */
};

#define MS_MAX 86400000

static const struct definition definitions[QUIRKS] = {
    [QUIRK_TOTAL_LAG_MS] = {"total_lag_ms",
                            "total_results is what it was so long ago",
                            0,
                            0,
                            MS_MAX,
                            {0}},
    [QUIRK_TOTAL_FROZEN] = {"total_frozen",
                            "total_results is what it was when this was set",
                            0,
                            0,
                            1,
                            {0}},
    [QUIRK_TOTAL_DELTA] = {"total_delta",
                           "added to total_results (never < 0)",
                           0,
                           -100000000,
                           100000000,
                           {0}},
    [QUIRK_TOTAL_JUMP] = {"total_jump",
                          "total_results is off by up to this many, either "
                          "way, anew in each answer",
                          0,
                          0,
                          100000000,
                          {0}},
    [QUIRK_TOTAL_FORM] = {"total_form",
                          "what total_results and total_page are; "
                          "no_page_info: page_info itself is absent",
                          TOTAL_NUMBER,
                          0,
                          TOTAL_NO_PAGE_INFO,
                          {"number", "absent", "null", "string", "float",
                           "no_page_info"}},
    [QUIRK_TIES] = {"ties",
                    "the order of assets of one second: that of their "
                    "creation, another in each answer, another for each "
                    "query and page_limit",
                    TIES_STABLE,
                    0,
                    TIES_BY_QUERY,
                    {"stable", "random", "by_query"}},
    [QUIRK_PAGE_CAP] = {"page_cap",
                        "pages have at most this many, whatever page_limit "
                        "asks for; 0: as many as asked",
                        0,
                        0,
                        50,
                        {0}},
    [QUIRK_PAGE_CAP_SAYS] = {"page_cap_says",
                             "limit_per_page under a page_cap",
                             0,
                             0,
                             1,
                             {"capped", "asked"}},
    [QUIRK_STALE_MS] = {"stale_ms",
                        "answers are of so long ago (lists and retrievals)",
                        0,
                        0,
                        MS_MAX,
                        {0}},
    [QUIRK_STALE_FROZEN] = {"stale_frozen",
                            "answers are of the moment when this was set",
                            0,
                            0,
                            1,
                            {0}},
    [QUIRK_STALE_EVERY] = {"stale_every",
                           "only every so-manieth answer is stale",
                           1,
                           1,
                           1000,
                           {0}},
    [QUIRK_EMPTY_METADATA] = {"empty_metadata",
                              "user_metadata of an asset that has none",
                              0,
                              0,
                              1,
                              {"object", "absent"}},
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
