/* SPDX-License-Identifier: MIT */
/*
 * mount.h - what the files of this module share: struct mount, and a FUSE
 * request on its way. Private to the module.
 *
 * A request is a plain struct and a function that answers it from the
 * catalogue. Where the catalogue doesn't hold the answer yet the function
 * asks (park.h) and returns REQUEST_PARKED; when the answer is in, a serving
 * thread calls the same function again, which now finds it. `asked` keeps it
 * from asking one question twice.
 */
#ifndef TWELVEFS_MOUNT_MOUNT_H
#define TWELVEFS_MOUNT_MOUNT_H

#define FUSE_USE_VERSION FUSE_MAKE_VERSION(3, 14)

#include <fuse_lowlevel.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "catalogue/catalogue.h"
#include "change/change.h"
#include "media/media.h"
#include "mount/device.h"
#include "mount/fs_errno.h"
#include "mount/history.h"
#include "mount/notifier.h"
#include "mount/notify.h"
#include "mount/opcount.h"
#include "mount/park.h"
#include "mount/content.h"
#include "mount/session.h"
#include "sync/sync.h"
#include "tree/tree.h"
#include "wire/api.h"

#define MOUNT_THREADS 2

/* A thread that serves, and what it reads into. */
struct server {
    struct mount *mount;
    pthread_t thread;
    _Alignas(max_align_t) char bytes[DEVICE_BUFFER_BYTES];
};

struct mount {
    struct catalogue *catalogue; /* borrowed, and so are the next three */
    struct sync *sync;
    struct media *media;
    struct api *api;
    struct change *change; /* NULL: nothing is changed */

    struct tree tree; /* what stands where */
    int64_t timeout_ms;
    bool read_write;  /* the superblock isn't read-only */
    bool no_pictures; /* none is fetched */
    _Atomic bool told_no_pictures;

    struct content_table *contents;
    struct park *park;
    struct notify *notify;
    struct notifier notifier; /* the notify thread's while that runs */
    struct history *history;
    struct device *device;
    struct opcount operations;
    struct mount_features features; /* written before anybody is served */
    bool initialized;               /* likewise: INIT was answered */
    bool wants_rings;               /* io_uring was asked for */
    _Atomic bool has_rings;         /* a request came by io_uring */

    _Atomic bool long_negatives; /* the kernel may hold day-long absences */

    struct caution *caution; /* fs_ops_delete.c's */

    pthread_mutex_t push_lock; /* held by the one thread that pushes */
    _Atomic int push_credit;   /* folders whose files are worth a push */

    /* session.c's */
    char *mountpoint;
    char *source;
    char *options;
    struct fuse_session *session;
    struct server servers[MOUNT_THREADS];
    int server_count;
    int stop_fd;         /* eventfd: mount_wait should end */
    _Atomic int failure; /* errno that ended the service, or 0 */
};

struct request;

/* 0: replied. A negative errno: not replied, the caller does (fs_errno.h says
 * as what). REQUEST_PARKED: the request is no longer the caller's. */
typedef int request_fn(struct request *r);
#define REQUEST_PARKED 1

struct request {
    struct mount *mount;
    fuse_req_t req;
    enum fs_operation operation;
    request_fn *run;
    uint64_t ino;
    const char *name; /* borrowed, or the parked copy's own */
    const char *text; /* likewise */
    size_t size;
    off_t off;
    int operation_flags; /* of SETXATTR */
    int64_t deadline_ms; /* 0 until it first waits */
    unsigned asked;      /* bits: 1 << enum sync_want, REQUEST_ASKED_… */
    unsigned fetches;    /* of pictures, for it, so far */
    bool tolerant;       /* run also when the answer is an error */
    int answer;          /* of the last question */
    const char *words;   /* why a change failed; "" or NULL */
    struct history_mark since; /* of a refresh: when it was asked for */
    struct media_file *file;   /* of a picture that was asked for */
    struct parked *parked;     /* the copy that waits; NULL on the stack */
};

#define REQUEST_ASKED_FLUSH  (1u << 30)
#define REQUEST_ASKED_CHANGE (1u << 29)

static inline bool request_has_asked(const struct request *r,
                                     enum sync_want want)
{
    return r->asked & 1u << want;
}

/* Runs a request and replies its error, if it has one. */
void request_serve(struct request *r);

/* Goes on with one whose answer came (park_take). */
void request_resume(struct request *r);

DEFINE_CLEANUP(release_reader, struct catalogue_reader *,
               catalogue_reader_release)

#endif
