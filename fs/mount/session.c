#include "mount/session.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "mount/fs_ops.h"
#include "mount/mount.h"

#define SPIN_NS       50000
#define OPTIONS_MAX   65536
#define LOG_LINE_SIZE 512

/* ---- making and ending ------------------------------------------------ */

static void signal_fd(int fd)
{
    uint64_t one = 1;
    ssize_t written = write(fd, &one, sizeof(one));
    (void)written; /* a full counter wakes as well */
}

static void clear_fd(int fd)
{
    uint64_t count;
    ssize_t got = read(fd, &count, sizeof(count));
    (void)got; /* another thread may have been faster */
}

static void wake(void *ctx)
{
    struct mount *m = ctx;
    signal_fd(m->wake_fd);
}

/* A comma in an option's value would begin another option. */
static int append_escaped(struct buf *out, const char *text)
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

static int make_options(const struct mount_config *config, char **ret)
{
    cleanup(buf_done) struct buf out = {.max = OPTIONS_MAX};
    int err = buf_append_str(&out, "fsname=");
    if (!err)
        err = append_escaped(&out, config->source);
    if (!err)
        err = buf_append_str(
            &out, ",subtype=twelvefs,default_permissions,nosuid,nodev,noexec");
    if (!err && config->allow_other)
        err = buf_append_str(&out, ",allow_other");
    if (!err && config->fuse_options && config->fuse_options[0])
        err = buf_appendf(&out, ",%s", config->fuse_options);
    if (err)
        return err;
    *ret = buf_steal(&out, NULL);
    return *ret ? 0 : -ENOMEM;
}

static int kernel_inval_inode(void *ctx, uint64_t ino, int64_t off)
{
    struct mount *m = ctx;
    return fuse_lowlevel_notify_inval_inode(m->session, ino, off, 0);
}

static int kernel_inval_entry(void *ctx, uint64_t parent, const char *name)
{
    struct mount *m = ctx;
    return fuse_lowlevel_notify_inval_entry(m->session, parent, name,
                                            strlen(name));
}

static int kernel_delete(void *ctx, uint64_t parent, uint64_t child,
                         const char *name)
{
    struct mount *m = ctx;
    return fuse_lowlevel_notify_delete(m->session, parent, child, name,
                                       strlen(name));
}

static int make_tables(struct mount *m)
{
    static const struct notify_kernel kernel = {
        .inval_inode = kernel_inval_inode,
        .inval_entry = kernel_inval_entry,
        .delete_entry = kernel_delete,
        .push = fs_push,
    };
    int err = view_table_new(&m->views);
    if (!err)
        err = listing_table_new(&m->listings);
    if (!err)
        err = lines_table_new(&m->lines);
    if (!err)
        err = pin_table_new(&m->pins);
    if (!err)
        err = park_new(m->sync, m->media, wake, m, &m->park);
    if (!err)
        err = notify_new(&kernel, m, m->views, &m->notify);
    return err;
}

static int fill(struct mount *m, const struct mount_config *config)
{
    m->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    m->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (m->stop_fd < 0 || m->wake_fd < 0)
        return -errno;
    m->owner = (struct attr_owner){.uid = getuid(), .gid = getgid()};
    m->refresh_s = (double)config->refresh_ms / 1000;
    m->timeout_ms = config->timeout_ms;
    m->started_ns = clock_wall_ns();
    m->root_changed_ns = m->started_ns;
    m->other_shown = catalogue_count(m->catalogue, ASSET_OTHER) > 0;
    m->may_spin = sysconf(_SC_NPROCESSORS_ONLN) > 1;
    m->mountpoint = strdup(config->mountpoint);
    int err = make_options(config, &m->options);
    if (!err && !m->mountpoint)
        err = -ENOMEM;
    return err ? err : make_tables(m);
}

int mount_new(const struct mount_config *config, struct catalogue *catalogue,
              struct sync *sync, struct media *media, struct api *api,
              struct mount **ret_mount)
{
    struct mount *m = calloc(1, sizeof(*m));
    if (!m)
        return -ENOMEM;
    m->catalogue = catalogue;
    m->sync = sync;
    m->media = media;
    m->api = api;
    m->stop_fd = m->wake_fd = -1;
    atomic_flag_clear(&m->spinning);
    int err = fill(m, config);
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
    pin_table_free(m->pins);
    lines_table_free(m->lines);
    listing_table_free(m->listings);
    view_table_free(m->views);
    close_fd(&m->stop_fd);
    close_fd(&m->wake_fd);
    free(m->mountpoint);
    free(m->options);
    free(m);
}

/* A picture with another URL is another file of another size. */
static void drop_pins(struct mount *m, const struct catalogue_diff *diff)
{
    for (size_t i = 0; i < diff->count; i++) {
        const struct catalogue_change *c = &diff->changes[i];
        if (c->kind == CATALOGUE_REMOVED || c->kind == CATALOGUE_CHANGED ||
            c->kind == CATALOGUE_MOVED) {
            pin_drop(m->pins, node_number(NODE_PICTURE, 0, c->row));
            pin_drop(m->pins, node_number(NODE_PLAYLIST, 0, c->row));
        }
    }
}

void mount_committed(void *ctx, const struct catalogue_diff *diff)
{
    struct mount *m = ctx;
    bool other = catalogue_count(m->catalogue, ASSET_OTHER) > 0;
    if (other != m->other_shown) {
        m->root_changed_ns = diff->committed_ns;
        m->other_shown = other;
        notify_other(m->notify, other);
    }
    drop_pins(m, diff);
    notify_commit(m->notify, diff, m->long_negatives);
}

/* ---- reading and writing the device ------------------------------------ */

/* Before 3.17.1 libfuse never answers FUSE_PARALLEL_DIROPS, and then one slow
 * LOOKUP holds up all others in its directory, within the kernel. So the INIT
 * request is remembered and its answer mended. */
static void note_init(struct mount *m, const void *bytes, ssize_t len)
{
    const struct fuse_in_header *head = bytes;
    if (len < (ssize_t)(sizeof(*head) + sizeof(struct fuse_init_in)) ||
        head->opcode != FUSE_INIT)
        return;
    const struct fuse_init_in *in = (const void *)(head + 1);
    m->init_flags = in->flags;
    m->init_unique = head->unique;
}

static void mend_init(struct mount *m, const struct iovec *iov, int count)
{
    const struct fuse_out_header *head = iov[0].iov_base;
    if (head->unique != m->init_unique || head->error || count < 2 ||
        iov[1].iov_len < FUSE_COMPAT_22_INIT_OUT_SIZE)
        return;
    struct fuse_init_out *out = iov[1].iov_base;
    out->flags |= m->init_flags & FUSE_PARALLEL_DIROPS;
    m->init_unique = 0;
}

static ssize_t write_device(int fd, struct iovec *iov, int count,
                            void *userdata)
{
    struct mount *m = userdata;
    if (m->init_unique && iov[0].iov_len == sizeof(struct fuse_out_header))
        mend_init(m, iov, count);
    return writev(fd, iov, count);
}

static bool must_look_up(struct mount *m)
{
    return m->leaving || park_is_ready(m->park);
}

static int64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* A moment of spinning is cheaper than to sleep and be woken, while somebody
 * asks one thing after another. One thread does it, on a processor that
 * nobody else asks for. */
static ssize_t spin(struct mount *m, int fd, void *bytes, size_t size)
{
    ssize_t got = -1;
    errno = EAGAIN;
    if (!m->may_spin || atomic_flag_test_and_set(&m->spinning))
        return got;
    int64_t until_ns = now_ns() + SPIN_NS;
    do
        got = read(fd, bytes, size);
    while (got < 0 && errno == EAGAIN && !must_look_up(m) &&
           now_ns() < until_ns);
    int err = errno;
    atomic_flag_clear(&m->spinning);
    errno = err;
    return got;
}

/* The next request. -1 with EINTR when the thread should look around. */
static ssize_t read_device(int fd, void *bytes, size_t size, void *userdata)
{
    struct mount *m = userdata;
    for (;;) {
        if (must_look_up(m)) {
            errno = EINTR;
            return -1;
        }
        ssize_t got = read(fd, bytes, size);
        if (got < 0 && errno == EAGAIN)
            got = spin(m, fd, bytes, size);
        if (got >= 0)
            note_init(m, bytes, got);
        if (got >= 0 || errno != EAGAIN)
            return got;
        struct pollfd fds[] = {{.fd = fd, .events = POLLIN},
                               {.fd = m->wake_fd, .events = POLLIN}};
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return -1;
        /* Before the look, or the next answer's signal could be lost. */
        if (fds[1].revents)
            clear_fd(m->wake_fd);
    }
}

/* ---- serving ------------------------------------------------------------ */

static void resume_parked(struct mount *m)
{
    struct request *r;
    while (park_is_ready(m->park) && (r = park_take(m->park)))
        request_resume(r);
}

static void *serve(void *ctx)
{
    struct mount *m = ctx;
    struct fuse_buf bytes = {.mem = NULL};
    while (!m->leaving && !fuse_session_exited(m->session)) {
        resume_parked(m);
        int got = fuse_session_receive_buf(m->session, &bytes);
        if (got == -EINTR || got == -EAGAIN)
            continue;
        if (got < 0)
            m->failure = got;
        if (got <= 0)
            break;
        fuse_session_process_buf(m->session, &bytes);
    }
    free(bytes.mem);
    signal_fd(m->wake_fd); /* the signal was for all, and is cleared by one */
    signal_fd(m->stop_fd); /* where it was unmounted */
    return NULL;
}

/* libfuse's words belong in our log. */
__attribute__((format(printf, 2, 0))) static void
log_fuse(enum fuse_log_level level, const char *format, va_list arguments)
{
    char line[LOG_LINE_SIZE];
    int len = vsnprintf(line, sizeof(line), format, arguments);
    if (len < 0)
        return;
    line[strcspn(line, "\n")] = '\0';
    if (level <= FUSE_LOG_WARNING)
        log_warning("%s", line);
    else
        log_debug("%s", line);
}

static int check_mountpoint(const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return -errno;
    return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

static int make_session(struct mount *m)
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

/* libfuse says -1; errno is mount(2)'s only where it called that itself. */
static int attach(struct mount *m)
{
    static const struct fuse_custom_io io = {.writev = write_device,
                                             .read = read_device};
    errno = 0;
    if (fuse_session_mount(m->session, m->mountpoint) != 0)
        return geteuid() != 0 || !errno ? -EPERM : -errno;
    int fd = fuse_session_fd(m->session);
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return -errno;
    return fuse_session_custom_io(m->session, &io, fd) ? -EIO : 0;
}

static int start_threads(struct mount *m)
{
    int err = notify_start(m->notify);
    while (!err && m->thread_count < MOUNT_THREADS) {
        err = -pthread_create(&m->threads[m->thread_count], NULL, serve, m);
        if (!err)
            m->thread_count++;
    }
    return err;
}

/* While the threads still serve, so that nobody holds a kernel lock that a
 * notification waits for; then they go, and the mount. */
static void end_service(struct mount *m)
{
    park_close(m->park);
    notify_stop(m->notify);
    m->leaving = true;
    signal_fd(m->wake_fd);
    for (int i = 0; i < m->thread_count; i++)
        (void)pthread_join(m->threads[i], NULL);
    m->thread_count = 0;
    resume_parked(m);
    fuse_session_unmount(m->session);
}

int mount_start(struct mount *m)
{
    fuse_set_log_func(log_fuse);
    int err = check_mountpoint(m->mountpoint);
    if (!err)
        err = make_session(m);
    if (!err)
        err = attach(m);
    if (!err)
        err = start_threads(m);
    if (err && m->session)
        end_service(m);
    return err;
}

int mount_wait(struct mount *m)
{
    struct pollfd fd = {.fd = m->stop_fd, .events = POLLIN};
    while (poll(&fd, 1, -1) < 0 && errno == EINTR)
        ;
    end_service(m);
    return m->failure;
}

void mount_stop(struct mount *m)
{
    signal_fd(m->stop_fd);
}
