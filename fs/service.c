/* SPDX-License-Identifier: MIT */
#include "service.h"

#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/directory.h"
#include "base/log.h"
#include "catalogue/catalogue.h"
#include "change/change.h"
#include "explain.h"
#include "holder.h"
#include "media/media.h"
#include "mount/session.h"
#include "mountpoint.h"
#include "sync/sync.h"
#include "wire/api.h"
#include "wire/http.h"

#define WALK_PARALLEL      8
#define MAX_CONNECTIONS    32
#define MIN_CONNECTIONS    4
#define CONNECT_TIMEOUT_MS 10000
#define WHY_BYTES          1024

/* linux/magic.h has no names for all of these. */
#define MAGIC_NFS  0x6969
#define MAGIC_CIFS 0xff534d42
#define MAGIC_SMB2 0xfe534d42
#define MAGIC_FUSE 0x65735546
#define MAGIC_9P   0x01021997
#define MAGIC_CEPH 0x00c36400

struct service {
    char *directory; /* this account's cache */
    bool temporary;  /* … is removed at the end */
    struct catalogue *catalogue;
    struct http *http;
    struct api *api;
    struct sync *sync;
    struct media *media;
    struct change *change; /* NULL: a read-only mount */
    struct mount *mount;
    char *notice; /* what whoever mounts should know, or NULL */
    void (*when_complete)(void *ctx);
    void *when_complete_ctx;
};

/* sync starts before the mount does, so it is given the service. */
static void service_on_commit(void *ctx, const struct catalogue_diff *diff)
{
    struct service *s = ctx;
    mount_committed(s->mount, diff);
}

/* SQLite's shared memory doesn't work over networks, and a cache on another
 * FUSE could be ourselves. */
static bool is_remote(const char *directory)
{
    struct statfs st;
    if (statfs(directory, &st) < 0)
        return false;
    switch ((unsigned long)st.f_type) {
    case MAGIC_NFS:
    case MAGIC_CIFS:
    case MAGIC_SMB2:
    case MAGIC_FUSE:
    case MAGIC_9P:
    case MAGIC_CEPH:
        return true;
    default:
        return false;
    }
}

/* Looked at twice: on the way, others could have made what was missing. */
static int make_cache(const char *directory, struct directory_fault *ret_fault)
{
    int err = directory_check(directory, ret_fault);
    if (!err)
        err = directory_make(directory);
    if (!err)
        err = directory_check(directory, ret_fault);
    return err;
}

static const char *temporary_parent(void)
{
    struct directory_fault fault;
    const char *parent = getenv("TMPDIR");
    return parent && parent[0] == '/' && directory_check(parent, &fault) == 0
               ? parent
               : "/tmp";
}

/* The usual place, or a private directory of this run where that won't do. */
static int open_catalogue(struct service *s, struct directory_fault *ret_fault)
{
    int err = make_cache(s->directory, ret_fault);
    if (err == -EPERM && ret_fault->what)
        return err;
    if (!err && is_remote(s->directory))
        err = -EXDEV;
    if (!err)
        err = catalogue_open(s->directory, &s->catalogue);
    if (!err || err == -EBUSY || err == -EINTR || err == -ENOMEM)
        return err;

    char *directory;
    if (asprintf(&directory, "%s/twelvefs-XXXXXX", temporary_parent()) < 0)
        return -ENOMEM;
    if (!mkdtemp(directory)) {
        err = -errno;
        free(directory);
        return err;
    }
    if (asprintf(
            &s->notice, "cannot use the cache %s (%s); using %s for this run",
            s->directory,
            err == -EXDEV ? "it is on a network file system" : strerror(-err),
            directory) < 0)
        s->notice = NULL;
    else
        log_warning("%s", s->notice);
    free(s->directory);
    s->directory = directory;
    s->temporary = true;
    return catalogue_open(s->directory, &s->catalogue);
}

static enum exit_status explain_cache(int err, const char *directory,
                                      const char *mountpoint,
                                      const struct directory_fault *fault,
                                      struct buf *error)
{
    if (err == -EBUSY)
        holder_explain(directory, mountpoint, error);
    else if (err == -EPERM && fault->what)
        (void)buf_appendf(error,
                          "the cache %s isn't safe: %s %s; mend that, or use "
                          "another -o cache_dir=",
                          directory, fault->path, fault->what);
    else
        (void)buf_appendf(error, "cannot use the cache %s: %s", directory,
                          strerror(-err));
    return EXIT_CACHE;
}

/* What else is open at most: the catalogue's connections, above all. */
#define OTHER_DESCRIPTORS 46

static int count_connections(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 ||
        limit.rlim_cur >= OTHER_DESCRIPTORS + MAX_CONNECTIONS)
        return MAX_CONNECTIONS;
    return limit.rlim_cur > OTHER_DESCRIPTORS + MIN_CONNECTIONS
               ? (int)limit.rlim_cur - OTHER_DESCRIPTORS
               : MIN_CONNECTIONS;
}

static int start_network(struct service *s, const struct options *o,
                         const char *key)
{
    const struct http_limits limits = {
        .max_host_connections = 2 * WALK_PARALLEL,
        .max_connections = count_connections(),
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .idle_timeout_ms = o->timeout_ms,
    };
    const struct api_config config = {
        .base_url = o->base_url,
        .key = key,
        .timeout_ms = o->timeout_ms,
        .rpm = o->rpm,
        .delete_rpm = o->delete_rpm,
    };
    int err = http_new(&limits, &s->http);
    return err ? err : api_new(s->http, &config, &s->api);
}

static int make_sync(struct service *s, const struct options *o)
{
    const struct sync_config config = {
        .refresh_ms = o->refresh_ms,
        .timeout_ms = o->timeout_ms,
        .sweep_ms = o->sweep_ms,
        .walk_parallel = WALK_PARALLEL,
    };
    return sync_new(s->catalogue, s->api, &config, service_on_commit, s,
                    &s->sync);
}

static int service_make_change(struct service *s, const struct options *o)
{
    const struct change_config config = {
        .directory = s->directory,
        .force = o->deletion == DELETION_FORCED,
    };
    return o->read_write ? change_new(&config, s->sync, s->api, &s->change) : 0;
}

static int make_mount(struct service *s, const struct options *o)
{
    const struct media_config media = {
        .directory = s->directory,
        .cache_bytes = o->picture_cache_bytes,
    };
    int err = media_new(&media, s->catalogue, s->sync, s->api, &s->media);
    if (err)
        return err;
    const struct mount_config config = {
        .mountpoint = o->mountpoint,
        .source = o->source,
        .allow_other = o->allow_other,
        .io_uring = o->io_uring,
        .uid = o->uid,
        .gid = o->gid,
        .umask = o->umask,
        .fuse_options = o->fuse_options,
        .read_write = o->read_write,
        .deletes = o->deletion != DELETION_REFUSED,
        .no_pictures = !o->pictures,
        .refresh_ms = o->refresh_ms,
        .timeout_ms = o->timeout_ms,
    };
    return mount_new(&config, s->catalogue, s->sync, s->media, s->api,
                     s->change, &s->mount);
}

static enum exit_status service_is_stopped(const struct options *o,
                                           struct buf *error)
{
    (void)buf_appendf(error, "stopped by a signal before %s was usable",
                      o->mountpoint);
    return EXIT_STOPPED;
}

static enum exit_status wait_ready(struct service *s, const struct options *o,
                                   struct buf *error)
{
    int err = sync_start(s->sync);
    if (err)
        return explain_internal(err, error);
    const struct sync_question question = {.want = SYNC_READY};
    err = sync_wait(s->sync, &question, clock_mono_ms() + o->timeout_ms);
    if (err == -ESHUTDOWN)
        return service_is_stopped(o, error);
    return err ? explain_api(s->api, err, o, error) : EXIT_MOUNTED;
}

static enum exit_status service_wire(struct service *s, const struct options *o,
                                     const char *key, struct buf *error)
{
    int err = options_account_directory(o, key, &s->directory);
    if (err)
        return explain_internal(err, error);
    if (mountpoint_would_hide(o->mountpoint, s->directory)) {
        (void)buf_appendf(error, "the cache %s would be below the mount point",
                          s->directory);
        return EXIT_CACHE;
    }
    struct directory_fault fault = {.what = NULL};
    err = open_catalogue(s, &fault);
    if (err == -EINTR)
        return service_is_stopped(o, error);
    if (err)
        return explain_cache(err, s->directory, o->mountpoint, &fault, error);
    if (s->temporary && o->deletion != DELETION_REFUSED) {
        (void)buf_append_str(error, "delete=: deletions are recorded in the "
                                    "cache, which must be a lasting one; use "
                                    "another -o cache_dir=");
        return EXIT_CACHE;
    }
    holder_forget(s->directory); /* whoever came before */
    err = start_network(s, o, key);
    if (err == -EINVAL)
        return explain_base_url(o, error);
    if (!err)
        err = make_sync(s, o);
    if (!err)
        err = service_make_change(s, o);
    if (!err)
        err = make_mount(s, o);
    return err ? explain_internal(err, error) : EXIT_MOUNTED;
}

DEFINE_CLEANUP(free_service, struct service *, service_free)

enum exit_status service_new(const struct options *o, const char *key,
                             struct service **ret_service, struct buf *error)
{
    cleanup(free_service) struct service *s = calloc(1, sizeof(*s));
    if (!s)
        return explain_internal(-ENOMEM, error);
    enum exit_status status = service_wire(s, o, key, error);
    if (status == EXIT_MOUNTED)
        *ret_service = steal_ptr(s);
    return status;
}

enum exit_status service_start(struct service *s, const struct options *o,
                               struct buf *error)
{
    enum exit_status status = wait_ready(s, o, error);
    if (status != EXIT_MOUNTED)
        return status;
    cleanup(buf_done) struct buf why = {.max = WHY_BYTES};
    int err = mount_start(s->mount, &why);
    if (!err)
        holder_note(s->directory, o->mountpoint);
    if (err == -ESHUTDOWN)
        return service_is_stopped(o, error);
    return err ? explain_mount(err, buf_str(&why), o, error) : EXIT_MOUNTED;
}

enum exit_status service_wait(struct service *s, const struct options *o,
                              struct buf *error)
{
    int err = mount_wait(s->mount);
    if (!err)
        return EXIT_MOUNTED;
    if (err == -ECONNABORTED) /* libfuse thinks that it is unmounted */
        (void)mountpoint_take_away(o->mountpoint);
    (void)buf_appendf(error, "the mount on %s ended: %s", o->mountpoint,
                      err == -ECONNABORTED
                          ? "its connection to the kernel was cut"
                          : strerror(-err));
    return EXIT_INTERNAL;
}

void service_stop(struct service *s)
{
    sync_stop(s->sync); /* service_start waits for it */
    mount_stop(s->mount);
}

int service_set_key(struct service *s, const char *key)
{
    return api_set_key(s->api, key);
}

enum exit_status service_wait_complete(struct service *s,
                                       const struct options *o,
                                       struct buf *error)
{
    const struct sync_question question = {.want = SYNC_COMPLETE};
    int err = sync_wait(s->sync, &question, CLOCK_NEVER_MS);
    if (err == -ESHUTDOWN)
        return service_is_stopped(o, error);
    return err ? explain_api(s->api, err, o, error) : EXIT_MOUNTED;
}

const char *service_notice(const struct service *s)
{
    return s->notice;
}

static void service_on_complete(void *ctx, int err)
{
    const struct service *s = ctx;
    if (!err)
        s->when_complete(s->when_complete_ctx);
}

void service_when_complete(struct service *s, void (*fn)(void *ctx), void *ctx)
{
    const struct sync_question question = {.want = SYNC_COMPLETE};
    s->when_complete = fn;
    s->when_complete_ctx = ctx;
    /* Whom it isn't told has only an old line of status. */
    (void)sync_ask(s->sync, &question, CLOCK_NEVER_MS, service_on_complete, s,
                   NULL);
}

bool service_progress(struct service *s, struct service_progress *ret)
{
    struct sync_status status;
    sync_status(s->sync, &status);
    ret->read = status.walked;
    ret->total = status.total;
    return !status.complete;
}

int service_version(struct buf *text)
{
    return buf_appendf(text,
                       "twelvefs " TWELVEFS_VERSION "\n"
                       "libfuse %s (%s)\ncurl %s\nSQLite %s\n",
                       mount_library_version(), mount_library_use(),
                       http_library_version(), catalogue_library_version());
}

static int remove_one(const char *path, const struct stat *st, int type,
                      struct FTW *where)
{
    (void)remove(path);
    return 0;
}

/* Only ever a directory that this run made itself. */
static void remove_tree(const char *directory)
{
    (void)nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

void service_free(struct service *s)
{
    if (!s)
        return;
    media_free(s->media);
    change_free(s->change);
    sync_free(s->sync);
    api_free(s->api);
    http_free(s->http);
    mount_free(s->mount);
    catalogue_close(s->catalogue);
    if (s->temporary)
        remove_tree(s->directory);
    free(s->directory);
    free(s->notice);
    free(s);
}
