/* SPDX-License-Identifier: MIT */
#include "tag_command.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "command_ask.h"
#include "json/tag.h"

#define TAG_THREADS     8
#define TAG_FIRST_MS    1000
#define TAG_MOST_MS     30000
#define TAG_PATIENCE_MS 900000
#define ERROR_MAX       1000

static const char usage[] =
    "usage: twelvefs tag FOLDER... KEY=VALUE... KEY-...";

/* What the threads share. */
struct tagging {
    pthread_mutex_t lock;
    char **folders;
    size_t count;
    size_t next, done, failed; /* under lock */
    int64_t progress_ms;       /* under lock: when one was last done */
    enum exit_status status;   /* under lock: of one that failed */
    bool watched;              /* a person sees how far it is */
    char *patch;
};

/* The words. */

static bool is_directory(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* How many words are folders: all before "--", else as many as are there. */
static size_t count_folders(int argc, char **argv, bool *ret_marked)
{
    for (int i = 0; i < argc; i++) {
        *ret_marked = strcmp(argv[i], "--") == 0;
        if (*ret_marked)
            return (size_t)i;
    }
    int count = 0;
    while (count < argc && is_directory(argv[count]))
        count++;
    return (size_t)count;
}

static enum exit_status refuse_word(const char *word, struct buf *error)
{
    bool has_slash = strchr(word, '/');
    (void)buf_append_str(error, word);
    (void)buf_append_str(
        error, has_slash
                   ? ": no such folder; where it is meant as KEY=VALUE, put "
                     "-- between folders and keys"
                   : ": neither a folder nor KEY=VALUE, nor KEY- after that "
                     "or after --");
    return EXIT_USAGE;
}

static enum exit_status add_word(struct buf *patch, char *word, bool marked,
                                 struct buf *error)
{
    char *equals = strchr(word, '=');
    size_t len = strlen(word);
    if (strchr(word, '/') && !marked)
        return refuse_word(word, error);
    bool removes = !equals && len > 1 && word[len - 1] == '-';
    if (!equals && !removes)
        return refuse_word(word, error);
    *(equals ? equals : word + len - 1) = '\0';
    const char *value = equals ? equals + 1 : NULL;
    int err = tag_append(patch, word, value, value ? strlen(value) : 0);
    if (err == -EINVAL)
        (void)buf_appendf(error,
                          "%s: the API refuses a key or value that is empty "
                          "or isn't UTF-8",
                          word);
    else if (err)
        (void)buf_append_str(error, "too many changes at once");
    return err ? EXIT_USAGE : EXIT_MOUNTED;
}

static bool has_value(int count, char **words)
{
    for (int i = 0; i < count; i++)
        if (strchr(words[i], '='))
            return true;
    return false;
}

static enum exit_status make_patch(int count, char **words, bool marked,
                                   char **ret_patch, struct buf *error)
{
    cleanup(buf_done) struct buf patch = {.max = COMMAND_TEXT_BYTES - 1};
    enum exit_status status = EXIT_MOUNTED;
    /* Before KEY=VALUE it may be a folder "x-" that has just vanished. */
    if (!marked && has_value(count, words) && !strchr(words[0], '='))
        return refuse_word(words[0], error);
    if (count == 0)
        (void)buf_append_str(error, usage);
    for (int i = 0; status == EXIT_MOUNTED && i < count; i++) {
        status = add_word(&patch, words[i], marked, error);
        for (int j = 0; status == EXIT_MOUNTED && j < i; j++)
            if (strcmp(words[i], words[j]) == 0) { /* cut to their keys */
                (void)buf_appendf(error, "%s: given twice", words[i]);
                status = EXIT_USAGE;
            }
    }
    if (status != EXIT_MOUNTED || count == 0)
        return EXIT_USAGE;
    *ret_patch = tag_end(&patch) ? NULL : buf_steal(&patch, NULL);
    return *ret_patch ? EXIT_MOUNTED : options_out_of_memory(error);
}

/* The folders. */

/* A command isn't stopped by what the kernel refuses: by mount -o remount,ro,
 * say, or a bind mount of it that is read-only. */
static bool is_read_only(int fd)
{
    struct statvfs st;
    return fstatvfs(fd, &st) == 0 && st.f_flag & ST_RDONLY;
}

/* The errno, positive, with a line in why; 0. */
static int ask_once(const struct tagging *t, const char *folder,
                    struct command *question, enum exit_status *ret_status,
                    struct buf *why)
{
    cleanup(close_fd) int fd = command_open(folder, why);
    *ret_status = EXIT_MOUNT_POINT;
    if (fd < 0) { /* one that vanished is no other mount */
        if (access(folder, F_OK) < 0 && errno == ENOENT)
            *ret_status = EXIT_INTERNAL;
        return EIO;
    }
    if (is_read_only(fd)) {
        (void)buf_appendf(why, "%s: %s (mount it with -o rw)", folder,
                          strerror(EROFS));
        return EROFS;
    }
    (void)command_put_words(question, &(char *){t->patch}, 1);
    if (ioctl(fd, COMMAND_TAG, question) < 0) {
        int err = errno;
        *ret_status = command_explain(folder, err, why);
        return err;
    }
    size_t len = question->length < sizeof(question->text)
                     ? question->length
                     : sizeof(question->text);
    if (!question->error)
        return 0;
    *ret_status = EXIT_INTERNAL;
    (void)buf_appendf(why, "%s: %.*s", folder, (int)len, question->text);
    return question->error;
}

static bool has_patience(struct tagging *t)
{
    guard_mutex(&t->lock);
    return clock_mono_ms() - t->progress_ms < TAG_PATIENCE_MS;
}

static void pause_ms(int64_t ms)
{
    const struct timespec wait = {.tv_sec = ms / 1000,
                                  .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&wait, NULL);
}

static void tag_show(const struct tagging *t)
{
    if (t->watched)
        (void)fprintf(stderr, "\rtagged %zu of %zu", t->done, t->count);
}

static void tag_folder(struct tagging *t, const char *folder,
                       struct command *question)
{
    enum exit_status status;
    cleanup(buf_done) struct buf why = {.max = ERROR_MAX};
    int err = ask_once(t, folder, question, &status, &why);
    for (int64_t wait_ms = TAG_FIRST_MS;
         (err == EAGAIN || err == ETIMEDOUT) && has_patience(t);) {
        pause_ms(wait_ms);
        wait_ms = 2 * wait_ms < TAG_MOST_MS ? 2 * wait_ms : TAG_MOST_MS;
        buf_reset(&why);
        err = ask_once(t, folder, question, &status, &why);
    }
    guard_mutex(&t->lock);
    if (!err) {
        t->done++;
        t->progress_ms = clock_mono_ms();
    } else {
        t->failed++;
        t->status = status;
        (void)fprintf(stderr, "%s%s\n", t->watched ? "\r" : "", buf_str(&why));
    }
    tag_show(t);
}

static void *tag_run(void *ctx)
{
    struct tagging *t = ctx;
    cleanup(free_ptr) struct command *question = malloc(sizeof(*question));
    for (;;) {
        const char *folder;
        {
            guard_mutex(&t->lock);
            if (!question || t->next == t->count)
                return NULL;
            folder = t->folders[t->next++];
        }
        tag_folder(t, folder, question);
    }
}

/* A folder that is given twice is one. */
static void drop_repeated(struct tagging *t)
{
    size_t kept = 0;
    for (size_t i = 0; i < t->count; i++) {
        size_t j = 0;
        while (j < kept && strcmp(t->folders[j], t->folders[i]) != 0)
            j++;
        if (j == kept)
            t->folders[kept++] = t->folders[i];
    }
    t->count = kept;
}

static void tag_all(struct tagging *t)
{
    pthread_t threads[TAG_THREADS - 1];
    size_t started = 0;
    while (started < array_count(threads) && started + 1 < t->count &&
           pthread_create(&threads[started], NULL, tag_run, t) == 0)
        started++;
    (void)tag_run(t);
    for (size_t i = 0; i < started; i++)
        (void)pthread_join(threads[i], NULL);
}

enum exit_status tag_command_run(int argc, char **argv, struct buf *error)
{
    bool marked = false;
    size_t count = count_folders(argc - 1, argv + 1, &marked);
    int keys = 1 + (int)count + marked;
    const char *first = argc > 1 ? argv[1] : NULL;
    if (count == 0 && first && !marked)
        return refuse_word(first, error);
    if (count == 0) {
        (void)buf_append_str(error, usage);
        return EXIT_USAGE;
    }
    struct tagging t = {.lock = PTHREAD_MUTEX_INITIALIZER,
                        .folders = argv + 1,
                        .count = count,
                        .progress_ms = clock_mono_ms(),
                        .status = EXIT_INTERNAL,
                        .watched = isatty(STDERR_FILENO)};
    enum exit_status status =
        make_patch(argc - keys, argv + keys, marked, &t.patch, error);
    if (status != EXIT_MOUNTED)
        return status;
    drop_repeated(&t);
    tag_all(&t);
    free(t.patch);
    if (t.watched)
        (void)fputc('\n', stderr);
    (void)printf("tagged %zu of %zu\n", t.done, t.count);
    if (t.done == t.count)
        return EXIT_MOUNTED;
    (void)buf_appendf(error, "%zu of %zu were not tagged", t.count - t.done,
                      t.count);
    return t.status;
}
