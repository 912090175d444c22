/* SPDX-License-Identifier: MIT */
/*
 * change.h - what people change in the account: tags on assets, and assets
 * deleted.
 *
 * A change is answered when the API has answered and the catalogue shows it:
 * a tag's asset was read again, a deleted one was removed. Whoever asks may stop
 * waiting: what waits for its turn is then not sent, what was sent goes on, and
 * the catalogue hears of it. A request that is repeated does no harm: PATCH
 * merges, and who is gone can't go again.
 *
 * Before a deletion leaves, the asset's whole object is in the journal
 * (journal.h), on the disk: nothing that twelvefs deletes is gone without a
 * trace.
 *
 * Threads: any may ask and cancel; `answer` is called once, on the module's own
 * thread, without a lock. Lock order: change's lock is a leaf.
 */
#ifndef TWELVEFS_CHANGE_H
#define TWELVEFS_CHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sync/sync.h"
#include "wire/api.h"

struct change;

struct change_config {
    const char *directory; /* of the journal; copied */
    bool force;            /* deletions: though others refer to the asset */
};

/* Borrows sync and api until change_free. */
int change_new(const struct change_config *config, struct sync *sync,
               struct api *api, struct change **ret_change);
/* Answers who waits with -ESHUTDOWN; what is under way is given up, and the
 * journal says so. Before sync and api are freed. NULL is fine. */
void change_free(struct change *c);

enum change_kind { CHANGE_TAG, CHANGE_DELETE };

/* All copied. */
struct change_question {
    enum change_kind kind;
    const char *id;
    const char *patch;  /* TAG: an object that tag_is_patch */
    const char *folder; /* DELETE: the asset's folder name, for the journal, */
    const char *body;   /* … and its exact object */
    size_t body_bytes;
};

/* 0, or -EACCES, -EAGAIN (the API's limit), -EBUSY (others refer to it),
 * -EDQUOT, -EINVAL (the API says why), -ENOENT (a tag's asset is gone; a
 * deletion's is done), -EIO, -ENOSPC (the journal can't be written, and nothing
 * was asked), -ETIMEDOUT, -ENETUNREACH, -EHOSTUNREACH, -ESHUTDOWN, -ENOMEM.
 * words: why, "" for 0; borrowed. */
typedef void change_answer_fn(void *ctx, int err, const char *words);

/* 0 and a ticket, or -ENOMEM, -ESHUTDOWN, -EAGAIN (past CHANGE_MAX of them);
 * then answer isn't called. */
#define CHANGE_MAX 4096
int change_ask(struct change *c, const struct change_question *question,
               int64_t deadline_ms, change_answer_fn *answer, void *ctx,
               uint64_t *ret_ticket);

/* True when its answer has not been and will not be called. */
bool change_cancel(struct change *c, uint64_t ticket);

/* Bytes of the journal from an offset on, as many as there are and fit. 0 with
 * their number, or -errno. Any thread. */
int change_read_journal(struct change *c, int64_t offset, char *out,
                        size_t size, size_t *ret_count);

#endif
