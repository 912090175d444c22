/* SPDX-License-Identifier: MIT */
/*
 * options_table.c - our own options: one table of names, kinds of value and
 * places in struct options, for -o and the configuration file alike.
 */
#include "options_internal.h"

#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <math.h>
#include <pwd.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define MS_PER_S    1000.0
#define MINUTE_S    60.0
#define HOUR_S      3600.0
#define DAY_S       86400.0
#define BYTES_MAX   9e15
#define RPM_MAX     100000
#define GUESSED_MAX 24 /* bytes of an option's name that is guessed */
#define SHOWN_MAX   80 /* bytes of what was wrong */

/* 0, -EINVAL, -ERANGE, -ENOMEM. */
typedef int option_parse_fn(const char *text, const char *base, void *field);

static int option_parse_number(const char *text, char **ret_end,
                               double *ret_number)
{
    if (!isdigit((unsigned char)text[0]) || strpbrk(text, "xXpPeE"))
        return -EINVAL;
    errno = 0;
    double number = strtod(text, ret_end);
    if (errno || !isfinite(number))
        return -ERANGE;
    *ret_number = number;
    return 0;
}

static int option_parse_duration(const char *text, const char *base,
                                 void *field)
{
    static const struct {
        char unit;
        double seconds;
    } units[] = {
        {'\0', 1}, {'s', 1}, {'m', MINUTE_S}, {'h', HOUR_S}, {'d', DAY_S}};
    char *end;
    double number;
    int err = option_parse_number(text, &end, &number);
    if (err)
        return err;
    for (size_t i = 0; i < array_count(units); i++) {
        if (*end != units[i].unit || (*end && end[1]))
            continue;
        double seconds = number * units[i].seconds;
        if (seconds < 0.1 || seconds > 30 * DAY_S)
            return -ERANGE;
        *(int64_t *)field = (int64_t)(seconds * MS_PER_S);
        return 0;
    }
    return -EINVAL;
}

int options_duration(const char *text, int64_t *ret_ms)
{
    return option_parse_duration(text, NULL, ret_ms);
}

static int option_parse_bytes(const char *text, const char *base, void *field)
{
    static const char units[] = "kMGT";
    char *end;
    double number;
    int err = option_parse_number(text, &end, &number);
    if (err)
        return err;
    const char *unit = *end ? strchr(units, *end) : NULL;
    if (*end && (!unit || end[1]))
        return -EINVAL;
    if (unit)
        number *= pow(1000, (double)(unit - units + 1));
    if (number > BYTES_MAX)
        return -ERANGE;
    *(int64_t *)field = (int64_t)number;
    return 0;
}

static int option_parse_whole(const char *text, int base, unsigned long max,
                              unsigned long *ret)
{
    if (!isdigit((unsigned char)text[0]))
        return -EINVAL;
    char *end;
    errno = 0;
    unsigned long number = strtoul(text, &end, base);
    if (*end)
        return -EINVAL;
    if (errno || number > max)
        return -ERANGE;
    *ret = number;
    return 0;
}

static int option_parse_rpm(const char *text, const char *base, void *field)
{
    unsigned long number = 0;
    int err = option_parse_whole(text, 10, RPM_MAX, &number);
    if (!err && number == 0)
        err = -ERANGE;
    if (!err)
        *(int *)field = (int)number;
    return err;
}

/* (uid_t)-1 means "nobody in particular" to the kernel. */
static int option_parse_uid(const char *text, const char *base, void *field)
{
    unsigned long number = 0;
    int err = option_parse_whole(text, 10, UINT_MAX - 1, &number);
    if (err == -EINVAL) {
        const struct passwd *user = getpwnam(text); /* NOLINT(concurrency-*) */
        if (!user)
            return -EINVAL;
        number = user->pw_uid;
    } else if (err) {
        return err;
    }
    *(uid_t *)field = (uid_t)number;
    return 0;
}

static int option_parse_gid(const char *text, const char *base, void *field)
{
    unsigned long number = 0;
    int err = option_parse_whole(text, 10, UINT_MAX - 1, &number);
    if (err == -EINVAL) {
        const struct group *group = getgrnam(text); /* NOLINT(concurrency-*) */
        if (!group)
            return -EINVAL;
        number = group->gr_gid;
    } else if (err) {
        return err;
    }
    *(gid_t *)field = (gid_t)number;
    return 0;
}

static int option_parse_umask(const char *text, const char *base, void *field)
{
    unsigned long number = 0;
    int err = option_parse_whole(text, 8, 0777, &number);
    if (!err)
        *(mode_t *)field = (mode_t)number;
    return err;
}

/* Which of the names it is; -EINVAL for none. */
static int option_parse_name(const char *text, const char *const *names,
                             int count)
{
    for (int i = 0; i < count; i++)
        if (strcmp(text, names[i]) == 0)
            return i;
    return -EINVAL;
}

static int option_parse_level(const char *text, const char *base, void *field)
{
    static const char *const names[] = {
        [LOG_LEVEL_ERROR] = "error",
        [LOG_LEVEL_WARNING] = "warning",
        [LOG_LEVEL_INFO] = "info",
        [LOG_LEVEL_DEBUG] = "debug",
    };
    int level = option_parse_name(text, names, array_count(names));
    if (level >= 0)
        *(enum log_level *)field = (enum log_level)level;
    return level < 0 ? level : 0;
}

static int option_parse_deletion(const char *text, const char *base,
                                 void *field)
{
    static const char *const names[] = {
        [DELETION_REFUSED] = "no",
        [DELETION_SAFE] = "safe",
        [DELETION_FORCED] = "force",
    };
    int deletion = option_parse_name(text, names, array_count(names));
    if (deletion >= 0)
        *(enum deletion *)field = (enum deletion)deletion;
    return deletion < 0 ? deletion : 0;
}

static int option_parse_uploaded(const char *text, const char *base,
                                 void *field)
{
    static const char *const names[] = {
        [UPLOADED_LINK] = "link",
        [UPLOADED_KEEP] = "keep",
        [UPLOADED_REMOVE] = "remove",
    };
    for (size_t i = 0; i < array_count(names); i++) {
        if (strcmp(text, names[i]) != 0)
            continue;
        *(enum uploaded *)field = (enum uploaded)i;
        return 0;
    }
    return -EINVAL;
}

static int option_parse_path(const char *text, const char *base, void *field)
{
    if (!*text)
        return -EINVAL;
    return options_replace_path(text, base, field) ? 0 : -ENOMEM;
}

static int option_parse_text(const char *text, const char *base, void *field)
{
    if (!*text)
        return -EINVAL;
    return options_replace_text(text, field) ? 0 : -ENOMEM;
}

static int option_parse_key_file(const char *text, const char *base,
                                 void *field)
{
    struct key_source *key = field;
    int err = option_parse_path(text, base, &key->key_file);
    if (!err)
        free(steal_ptr(key->key_command)); /* the last one said holds */
    return err;
}

static int option_parse_key_command(const char *text, const char *base,
                                    void *field)
{
    struct key_source *key = field;
    int err = option_parse_text(text, base, &key->key_command);
    if (!err)
        free(steal_ptr(key->key_file));
    return err;
}

static int option_parse_flag(const char *text, const char *base, void *field)
{
    bool yes = strcmp(text, "yes") == 0;
    if (!yes && strcmp(text, "no") != 0)
        return -EINVAL;
    *(bool *)field = yes;
    return 0;
}

static const struct option_kind {
    const char *name;
    option_parse_fn *parse;
    size_t offset;
    const char *what;
    const char *use;
    const char *range;
} kinds[] = {
#define FIELD(member) offsetof(struct options, member)
#define DURATION                                                               \
    option_parse_duration, .what = "duration", .use = "90, 90s, 5m, 1h",       \
                           .range = "0.1s to 30d"
    {"refresh=", DURATION, .offset = FIELD(refresh_ms)},
    {"timeout=", DURATION, .offset = FIELD(timeout_ms)},
    {"sweep=", DURATION, .offset = FIELD(sweep_ms)},
    {"rpm=", option_parse_rpm, FIELD(rpm), "number of requests", "60",
     "1 to 100000"},
    {"write", option_parse_flag, FIELD(read_write), "value", "yes, no", NULL},
    {"delete=", option_parse_deletion, FIELD(deletion), "way",
     "safe, force, no", NULL},
    {"delete_rate=", option_parse_rpm, FIELD(delete_rpm), "number of deletions",
     "60", "1 to 100000"},
    {"upload=", option_parse_path, FIELD(upload), "directory", "/path/to/it",
     NULL},
    {"upload_done=", option_parse_uploaded, FIELD(uploaded), "way",
     "link, keep, remove", NULL},
    {"upload_twice", option_parse_flag, FIELD(upload_twice), "value", "yes, no",
     NULL},
    {"upload_recheck=", DURATION, .offset = FIELD(upload_recheck_ms)},
    {"upload_chunks=", option_parse_bytes, FIELD(upload_chunks_bytes),
     "number of bytes", "64M, 200M", "0 to 9000T"},
    {"settle=", DURATION, .offset = FIELD(settle_ms)},
    {"picture_cache=", option_parse_bytes, FIELD(picture_cache_bytes),
     "number of bytes", "500M, 1G", "0 to 9000T"},
    {"cache_dir=", option_parse_path, FIELD(cache_dir), "directory",
     "/path/to/it", NULL},
    {"key_file=", option_parse_key_file, FIELD(key), "file", "/path/to/it",
     NULL},
    {"key_command=", option_parse_key_command, FIELD(key), "command",
     "pass show twelvelabs", NULL},
    {"base_url=", option_parse_text, FIELD(base_url), "base URL",
     "https://api.twelvelabs.io/v1.3", NULL},
    {"uid=", option_parse_uid, FIELD(uid), "user", "1000, jane",
     "0 to 4294967294"},
    {"gid=", option_parse_gid, FIELD(gid), "group", "1000, users",
     "0 to 4294967294"},
    {"umask=", option_parse_umask, FIELD(umask), "octal mode", "022, 077",
     "000 to 777"},
    {"log_level=", option_parse_level, FIELD(log_level), "level",
     "error, warning, info, debug", NULL},
    {"log_file=", option_parse_path, FIELD(log_file), "file", "/path/to/it",
     NULL},
    {"allow_other", option_parse_flag, FIELD(allow_other), "value", "yes, no",
     NULL},
    {"pictures", option_parse_flag, FIELD(pictures), "value", "yes, no", NULL},
    {"io_uring", option_parse_flag, FIELD(io_uring), "value", "yes, no", NULL},
    {"wait", option_parse_flag, FIELD(wait), "value", "yes, no", NULL},
#undef DURATION
#undef FIELD
};

static void explain_value(const struct option_kind *k, const char *value,
                          int err, struct buf *error)
{
    if (!value)
        (void)buf_appendf(error, "%s: missing %s (use %s)", k->name, k->what,
                          k->use);
    else if (err == -ERANGE && k->range)
        (void)buf_appendf(error, "%s: %s '%.*s' is out of range (%s)", k->name,
                          k->what, SHOWN_MAX, value, k->range);
    else
        (void)buf_appendf(error, "%s: invalid %s '%.*s' (use %s)", k->name,
                          k->what, SHOWN_MAX, value, k->use);
}

static bool is_flag(const struct option_kind *k)
{
    return k->parse == option_parse_flag;
}

static const struct option_kind *find_kind(const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < array_count(kinds); i++)
        if (strncmp(name, kinds[i].name, len) == 0 &&
            strcmp(kinds[i].name + len, is_flag(&kinds[i]) ? "" : "=") == 0)
            return &kinds[i];
    return NULL;
}

enum exit_status options_set(struct options *o, const char *name,
                             const char *value, const char *base,
                             const char **ret_name, struct buf *error)
{
    const struct option_kind *k = find_kind(name);
    *ret_name = k ? k->name : NULL;
    if (!k)
        return EXIT_MOUNTED;
    if (!value && is_flag(k))
        value = "yes";
    int err = value ? k->parse(value, base, (char *)o + k->offset) : -EINVAL;
    if (err == -ENOMEM)
        return options_out_of_memory(error);
    if (err)
        explain_value(k, value, err, error);
    return err ? EXIT_USAGE : EXIT_MOUNTED;
}

/* What was meant. */

/* Damerau's distance without far swaps: how many slips of a typist are
 * between two words. Both are at most GUESSED_MAX long. */
static size_t count_slips(const char *a, size_t a_len, const char *b,
                          size_t b_len)
{
    size_t rows[GUESSED_MAX + 1][GUESSED_MAX + 1];
    for (size_t i = 0; i <= a_len; i++) {
        for (size_t j = 0; j <= b_len; j++) {
            if (i == 0 || j == 0) {
                rows[i][j] = i + j;
                continue;
            }
            size_t slips = rows[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            if (rows[i - 1][j] + 1 < slips)
                slips = rows[i - 1][j] + 1;
            if (rows[i][j - 1] + 1 < slips)
                slips = rows[i][j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
                a[i - 2] == b[j - 1] && rows[i - 2][j - 2] + 1 < slips)
                slips = rows[i - 2][j - 2] + 1;
            rows[i][j] = slips;
        }
    }
    return rows[a_len][b_len];
}

struct guess {
    const char *word;
    size_t len;
    const char *best;
    size_t slips; /* fewer than these make a better one */
};

static void options_consider(struct guess *g, const char *name)
{
    size_t len = strcspn(name, "=");
    if (len > GUESSED_MAX)
        return;
    size_t slips = count_slips(g->word, g->len, name, len);
    if (slips >= g->slips)
        return;
    g->slips = slips;
    g->best = name;
}

void options_append_unknown(const char *word, bool mount_words,
                            struct buf *error)
{
    size_t len = strcspn(word, "=");
    /* A third of a word's letters may be wrong. */
    struct guess g = {.word = word, .len = len, .slips = len / 3 + 1};
    if (len <= GUESSED_MAX) {
        for (size_t i = 0; i < array_count(kinds); i++)
            options_consider(&g, kinds[i].name);
        for (size_t i = 0; mount_words && options_mount_name(i); i++)
            options_consider(&g, options_mount_name(i));
    }
    (void)buf_appendf(error, "unknown option '%.*s'",
                      (int)(len < SHOWN_MAX ? len : SHOWN_MAX), word);
    if (g.best)
        (void)buf_appendf(error, " (did you mean %s?)", g.best);
}
