/* SPDX-License-Identifier: MIT */
/*
 * status.h - how fresh and how frugal the mount is: as text for people, and as
 * the JSON of .twelvefs/status.json. Any thread.
 */
#ifndef TWELVEFS_MOUNT_STATUS_H
#define TWELVEFS_MOUNT_STATUS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct mount;

/* Append. 0, -ENOMEM, -E2BIG. */
int status_json(struct mount *m, struct buf *out);
int status_summary(struct mount *m, struct buf *out);

#endif
