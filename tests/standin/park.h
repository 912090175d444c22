/* SPDX-License-Identifier: MIT */
/*
 * Connections that wait: for latency to pass, for a stall to be lifted, for
 * a condition. They are suspended in libmicrohttpd, so they hold no thread;
 * one thread here resumes them when their time or event has come, or when
 * their client has hung up.
 *
 * Use: MHD_suspend_connection, then park_add; touch the connection no more.
 * When the handler runs again, `end` says why. Lock: the lot's own, a leaf
 * (conditions are asked under it and must take leaf locks only).
 */
#ifndef STANDIN_PARK_H
#define STANDIN_PARK_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PARK_FOREVER INT64_MAX

enum park_kind { PARK_DELAY, PARK_STALL, PARK_UNTIL };
enum park_end { PARK_WAITS, PARK_DUE, PARK_RELEASED, PARK_GONE };

struct parked {
    struct MHD_Connection *connection;
    enum park_kind kind;
    int64_t deadline_ms;      /* on clock_ms */
    bool (*ready)(void *ctx); /* PARK_UNTIL */
    void *ctx;
    enum park_end end;
    uint64_t since; /* park_releases, before the stall was ordered */
    int socket;
    struct parked *next;
    struct parked *prev;
};

struct park;

struct park *park_new(void);
/* Resumes everybody with PARK_GONE and ends the thread; later park_adds are
 * resumed at once. Before the daemons are stopped. */
void park_stop(struct park *p);
void park_free(struct park *p); /* stops too */
void park_add(struct park *p, struct parked *entry);
/* Lets the stalled go on, and those whose stall was ordered before and who are
 * on their way to it. */
void park_release(struct park *p);
/* How often that was. */
uint64_t park_releases(struct park *p);
/* Sends everybody but PARK_UNTIL away with PARK_GONE. */
void park_drop(struct park *p);
/* Conditions may have changed. */
void park_kick(struct park *p);
size_t park_count(struct park *p, enum park_kind kind);

#endif
