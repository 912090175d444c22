/* SPDX-License-Identifier: MIT */
/* Pictures that tell assets apart at a glance: colours and shapes from the
 * id, the filename as a caption. The same id and name give the same bytes.
 * Any thread. */
#ifndef STANDIN_PICTURE_H
#define STANDIN_PICTURE_H

#include "buf.h"

enum picture_format { PICTURE_JPEG, PICTURE_PNG, PICTURE_WEBP };

/* Appends the picture, returns its media type; out->failed on failure. */
const char *picture_draw(const char *id, const char *caption,
                         enum picture_format format, struct buf *out);

#endif
