/*
 * pin.h - what .media/ promised: the pictures and playlists whose size the
 * kernel was told, kept until they were read.
 *
 * A picture's size is learnt at GETATTR, by fetching it; the READs that follow
 * must find the same bytes, whatever the cache's limit or a renewed URL did
 * meanwhile. At most PIN_MAX are kept, the least recently used gives way; the
 * kernel's FORGET and a change of the asset drop them too. Any thread.
 */
#ifndef TWELVEFS_MOUNT_PIN_H
#define TWELVEFS_MOUNT_PIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "media/media.h"

#define PIN_MAX 128

struct pin_table;

struct pin {
    uint64_t number;         /* of its inode */
    struct media_file *file; /* of a picture; else NULL */
    char *text;              /* of a playlist; else NULL */
    size_t text_len;
    int64_t fetched_s; /* when the playlist's URL was received */
    char *url;         /* what it was made from */
};

int pin_table_new(struct pin_table **ret_table);
void pin_table_free(struct pin_table *t);

/* Keeps a picture or playlist in place of an earlier one of this number, and
 * answers it with a reference. Takes file or text over, also on failure. */
int pin_put(struct pin_table *t, uint64_t number, const char *url,
            struct media_file *file, char *text, size_t text_len,
            int64_t fetched_s, struct pin **ret_pin);

/* With a reference; NULL when it isn't kept. */
struct pin *pin_get(struct pin_table *t, uint64_t number);
void pin_unref(struct pin_table *t, struct pin *p);
void pin_drop(struct pin_table *t, uint64_t number);

#endif
