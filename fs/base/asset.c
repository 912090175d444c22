/* SPDX-License-Identifier: MIT */
#include "base/asset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/ascii.h"
#include "base/cleanup.h"

#define URL_MAX_BYTES 8000

static const char *const type_names[ASSET_TYPE_COUNT] = {
    [ASSET_VIDEO] = "video", [ASSET_IMAGE] = "image",
    [ASSET_AUDIO] = "audio", [ASSET_DOCUMENT] = "document",
    [ASSET_OTHER] = "other",
};

void asset_done(struct asset *a)
{
    free(a->id);
    free(a->filename);
    free(a->created_at);
    free(a->picture_url);
    free(a->manifest_url);
    free(a->json);
    *a = (struct asset){
        .created_s = ASSET_NO_TIME, .type = ASSET_OTHER, .size_bytes = -1};
}

bool asset_id_is_made(const char *id)
{
    return strncmp(id, ASSET_MADE_ID, strlen(ASSET_MADE_ID)) == 0;
}

const char *asset_type_name(enum asset_type type)
{
    return (unsigned)type < ASSET_TYPE_COUNT ? type_names[type]
                                             : type_names[ASSET_OTHER];
}

int asset_type_parse(const char *name, enum asset_type *ret_type)
{
    for (unsigned i = 0; i < ASSET_TYPE_COUNT; i++) {
        if (strcmp(name, type_names[i]) == 0) {
            *ret_type = (enum asset_type)i;
            return 0;
        }
    }
    return -ENOENT;
}

static bool equals_nocase(const char *text, size_t len, const char *word)
{
    return strlen(word) == len && strncasecmp(text, word, len) == 0;
}

static bool starts_nocase(const char *text, size_t len, const char *prefix)
{
    size_t prefix_len = strlen(prefix);
    return len >= prefix_len && strncasecmp(text, prefix, prefix_len) == 0;
}

static bool is_document_subtype(const char *subtype, size_t len)
{
    static const char *const exact[] = {
        "pdf", "x-pdf", "msword", "rtf", "markdown", "x-markdown",
    };
    static const char *const prefixes[] = {
        "vnd.ms-word",
        "vnd.openxmlformats-officedocument.wordprocessingml",
        "vnd.oasis.opendocument.text",
    };
    for (size_t i = 0; i < array_count(exact); i++) {
        if (equals_nocase(subtype, len, exact[i]))
            return true;
    }
    for (size_t i = 0; i < array_count(prefixes); i++) {
        if (starts_nocase(subtype, len, prefixes[i]))
            return true;
    }
    return false;
}

enum asset_type asset_type_of_mime(const char *mime)
{
    if (!mime)
        return ASSET_OTHER;
    mime += strspn(mime, " \t");
    size_t len = strcspn(mime, "; \t");
    const char *slash = memchr(mime, '/', len);
    if (!slash || slash == mime || slash + 1 == mime + len)
        return ASSET_OTHER;

    size_t top_len = (size_t)(slash - mime);
    if (equals_nocase(mime, top_len, "video"))
        return ASSET_VIDEO;
    if (equals_nocase(mime, top_len, "image"))
        return ASSET_IMAGE;
    if (equals_nocase(mime, top_len, "audio"))
        return ASSET_AUDIO;
    if (equals_nocase(mime, top_len, "text"))
        return ASSET_DOCUMENT;
    if (equals_nocase(mime, top_len, "application") &&
        is_document_subtype(slash + 1, len - top_len - 1))
        return ASSET_DOCUMENT;
    return ASSET_OTHER;
}

/* The length of "http://" or "https://", 0 for anything else. */
static size_t scheme_len(const char *url, size_t len)
{
    if (starts_nocase(url, len, "http://"))
        return strlen("http://");
    if (starts_nocase(url, len, "https://"))
        return strlen("https://");
    return 0;
}

/* The length of the authority that `text` starts with. */
static size_t authority_len(const char *text, size_t len)
{
    size_t i = 0;
    while (i < len && text[i] != '/' && text[i] != '?' && text[i] != '#')
        i++;
    return i;
}

/* The length of a name or of an IP literal in brackets, 0 for neither. Only
 * characters about which all URL parsers agree: none can be led to another
 * host than the one a reader sees. */
static size_t host_len(const char *text, size_t len)
{
    bool literal = len > 0 && text[0] == '[';
    const char *others = literal ? ":." : ".-_";
    size_t i = literal ? 1 : 0;
    while (i < len && (ascii_is_alnum(text[i]) ||
                       (text[i] != '\0' && strchr(others, text[i]))))
        i++;
    if (!literal)
        return i;
    return i > 1 && i < len && text[i] == ']' ? i + 1 : 0;
}

/* host [ ":" port ] */
static bool is_clean_authority(const char *text, size_t len)
{
    size_t i = host_len(text, len);
    if (i == 0 || i == len)
        return i > 0;
    if (text[i] != ':' || len - i > strlen(":65535"))
        return false;
    for (i++; i < len; i++) {
        if (!ascii_is_digit(text[i]))
            return false;
    }
    return true;
}

bool asset_url_is_clean(const char *url, size_t len)
{
    if (!url || len > URL_MAX_BYTES)
        return false;
    size_t scheme = scheme_len(url, len);
    if (scheme == 0)
        return false;
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)url[i] <= 0x20 || (unsigned char)url[i] >= 0x7f)
            return false;
    }
    const char *authority = url + scheme;
    return is_clean_authority(authority,
                              authority_len(authority, len - scheme));
}

bool asset_url_same_but_query(const char *a, const char *b)
{
    if (!a || !b)
        return a == b;
    size_t a_len = strcspn(a, "?#");
    size_t b_len = strcspn(b, "?#");
    if (a_len != b_len || memcmp(a, b, a_len) != 0)
        return false;
    const char *a_fragment = strchr(a, '#');
    const char *b_fragment = strchr(b, '#');
    return strcmp(a_fragment ? a_fragment : "", b_fragment ? b_fragment : "") ==
           0;
}

/* Of picture formats alone: programs go by it, and a playlist's or a page's
 * would make them follow it elsewhere. */
static bool is_picture_extension(const char *text, size_t len)
{
    static const char *const known[] = {
        "jpg", "jpeg", "jpe",  "jfif", "png", "gif",  "webp",
        "bmp", "avif", "heic", "heif", "tif", "tiff",
    };
    for (size_t i = 0; i < array_count(known); i++) {
        if (equals_nocase(text, len, known[i]))
            return true;
    }
    return false;
}

void asset_picture_extension(const char *url, char *out)
{
    memcpy(out, "jpg", sizeof("jpg"));
    if (!url)
        return;
    size_t len = strlen(url);
    size_t start = scheme_len(url, len);
    start += authority_len(url + start, len - start);
    size_t end = start + strcspn(url + start, "?#");

    size_t dot = end;
    while (dot > start && url[dot - 1] != '.' && url[dot - 1] != '/')
        dot--;
    if (dot == start || url[dot - 1] != '.' ||
        !is_picture_extension(url + dot, end - dot))
        return;
    for (size_t i = dot; i < end; i++)
        out[i - dot] = ascii_lower(url[i]);
    out[end - dot] = '\0';
}
