/* SPDX-License-Identifier: MIT */
#include "upload_command.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "command_ask.h"
#include "json/scan.h"
#include "json/text.h"
#include "upload/filename.h"

#define LIST_MAX_BYTES (64u << 20)
#define QUOTED_BYTES   1100
#define ASK_AGAIN_MS   250
#define COPY_BYTES     65536
#define NAMES_MOST     1000
#define BAR_CELLS      20
#define TEMP_NAME      ".twelvefs-upload-%ld-%zu"

/* ---- asking ---- */

static enum exit_status ask_part(int fd, const char *mount, size_t skip,
                                 struct command *question, struct buf *text,
                                 struct buf *error)
{
    char word[32];
    (void)snprintf(word, sizeof(word), "%zu", skip);
    (void)command_put_words(question, &(char *){word}, 1);
    if (ioctl(fd, COMMAND_UPLOADS, question) < 0)
        return command_explain(mount, errno, error);
    size_t len = question->length < sizeof(question->text)
                     ? question->length
                     : sizeof(question->text);
    if (question->error) {
        (void)buf_appendf(error, "%s: %.*s", mount, (int)len, question->text);
        return EXIT_INTERNAL;
    }
    return buf_append(text, question->text, len) ? options_out_of_memory(error)
                                                 : EXIT_MOUNTED;
}

/* The whole list. */
static enum exit_status ask_all(int fd, const char *mount, struct buf *text,
                                struct buf *error)
{
    cleanup(free_ptr) struct command *question = malloc(sizeof(*question));
    size_t lines = 0, before;
    if (!question)
        return options_out_of_memory(error);
    do {
        before = text->len;
        enum exit_status status =
            ask_part(fd, mount, lines, question, text, error);
        if (status != EXIT_MOUNTED)
            return status;
        for (size_t i = before; i < text->len; i++)
            lines += text->data[i] == '\n';
    } while (text->len > before);
    return EXIT_MOUNTED;
}

/* A member that is a string, decoded; NULL when there is none. */
static char *upload_take_text(const char *line, size_t len, const char *name)
{
    const char *token;
    size_t token_len;
    if (scan_member(line, len, name, strlen(name), &token, &token_len) ||
        *token != '"')
        return NULL;
    return text_decode(token, token_len, NULL);
}

static int64_t upload_take_number(const char *line, size_t len,
                                  const char *name)
{
    const char *token;
    size_t token_len;
    return scan_member(line, len, name, strlen(name), &token, &token_len)
               ? 0
               : strtoll(token, NULL, 10);
}

/* ---- twelvefs uploads ---- */

static void print_bar(int64_t bytes, int64_t size)
{
    char bar[BAR_CELLS + 1];
    int full = size > 0 ? (int)((double)bytes / (double)size * BAR_CELLS) : 0;
    for (int i = 0; i < BAR_CELLS; i++)
        bar[i] = i < full ? '#' : '.';
    bar[BAR_CELLS] = '\0';
    (void)printf("[%s] ", bar);
}

static void print_line(const char *line, size_t len)
{
    char quoted[QUOTED_BYTES], quoted_words[QUOTED_BYTES];
    cleanup(free_ptr) char *path = upload_take_text(line, len, "path");
    cleanup(free_ptr) char *state = upload_take_text(line, len, "state");
    cleanup(free_ptr) char *words = upload_take_text(line, len, "words");
    if (!path || !state || !words)
        return;
    print_bar(upload_take_number(line, len, "bytes"),
              upload_take_number(line, len, "size"));
    (void)printf("%-10s  %s", state,
                 log_quote(path, strlen(path), quoted, sizeof(quoted)));
    if (*words)
        (void)printf("  %s", log_quote(words, strlen(words), quoted_words,
                                       sizeof(quoted_words)));
    (void)printf("\n");
}

enum exit_status uploads_command_run(int argc, char **argv, struct buf *error)
{
    bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
    cleanup(buf_done) struct buf text = {.max = LIST_MAX_BYTES};
    if (argc != 2 + json || argv[1 + json][0] == '-') {
        (void)buf_append_str(error, "usage: twelvefs uploads [--json] MOUNT");
        return EXIT_USAGE;
    }
    cleanup(close_fd) int fd = command_open(argv[1 + json], error);
    if (fd < 0)
        return EXIT_MOUNT_POINT;
    enum exit_status status = ask_all(fd, argv[1 + json], &text, error);
    if (json)
        (void)fwrite(buf_str(&text), 1, text.len, stdout);
    const char *line = buf_str(&text);
    for (const char *end; !json && (end = strchr(line, '\n')); line = end + 1)
        print_line(line, (size_t)(end - line));
    return fflush(stdout) ? EXIT_INTERNAL : status;
}

/* ---- twelvefs upload ---- */

struct putting {
    const char *mount;
    int fd;        /* of the mount */
    int folder_fd; /* of the watched folder */
    char **names;  /* in the folder, as the list tells them */
    bool *ended;
    size_t count, left, failed;
    bool watched;
};

static int upload_open_folder(int mount_fd)
{
    cleanup(free_ptr) struct command *question = malloc(sizeof(*question));
    const char *upload;
    size_t len;
    if (!question || !command_put_words(question, NULL, 0) ||
        ioctl(mount_fd, COMMAND_STATUS_JSON, question) < 0 || question->error)
        return -1;
    size_t length = question->length < sizeof(question->text)
                        ? question->length
                        : sizeof(question->text);
    if (scan_member(question->text, length, "upload", 6, &upload, &len))
        return -1;
    cleanup(free_ptr) char *folder = upload_take_text(upload, len, "folder");
    return folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
}

static int upload_copy_bytes(int from, int to)
{
    cleanup(free_ptr) char *bytes = malloc(COPY_BYTES);
    ssize_t count, copied;
    if (!bytes)
        return -ENOMEM;
    do
        copied = copy_file_range(from, NULL, to, NULL, 1 << 30, 0);
    while (copied > 0);
    while ((count = read(from, bytes, COPY_BYTES)) > 0)
        for (ssize_t at = 0; at < count; at += copied)
            if ((copied = write(to, bytes + at, (size_t)(count - at))) <= 0)
                return copied ? -errno : -EIO;
    return count < 0 ? -errno : 0;
}

/* Under a dot name first, as everybody does. */
static int copy_in(struct putting *p, size_t at, const char *file)
{
    char temp[64], name[FILENAME_MAX_BYTES + 1];
    struct stat st;
    const char *slash = strrchr(file, '/');
    (void)snprintf(temp, sizeof(temp), TEMP_NAME, (long)getpid(), at);
    cleanup(close_fd) int from = open(file, O_RDONLY | O_CLOEXEC);
    if (from < 0 || fstat(from, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EINVAL;
    cleanup(close_fd) int to = openat(
        p->folder_fd, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int err = to < 0 ? -errno : upload_copy_bytes(from, to);
    if (!err && fsync(to) < 0)
        err = -errno;
    for (int n = 0; !err && n < NAMES_MOST; n++) {
        filename_of_copy(slash ? slash + 1 : file, n, name);
        if (renameat2(p->folder_fd, temp, p->folder_fd, name,
                      RENAME_NOREPLACE) == 0)
            break;
        err = errno == EEXIST && n < NAMES_MOST - 1 ? 0 : -errno;
    }
    if (err && to >= 0)
        (void)unlinkat(p->folder_fd, temp, 0);
    cleanup(buf_done) struct buf shown = {.max = 4096};
    if (!err)
        err = filename_append(&shown, name);
    if (!err && !(p->names[at] = buf_steal(&shown, NULL)))
        err = -ENOMEM;
    return err;
}

static void end_one(struct putting *p, size_t at, const char *state,
                    const char *words)
{
    char quoted[QUOTED_BYTES], quoted_words[QUOTED_BYTES];
    bool failed = strcmp(state, "failed") == 0;
    const char *name =
        log_quote(p->names[at], strlen(p->names[at]), quoted, sizeof(quoted));
    p->ended[at] = true;
    p->left--;
    p->failed += failed;
    if (failed)
        (void)fprintf(stderr, "twelvefs: %s: %s\n", name,
                      log_quote(words, strlen(words), quoted_words,
                                sizeof(quoted_words)));
    else if (p->watched)
        (void)fprintf(stderr, "\r\033[K%s is up\n", name);
}

static void upload_take_line(struct putting *p, const char *line, size_t len,
                             int64_t *bytes, int64_t *size)
{
    cleanup(free_ptr) char *path = upload_take_text(line, len, "path");
    cleanup(free_ptr) char *state = upload_take_text(line, len, "state");
    cleanup(free_ptr) char *words = upload_take_text(line, len, "words");
    size_t at = 0;
    while (path && state && words && at < p->count &&
           (!p->names[at] || strcmp(p->names[at], path) != 0))
        at++;
    if (!path || !state || !words || at == p->count)
        return;
    *bytes += upload_take_number(line, len, "bytes");
    *size += upload_take_number(line, len, "size");
    if (!p->ended[at] &&
        (strcmp(state, "done") == 0 || strcmp(state, "failed") == 0))
        end_one(p, at, state, words);
}

static void draw(const struct putting *p, int64_t bytes, int64_t size)
{
    if (p->watched && p->left)
        (void)fprintf(
            stderr, "\r\033[K%zu of %zu, %d %%", p->count - p->left, p->count,
            size > 0 ? (int)(100.0 * (double)bytes / (double)size) : 0);
}

static enum exit_status upload_await(struct putting *p, struct buf *error)
{
    while (p->left) {
        cleanup(buf_done) struct buf text = {.max = LIST_MAX_BYTES};
        int64_t bytes = 0, size = 0;
        enum exit_status status = ask_all(p->fd, p->mount, &text, error);
        if (status != EXIT_MOUNTED)
            return status;
        const char *line = buf_str(&text);
        for (const char *end; (end = strchr(line, '\n')); line = end + 1)
            upload_take_line(p, line, (size_t)(end - line), &bytes, &size);
        draw(p, bytes, size);
        if (p->left)
            (void)poll(NULL, 0, ASK_AGAIN_MS);
    }
    if (p->failed)
        (void)buf_appendf(error, "%zu of %zu did not go up", p->failed,
                          p->count);
    return p->failed ? EXIT_INTERNAL : EXIT_MOUNTED;
}

static enum exit_status upload_put_all(struct putting *p, char **files,
                                       struct buf *error)
{
    for (size_t i = 0; i < p->count; i++) {
        int err = copy_in(p, i, files[i]);
        if (err) {
            (void)buf_appendf(error, "%s: %s%s", files[i],
                              err == -EINVAL ? "not a regular file"
                                             : strerror(-err),
                              i ? "; those before it go up all the same" : "");
            return EXIT_USAGE;
        }
    }
    return upload_await(p, error);
}

enum exit_status upload_command_run(int argc, char **argv, struct buf *error)
{
    if (argc > 1 && strcmp(argv[1], "--") == 0) {
        argc--;
        argv++;
    }
    if (argc < 3) {
        (void)buf_append_str(error, "usage: twelvefs upload FILE... MOUNT");
        return EXIT_USAGE;
    }
    size_t count = (size_t)argc - 2;
    struct putting p = {
        .mount = argv[argc - 1],
        .count = count,
        .left = count,
        .watched = isatty(STDERR_FILENO),
        .names = calloc(count, sizeof(char *)),
        .ended = calloc(count, sizeof(bool)),
    };
    enum exit_status status = EXIT_MOUNT_POINT;
    p.fd = command_open(p.mount, error);
    p.folder_fd = p.fd < 0 ? -1 : upload_open_folder(p.fd);
    if (!p.names || !p.ended)
        status = options_out_of_memory(error);
    else if (p.fd >= 0 && p.folder_fd < 0)
        (void)buf_appendf(
            error, "%s: nothing goes up: mount it with -o upload=DIR", p.mount);
    else if (p.fd >= 0)
        status = upload_put_all(&p, argv + 1, error);
    for (size_t i = 0; p.names && i < count; i++)
        free(p.names[i]);
    free((void *)p.names);
    free(p.ended);
    close_fd(&p.folder_fd);
    close_fd(&p.fd);
    return status;
}
