/* SPDX-License-Identifier: MIT */
/*
 * journal.h - deleted.ndjson: what was deleted, for good.
 *
 * Two lines a deletion, each a JSON object: before the request leaves, on the
 * disk when journal_begin returns,
 *   {"deleting":ID,"at":TIME,"folder":NAME,"force":BOOL,"metadata":OBJECT}
 * and when its end is known
 *   {"deleted":ID,"at":TIME,"outcome":"gone"|"kept"|"unknown","words":TEXT}
 * A line may be cut short by a crash; the next one begins on a line of its own.
 * The file is beside the catalogue and isn't thrown away with it; it is the
 * user's alone, and grows by what is deleted. Whoever takes it away (to rotate
 * it) gets a new one with the next line. One thread writes; any may read.
 */
#ifndef TWELVEFS_CHANGE_JOURNAL_H
#define TWELVEFS_CHANGE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JOURNAL_NAME "deleted.ndjson"

struct journal {
    char *path;
    int fd; /* -1 until something is deleted */
};

/* Nothing is opened. -ENOMEM. */
int journal_init(struct journal *j, const char *directory);
void journal_done(struct journal *j);

/* 0, or -errno: then the asset must stay. */
int journal_begin(struct journal *j, const char *id, const char *folder,
                  bool force, const char *body, size_t body_bytes);

enum journal_outcome { JOURNAL_GONE, JOURNAL_KEPT, JOURNAL_UNKNOWN };
int journal_end(struct journal *j, const char *id, enum journal_outcome outcome,
                const char *words);

/* No journal yet: 0 bytes. */
int journal_read(const struct journal *j, int64_t offset, char *out,
                 size_t size, size_t *ret_count);

#endif
