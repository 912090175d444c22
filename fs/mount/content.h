/* SPDX-License-Identifier: MIT */
/*
 * content.h - the sized content that the kernel was told of, of the pictures
 * and playlists that it knows.
 *
 * OPEN is never asked, so a reader goes by the size that LOOKUP or GETATTR
 * told, and reads piece by piece. All pieces must be of what was told:
 *
 *  1. The first size that is told settles what an inode's content is (struct
 *     media_content). READ and GETATTR answer from nothing else; where the
 *     picture is another by now they are -ESTALE, and stay so.
 *  2. LOOKUP alone tells of another content, and gives it another generation:
 *     the kernel makes it another inode, with pages of its own, and whoever
 *     still reads the old one gets an error, never a mixture.
 *
 * No bytes of pictures are held, and no descriptors. A playlist's text is, of
 * the CONTENT_TEXTS used last, for its URL may be renewed between two looks.
 *
 * An entry lives from the first LOOKUP to the last FORGET. Any thread.
 */
#ifndef TWELVEFS_MOUNT_CONTENT_H
#define TWELVEFS_MOUNT_CONTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/lru.h"
#include "media/media.h"

#define CONTENT_TEXTS 128

struct content_table;

int content_table_new(struct content_table **ret_table);
/* NULL is fine. */
void content_table_free(struct content_table *t);

/* LOOKUP: the kernel is about to be told of this content, once more. 0 or
 * -ENOMEM. */
int content_tell(struct content_table *t, uint64_t ino,
                 const struct media_content *content, uint64_t *ret_generation);
/* FORGET, of as many LOOKUPs. */
void content_forget(struct content_table *t, uint64_t ino, uint64_t count);

/* Whether the kernel knows it. */
bool content_is_known(struct content_table *t, uint64_t ino);

/* GETATTR, READ: 0 when this is, or from now on is, what the kernel was told
 * (a size not known yet settles nothing); else -ESTALE. */
int content_check(struct content_table *t, uint64_t ino,
                  const struct media_content *content);

/* A playlist's text; whoever gets it has a reference. */
struct content_text {
    struct lru_entry kept;
    size_t len;
    char *url; /* what it was made from */
    char *bytes;
};

/* Takes bytes over, also on failure. In place of what was told before. */
int content_put_text(struct content_table *t, uint64_t ino, const char *url,
                     char *bytes, size_t len, struct content_text **ret_text);
/* NULL when it isn't held. */
struct content_text *content_get_text(struct content_table *t, uint64_t ino);
void content_unref_text(struct content_table *t, struct content_text *text);

#endif
