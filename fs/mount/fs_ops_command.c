/* SPDX-License-Identifier: MIT */
/*
 * fs_ops_command.c - what `twelvefs COMMAND` asks (command.h), as requests like
 * all others: parked while they wait, ended by a signal or their deadline.
 */
#include "mount/fs_ops.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "json/tag.h"
#include "mount/command.h"
#include "mount/status.h"
#include "upload/upload.h"

#define NS_PER_S         1000000000
#define WATCH_HEAD_BYTES 128 /* of the answer's first line, at most */

static int command_reply(struct request *r, int err, const char *text,
                         size_t len)
{
    cleanup(free_ptr) struct command *answer = calloc(1, sizeof(*answer));
    if (!answer)
        return -ENOMEM;
    if (len > sizeof(answer->text))
        len = sizeof(answer->text);
    answer->version = COMMAND_VERSION;
    answer->error = -err;
    answer->length = (uint32_t)len;
    memcpy(answer->text, text, len);
    (void)fuse_reply_ioctl(r->req, 0, answer, sizeof(*answer));
    return 0;
}

static int command_refuse(struct request *r, int err, const char *why)
{
    return command_reply(r, err, why, strlen(why));
}

static int command_reply_text(struct request *r,
                              int (*append)(struct mount *m, struct buf *out))
{
    cleanup(buf_done) struct buf text = {.max = COMMAND_TEXT_BYTES};
    int err = append(r->mount, &text);
    return err ? err : command_reply(r, 0, buf_str(&text), text.len);
}

static int command_run_status(struct request *r)
{
    return command_reply_text(r, status_summary);
}

static int command_run_status_json(struct request *r)
{
    return command_reply_text(r, status_json);
}

/* Names may be long: if there is no room the last ones are left out. */
static int command_run_refresh(struct request *r)
{
    struct mount *m = r->mount;
    if (!request_has_asked(r, SYNC_POLL)) {
        history_now(m->history, &r->since);
        return park_ask(r, &(struct sync_question){.want = SYNC_POLL});
    }
    if (!(r->asked & REQUEST_ASKED_FLUSH))
        return park_flush(r);
    cleanup(buf_done) struct buf text = {.max = COMMAND_TEXT_BYTES};
    int err = history_text(m->history, &r->since, &text);
    return err && err != -E2BIG ? err
                                : command_reply(r, 0, buf_str(&text), text.len);
}

/* The directory that a query is saved in; the caller releases it. */
static int command_find_view(struct request *r, struct tree_node *ret_node)
{
    int err = tree_find(&r->mount->tree, r->ino, ret_node);
    if (err)
        return err;
    return ret_node->id.kind == NODE_VIEW && view_is_listing(ret_node->view)
               ? 0
               : -ENOTDIR;
}

static const char not_a_listing[] = "not a directory that lists assets";

static bool command_is_component(const char *name)
{
    return *name && !strchr(name, '/') && strcmp(name, ".") != 0 &&
           strcmp(name, "..") != 0;
}

/* The change came by an ioctl, so the kernel doesn't know of it: it must be
 * told before we reply that it is done. */
static int command_finish_change(struct request *r, const struct view *v)
{
    if (r->asked & REQUEST_ASKED_FLUSH)
        return command_reply(r, 0, "", 0);
    tree_saved_changed(&r->mount->tree, v);
    notify_saved(r->mount->notify, v->number, r->name);
    return park_flush(r);
}

static int command_run_save(struct request *r)
{
    cleanup(tree_node_done) struct tree_node n = {0};
    int err = command_find_view(r, &n);
    if (err)
        return err == -ENOTDIR ? command_refuse(r, err, not_a_listing) : err;
    if (request_has_asked(r, SYNC_LINK_ADD))
        return command_finish_change(r, n.view);
    if (!command_is_component(r->name))
        return command_refuse(r, -EINVAL, "that can't be a name");
    const char *why = NULL;
    err = fs_saved_check(r, n.view, &why);
    if (err)
        return why ? command_refuse(r, err, why) : err;
    return park_ask(r, &(struct sync_question){.want = SYNC_LINK_ADD,
                                               .place = n.view->path,
                                               .text = r->name,
                                               .target = r->text});
}

static int command_run_forget(struct request *r)
{
    struct mount *m = r->mount;
    cleanup(tree_node_done) struct tree_node n = {0};
    int err = command_find_view(r, &n);
    if (err)
        return err == -ENOTDIR ? command_refuse(r, err, not_a_listing) : err;
    if (request_has_asked(r, SYNC_LINK_REMOVE))
        return command_finish_change(r, n.view);
    cleanup(release_reader) struct catalogue_reader *reader =
        catalogue_reader_acquire(m->catalogue);
    if (!reader)
        return -ENOMEM;
    struct catalogue_link link;
    err = catalogue_link_get(reader, n.view->path, r->name, &link);
    if (err)
        return err == -ENOENT
                   ? command_refuse(r, err, "no query is saved under it")
                   : err;
    return park_ask(r, &(struct sync_question){.want = SYNC_LINK_REMOVE,
                                               .place = n.view->path,
                                               .text = r->name});
}

static const char not_changed[] = "the mount is read-only: mount it with -o rw";

static int command_run_tag(struct request *r)
{
    const char *words = r->words && r->words[0] ? r->words : NULL;
    if (!r->mount->change)
        return command_refuse(r, -EROFS, not_changed);
    if (r->asked & REQUEST_ASKED_FLUSH)
        return command_reply(r, 0, "", 0);
    if (r->asked & REQUEST_ASKED_CHANGE && !r->answer)
        return park_flush(r);
    if (r->asked & REQUEST_ASKED_CHANGE)
        return r->answer == -EINTR || r->answer == -ESHUTDOWN
                   ? r->answer
                   : command_refuse(r, r->answer,
                                    words ? words : strerror(-r->answer));
    if (!tag_is_patch(r->name, strlen(r->name)))
        return command_refuse(r, -EINVAL,
                              "no keys and values that the API can keep");
    r->tolerant = true;
    int err = fs_tag(r, r->name);
    return err == -ENOTDIR ? command_refuse(r, err, "not an asset's folder")
                           : err;
}

static int command_run_deleted(struct request *r)
{
    struct mount *m = r->mount;
    char *end;
    long long offset = strtoll(r->name, &end, 10);
    if (!m->change)
        return command_refuse(r, -EROFS, not_changed);
    if (*end || offset < 0)
        return -EINVAL;
    cleanup(free_ptr) char *text = malloc(COMMAND_TEXT_BYTES);
    size_t count;
    if (!text)
        return -ENOMEM;
    int err = change_read_journal(m->change, offset, text, COMMAND_TEXT_BYTES,
                                  &count);
    return err ? err : command_reply(r, 0, text, count);
}

/* The first event to send, from the question's second word (command.h); false
 * when that is malformed. */
static bool command_read_position(const char *word, int64_t *ret_seq,
                                  int64_t *ret_since)
{
    char *end = NULL;
    *ret_seq = *ret_since = -1;
    if (strcmp(word, "now") == 0)
        return true;
    if (strncmp(word, "at ", 3) == 0)
        *ret_seq = strtoll(word + 3, &end, 10);
    else if (strncmp(word, "since ", 6) == 0)
        *ret_since = strtoll(word + 6, &end, 10);
    return end && !*end && (*ret_seq > 0 || *ret_since >= 0);
}

/* Whether nothing was known before `since` that a log without its first events
 * lacks: it was never cut, and that moment is not before it and this mount
 * began. Moments come without their fractions (date -Is). */
static bool command_log_reaches(const struct catalogue_log *log,
                                int64_t started_ns, int64_t since_ns)
{
    bool empty = log->first == log->next;
    int64_t begin_ns = started_ns;
    if (!empty && since_ns >= log->first_ns)
        return true;
    if (!empty && log->first_ns < started_ns)
        begin_ns = log->first_ns;
    return log->first == CATALOGUE_LOG_FIRST &&
           since_ns >= begin_ns - begin_ns % NS_PER_S;
}

/* The first event to send, and how many before it are lost. */
static int command_find_start(struct catalogue_reader *reader,
                              int64_t started_ns,
                              const struct catalogue_log *log, const char *word,
                              int64_t *ret_seq, int64_t *ret_missed)
{
    int64_t seq, since;
    if (!command_read_position(word, &seq, &since))
        return -EINVAL;
    *ret_missed = 0;
    if (seq > 0) {
        *ret_seq = seq < log->first ? log->first : seq;
        *ret_missed = *ret_seq - seq;
        return 0;
    }
    *ret_seq = log->next;
    if (since < 0)
        return 0;
    if (!command_log_reaches(log, started_ns, since)) {
        *ret_missed = -1;
        return 0;
    }
    return catalogue_log_seek(reader, log, since, ret_seq);
}

static int command_run_watch(struct request *r)
{
    struct mount *m = r->mount;
    cleanup(release_reader) struct catalogue_reader *reader =
        catalogue_reader_acquire(m->catalogue);
    cleanup(buf_done) struct buf lines = {.max = COMMAND_TEXT_BYTES -
                                                 WATCH_HEAD_BYTES};
    cleanup(buf_done) struct buf text = {.max = COMMAND_TEXT_BYTES};
    struct catalogue_log log;
    char number[32];
    int64_t seq = 0, missed = 0;
    if (!reader)
        return -ENOMEM;
    (void)snprintf(number, sizeof(number), "%" PRId64, m->tree.started_ns);
    int err = catalogue_log_bounds(reader, &log);
    if (!err)
        err = command_find_start(reader, m->tree.started_ns, &log, r->text,
                                 &seq, &missed);
    if (!err && missed >= 0 && (!*r->name || strcmp(r->name, number) == 0))
        err = catalogue_log_read(reader, seq, &lines, &seq);
    if (!err)
        err = buf_appendf(
            &text, "%s %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 "\n%s",
            number, seq, log.next - seq, missed, log.first_ns, buf_str(&lines));
    return err ? err : command_reply(r, 0, buf_str(&text), text.len);
}

static int command_run_uploads(struct request *r)
{
    struct mount *m = r->mount;
    char *end;
    long long skip = strtoll(r->name, &end, 10);
    cleanup(buf_done) struct buf text = {.max = COMMAND_TEXT_BYTES};
    if (!m->upload)
        return command_refuse(r, -EROFS,
                              "nothing goes up: mount it with -o upload=DIR");
    if (*end || skip < 0)
        return -EINVAL;
    int err = upload_list(m->upload, (size_t)skip, &text);
    return err ? err : command_reply(r, 0, buf_str(&text), text.len);
}

/* Points at the question's words; false when they aren't there. */
static bool command_take_words(const struct command *question,
                               const char **words, size_t count)
{
    size_t at = 0;
    if (question->length > sizeof(question->text))
        return false;
    for (size_t i = 0; i < count; i++) {
        const char *word = question->text + at;
        const char *end = memchr(word, '\0', question->length - at);
        if (!end)
            return false;
        words[i] = word;
        at = (size_t)(end - question->text) + 1;
    }
    return true;
}

static bool command_is_allowed(const struct request *r)
{
    uid_t asker = fuse_req_ctx(r->req)->uid;
    return asker == 0 || asker == getuid() || asker == r->mount->tree.uid;
}

void fs_command(struct request *r, unsigned number, const void *bytes,
                size_t size)
{
    static const struct {
        unsigned number;
        request_fn *run;
        size_t words;
    } commands[] = {{COMMAND_REFRESH, command_run_refresh, 0},
                    {COMMAND_STATUS, command_run_status, 0},
                    {COMMAND_STATUS_JSON, command_run_status_json, 0},
                    {COMMAND_SAVE, command_run_save, 2},
                    {COMMAND_FORGET, command_run_forget, 1},
                    {COMMAND_TAG, command_run_tag, 1},
                    {COMMAND_DELETED, command_run_deleted, 1},
                    {COMMAND_WATCH, command_run_watch, 2},
                    {COMMAND_UPLOADS, command_run_uploads, 1}};
    const struct command *question = bytes;
    const char *words[2] = {NULL, NULL};
    size_t i = 0;
    while (i < array_count(commands) && commands[i].number != number)
        i++;
    int err = 0;
    if (i == array_count(commands))
        err = -ENOTTY;
    else if (!command_is_allowed(r))
        err = -EPERM;
    else if (size < sizeof(*question) || question->version != COMMAND_VERSION ||
             !command_take_words(question, words, commands[i].words))
        err = -EINVAL;
    if (err) {
        (void)fuse_reply_err(r->req, -err);
        return;
    }
    r->run = commands[i].run;
    r->name = words[0];
    r->text = words[1];
    request_serve(r);
}
