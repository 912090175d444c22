/* SPDX-License-Identifier: MIT */
#include "mount/fs_ops.h"

#include <errno.h>
#include <linux/fuse.h>

#if TWELVEFS_FUSE_RINGS
/* libfuse ends its ring threads by an event, which they look for between
 * requests, and cancels them as well, which must not reach into one. */
static void op_note_ring(struct mount *m)
{
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    m->has_rings = true;
}
#endif

static void op_count(fuse_req_t req, unsigned opcode)
{
    struct mount *m = fuse_req_userdata(req);
    opcount_add(&m->operations, opcode);
#if TWELVEFS_FUSE_RINGS
    if (fuse_req_is_uring(req))
        op_note_ring(m);
#endif
}

static struct request op_begin(fuse_req_t req, unsigned opcode, fuse_ino_t ino,
                               request_fn *run)
{
    op_count(req, opcode);
    return (struct request){.mount = fuse_req_userdata(req),
                            .req = req,
                            .operation = fs_operation(opcode),
                            .run = run,
                            .ino = ino};
}

/* Capabilities are in fields of 32 bits, and in newer libraries in ones of 64,
 * which a library of today takes from nowhere else. */
static bool op_is_offered(const struct fuse_conn_info *conn,
                          uint64_t capability)
{
#if TWELVEFS_FUSE_FEATURE_FLAGS
    return fuse_get_feature_flag((struct fuse_conn_info *)conn, capability);
#else
    return conn->capable & capability;
#endif
}

static void op_want(struct fuse_conn_info *conn, uint64_t capabilities,
                    bool wanted)
{
    for (unsigned bit = 0; bit < 64; bit++) {
        uint64_t flag = UINT64_C(1) << bit & capabilities;
        if (!flag)
            continue;
#if TWELVEFS_FUSE_FEATURE_FLAGS
        if (wanted)
            (void)fuse_set_feature_flag(conn, flag);
        else
            fuse_unset_feature_flag(conn, flag);
#else
        if (wanted)
            conn->want |= (unsigned)flag & conn->capable;
        else
            conn->want &= ~(unsigned)flag;
#endif
    }
}

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
    struct mount *m = userdata;
    op_want(conn,
            FUSE_CAP_READDIRPLUS | FUSE_CAP_AUTO_INVAL_DATA |
                FUSE_CAP_CACHE_SYMLINKS | FUSE_CAP_PARALLEL_DIROPS |
                FUSE_CAP_NO_OPEN_SUPPORT | FUSE_CAP_NO_OPENDIR_SUPPORT |
                FUSE_CAP_ASYNC_READ | FUSE_CAP_EXPORT_SUPPORT |
                FUSE_CAP_IOCTL_DIR,
            true);
    /* Splicing goes past device.c; a truncating open would not be seen, with
     * OPEN unanswered. */
    op_want(conn,
            FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_ATOMIC_O_TRUNC |
                FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE |
                FUSE_CAP_SPLICE_MOVE | FUSE_CAP_WRITEBACK_CACHE |
                FUSE_CAP_EXPLICIT_INVAL_DATA,
            false);
    conn->max_background = 64;
    conn->congestion_threshold = 48;
    if (conn->max_write > DEVICE_WRITE_BYTES)
        conn->max_write = DEVICE_WRITE_BYTES;
    m->features.parallel_dirops =
        op_is_offered(conn, FUSE_CAP_PARALLEL_DIROPS) &&
        (TWELVEFS_FUSE_FEATURE_FLAGS || m->features.mends_init);
    m->features.expire_only = op_is_offered(conn, FUSE_CAP_EXPIRE_ONLY);
    m->initialized = true;
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct request r = op_begin(req, FUSE_LOOKUP, parent, fs_lookup);
    r.name = name;
    request_serve(&r);
}

static void op_forget_one(struct mount *m, fuse_ino_t ino, uint64_t count)
{
    struct node n;
    if (!node_parse(ino, &n))
        return;
    if (tree_is_late(n.kind))
        content_forget(m->contents, ino, count);
    if (node_is_per_view(n.kind))
        view_forget(m->tree.views, n.view, count);
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t lookups)
{
    op_count(req, FUSE_FORGET);
    op_forget_one(fuse_req_userdata(req), ino, lookups);
    fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t length,
                            struct fuse_forget_data *forgets)
{
    op_count(req, FUSE_BATCH_FORGET);
    for (size_t i = 0; i < length; i++)
        op_forget_one(fuse_req_userdata(req), forgets[i].ino,
                      forgets[i].nlookup);
    fuse_reply_none(req);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino,
                       struct fuse_file_info *fi)
{
    (void)fi;
    struct request r = op_begin(req, FUSE_GETATTR, ino, fs_getattr);
    request_serve(&r);
}

static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr,
                       int to_set, struct fuse_file_info *fi)
{
    (void)ino;
    (void)attr;
    (void)to_set;
    (void)fi;
    op_count(req, FUSE_SETATTR);
    (void)fuse_reply_err(req, EROFS);
}

static void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
    struct request r = op_begin(req, FUSE_READLINK, ino, fs_readlink);
    request_serve(&r);
}

/* From then on the kernel opens by itself and keeps what it has cached. */
static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)ino;
    (void)fi;
    op_count(req, FUSE_OPEN);
    (void)fuse_reply_err(req, ENOSYS);
}

static void op_opendir(fuse_req_t req, fuse_ino_t ino,
                       struct fuse_file_info *fi)
{
    (void)ino;
    (void)fi;
    op_count(req, FUSE_OPENDIR);
    (void)fuse_reply_err(req, ENOSYS);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
                    struct fuse_file_info *fi)
{
    (void)fi;
    struct request r = op_begin(req, FUSE_READ, ino, fs_read);
    r.size = size;
    r.off = off;
    request_serve(&r);
}

static void op_write(fuse_req_t req, fuse_ino_t ino, const char *bytes,
                     size_t size, off_t off, struct fuse_file_info *fi)
{
    (void)bytes;
    (void)off;
    (void)fi;
    struct request r = op_begin(req, FUSE_WRITE, ino, fs_write);
    r.size = size;
    request_serve(&r);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
                       struct fuse_file_info *fi)
{
    (void)fi;
    struct request r = op_begin(req, FUSE_READDIR, ino, fs_readdir);
    r.size = size;
    r.off = off;
    request_serve(&r);
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size,
                           off_t off, struct fuse_file_info *fi)
{
    (void)fi;
    struct request r = op_begin(req, FUSE_READDIRPLUS, ino, fs_readdirplus);
    r.size = size;
    r.off = off;
    request_serve(&r);
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
    struct request r = op_begin(req, FUSE_STATFS, ino, fs_statfs);
    request_serve(&r);
}

static void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name,
                        size_t size)
{
    struct request r = op_begin(req, FUSE_GETXATTR, ino, fs_getxattr);
    r.name = name;
    r.size = size;
    request_serve(&r);
}

static void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
    struct request r = op_begin(req, FUSE_LISTXATTR, ino, fs_listxattr);
    r.size = size;
    request_serve(&r);
}

static void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent,
                       const char *name)
{
    struct request r = op_begin(req, FUSE_SYMLINK, parent, fs_symlink);
    r.name = name;
    r.text = target;
    request_serve(&r);
}

static void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct request r = op_begin(req, FUSE_UNLINK, parent, fs_unlink);
    r.name = name;
    request_serve(&r);
}

static void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct request r = op_begin(req, FUSE_RMDIR, parent, fs_rmdir);
    r.name = name;
    request_serve(&r);
}

static void op_refuse(fuse_req_t req, unsigned opcode)
{
    op_count(req, opcode);
    (void)fuse_reply_err(req, EROFS);
}

static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name,
                     mode_t mode)
{
    (void)mode;
    op_refuse(req, FUSE_MKDIR);
}

static void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name,
                     mode_t mode, dev_t device)
{
    (void)mode;
    (void)device;
    op_refuse(req, FUSE_MKNOD);
}

static void op_create(fuse_req_t req, fuse_ino_t parent, const char *name,
                      mode_t mode, struct fuse_file_info *fi)
{
    (void)mode;
    (void)fi;
    op_refuse(req, FUSE_CREATE);
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
                      fuse_ino_t new_parent, const char *new_name,
                      unsigned flags)
{
    (void)new_parent;
    (void)new_name;
    (void)flags;
    op_refuse(req, FUSE_RENAME);
}

static void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent,
                    const char *name)
{
    (void)ino;
    op_refuse(req, FUSE_LINK);
}

static void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name,
                        const char *value, size_t size, int flags)
{
    struct request r = op_begin(req, FUSE_SETXATTR, ino, NULL);
    r.name = name;
    fs_setxattr(&r, value, size, flags);
}

static void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
    struct request r = op_begin(req, FUSE_REMOVEXATTR, ino, NULL);
    r.name = name;
    fs_setxattr(&r, NULL, 0, 0);
}

static void op_ioctl(fuse_req_t req, fuse_ino_t ino, unsigned number, void *arg,
                     struct fuse_file_info *fi, unsigned flags,
                     const void *bytes, size_t size, size_t out_size)
{
    (void)arg;
    (void)fi;
    (void)flags;
    (void)out_size;
    struct request r = op_begin(req, FUSE_IOCTL, ino, NULL);
    fs_command(&r, number, bytes, size);
}

/* FLUSH and ACCESS are left out: the kernel hears ENOSYS once and stops. */
const struct fuse_lowlevel_ops fs_ops = {
    .init = op_init,
    .lookup = op_lookup,
    .forget = op_forget,
    .forget_multi = op_forget_multi,
    .getattr = op_getattr,
    .setattr = op_setattr,
    .readlink = op_readlink,
    .open = op_open,
    .opendir = op_opendir,
    .read = op_read,
    .write = op_write,
    .readdir = op_readdir,
    .readdirplus = op_readdirplus,
    .statfs = op_statfs,
    .getxattr = op_getxattr,
    .listxattr = op_listxattr,
    .setxattr = op_setxattr,
    .removexattr = op_removexattr,
    .symlink = op_symlink,
    .unlink = op_unlink,
    .rmdir = op_rmdir,
    .mkdir = op_mkdir,
    .mknod = op_mknod,
    .create = op_create,
    .rename = op_rename,
    .link = op_link,
    .ioctl = op_ioctl,
};
