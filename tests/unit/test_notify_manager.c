/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "notify_manager.h"

/* A service manager's socket; name[0] '@' is the abstract name space. */
static int listen_at(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(name);
    assert_true(len < sizeof(address.sun_path));
    memcpy(address.sun_path, name, len);
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(
        bind(fd, (const struct sockaddr *)&address,
             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
        0);
    assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
    return fd;
}

static void hears(int fd, const char *message)
{
    char bytes[2000] = "";
    ssize_t len = recv(fd, bytes, sizeof(bytes) - 1, MSG_DONTWAIT);
    assert_int_equal(len, strlen(message));
    assert_string_equal(bytes, message);
}

static void hears_nothing(int fd)
{
    char byte;
    assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
}

static void a_message_is_one_datagram(void **state)
{
    char name[64];
    (void)snprintf(name, sizeof(name), "/tmp/test-notify-%d", (int)getpid());
    cleanup(close_fd) int fd = listen_at(name);
    notify_manager("STOPPING=1");
    notify_manager_ready("12 assets");
    assert_int_equal(unlink(name), 0);
    hears(fd, "STOPPING=1");
    hears(fd, "READY=1\nSTATUS=12 assets");
    hears_nothing(fd);
}

static void an_abstract_socket_has_no_file(void **state)
{
    char name[64];
    (void)snprintf(name, sizeof(name), "@test-notify-%d", (int)getpid());
    cleanup(close_fd) int fd = listen_at(name);
    notify_manager("STOPPING=1");
    hears(fd, "STOPPING=1");
}

static void a_status_of_any_length_leaves_it_ready(void **state)
{
    char name[64], status[3000], start[16] = "";
    (void)snprintf(name, sizeof(name), "@test-notify-%d", (int)getpid());
    cleanup(close_fd) int fd = listen_at(name);
    memset(status, 'x', sizeof(status) - 1);
    status[sizeof(status) - 1] = '\0';
    notify_manager_ready(status);
    assert_true(recv(fd, start, sizeof(start) - 1, MSG_DONTWAIT) > 0);
    assert_memory_equal(start, "READY=1\nSTATUS=", 15);
}

/* Nobody who listens, a name that no address holds, a manager that doesn't
 * read: nothing of it is the mount's end, or holds it up. */
static void a_manager_that_is_not_there_is_no_error(void **state)
{
    char longer[200], name[64];
    assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
    notify_manager("STOPPING=1");
    assert_int_equal(setenv("NOTIFY_SOCKET", "", 1), 0);
    notify_manager("STOPPING=1");
    assert_int_equal(setenv("NOTIFY_SOCKET", "/nonexistent/socket", 1), 0);
    notify_manager("STOPPING=1");
    memset(longer, 'x', sizeof(longer) - 1);
    longer[0] = '/';
    longer[sizeof(longer) - 1] = '\0';
    assert_int_equal(setenv("NOTIFY_SOCKET", longer, 1), 0);
    notify_manager("STOPPING=1");
    (void)snprintf(name, sizeof(name), "@test-notify-%d", (int)getpid());
    cleanup(close_fd) int fd = listen_at(name);
    for (int i = 0; i < 2000; i++) /* more than any queue holds */
        notify_manager("STOPPING=1");
    hears(fd, "STOPPING=1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_one_datagram),
        cmocka_unit_test(an_abstract_socket_has_no_file),
        cmocka_unit_test(a_status_of_any_length_leaves_it_ready),
        cmocka_unit_test(a_manager_that_is_not_there_is_no_error),
    };
    log_init(LOG_TO_STDERR, LOG_LEVEL_ERROR); /* its warnings are no news */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
