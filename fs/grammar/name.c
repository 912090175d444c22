/* SPDX-License-Identifier: MIT */
/*
 * name.c - names are encoded character by character.
 *
 * What must be escaped is decided for each character: by itself, by what stands
 * before it (an '=' after a key's syntax), or by its position (the '@' of a
 * suffix). A name that gets too long is encoded again, cut, with every '=' and
 * '@' escaped, since cutting may move one to where it has a meaning.
 */
#include "grammar/name.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/ascii.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/utf8.h"

#define ID_LIKE_MIN   16
#define ID_LIKE_MAX   24
#define EXTENSION_MAX 16

/* Stand in every directory of ours; no asset's folder may be called so. */
static const char *const hidden_names[] = {
    ".", "..", ".id", ".media", ".twelvefs", ".assets.ndjson", ".pictures",
};

static bool is_id_char(char c)
{
    return ascii_is_alnum(c) || c == '_' || c == '-';
}

/* The length before a final '@' and id-like part; len when there is none. */
static size_t before_suffix(const char *text, size_t len)
{
    size_t at = len;
    while (at > 0 && len - at <= ID_LIKE_MAX && is_id_char(text[at - 1]))
        at--;
    if (at == 0 || text[at - 1] != '@' || len - at < ID_LIKE_MIN ||
        len - at > ID_LIKE_MAX)
        return len;
    return at - 1;
}

static bool name_is_hidden(const char *text, size_t len)
{
    for (size_t i = 0; i < array_count(hidden_names); i++) {
        if (strlen(hidden_names[i]) == len &&
            memcmp(hidden_names[i], text, len) == 0)
            return true;
    }
    return false;
}

/* A text on its way to a safe name. */
struct encoder {
    const char *text;
    size_t len;
    bool hidden;      /* the first byte is escaped */
    bool every_mark;  /* so is each '=' and '@' */
    bool folder;      /* or else an '=' after a key's syntax, and */
    size_t suffix_at; /* the '@' at this index */
    enum { KEY_BEGINS, KEY_GOES_ON, KEY_IS_NONE } key; /* of what is out */
};

static bool is_mark(const struct encoder *e, size_t at)
{
    if (e->text[at] == '=')
        return e->every_mark || (e->folder && e->key == KEY_GOES_ON);
    if (e->text[at] == '@')
        return e->every_mark || (e->folder && at == e->suffix_at);
    return false;
}

/* The bytes of the character at `at`; whether they must be escaped. */
static size_t next_unit(const struct encoder *e, size_t at, bool *ret_escape)
{
    uint32_t code = 0;
    size_t left = e->len - at;
    size_t count = utf8_decode(e->text + at, left, &code);
    /* U+2028 and U+2029 end lines as a control character would */
    *ret_escape = count == 0 || code == '/' || utf8_is_control(code) ||
                  utf8_is_surrogate(code) || utf8_is_bidi_override(code) ||
                  code == 0x2028 || code == 0x2029 || is_mark(e, at) ||
                  (e->hidden && at == 0) ||
                  ascii_percent_value(e->text + at, left) >= 0;
    return count ? count : 1;
}

/* Follows whether what is out has the syntax of a key (query.h). */
static void follow_key(struct encoder *e, char c, bool escaped)
{
    bool letter = !escaped && ascii_is_letter(c);
    if (e->key == KEY_BEGINS)
        e->key = letter ? KEY_GOES_ON : KEY_IS_NONE;
    else if (!escaped && !letter && !ascii_is_digit(c) && !strchr("_-.", c))
        e->key = KEY_IS_NONE;
}

/* Writes whole characters from *at to before `stop` as long as they fit max
 * bytes; *at is then the first that wasn't written. Returns the length. */
static size_t name_encode(struct encoder *e, size_t *at, size_t stop, char *out,
                          size_t max)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t used = 0;
    while (*at < stop) {
        bool escape;
        size_t count = next_unit(e, *at, &escape);
        const char *unit = e->text + *at;
        if (max - used < (escape ? 3 * count : count))
            break;
        for (size_t i = 0; i < count; i++) {
            unsigned char byte = (unsigned char)unit[i];
            if (escape) {
                out[used++] = '%';
                out[used++] = digits[byte >> 4];
                out[used++] = digits[byte & 15];
            } else {
                out[used++] = (char)byte;
            }
        }
        follow_key(e, *unit, escape);
        *at += count;
    }
    return used;
}

/* What neither folders nor ids may be called, for reasons of no character. */
static const char *special_name(const char *text, size_t len)
{
    if (len == 0)
        return "%";
    return len == 1 && text[0] == '%' ? "%25" : NULL;
}

/* Cutting may bring an '=' or '@' into a place where it has a meaning, so
 * that a cut name has them all escaped. */
static size_t make_cut(const char *text, size_t len, char out[NAME_SIZE])
{
    struct encoder e = {.text = text, .len = len, .every_mark = true};
    char extension[EXTENSION_MAX];
    size_t extension_len = 0;
    const char *dot = memrchr(text + len - EXTENSION_MAX, '.', EXTENSION_MAX);
    size_t dot_at = dot ? (size_t)(dot - text) : len;
    size_t at = dot_at;
    if (dot)
        extension_len = name_encode(&e, &at, len, extension, EXTENSION_MAX);
    if (at != len) {
        /* too long once it is escaped, hence none */
        extension_len = 0;
        dot_at = len;
    }
    at = 0;
    size_t used =
        name_encode(&e, &at, dot_at, out, NAME_SAFE_MAX - extension_len);
    memcpy(out + used, extension, extension_len);
    return used + extension_len;
}

size_t name_make(const char *filename, size_t len, char out[NAME_SIZE])
{
    len = filename ? len : 0;
    const char *special = special_name(filename, len);
    if (special) {
        memcpy(out, special, strlen(special) + 1);
        return strlen(special);
    }
    struct encoder e = {
        .text = filename,
        .len = len,
        .folder = true,
        .hidden = name_is_hidden(filename, len),
        .suffix_at = before_suffix(filename, len),
    };
    size_t at = 0;
    size_t used = name_encode(&e, &at, len, out, NAME_SAFE_MAX);
    if (at < len)
        used = make_cut(filename, len, out);
    out[used] = '\0';
    return used;
}

static bool is_id_like(const char *id, size_t len)
{
    if (len < ID_LIKE_MIN || len > ID_LIKE_MAX)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!is_id_char(id[i]))
            return false;
    }
    return true;
}

/* ID_LIKE_MAX hex digits of the id's hash. */
static void stand_in(const char *id, char *out)
{
    char hex[DIGEST_HEX_SIZE];
    struct digest_part part = {id, strlen(id)};
    /* Zeros for want of memory: at worst two assets' names collide, which the
     * catalogue must bear in any case. */
    if (digest_hex(&part, 1, hex))
        memset(hex, '0', sizeof(hex));
    memcpy(out, hex, ID_LIKE_MAX);
}

size_t name_with_suffix(const char *safe, const char *id, char out[NAME_SIZE])
{
    size_t used = strnlen(safe, NAME_SAFE_MAX);
    size_t id_len = strlen(id);
    memcpy(out, safe, used);
    out[used++] = '@';
    if (is_id_like(id, id_len)) {
        memcpy(out + used, id, id_len);
        used += id_len;
    } else {
        stand_in(id, out + used);
        used += ID_LIKE_MAX;
    }
    out[used] = '\0';
    return used;
}

bool name_has_suffix(const char *folder, size_t *ret_safe_len)
{
    size_t len = strlen(folder);
    size_t safe_len = before_suffix(folder, len);
    if (safe_len == len || safe_len == 0)
        return false;
    *ret_safe_len = safe_len;
    return true;
}

/* Undoes %XX; never lengthens. Returns the length. */
static size_t name_decode(const char *text, size_t len, char *out)
{
    size_t used = 0;
    if (len == 1 && text[0] == '%')
        return 0;
    for (size_t i = 0; i < len;) {
        int byte = ascii_percent_value(text + i, len - i);
        if (byte < 0) {
            out[used++] = text[i++];
        } else {
            out[used++] = (char)byte;
            i += 3;
        }
    }
    return used;
}

int name_unescape(const char *folder, struct buf *out)
{
    size_t len = strlen(folder);
    (void)name_has_suffix(folder, &len);
    int err = buf_reserve(out, len);
    if (err)
        return err;
    out->len += name_decode(folder, len, out->data + out->len);
    out->data[out->len] = '\0';
    return 0;
}

int name_of_id(const char *id, char out[NAME_SIZE])
{
    char component[NAME_SIZE];
    size_t len = strlen(id);
    const char *special = special_name(id, len);
    if (special) {
        memcpy(out, special, strlen(special) + 1);
        return 0;
    }
    struct encoder e = {
        .text = id, .len = len, .hidden = name_is_hidden(id, len)};
    size_t at = 0;
    size_t used = name_encode(&e, &at, len, component, NAME_SIZE - 1);
    if (at < len)
        return -ENAMETOOLONG;
    memcpy(out, component, used);
    out[used] = '\0';
    return 0;
}

int name_to_id(const char *component, char out[NAME_SIZE])
{
    char id[NAME_SIZE] = "";
    char again[NAME_SIZE];
    size_t len = strlen(component);
    if (len == 0 || len >= NAME_SIZE)
        return -ENOENT;
    size_t id_len = name_decode(component, len, id);
    id[id_len] = '\0';
    /* An escaped NUL, which no id holds, doesn't come back either. */
    if (name_of_id(id, again) || strcmp(again, component) != 0)
        return -ENOENT;
    memcpy(out, id, id_len + 1);
    return 0;
}

static const char *const probe_prefixes[] = {
    ".Trash", "._", ".fuse_hidden", ".nfs", ".~lock.", ".goutputstream-",
};

static const char *const probe_names[] = {
    /* file managers and desktops */
    ".hidden",
    ".directory",
    ".DS_Store",
    ".localized",
    ".xdg-volume-info",
    ".comments",
    ".thumbnails",
    ".sh_thumbnails",
    ".nomedia",
    ".VolumeIcon.icns",
    ".Spotlight-V100",
    ".fseventsd",
    ".TemporaryItems",
    ".DocumentRevisions-V100",
    ".metadata_never_index",
    ".com.apple.timemachine.donotpresent",
    ".com.apple.timemachine.supported",
    ".apdisk",
    "desktop.ini",
    "Thumbs.db",
    "ehthumbs.db",
    "lost+found",
    /* media that start by themselves, and kinds of media */
    "autorun.inf",
    "autorun",
    ".autorun",
    "autorun.sh",
    "autoopen",
    ".autoopen",
    "BDMV",
    "BDAV",
    "VIDEO_TS",
    "AUDIO_TS",
    "DCIM",
    /* version control and what prompts and editors look for upwards */
    ".git",
    ".gitignore",
    ".gitattributes",
    ".gitmodules",
    ".svn",
    ".hg",
    ".bzr",
    ".jj",
    ".sl",
    ".pijul",
    ".fslckout",
    "_FOSSIL_",
    "_darcs",
    "CVS",
    "HEAD",
    ".ignore",
    ".rgignore",
    ".fdignore",
    ".editorconfig",
    ".envrc",
    ".nvmrc",
    ".node-version",
    ".python-version",
    ".ruby-version",
    ".tool-versions",
    ".mise.toml",
    ".venv",
    ".vscode",
    ".idea",
    ".project",
    /* snapshots and backups */
    ".snapshot",
    ".snapshots",
    ".zfs",
    ".nobackup",
    "CACHEDIR.TAG",
};

bool name_is_probe(const char *component)
{
    for (size_t i = 0; i < array_count(probe_prefixes); i++) {
        if (strncasecmp(component, probe_prefixes[i],
                        strlen(probe_prefixes[i])) == 0)
            return true;
    }
    for (size_t i = 0; i < array_count(probe_names); i++) {
        if (strcasecmp(component, probe_names[i]) == 0)
            return true;
    }
    return false;
}

static bool is_run_char(char c)
{
    return ascii_is_alnum(c) || (c != '\0' && strchr(" -_.", c));
}

bool name_ascii_run(const char *text, size_t len, const char **ret_run,
                    size_t *ret_len)
{
    size_t best_len = 0;
    size_t start = 0;
    for (size_t at = 0; at <= len; at++) {
        if (at < len && is_run_char(text[at]))
            continue;
        /* servers trim parameters: a run has no space at its ends */
        size_t end = at;
        if (end > start && at < len && (unsigned char)text[at] >= 0x80)
            end--;
        while (start < end && text[start] == ' ')
            start++;
        while (end > start && text[end - 1] == ' ')
            end--;
        if (end - start > best_len) {
            best_len = end - start;
            *ret_run = text + start;
            *ret_len = best_len;
        }
        start = at + 1;
    }
    return best_len > 0;
}
