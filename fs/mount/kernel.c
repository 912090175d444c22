/* SPDX-License-Identifier: MIT */
#include "mount/kernel.h"

#include <errno.h>
#include <linux/fuse.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define PARTS_MAX 2

static struct iovec part(const void *bytes, size_t len)
{
    return (struct iovec){.iov_base = (void *)bytes, .iov_len = len};
}

/* The code takes the place of a reply's error. */
static void head_with(int code, const struct iovec *parts, int count,
                      struct fuse_out_header *ret_head,
                      struct iovec ret_iov[1 + PARTS_MAX])
{
    *ret_head =
        (struct fuse_out_header){.error = code, .len = sizeof(*ret_head)};
    ret_iov[0] = part(ret_head, sizeof(*ret_head));
    for (int i = 0; i < count; i++) {
        ret_head->len += (uint32_t)parts[i].iov_len;
        ret_iov[1 + i] = parts[i];
    }
}

static int tell(struct notifier *n, int code, const struct iovec *parts,
                int count)
{
    struct fuse_out_header head;
    struct iovec iov[1 + PARTS_MAX];
    head_with(code, parts, count, &head, iov);
    return notifier_write(n, iov, 1 + count);
}

int kernel_inval_inode(struct notifier *n, uint64_t ino, int64_t off)
{
    const struct fuse_notify_inval_inode_out out = {.ino = ino, .off = off};
    const struct iovec parts[] = {part(&out, sizeof(out))};
    return tell(n, FUSE_NOTIFY_INVAL_INODE, parts, 1);
}

static int forget_entry(struct notifier *n, uint64_t parent, const char *name,
                        uint32_t flags)
{
    size_t len = strlen(name);
    const struct fuse_notify_inval_entry_out out = {
        .parent = parent, .namelen = (uint32_t)len, .flags = flags};
    const struct iovec parts[] = {part(&out, sizeof(out)), part(name, len + 1)};
    return tell(n, FUSE_NOTIFY_INVAL_ENTRY, parts, 2);
}

int kernel_inval_entry(struct notifier *n, uint64_t parent, const char *name)
{
    return forget_entry(n, parent, name, 0);
}

int kernel_expire_entry(struct notifier *n, uint64_t parent, const char *name)
{
    return forget_entry(n, parent, name, FUSE_EXPIRE_ONLY);
}

int kernel_delete_entry(struct notifier *n, uint64_t parent, uint64_t child,
                        const char *name)
{
    size_t len = strlen(name);
    const struct fuse_notify_delete_out out = {
        .parent = parent, .child = child, .namelen = (uint32_t)len};
    const struct iovec parts[] = {part(&out, sizeof(out)), part(name, len + 1)};
    return tell(n, FUSE_NOTIFY_DELETE, parts, 2);
}

int kernel_store(int fd, uint64_t ino, uint64_t off, const void *bytes,
                 uint32_t size)
{
    const struct fuse_notify_store_out out = {
        .nodeid = ino, .offset = off, .size = size};
    const struct iovec parts[] = {part(&out, sizeof(out)), part(bytes, size)};
    struct fuse_out_header head;
    struct iovec iov[1 + PARTS_MAX];
    head_with(FUSE_NOTIFY_STORE, parts, 2, &head, iov);
    return writev(fd, iov, 3) < 0 ? -errno : 0;
}
