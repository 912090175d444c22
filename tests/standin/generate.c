/* SPDX-License-Identifier: MIT */
#include "generate.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "hash.h"

/* The counter is multiplied by an odd number modulo 2^24 and back. */
#define SCRAMBLE     0x9e3779u
#define UNSCRAMBLE   0xb382c9u
#define COUNTER_MASK (ASSETS_MAX - 1)

#define LAST_CREATION 1790812800 /* 2026-10-01T00:00:00Z */
#define SPAN_S        ((int64_t)3 * 365 * 86400)

static uint64_t noise(const struct generator *g, uint32_t number, unsigned use)
{
    return hash_pair(g->seed * 64 + use, number);
}

void generate_stamp(int64_t at, char ret_stamp[32])
{
    time_t t = (time_t)at;
    struct tm tm;
    if (!gmtime_r(&t, &tm) || !strftime(ret_stamp, 32, "%FT%TZ", &tm))
        strcpy(ret_stamp, "1970-01-01T00:00:00Z");
}

void generate_id(const struct generator *g, uint32_t number, int64_t at,
                 char ret_id[ID_LENGTH + 1])
{
    static const char hex[] = "0123456789abcdef";
    uint64_t machine = hash_mix(g->seed) & 0xffffffffffULL;
    uint32_t counter = number * SCRAMBLE & COUNTER_MASK;
    uint32_t when = (uint32_t)at;
    for (int i = 7; i >= 0; i--, when >>= 4)
        ret_id[i] = hex[when & 15];
    for (int i = 17; i >= 8; i--, machine >>= 4)
        ret_id[i] = hex[machine & 15];
    for (int i = 23; i >= 18; i--, counter >>= 4)
        ret_id[i] = hex[counter & 15];
    ret_id[ID_LENGTH] = '\0';
}

int64_t generate_number(const struct generator *g, const char *id)
{
    unsigned when, counter;
    unsigned long long machine;
    if (strlen(id) != ID_LENGTH ||
        strspn(id, "0123456789abcdef") != ID_LENGTH ||
        sscanf(id, "%8x%10llx%6x", &when, &machine, &counter) != 3 ||
        machine != (hash_mix(g->seed) & 0xffffffffffULL))
        return -1;
    return (int64_t)(counter * UNSCRAMBLE & COUNTER_MASK);
}

enum asset_type generate_type(const struct generator *g, uint32_t number)
{
    if (g->profile == PROFILE_DEMO && demo_name(number)) {
        const char *dot = strrchr(demo_name(number), '.');
        if (!strcmp(dot, ".mp4") || !strcmp(dot, ".mov"))
            return TYPE_VIDEO;
        if (!strcmp(dot, ".jpg") || !strcmp(dot, ".png"))
            return TYPE_IMAGE;
        return !strcmp(dot, ".mp3") || !strcmp(dot, ".wav") ? TYPE_AUDIO
                                                            : TYPE_DOCUMENT;
    }
    unsigned roll = noise(g, number, 0) % 100;
    if (roll < 58)
        return TYPE_VIDEO;
    if (roll < 80)
        return TYPE_IMAGE;
    return roll < 92 ? TYPE_AUDIO : TYPE_DOCUMENT;
}

enum asset_status generate_status(const struct generator *g, uint32_t number,
                                  uint32_t total)
{
    /* The newest may be in work, and an upload in two thousand failed. */
    if (g->profile == PROFILE_DEMO)
        return number + 2 == total    ? STATUS_PROCESSING
               : number + 20 == total ? STATUS_FAILED
                                      : STATUS_READY;
    if (total > 20 && number + 3 >= total)
        return STATUS_PROCESSING;
    return noise(g, number, 1) % 2000 == 7 ? STATUS_FAILED : STATUS_READY;
}

int64_t generate_time(const struct generator *g, uint32_t number,
                      uint32_t total)
{
    /* Every third batch of eight was uploaded within one second. */
    uint32_t n = number / 8 % 3 == 1 ? number / 8 * 8 : number;
    int64_t step_ms = SPAN_S * 1000 / (total ? total : 1);
    int64_t jitter = (int64_t)(noise(g, n, 2) % 1000) * step_ms / 1000;
    return LAST_CREATION - SPAN_S + ((int64_t)n * step_ms + jitter) / 1000;
}

enum asset_type generate_type_of_mime(const char *mime)
{
    if (!strncasecmp(mime, "video/", 6))
        return TYPE_VIDEO;
    if (!strncasecmp(mime, "image/", 6))
        return TYPE_IMAGE;
    if (!strncasecmp(mime, "audio/", 6))
        return TYPE_AUDIO;
    if (!strncasecmp(mime, "text/", 5) ||
        !strncasecmp(mime, "application/pdf", 15))
        return TYPE_DOCUMENT;
    return TYPE_NONE;
}

static const char *const words[] = {
    "interview",        "meeting", "keynote",  "product-demo", "webinar",
    "training",         "broll",   "drone",    "match",        "lecture",
    "standup",          "launch",  "trailer",  "podcast",      "call",
    "workshop",         "panel",   "townhall", "onboarding",   "teaser",
    "Besprechung-März", "réunion", "会議",     "発表",
};

static const char *const places[] = {
    "seoul", "berlin", "nyc",   "lagos", "lima",  "oslo",
    "sf",    "tokyo",  "delhi", "paris", "quito", "leeds",
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *extension(enum asset_type type, unsigned roll)
{
    static const char *const ext[][4] = {
        [TYPE_VIDEO] = {".mp4", ".mp4", ".mov", ".mp4"},
        [TYPE_IMAGE] = {".jpg", ".jpg", ".png", ".JPG"},
        [TYPE_AUDIO] = {".mp3", ".wav", ".mp3", ".m4a"},
        [TYPE_DOCUMENT] = {".pdf", ".pdf", ".txt", ".md"},
        [TYPE_NONE] = {"", "", "", ""},
    };
    return ext[type][roll % 4];
}

void generate_filename(const struct generator *g, const struct asset *a,
                       struct buf *out)
{
    if (g->profile == PROFILE_DEMO && demo_name(a->number)) {
        buf_str(out, demo_name(a->number));
        return;
    }
    uint64_t n = noise(g, a->number, 3);
    const char *ext = extension(a->type, (unsigned)(n >> 40));
    if (n % 97 == 0) { /* the names that everybody's device gives */
        buf_str(out, a->type == TYPE_IMAGE ? "image" : "recording");
        buf_str(out, ext);
        return;
    }
    if (a->type == TYPE_IMAGE && n % 3 == 0) {
        buf_str(out, "IMG_");
        buf_number(out, (long long)(a->number % 100000));
        buf_str(out, ext);
        return;
    }
    char stamp[32];
    generate_stamp(a->created_at, stamp);
    buf_str(out, words[(n >> 8) % COUNT(words)]);
    buf_char(out, (n >> 16) % 5 ? '-' : ' ');
    buf_str(out, places[(n >> 20) % COUNT(places)]);
    buf_char(out, '-');
    buf_add(out, stamp, (n >> 24) % 2 ? 7 : 10);
    buf_char(out, '-');
    buf_number(out, (long long)a->number);
    buf_str(out, ext);
}

static const char *mime_of(const char *name)
{
    static const char *const map[][2] = {
        {".mp4", "video/mp4"},  {".mov", "video/quicktime"},
        {".jpg", "image/jpeg"}, {".png", "image/png"},
        {".mp3", "audio/mpeg"}, {".wav", "audio/wav"},
        {".m4a", "audio/mp4"},  {".pdf", "application/pdf"},
        {".txt", "text/plain"}, {".md", "text/markdown"},
    };
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < COUNT(map); i++)
        if (!strcasecmp(dot, map[i][0]))
            return map[i][1];
    return "application/octet-stream";
}

/* Pictures come under .jpg, .png and .webp, without an extension, and with
 * everything in the query. */
static void picture_url(const struct generator *g, const struct asset *a,
                        const char *id, struct buf *out)
{
    static const char *const name[] = {
        "thumbnail.jpg",  "thumbnail.jpg", "thumbnail.jpg", "thumbnail.jpg",
        "thumbnail.jpg",  "thumbnail.jpg", "thumbnail.jpg", "thumbnail.png",
        "thumbnail.webp", "thumbnail",
    };
    unsigned roll = noise(g, a->number, 4) % 11;
    if (g->profile == PROFILE_DEMO)
        roll = 0;
    buf_str(out, g->media);
    if (roll == 10)
        buf_printf(out, "/thumb?asset=%s&w=320", id);
    else
        buf_printf(out, "/assets/%s/%s", id, name[roll]);
}

static void add_hls(const struct generator *g, const struct asset *a,
                    const char *id, struct buf *out)
{
    if (a->type != TYPE_VIDEO && a->type != TYPE_AUDIO)
        return;
    if (g->profile != PROFILE_DEMO && noise(g, a->number, 5) % 3 == 0)
        return;
    if (a->status == STATUS_READY)
        buf_printf(out,
                   ",\"hls\":{\"manifest_url\":"
                   "\"%s/assets/%s/manifest.m3u8\",\"status\":\"ready\"}",
                   g->media, id);
    else
        buf_printf(out, ",\"hls\":{\"status\":\"%s\"}",
                   a->status == STATUS_FAILED ? "error" : "pending");
}

static void add_thumbnail(const struct generator *g, const struct asset *a,
                          const char *id, struct buf *out)
{
    if (a->type == TYPE_AUDIO || a->type == TYPE_NONE)
        return;
    if (g->profile != PROFILE_DEMO && noise(g, a->number, 6) % 5 == 0)
        return;
    if (a->status == STATUS_READY) {
        buf_str(out, ",\"thumbnail\":{\"representative_url\":\"");
        picture_url(g, a, id, out);
        buf_str(out, "\",\"status\":\"ready\"}");
    } else {
        buf_printf(out, ",\"thumbnail\":{\"status\":\"%s\"}",
                   a->status == STATUS_FAILED ? "error" : "processing");
    }
}

static void add_technical(const struct generator *g, const struct asset *a,
                          struct buf *out)
{
    static const int height[] = {480, 720, 1080, 1080, 1080, 2160};
    uint64_t n = noise(g, a->number, 7);
    int h = height[n % COUNT(height)];
    buf_str(out, ",\"technical_metadata\":{");
    if (a->type == TYPE_VIDEO)
        buf_printf(out,
                   "\"video_codec\":\"%s\",\"video_width\":%d,"
                   "\"video_height\":%d,\"fps\":%s,\"audio_codec\":\"aac\","
                   "\"audio_sample_rate\":48000,\"streams\":[{\"index\":0,"
                   "\"kind\":\"video\"},{\"index\":1,\"kind\":\"audio\"}]",
                   n & 64 ? "h264" : "hevc", h * 16 / 9, h,
                   n & 128 ? "29.97" : "25");
    else if (a->type == TYPE_IMAGE)
        buf_printf(out,
                   "\"image_width\":%d,\"image_height\":%d,\"gps\":"
                   "{\"latitude\":%d.%04d,\"longitude\":%d.%04d}",
                   h * 4 / 3, h, (int)((n >> 8) % 90), (int)((n >> 20) % 10000),
                   (int)((n >> 9) % 180), (int)((n >> 21) % 10000));
    else if (a->type == TYPE_AUDIO)
        buf_str(out, "\"audio_codec\":\"mp3\",\"audio_sample_rate\":44100,"
                     "\"audio_channels\":2");
    else
        buf_printf(out, "\"page_count\":%d", (int)(n % 80) + 1);
    buf_char(out, '}');
}

/* What a ready asset has and one in work lacks; `,"k":v` pieces. */
static void add_ready(const struct generator *g, const struct asset *a,
                      const char *name, struct buf *out)
{
    static const long long typical[] = {80000000, 3000000, 9000000, 900000, 1};
    uint64_t n = noise(g, a->number, 8);
    buf_printf(out, ",\"file_type\":\"%s\"", mime_of(name));
    long long size = typical[a->type] / 8 +
                     (long long)(n % (uint64_t)(typical[a->type] * 2));
    if (a->type == TYPE_VIDEO && n % 40 == 0)
        size += 4200000000LL;
    buf_printf(out, ",\"size\":%lld", size);
    if (a->type == TYPE_VIDEO || a->type == TYPE_AUDIO)
        buf_printf(out, ",\"duration\":%d.%d", (int)((n >> 16) % 5400) + 2,
                   (int)((n >> 32) % 10));
    add_technical(g, a, out);
}

static void add_user_metadata(const struct generator *g, const struct asset *a,
                              struct buf *out)
{
    static const char *const category[] = {"sports", "news", "training",
                                           "marketing", "archive"};
    static const char *const team[] = {"emea", "apac", "latam", "studio"};
    uint64_t n = noise(g, a->number, 9);
    if (n % 4 == 0 && g->no_empty_metadata)
        return;
    buf_str(out, ",\"user_metadata\":{");
    if (n % 4)
        buf_printf(out,
                   "\"category\":\"%s\",\"team\":\"%s\",\"episode\":%d,"
                   "\"approved\":%s,\"rating\":%d.%d,\"description\":"
                   "\"Take %d, recorded for the %s desk in %s; rights "
                   "cleared until %d.\"",
                   category[(n >> 3) % 5], team[(n >> 8) % 4],
                   (int)((n >> 12) % 400), n & 1024 ? "true" : "false",
                   (int)((n >> 20) % 5), (int)((n >> 24) % 10),
                   (int)((n >> 28) % 30) + 1, category[(n >> 3) % 5],
                   places[(n >> 32) % COUNT(places)],
                   2027 + (int)((n >> 40) % 9));
    buf_char(out, '}');
}

void generate_json(const struct generator *g, const struct asset *a,
                   struct buf *out)
{
    static const char *const methods[] = {"direct", "direct", "url",
                                          "multipart"};
    static const char *const status[] = {"ready", "processing", "failed"};
    char id[ID_LENGTH + 1], stamp[32];
    generate_id(g, a->number, a->created_at, id);
    generate_stamp(a->created_at, stamp);
    struct buf name BUF_SCOPE = {0};
    generate_filename(g, a, &name);
    buf_printf(out, "{\"_id\":\"%s\",\"created_at\":\"%s\",\"filename\":", id,
               stamp);
    buf_json(out, name.data ? name.data : "");
    buf_printf(out, ",\"method\":\"%s\",\"status\":\"%s\"",
               methods[noise(g, a->number, 10) % 4], status[a->status]);
    if (a->status == STATUS_READY)
        add_ready(g, a, name.data ? name.data : "", out);
    add_hls(g, a, id, out);
    add_thumbnail(g, a, id, out);
    add_user_metadata(g, a, out);
    if (noise(g, a->number, 11) % 50 == 0)
        buf_printf(out,
                   ",\"source\":{\"type\":\"connector\",\"details\":"
                   "{\"provider\":\"google_drive\",\"source_id\":\"drv-%u\","
                   "\"source_link\":\"https://drive.example.com/f/%u\"}}",
                   a->number, a->number);
    if (a->status == STATUS_FAILED)
        buf_str(out, ",\"error\":{\"message\":\"The file could not be "
                     "decoded.\"}");
    buf_char(out, '}');
}

void generate_ready_members(const struct generator *g, const struct asset *a,
                            struct buf *out)
{
    char id[ID_LENGTH + 1];
    struct asset ready = *a;
    ready.status = STATUS_READY;
    generate_id(g, a->number, a->created_at, id);
    struct buf name BUF_SCOPE = {0};
    generate_filename(g, &ready, &name);
    buf_str(out, "{\"status\":\"ready\"");
    add_ready(g, &ready, name.data ? name.data : "", out);
    add_hls(g, &ready, id, out);
    add_thumbnail(g, &ready, id, out);
    buf_char(out, '}');
}
