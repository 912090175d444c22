/* SPDX-License-Identifier: MIT */
/*
 * object.h - an asset's object to its record, in one pass over its bytes.
 *
 * The pass finds the object's end, checks its grammar, takes the fields that
 * twelvefs itself needs, measures the files that people read, and tells which
 * field names there are. No shared state: any thread.
 */
#ifndef TWELVEFS_OBJECT_H
#define TWELVEFS_OBJECT_H

#include "base/asset.h"
#include "json/scan.h"

/* The object that comes next; the scanner stands behind it afterwards, and
 * where it stood on failure. -EBADMSG when there is none that is well formed,
 * -E2BIG past the depth, -ENOMEM. */
int object_read(struct scan *s, struct asset *ret_asset);

#endif
