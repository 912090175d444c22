/* SPDX-License-Identifier: MIT */
/*
 * fs_ops_command.c - what `twelvefs COMMAND` asks (command.h), as requests like
 * all others: parked while they wait, ended by a signal or their deadline.
 */
#include "mount/fs_ops.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "json/tag.h"
#include "mount/command.h"
#include "mount/status.h"
#include "upload/upload.h"

static int reply(struct request *r, int error, const char *text, size_t len)
{
    cleanup(free_ptr) struct command *answer = calloc(1, sizeof(*answer));
    if (!answer)
        return -ENOMEM;
    if (len > sizeof(answer->text))
        len = sizeof(answer->text);
    answer->version = COMMAND_VERSION;
    answer->error = -error;
    answer->length = (uint32_t)len;
    memcpy(answer->text, text, len);
    (void)fuse_reply_ioctl(r->req, 0, answer, sizeof(*answer));
    return 0;
}

static int refuse(struct request *r, int error, const char *why)
{
    return reply(r, error, why, strlen(why));
}

static int reply_text(struct request *r,
                      int (*append)(struct mount *m, struct buf *out))
{
    cleanup(buf_done) struct buf text = {.max = COMMAND_TEXT_BYTES};
    int err = append(r->mount, &text);
    return err ? err : reply(r, 0, buf_str(&text), text.len);
}

static int run_status(struct request *r)
{
    return reply_text(r, status_summary);
}

static int run_status_json(struct request *r)
{
    return reply_text(r, status_json);
}

/* Names may be long: the last ones give way. */
static int run_refresh(struct request *r)
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
    return err && err != -E2BIG ? err : reply(r, 0, buf_str(&text), text.len);
}

/* The directory that lists what a saved query narrows, held. */
static int find_place(struct request *r, struct view_hold *hold)
{
    struct node n;
    int err = fs_node(r->mount, r->ino, &n, hold);
    if (err)
        return err;
    return n.kind == NODE_VIEW && view_is_listing(hold->view) ? 0 : -ENOTDIR;
}

static const char not_a_place[] = "not a directory that lists assets";

static bool is_component(const char *name)
{
    return *name && !strchr(name, '/') && strcmp(name, ".") != 0 &&
           strcmp(name, "..") != 0;
}

/* The kernel, which wasn't asked for it, must know before we say that it is
 * done. */
static int finish_change(struct request *r, const struct view *v)
{
    if (r->asked & REQUEST_ASKED_FLUSH)
        return reply(r, 0, "", 0);
    fs_link_changed(r->mount, v);
    notify_link(r->mount->notify, v->number, r->name);
    return park_flush(r);
}

static int run_save(struct request *r)
{
    cleanup(view_hold_done) struct view_hold hold = {0};
    int err = find_place(r, &hold);
    if (err)
        return err == -ENOTDIR ? refuse(r, err, not_a_place) : err;
    if (request_has_asked(r, SYNC_LINK_ADD))
        return finish_change(r, hold.view);
    if (!is_component(r->name))
        return refuse(r, -EINVAL, "that can't be a name");
    const char *why = NULL;
    err = fs_link_check(r, hold.view, &why);
    if (err)
        return why ? refuse(r, err, why) : err;
    return park_ask(r, &(struct sync_question){.want = SYNC_LINK_ADD,
                                               .place = hold.view->place,
                                               .text = r->name,
                                               .target = r->text});
}

static int run_forget(struct request *r)
{
    struct mount *m = r->mount;
    cleanup(view_hold_done) struct view_hold hold = {0};
    int err = find_place(r, &hold);
    if (err)
        return err == -ENOTDIR ? refuse(r, err, not_a_place) : err;
    if (request_has_asked(r, SYNC_LINK_REMOVE))
        return finish_change(r, hold.view);
    cleanup(release_reader) struct catalogue_reader *reader =
        catalogue_reader_acquire(m->catalogue);
    if (!reader)
        return -ENOMEM;
    struct catalogue_link link;
    err = catalogue_link_get(reader, hold.view->place, r->name, &link);
    if (err)
        return err == -ENOENT ? refuse(r, err, "no query is saved under it")
                              : err;
    return park_ask(r, &(struct sync_question){.want = SYNC_LINK_REMOVE,
                                               .place = hold.view->place,
                                               .text = r->name});
}

static const char not_changed[] = "the mount is read-only: mount it with -o rw";

static int run_tag(struct request *r)
{
    const char *words = r->words && r->words[0] ? r->words : NULL;
    if (!r->mount->change)
        return refuse(r, -EROFS, not_changed);
    if (r->asked & REQUEST_ASKED_FLUSH)
        return reply(r, 0, "", 0);
    if (r->asked & REQUEST_ASKED_CHANGE && !r->answer)
        return park_flush(r);
    if (r->asked & REQUEST_ASKED_CHANGE)
        return r->answer == -EINTR || r->answer == -ESHUTDOWN
                   ? r->answer
                   : refuse(r, r->answer, words ? words : strerror(-r->answer));
    if (!tag_is_patch(r->name, strlen(r->name)))
        return refuse(r, -EINVAL, "no keys and values that the API can keep");
    r->tolerant = true;
    int err = fs_tag(r, r->name);
    return err == -ENOTDIR ? refuse(r, err, "not an asset's folder") : err;
}

static int run_deleted(struct request *r)
{
    struct mount *m = r->mount;
    char *end;
    long long offset = strtoll(r->name, &end, 10);
    if (!m->change)
        return refuse(r, -EROFS, not_changed);
    if (*end || offset < 0)
        return -EINVAL;
    cleanup(free_ptr) char *text = malloc(COMMAND_TEXT_BYTES);
    size_t count;
    if (!text)
        return -ENOMEM;
    int err = change_read_journal(m->change, offset, text, COMMAND_TEXT_BYTES,
                                  &count);
    return err ? err : reply(r, 0, text, count);
}

static int run_uploads(struct request *r)
{
    struct mount *m = r->mount;
    char *end;
    long long skip = strtoll(r->name, &end, 10);
    cleanup(buf_done) struct buf text = {.max = COMMAND_TEXT_BYTES};
    if (!m->upload)
        return refuse(r, -EROFS,
                      "nothing goes up: mount it with -o upload=DIR");
    if (*end || skip < 0)
        return -EINVAL;
    int err = upload_list(m->upload, (size_t)skip, &text);
    return err ? err : reply(r, 0, buf_str(&text), text.len);
}

/* Points at the question's words; false when they aren't there. */
static bool take_words(const struct command *question, const char **words,
                       size_t count)
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

static bool may_command(const struct request *r)
{
    uid_t asker = fuse_req_ctx(r->req)->uid;
    return asker == 0 || asker == getuid() || asker == r->mount->owner.uid;
}

void fs_command(struct request *r, unsigned number, const void *bytes,
                size_t size)
{
    static const struct {
        unsigned number;
        request_fn *run;
        size_t words;
    } commands[] = {{COMMAND_REFRESH, run_refresh, 0},
                    {COMMAND_STATUS, run_status, 0},
                    {COMMAND_STATUS_JSON, run_status_json, 0},
                    {COMMAND_SAVE, run_save, 2},
                    {COMMAND_FORGET, run_forget, 1},
                    {COMMAND_TAG, run_tag, 1},
                    {COMMAND_DELETED, run_deleted, 1},
                    {COMMAND_UPLOADS, run_uploads, 1}};
    const struct command *question = bytes;
    const char *words[2] = {NULL, NULL};
    size_t i = 0;
    while (i < array_count(commands) && commands[i].number != number)
        i++;
    int err = 0;
    if (i == array_count(commands))
        err = -ENOTTY;
    else if (!may_command(r))
        err = -EPERM;
    else if (size < sizeof(*question) || question->version != COMMAND_VERSION ||
             !take_words(question, words, commands[i].words))
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
