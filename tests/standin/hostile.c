/* SPDX-License-Identifier: MIT */
/*
 * The hostile account: every name and value that API.md warns of, and some
 * that only an attacker or a bug would send. Objects are written by hand, so
 * that every byte arrives as it stands here; $ID, $AT and $MEDIA are filled
 * in. None has a newline, so a dump is one a line. Two have no usable _id;
 * no two have the same.
 */
#include <stdlib.h>
#include <string.h>

#include "account.h"

#define FIRST_CREATION 1768435200 /* 2026-01-15T00:00:00Z */
#define STEP_S         977
#define SAME_SECOND    120
#define COUNT(array)   (sizeof(array) / sizeof((array)[0]))

/* Filenames, as the inside of a JSON string. */
static const char *const names[] = {
    "",
    "/",
    "a/b.mp4",
    "/etc/passwd",
    "../../../../tmp/escape.mp4",
    ".",
    "..",
    "...",
    " ",
    " leading space.mp4",
    "trailing space ",
    "trailing dot.",
    "nul\\u0000byte.mp4",
    "\\u0000",
    "tab\\tname.mp4",
    "line\\nbreak.mp4",
    "ends with newline\\n",
    "carriage\\rreturn.mp4",
    "bell\\u0007.mp4",
    "escape\\u001b[31mred\\u001b[0m.mp4",
    "delete\\u007f.mp4",
    "c1\\u0085next\\u009bline.mp4",
    "line\\u2028paragraph\\u2029.mp4",
    "\\u202egnp.4pm",
    "\\u2066isolate\\u2069.mp4",
    "\\u200fmark\\u200e.mp4",
    "\\u061carabic mark.mp4",
    "zero\\u200bwidth\\u200djoiner.mp4",
    "\\ufeffbyte order mark.mp4",
    "noncharacter\\uffff\\ufffe.mp4",
    "replacement\\ufffd.mp4",
    "lone high\\ud800.mp4",
    "lone low\\udc00.mp4",
    "swapped\\udc00\\ud800.mp4",
    "two highs\\ud800\\ud800.mp4",
    "cut short\\ud83d",
    "pair\\ud83d\\ude00.mp4",
    "last\\udbff\\udfff.mp4",
    "\\u0065scaped \\u006cetters.mp4",
    ".id",
    ".media",
    ".twelvefs",
    ".assets.ndjson",
    ".pictures",
    ".hidden",
    ".git",
    ".Trash-1000",
    "autorun.inf",
    ".gitignore",
    "video",
    "image",
    "other",
    "metadata.json",
    "thumbnail.jpg",
    "status=failed",
    "type=video",
    "filename=meeting",
    "id=6298d673f1090f1100476d4c",
    "size=1G..",
    "user_metadata.category=sports",
    "no-such-key=x",
    "Two Words=x",
    "=",
    "=x",
    "a=",
    "a=b=c.mp4",
    "100%",
    "100%25",
    "%",
    "%%",
    "%2F",
    "%2f..%2f",
    "%zz",
    "%ED%A0%80",
    "a@6298d673f1090f1100476d4c",
    "@6298d673f1090f1100476d4c",
    "same.mp4@6298d673f1090f1100476d4c",
    "a@b.mp4",
    "me@example.com",
    "-rf",
    "--help",
    "~",
    "~root",
    "$HOME",
    "`id`.mp4",
    "$(id).mp4",
    "; rm -r x;.mp4",
    "star*?[a].mp4",
    "pipe|amp&.mp4",
    "back\\\\slash.mp4",
    "quote\\\"s'.mp4",
    "escaped\\/slash.mp4",
    "colon:name.mp4",
    "<b>html</b>.mp4",
    "CON",
    "nul.txt",
    "#hash.mp4",
    "+plus+.mp4",
    "comma,name.mp4",
    "semi;colon.mp4",
    "\\u00e9t\\u00e9.mp4",
    "e\\u0301te\\u0301.mp4",
    "été.mp4",
    "Case.mp4",
    "case.mp4",
    "CASE.MP4",
    "STRASSE.mp4",
    "straße.mp4",
    "İstanbul.mp4",
    "ısparta.mp4",
    "ﬁne.mp4",
    "ΣΊΣΥΦΟΣ.mp4",
    "日本語のファイル.mp4",
    "한국어.mp4",
    "עברית.mp4",
    "العربية.mp4",
    "👩‍👩‍👧‍👦.mp4",
    "no extension",
    ".mp4",
    "two.dots.tar.gz",
    "dot at the end of.mp4.",
    /* Not UTF-8 as they stand, or controls that JSON wants escaped. */
    "raw \xff\xfe bytes.mp4",
    "overlong \xc0\xaf slash.mp4",
    "raw surrogate \xed\xa0\x80.mp4",
    "cut \xe2\x82",
    "too high \xf5\x80\x80\x80.mp4",
    "raw control \x01\x1f.mp4",
    "raw tab\tname.mp4",
    "same.mp4",
    "same.mp4",
    "same.mp4",
    "same.mp4",
    "same.mp4",
    "keynote.mp4",
};

#define BEGIN "{\"_id\":\"$ID\",\"created_at\":\"$AT\","
#define REST                                                                   \
    "\"method\":\"direct\",\"status\":\"ready\",\"file_type\":\"video/mp4\","  \
    "\"size\":1048576,\"duration\":12.5,"

/* Whole objects. */
static const char *const objects[] = {
    /* Little or nothing. */
    "{\"_id\":\"$ID\"}",
    "{\"_id\":\"$ID\",\"created_at\":\"$AT\"}",
    "{}",
    "{\"created_at\":\"$AT\",\"filename\":\"no id.mp4\",\"file_type\":"
    "\"video/mp4\",\"status\":\"ready\"}",
    BEGIN REST "\"user_metadata\":{}}",
    BEGIN "\"filename\":null,\"file_type\":null,\"size\":null,\"hls\":null,"
          "\"thumbnail\":null,\"user_metadata\":null,\"status\":null}",
    /* Wrong types. */
    BEGIN REST "\"filename\":42}",
    BEGIN REST "\"filename\":[\"a\",\"b\"]}",
    BEGIN REST "\"filename\":{\"name\":\"x\"}}",
    BEGIN REST "\"filename\":true}",
    BEGIN "\"filename\":\"size-string.mp4\",\"file_type\":\"video/mp4\","
          "\"size\":\"104857600\",\"duration\":\"12.5\",\"status\":\"ready\"}",
    BEGIN "\"filename\":\"size-negative.mp4\",\"file_type\":\"video/mp4\","
          "\"size\":-1,\"duration\":-3.5}",
    BEGIN "\"filename\":\"size-float.mp4\",\"file_type\":\"video/mp4\","
          "\"size\":1.5e3,\"duration\":1e400}",
    BEGIN "\"filename\":\"size-huge.mp4\",\"file_type\":\"video/mp4\","
          "\"size\":99999999999999999999999999}",
    BEGIN "\"filename\":\"status-number.mp4\",\"file_type\":7,\"status\":1}",
    BEGIN REST "\"filename\":\"hls-list.mp4\",\"hls\":[1,2],\"thumbnail\":"
               "\"ready\"}",
    BEGIN REST "\"filename\":\"hls-number-url.mp4\",\"hls\":{\"status\":"
               "\"ready\",\"manifest_url\":5},\"thumbnail\":{\"status\":3,"
               "\"representative_url\":{}}}",
    BEGIN REST "\"filename\":\"user-metadata-list.mp4\",\"user_metadata\":"
               "[1,\"two\"]}",
    BEGIN REST "\"filename\":\"user-metadata-text.mp4\",\"user_metadata\":"
               "\"sports\"}",
    BEGIN REST "\"filename\":\"technical-null.mp4\",\"technical_metadata\":"
               "null}",
    "{\"_id\":\"$ID\",\"created_at\":\"yesterday\",\"filename\":"
    "\"created-garbage.mp4\",\"file_type\":\"video/mp4\"}",
    "{\"_id\":\"$ID\",\"created_at\":1654165800,\"filename\":"
    "\"created-number.mp4\",\"file_type\":\"video/mp4\"}",
    "{\"_id\":\"$ID\",\"created_at\":\"9999-99-99T99:99:99Z\",\"filename\":"
    "\"created-impossible.mp4\",\"file_type\":\"video/mp4\"}",
    "{\"_id\":\"$ID\",\"created_at\":\"2026-01-15T01:02:03.456+02:00\","
    "\"filename\":\"created-offset.mp4\",\"file_type\":\"video/mp4\"}",
    "{\"_id\":\"$ID\",\"created_at\":\"1901-01-01T00:00:00Z\",\"filename\":"
    "\"created-1901.mp4\",\"file_type\":\"video/mp4\"}",
    /* Odd ids. */
    "{\"_id\":\"short\",\"created_at\":\"$AT\",\"filename\":\"short-id.mp4\","
    "\"file_type\":\"video/mp4\"}",
    "{\"_id\":\"with/slash-$ID\",\"created_at\":\"$AT\",\"filename\":"
    "\"slash-id.mp4\",\"file_type\":\"video/mp4\"}",
    "{\"_id\":\"..\",\"created_at\":\"$AT\",\"filename\":\"dotdot-id.mp4\","
    "\"file_type\":\"video/mp4\"}",
    "{\"_id\":\"id with ünïcode & ?#%\",\"created_at\":\"$AT\",\"filename\":"
    "\"unicode-id.mp4\",\"file_type\":\"video/mp4\"}",
    /* Numbers that no double holds; values of every kind. */
    BEGIN REST "\"filename\":\"numbers.mp4\",\"user_metadata\":{\"big\":"
               "9007199254740993,\"bigger\":123456789012345678901234567890,"
               "\"huge\":1e400,\"tiny\":1e-400,\"cents\":0.10,\"minus\":-0,"
               "\"minusf\":-0.0,\"exp\":1E+2,\"long\":"
               "0.1000000000000000055511151231257827,\"t\":true,\"f\":false,"
               "\"n\":null}}",
    BEGIN REST "\"filename\":\"keys.mp4\",\"user_metadata\":{\"\":\"empty\","
               "\"a.b\":1,\"a=b\":2,\"a/b\":3,\"\\u0000\":4,\"\\ud800\":5,"
               "\" \":6,\"category\":\"sports/../news\",\"été\":\"é\","
               "\"user.attr\":\"x\",\"line\\nbreak\":\"a\\nb\"}}",
    BEGIN REST "\"filename\":\"escapes.mp4\",\"user_metadata\":{\"a\":"
               "\"\\u00e9 \\/ \\u0000 \\ud800 \\u2028 \\ud83d\\ude00 \\\" "
               "\\\\ \\b\\f\\n\\r\\t\"}}",
    /* Duplicate keys: the last is taken, all are kept. */
    BEGIN REST "\"filename\":\"first.mp4\",\"filename\":\"second.mp4\","
               "\"size\":1,\"size\":2}",
    BEGIN REST "\"filename\":\"dup-meta.mp4\",\"user_metadata\":{\"k\":1,"
               "\"k\":2}}",
    /* What is not known yet. */
    BEGIN "\"filename\":\"model.gltf\",\"file_type\":\"model/gltf+json\","
          "\"status\":\"ready\",\"size\":5,\"new_field\":{\"a\":[1,{\"b\":"
          "null}]},\"another\":\"x\"}",
    BEGIN "\"filename\":\"archive.zip\",\"file_type\":\"application/zip\","
          "\"status\":\"archived\",\"size\":5}",
    BEGIN "\"filename\":\"UPPER.MP4\",\"file_type\":"
          "\"VIDEO/MP4; codecs=\\\"avc1\\\"\",\"status\":\"ready\",\"size\":5}",
    BEGIN "\"filename\":\"spaces.pdf\",\"file_type\":\" application/pdf \","
          "\"status\":\"ready\",\"size\":5}",
    BEGIN "\"filename\":\"empty-type.bin\",\"file_type\":\"\","
          "\"status\":\"ready\",\"size\":0}",
    BEGIN "\"filename\":\"type-is-path.bin\",\"file_type\":\"../video/mp4\"}",
    BEGIN "\"filename\":\"video\",\"file_type\":\"video\"}",
    BEGIN "\"filename\":\"script.svg\",\"file_type\":\"image/svg+xml\","
          "\"status\":\"ready\",\"size\":5}",
    /* In work, and failed. */
    BEGIN "\"filename\":\"in-work.mp4\",\"method\":\"url\",\"status\":"
          "\"processing\",\"hls\":{\"status\":\"pending\"},\"thumbnail\":"
          "{\"status\":\"processing\"},\"user_metadata\":{}}",
    BEGIN "\"filename\":\"failed.mp4\",\"method\":\"multipart\",\"status\":"
          "\"failed\",\"hls\":{\"status\":\"error\"},\"error\":{\"message\":"
          "\"Bad\\r\\nHeader: x\\u001b[2J\\u0000\"}}",
    BEGIN REST "\"filename\":\"from-drive.mp4\",\"source\":{\"type\":"
               "\"connector\",\"details\":{\"provider\":\"google_drive\","
               "\"source_id\":\"../x\",\"original_filename\":\"a/b.mp4\","
               "\"source_link\":\"javascript:alert(1)\"}}}",
    /* Space, and none. */
    " {  \"_id\" : \"$ID\" ,\t\"filename\" : \"spaced out.mp4\" , "
    "\"file_type\":\"video/mp4\" , \"created_at\" : \"$AT\" , \"user_metadata\""
    " : { \"a\" : [ ] , \"b\" : { } , \"c\" : [ 1 , 2 ] } } ",
};

/* URLs, as the inside of a JSON string; each as picture and as manifest. */
static const char *const urls[] = {
    "javascript:alert(1)",
    "file:///etc/passwd",
    "ftp://127.0.0.1/thumbnail.jpg",
    "gopher://127.0.0.1:1/_x",
    "data:image/png;base64,iVBORw0KGgo=",
    "",
    "not a url",
    "//127.0.0.1:1/assets/x/thumbnail.jpg",
    "assets/relative/thumbnail.jpg",
    "http://",
    "http:///thumbnail.jpg",
    "http://127.0.0.1:1/refused/thumbnail.jpg",
    "http://127.0.0.1:99999/bad-port/thumbnail.jpg",
    "http://[::1]:1/thumbnail.jpg",
    "http://10.255.255.1/private/thumbnail.jpg",
    "http://169.254.169.254/latest/meta-data/thumbnail.jpg",
    "http://localhost:1/thumbnail.jpg",
    "http://0x7f000001:1/thumbnail.jpg",
    "http://host.invalid/thumbnail.jpg",
    "https://127.0.0.1:1/thumbnail.jpg",
    "http://user:secret@127.0.0.1:1/assets/$ID/thumbnail.jpg",
    "$MEDIA/assets/$ID/thumbnail.jpg\\r\\nX-Injected: yes",
    "$MEDIA/assets/$ID/thumbnail.jpg\\n[InternetShortcut]\\nURL=file:///x",
    "$MEDIA/assets/$ID/thumbnail.jpg\\u0000.exe",
    "$MEDIA/assets/$ID/with space/thumbnail.jpg",
    "$MEDIA/assets/$ID/thumbnail.jpg#fragment",
    "$MEDIA/assets/$ID/thumbnail.sh",
    "$MEDIA/assets/$ID/thumbnail.jpg/../../../x.desktop",
    "$MEDIA/assets/$ID/thumbnail.%2F..%2Fevil",
    "$MEDIA/assets/$ID/thumbnail.j\\u202egpj",
    "$MEDIA/assets/$ID/thumbnail.thisextensionislongerthananybodywouldthink",
    "$MEDIA/assets/$ID/thumbnail.JPG",
    "$MEDIA/assets/$ID/thumbnail.tar.gz",
    "$MEDIA/assets/$ID/thumbnail.",
    "$MEDIA/assets/$ID/thumbnail.été",
    "$MEDIA/assets/$ID/missing.jpg",
    "$MEDIA?asset=$ID",
    "HTTP://127.0.0.1:1/UPPER/THUMBNAIL.JPG",
};

static int add(struct account *a, const struct buf *text, int *n)
{
    char id[ID_LENGTH + 1];
    if (text->failed)
        return -1;
    return account_create_text(a, FIRST_CREATION + (int64_t)(*n)++ * STEP_S,
                               (struct slice){text->data, text->len}, id);
}

static void begin_named(struct buf *text, const char *name)
{
    buf_clear(text);
    buf_str(text, BEGIN REST "\"filename\":\"");
    buf_str(text, name);
    buf_char(text, '"');
}

static int add_named(struct account *a, struct buf *text, const char *name,
                     int *n)
{
    begin_named(text, name);
    buf_str(text, ",\"user_metadata\":{}}");
    return add(a, text, n);
}

/* `unit` until `bytes` are full, then `tail`. */
static int add_long_name(struct account *a, struct buf *text, const char *unit,
                         size_t bytes, const char *tail, int *n)
{
    struct buf name BUF_SCOPE = {0};
    while (!name.failed && name.len + strlen(unit) <= bytes)
        buf_str(&name, unit);
    buf_str(&name, tail);
    return name.failed ? -1 : add_named(a, text, name.data, n);
}

static int add_long_names(struct account *a, struct buf *text, int *n)
{
    static const struct {
        const char *unit;
        size_t bytes;
        const char *tail;
    } longs[] = {
        {"x", 251, ".mp4"},    {"x", 252, ".mp4"},       {"x", 255, ""},
        {"x", 256, ""},        {"é", 254, ".mp4"},       {"日本", 300, ".mp4"},
        {"日本", 300, ".mp4"}, {"😀", 1000, ".mp4"},      {"x.", 400, "mp4"},
        {"/", 100, ".mp4"},    {"\\u202e", 600, ""},     {"%41", 252, ".mp4"},
        {"e\\u0301", 700, ""}, {"\\ud800", 600, ".mp4"},
    };
    int err = 0;
    for (size_t i = 0; !err && i < COUNT(longs); i++)
        err = add_long_name(a, text, longs[i].unit, longs[i].bytes,
                            longs[i].tail, n);
    if (!err) /* an extension that is all of the name */
        err = add_long_name(a, text, "x", 3, ".", n);
    if (!err) {
        struct buf tail BUF_SCOPE = {0};
        buf_char(&tail, '.');
        while (!tail.failed && tail.len < 300)
            buf_char(&tail, 'm');
        err = tail.failed ? -1 : add_long_name(a, text, "x", 5, tail.data, n);
    }
    return err;
}

static int add_url(struct account *a, struct buf *text, const char *url,
                   size_t i, int *n)
{
    char name[32];
    struct buf object BUF_SCOPE = {0};
    buf_printf(&object, "url-%02zu.mp4", i);
    if (object.failed)
        return -1;
    strcpy(name, object.data);
    begin_named(text, name);
    buf_str(text, ",\"thumbnail\":{\"status\":\"ready\",\"representative_url\""
                  ":\"");
    buf_str(text, url);
    buf_str(text, "\"},\"hls\":{\"status\":\"ready\",\"manifest_url\":\"");
    buf_str(text, url);
    buf_str(text, "\"}}");
    return add(a, text, n);
}

static int add_urls(struct account *a, struct buf *text, int *n)
{
    int err = 0;
    for (size_t i = 0; !err && i < COUNT(urls); i++)
        err = add_url(a, text, urls[i], i, n);
    struct buf url BUF_SCOPE = {0};
    buf_str(&url, "$MEDIA/assets/$ID/thumbnail.jpg?padding=");
    while (!url.failed && url.len < 8192)
        buf_str(&url, "0123456789abcdef");
    return err || url.failed ? -1 : add_url(a, text, url.data, COUNT(urls), n);
}

/* 200 KB in one object, twice over, and 50 levels. */
static int add_big(struct account *a, struct buf *text, int *n)
{
    begin_named(text, "many-keys.mp4");
    buf_str(text, ",\"user_metadata\":{\"first\":1");
    for (int i = 0; i < 4000; i++)
        buf_printf(text,
                   ",\"key-%04d\":\"value number %04d, with é and "
                   "\\u00e9\"",
                   i, i);
    buf_str(text, "}}");
    int err = add(a, text, n);
    begin_named(text, "long-value.mp4");
    buf_str(text, ",\"user_metadata\":{\"text\":\"");
    for (int i = 0; i < 5000; i++)
        buf_str(text, "All work and no play makes a dull boy. ");
    buf_str(text, "\"}}");
    if (!err)
        err = add(a, text, n);
    begin_named(text, "deep.mp4");
    buf_str(text, ",\"technical_metadata\":");
    for (int i = 0; i < 50; i++)
        buf_str(text, i % 2 ? "[" : "{\"d\":");
    buf_str(text, "\"bottom\"");
    for (int i = 49; i >= 0; i--)
        buf_char(text, i % 2 ? ']' : '}');
    buf_char(text, '}');
    return err ? err : add(a, text, n);
}

int hostile_fill(struct account *a)
{
    struct buf text BUF_SCOPE = {0};
    char id[ID_LENGTH + 1];
    int n = 0, err = 0;
    for (size_t i = 0; !err && i < COUNT(names); i++)
        err = add_named(a, &text, names[i], &n);
    for (size_t i = 0; !err && i < COUNT(objects); i++) {
        buf_clear(&text);
        buf_str(&text, objects[i]);
        err = add(a, &text, &n);
    }
    if (!err)
        err = add_long_names(a, &text, &n);
    if (!err)
        err = add_urls(a, &text, &n);
    if (!err)
        err = add_big(a, &text, &n);
    int64_t at = FIRST_CREATION + (int64_t)n * STEP_S;
    for (int i = 0; !err && i < SAME_SECOND; i++)
        err = account_create(a, STATUS_READY, at, (struct slice){0}, id);
    return err;
}
