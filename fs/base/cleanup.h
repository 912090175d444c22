/* SPDX-License-Identifier: MIT */
/*
 * cleanup.h - scope cleanup, so that no function needs a goto ladder.
 *
 *   cleanup(free_ptr) char *copy = strdup(text);
 *   cleanup(buf_done) struct buf out;
 *
 * A cleanup function takes a pointer to the variable and must accept what the
 * variable holds before it was set (NULL, an empty struct). DEFINE_CLEANUP
 * makes one for a pointer type from its destructor; destructors take NULL.
 */
#ifndef TWELVEFS_CLEANUP_H
#define TWELVEFS_CLEANUP_H

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define cleanup(function) __attribute__((cleanup(function)))

#define DEFINE_CLEANUP(name, type, destructor)                                 \
    /* NOLINTNEXTLINE(bugprone-macro-parentheses): a type can't have them */   \
    static inline __attribute__((unused)) void name(type *pointer)             \
    {                                                                          \
        destructor(*pointer);                                                  \
    }

/* Takes the value out of a variable with scope cleanup: ownership moves. */
#define steal_ptr(variable)                                                    \
    ({                                                                         \
        __typeof__(variable) stolen_ = (variable);                             \
        (variable) = NULL;                                                     \
        stolen_;                                                               \
    })

static inline __attribute__((unused)) void free_ptr(void *pointer)
{
    free(*(void **)pointer);
}

/* Closes a descriptor; -1 means none. */
static inline __attribute__((unused)) void close_fd(const int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
}

/* Takes a descriptor out of a variable with scope cleanup. */
static inline __attribute__((unused)) int steal_fd(int *fd)
{
    int stolen = *fd;
    *fd = -1;
    return stolen;
}

static inline __attribute__((unused)) void unlock_mutex(pthread_mutex_t **mutex)
{
    (void)pthread_mutex_unlock(*mutex);
}

/* Holds a mutex until the end of the enclosing block. */
#define GUARD_NAME2_(line) guard_##line##_
#define GUARD_NAME_(line)  GUARD_NAME2_(line)
#define guard_mutex(mutex)                                                     \
    cleanup(unlock_mutex) pthread_mutex_t *GUARD_NAME_(__LINE__) = (mutex);    \
    (void)pthread_mutex_lock(GUARD_NAME_(__LINE__))

#define array_count(array) (sizeof(array) / sizeof((array)[0]))

#endif
