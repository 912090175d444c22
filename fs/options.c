#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define DEFAULT_BASE_URL "https://api.twelvelabs.io/v1.3"
#define DEFAULT_SOURCE   "twelvelabs"
#define MS_PER_S         1000.0
#define DAY_S            86400.0

#define REQUESTS_PER_REFRESH 12
#define RPM_LEAST            60
#define RPM_MOST             100000

const char options_help[] =
    "Usage: twelvefs [-f] [-o option,...] [SOURCE] MOUNTPOINT\n"
    "       twelvefs status [--json] MOUNT\n"
    "       twelvefs refresh MOUNT\n"
    "       twelvefs save DIRECTORY NAME QUERY\n"
    "       twelvefs forget DIRECTORY NAME\n"
    "Mounts a TwelveLabs account as a directory; says how a mount is, has it\n"
    "look for what is new, and keeps queries under names in it.\n"
    "\n"
    "  -f              stay in the foreground\n"
    "  -d              stay in the foreground and log what happens\n"
    "  -h, --help      print this and end\n"
    "  -V, --version   print the version and end\n"
    "\n"
    "Options (-o), times in seconds:\n"
    "  refresh=60      how old a listing may be\n"
    "  timeout=30      how long any operation may wait for the network\n"
    "  cache_dir=DIR   where catalogue and pictures are kept\n"
    "                  (~/.cache/twelvefs)\n"
    "  rpm=60          background requests a minute, at most; more where\n"
    "                  refresh= is below 12\n"
    "  sweep=60        pause between two pages of the sweep for edits\n"
    "  pictures=yes    no: fetch none, whoever reads them\n"
    "  picture_cache=1G  bytes of pictures kept (k, M, G: powers of 1000)\n"
    "  key_file=FILE   read the API key from a file only its owner can read\n"
    "  key_command=CMD read the API key from a command's output\n"
    "  allow_other     let other users in\n"
    "  rw              let queries be saved with ln -s, forgotten with rm\n"
    "  other options   are mount options: noatime, dirsync, ...\n"
    "\n"
    "Environment:\n"
    "  TWELVE_LABS_API_KEY  the API key\n"
    "  TWELVELABS_BASE_URL  another API (" DEFAULT_BASE_URL ")\n"
    "\n"
    "End a mount with: fusermount3 -u MOUNTPOINT\n";

void options_done(struct options *o)
{
    free(o->source);
    free(o->mountpoint);
    free(o->base_url);
    free(o->cache_dir);
    free(o->key_file);
    free(o->key_command);
    free(o->fuse_options);
    *o = (struct options){0};
}

static enum exit_status out_of_memory(struct buf *error)
{
    (void)buf_append_str(error, "out of memory");
    return EXIT_INTERNAL;
}

static bool parse_number(const char *text, double low, double high,
                         double *ret_number)
{
    if (!isdigit((unsigned char)text[0]))
        return false;
    char *end;
    errno = 0;
    double number = strtod(text, &end);
    if (errno || *end || !isfinite(number) || number < low || number > high)
        return false;
    *ret_number = number;
    return true;
}

static bool parse_seconds(const char *text, int64_t *ret_ms)
{
    double seconds;
    if (!parse_number(text, 0.1, 30 * DAY_S, &seconds))
        return false;
    *ret_ms = (int64_t)(seconds * MS_PER_S);
    return true;
}

static bool parse_bytes(const char *text, int64_t *ret_bytes)
{
    size_t len = strlen(text);
    char digits[32];
    if (len == 0 || len >= sizeof(digits))
        return false;
    static const char suffixes[] = "kMGT";
    const char *suffix = strchr(suffixes, text[len - 1]);
    double unit = 1;
    if (suffix) {
        unit = pow(1000, (double)(suffix - suffixes + 1));
        len--;
    }
    memcpy(digits, text, len);
    digits[len] = '\0';
    double number;
    if (!parse_number(digits, 0, 9e15 / unit, &number))
        return false;
    *ret_bytes = (int64_t)(number * unit);
    return true;
}

static bool parse_rpm(const char *text, int *ret_rpm)
{
    double number;
    if (!parse_number(text, 1, RPM_MOST, &number) || number != floor(number))
        return false;
    *ret_rpm = (int)number;
    return true;
}

static bool replace_text(const char *text, char **ret_text)
{
    char *copy = strdup(text);
    if (!copy)
        return false;
    free(*ret_text);
    *ret_text = copy;
    return true;
}

static bool parse_absolute(const char *text, char **ret_path)
{
    if (text[0] == '/')
        return replace_text(text, ret_path);
    cleanup(free_ptr) char *here = realpath(".", NULL);
    cleanup(free_ptr) char *path = NULL;
    if (!here || !text[0] || asprintf(&path, "%s/%s", here, text) < 0)
        return false;
    free(*ret_path);
    *ret_path = steal_ptr(path);
    return true;
}

static bool parse_yes_no(const char *text, bool *ret_no)
{
    bool yes = strcmp(text, "yes") == 0;
    if (!yes && strcmp(text, "no") != 0)
        return false;
    *ret_no = !yes;
    return true;
}

/* One of our own options; answers whether the value was good. */
static bool take_value(struct options *o, const char *name, const char *value,
                       bool *ret_ours)
{
    *ret_ours = true;
    if (strcmp(name, "refresh") == 0)
        return parse_seconds(value, &o->refresh_ms);
    if (strcmp(name, "timeout") == 0)
        return parse_seconds(value, &o->timeout_ms);
    if (strcmp(name, "sweep") == 0)
        return parse_seconds(value, &o->sweep_ms);
    if (strcmp(name, "rpm") == 0)
        return parse_rpm(value, &o->rpm);
    if (strcmp(name, "picture_cache") == 0)
        return parse_bytes(value, &o->picture_cache_bytes);
    if (strcmp(name, "pictures") == 0)
        return parse_yes_no(value, &o->no_pictures);
    if (strcmp(name, "cache_dir") == 0)
        return parse_absolute(value, &o->cache_dir);
    if (strcmp(name, "key_file") == 0)
        return parse_absolute(value, &o->key_file);
    if (strcmp(name, "key_command") == 0)
        return *value && replace_text(value, &o->key_command);
    *ret_ours = false;
    return true;
}

static int keep_fuse_option(struct options *o, const char *option)
{
    char *joined;
    if (asprintf(&joined, "%s%s%s", o->fuse_options ? o->fuse_options : "",
                 o->fuse_options ? "," : "", option) < 0)
        return -ENOMEM;
    free(o->fuse_options);
    o->fuse_options = joined;
    return 0;
}

/* Words of /etc/fstab that are for mount(8) and systemd; some mounts' helpers
 * hand them on. */
static bool is_for_fstab(const char *option)
{
    static const char *const words[] = {
        "defaults", "auto",  "noauto", "nofail", "_netdev", "user",
        "nouser",   "users", "owner",  "group",  "",
    };
    static const char *const beginnings[] = {"x-", "X-", "comment=", "user="};
    for (size_t i = 0; i < array_count(words); i++)
        if (strcmp(option, words[i]) == 0)
            return true;
    for (size_t i = 0; i < array_count(beginnings); i++)
        if (strncmp(option, beginnings[i], strlen(beginnings[i])) == 0)
            return true;
    return false;
}

static enum exit_status take_option(struct options *o, char *option,
                                    struct buf *error)
{
    if (strcmp(option, "allow_root") == 0) {
        /* libfuse looks at each OPEN, and the kernel asks for none. */
        (void)buf_append_str(error,
                             "option allow_root would let everybody read what "
                             "the kernel has cached; say allow_other where "
                             "that is meant");
        return EXIT_USAGE;
    }
    if (strcmp(option, "allow_other") == 0) {
        o->allow_other = true;
        return EXIT_MOUNTED;
    }
    if (strcmp(option, "rw") == 0 || strcmp(option, "ro") == 0) {
        o->read_write = option[1] == 'w';
        return EXIT_MOUNTED;
    }
    if (is_for_fstab(option))
        return EXIT_MOUNTED;
    char *equals = strchr(option, '=');
    const char *value = equals ? equals + 1 : "";
    bool ours;
    if (equals)
        *equals = '\0';
    if (!take_value(o, option, value, &ours)) {
        (void)buf_appendf(error, "option %s= has no use for '%s'", option,
                          value);
        return EXIT_USAGE;
    }
    if (equals)
        *equals = '=';
    if (ours)
        return EXIT_MOUNTED;
    return keep_fuse_option(o, option) ? out_of_memory(error) : EXIT_MOUNTED;
}

static enum exit_status take_options(struct options *o, const char *list,
                                     struct buf *error)
{
    cleanup(free_ptr) char *copy = strdup(list);
    if (!copy)
        return out_of_memory(error);
    char *rest = copy;
    for (char *option; (option = strsep(&rest, ","));) {
        enum exit_status status = take_option(o, option, error);
        if (status != EXIT_MOUNTED)
            return status;
    }
    return EXIT_MOUNTED;
}

static int set_defaults(struct options *o)
{
    o->refresh_ms = 60000;
    o->timeout_ms = 30000;
    o->sweep_ms = 60000;
    o->picture_cache_bytes = 1000000000;
    const char *base_url = getenv("TWELVELABS_BASE_URL");
    o->base_url = strdup(base_url && *base_url ? base_url : DEFAULT_BASE_URL);
    for (char *end = o->base_url ? strchr(o->base_url, '\0') : NULL;
         end && end > o->base_url && end[-1] == '/';)
        *--end = '\0'; /* one spelling, one cache */
    o->source = strdup(DEFAULT_SOURCE);
    const char *cache = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    int made;
    if (cache && cache[0] == '/')
        made = asprintf(&o->cache_dir, "%s/twelvefs", cache);
    else if (home && home[0] == '/')
        made = asprintf(&o->cache_dir, "%s/.cache/twelvefs", home);
    else
        made = asprintf(&o->cache_dir, "/var/cache/twelvefs");
    return made < 0 || !o->base_url || !o->source ? -ENOMEM : 0;
}

/* What a refresh may take: the poll, ten requests for 500 unfinished assets,
 * one more towards a search. */
static int default_rpm(int64_t refresh_ms)
{
    int64_t rpm = REQUESTS_PER_REFRESH * INT64_C(60000) / refresh_ms;
    return (int)(rpm < RPM_LEAST ? RPM_LEAST : rpm < RPM_MOST ? rpm : RPM_MOST);
}

static enum exit_status take_operands(struct options *o, int count,
                                      char **operands, struct buf *error)
{
    if (count < 1 || count > 2) {
        (void)buf_append_str(error, count < 1
                                        ? "no mount point given; see --help"
                                        : "too many arguments; see --help");
        return EXIT_USAGE;
    }
    if (count == 2 && !replace_text(operands[0], &o->source))
        return out_of_memory(error);
    if (!parse_absolute(operands[count - 1], &o->mountpoint)) {
        (void)buf_append_str(error, "the mount point's name is empty");
        return EXIT_USAGE;
    }
    return EXIT_MOUNTED;
}

enum exit_status options_parse(int argc, char **argv, struct options *ret,
                               struct buf *error)
{
    static const struct option long_options[] = {
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {0},
    };
    cleanup(options_done) struct options o = {0};
    enum exit_status status;
    if (set_defaults(&o))
        return out_of_memory(error);

    optind = 1;
    opterr = 0;
    for (int c;
         (c = getopt_long(argc, argv, ":fdhVo:", long_options, NULL)) != -1;) {
        if (c == 'o') {
            status = take_options(&o, optarg, error);
            if (status != EXIT_MOUNTED)
                return status;
        } else if (c == ':') {
            (void)buf_append_str(error,
                                 "option -o lacks its value; see --help");
            return EXIT_USAGE;
        } else if (c == '?') {
            (void)buf_appendf(error, "unknown option '%s'; see --help",
                              argv[optind - 1]);
            return EXIT_USAGE;
        }
        o.foreground |= c == 'f' || c == 'd';
        o.debug |= c == 'd';
        o.help |= c == 'h';
        o.version |= c == 'V';
    }
    if (!o.rpm)
        o.rpm = default_rpm(o.refresh_ms);
    if (!o.help && !o.version) {
        status = take_operands(&o, argc - optind, argv + optind, error);
        if (status != EXIT_MOUNTED)
            return status;
    }
    *ret = o;
    o = (struct options){0};
    return EXIT_MOUNTED;
}
