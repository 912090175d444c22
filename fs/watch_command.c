/* SPDX-License-Identifier: MIT */
#include "watch_command.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
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

static bool watch_print(const struct watch *w, const char *lines, size_t len)
{
    if (w->missed > 0)
        (void)printf("{\"kind\":\"lost\",\"events\":%" PRId64 "}\n", w->missed);
    (void)fwrite(lines, 1, len, stdout);
    return fflush(stdout) == 0;
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

    w->left = 0;
    *ret_over = true;
    if (*w->mount && watch_is_passing(w, err)) {
        *ret_over = false;
        return EXIT_MOUNTED;
    }
    if (err)
        return *w->mount && watch_has_ended(err) ? EXIT_MOUNTED
                                                 : watch_explain(w, err, error);
    if (!watch_take_head(w, mount, sizeof(mount), &lines, &len))
        return watch_explain(w, EINVAL, error);
    if (*w->mount && strcmp(mount, w->mount) != 0)
        return EXIT_MOUNTED; /* another mount has taken its place */
    memcpy(w->mount, mount, sizeof(w->mount));
    if (w->missed < 0)
        return watch_refuse_old(w, error);
    if (!watch_print(w, lines, len)) {
        (void)buf_appendf(error, "cannot write: %s", strerror(errno));
        return EXIT_INTERNAL;
    }
    *ret_over = false;
    return EXIT_MOUNTED;
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
        if (!over && w.left <= 0 && !watch_pause_between())
            over = true;
    }
    return status;
}
