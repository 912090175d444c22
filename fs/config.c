/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

/* inih says only where the first error was, and cuts what is too long for it
 * in silence; so the lines are counted and measured on their way in. */
struct reading {
    FILE *file;
    config_entry_fn *fn;
    void *ctx;
    int line; /* the one that was handed over last */
    int err;  /* the first */
    int err_line;
};

static void config_fail(struct reading *r, int err)
{
    if (r->err)
        return;
    r->err = err;
    r->err_line = r->line;
}

/* inih's reader, like fgets. No line after an error of ours is handed over;
 * inih goes on behind a line that is none. */
static char *config_next_line(char *bytes, int size, void *stream)
{
    struct reading *r = stream;
    if (r->err || !fgets(bytes, size, r->file)) {
        if (!r->err && ferror(r->file))
            config_fail(r, -EIO);
        return NULL;
    }
    r->line++;
    size_t len = strlen(bytes);
    bool whole = (len && bytes[len - 1] == '\n') || feof(r->file);
    if (!whole || len > CONFIG_LINE_MAX) {
        config_fail(r, -EBADMSG);
        return NULL;
    }
    /* An indented line would go on with the value before it. */
    size_t indent = strspn(bytes, " \t");
    memmove(bytes, bytes + indent, len - indent + 1);
    return bytes;
}

/* inih's handler: not 0 is success. */
static int config_on_entry(void *user, const char *section, const char *name,
                           const char *value)
{
    struct reading *r = user;
    int err = r->err ? r->err : r->fn(r->ctx, section, name, value);
    if (err)
        config_fail(r, err);
    return !err;
}

static int config_check_owner(int fd)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (S_ISDIR(st.st_mode))
        return -EISDIR;
    if (!S_ISREG(st.st_mode))
        return -EINVAL;
    bool trusted = st.st_uid == geteuid() || st.st_uid == 0;
    return trusted && !(st.st_mode & 022) ? 0 : -EPERM;
}

int config_read(const char *path, config_entry_fn *fn, void *ctx, int *ret_line)
{
    *ret_line = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    int err = config_check_owner(fd);
    FILE *file = err ? NULL : fdopen(fd, "r");
    if (!file) {
        (void)close(fd);
        return err ? err : -ENOMEM;
    }
    struct reading r = {.file = file, .fn = fn, .ctx = ctx};
    int malformed = ini_parse_stream(config_next_line, &r, config_on_entry, &r);
    (void)fclose(file);
    if (malformed > 0 && (!r.err || malformed < r.err_line)) {
        *ret_line = malformed;
        return -EBADMSG;
    }
    *ret_line = r.err_line;
    return r.err || malformed >= 0 ? r.err : -ENOMEM;
}
