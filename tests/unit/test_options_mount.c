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
    assert_int_equal(with(w, "nodiratime,nosymfollow"), EXIT_MOUNTED);
    assert_null(w->o.fuse_options); /* libfuse 3.14 knows neither */
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

/* What mount(8) says unasked allows nothing; what was asked for does. */
static void writing_is_asked_for(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *program, *words;
        bool writes, deletes;
        enum exit_status status;
    } cases[] = {
        {"twelvefs", "rw,delete=safe", true, true, EXIT_MOUNTED},
        {"twelvefs", "write,delete=safe", true, true, EXIT_MOUNTED},
        {"twelvefs", "delete=safe", false, false, EXIT_USAGE},
        {"twelvefs", "write,ro,delete=safe", false, false, EXIT_MOUNTED},
        {"twelvefs", "ro,write", false, false, EXIT_MOUNTED},
        {"twelvefs", "rw,write=no", true, false, EXIT_MOUNTED},
        {"twelvefs", "rw,dev,suid", false, false, EXIT_MOUNTED},
        {"twelvefs", "rw,write,dev,suid", true, false, EXIT_MOUNTED},
        {"mount.twelvefs", "rw", false, false, EXIT_MOUNTED},
        {"mount.twelvefs", "rw,delete=safe", false, false, EXIT_USAGE},
        {"mount.twelvefs", "rw,write,delete=safe", true, true, EXIT_MOUNTED},
        {"mount.twelvefs", "write=yes,rw", true, false, EXIT_MOUNTED},
        {"mount.twelvefs", "ro,write", false, false, EXIT_MOUNTED},
        {"mount.twelvefs", "remount,rw,delete=safe", false, true, EXIT_MOUNTED},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        char *words[] = {(char *)cases[i].program, (char *)"work:",
                         (char *)"/mnt",           (char *)"-o",
                         (char *)cases[i].words,   NULL};
        print_message("%s %s\n", cases[i].program, cases[i].words);
        assert_int_equal(parse_all(w, words), cases[i].status);
        if (cases[i].status != EXIT_MOUNTED)
            continue;
        assert_int_equal(w->o.read_write, cases[i].writes);
        assert_int_equal(w->o.deletion != DELETION_REFUSED, cases[i].deletes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(words_of_fstab_are_taken),
        T(mount_helper_arguments_are_mount_8s),
        T(writing_is_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
