/* SPDX-License-Identifier: MIT */
/*
 * options.c - argv and what precedes what.
 *
 * -o's words come last although they are read first: until the operands are
 * known nobody knows which account's configuration they change.
 */
#include "options_internal.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

#define DEFAULT_BASE_URL "https://api.twelvelabs.io/v1.3"
#define DEFAULT_SOURCE   "twelvelabs"
#define WORDS_MAX        65536 /* bytes of all -o together */
#define MOUNT_PREFIX     "mount."

#define REQUESTS_PER_REFRESH 12
#define RPM_MIN              60
#define RPM_MAX              100000

const char options_help[] =
    "Usage: twelvefs [-f] [-o option,...] [SOURCE] MOUNTPOINT\n"
    "       twelvefs status [--json] MOUNT\n"
    "       twelvefs refresh MOUNT\n"
    "       twelvefs save DIRECTORY NAME QUERY\n"
    "       twelvefs forget DIRECTORY NAME\n"
    "       twelvefs tag FOLDER... KEY=VALUE... KEY-...\n"
    "       twelvefs deleted [--json] MOUNT\n"
    "       twelvefs watch [--since TIME] MOUNT\n"
    "       twelvefs uploads [--json] MOUNT\n"
    "       twelvefs upload FILE... MOUNT\n"
    "       twelvefs login [NAME]\n"
    "Mounts a TwelveLabs account as a directory. SOURCE is NAME: for the\n"
    "account NAME of the configuration file, or any text to show in mounts.\n"
    "The others show how a mount is, have it look for what is new, save\n"
    "queries under names in it, tag assets, and tell what happens to them.\n"
    "\n"
    "  -f              stay in the foreground\n"
    "  -d              stay in the foreground and log every request\n"
    "  --wait          return when the whole account was read\n"
    "  -h, --help      print this and end\n"
    "  -V, --version   print the version and end\n"
    "\n"
    "Options (-o); times take units: 90, 90s, 5m, 1h, 1d\n"
    "  refresh=60s     how old a listing may be\n"
    "  timeout=30s     how long any operation may wait for the network\n"
    "  cache_dir=DIR   where catalogue and pictures are kept\n"
    "                  (~/.cache/twelvefs)\n"
    "  rpm=60          background requests a minute, at most; more where\n"
    "                  refresh= is below 12s\n"
    "  sweep=60s       pause between two pages of the sweep for edits\n"
    "  pictures=yes    no: never download any\n"
    "  picture_cache=1G  bytes of pictures kept (k, M, G: powers of 1000)\n"
    "  base_url=URL    another API (" DEFAULT_BASE_URL ")\n"
    "  key_file=FILE   read the API key from a file only its owner can read\n"
    "  key_command=CMD read the API key from a command's output\n"
    "  uid=, gid=      owner and group of all files (yours)\n"
    "  umask=077       permission bits to take away\n"
    "  allow_other     let other users read it, too\n"
    "  write           let queries be saved with ln -s, forgotten with rm,\n"
    "                  assets be tagged with setfattr or twelvefs tag (rw\n"
    "                  does so too, but not in fstab: mount(8) adds it)\n"
    "  delete=safe     with write: rmdir deletes an asset that nothing refers "
    "to;\n"
    "                  delete=force: any (delete_rate=60 a minute at most)\n"
    "  upload=DIR      send up what is put into this folder, once it is\n"
    "                  unchanged for settle=5s\n"
    "  upload_done=link  what is up is kept in DIR/.done/ for a day, a link\n"
    "                  in its place; keep: for good; remove: not at all\n"
    "  upload_chunks=64M, upload_recheck=60s, upload_twice  see twelvefs(1)\n"
    "  io_uring        take requests through io_uring, where possible\n"
    "  wait            as --wait\n"
    "  log_level=info  error, warning, info or debug\n"
    "  log_file=FILE   log there, not to stderr or the system log\n"
    "  other options   are mount options: noatime, ...\n"
    "\n"
    "Files (root's are under /etc/twelvefs):\n"
    "  ~/.config/twelvefs/key     the API key, put there by twelvefs login\n"
    "  ~/.config/twelvefs/config  accounts and defaults: see twelvefs(1)\n"
    "\n"
    "Environment:\n"
    "  TWELVE_LABS_API_KEY  the API key\n"
    "  TWELVELABS_BASE_URL  another API (" DEFAULT_BASE_URL ")\n"
    "\n"
    "End a mount with: fusermount3 -u MOUNTPOINT\n";

void options_done(struct options *o)
{
    free(o->source);
    free(o->account);
    free(o->mountpoint);
    free(o->base_url);
    free(o->cache_dir);
    free(o->config_dir);
    free(o->key.key_file);
    free(o->key.key_command);
    free(o->configured_key.key_file);
    free(o->configured_key.key_command);
    free(o->log_file);
    free(o->upload);
    free(o->fuse_options);
    *o = (struct options){0};
}

static enum exit_status options_usage(struct buf *error, const char *line)
{
    (void)buf_append_str(error, line);
    return EXIT_USAGE;
}

/* The words of -o. */

/* With its commas escaped again, for libfuse splits the list once more. */
static int keep_fuse_option(struct options *o, const char *option)
{
    cleanup(buf_done) struct buf joined = {.max = 2UL * WORDS_MAX};
    int err = 0;
    if (o->fuse_options)
        err = buf_appendf(&joined, "%s,", o->fuse_options);
    for (const char *c = option; !err && *c; c++) {
        if (*c == ',' || *c == '\\')
            err = buf_append_char(&joined, '\\');
        if (!err)
            err = buf_append_char(&joined, *c);
    }
    char *text = err ? NULL : buf_steal(&joined, NULL);
    if (!text)
        return -ENOMEM;
    free(o->fuse_options);
    o->fuse_options = text;
    return 0;
}

/* Words that nobody knows are gathered in `unknown`, so that all are named. */
static enum exit_status take_mount_word(struct options *o, const char *word,
                                        struct buf *unknown, struct buf *error)
{
    const char *why = NULL;
    if (strcmp(word, "remount") == 0) {
        o->remount = true;
        return EXIT_MOUNTED;
    }
    if (strcmp(word, "rw") == 0 || strcmp(word, "ro") == 0) {
        o->said_rw = word[1] == 'w';
        o->said_ro = !o->said_rw;
    }
    /* Unless told otherwise mount.fuse3 says them; nobody else asks for them,
     * for they get neither. */
    o->by_fuse |= strcmp(word, "dev") == 0 || strcmp(word, "suid") == 0;
    switch (options_mount_word(word, &why)) {
    case MOUNT_WORD_PASSED_OVER:
        return EXIT_MOUNTED;
    case MOUNT_WORD_HANDED_ON:
        if (o->by_mount && strcmp(word, "rw") == 0)
            return EXIT_MOUNTED;
        return keep_fuse_option(o, word) ? options_out_of_memory(error)
                                         : EXIT_MOUNTED;
    case MOUNT_WORD_REFUSED:
        (void)buf_appendf(error, "option '%s': %s", word, why);
        return EXIT_USAGE;
    case MOUNT_WORD_UNKNOWN:
        if (unknown->len)
            (void)buf_append_str(unknown, "; ");
        options_append_unknown(word, true, unknown);
        break;
    }
    return EXIT_MOUNTED;
}

static enum exit_status take_option(struct options *o, char *option,
                                    struct buf *unknown, struct buf *error)
{
    char *equals = strchr(option, '=');
    const char *known = NULL;
    if (equals)
        *equals = '\0';
    enum exit_status status =
        options_set(o, option, equals ? equals + 1 : NULL, NULL, &known, error);
    if (known) {
        o->own_words = known;
        return status;
    }
    if (equals)
        *equals = '=';
    return take_mount_word(o, option, unknown, error);
}

/* Takes the next word out of a list: up to a comma that no backslash is
 * before. In its place, without the backslashes before commas. */
static char *options_next_word(char **rest)
{
    char *word = *rest, *to = word;
    const char *from = word;
    for (; *from && *from != ','; from++) {
        if (from[0] == '\\' && (from[1] == ',' || from[1] == '\\'))
            from++;
        *to++ = *from;
    }
    *rest = *from ? (char *)from + 1 : NULL;
    *to = '\0';
    return word;
}

static enum exit_status take_options(struct options *o, const char *list,
                                     struct buf *error)
{
    cleanup(free_ptr) char *copy = strdup(list);
    cleanup(buf_done) struct buf unknown = {.max = error->max};
    if (!copy)
        return options_out_of_memory(error);
    for (char *rest = copy; rest;) {
        enum exit_status status =
            take_option(o, options_next_word(&rest), &unknown, error);
        if (status != EXIT_MOUNTED)
            return status;
    }
    return unknown.len && !o->sloppy ? options_usage(error, buf_str(&unknown))
                                     : EXIT_MOUNTED;
}

/* ro is stronger than all that allows writing; what rw means depends on who
 * says it. */
static enum exit_status settle_access(struct options *o, struct buf *error)
{
    bool unasked = o->by_mount || o->by_fuse; /* mount(8) always says rw */
    if (o->said_rw && !unasked)
        o->read_write = true;
    if (o->said_ro) {
        o->read_write = false;
        o->deletion = DELETION_REFUSED;
    }
    if (o->remount)
        return o->said_rw && o->by_mount && o->read_write &&
                       keep_fuse_option(o, "rw")
                   ? options_out_of_memory(error)
                   : EXIT_MOUNTED;
    if (o->deletion != DELETION_REFUSED && !o->read_write)
        return options_usage(error,
                             "delete=: nothing can be deleted without write");
    return EXIT_MOUNTED;
}

/* Defaults, configuration, environment. */

static int default_cache_dir(char **ret_directory)
{
    const char *service = getenv("CACHE_DIRECTORY"); /* systemd's */
    const char *cache = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    char *directory;
    int made;
    if (service && service[0] == '/' && !strchr(service, ':'))
        made = asprintf(&directory, "%s", service);
    else if (cache && cache[0] == '/')
        made = asprintf(&directory, "%s/twelvefs", cache);
    else if (home && home[0] == '/')
        made = asprintf(&directory, "%s/.cache/twelvefs", home);
    else
        made = asprintf(&directory, "/var/cache/twelvefs");
    if (made < 0)
        return -ENOMEM;
    *ret_directory = directory;
    return 0;
}

static enum exit_status set_defaults(struct options *o, struct buf *error)
{
    o->refresh_ms = 60000;
    o->timeout_ms = 30000;
    o->sweep_ms = 60000;
    o->picture_cache_bytes = 1000000000;
    o->pictures = true;
    o->delete_rpm = 60;
    o->settle_ms = 5000;
    o->upload_recheck_ms = 60000;
    o->upload_chunks_bytes = 64000000;
    o->uid = getuid();
    o->gid = getgid();
    o->log_level = LOG_LEVEL_INFO;
    o->base_url = strdup(DEFAULT_BASE_URL);
    o->source = strdup(DEFAULT_SOURCE);
    o->account = strdup("");
    int err = default_cache_dir(&o->cache_dir);
    if (!err)
        err = options_config_directory(&o->config_dir);
    if (err == -ENOENT)
        return options_usage(error,
                             "neither HOME nor XDG_CONFIG_HOME is set, and you "
                             "are not in the user database");
    return err || !o->base_url || !o->source || !o->account
               ? options_out_of_memory(error)
               : EXIT_MOUNTED;
}

static enum exit_status take_config(struct options *o, struct buf *error)
{
    enum exit_status status = options_read_config(o, error);
    o->configured_key = o->key;
    o->key = (struct key_source){0};
    return status;
}

static enum exit_status take_environment(struct options *o, struct buf *error)
{
    const char *base_url = getenv("TWELVELABS_BASE_URL");
    if (base_url && *base_url && !options_replace_text(base_url, &o->base_url))
        return options_out_of_memory(error);
    return EXIT_MOUNTED;
}

/* The environment is about the unnamed account, and so it wins there alone. */
static enum exit_status take_surroundings(struct options *o, struct buf *error)
{
    bool named = *o->account != '\0';
    enum exit_status status =
        named ? take_environment(o, error) : take_config(o, error);
    if (status == EXIT_MOUNTED)
        status = named ? take_config(o, error) : take_environment(o, error);
    return status;
}

/* What a refresh may take: the poll, ten requests for 500 unfinished assets,
 * one more towards a search. */
static int default_rpm(int64_t refresh_ms)
{
    int64_t rpm = REQUESTS_PER_REFRESH * INT64_C(60000) / refresh_ms;
    return (int)(rpm < RPM_MIN ? RPM_MIN : rpm < RPM_MAX ? rpm : RPM_MAX);
}

/* What follows from the rest. */
static void options_settle(struct options *o)
{
    for (char *end = strchr(o->base_url, '\0');
         end > o->base_url && end[-1] == '/';)
        *--end = '\0'; /* one spelling, one cache */
    if (!o->rpm)
        o->rpm = default_rpm(o->refresh_ms);
    o->key_in_environment = !o->key.key_file && !o->key.key_command &&
                            !*o->account && !options_has_credential() &&
                            options_environment_has_key();
}

const char *options_account_name(const struct options *o)
{
    return *o->account ? o->account : "the account";
}

static int set_account(struct options *o, const char *name)
{
    bool unnamed = strcmp(name, OPTIONS_UNNAMED) == 0;
    return options_replace_text(unnamed ? "" : name, &o->account) ? 0 : -ENOMEM;
}

/* The command line. */

struct arguments {
    struct buf words; /* of all -o, joined */
    char **operands;
    int count;
};

static void arguments_done(struct arguments *a)
{
    buf_done(&a->words);
}

static enum exit_status take_source(struct options *o, const char *source,
                                    struct buf *error)
{
    const char *colon = strchr(source, ':');
    if (colon && !colon[1]) {
        size_t len = (size_t)(colon - source);
        if (!options_is_account_name(source, len)) {
            (void)buf_appendf(error,
                              "'%s' names no account: letters, digits, '.', "
                              "'_' and '-' may stand before the colon",
                              source);
            return EXIT_USAGE;
        }
        cleanup(free_ptr) char *name = strndup(source, len);
        if (!name || set_account(o, name))
            return options_out_of_memory(error);
    }
    return options_replace_text(source, &o->source)
               ? EXIT_MOUNTED
               : options_out_of_memory(error);
}

static enum exit_status
take_operands(struct options *o, const struct arguments *a, struct buf *error)
{
    if (a->count < 1)
        return options_usage(error, "no mount point given; see --help");
    if (a->count > 2)
        return options_usage(error, "too many arguments; see --help");
    const char *point = a->operands[a->count - 1];
    if (!*point)
        return options_usage(error, "the mount point's name is empty");
    enum exit_status status =
        a->count == 2 ? take_source(o, a->operands[0], error) : EXIT_MOUNTED;
    if (status == EXIT_MOUNTED &&
        !options_replace_path(point, NULL, &o->mountpoint))
        return options_out_of_memory(error);
    return status;
}

/* An option that getopt doesn't know, by its own name: of "-xf" the x. */
static enum exit_status unknown_option(char **argv, struct buf *error)
{
    if (optopt)
        (void)buf_appendf(error, "unknown option '-%c'; see --help", optopt);
    else
        (void)buf_appendf(error, "unknown option '%s'; see --help",
                          argv[optind - 1]);
    return EXIT_USAGE;
}

static int add_words(struct arguments *a, const char *list)
{
    int err = a->words.len ? buf_append_char(&a->words, ',') : 0;
    return err ? err : buf_append_str(&a->words, list);
}

static void take_letter(struct options *o, int c, bool *debug)
{
    *debug |= c == 'd';
    o->foreground |= c == 'd' || (c == 'f' && !o->by_mount);
    o->fake |= c == 'f' && o->by_mount;
    o->sloppy |= c == 's';
    o->help |= c == 'h';
    o->version |= c == 'V';
    o->wait |= c == 'w';
}

/* As mount(8) starts a helper: SOURCE MOUNTPOINT [-sfnv] [-N ns] [-o …]
 * [-t type]. */
static enum exit_status read_arguments(struct options *o, int argc, char **argv,
                                       struct arguments *a, struct buf *error)
{
    static const struct option long_options[] = {
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {"wait", no_argument, NULL, 'w'},
        {0},
    };
    const char *letters = o->by_mount ? ":sfnvhVo:t:N:" : ":fdhVo:";
    bool debug = false;
    optind = 0; /* glibc: from the beginning, its inner state as well */
    opterr = 0;
    for (int c;
         (c = getopt_long(argc, argv, letters, long_options, NULL)) != -1;) {
        if (c == '?')
            return unknown_option(argv, error);
        if (c == ':')
            return options_usage(error, "option -o needs a value; see --help");
        if (c == 'o' && add_words(a, optarg))
            return options_usage(error, "-o: too many options");
        take_letter(o, c, &debug);
    }
    if (debug && add_words(a, "log_level=debug"))
        return options_out_of_memory(error);
    a->operands = argv + optind;
    a->count = argc - optind;
    return EXIT_MOUNTED;
}

static bool is_mount_helper(const char *program)
{
    const char *slash = program ? strrchr(program, '/') : NULL;
    const char *name = slash ? slash + 1 : program;
    return name && strncmp(name, MOUNT_PREFIX, strlen(MOUNT_PREFIX)) == 0;
}

enum exit_status options_parse(int argc, char **argv, struct options *ret,
                               struct buf *error)
{
    cleanup(options_done) struct options o = {0};
    cleanup(arguments_done) struct arguments a = {.words.max = WORDS_MAX};
    o.by_mount = is_mount_helper(argv[0]);
    enum exit_status status = read_arguments(&o, argc, argv, &a, error);
    if (status == EXIT_MOUNTED && !o.help && !o.version) {
        status = set_defaults(&o, error);
        if (status == EXIT_MOUNTED)
            status = take_operands(&o, &a, error);
        if (status == EXIT_MOUNTED)
            status = take_surroundings(&o, error);
        if (status == EXIT_MOUNTED)
            status = take_options(&o, buf_str(&a.words), error);
        if (status == EXIT_MOUNTED)
            status = settle_access(&o, error);
        if (status == EXIT_MOUNTED)
            options_settle(&o);
    }
    if (status == EXIT_MOUNTED) {
        *ret = o;
        o = (struct options){0};
    }
    return status;
}

enum exit_status options_for_account(const char *name, struct options *ret,
                                     struct buf *error)
{
    cleanup(options_done) struct options o = {0};
    enum exit_status status = set_defaults(&o, error);
    if (status == EXIT_MOUNTED && set_account(&o, name))
        status = options_out_of_memory(error);
    if (status == EXIT_MOUNTED)
        status = take_surroundings(&o, error);
    if (status != EXIT_MOUNTED)
        return status;
    options_settle(&o);
    *ret = o;
    o = (struct options){0};
    return EXIT_MOUNTED;
}
