/* SPDX-License-Identifier: MIT */
#include "options_world.h"

static void words_of_fstab_are_taken(void **state)
{
    struct world *w = *state;
    assert_int_equal(
        with(w,
             "defaults,noauto,nofail,_netdev,user,relatime,lazytime,dev,suid,"
             "exec,x-systemd.automount,X-mount.mkdir,comment=x,nosuid,"
             "x-systemd.idle-timeout=60,iversion,strictatime"),
        EXIT_MOUNTED);
    assert_null(w->o.fuse_options);
    assert_int_equal(with(w, "ro,noatime,max_read=65536,fsname=a\\,b"),
                     EXIT_MOUNTED);
    assert_string_equal(w->o.fuse_options,
                        "ro,noatime,max_read=65536,fsname=a\\,b");
    assert_false(w->o.read_write);
    assert_int_equal(with(w, "rw,pictures=no"), EXIT_MOUNTED);
    assert_true(w->o.read_write && !w->o.pictures);
    assert_int_equal(with(w, "rw,ro"), EXIT_MOUNTED);
    assert_true(!w->o.read_write && w->o.pictures);
    refused(w, "allow_root",
            "option 'allow_root': the kernel answers from its cache whoever "
            "asks; use allow_other");
}

static void mount_helper_arguments_are_mount_8s(void **state)
{
    struct world *w = *state;
    char *words[] = {(char *)"/sbin/mount.twelvefs",
                     (char *)"work:",
                     (char *)"/mnt",
                     (char *)"-sfnv",
                     (char *)"-t",
                     (char *)"twelvefs",
                     (char *)"-o",
                     (char *)"rw,refresh=5m,nosuch",
                     NULL};
    assert_int_equal(parse_all(w, words), EXIT_MOUNTED);
    assert_true(w->o.by_mount && w->o.fake && w->o.sloppy);
    assert_false(w->o.foreground);
    assert_string_equal(w->o.account, "work");
    assert_int_equal(w->o.refresh_ms, 300000);
    assert_null(w->o.fuse_options); /* mount says rw unasked */
    assert_false(w->o.read_write);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(words_of_fstab_are_taken),
        T(mount_helper_arguments_are_mount_8s),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
