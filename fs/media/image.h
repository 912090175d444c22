/* SPDX-License-Identifier: MIT */
/*
 * image.h - whether bytes are a picture, by what they begin with: JPEG, PNG,
 * GIF, WebP, AVIF, HEIC, BMP or TIFF. Programs that open a thumbnail decide by
 * its bytes what it is. If a playlist, a web page or an SVG came instead, they
 * might execute it or follow it to other files. A pure function.
 */
#ifndef TWELVEFS_IMAGE_H
#define TWELVEFS_IMAGE_H

#include <stdbool.h>
#include <stddef.h>

bool image_is_one(const void *bytes, size_t len);

#endif
