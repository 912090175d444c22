/* SPDX-License-Identifier: MIT */
#include "watch_command.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "command_ask.h"
#include "json/event.h"

#define NS_PER_S  1000000000
#define NS_PER_MS 1000000
#define PAUSE_MS  1000 /* between two questions when there is nothing new */

static const char usage[] = "usage: twelvefs watch [--since TIME] MOUNT";

struct watch {
    const char *path;
    char mount[32];   /* its number, once it is known */
    char place[48];   /* where to go on, as the question has it */
    bool was_dead;    /* the last question found no daemon */
    bool passes;      /* … or failed in a way that will pass */
    int64_t left;     /* of the last answer: events that it had no room for, */
    int64_t missed;   /* … that the log has lost, */
    int64_t first_ns; /* … and how far it goes back */
    struct command *question;
};

/* The digits behind the seconds, which clock_parse_rfc3339 passes over. */
static int64_t watch_fraction_ns(const char *text)
{
    const char *digit = strchr(text, '.');
    int64_t ns = 0;

    for (int64_t unit = NS_PER_S / 10; digit && unit > 0; unit /= 10) {
        digit++;
        if (*digit < '0' || *digit > '9')
            break;
        ns += unit * (*digit - '0');
    }
    return ns;
}

/* A moment, or how long ago one was. */
static bool watch_parse_since(const char *text, int64_t *ret_ns)
{
    int64_t s, ms, now_ns = clock_wall_ns();

    if (clock_parse_rfc3339(text, strlen(text), &s) == 0)
        *ret_ns = s * NS_PER_S + watch_fraction_ns(text);
    else if (options_duration(text, &ms) == 0)
        *ret_ns = now_ns - ms * NS_PER_MS;
    else
        return false;
    return *ret_ns >= 0 && *ret_ns <= now_ns;
}

static enum exit_status
watch_parse_arguments(int argc, char **argv, struct watch *w, struct buf *error)
{
    int64_t since_ns;
    int at = 1;

    (void)snprintf(w->place, sizeof(w->place), "now");
    if (at + 1 < argc && strcmp(argv[at], "--since") == 0) {
        if (!watch_parse_since(argv[at + 1], &since_ns)) {
            (void)buf_appendf(error,
                              "--since: invalid time '%.80s' (use one past, "
                              "2026-08-01T10:30:00Z, or how long ago it was: "
                              "30s, 5m, 1h, 1d)",
                              argv[at + 1]);
            return EXIT_USAGE;
        }
        (void)snprintf(w->place, sizeof(w->place), "since %" PRId64, since_ns);
        at += 2;
    }
    if (at < argc && strcmp(argv[at], "--") == 0)
        at++;
    else if (at < argc && argv[at][0] == '-')
        at = argc;
    if (argc - at != 1) {
        (void)buf_append_str(error, usage);
        return EXIT_USAGE;
    }
    w->path = argv[at];
    return EXIT_MOUNTED;
}

/* Takes the answer's first line; ret_lines: what follows. False: it isn't what
 * this program understands. */
static bool watch_take_head(struct watch *w, char *mount, size_t mount_size,
                            const char **ret_lines, size_t *ret_len)
{
    struct command *c = w->question;
    char *end =
        c->length < sizeof(c->text) ? memchr(c->text, '\n', c->length) : NULL;
    char number[sizeof(w->mount)];
    int64_t seq;

    if (!end)
        return false;
    *end = '\0';
    if (sscanf(c->text, /* NOLINT(cert-err34-c): the daemon's numbers */
               "%31s %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64, number,
               &seq, &w->left, &w->missed, &w->first_ns) != 5)
        return false;
    (void)snprintf(mount, mount_size, "%s", number);
    (void)snprintf(w->place, sizeof(w->place), "at %" PRId64, seq);
    *ret_lines = end + 1;
    *ret_len = c->length - (size_t)(end + 1 - c->text);
    return true;
}

/* Nothing stays open. 0 or an errno, positive. */
static int watch_ask(struct watch *w)
{
    char *words[] = {w->mount, w->place};
    cleanup(close_fd) int fd =
        open(w->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return errno;
    if (!command_put_words(w->question, words, array_count(words)))
        return E2BIG;
    return ioctl(fd, COMMAND_WATCH, w->question) < 0 ? errno : 0;
}

/* What a failed question means once others were answered: the directory below
 * (ENOTTY), or none, is a mount that has ended. */
static bool watch_has_ended(int err)
{
    return err == ENOTTY || err == ENOENT || err == ENOTDIR;
}

/* While a mount ends its daemon may be gone a moment earlier. */
static bool watch_is_passing(struct watch *w, int err)
{
    bool first = err == ENOTCONN && !w->was_dead;

    w->was_dead = err == ENOTCONN;
    return first || err == EINTR || err == ECONNABORTED || err == ESHUTDOWN;
}

static enum exit_status watch_explain(const struct watch *w, int err,
                                      struct buf *error)
{
    if (err != ENOTCONN)
        return command_explain(w->path, err, error);
    (void)buf_appendf(error, "%s: the mount's daemon died", w->path);
    return EXIT_MOUNT_POINT;
}

static enum exit_status watch_refuse_old(const struct watch *w,
                                         struct buf *error)
{
    char time[EVENT_TIME_SIZE];

    event_format_time(w->first_ns, time);
    if (w->first_ns)
        (void)buf_appendf(
            error, "--since: the log of changes goes back to %s only", time);
    else
        (void)buf_append_str(error,
                             "--since: the log of changes begins when the "
                             "account has been read for the first time");
    return EXIT_TOO_OLD;
}

/* As many whole lines as a pipe takes as one, or the first. */
static size_t watch_portion(const char *lines, size_t len)
{
    const char *end;

    if (!lines || len <= PIPE_BUF)
        return len;
    end = memrchr(lines, '\n', PIPE_BUF);
    if (!end)
        end = memchr(lines, '\n', len);
    return end ? (size_t)(end + 1 - lines) : len;
}

/* Whoever ends it while its reader is slow finds no line torn, but for one that
 * is longer than PIPE_BUF. */
static int watch_write(const char *lines, size_t len)
{
    int err = 0;

    while (!err && len) {
        size_t portion = watch_portion(lines, len);
        err = file_write_all(STDOUT_FILENO, lines, portion);
        lines += portion;
        len -= portion;
    }
    return err;
}

static int watch_write_lost(int64_t events)
{
    char line[64];
    int len = snprintf(line, sizeof(line),
                       "{\"kind\":\"lost\",\"events\":%" PRId64 "}\n", events);

    return events > 0 ? watch_write(line, (size_t)len) : 0;
}

static int watch_print(const struct watch *w, const char *lines, size_t len)
{
    int err = watch_write_lost(w->missed);

    return err ? err : watch_write(lines, len);
}

static enum exit_status watch_explain_write(int err, struct buf *error)
{
    if (!err)
        return EXIT_MOUNTED;
    (void)buf_appendf(error, "cannot write: %s", strerror(-err));
    return EXIT_INTERNAL;
}

/* The mount has ended before all was told: `left` is what its last answer had
 * no room for. */
static enum exit_status watch_end(int64_t left, struct buf *error)
{
    return watch_explain_write(watch_write_lost(left), error);
}

/* False when whoever read the output has gone. */
static bool watch_pause_between(void)
{
    struct pollfd output = {.fd = STDOUT_FILENO};

    return poll(&output, 1, PAUSE_MS) <= 0 ||
           !(output.revents & (POLLERR | POLLHUP));
}

/* One question and its lines. *ret_over: that was the last. */
static enum exit_status watch_once(struct watch *w, bool *ret_over,
                                   struct buf *error)
{
    char mount[sizeof(w->mount)];
    const char *lines;
    size_t len = 0;
    int err = watch_ask(w);
    int64_t left = w->left;

    w->passes = *w->mount && watch_is_passing(w, err);
    *ret_over = !w->passes;
    if (w->passes)
        return EXIT_MOUNTED;
    if (err)
        return *w->mount && watch_has_ended(err) ? watch_end(left, error)
                                                 : watch_explain(w, err, error);
    if (!watch_take_head(w, mount, sizeof(mount), &lines, &len))
        return watch_explain(w, EINVAL, error);
    if (*w->mount && strcmp(mount, w->mount) != 0)
        return watch_end(left, error); /* another has taken its place */
    memcpy(w->mount, mount, sizeof(w->mount));
    if (w->missed < 0)
        return watch_refuse_old(w, error);
    err = watch_print(w, lines, len);
    *ret_over = err != 0;
    return watch_explain_write(err, error);
}

enum exit_status watch_command_run(int argc, char **argv, struct buf *error)
{
    cleanup(free_ptr) struct command *question = malloc(sizeof(*question));
    struct watch w = {.question = question};
    bool over = false;
    enum exit_status status = watch_parse_arguments(argc, argv, &w, error);

    if (!question)
        return options_out_of_memory(error);
    while (status == EXIT_MOUNTED && !over) {
        status = watch_once(&w, &over, error);
        if (!over && (w.passes || w.left <= 0) && !watch_pause_between())
            over = true;
    }
    return status;
}
