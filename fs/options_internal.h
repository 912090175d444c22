/* SPDX-License-Identifier: MIT */
/*
 * options_internal.h - what options.c (argv, precedence), options_table.c
 * (our own options and their values), options_mount.c (mount(8)'s words),
 * options_config.c (the configuration file), options_key.c and options_text.c
 * (texts and paths that options are set to) share.
 */
#ifndef TWELVEFS_OPTIONS_INTERNAL_H
#define TWELVEFS_OPTIONS_INTERNAL_H

#include "options.h"

/* The section of the account that needs no name. */
#define OPTIONS_UNNAMED "default"

/* Sets one of our own options; value NULL: none was given. base: the
 * directory that relative paths start from, NULL the working directory.
 * *ret_name is
 * the option's name as the table has it, NULL for another's, which is no
 * failure. */
enum exit_status options_set(struct options *o, const char *name,
                             const char *value, const char *base,
                             const char **ret_name, struct buf *error);

/* "unknown option 'refesh' (did you mean refresh=?)". Appends. */
void options_append_unknown(const char *word, bool mount_words,
                            struct buf *error);

enum mount_word {
    MOUNT_WORD_UNKNOWN,
    MOUNT_WORD_PASSED_OVER, /* it says nothing about this file system */
    MOUNT_WORD_HANDED_ON,   /* to libfuse and the kernel */
    MOUNT_WORD_REFUSED      /* with a reason */
};
/* What becomes of a word of mount(8) or fstab(5); *ret_why is set for a
 * refused one. */
enum mount_word options_mount_word(const char *word, const char **ret_why);
const char *options_mount_name(size_t i);

/* Puts text in the place of *ret_text. False: no memory. */
bool options_replace_text(const char *text, char **ret_text);

/* Replaces *ret_path by an absolute path: "~/" is the home directory. False
 * for an empty text, or no memory. */
bool options_replace_path(const char *text, const char *base, char **ret_path);

/* The user's home directory, or NULL; to be freed. */
char *options_home(void);

/* Where the configuration stands: $XDG_CONFIG_HOME/twelvefs, root's
 * /etc/twelvefs, ~/.config/twelvefs. -ENOMEM; -ENOENT without a home. */
int options_config_directory(char **ret_directory);

/* Sets what config_dir/config says of o->account, if it is there. */
enum exit_status options_read_config(struct options *o, struct buf *error);

/* Whether the environment or the service manager hold a key. */
bool options_environment_has_key(void);
bool options_has_credential(void);

#endif
