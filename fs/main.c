/* SPDX-License-Identifier: MIT */
/*
 * main.c - the process: parse, fork, start, tell the parent, wait.
 *
 * The fork comes before any thread or database exists; the parent waits on a
 * pipe for one byte of exit status and a line of text, and hands signals on.
 * In the daemon one thread takes them: TERM and INT unmount, or end the start;
 * HUP reads the key again.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "command.h"
#include "login.h"
#include "mount/notifier.h"
#include "mountpoint.h"
#include "notify_manager.h"
#include "options.h"
#include "progress.h"
#include "service.h"

#define LINE_MAX_BYTES 4096
#define PROGRESS_MS    250
#define NO_PARENT      (-1)

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

static enum exit_status main_complain(enum exit_status status,
                                      const struct buf *line)
{
    if (status != EXIT_MOUNTED)
        (void)fprintf(stderr, "twelvefs: %s\n", buf_str(line));
    return status;
}

/* Whatever is opened next would get the number of a standard stream that is
 * closed, and be written to, or put in its place: the cache's lock, say. */
static bool fill_standard_streams(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR); /* the lowest number that is free */
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        (void)close(fd);
    return fd >= 0;
}

/* The standard error may be closed: then nobody hears it. */
static enum exit_status main_say_no_null(void)
{
    int err = errno;
    (void)dprintf(STDERR_FILENO, "twelvefs: cannot open /dev/null: %s\n",
                  strerror(err));
    return EXIT_INTERNAL;
}

/* No core may hold the key, and no other process of this user may read it out
 * of our memory. The sanitizers need to look at themselves, though. */
static void keep_memory_private(void)
{
    const struct rlimit none = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &none);
#if !SANITIZED
    (void)prctl(PR_SET_DUMPABLE, 0);
#endif
}

static void block_signals(sigset_t *ret_set)
{
    (void)sigemptyset(ret_set);
    (void)sigaddset(ret_set, SIGTERM);
    (void)sigaddset(ret_set, SIGINT);
    (void)sigaddset(ret_set, SIGHUP);
    (void)pthread_sigmask(SIG_BLOCK, ret_set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a file's limit is a full disk: EFBIG */
}

struct signals {
    sigset_t set;
    struct service *service;
    const struct options *options;
    _Atomic bool mounted;
    _Atomic bool done;
};

static void reload_key(const struct signals *s)
{
    char *key = NULL;
    cleanup(buf_done) struct buf error = {.max = LINE_MAX_BYTES};
    if (options_read_key(s->options, &key, &error) != EXIT_MOUNTED)
        log_error("keeping the old key: %s", buf_str(&error));
    else if (service_set_key(s->service, key))
        log_error("keeping the old key: out of memory");
    else
        log_info("read the API key again");
    options_wipe_key(key);
}

/* Draws the first walk's progress; false when there is no more to draw. */
static bool draw_progress(struct service *service)
{
    cleanup(buf_done) struct buf line = {.max = LINE_MAX_BYTES};
    struct service_progress p;
    bool more = service_progress(service, &p);
    (void)progress_append_bar(&line, p.read, p.total);
    (void)fprintf(stderr, "\rtwelvefs: %s%s", buf_str(&line), more ? "" : "\n");
    return more;
}

/* Somebody sits before it: in the foreground, or waiting for --wait. */
static bool is_watched(const struct options *o)
{
    return (o->foreground || o->wait) && isatty(STDERR_FILENO);
}

static const char *main_explain_log(int err)
{
    return err == -EINVAL ? "it is not a regular file" : strerror(-err);
}

static void take_signal(struct signals *s, int number)
{
    int err = number == SIGHUP && s->options->log_file
                  ? log_to_file(s->options->log_file)
                  : 0;
    if (err)
        log_error("cannot reopen the log: %s", main_explain_log(err));
    if (number == SIGHUP && !s->options->key_in_environment)
        reload_key(s);
    else if (number == SIGTERM || number == SIGINT ||
             (number == SIGHUP && s->options->foreground &&
              !s->options->log_file))
        service_stop(s->service);
}

static void *take_signals(void *ctx)
{
    struct signals *s = ctx;
    bool watching = is_watched(s->options);
    while (!s->done) {
        const struct timespec pause = {.tv_nsec = PROGRESS_MS * 1000000L};
        int number = watching ? sigtimedwait(&s->set, NULL, &pause)
                              : sigwaitinfo(&s->set, NULL);
        if (number > 0)
            take_signal(s, number);
        if (watching && s->mounted)
            watching = draw_progress(s->service);
    }
    return NULL;
}

/* False: nobody waits for the mount any more. */
static bool tell_parent(int fd, enum exit_status status, const struct buf *line)
{
    char byte = (char)status;
    return write(fd, &byte, 1) == 1 &&
           write(fd, buf_str(line), line->len) == (ssize_t)line->len;
}

/* The terminal and the start directory belong to the parent. */
static void leave_terminal(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; null >= 0 && fd <= 2; fd++)
        (void)dup2(null, fd);
    if (null > 2)
        (void)close(null);
    if (chdir("/") < 0)
        log_warning("cannot leave the start directory: %s", strerror(errno));
}

/* What whoever mounted is told. */
static void describe_mount(struct service *service, struct buf *line)
{
    struct service_progress p;
    bool reading = service_progress(service, &p);
    (void)buf_append_str(line, reading ? "mounted; reading " : "mounted; ");
    (void)buf_append_count(line, p.total >= 0 ? p.total : p.read);
    (void)buf_append_str(line,
                         p.total < 0 && reading ? " assets so far" : " assets");
}

/* --wait. Where that fails it is unmounted again. */
static enum exit_status wait_for_all(struct service *service,
                                     const struct options *o, struct buf *line)
{
    enum exit_status status = service_wait_complete(service, o, line);
    if (status != EXIT_MOUNTED) {
        cleanup(buf_done) struct buf end = {.max = LINE_MAX_BYTES};
        service_stop(service);
        (void)service_wait(service, o, &end);
    }
    return status;
}

static void tell_manager_complete(void *ctx)
{
    cleanup(buf_done) struct buf line = {.max = LINE_MAX_BYTES};
    (void)buf_append_str(&line, "STATUS=");
    describe_mount(ctx, &line);
    notify_manager(buf_str(&line));
}

static void tell_manager_ready(struct service *service, const char *line)
{
    notify_manager_ready(line);
    service_when_complete(service, tell_manager_complete, service);
}

/* Until it is unmounted. The parent is told no more after this. A session of
 * its own begins only with the mount: an automount point lets in nobody but the
 * process group that the mount was asked of (autofs(5)). */
static enum exit_status main_stay(const struct options *o,
                                  struct service *service, int *parent_fd,
                                  struct buf *line)
{
    if (*parent_fd != NO_PARENT)
        (void)setsid();
    if (*parent_fd == NO_PARENT) {
        tell_manager_ready(service, buf_str(line));
    } else if (tell_parent(*parent_fd, EXIT_MOUNTED, line)) {
        (void)close(*parent_fd);
        *parent_fd = NO_PARENT;
        leave_terminal();
        tell_manager_ready(service, buf_str(line));
    } else {
        log_warning("whoever mounted %s is gone; unmounting it", o->mountpoint);
        service_stop(service);
    }
    buf_reset(line);
    enum exit_status status = service_wait(service, o, line);
    notify_manager("STOPPING=1");
    if (status != EXIT_MOUNTED && !o->foreground)
        log_error("%s", buf_str(line)); /* stderr is gone */
    return status;
}

static bool logs_to_stderr(const struct options *o)
{
    return o->foreground && !o->log_file;
}

/* Signals are taken from the time on when there is something to stop. */
static enum exit_status main_run(const struct options *o,
                                 struct signals *signals, int *parent_fd,
                                 struct buf *line)
{
    pthread_t taker;
    int err = pthread_create(&taker, NULL, take_signals, signals);
    if (err) {
        (void)buf_appendf(line, "cannot start a thread: %s", strerror(err));
        return EXIT_INTERNAL;
    }
    enum exit_status status = service_start(signals->service, o, line);
    const char *notice = service_notice(signals->service);
    if (status == EXIT_MOUNTED && notice && !logs_to_stderr(o))
        (void)fprintf(stderr, "twelvefs: %s\n", notice);
    signals->mounted = status == EXIT_MOUNTED;
    if (status == EXIT_MOUNTED && o->wait)
        status = wait_for_all(signals->service, o, line);
    if (status == EXIT_MOUNTED) {
        describe_mount(signals->service, line);
        status = main_stay(o, signals->service, parent_fd, line);
    }
    signals->done = true;
    /* It waits for it: it is blocked everywhere. */
    (void)pthread_kill(taker, SIGTERM); /* NOLINT(bugprone-bad-signal*) */
    (void)pthread_join(taker, NULL);
    return status;
}

static enum exit_status main_serve(const struct options *o, char *key,
                                   int parent_fd)
{
    struct signals signals = {.options = o};
    cleanup(buf_done) struct buf line = {.max = LINE_MAX_BYTES};
    block_signals(&signals.set);
    log_init(o->log_file     ? LOG_TO_FILE
             : o->foreground ? LOG_TO_STDERR
                             : LOG_TO_SYSLOG,
             o->log_level);
    enum exit_status status = service_new(o, key, &signals.service, &line);
    options_wipe_key(key);
    if (status == EXIT_MOUNTED)
        status = main_run(o, &signals, &parent_fd, &line);
    service_free(signals.service);
    if (parent_fd == NO_PARENT)
        return main_complain(status, &line);
    if (status != EXIT_MOUNTED)
        (void)tell_parent(parent_fd, status, &line);
    return status;
}

/* Ctrl-C and the like are the child's: it has the mount to take back. False
 * once it said something, or ended. */
static bool hand_on_signal(int pipe_fd, int signal_fd, pid_t child)
{
    struct pollfd fds[] = {{.fd = pipe_fd, .events = POLLIN},
                           {.fd = signal_fd, .events = POLLIN}};
    struct signalfd_siginfo signal;
    if (poll(fds, 2, -1) < 0)
        return errno == EINTR;
    if (fds[1].revents && read(signal_fd, &signal, sizeof(signal)) > 0)
        (void)kill(child, SIGTERM);
    return !fds[0].revents;
}

/* What the child says, or that it died without a word. */
static enum exit_status await_child(int pipe_fd, int signal_fd, pid_t child)
{
    char byte;
    cleanup(buf_done) struct buf line = {.max = LINE_MAX_BYTES};
    while (hand_on_signal(pipe_fd, signal_fd, child))
        ;
    if (read(pipe_fd, &byte, 1) != 1) {
        int status;
        (void)waitpid(child, &status, 0);
        (void)buf_append_str(&line, "the daemon ended before it was ready");
        return main_complain(EXIT_INTERNAL, &line);
    }
    char text[512];
    ssize_t got;
    while ((got = read(pipe_fd, text, sizeof(text))) > 0)
        if (buf_append(&line, text, (size_t)got))
            break;
    if (byte == EXIT_MOUNTED && isatty(STDERR_FILENO))
        (void)fprintf(stderr, "twelvefs: %s\n", buf_str(&line));
    return main_complain((enum exit_status)byte, &line);
}

static enum exit_status serve_in_background(const struct options *o, char *key)
{
    cleanup(buf_done) struct buf line = {.max = LINE_MAX_BYTES};
    sigset_t set;
    int ends[2];
    block_signals(&set);
    cleanup(close_fd) int signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
    if (signal_fd < 0 || pipe2(ends, O_CLOEXEC) < 0) {
        options_wipe_key(key);
        (void)buf_appendf(&line, "cannot create a pipe: %s", strerror(errno));
        return main_complain(EXIT_INTERNAL, &line);
    }
    pid_t child = fork();
    if (child == 0) {
        (void)close(ends[0]);
        close_fd(&signal_fd);
        return main_serve(o, key, ends[1]);
    }
    (void)close(ends[1]);
    options_wipe_key(key);
    if (child < 0) {
        (void)buf_appendf(&line, "cannot fork: %s", strerror(errno));
        (void)close(ends[0]);
        return main_complain(EXIT_INTERNAL, &line);
    }
    enum exit_status status = await_child(ends[0], signal_fd, child);
    (void)close(ends[0]);
    return status;
}

static enum exit_status open_log(const struct options *o, struct buf *error)
{
    int err = o->log_file ? log_to_file(o->log_file) : 0;
    if (!err)
        return EXIT_MOUNTED;
    (void)buf_appendf(error, "log_file=: cannot open %s: %s", o->log_file,
                      main_explain_log(err));
    return EXIT_USAGE;
}

/* What can be known to be wrong before the fork. */
static enum exit_status main_prepare(struct options *o, char **ret_key,
                                     struct buf *error)
{
    enum exit_status status = options_read_key(o, ret_key, error);
    if (status == EXIT_MOUNTED && mountpoint_resolve(&o->mountpoint)) {
        (void)buf_append_str(error, "out of memory");
        status = EXIT_INTERNAL;
    }
    if (status == EXIT_MOUNTED)
        status = mountpoint_check(o->mountpoint, error);
    return status == EXIT_MOUNTED ? open_log(o, error) : status;
}

static void print_version(void)
{
    cleanup(buf_done) struct buf text = {.max = LINE_MAX_BYTES};
    if (service_version(&text) == 0)
        (void)fputs(buf_str(&text), stdout);
}

int main(int argc, char **argv)
{
    cleanup(options_done) struct options options = {0};
    cleanup(buf_done) struct buf error = {.max = LINE_MAX_BYTES};
    if (!fill_standard_streams())
        return main_say_no_null();
    keep_memory_private();
    if (argc > 0 && strcmp(argv[0], NOTIFIER_NAME) == 0) {
        notifier_main();
        return EXIT_MOUNTED;
    }
    log_init(LOG_TO_STDERR, LOG_LEVEL_INFO);
    (void)umask(077);

    if (command_is(argc, argv))
        return main_complain(command_run(argc, argv, &error), &error);
    if (argc > 1 && strcmp(argv[1], "login") == 0)
        return main_complain(login_run(argc - 1, argv + 1, &error), &error);
    enum exit_status status = options_parse(argc, argv, &options, &error);
    if (status != EXIT_MOUNTED)
        return main_complain(status, &error);
    if (options.help || options.version) {
        if (options.help)
            (void)fputs(options_help, stdout);
        else
            print_version();
        return EXIT_MOUNTED;
    }
    if (options.remount)
        return main_complain(mountpoint_remount(&options, &error), &error);
    char *key = NULL;
    status = main_prepare(&options, &key, &error);
    if (status != EXIT_MOUNTED || options.fake) {
        options_wipe_key(key);
        return main_complain(status, &error);
    }
    status = options.foreground ? main_serve(&options, key, NO_PARENT)
                                : serve_in_background(&options, key);
    return (int)status;
}
