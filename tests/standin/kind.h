/* SPDX-License-Identifier: MIT */
/* What a file is, by its name's extension and its first bytes. Pure. */
#ifndef STANDIN_KIND_H
#define STANDIN_KIND_H

#include <stdbool.h>
#include <stddef.h>

#include "generate.h"

#define KIND_HEAD 64 /* bytes that suffice to tell */

/* The MIME type that an extension stands for; NULL for none that is taken. */
const char *kind_mime(const char *filename);
/* Whether content that begins so can be what its MIME type says. */
bool kind_matches(const char *mime, const char *head, size_t n);

#endif
