/* SPDX-License-Identifier: MIT */
/*
 * options.h - argv, environment, configuration file and key sources to one
 * plain struct.
 *
 * An account has a name ("work:" on the command line) or is the unnamed one.
 * What wins, from the strongest: -o; for the unnamed account the environment,
 * then the configuration file; for a named one its section, then the
 * environment's base URL (but never the environment's key, which is another
 * account's); entries before the file's first section; defaults.
 *
 * Nothing here starts a thread or talks to the network. What is wrong with
 * the input comes back as an exit status (below) and one line of text.
 */
#ifndef TWELVEFS_OPTIONS_H
#define TWELVEFS_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/log.h"

/* The program's exit statuses, by cause; the man page lists them. */
enum exit_status {
    EXIT_MOUNTED = 0,
    EXIT_INTERNAL = 1,    /* out of memory, FUSE not available, … */
    EXIT_USAGE = 2,       /* arguments, options, configuration, base URL */
    EXIT_NO_KEY = 3,      /* no API key, or its source can't be used */
    EXIT_KEY_REFUSED = 4, /* the API answered 401 or 403 */
    EXIT_NETWORK = 5,     /* the API can't be reached or answers nonsense */
    EXIT_MOUNT_POINT = 6, /* not an empty directory, not permitted */
    EXIT_CACHE = 7,       /* in use by another daemon, or no place for one */
    EXIT_STOPPED = 8,     /* by a signal, before the mount was usable */
    EXIT_TOO_OLD = 9      /* what is asked for goes back further than the log */
};

/* Where a key is read from: one of them, or both NULL. */
struct key_source {
    char *key_file;
    char *key_command;
};

/* What becomes of an asset whose folder is removed with rmdir. */
enum deletion {
    DELETION_REFUSED,
    DELETION_SAFE,  /* deleted, unless others refer to it */
    DELETION_FORCED /* deleted */
};

/* What becomes of a file that is up: see upload/upload.h. */
enum uploaded { UPLOADED_LINK, UPLOADED_KEEP, UPLOADED_REMOVE };

struct options {
    bool foreground;
    bool help;
    bool version;
    bool allow_other;
    bool pictures;   /* they are fetched */
    bool read_write; /* changes by ln -s and rm; else a read-only superblock */
    enum deletion deletion;
    int delete_rpm; /* deletions a minute */
    char *upload;   /* the folder whose files go up, absolute; or NULL */
    enum uploaded uploaded;
    bool upload_twice; /* the same bytes within a day */
    int64_t settle_ms, upload_recheck_ms;
    int64_t upload_chunks_bytes; /* video and audio from here on in chunks */
    bool io_uring;
    bool wait;    /* return only when the first walk is through */
    bool said_ro; /* by the last of the words ro and rw */
    bool said_rw;
    bool remount;     /* change the kernel's flags of a mount, no more */
    bool by_mount;    /* started by mount(8), as mount.twelvefs */
    bool by_fuse;     /* started by mount.fuse3 */
    bool fake;        /* mount -f: all but the mount */
    bool sloppy;      /* mount -s: unknown options are passed over */
    char *source;     /* as mount(8) shows it; "twelvelabs" */
    char *account;    /* its name, "" for the unnamed one */
    char *mountpoint; /* absolute */
    char *base_url;
    char *cache_dir;       /* where accounts' caches stand; absolute */
    char *config_dir;      /* configuration and keys; absolute */
    struct key_source key; /* of the account's own option words */
    struct key_source configured_key; /* of the configuration file */
    bool key_in_environment;          /* … and nowhere stronger */
    char *log_file;        /* absolute, or NULL: stderr or the system log */
    const char *own_words; /* the last of our own options in -o, or NULL */
    char *fuse_options;    /* what is left of -o, comma separated; or NULL */
    int64_t refresh_ms;
    int64_t timeout_ms;
    int64_t sweep_ms;
    int64_t picture_cache_bytes;
    int rpm;   /* background requests a minute */
    uid_t uid; /* whose files they seem to be */
    gid_t gid;
    mode_t umask; /* bits that their modes lack */
    enum log_level log_level;
};

void options_done(struct options *o);

/* EXIT_MOUNTED, or a status with a line in error (no newline). With --help or
 * --version nothing else is checked. */
enum exit_status options_parse(int argc, char **argv, struct options *ret,
                               struct buf *error);

/* What the account is called by people: "work", or "the account". */
const char *options_account_name(const struct options *o);

/* Whether a name may stand before a colon and in a file's name. */
bool options_is_account_name(const char *text, size_t len);

/* Everything that isn't about a mount (base URL, key sources), for an account
 * by name, "" the unnamed one: for `twelvefs login`. */
enum exit_status options_for_account(const char *name, struct options *ret,
                                     struct buf *error);

/* The API key, from the first source that there is: -o key_file=,
 * -o key_command=, the service manager's credential directory, the environment
 * (the unnamed account's only), the configuration's key_file, key_command, and
 * options_key_path's file. Then wiped from this process's environment: the
 * second call for a key_in_environment is EXIT_NO_KEY. The caller wipes it
 * with options_wipe_key. */
enum exit_status options_read_key(const struct options *o, char **ret_key,
                                  struct buf *error);
void options_wipe_key(char *key);

/* Whether text can be a key: no spaces, nothing that isn't printable. */
bool options_is_key(const char *text);

/* Where `twelvefs login` puts it: config_dir/key, or config_dir/NAME.key. */
int options_key_path(const struct options *o, char **ret_path);

/* This account's cache directory: cache_dir/<hash of key and base URL>. */
int options_account_directory(const struct options *o, const char *key,
                              char **ret_directory);

/* "90", "90s", "5m", "1.5h", "1d", as options have it. 0, -EINVAL, -ERANGE
 * past 30 days. */
int options_duration(const char *text, int64_t *ret_ms);

/* EXIT_INTERNAL and a line. */
enum exit_status options_out_of_memory(struct buf *error);

extern const char options_help[];

#endif
