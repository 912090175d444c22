/* SPDX-License-Identifier: MIT */
/*
 * content.h - what the kernel was told of the pictures and playlists that it knows.
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
 * the PIN_TEXTS used last, for its URL may be renewed between two looks.
 *
 * An entry lives from the first LOOKUP to the last FORGET. Any thread.
 */
#ifndef TWELVEFS_MOUNT_CONTENT_H
#define TWELVEFS_MOUNT_CONTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "media/media.h"

#define PIN_TEXTS 128

struct pin_table;

int pin_table_new(struct pin_table **ret_table);
void pin_table_free(struct pin_table *t);

/* LOOKUP: the kernel is about to be told of this content, once more. 0 or
 * -ENOMEM. */
int pin_tell(struct pin_table *t, uint64_t number,
             const struct media_content *content, uint64_t *ret_generation);
/* FORGET, of as many LOOKUPs. */
void pin_forget(struct pin_table *t, uint64_t number, uint64_t count);

/* Whether the kernel knows it. */
bool pin_is_known(struct pin_table *t, uint64_t number);

/* GETATTR, READ: 0 when this is, or from now on is, what the kernel was told
 * (a size not known yet settles nothing); else -ESTALE. */
int pin_check(struct pin_table *t, uint64_t number,
              const struct media_content *content);

/* A playlist's text; whoever gets it has a reference. */
struct pin_text {
    size_t len;
    const char *url; /* what it was made from */
    const char *bytes;
};

/* Takes bytes over, also on failure. In place of what was told before. */
int pin_put_text(struct pin_table *t, uint64_t number, const char *url,
                 char *bytes, size_t len, struct pin_text **ret_text);
/* NULL when it isn't held. */
struct pin_text *pin_get_text(struct pin_table *t, uint64_t number);
void pin_unref_text(struct pin_table *t, struct pin_text *text);

#endif
