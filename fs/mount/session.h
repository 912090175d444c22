/* SPDX-License-Identifier: MIT */
/*
 * session.h - the life of the mount: created, told of commits, served, ended.
 *
 * Threads. mount_start opens three: two that serve FUSE requests and one that
 * notifies the kernel (notify.h). Requests that must wait are parked (park.h)
 * and taken up again by a serving thread. With io_uring most requests come to
 * threads of libfuse's, one a processor; the two serve what still comes by the
 * device, and whoever was parked.
 *
 * Order. mount_new needs neither a started sync nor a mount point, so that
 * sync's first commit already has a mount to go to. mount_wait ends the
 * threads and answers parked requests. Then free sync and media, and the mount
 * last, since their callbacks may still arrive until they are freed.
 */
#ifndef TWELVEFS_MOUNT_SESSION_H
#define TWELVEFS_MOUNT_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "catalogue/catalogue.h"
#include "change/change.h"
#include "media/media.h"
#include "sync/sync.h"
#include "wire/api.h"

struct mount;
struct upload;

struct mount_config {
    const char *mountpoint; /* absolute */
    const char *source;     /* as mount(8) shows it */
    bool allow_other;
    bool io_uring; /* take requests by rings where libfuse and kernel can */
    uid_t uid;     /* whose files they seem to be */
    gid_t gid;
    mode_t umask;             /* bits that their modes lack */
    const char *fuse_options; /* more -o options, comma separated, or NULL */
    bool read_write;          /* not a read-only superblock */
    bool deletes;             /* rmdir deletes an asset */
    struct upload *upload;    /* borrowed; NULL: nothing goes up */
    bool no_pictures;         /* none is fetched: reading one is -EACCES */
    int64_t refresh_ms; /* how long what nobody notifies may be believed */
    int64_t timeout_ms; /* of an operation that waits */
};

/* Borrows everything until mount_free; change may be NULL; the config is
 * copied. -ENOMEM, or -errno for want of an eventfd. */
int mount_new(const struct mount_config *config, struct catalogue *catalogue,
              struct sync *sync, struct media *media, struct api *api,
              struct change *change, struct mount **ret_mount);

/* A sync_committed_fn (ctx is the mount): tells the kernel what changed. May
 * be called at any time between mount_new and mount_free; quick. */
void mount_committed(void *ctx, const struct catalogue_diff *diff);

/* Mounts and serves: on success the kernel and libfuse have agreed, and the
 * root was read. Otherwise nothing is mounted, and ret_why has what libfuse
 * said of it, if anything. -ENOENT, -ENOTDIR, -ENOTCONN (a dead mount is
 * there), -ENODEV (no FUSE here), -EPERM, -EINVAL (an option libfuse doesn't
 * know), -EPROTO (they didn't agree), -ETIMEDOUT (the kernel is silent),
 * -ESHUTDOWN (mount_stop), -ENOMEM, -EIO. */
int mount_start(struct mount *m, struct buf *ret_why);

/* Until it is unmounted or stopped; leaves nothing mounted and no thread. 0, or
 * the negative errno that ended the service: -ECONNABORTED where somebody cut
 * the connection (what is dead is still mounted), another where the device
 * broke. */
int mount_wait(struct mount *m);

/* The library's version as it runs, and in words what this build takes from
 * it. */
const char *mount_library_version(void);
const char *mount_library_use(void);

/* What kernel and library agreed on. */
struct mount_features {
    bool parallel_dirops; /* a request that waits blocks no other in its
                             directory */
    bool mends_init;  /* … because device.h corrected the answer to INIT */
    bool expire_only; /* names can expire, and needn't be dropped */
    bool io_uring;    /* requests come by rings */
};
struct mount_features mount_features(const struct mount *m);

/* Makes mount_wait end. Any thread, any time; async-signal-safe. */
void mount_stop(struct mount *m);

/* NULL is fine, and so is a mount that never started. */
void mount_free(struct mount *m);

#endif
