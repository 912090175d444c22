/* SPDX-License-Identifier: MIT */
#include "mount/content.h"

#include <errno.h>
#include <pthread.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/failpoint.h"

struct content {
    uint64_t ino; /* first: tsearch's key */
    uint64_t lookups;
    uint32_t others; /* contents of one URL that were told before */
    struct media_content told;
};

struct content_table {
    pthread_mutex_t lock; /* guards by_ino, and what is in there */
    void *by_ino;         /* tsearch tree of struct content */
    struct lru texts;     /* of those in by_ino */
};

static void content_destroy_text(struct lru_entry *e)
{
    struct content_text *text = (struct content_text *)e;
    free(text->url);
    free(text->bytes);
    free(text);
}

int content_table_new(struct content_table **ret_table)
{
    struct content_table *t = calloc(1, sizeof(*t));
    if (!t)
        return -ENOMEM;
    (void)pthread_mutex_init(&t->lock, NULL);
    lru_init(&t->texts, CONTENT_TEXTS, SIZE_MAX, content_destroy_text);
    *ret_table = t;
    return 0;
}

/* These four under the lock. */

static int content_compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static struct content *content_find(const struct content_table *t, uint64_t ino)
{
    struct content **found = tfind(&ino, &t->by_ino, content_compare);
    return found ? *found : NULL;
}

static struct content *content_make(struct content_table *t, uint64_t ino)
{
    struct content *c = calloc(1, sizeof(*c));
    if (!c)
        return NULL;
    c->ino = ino;
    c->told.size_bytes = -1;
    if (!tsearch(c, &t->by_ino, content_compare)) {
        free(c);
        return NULL;
    }
    return c;
}

static void content_free(struct content_table *t, struct content *c)
{
    lru_drop(&t->texts, c->ino, 0);
    (void)tdelete(c, &t->by_ino, content_compare);
    free(c);
}

void content_table_free(struct content_table *t)
{
    if (!t)
        return;
    while (t->by_ino)
        content_free(t, *(struct content **)t->by_ino);
    lru_done(&t->texts);
    (void)pthread_mutex_destroy(&t->lock);
    free(t);
}

/* The kernel has 32 bits for it. The same for the same URL, so that file
 * handles live longer than the inode does. */
static uint32_t content_generation(const struct content *c)
{
    return (uint32_t)(c->told.label ^ c->told.label >> 32) + c->others;
}

int content_tell(struct content_table *t, uint64_t ino,
                 const struct media_content *content, uint64_t *ret_generation)
{
    guard_mutex(&t->lock);
    struct content *c = content_find(t, ino);
    bool is_new = !c;
    if (!c)
        c = content_make(t, ino);
    if (!c)
        return -ENOMEM;
    bool settled = media_content_is_known(&c->told);
    bool another = settled && media_content_differs(&c->told, content);
    if (another && c->told.label == content->label)
        c->others++;
    if (is_new || another || !settled)
        c->told = *content;
    c->lookups++;
    *ret_generation = content_generation(c);
    return 0;
}

void content_forget(struct content_table *t, uint64_t ino, uint64_t count)
{
    guard_mutex(&t->lock);
    struct content *c = content_find(t, ino);
    if (!c)
        return;
    c->lookups -= count < c->lookups ? count : c->lookups;
    if (c->lookups == 0)
        content_free(t, c);
}

bool content_is_known(struct content_table *t, uint64_t ino)
{
    guard_mutex(&t->lock);
    return content_find(t, ino);
}

int content_check(struct content_table *t, uint64_t ino,
                  const struct media_content *content)
{
    guard_mutex(&t->lock);
    struct content *c = content_find(t, ino);
    if (!c)
        return 0;
    if (!media_content_is_known(&c->told)) {
        c->told = *content;
        return 0;
    }
    if (failpoint("content_mixture"))
        return 0;
    return media_content_differs(&c->told, content) ? -ESTALE : 0;
}

int content_put_text(struct content_table *t, uint64_t ino, const char *url,
                     char *bytes, size_t len, struct content_text **ret_text)
{
    struct content_text *text = calloc(1, sizeof(*text));
    char *copy = strdup(url);
    if (!text || !copy) {
        free(bytes);
        free(copy);
        free(text);
        return -ENOMEM;
    }
    *text = (struct content_text){.kept = {.key = {ino, 0}, .refs = 1},
                                  .len = len,
                                  .url = copy,
                                  .bytes = bytes};
    guard_mutex(&t->lock);
    lru_drop(&t->texts, ino, 0);
    *ret_text = text;
    if (content_find(t, ino))
        *ret_text = (struct content_text *)lru_put(&t->texts, &text->kept);
    return 0;
}

struct content_text *content_get_text(struct content_table *t, uint64_t ino)
{
    return (struct content_text *)lru_get(&t->texts, ino, 0);
}

void content_unref_text(struct content_table *t, struct content_text *text)
{
    lru_unref(&t->texts, text ? &text->kept : NULL);
}
