/* SPDX-License-Identifier: MIT */
/*
 * status.h - how fresh and how frugal the mount is: as text for people, as
 * JSON, and as .twelvefs/status.json.
 *
 * OPEN isn't asked, so a file's size must be known before it is read. Each
 * look-up of status.json therefore finds an inode of its own, of one text that
 * doesn't change; the last STATUS_KEPT of them can be read. Any thread.
 */
#ifndef TWELVEFS_MOUNT_STATUS_H
#define TWELVEFS_MOUNT_STATUS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define STATUS_MAX_BYTES 16000
#define STATUS_KEPT      64

struct mount;
struct status_table;

/* Append. 0, -ENOMEM, -E2BIG. */
int status_json(struct mount *m, struct buf *out);
int status_summary(struct mount *m, struct buf *out);

int status_table_new(struct status_table **ret_table);
/* NULL is fine. */
void status_table_free(struct status_table *t);

/* Makes a text of status.json; answers its number, which is never another's,
 * and its size. */
int status_keep(struct status_table *t, struct mount *m, int64_t *ret_number,
                size_t *ret_size);
/* Appends a kept one. -ESTALE, -ENOMEM. */
int status_kept(struct status_table *t, int64_t number, struct buf *out);

#endif
