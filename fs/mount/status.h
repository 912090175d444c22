/*
 * status.h - the text of .twelvefs/status.json: how fresh and how frugal the
 * mount is.
 *
 * It is padded with spaces to a fixed size, its newline last, so that one READ
 * gives one consistent text whatever its size was when stat looked.
 */
#ifndef TWELVEFS_MOUNT_STATUS_H
#define TWELVEFS_MOUNT_STATUS_H

#include "mount/attr.h"

struct mount;

/* 0, or -ENOMEM. Any thread. */
int status_text(struct mount *m, char out[ATTR_STATUS_BYTES]);

#endif
