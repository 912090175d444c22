/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/fuse.h>

#include "mount/kernel.h"

/* /dev/fuse takes a message by one write; so does this. */
static int device[2];

static struct notifier here, nowhere = NOTIFIER_NONE;

static int open_device(void **state)
{
    int err = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, device);
    notifier_start(&here, device[0], false);
    return err;
}

static int close_device(void **state)
{
    (void)close(device[0]);
    return close(device[1]);
}

/* What the kernel reads: head, then `body`, which must be all of it. */
static void reads(int32_t code, void *body, size_t size)
{
    char bytes[4096];
    struct fuse_out_header head;
    ssize_t got = recv(device[1], bytes, sizeof(bytes), MSG_DONTWAIT);
    assert_int_equal(got, sizeof(head) + size);
    memcpy(&head, bytes, sizeof(head));
    assert_int_equal(head.len, got);
    assert_int_equal(head.unique, 0); /* else it were a reply */
    assert_int_equal(head.error, code);
    memcpy(body, bytes + sizeof(head), size);
}

static void an_inode_is_dropped_with_or_without_its_pages(void **state)
{
    struct fuse_notify_inval_inode_out out;
    assert_int_equal(kernel_inval_inode(&here, UINT64_MAX, -1), 0);
    reads(FUSE_NOTIFY_INVAL_INODE, &out, sizeof(out));
    assert_true(out.ino == UINT64_MAX);
    assert_int_equal(out.off, -1);
    assert_int_equal(out.len, 0); /* to the end */
    assert_int_equal(kernel_inval_inode(&here, 7, 0), 0);
    reads(FUSE_NOTIFY_INVAL_INODE, &out, sizeof(out));
    assert_int_equal(out.off, 0);
}

struct told_entry {
    struct fuse_notify_inval_entry_out out;
    char name[6];
};

static void a_name_is_dropped_or_expires(void **state)
{
    struct told_entry told;
    assert_int_equal(kernel_inval_entry(&here, 9, "a.mp4"), 0);
    reads(FUSE_NOTIFY_INVAL_ENTRY, &told, sizeof(told.out) + 6);
    assert_int_equal(told.out.parent, 9);
    assert_int_equal(told.out.namelen, 5);
    assert_int_equal(told.out.flags, 0);
    assert_memory_equal(told.name, "a.mp4", 6);
    assert_int_equal(kernel_expire_entry(&here, 9, "a.mp4"), 0);
    reads(FUSE_NOTIFY_INVAL_ENTRY, &told, sizeof(told.out) + 6);
    assert_int_equal(told.out.flags, FUSE_EXPIRE_ONLY);
}

static void a_deletion_names_parent_and_child(void **state)
{
    struct {
        struct fuse_notify_delete_out out;
        char name[2];
    } told;
    assert_int_equal(kernel_delete_entry(&here, 3, 4, "x"), 0);
    reads(FUSE_NOTIFY_DELETE, &told, sizeof(told.out) + 2);
    assert_int_equal(told.out.parent, 3);
    assert_int_equal(told.out.child, 4);
    assert_int_equal(told.out.namelen, 1);
    assert_memory_equal(told.name, "x", 2);
}

static void bytes_are_stored_as_they_are(void **state)
{
    struct {
        struct fuse_notify_store_out out;
        char bytes[5];
    } told;
    assert_int_equal(kernel_store(device[0], 3, 4096, "a\0b\xff\n", 5), 0);
    reads(FUSE_NOTIFY_STORE, &told, sizeof(told.out) + 5);
    assert_int_equal(told.out.nodeid, 3);
    assert_int_equal(told.out.offset, 4096);
    assert_int_equal(told.out.size, 5);
    assert_memory_equal(told.bytes, "a\0b\xff\n", 5);
}

static void a_device_that_is_gone_is_an_error(void **state)
{
    assert_int_equal(kernel_inval_inode(&nowhere, 7, 0), -EBADF);
    assert_int_equal(kernel_inval_entry(&nowhere, 7, "x"), -EBADF);
    assert_int_equal(kernel_store(-1, 7, 0, "x", 1), -EBADF);
}

#define T(test) cmocka_unit_test_setup_teardown(test, open_device, close_device)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_inode_is_dropped_with_or_without_its_pages),
        T(a_name_is_dropped_or_expires),
        T(a_deletion_names_parent_and_child),
        T(bytes_are_stored_as_they_are),
        T(a_device_that_is_gone_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
