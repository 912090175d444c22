/* SPDX-License-Identifier: MIT */
#include "change/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "json/metadata.h"
#include "json/text.h"

#define LINE_MAX_BYTES (512u << 20) /* an object in a page is never as long */

int journal_init(struct journal *j, const char *directory)
{
    *j = (struct journal){.fd = -1};
    char *path;
    if (asprintf(&path, "%s/" JOURNAL_NAME, directory) < 0)
        return -ENOMEM;
    j->path = path;
    return 0;
}

void journal_done(struct journal *j)
{
    close_fd(&j->fd);
    free(j->path);
    *j = (struct journal){.fd = -1};
}

/* The file's name must be on the disk, too. */
static int sync_directory(const char *path)
{
    cleanup(free_ptr) char *directory = strdup(path);
    if (!directory)
        return -ENOMEM;
    *strrchr(directory, '/') = '\0';
    cleanup(close_fd) int fd = open(directory, O_RDONLY | O_CLOEXEC);
    return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

/* Whether a descriptor is still of what has the name: a file that was taken
 * away is nobody's trace. */
static bool is_in_place(const struct journal *j)
{
    struct stat open_file, named;
    return j->fd >= 0 && fstat(j->fd, &open_file) == 0 &&
           lstat(j->path, &named) == 0 && open_file.st_dev == named.st_dev &&
           open_file.st_ino == named.st_ino;
}

static int journal_open(struct journal *j)
{
    struct stat st;
    if (is_in_place(j))
        return 0;
    close_fd(&j->fd);
    j->fd = -1;
    cleanup(close_fd) int fd =
        open(j->path,
             O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
             0600);
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EIO;
    int err = sync_directory(j->path);
    if (!err)
        j->fd = steal_fd(&fd);
    return err;
}

/* Whether a line was cut short by whoever wrote last. */
static bool ends_amid_line(int fd)
{
    struct stat st;
    char last;
    return fstat(fd, &st) == 0 && st.st_size > 0 &&
           pread(fd, &last, 1, st.st_size - 1) == 1 && last != '\n';
}

static int append_line(struct journal *j, const struct buf *line)
{
    int err = journal_open(j);
    if (!err && ends_amid_line(j->fd))
        err = file_write_all(j->fd, "\n", 1);
    if (!err)
        err = file_write_all(j->fd, line->data, line->len);
    if (!err && fdatasync(j->fd) < 0)
        err = -errno;
    return err;
}

static int append_head(struct buf *out, const char *verb, const char *id)
{
    char at[CLOCK_RFC3339_SIZE];
    clock_format_rfc3339(clock_wall_s(), at);
    int err = buf_appendf(out, "{\"%s\":", verb);
    if (!err)
        err = text_append_string(out, id, strlen(id));
    return err ? err : buf_appendf(out, ",\"at\":\"%s\"", at);
}

int journal_begin(struct journal *j, const char *id, const char *folder,
                  bool force, const char *body, size_t body_bytes)
{
    cleanup(buf_done) struct buf line = {.max = LINE_MAX_BYTES};
    int err = append_head(&line, "deleting", id);
    if (!err)
        err = buf_append_str(&line, ",\"folder\":");
    if (!err)
        err = text_append_string(&line, folder, strlen(folder));
    if (!err)
        err = buf_appendf(
            &line, ",\"force\":%s,\"metadata\":", force ? "true" : "false");
    if (!err)
        err = metadata_line(body, body_bytes, &line);
    if (err)
        return err;
    buf_truncate(&line, line.len - 1); /* the object's own line end */
    err = buf_append_str(&line, "}\n");
    return err ? err : append_line(j, &line);
}

int journal_end(struct journal *j, const char *id, enum journal_outcome outcome,
                const char *words)
{
    static const char *const names[] = {"gone", "kept", "unknown"};
    cleanup(buf_done) struct buf line = {.max = LINE_MAX_BYTES};
    int err = append_head(&line, "deleted", id);
    if (!err)
        err = buf_appendf(&line,
                          ",\"outcome\":\"%s\",\"words\":", names[outcome]);
    if (!err)
        err = text_append_string(&line, words, strlen(words));
    if (!err)
        err = buf_append_str(&line, "}\n");
    return err ? err : append_line(j, &line);
}

int journal_read(const struct journal *j, int64_t offset, char *out,
                 size_t size, size_t *ret_count)
{
    *ret_count = 0;
    cleanup(close_fd) int fd =
        open(j->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    ssize_t count = pread(fd, out, size, offset);
    if (count < 0)
        return -errno;
    *ret_count = (size_t)count;
    return 0;
}
