/* SPDX-License-Identifier: MIT */
/*
 * metadata.h - an asset's exact object as the files that people read.
 *
 * Both forms keep every token as it was sent: 9007199254740993, 1e400, 0.10
 * and duplicate names come back as they are. Strings change in one way, which
 * loses nothing: a printable \u escape becomes its UTF-8, so that grep finds
 * it; escapes of control characters, quote, backslash, lone surrogates,
 * bidi overrides and noncharacters stay. No shared state: any thread.
 */
#ifndef TWELVEFS_METADATA_H
#define TWELVEFS_METADATA_H

#include <stddef.h>

#include "base/buf.h"
#include "json/scan.h"

/* metadata.json: indented by two, one member or element a line, empty
 * objects and arrays on one line, a final newline. 0, -EBADMSG, -ENOMEM,
 * -E2BIG. On failure `out` keeps what it held before. */
int metadata_render(const char *json, size_t len, struct buf *out);

/* The lengths of both forms without making them: of a whole value, 0 or
 * -EBADMSG; or token by token, after scan_accept has taken the token, for who
 * walks over it for other reasons too. */
struct metadata_sizes {
    size_t rendered, line;
    bool after_open; /* the token before opened a container */
};
void metadata_measure_token(struct metadata_sizes *m,
                            const struct scan_token *token,
                            const struct scan_grammar *after);
void metadata_measure_end(struct metadata_sizes *m);
int metadata_measure(const char *json, size_t len, size_t *ret_rendered,
                     size_t *ret_line);

/* A line of .assets.ndjson: no white space between tokens, a final newline. */
int metadata_line(const char *json, size_t len, struct buf *out);

#endif
