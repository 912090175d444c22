/* SPDX-License-Identifier: MIT */
/*
 * options_key.c - where the API key comes from, and that it goes no further.
 *
 * A key is 1 to KEY_MAX printable ASCII characters without spaces: anything
 * else could smuggle a header line.
 */
#include "options_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/digest.h"
#include "key_command.h"

#define KEY_VARIABLE   "TWELVE_LABS_API_KEY"
#define KEY_CREDENTIAL "twelve-labs-api-key"
#define KEY_MAX        4096
#define COMMAND_MS     60000 /* somebody may have to unlock a key ring */

void options_wipe_key(char *key)
{
    if (key)
        explicit_bzero(key, strlen(key));
    free(key);
}

/* Overwrites the variable where /proc/PID/environ would show it, each time it
 * stands there. */
static void wipe_environment(void)
{
    static const char beginning[] = KEY_VARIABLE "=";
    size_t len = strlen(beginning);
    for (char **v = environ; v && *v; v++)
        if (strncmp(*v, beginning, len) == 0)
            explicit_bzero(*v + len, strlen(*v + len));
    (void)unsetenv(KEY_VARIABLE);
}

static bool is_key(const char *bytes, size_t len)
{
    bool good = len > 0 && len <= KEY_MAX;
    for (size_t i = 0; good && i < len; i++)
        good = bytes[i] > ' ' && bytes[i] < 0x7f;
    return good;
}

bool options_is_key(const char *text)
{
    return is_key(text, strlen(text));
}

static enum exit_status accept_key(const char *bytes, size_t len,
                                   const char *source, char **ret_key,
                                   struct buf *error)
{
    while (len && strchr(" \t\r\n", bytes[len - 1]))
        len--;
    while (len && strchr(" \t\r\n", bytes[0])) {
        bytes++;
        len--;
    }
    if (!is_key(bytes, len)) {
        (void)buf_appendf(error, "%s holds no usable API key", source);
        return EXIT_NO_KEY;
    }
    char *key = strndup(bytes, len);
    if (!key) {
        (void)buf_append_str(error, "out of memory");
        return EXIT_INTERNAL;
    }
    *ret_key = key;
    return EXIT_MOUNTED;
}

static enum exit_status key_from_stream(FILE *stream, const char *source,
                                        char **ret_key, struct buf *error)
{
    char bytes[KEY_MAX + 64];
    size_t len = fread(bytes, 1, sizeof(bytes), stream);
    enum exit_status status = accept_key(bytes, len, source, ret_key, error);
    explicit_bzero(bytes, sizeof(bytes));
    return status;
}

static enum exit_status key_from_file(const char *path, bool must_be_private,
                                      char **ret_key, struct buf *error)
{
    cleanup(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0) {
        (void)buf_appendf(error, "cannot read the key file %s: %s", path,
                          strerror(errno));
        return EXIT_NO_KEY;
    }
    if (must_be_private && S_ISREG(st.st_mode) && (st.st_mode & 077)) {
        (void)buf_appendf(error,
                          "the key file %s can be read by others; "
                          "chmod 600 it",
                          path);
        return EXIT_NO_KEY;
    }
    FILE *stream = fdopen(fd, "r");
    if (!stream) {
        (void)buf_append_str(error, "out of memory");
        return EXIT_INTERNAL;
    }
    fd = -1;
    (void)setvbuf(stream, NULL, _IONBF, 0);
    enum exit_status status = key_from_stream(stream, path, ret_key, error);
    (void)fclose(stream);
    return status;
}

static enum exit_status key_from_command(const char *command, char **ret_key,
                                         struct buf *error)
{
    char bytes[KEY_MAX + 64];
    size_t len = 0;
    int ended = 0;
    enum exit_status status = EXIT_NO_KEY;
    int err = key_command_run(command, clock_mono_ms() + COMMAND_MS, bytes,
                              sizeof(bytes), &len, &ended);
    if (err == -ETIMEDOUT)
        (void)buf_appendf(error, "key_command has not ended within %d s",
                          COMMAND_MS / 1000);
    else if (err)
        (void)buf_appendf(error, "cannot run key_command: %s", strerror(-err));
    else if (ended)
        (void)buf_appendf(error, "key_command failed (status %d)",
                          WIFEXITED(ended) ? WEXITSTATUS(ended) : -1);
    else
        status = accept_key(bytes, len, "key_command's output", ret_key, error);
    explicit_bzero(bytes, sizeof(bytes));
    return status;
}

static char *credential_path(void)
{
    const char *directory = getenv("CREDENTIALS_DIRECTORY");
    char *path = NULL;
    if (directory && asprintf(&path, "%s/" KEY_CREDENTIAL, directory) < 0)
        return NULL;
    return path;
}

bool options_has_credential(void)
{
    cleanup(free_ptr) char *path = credential_path();
    return path && access(path, R_OK) == 0;
}

bool options_environment_has_key(void)
{
    const char *value = getenv(KEY_VARIABLE);
    return value && *value;
}

static enum exit_status key_from_environment(char **ret_key, struct buf *error)
{
    const char *value = getenv(KEY_VARIABLE);
    if (value && *value)
        return accept_key(value, strlen(value), KEY_VARIABLE, ret_key, error);
    (void)buf_append_str(error, KEY_VARIABLE
                         " was read at the start; only a file, a command or a "
                         "credential can be read again");
    return EXIT_NO_KEY;
}

int options_key_path(const struct options *o, char **ret_path)
{
    char *path;
    int made = *o->account
                   ? asprintf(&path, "%s/%s.key", o->config_dir, o->account)
                   : asprintf(&path, "%s/key", o->config_dir);
    if (made < 0)
        return -ENOMEM;
    *ret_path = path;
    return 0;
}

/* Where `twelvefs login` has put it. */
static enum exit_status key_from_login(const struct options *o, char **ret_key,
                                       struct buf *error)
{
    cleanup(free_ptr) char *path = NULL;
    if (options_key_path(o, &path))
        return options_out_of_memory(error);
    if (access(path, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR))
        return key_from_file(path, true, ret_key, error);
    if (*o->account)
        (void)buf_appendf(error,
                          "no API key for the account '%s': run 'twelvefs "
                          "login %s', or name key_file= or key_command= in "
                          "its section of %s/config",
                          o->account, o->account, o->config_dir);
    else
        (void)buf_append_str(
            error, "no API key: run 'twelvefs login', or set " KEY_VARIABLE
                   ", or use -o key_file=FILE");
    return EXIT_NO_KEY;
}

static bool is_given(const struct key_source *s)
{
    return s->key_file || s->key_command;
}

static enum exit_status key_from_source(const struct key_source *s,
                                        char **ret_key, struct buf *error)
{
    if (s->key_file)
        return key_from_file(s->key_file, true, ret_key, error);
    return key_from_command(s->key_command, ret_key, error);
}

static enum exit_status choose_key(const struct options *o, char **ret_key,
                                   struct buf *error)
{
    if (is_given(&o->key))
        return key_from_source(&o->key, ret_key, error);
    if (options_has_credential()) {
        cleanup(free_ptr) char *path = credential_path();
        return path ? key_from_file(path, false, ret_key, error)
                    : options_out_of_memory(error);
    }
    if (is_given(&o->configured_key))
        return key_from_source(&o->configured_key, ret_key, error);
    return key_from_login(o, ret_key, error);
}

enum exit_status options_read_key(const struct options *o, char **ret_key,
                                  struct buf *error)
{
    enum exit_status status = EXIT_NO_KEY;
    if (o->key_in_environment)
        status = key_from_environment(ret_key, error);
    wipe_environment(); /* before a command is given a copy */
    return o->key_in_environment ? status : choose_key(o, ret_key, error);
}

#define ACCOUNT_HEX 32 /* 128 bits tell accounts apart */

int options_account_directory(const struct options *o, const char *key,
                              char **ret_directory)
{
    const struct digest_part parts[] = {
        {o->base_url, strlen(o->base_url)},
        {key, strlen(key)},
    };
    char hex[DIGEST_HEX_SIZE];
    int err = digest_hex(parts, array_count(parts), hex);
    if (err)
        return err;
    char *directory;
    if (asprintf(&directory, "%s/%.*s", o->cache_dir, ACCOUNT_HEX, hex) < 0)
        return -ENOMEM;
    *ret_directory = directory;
    return 0;
}
