/*
 * options_key.c - where the API key comes from, and that it goes no further.
 *
 * A key is 1 to KEY_MAX printable ASCII characters without spaces: anything
 * else could smuggle a header line.
 */
#include "options.h"

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
    bool good = len > 0 && len <= KEY_MAX;
    for (size_t i = 0; good && i < len; i++)
        good = bytes[i] > ' ' && bytes[i] < 0x7f;
    if (!good) {
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

static enum exit_status key_from_environment(char **ret_key, struct buf *error)
{
    const char *directory = getenv("CREDENTIALS_DIRECTORY");
    if (directory) {
        cleanup(free_ptr) char *path = NULL;
        if (asprintf(&path, "%s/" KEY_CREDENTIAL, directory) < 0)
            return EXIT_INTERNAL;
        if (access(path, R_OK) == 0)
            return key_from_file(path, false, ret_key, error);
    }
    const char *value = getenv(KEY_VARIABLE);
    if (!value || !*value) {
        (void)buf_append_str(error, "no API key: set " KEY_VARIABLE
                                    " (or use -o key_file=FILE)");
        return EXIT_NO_KEY;
    }
    return accept_key(value, strlen(value), KEY_VARIABLE, ret_key, error);
}

enum exit_status options_read_key(const struct options *o, char **ret_key,
                                  struct buf *error)
{
    enum exit_status status = EXIT_NO_KEY;
    if (!o->key_file && !o->key_command)
        status = key_from_environment(ret_key, error);
    wipe_environment(); /* before a command is given a copy */
    if (o->key_file)
        status = key_from_file(o->key_file, true, ret_key, error);
    else if (o->key_command)
        status = key_from_command(o->key_command, ret_key, error);
    return status;
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
