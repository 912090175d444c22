/* SPDX-License-Identifier: MIT */
#include "mount/pin.h"

#include <errno.h>
#include <pthread.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/cleanup.h"
#include "base/failpoint.h"

struct held_text {
    struct pin_text text; /* first: the face */
    unsigned references;  /* under the table's lock */
    char *url, *bytes;
};

struct pin {
    uint64_t number; /* first: tsearch's key */
    uint64_t lookups;
    uint32_t others; /* contents of one URL that were told before */
    struct media_content told;
    struct held_text *text;
    TAILQ_ENTRY(pin) link; /* while it holds a text */
};
TAILQ_HEAD(pin_list, pin);

struct pin_table {
    pthread_mutex_t lock;  /* guards everything below */
    void *by_number;       /* tsearch tree of struct pin */
    struct pin_list texts; /* the least recently used first */
    size_t text_count;
};

int pin_table_new(struct pin_table **ret_table)
{
    struct pin_table *t = calloc(1, sizeof(*t));
    if (!t)
        return -ENOMEM;
    (void)pthread_mutex_init(&t->lock, NULL);
    TAILQ_INIT(&t->texts);
    *ret_table = t;
    return 0;
}

/* ---- under the lock ------------------------------------------------------ */

static int pin_compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static struct pin *pin_find(const struct pin_table *t, uint64_t number)
{
    struct pin **found = tfind(&number, &t->by_number, pin_compare);
    return found ? *found : NULL;
}

static struct pin *pin_make(struct pin_table *t, uint64_t number)
{
    struct pin *p = calloc(1, sizeof(*p));
    if (!p)
        return NULL;
    p->number = number;
    p->told.size_bytes = -1;
    if (!tsearch(p, &t->by_number, pin_compare)) {
        free(p);
        return NULL;
    }
    return p;
}

static void text_unref(struct held_text *h)
{
    if (!h || --h->references > 0)
        return;
    free(h->url);
    free(h->bytes);
    free(h);
}

static void pin_drop_text(struct pin_table *t, struct pin *p)
{
    if (!p->text)
        return;
    TAILQ_REMOVE(&t->texts, p, link);
    t->text_count--;
    text_unref(p->text);
    p->text = NULL;
}

static void pin_free(struct pin_table *t, struct pin *p)
{
    pin_drop_text(t, p);
    (void)tdelete(p, &t->by_number, pin_compare);
    free(p);
}

/* ---- what was told ------------------------------------------------------- */

void pin_table_free(struct pin_table *t)
{
    if (!t)
        return;
    while (t->by_number)
        pin_free(t, *(struct pin **)t->by_number);
    (void)pthread_mutex_destroy(&t->lock);
    free(t);
}

/* The kernel has 32 bits for it. The same for the same URL, so that file
 * handles live longer than the inode does. */
static uint32_t pin_generation(const struct pin *p)
{
    return (uint32_t)(p->told.label ^ p->told.label >> 32) + p->others;
}

int pin_tell(struct pin_table *t, uint64_t number,
             const struct media_content *content, uint64_t *ret_generation)
{
    guard_mutex(&t->lock);
    struct pin *p = pin_find(t, number);
    bool fresh = !p;
    if (!p)
        p = pin_make(t, number);
    if (!p)
        return -ENOMEM;
    bool settled = media_content_is_known(&p->told);
    bool another = settled && media_content_differs(&p->told, content);
    if (another && p->told.label == content->label)
        p->others++;
    if (fresh || another || !settled)
        p->told = *content;
    p->lookups++;
    *ret_generation = pin_generation(p);
    return 0;
}

void pin_forget(struct pin_table *t, uint64_t number, uint64_t count)
{
    guard_mutex(&t->lock);
    struct pin *p = pin_find(t, number);
    if (!p)
        return;
    p->lookups -= count < p->lookups ? count : p->lookups;
    if (p->lookups == 0)
        pin_free(t, p);
}

bool pin_is_known(struct pin_table *t, uint64_t number)
{
    guard_mutex(&t->lock);
    return pin_find(t, number);
}

int pin_check(struct pin_table *t, uint64_t number,
              const struct media_content *content)
{
    guard_mutex(&t->lock);
    struct pin *p = pin_find(t, number);
    if (!p)
        return 0;
    if (!media_content_is_known(&p->told)) {
        p->told = *content;
        return 0;
    }
    if (failpoint("pin_mixture"))
        return 0;
    return media_content_differs(&p->told, content) ? -ESTALE : 0;
}

/* ---- texts --------------------------------------------------------------- */

static struct held_text *make_text(const char *url, char *bytes, size_t len)
{
    struct held_text *h = calloc(1, sizeof(*h));
    char *copy = strdup(url);
    if (!h || !copy) {
        free(bytes);
        free(copy);
        free(h);
        return NULL;
    }
    h->url = copy;
    h->bytes = bytes;
    h->text = (struct pin_text){.len = len, .url = copy, .bytes = bytes};
    h->references = 1;
    return h;
}

static void pin_hold_text(struct pin_table *t, struct pin *p,
                          struct held_text *h)
{
    pin_drop_text(t, p);
    if (t->text_count == PIN_TEXTS)
        pin_drop_text(t, TAILQ_FIRST(&t->texts));
    p->text = h;
    h->references++;
    TAILQ_INSERT_TAIL(&t->texts, p, link);
    t->text_count++;
}

int pin_put_text(struct pin_table *t, uint64_t number, const char *url,
                 char *bytes, size_t len, struct pin_text **ret_text)
{
    struct held_text *h = make_text(url, bytes, len);
    if (!h)
        return -ENOMEM;
    guard_mutex(&t->lock);
    struct pin *p = pin_find(t, number);
    if (p)
        pin_hold_text(t, p, h);
    *ret_text = &h->text;
    return 0;
}

struct pin_text *pin_get_text(struct pin_table *t, uint64_t number)
{
    guard_mutex(&t->lock);
    struct pin *p = pin_find(t, number);
    if (!p || !p->text)
        return NULL;
    TAILQ_REMOVE(&t->texts, p, link);
    TAILQ_INSERT_TAIL(&t->texts, p, link);
    p->text->references++;
    return &p->text->text;
}

void pin_unref_text(struct pin_table *t, struct pin_text *text)
{
    if (!text)
        return;
    guard_mutex(&t->lock);
    text_unref((struct held_text *)text);
}
