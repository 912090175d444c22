/* SPDX-License-Identifier: MIT */
/* The running stand-in: what the routes share, its start and its end. */
#ifndef STANDIN_SERVER_H
#define STANDIN_SERVER_H

#include <microhttpd.h>
#include <stdatomic.h>

#include "account.h"
#include "churn.h"
#include "fault.h"
#include "intake.h"
#include "park.h"
#include "quirk.h"
#include "ratelimit.h"
#include "session.h"
#include "sign.h"
#include "stats.h"

struct server {
    /* Set before the daemons start, not changed after. */
    struct account *account;
    struct faults *faults;
    struct stats *stats;
    struct park *park;
    struct ratelimit *ratelimit;
    struct signer *signer;
    struct churn *churn;
    struct quirks *quirks;
    struct intake *intake;
    struct sessions *sessions;
    const char *key; /* borrowed */
    char *clip;      /* an MPEG-TS segment, NULL without one */
    size_t clip_size;
    char api_url[64];     /* http://127.0.0.1:PORT/v1.3 */
    char media_url[64];   /* http://127.0.0.1:PORT */
    char control_url[64]; /* http://127.0.0.1:PORT/control */

    _Atomic int64_t latency_ms;       /* for every API and media request */
    _Atomic int64_t offline_until_ms; /* on clock_ms; both origins reset */

    int api_socket;
    int media_socket;
    struct MHD_Daemon *api; /* also serves control */
    struct MHD_Daemon *media;
};

/* Binds both origins to loopback and fills in the URLs: 0 or -errno. */
int server_bind(struct server *s, unsigned port, unsigned media_port);
/* Serves, once everything is set: 0 or -EIO. */
int server_start(struct server *s);
/* Once quirks were set: tells those who must know. */
void server_apply_quirks(struct server *s);
/* Lets go of all connections and stops. Safe after a failed start. */
void server_stop(struct server *s);

#endif
