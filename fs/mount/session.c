/* SPDX-License-Identifier: MIT */
#include "mount/session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/log.h"
#include "mount/device.h"
#include "mount/fs_ops.h"
#include "mount/kernel.h"
#include "mount/mount.h"
#include "mount/status.h"

#define OPTIONS_MAX   65536
#define LOG_LINE_SIZE 512
#define HANDSHAKE_MS  10000
#define RING_ENTRIES  "64" /* a processor; each that waits holds one */
#define DEVICE_PATH   "/dev/fuse"

static void session_wake(void *ctx)
{
    struct mount *m = ctx;
    device_wake(m->device);
}

static bool session_has_ready(void *ctx)
{
    struct mount *m = ctx;
    return park_is_ready(m->park);
}

/* A comma in an option's value would begin another option. */
static int session_append_escaped(struct buf *out, const char *text)
{
    int err = 0;
    for (; !err && *text; text++) {
        if (*text == ',' || *text == '\\')
            err = buf_append_char(out, '\\');
        if (!err)
            err = buf_append_char(out, *text);
    }
    return err;
}

static int session_make_options(const struct mount_config *config, char **ret)
{
    cleanup(buf_done) struct buf out = {.max = OPTIONS_MAX};
    int err = buf_append_str(&out, "fsname=");
    if (!err)
        err = session_append_escaped(&out, config->source);
    if (!err)
        err = buf_append_str(&out,
                             ",subtype=twelvefs,default_permissions,noexec");
    if (!err && config->allow_other)
        err = buf_append_str(&out, ",allow_other");
    if (!err && config->io_uring && TWELVEFS_FUSE_RINGS)
        err = buf_append_str(&out, ",io_uring,io_uring_q_depth=" RING_ENTRIES);
    if (!err && config->fuse_options && config->fuse_options[0])
        err = buf_appendf(&out, ",%s", config->fuse_options);
    /* Behind an "rw" that wasn't meant. Without "ro" the kernel forgets an
     * inode's atime at each cold READ, READDIR and READLINK, and sends GETATTR
     * again in the next pass. */
    if (!err && !config->read_write)
        err = buf_append_str(&out, ",ro");
    if (!err) /* the last word wins, and mount.fuse3 says "dev,suid" */
        err = buf_append_str(&out, ",nosuid,nodev");
    if (err)
        return err;
    *ret = buf_steal(&out, NULL);
    return *ret ? 0 : -ENOMEM;
}

static struct notifier *session_notifier(void *ctx)
{
    return &((struct mount *)ctx)->notifier;
}

static int session_inval_inode(void *ctx, uint64_t ino, int64_t off)
{
    return kernel_inval_inode(session_notifier(ctx), ino, off);
}

static int session_inval_entry(void *ctx, uint64_t parent, const char *name)
{
    return kernel_inval_entry(session_notifier(ctx), parent, name);
}

static int session_expire_entry(void *ctx, uint64_t parent, const char *name)
{
    return kernel_expire_entry(session_notifier(ctx), parent, name);
}

static int session_delete_entry(void *ctx, uint64_t parent, uint64_t child,
                                const char *name)
{
    struct mount *m = ctx;
    if (caution_has(m->caution, parent, child))
        return 0;
    return kernel_delete_entry(session_notifier(ctx), parent, child, name);
}

static bool session_is_held(void *ctx, uint64_t directory)
{
    struct mount *m = ctx;
    return park_holds(m->park, directory);
}

static int session_make_tables(struct mount *m)
{
    static const struct notify_kernel kernel = {
        .is_held = session_is_held,
        .inval_inode = session_inval_inode,
        .inval_entry = session_inval_entry,
        .expire_entry = session_expire_entry,
        .delete_entry = session_delete_entry,
    };
    int err = tree_init(&m->tree);
    if (!err)
        err = content_table_new(&m->contents);
    if (!err)
        err = caution_new(&m->caution);
    if (!err)
        err = history_new(&m->history);
    if (!err)
        err = park_new(m->sync, m->media, session_wake, m, &m->park);
    if (!err)
        err = device_new(session_has_ready, m, &m->device);
    if (!err)
        err = notify_new(&kernel, m, m->tree.views, &m->notify);
    return err;
}

static int session_append_status(void *ctx, struct buf *out)
{
    return status_json(ctx, out);
}

static void session_fill_tree(struct mount *m,
                              const struct mount_config *config)
{
    struct tree *t = &m->tree;
    t->catalogue = m->catalogue;
    t->sync = m->sync;
    t->uid = config->uid;
    t->gid = config->gid;
    t->umask = config->umask;
    t->saves = config->read_write;
    t->tags = m->change;
    t->deletes = m->change && config->deletes;
    t->refresh_s = (double)config->refresh_ms / 1000;
    t->status = session_append_status;
    t->ctx = m;
}

static int session_fill(struct mount *m, const struct mount_config *config)
{
    m->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (m->stop_fd < 0)
        return -errno;
    m->timeout_ms = config->timeout_ms;
    m->read_write = config->read_write;
    m->no_pictures = config->no_pictures;
    session_fill_tree(m, config);
    m->wants_rings = config->io_uring;
    m->mountpoint = strdup(config->mountpoint);
    m->source = strdup(config->source);
    int err = session_make_options(config, &m->options);
    if (!err && (!m->mountpoint || !m->source))
        err = -ENOMEM;
    return err ? err : session_make_tables(m);
}

int mount_new(const struct mount_config *config, struct catalogue *catalogue,
              struct sync *sync, struct media *media, struct api *api,
              struct change *change, struct mount **ret_mount)
{
    struct mount *m = calloc(1, sizeof(*m));
    if (!m)
        return -ENOMEM;
    m->catalogue = catalogue;
    m->sync = sync;
    m->media = media;
    m->api = api;
    m->change = change;
    m->upload = config->upload;
    m->stop_fd = -1;
    m->notifier = NOTIFIER_NONE;
    (void)pthread_mutex_init(&m->push_lock, NULL);
    int err = session_fill(m, config);
    if (err) {
        mount_free(m);
        return err;
    }
    *ret_mount = m;
    return 0;
}

void mount_free(struct mount *m)
{
    if (!m)
        return;
    notify_free(m->notify);
    if (m->session)
        fuse_session_destroy(m->session);
    park_free(m->park);
    device_free(m->device);
    history_free(m->history);
    content_table_free(m->contents);
    caution_free(m->caution);
    tree_done(&m->tree);
    (void)pthread_mutex_destroy(&m->push_lock);
    close_fd(&m->stop_fd);
    free(m->mountpoint);
    free(m->source);
    free(m->options);
    free(m);
}

/* A picture may have changed: if the kernel knows it, it must look again. */
static void session_tell_pictures(struct mount *m,
                                  const struct catalogue_diff *diff)
{
    for (size_t i = 0; i < diff->count; i++) {
        const struct catalogue_change *c = &diff->changes[i];
        char name[NAME_SIZE];
        if (c->kind == CATALOGUE_ADDED || c->kind == CATALOGUE_RENEWED ||
            !c->old_extension[0] ||
            !content_is_known(m->contents, node_ino(NODE_PICTURE, 0, c->row)))
            continue;
        tree_child_name(NODE_PICTURE, c->old_extension, name);
        notify_name(m->notify, node_ino(NODE_MEDIA, 0, c->row), name);
    }
}

void mount_committed(void *ctx, const struct catalogue_diff *diff)
{
    struct mount *m = ctx;
    bool other = catalogue_count(m->catalogue, ASSET_OTHER) > 0;
    if (other != m->tree.other_shown) {
        m->tree.root_changed_ns = diff->committed_ns;
        m->tree.other_shown = other;
        notify_other(m->notify, other, m->long_negatives);
    }
    history_add(m->history, diff);
    notify_commit(m->notify, diff, m->long_negatives);
    session_tell_pictures(m, diff);
}

static void session_resume_parked(struct mount *m)
{
    struct request *r;
    while (park_is_ready(m->park) && (r = park_take(m->park))) {
        request_resume(r);
        notify_go_on(m->notify);
    }
}

/* One request, or a look around. */
static int session_serve_next(struct mount *m, struct server *server)
{
    session_resume_parked(m);
    ssize_t got = device_receive(m->device, fuse_session_fd(m->session),
                                 server->bytes, sizeof(server->bytes));
    if (got <= 0)
        return (int)got;
    fuse_session_process_buf(
        m->session,
        &(struct fuse_buf){.mem = server->bytes, .size = (size_t)got});
    return 0;
}

static void *session_serve(void *ctx)
{
    struct server *server = ctx;
    struct mount *m = server->mount;
    int err = 0;
    while (!err && !device_is_leaving(m->device) &&
           !fuse_session_exited(m->session))
        err = session_serve_next(m, server);
    if (err && err != -ENODEV)
        m->failure = err;
    device_leave(
        m->device); /* wakes the other thread, so that it ends as well */
    mount_stop(m);  /* where it was unmounted */
    return NULL;
}

/* What libfuse logs while a mount starts, for the error message. libfuse
 * gives its log no context, but it logs on the calling thread. */
static _Thread_local struct buf *start_words;

/* Later its messages go to our log. */
__attribute__((format(printf, 2, 0))) static void
session_log_fuse(enum fuse_log_level level, const char *format,
                 va_list arguments)
{
    char line[LOG_LINE_SIZE];
    int len = vsnprintf(line, sizeof(line), format, arguments);
    if (len < 0)
        return;
    bool matters = level <= FUSE_LOG_WARNING;
    if (matters && start_words) {
        (void)buf_append_str(start_words, line); /* a sentence may be cut */
        return;
    }
    line[strcspn(line, "\n")] = '\0';
    if (matters)
        log_warning("%s", line);
    else
        log_debug("%s", line);
}

/* "/dev/fd/N" is mounted already; libfuse takes the descriptor. */
static bool session_is_descriptor(const char *path)
{
    return strncmp(path, "/dev/fd/", strlen("/dev/fd/")) == 0;
}

static int session_check_mountpoint(const char *path)
{
    struct stat st;
    if (session_is_descriptor(path))
        return 0;
    if (stat(path, &st) < 0)
        return -errno;
    return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

static int session_make_session(struct mount *m)
{
    struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
    int err = 0;
    if (fuse_opt_add_arg(&args, "twelvefs") || fuse_opt_add_arg(&args, "-o") ||
        fuse_opt_add_arg(&args, m->options))
        err = -ENOMEM;
    if (!err) {
        m->session = fuse_session_new(&args, &fs_ops, sizeof(fs_ops), m);
        err = m->session ? 0 : -EINVAL;
    }
    fuse_opt_free_args(&args);
    return err;
}

/* Without /dev/fuse everything that libfuse tries fails in a way of its own. */
static int session_check_device(void)
{
    struct stat st;
    if (stat(DEVICE_PATH, &st) < 0)
        return errno == ENOENT || errno == ENOTDIR ? -ENODEV : 0;
    return S_ISCHR(st.st_mode) ? 0 : -ENODEV;
}

/* libfuse says -1; errno is mount(2)'s only where it called that itself. */
static int session_attach(struct mount *m)
{
    errno = 0;
    if (fuse_session_mount(m->session, m->mountpoint) != 0)
        return geteuid() != 0 || !errno ? -EPERM : -errno;
    int fd = fuse_session_fd(m->session);
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return -errno;
    m->features.mends_init = device_mend_init(m->device, m->session);
    return 0;
}

/* Waits for INIT; mount_stop ends the wait. */
static int session_await_init(struct mount *m)
{
    struct pollfd fds[] = {
        {.fd = fuse_session_fd(m->session), .events = POLLIN},
        {.fd = m->stop_fd, .events = POLLIN}};
    int ready = poll(fds, array_count(fds), HANDSHAKE_MS);
    if (ready < 0)
        return errno == EINTR ? 0 : -errno;
    if (ready == 0)
        return -ETIMEDOUT;
    return fds[1].revents ? -ESHUTDOWN : 0;
}

/* The kernel sends INIT first, and all other requests wait for its answer.
 * libfuse answers it, and ends the session if it can't agree with the kernel.
 */
static int session_shake_hands(struct mount *m)
{
    int err = 0;
    while (!err && !m->initialized && !fuse_session_exited(m->session)) {
        err = session_await_init(m);
        if (!err)
            err = session_serve_next(m, &m->servers[0]);
    }
    if (!err && fuse_session_exited(m->session))
        err = -EPROTO;
    return err;
}

static void session_report_rings(const struct mount *m)
{
    if (m->wants_rings && !m->has_rings)
        log_warning("no io_uring: it takes a libfuse that was built with it, "
                    "and Y in /sys/module/fuse/parameters/enable_uring");
}

/* Checked once the threads serve: whether the kernel took the answer to INIT
 * shows only in how it answers the first requests. */
static int session_check_root(const struct mount *m)
{
    struct stat st;
    if (session_is_descriptor(m->mountpoint))
        return 0;
    if (stat(m->mountpoint, &st) < 0)
        return -errno;
    return st.st_ino == FUSE_ROOT_ID ? 0 : -EIO;
}

static int session_start_threads(struct mount *m)
{
    notifier_start(&m->notifier, fuse_session_fd(m->session), m->tree.deletes);
    int err = notify_start(m->notify);
    while (!err && m->server_count < MOUNT_THREADS) {
        struct server *server = &m->servers[m->server_count];
        server->mount = m;
        err = -pthread_create(&server->thread, NULL, session_serve, server);
        if (!err)
            m->server_count++;
    }
    return err;
}

/* libfuse ends its rings only at the end of its own loop. The session has
 * ended, so its loop does nothing else. */
static void session_end_rings(struct mount *m)
{
#if TWELVEFS_FUSE_RINGS /* its environment can ask for rings as well */
    fuse_session_exit(m->session);
    (void)fuse_session_loop(m->session);
#else
    (void)m;
#endif
}

/* Called while the threads still serve, so that no request holds a kernel
 * lock that a notification waits for. Then the threads end, and the mount. */
static void session_end_service(struct mount *m)
{
    park_close(m->park);
    (void)pthread_mutex_lock(&m->push_lock); /* no push from now on */
    notify_stop(m->notify);
    notifier_end(&m->notifier);
    device_leave(m->device);
    for (int i = 0; i < m->server_count; i++)
        (void)pthread_join(m->servers[i].thread, NULL);
    m->server_count = 0;
    session_resume_parked(m);
    (void)pthread_mutex_unlock(&m->push_lock);
    fuse_session_unmount(m->session);
    session_end_rings(m);
}

/* "fuse: error: …" and a line end, as libfuse has them, are its log's. */
static int session_say_why(struct buf *words, struct buf *ret_why)
{
    static const char *const prefixes[] = {"fuse: ", "error: "};
    const char *text = buf_str(words);
    for (size_t i = 0; i < array_count(prefixes); i++)
        if (strncmp(text, prefixes[i], strlen(prefixes[i])) == 0)
            text += strlen(prefixes[i]);
    size_t len = strcspn(text, "\n");
    return buf_append(ret_why, text, len);
}

static int session_start(struct mount *m)
{
    int err = session_check_mountpoint(m->mountpoint);
    if (!err)
        err = session_check_device();
    if (!err)
        err = session_make_session(m);
    if (!err)
        err = session_attach(m);
    if (!err)
        err = session_shake_hands(m);
    if (!err)
        err = session_start_threads(m);
    if (!err)
        err = session_check_root(m);
    return err;
}

int mount_start(struct mount *m, struct buf *ret_why)
{
    cleanup(buf_done) struct buf words = {.max = LOG_LINE_SIZE};
    fuse_set_log_func(session_log_fuse);
    start_words = &words;
    int err = session_start(m);
    start_words = NULL;
    if (err && m->session)
        session_end_service(m);
    if (err)
        (void)session_say_why(&words, ret_why);
    else
        session_report_rings(m);
    return err;
}

/* The device says the same when it is unmounted and when the connection was
 * cut (/sys/fs/fuse/connections); then the mount is still there. */
static bool session_is_cut_off(const struct mount *m)
{
    struct statfs st;
    return device_is_leaving(m->device) && statfs(m->mountpoint, &st) < 0 &&
           errno == ENOTCONN;
}

int mount_wait(struct mount *m)
{
    struct pollfd fd = {.fd = m->stop_fd, .events = POLLIN};
    while (poll(&fd, 1, -1) < 0 && errno == EINTR)
        ;
    if (!m->failure && session_is_cut_off(m))
        m->failure = -ECONNABORTED;
    session_end_service(m);
    return m->failure;
}

void mount_stop(struct mount *m)
{
    uint64_t one = 1;
    ssize_t written = write(m->stop_fd, &one, sizeof(one));
    (void)written; /* a full counter ends it as well */
}
