/* SPDX-License-Identifier: MIT */
/*
 * array.h - arrays that grow by doubling.
 */
#ifndef TWELVEFS_ARRAY_H
#define TWELVEFS_ARRAY_H

#include <errno.h>
#include <stdlib.h>

#define ARRAY_FIRST_CAPACITY 64

/* Makes sure that one more item fits into an array that has room for
 * `capacity`. 0, or -ENOMEM: then it is as before. The arguments are evaluated
 * more than once. */
#define array_reserve(items, count, capacity)                                  \
    ({                                                                         \
        int array_err_ = 0;                                                    \
        if ((count) == (capacity)) {                                           \
            size_t more_ = (capacity) ? (capacity)*2 : ARRAY_FIRST_CAPACITY;   \
            __typeof__(items) moved_ =                                         \
                reallocarray((items), more_, sizeof(*(items)));                \
            if (moved_) {                                                      \
                (items) = moved_;                                              \
                (capacity) = more_;                                            \
            } else {                                                           \
                array_err_ = -ENOMEM;                                          \
            }                                                                  \
        }                                                                      \
        array_err_;                                                            \
    })

#endif
