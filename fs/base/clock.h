/* SPDX-License-Identifier: MIT */
/*
 * clock.h - the two clocks, and times as the API writes them.
 *
 * Durations and deadlines use the monotonic clock in milliseconds, which a
 * change of the wall clock doesn't move. Wall time is for what people see.
 */
#ifndef TWELVEFS_CLOCK_H
#define TWELVEFS_CLOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLOCK_NEVER_MS INT64_MAX

int64_t clock_mono_ms(void);
int64_t clock_wall_s(void);
int64_t clock_wall_ns(void);

/* A condition whose waits go by the monotonic clock. */
void clock_cond_init(pthread_cond_t *cond);
/* Waits until until_ms at most, for ever where that is CLOCK_NEVER_MS; the
 * mutex is held. False when that time has come. May wake without cause. */
bool clock_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex,
                     int64_t until_ms);

/* RFC 3339 ("2026-08-01T10:30:00Z", fraction and offset allowed, the fraction
 * dropped) to seconds since 1970. 0, or -EINVAL for anything else. */
int clock_parse_rfc3339(const char *text, size_t len, int64_t *ret_s);

/* "2026-08-01T10:30:00Z"; out needs CLOCK_RFC3339_SIZE bytes. A second of a
 * year that no int holds is written as that of 1970. */
#define CLOCK_RFC3339_SIZE 32
void clock_format_rfc3339(int64_t s, char *out);

#endif
