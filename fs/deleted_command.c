/* SPDX-License-Identifier: MIT */
#include "deleted_command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/queue.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "command_ask.h"
#include "json/scan.h"
#include "json/text.h"

#define LINE_MAX_BYTES ((size_t)1 << 30)
#define QUOTED_BYTES   1100

/* One whose end isn't known yet. */
struct deletion_line {
    char *id, *at, *folder;
    STAILQ_ENTRY(deletion_line) link;
};
STAILQ_HEAD(deletion_list, deletion_line);

static void line_free(struct deletion_line *d)
{
    if (!d)
        return;
    free(d->id);
    free(d->at);
    free(d->folder);
    free(d);
}

DEFINE_CLEANUP(free_line, struct deletion_line *, line_free)

/* A member that is a string, decoded; NULL when there is none. */
static char *take_text(const char *line, size_t len, const char *name)
{
    const char *token;
    size_t token_len;
    if (scan_member(line, len, name, strlen(name), &token, &token_len) ||
        *token != '"')
        return NULL;
    return text_decode(token, token_len, NULL);
}

static void print_deletion(const struct deletion_line *d, const char *outcome)
{
    char folder[QUOTED_BYTES], id[QUOTED_BYTES];
    (void)printf(
        "%s  %-7s  %s  %s\n", d->at, outcome,
        log_quote(d->folder, strlen(d->folder), folder, sizeof(folder)),
        log_quote(d->id, strlen(d->id), id, sizeof(id)));
}

static void end_deletion(struct deletion_list *open, const char *id,
                         const char *outcome)
{
    struct deletion_line *d;
    STAILQ_FOREACH(d, open, link)
    if (strcmp(d->id, id) == 0)
        break;
    if (!d)
        return;
    print_deletion(d, outcome);
    STAILQ_REMOVE(open, d, deletion_line, link);
    line_free(d);
}

/* What isn't a line of ours, cut short by a crash say, is passed over. */
static void take_line(struct deletion_list *open, const char *line, size_t len)
{
    cleanup(free_line) struct deletion_line *d = calloc(1, sizeof(*d));
    cleanup(free_ptr) char *deleted = take_text(line, len, "deleted");
    cleanup(free_ptr) char *outcome = take_text(line, len, "outcome");
    if (deleted && outcome) {
        end_deletion(open, deleted, outcome);
        return;
    }
    if (!d)
        return;
    d->id = take_text(line, len, "deleting");
    d->at = take_text(line, len, "at");
    d->folder = take_text(line, len, "folder");
    if (!d->id || !d->at || !d->folder)
        return;
    STAILQ_INSERT_TAIL(open, d, link);
    d = NULL;
}

/* Takes whole lines off the front. */
static void take_lines(struct deletion_list *open, struct buf *text)
{
    char *at = text->data;
    char *end = at + text->len;
    for (char *stop; (stop = memchr(at, '\n', (size_t)(end - at)));
         at = stop + 1)
        take_line(open, at, (size_t)(stop - at));
    size_t left = (size_t)(end - at);
    memmove(text->data, at, left);
    buf_truncate(text, left);
}

/* The next part of the journal, appended; *ret_count 0 at its end. */
static enum exit_status read_part(int fd, const char *mount, size_t offset,
                                  struct command *question, struct buf *text,
                                  size_t *ret_count, struct buf *error)
{
    char word[32];
    (void)snprintf(word, sizeof(word), "%zu", offset);
    (void)command_put_words(question, &(char *){word}, 1);
    if (ioctl(fd, COMMAND_DELETED, question) < 0)
        return command_explain(mount, errno, error);
    size_t len = question->length < sizeof(question->text)
                     ? question->length
                     : sizeof(question->text);
    if (question->error) {
        (void)buf_appendf(error, "%s: %.*s", mount, (int)len, question->text);
        return EXIT_INTERNAL;
    }
    *ret_count = len;
    return buf_append(text, question->text, len) ? options_out_of_memory(error)
                                                 : EXIT_MOUNTED;
}

static enum exit_status read_all(int fd, const char *mount, bool json,
                                 struct deletion_list *open, struct buf *error)
{
    cleanup(free_ptr) struct command *question = malloc(sizeof(*question));
    cleanup(buf_done) struct buf text = {.max = LINE_MAX_BYTES};
    size_t offset = 0;
    size_t count = 1;
    enum exit_status status = EXIT_MOUNTED;
    if (!question)
        return options_out_of_memory(error);
    while (status == EXIT_MOUNTED && count > 0) {
        status = read_part(fd, mount, offset, question, &text, &count, error);
        if (status != EXIT_MOUNTED || !text.len)
            break;
        offset += count;
        if (json) {
            (void)fwrite(text.data, 1, text.len, stdout);
            buf_reset(&text);
        } else {
            take_lines(open, &text);
        }
    }
    return status;
}

enum exit_status deleted_command_run(int argc, char **argv, struct buf *error)
{
    struct deletion_list open = STAILQ_HEAD_INITIALIZER(open);
    bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
    if (argc != 2 + json || argv[1 + json][0] == '-') {
        (void)buf_append_str(error, "usage: twelvefs deleted [--json] MOUNT");
        return EXIT_USAGE;
    }
    cleanup(close_fd) int fd = command_open(argv[1 + json], error);
    if (fd < 0)
        return EXIT_MOUNT_POINT;
    enum exit_status status = read_all(fd, argv[1 + json], json, &open, error);
    for (struct deletion_line *d; (d = STAILQ_FIRST(&open));) {
        print_deletion(d, "unknown");
        STAILQ_REMOVE_HEAD(&open, link);
        line_free(d);
    }
    return fflush(stdout) ? EXIT_INTERNAL : status;
}
