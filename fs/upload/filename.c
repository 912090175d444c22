/* SPDX-License-Identifier: MIT */
#include "upload/filename.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/ascii.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "json/tag.h"

#define DIRECT_MAX_BYTES INT64_C(200000000)
#define IMAGE_MAX_BYTES  INT64_C(32000000)
#define CHUNKS_MAX_BYTES INT64_C(10000000000)
#define TAG_PREFIX       "user_metadata."
#define ERROR_SUFFIX     ".error"
#define FILTER_MIN       3

static bool ends_with(const char *name, const char *end)
{
    size_t len = strlen(name), end_len = strlen(end);
    return len >= end_len && strcasecmp(name + len - end_len, end) == 0;
}

bool filename_waits(const char *name)
{
    static const char *const ends[] = {".part",     ".crdownload", ".tmp",
                                       ".partial",  ".download",   "~",
                                       ERROR_SUFFIX};
    if (name[0] == '.')
        return true;
    for (size_t i = 0; i < array_count(ends); i++)
        if (ends_with(name, ends[i]))
            return true;
    return false;
}

static const struct filename_kind filename_kinds[] = {
    {".mp4", "video/mp4", ASSET_VIDEO},
    {".m4v", "video/x-m4v", ASSET_VIDEO},
    {".mov", "video/quicktime", ASSET_VIDEO},
    {".mkv", "video/x-matroska", ASSET_VIDEO},
    {".webm", "video/webm", ASSET_VIDEO},
    {".avi", "video/x-msvideo", ASSET_VIDEO},
    {".mpg", "video/mpeg", ASSET_VIDEO},
    {".mpeg", "video/mpeg", ASSET_VIDEO},
    {".ts", "video/mp2t", ASSET_VIDEO},
    {".mts", "video/mp2t", ASSET_VIDEO},
    {".m2ts", "video/mp2t", ASSET_VIDEO},
    {".mxf", "application/mxf", ASSET_VIDEO},
    {".wmv", "video/x-ms-wmv", ASSET_VIDEO},
    {".flv", "video/x-flv", ASSET_VIDEO},
    {".3gp", "video/3gpp", ASSET_VIDEO},
    {".ogv", "video/ogg", ASSET_VIDEO},
    {".jpg", "image/jpeg", ASSET_IMAGE},
    {".jpeg", "image/jpeg", ASSET_IMAGE},
    {".png", "image/png", ASSET_IMAGE},
    {".gif", "image/gif", ASSET_IMAGE},
    {".webp", "image/webp", ASSET_IMAGE},
    {".bmp", "image/bmp", ASSET_IMAGE},
    {".tif", "image/tiff", ASSET_IMAGE},
    {".tiff", "image/tiff", ASSET_IMAGE},
    {".mp3", "audio/mpeg", ASSET_AUDIO},
    {".wav", "audio/wav", ASSET_AUDIO},
    {".m4a", "audio/mp4", ASSET_AUDIO},
    {".flac", "audio/flac", ASSET_AUDIO},
    {".ogg", "audio/ogg", ASSET_AUDIO},
    {".opus", "audio/opus", ASSET_AUDIO},
    {".aac", "audio/aac", ASSET_AUDIO},
    {".aiff", "audio/aiff", ASSET_AUDIO},
    {".wma", "audio/x-ms-wma", ASSET_AUDIO},
    {".pdf", "application/pdf", ASSET_DOCUMENT},
    {".txt", "text/plain", ASSET_DOCUMENT},
    {".md", "text/markdown", ASSET_DOCUMENT},
};

const struct filename_kind *filename_kind(const char *name)
{
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < array_count(filename_kinds); i++)
        if (strcasecmp(dot, filename_kinds[i].extension) == 0)
            return &filename_kinds[i];
    return NULL;
}

static const char *refuse_size(const struct filename_kind *kind,
                               int64_t size_bytes)
{
    switch (kind->type) {
    case ASSET_IMAGE:
        return size_bytes > IMAGE_MAX_BYTES
                   ? "the API takes images of at most 32 MB"
                   : NULL;
    case ASSET_DOCUMENT:
        return size_bytes > DIRECT_MAX_BYTES
                   ? "the API takes documents of at most 200 MB"
                   : NULL;
    default:
        return size_bytes > CHUNKS_MAX_BYTES
                   ? "the API takes video and audio of at most 10 GB"
                   : NULL;
    }
}

/* Of documents the content must be what the extension says; what FFmpeg can
 * make of a file is for the API to find out. */
static const char *refuse_content(const struct filename_kind *kind,
                                  const char *head, size_t head_bytes)
{
    static const char pdf[] = "%PDF-";
    if (kind->type != ASSET_DOCUMENT)
        return NULL;
    if (strcmp(kind->mime, "application/pdf") == 0)
        return memmem(head, head_bytes, pdf, sizeof(pdf) - 1)
                   ? NULL
                   : "it is called .pdf and isn't one";
    return memchr(head, '\0', head_bytes)
               ? "it is called a text and has NUL bytes in it"
               : NULL;
}

const char *filename_refusal(const char *name, int64_t size_bytes,
                             const char *head, size_t head_bytes)
{
    const struct filename_kind *kind = filename_kind(name);
    if (!kind)
        return "the API takes no files with this extension";
    if (size_bytes == 0)
        return "it is empty";
    const char *why = refuse_size(kind, size_bytes);
    return why ? why : refuse_content(kind, head, head_bytes);
}

bool filename_goes_in_chunks(const struct filename_kind *kind,
                             int64_t size_bytes, int64_t from_bytes)
{
    if (kind->type != ASSET_VIDEO && kind->type != ASSET_AUDIO)
        return false;
    return size_bytes >= from_bytes || size_bytes > DIRECT_MAX_BYTES;
}

/* ---- names for others ---- */

int filename_append(struct buf *out, const char *name)
{
    size_t len = strlen(name);
    int err = 0;
    while (!err && len > 0) {
        uint32_t code;
        size_t step = utf8_decode(name, len, &code);
        if (step && !utf8_is_surrogate(code))
            err = buf_append(out, name, step);
        else
            err = buf_append_str(out, "\xef\xbf\xbd");
        step = step ? step : 1;
        name += step;
        len -= step;
    }
    return err;
}

int filename_append_filter(struct buf *out, const char *name)
{
    const char *best = name;
    size_t best_len = 0;
    while (*name) {
        size_t len = 0;
        while (ascii_is_alnum(name[len]))
            len++;
        if (len > best_len) {
            best = name;
            best_len = len;
        }
        name += len ? len : 1;
    }
    return best_len >= FILTER_MIN ? buf_append(out, best, best_len) : 0;
}

/* No more than `most` bytes, and no half of a character at the end. */
static size_t cut(const char *name, size_t len, size_t most)
{
    if (len <= most)
        return len;
    len = most;
    while (len > 0 && ((unsigned char)name[len] & 0xc0) == 0x80)
        len--;
    return len;
}

void filename_of_error(const char *name, char out[FILENAME_MAX_BYTES + 1])
{
    size_t len = strlen(name);
    char tell[32] = "";
    size_t most = FILENAME_MAX_BYTES - strlen(ERROR_SUFFIX);
    if (len > most) {
        (void)snprintf(tell, sizeof(tell), "-%016llx",
                       (unsigned long long)hash_bytes(name, len, 0));
        most -= strlen(tell);
    }
    len = cut(name, len, most);
    (void)snprintf(out, FILENAME_MAX_BYTES + 1, "%.*s%s" ERROR_SUFFIX, (int)len,
                   name, tell);
}

void filename_of_copy(const char *name, int n, char out[FILENAME_MAX_BYTES + 1])
{
    char number[16] = "";
    const char *dot = strrchr(name, '.');
    size_t len = dot && dot > name ? (size_t)(dot - name) : strlen(name);
    const char *extension = name + len;
    if (n > 0)
        (void)snprintf(number, sizeof(number), ".%d", n);
    if (strlen(extension) > 32)
        extension = "";
    len =
        cut(name, len, FILENAME_MAX_BYTES - strlen(number) - strlen(extension));
    (void)snprintf(out, FILENAME_MAX_BYTES + 1, "%.*s%s%s", (int)len, name,
                   number, extension);
}

/* ---- tags ---- */

/* One component of a path as a member; -EINVAL where it is none. */
static int append_tag(struct buf *out, const char *name, size_t len)
{
    size_t prefix = strlen(TAG_PREFIX);
    if (len <= prefix || strncmp(name, TAG_PREFIX, prefix) != 0)
        return -EINVAL;
    cleanup(free_ptr) char *key = strndup(name + prefix, len - prefix);
    if (!key)
        return -ENOMEM;
    char *equals = strchr(key, '=');
    if (!equals)
        return -EINVAL;
    *equals = '\0';
    return tag_append(out, key, equals + 1, strlen(equals + 1));
}

bool filename_is_tag(const char *name)
{
    cleanup(buf_done) struct buf tried = {.max = 4096};
    return append_tag(&tried, name, strlen(name)) == 0;
}

static size_t key_len(const char *name, size_t len)
{
    const char *equals = memchr(name, '=', len);
    return equals ? (size_t)(equals - name) : len;
}

/* Whether one further in has the same key: it wins. */
static bool comes_again(const char *name, size_t len, const char *rest)
{
    size_t key = key_len(name, len);
    for (const char *slash; (slash = strchr(rest, '/')); rest = slash + 1)
        if (key_len(rest, (size_t)(slash - rest)) == key &&
            strncmp(name, rest, key) == 0)
            return true;
    return false;
}

int filename_append_tags(struct buf *out, const char *path)
{
    for (const char *slash; (slash = strchr(path, '/')); path = slash + 1) {
        size_t len = (size_t)(slash - path);
        if (comes_again(path, len, slash + 1))
            continue;
        int err = append_tag(out, path, len);
        if (err && err != -EINVAL)
            return err;
    }
    return 0;
}
