/* SPDX-License-Identifier: MIT */
#include "media/media.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/ascii.h"
#include "base/asset.h"
#include "base/cleanup.h"

/* How long a signature of unknown expiry is trusted. */
#define SIGNED_FOR_S 1800
/* A URL must outlive the reader's first request. */
#define MARGIN_S    30
#define SECONDS_MAX INT64_C(99999999999)
#define VALUE_SIZE  64

/* The title stands on a line of its own after a comma: line breaks of every
 * kind, and other control characters, become spaces. */
static int append_title(const char *title, struct buf *out)
{
    for (const unsigned char *c = (const unsigned char *)title; *c; c++) {
        size_t skip = 0;
        if (c[0] == 0xc2 && (c[1] & 0xe0) == 0x80)
            skip = 1; /* U+0080 to U+009F */
        else if (c[0] == 0xe2 && c[1] == 0x80 && (c[2] == 0xa8 || c[2] == 0xa9))
            skip = 2; /* line and paragraph separator */
        bool space = skip || *c < ' ' || *c == 0x7f;
        int err = space ? buf_append_char(out, ' ') : buf_append(out, c, 1);
        if (err)
            return err;
        c += skip;
    }
    return 0;
}

/* No EXT-X tag: with one, ffmpeg takes the local file itself for HLS and
 * refuses to leave the disk for http. */
int media_playlist(const char *title, const char *manifest_url, struct buf *out)
{
    if (!asset_url_is_clean(manifest_url, strlen(manifest_url)))
        return -EINVAL;
    size_t before = out->len;
    int err = buf_append_str(out, "#EXTM3U\n#EXTINF:-1,");
    if (!err)
        err = append_title(title, out);
    if (!err)
        err = buf_appendf(out, "\n%s\n", manifest_url);
    if (err)
        buf_truncate(out, before);
    return err;
}

/* The value of one query parameter, cut to size; false when absent. */
static bool find_parameter(const char *url, const char *name,
                           char value[VALUE_SIZE])
{
    size_t len = strlen(name);
    const char *at = strchr(url, '?');
    while (at) {
        at++;
        if (strncasecmp(at, name, len) == 0 && at[len] == '=') {
            size_t value_len = strcspn(at + len + 1, "&#");
            if (value_len >= VALUE_SIZE)
                value_len = VALUE_SIZE - 1;
            memcpy(value, at + len + 1, value_len);
            value[value_len] = '\0';
            return true;
        }
        at = strchr(at, '&');
    }
    return false;
}

static bool parse_seconds(const char *text, int64_t *ret_s)
{
    return ascii_parse_count(text, strlen(text), SECONDS_MAX, ret_s);
}

/* 20260801T103000Z and how many seconds after it. */
static bool find_dated_expiry(const char *url, const char *date_name,
                              const char *length_name, int64_t *ret_s)
{
    char date[VALUE_SIZE];
    char length[VALUE_SIZE];
    int64_t seconds;
    struct tm tm = {0};
    if (!find_parameter(url, date_name, date) ||
        !find_parameter(url, length_name, length) ||
        !parse_seconds(length, &seconds))
        return false;
    const char *end = strptime(date, "%Y%m%dT%H%M%SZ", &tm);
    if (!end || *end)
        return false;
    *ret_s = (int64_t)timegm(&tm) + seconds;
    return true;
}

static bool find_expiry(const char *url, int64_t *ret_s)
{
    static const char *const names[] = {"Expires", "exp", "expires_at"};
    char value[VALUE_SIZE];
    for (size_t i = 0; i < array_count(names); i++)
        if (find_parameter(url, names[i], value) && parse_seconds(value, ret_s))
            return true;
    return find_dated_expiry(url, "X-Amz-Date", "X-Amz-Expires", ret_s) ||
           find_dated_expiry(url, "X-Goog-Date", "X-Goog-Expires", ret_s);
}

static bool is_signed(const char *url)
{
    static const char *const names[] = {
        "Signature", "X-Amz-Signature", "X-Goog-Signature",
        "sig",       "token",           "hdnts",
        "hdnea",     "Policy"};
    char value[VALUE_SIZE];
    for (size_t i = 0; i < array_count(names); i++)
        if (find_parameter(url, names[i], value))
            return true;
    return false;
}

bool media_url_is_stale(const char *url, int64_t fetched_s, int64_t now_s)
{
    int64_t expiry_s;
    if (find_expiry(url, &expiry_s))
        return now_s >= expiry_s - MARGIN_S;
    return is_signed(url) && now_s - fetched_s >= SIGNED_FOR_S;
}
