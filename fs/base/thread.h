/* SPDX-License-Identifier: MIT */
/*
 * thread.h - starts a thread that takes no signal: the program's are the main
 * thread's, and SIGPIPE is nobody's (TLS libraries write without MSG_NOSIGNAL).
 */
#ifndef TWELVEFS_THREAD_H
#define TWELVEFS_THREAD_H

#include <pthread.h>
#include <signal.h>

/* 0 or -errno. */
static inline int thread_start(pthread_t *ret_thread, void *(*run)(void *),
                               void *ctx)
{
    sigset_t all, before;
    (void)sigfillset(&all);
    int err = pthread_sigmask(SIG_SETMASK, &all, &before);
    if (err)
        return -err;
    err = pthread_create(ret_thread, NULL, run, ctx);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -err;
}

#endif
