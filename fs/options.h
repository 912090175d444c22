/*
 * options.h - argv, environment and key sources to one plain struct.
 *
 * Nothing here starts a thread or talks to the network. What is wrong with
 * the input comes back as an exit status (below) and one line of text.
 */
#ifndef TWELVEFS_OPTIONS_H
#define TWELVEFS_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

/* The program's exit statuses, by cause; the man page lists them. */
enum exit_status {
    EXIT_MOUNTED = 0,
    EXIT_INTERNAL = 1,    /* out of memory, FUSE not available, … */
    EXIT_USAGE = 2,       /* arguments, options, base URL */
    EXIT_NO_KEY = 3,      /* no API key, or its source can't be used */
    EXIT_KEY_REFUSED = 4, /* the API answered 401 or 403 */
    EXIT_NETWORK = 5,     /* the API can't be reached or answers nonsense */
    EXIT_MOUNT_POINT = 6, /* not an empty directory, not permitted */
    EXIT_CACHE = 7,       /* in use by another daemon, or no place for one */
    EXIT_STOPPED = 8      /* by a signal, before the mount was usable */
};

struct options {
    bool foreground;
    bool help;
    bool version;
    bool debug;
    bool allow_other;
    bool no_pictures; /* none is fetched */
    bool read_write;  /* changes by ln -s and rm; else a read-only superblock */
    char *source;     /* as mount(8) shows it; "twelvelabs" */
    char *mountpoint; /* absolute */
    char *base_url;
    char *cache_dir; /* where accounts' caches stand; absolute */
    char *key_file;
    char *key_command;
    char *fuse_options; /* what is left of -o, comma separated; or NULL */
    int64_t refresh_ms;
    int64_t timeout_ms;
    int64_t sweep_ms;
    int64_t picture_cache_bytes;
    int rpm; /* background requests a minute */
};

void options_done(struct options *o);

/* EXIT_MOUNTED, or a status with a line in error (no newline). With --help or
 * --version nothing else is checked. */
enum exit_status options_parse(int argc, char **argv, struct options *ret,
                               struct buf *error);

/* The API key, from key_file=, key_command=, the service manager's credential
 * directory or the environment, in that order; then wiped from this process's
 * environment. The caller wipes it with options_wipe_key. */
enum exit_status options_read_key(const struct options *o, char **ret_key,
                                  struct buf *error);
void options_wipe_key(char *key);

/* This account's cache directory: cache_dir/<hash of key and base URL>. */
int options_account_directory(const struct options *o, const char *key,
                              char **ret_directory);

extern const char options_help[];

#endif
