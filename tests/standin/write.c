/* SPDX-License-Identifier: MIT */
#include "write.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* As JSON whose '$' won't be filled in by account_create_text. */
static void add_literal(struct slice json, struct buf *out)
{
    for (size_t i = 0; i < json.n; i++) {
        if (json.p[i] == '$')
            buf_str(out, "\\u0024");
        else
            buf_char(out, json.p[i]);
    }
}

static void add_string(const char *text, struct buf *out)
{
    struct buf json BUF_SCOPE = {0};
    buf_json(&json, text);
    add_literal((struct slice){json.data, json.len}, out);
}

int write_asset(struct server *s, const struct new_asset *asset,
                char ret_id[ID_LENGTH + 1])
{
    struct buf text BUF_SCOPE = {0};
    bool omit = quirk_get(s->quirks, QUIRK_EMPTY_METADATA);
    buf_str(&text, "{\"_id\":\"$ID\",\"created_at\":\"$AT\",\"filename\":");
    add_string(asset->filename, &text);
    buf_printf(&text,
               ",\"file_type\":\"%s\",\"method\":\"%s\",\"status\":"
               "\"processing\"",
               asset->mime, asset->method);
    if (asset->hls)
        buf_str(&text, ",\"hls\":{\"status\":\"pending\"}");
    if (asset->thumbnail)
        buf_str(&text, ",\"thumbnail\":{\"status\":\"pending\"}");
    if (asset->metadata.n > 2 || !omit) {
        buf_str(&text, ",\"user_metadata\":");
        if (asset->metadata.n)
            add_literal(asset->metadata, &text);
        else
            buf_str(&text, "{}");
    }
    buf_char(&text, '}');
    if (text.failed)
        return -ENOMEM;
    return account_create_text(s->account, -1,
                               (struct slice){text.data, text.len}, ret_id);
}

void write_subset(struct server *s, const char *id, struct buf *out)
{
    static const char *const members[] = {
        "_id",       "method",     "status",        "filename",
        "file_type", "created_at", "user_metadata",
    };
    struct buf text BUF_SCOPE = {0};
    struct slice value;
    bool first = true;
    if (account_get(s->account, id, true, &text)) {
        out->failed = true;
        return;
    }
    buf_char(out, '{');
    for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++) {
        if (!json_find((struct slice){text.data, text.len}, members[i], &value))
            continue;
        buf_printf(out, "%s\"%s\":", first ? "" : ",", members[i]);
        buf_add(out, value.p, value.n);
        first = false;
    }
    buf_char(out, '}');
}

static bool is_value(struct slice value, bool nulls)
{
    bool word = (value.n == 4 && !memcmp(value.p, "true", 4)) ||
                (value.n == 5 && !memcmp(value.p, "false", 5));
    bool null = value.n == 4 && !memcmp(value.p, "null", 4);
    return *value.p == '"' || *value.p == '-' ||
           (*value.p >= '0' && *value.p <= '9') || word || (null && nulls);
}

bool write_metadata(struct slice object, bool nulls, struct buf *out,
                    struct buf *ret_key)
{
    struct slice key, value;
    size_t pos = 0;
    bool first = true;
    buf_char(out, '{');
    while (json_next(object, &pos, &key, &value)) {
        if (!value.n || !is_value(value, nulls)) {
            (void)json_decode(key, ret_key);
            return false;
        }
        if (value.n == 2 && *value.p == '"')
            continue; /* "" can't be stored */
        if (!first)
            buf_char(out, ',');
        first = false;
        buf_add(out, key.p, key.n);
        buf_char(out, ':');
        buf_add(out, value.p, value.n);
    }
    buf_char(out, '}');
    return true;
}

void write_missing(struct answer *a, const char *name)
{
    answer_error(a, 400, "parameter_not_provided",
                 "The %s parameter is required but was not provided.", name);
}

void write_invalid(struct answer *a, const char *name, const char *why)
{
    answer_error(a, 400, "parameter_invalid", "The %s parameter is invalid%s%s",
                 name, why ? ": " : ".", why ? why : "");
}

bool write_check_credit(struct server *s, struct answer *a)
{
    switch (quirk_get(s->quirks, QUIRK_NO_CREDIT)) {
    case CREDIT_402:
        answer_error(a, 402, "api_allowed_for_paid_plan",
                     "Your plan does not include this operation.");
        return false;
    case CREDIT_400:
        answer_error(a, 400, "usage_limit_exceeded",
                     "You have reached the usage limit of your plan.");
        return false;
    default:
        return true;
    }
}

static size_t characters(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

bool write_check_filename(const char *filename, struct answer *a)
{
    size_t n = characters(filename);
    if (n >= 1 && n <= 255)
        return true;
    write_invalid(a, "filename", "it must have 1 to 255 characters.");
    return false;
}

bool write_check_size(struct server *s, const char *mime, int64_t bytes,
                      int64_t most, struct answer *a)
{
    int64_t image_max = quirk_get(s->quirks, QUIRK_IMAGE_MAX);
    if (mime && !strncmp(mime, "image/", 6) && image_max < most)
        most = image_max;
    if (bytes <= most)
        return true;
    if (quirk_get(s->quirks, QUIRK_OVERSIZE) == OVERSIZE_413) {
        a->status = 413;
        a->type = "text/html";
        buf_clear(&a->body);
        buf_str(&a->body, "<html><h1>413 Request Entity Too Large</h1></html>");
        return false;
    }
    answer_error(a, 400, "video_filesize_too_large",
                 "The file is too large: at most %lld bytes are allowed.",
                 (long long)most);
    return false;
}

bool write_parse_flag(const char *text, bool *ret_flag)
{
    *ret_flag = text && !strcmp(text, "true");
    return !text || *ret_flag || !strcmp(text, "false");
}
