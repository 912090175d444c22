/* SPDX-License-Identifier: MIT */
/*
 * loopback.h - a server of raw answers for tests: one thread accepts, one a
 * connection reads requests and lets the test's handler write what it likes.
 */
#ifndef TWELVEFS_TESTS_LOOPBACK_H
#define TWELVEFS_TESTS_LOOPBACK_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOOPBACK_CONNECTIONS 64
#define LOOPBACK_LOG         256
#define LOOPBACK_REQUEST     16384

struct loopback;

/* number: of the request, from 0. False ends the connection. */
typedef bool loopback_fn(struct loopback *s, int fd, int number,
                         const char *request);

struct loopback {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    char *log[LOOPBACK_LOG]; /* under lock: requests with their heads */
    int requests;            /* under lock */
    int connections;         /* under lock */
    int handling, most_handling;
    int gate; /* under lock: for tests, see loopback_pass */
    bool stopping;
    int fds[LOOPBACK_CONNECTIONS];
    pthread_t threads[LOOPBACK_CONNECTIONS];
    int listener;
    int port;
    pthread_t thread;
    loopback_fn *handle;
    void *ctx;
};

struct loopback_connection {
    struct loopback *server;
    int fd;
};

static inline void loopback_write(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        bytes += n;
        len -= (size_t)n;
    }
}

__attribute__((format(printf, 3, 4))) static inline void
loopback_reply(int fd, const char *body, const char *head, ...)
{
    char text[4096];
    va_list arguments;
    va_start(arguments, head);
    int n = vsnprintf(text, sizeof(text), head, arguments);
    va_end(arguments);
    n += snprintf(text + n, sizeof(text) - (size_t)n,
                  "Content-Length: %zu\r\n\r\n", strlen(body));
    loopback_write(fd, text, (size_t)n);
    loopback_write(fd, body, strlen(body));
}

/* Reads up to the blank line; false at the end of the connection. */
static inline bool loopback_read(int fd, char *request)
{
    size_t len = 0;
    while (len + 1 < LOOPBACK_REQUEST) {
        ssize_t n = recv(fd, request + len, 1, 0);
        if (n <= 0)
            return false;
        request[++len] = '\0';
        if (len >= 4 && memcmp(request + len - 4, "\r\n\r\n", 4) == 0)
            return true;
    }
    return false;
}

static inline void *loopback_serve(void *ctx)
{
    struct loopback_connection c = *(struct loopback_connection *)ctx;
    struct loopback *s = c.server;
    free(ctx);
    char *request = calloc(1, LOOPBACK_REQUEST);
    while (request && loopback_read(c.fd, request)) {
        pthread_mutex_lock(&s->lock);
        int number = s->requests++;
        if (number < LOOPBACK_LOG)
            s->log[number] = strdup(request);
        if (++s->handling > s->most_handling)
            s->most_handling = s->handling;
        pthread_cond_broadcast(&s->changed);
        pthread_mutex_unlock(&s->lock);
        bool more = s->handle(s, c.fd, number, request);
        pthread_mutex_lock(&s->lock);
        s->handling--;
        pthread_cond_broadcast(&s->changed);
        pthread_mutex_unlock(&s->lock);
        if (!more)
            break;
    }
    free(request);
    shutdown(c.fd, SHUT_RDWR);
    return NULL;
}

static inline void *loopback_accept(void *ctx)
{
    struct loopback *s = ctx;
    for (;;) {
        int fd = accept(s->listener, NULL, NULL);
        if (fd < 0)
            return NULL;
        pthread_mutex_lock(&s->lock);
        if (s->stopping || s->connections == LOOPBACK_CONNECTIONS) {
            pthread_mutex_unlock(&s->lock);
            close(fd);
            continue;
        }
        struct loopback_connection *c = malloc(sizeof(*c));
        *c = (struct loopback_connection){s, fd};
        s->fds[s->connections] = fd;
        pthread_create(&s->threads[s->connections], NULL, loopback_serve, c);
        s->connections++;
        pthread_mutex_unlock(&s->lock);
    }
}

static inline struct loopback *loopback_start(loopback_fn *handle, void *ctx)
{
    struct loopback *s = calloc(1, sizeof(*s));
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    s->handle = handle;
    s->ctx = ctx;
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(s->listener, (struct sockaddr *)&address, len) ||
        listen(s->listener, 64) ||
        getsockname(s->listener, (struct sockaddr *)&address, &len))
        abort();
    s->port = ntohs(address.sin_port);
    pthread_create(&s->thread, NULL, loopback_accept, s);
    return s;
}

static inline void loopback_stop(struct loopback *s)
{
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    s->gate = 1 << 30;
    for (int i = 0; i < s->connections; i++)
        shutdown(s->fds[i], SHUT_RDWR);
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    shutdown(s->listener, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    for (int i = 0; i < s->connections; i++) {
        pthread_join(s->threads[i], NULL);
        close(s->fds[i]);
    }
    close(s->listener);
    for (int i = 0; i < LOOPBACK_LOG; i++)
        free(s->log[i]);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static inline void loopback_wait_requests(struct loopback *s, int count)
{
    pthread_mutex_lock(&s->lock);
    while (s->requests < count)
        pthread_cond_wait(&s->changed, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

static inline int loopback_requests(struct loopback *s)
{
    pthread_mutex_lock(&s->lock);
    int requests = s->requests;
    pthread_mutex_unlock(&s->lock);
    return requests;
}

/* A handler waits until loopback_open was called with more than `number`. */
static inline void loopback_pass(struct loopback *s, int number)
{
    pthread_mutex_lock(&s->lock);
    while (s->gate <= number)
        pthread_cond_wait(&s->changed, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

static inline void loopback_open(struct loopback *s, int count)
{
    pthread_mutex_lock(&s->lock);
    s->gate = count;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

/* Until the client closes; what the kernel still reads is dropped. */
static inline void loopback_hold(int fd)
{
    char byte;
    while (recv(fd, &byte, 1, 0) > 0)
        ;
}

#endif
