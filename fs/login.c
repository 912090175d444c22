/* SPDX-License-Identifier: MIT */
#include "login.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "explain.h"
#include "wire/api.h"
#include "wire/http.h"

#define KEY_LINE_MAX       4200
#define CONNECT_TIMEOUT_MS 10000
#define RPM                60

static const char login_help[] =
    "Usage: twelvefs login [NAME]\n"
    "Asks for the API key of the account NAME (or of the unnamed one), tries\n"
    "it, and saves it for `twelvefs [NAME:] MOUNTPOINT`.\n";

/* Asking for the key. */

/* A terminal that doesn't echo, until it is given back. */
struct quiet_terminal {
    bool changed;
    struct termios before;
};

static void terminal_hush(struct quiet_terminal *t)
{
    if (tcgetattr(STDIN_FILENO, &t->before) < 0)
        return;
    struct termios quiet = t->before;
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    t->changed = tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet) == 0;
}

static void terminal_restore(struct quiet_terminal *t)
{
    if (!t->changed)
        return;
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &t->before);
    (void)fputc('\n', stderr);
}

/* One line of stdin without its line break, or -EINTR for a signal: it must
 * not end us before the terminal echoes again. */
static int read_line(int signal_fd, char *line, size_t size)
{
    size_t len = 0;
    while (len < size - 1) {
        struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                               {.fd = signal_fd, .events = POLLIN}};
        if (poll(fds, array_count(fds), -1) < 0 && errno != EINTR)
            return -errno;
        if (fds[1].revents)
            return -EINTR;
        if (!fds[0].revents)
            continue;
        ssize_t got = read(STDIN_FILENO, line + len, 1);
        if (got < 0)
            return -errno;
        if (got == 0 || line[len] == '\n')
            break;
        len++;
    }
    line[len] = '\0';
    return 0;
}

static int ask_for_key(const struct options *o, char *line, size_t size)
{
    cleanup(terminal_restore) struct quiet_terminal terminal = {0};
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGQUIT);
    (void)sigaddset(&set, SIGTSTP);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    cleanup(close_fd) int signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
    if (signal_fd < 0)
        return -errno;
    if (isatty(STDIN_FILENO)) {
        (void)fprintf(stderr, "API key of %s: ", options_account_name(o));
        terminal_hush(&terminal);
    }
    return read_line(signal_fd, line, size);
}

static enum exit_status take_key(const struct options *o, char *line,
                                 size_t size, struct buf *error)
{
    int err = ask_for_key(o, line, size);
    if (err == -EINTR) {
        (void)buf_append_str(error, "stopped by a signal; nothing was saved");
        return EXIT_STOPPED;
    }
    if (err) {
        (void)buf_appendf(error, "cannot read the key: %s", strerror(-err));
        return EXIT_NO_KEY;
    }
    size_t len = strlen(line);
    while (len && strchr(" \t\r", line[len - 1]))
        line[--len] = '\0';
    if (options_is_key(line))
        return EXIT_MOUNTED;
    (void)buf_append_str(error, "not an API key: a key is printable ASCII "
                                "without spaces");
    return EXIT_NO_KEY;
}

/* Trying the key. */

struct trial {
    pthread_mutex_t lock;
    pthread_cond_t ended;
    bool done;
    int err;
    int64_t total; /* of assets; -1 unknown */
};

static void login_on_page(void *ctx, int err, struct page *page,
                          const struct api_answer *answer)
{
    struct trial *t = ctx;
    guard_mutex(&t->lock);
    t->done = true;
    t->err = err;
    t->total = err ? -1 : page->total_results;
    (void)pthread_cond_broadcast(&t->ended);
}

static int try_key(struct api *api, int64_t timeout_ms, int64_t *ret_total)
{
    struct trial t = {.lock = PTHREAD_MUTEX_INITIALIZER};
    const struct api_list list = {.page = 1, .page_limit = API_PAGE_LIMIT};
    clock_cond_init(&t.ended);
    int err =
        api_list_assets(api, &list, API_FOREGROUND, API_CAUSE_POLL,
                        clock_mono_ms() + timeout_ms, login_on_page, &t, NULL);
    if (!err) {
        guard_mutex(&t.lock);
        while (!t.done)
            (void)clock_cond_wait(&t.ended, &t.lock, CLOCK_NEVER_MS);
        err = t.err;
    }
    (void)pthread_cond_destroy(&t.ended);
    if (!err)
        *ret_total = t.total;
    return err;
}

DEFINE_CLEANUP(free_http, struct http *, http_free)
DEFINE_CLEANUP(free_api, struct api *, api_free)

static enum exit_status check_key(const struct options *o, const char *key,
                                  int64_t *ret_total, struct buf *error)
{
    const struct http_limits limits = {
        .max_host_connections = 1,
        .max_connections = 1,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .idle_timeout_ms = o->timeout_ms,
    };
    const struct api_config config = {
        .base_url = o->base_url,
        .key = key,
        .timeout_ms = o->timeout_ms,
        .rpm = RPM,
    };
    cleanup(free_http) struct http *http = NULL;
    cleanup(free_api) struct api *api = NULL;
    int err = http_new(&limits, &http);
    if (!err)
        err = api_new(http, &config, &api);
    if (err == -EINVAL)
        return explain_base_url(o, error);
    if (!err)
        err = try_key(api, o->timeout_ms, ret_total);
    if (err == -EACCES) {
        (void)buf_appendf(error,
                          "the API at %s refused the key; it was not "
                          "saved",
                          o->base_url);
        return EXIT_KEY_REFUSED;
    }
    if (!api)
        return explain_internal(err, error);
    return err ? explain_api(api, err, o, error) : EXIT_MOUNTED;
}

/* Saving the key. */

static enum exit_status keep_key(const struct options *o, const char *key,
                                 int64_t total, struct buf *error)
{
    cleanup(free_ptr) char *path = NULL;
    int err = options_key_path(o, &path);
    if (!err)
        err = file_replace_private(path, key);
    if (err) {
        (void)buf_appendf(error, "cannot save the key in %s: %s",
                          path ? path : o->config_dir, strerror(-err));
        return EXIT_NO_KEY;
    }
    (void)printf("The key works");
    if (total >= 0)
        (void)printf(" (%" PRId64 " assets)", total);
    (void)printf(" and is saved in %s\n", path);
    if (o->key_in_environment || o->configured_key.key_file ||
        o->configured_key.key_command)
        (void)printf("Note: %s names another key, which takes precedence\n",
                     o->key_in_environment ? "TWELVE_LABS_API_KEY"
                                           : "the configuration file");
    return EXIT_MOUNTED;
}

static enum exit_status log_in(const char *name, struct buf *error)
{
    cleanup(options_done) struct options o = {0};
    char key[KEY_LINE_MAX];
    int64_t total = -1;
    enum exit_status status = options_for_account(name, &o, error);
    if (status == EXIT_MOUNTED)
        status = take_key(&o, key, sizeof(key), error);
    if (status == EXIT_MOUNTED)
        status = check_key(&o, key, &total, error);
    if (status == EXIT_MOUNTED)
        status = keep_key(&o, key, total, error);
    explicit_bzero(key, sizeof(key));
    return status;
}

enum exit_status login_run(int argc, char **argv, struct buf *error)
{
    char *name = argc > 1 ? argv[1] : (char *)"";
    if (argc == 2 && (strcmp(name, "-h") == 0 || strcmp(name, "--help") == 0)) {
        (void)fputs(login_help, stdout);
        return EXIT_MOUNTED;
    }
    size_t len = strlen(name);
    if (len && name[len - 1] == ':')
        name[--len] = '\0'; /* as it is written for a mount */
    if (argc > 2 || (argc == 2 && !options_is_account_name(name, len))) {
        (void)buf_append_str(error, "usage: twelvefs login [NAME]; a name has "
                                    "letters, digits, '.', '_' and '-'");
        return EXIT_USAGE;
    }
    /* What goes wrong is said once, by us. */
    log_init(LOG_TO_STDERR, LOG_LEVEL_ERROR);
    return log_in(name, error);
}
