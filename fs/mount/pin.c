#include "mount/pin.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

struct held {
    struct pin pin;
    uint64_t used;
    int refs; /* guarded by the table's lock */
};

struct pin_table {
    pthread_mutex_t lock; /* guards everything below */
    struct held *held[PIN_MAX];
    uint64_t tick;
};

int pin_table_new(struct pin_table **ret_table)
{
    struct pin_table *t = calloc(1, sizeof(*t));
    if (!t)
        return -ENOMEM;
    (void)pthread_mutex_init(&t->lock, NULL);
    *ret_table = t;
    return 0;
}

static void unref(struct held *h)
{
    if (!h || --h->refs > 0)
        return;
    media_file_unref(h->pin.file);
    free(h->pin.text);
    free(h->pin.url);
    free(h);
}

void pin_table_free(struct pin_table *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < PIN_MAX; i++)
        unref(t->held[i]);
    (void)pthread_mutex_destroy(&t->lock);
    free(t);
}

/* Its own place, else an empty one, else the least recently used one's. */
static size_t find_place(const struct pin_table *t, uint64_t number)
{
    size_t best = 0;
    for (size_t i = 0; i < PIN_MAX; i++) {
        if (t->held[i] && t->held[i]->pin.number == number)
            return i;
        if (t->held[best] &&
            (!t->held[i] || t->held[i]->used < t->held[best]->used))
            best = i;
    }
    return best;
}

int pin_put(struct pin_table *t, uint64_t number, const char *url,
            struct media_file *file, char *text, size_t text_len,
            int64_t fetched_s, struct pin **ret_pin)
{
    struct held *h = calloc(1, sizeof(*h));
    char *copy = strdup(url);
    if (!h || !copy) {
        media_file_unref(file);
        free(text);
        free(copy);
        free(h);
        return -ENOMEM;
    }
    h->pin = (struct pin){.number = number,
                          .file = file,
                          .text = text,
                          .text_len = text_len,
                          .fetched_s = fetched_s,
                          .url = copy};
    h->refs = 2;
    guard_mutex(&t->lock);
    size_t at = find_place(t, number);
    unref(t->held[at]);
    t->held[at] = h;
    h->used = ++t->tick;
    *ret_pin = &h->pin;
    return 0;
}

struct pin *pin_get(struct pin_table *t, uint64_t number)
{
    guard_mutex(&t->lock);
    struct held *h = t->held[find_place(t, number)];
    if (!h || h->pin.number != number)
        return NULL;
    h->used = ++t->tick;
    h->refs++;
    return &h->pin;
}

void pin_unref(struct pin_table *t, struct pin *p)
{
    if (!p)
        return;
    guard_mutex(&t->lock);
    unref((struct held *)p);
}

void pin_drop(struct pin_table *t, uint64_t number)
{
    guard_mutex(&t->lock);
    size_t at = find_place(t, number);
    if (!t->held[at] || t->held[at]->pin.number != number)
        return;
    unref(t->held[at]);
    t->held[at] = NULL;
}
