/*
 * api_circuit.h - which hosts are down.
 *
 * A host whose answers failed API_CIRCUIT_FAILURES times in a row is open:
 * one call, its probe, goes on trying; whoever else asks is failed at once.
 * Failures of requests that were under way together count once, or one hiccup
 * of a host would open it under a parallel walk. Protected by api's lock.
 */
#ifndef TWELVEFS_API_CIRCUIT_H
#define TWELVEFS_API_CIRCUIT_H

#include "wire/api.h"

#define API_CIRCUIT_HOSTS 32

struct api_call;

struct api_circuit {
    char origin[128]; /* "https://host:port"; "" free */
    int failures;     /* in a row */
    int last_error;
    int64_t failed_ms;      /* when the last one counted */
    struct api_call *probe; /* while open */
    int calls;              /* that hold this circuit */
    uint64_t used;          /* for throwing the stalest out */
};

struct api_circuits {
    struct api_circuit hosts[API_CIRCUIT_HOSTS];
    uint64_t uses;
};

/* The circuit of a URL's host, held until api_circuit_release; NULL when all
 * are held, or the host is absurdly long: such a call does without. */
struct api_circuit *api_circuit_hold(struct api_circuits *c, const char *url);

/* All that follow take a NULL circuit. */
void api_circuit_release(struct api_circuit *h, const struct api_call *call);

bool api_circuit_is_open(const struct api_circuit *h);
void api_circuit_succeeded(struct api_circuit *h);
/* asked_ms: when the request that failed was sent. */
void api_circuit_failed(struct api_circuit *h, int error, int64_t asked_ms,
                        int64_t now_ms);

#endif
