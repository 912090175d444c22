/* SPDX-License-Identifier: MIT */
/*
 * image.h - whether bytes are a picture, by what they begin with: JPEG, PNG,
 * GIF, WebP, AVIF, HEIC, BMP or TIFF. Whoever opens a thumbnail decides by its
 * bytes what it is: a playlist, a page or an SVG in its place would be
 * executed, or followed to other files. A pure function.
 */
#ifndef TWELVEFS_IMAGE_H
#define TWELVEFS_IMAGE_H

#include <stdbool.h>
#include <stddef.h>

bool image_is_one(const void *bytes, size_t len);

#endif
