/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/clock.h"
#include "key_command.h"

#define PATIENCE_MS 60000

struct result {
    char bytes[64];
    size_t len;
    int status;
};

static int run_for(const char *command, int64_t ms, struct result *r)
{
    memset(r, 0, sizeof(*r));
    return key_command_run(command, clock_mono_ms() + ms, r->bytes,
                           sizeof(r->bytes), &r->len, &r->status);
}

static int run(const char *command, struct result *r)
{
    return run_for(command, PATIENCE_MS, r);
}

static void output_and_status_come_back(void **state)
{
    struct result r;
    assert_int_equal(run("echo secret; exit 7", &r), 0);
    assert_int_equal(r.len, strlen("secret\n"));
    assert_memory_equal(r.bytes, "secret\n", r.len);
    assert_true(WIFEXITED(r.status) && WEXITSTATUS(r.status) == 7);
    assert_int_equal(run("exec >&-; true", &r), 0);
    assert_int_equal(r.len, 0);
    assert_int_equal(r.status, 0);
}

/* It holds the pipe, and says who it is, to be ended here. */
static void what_stays_in_the_background_is_not_waited_for(void **state)
{
    struct result r;
    assert_int_equal(run("sleep 1000 & echo $!", &r), 0);
    assert_int_equal(r.status, 0);
    int pid = atoi(r.bytes);
    assert_true(pid > 1);
    assert_int_equal(kill(pid, SIGKILL), 0);
}

static void a_command_that_hangs_ends_at_the_deadline(void **state)
{
    struct result r;
    assert_int_equal(run_for("echo secret; exec sleep 1000", 50, &r),
                     -ETIMEDOUT);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static void endless_output_is_cut(void **state)
{
    struct result r;
    assert_int_equal(run("exec yes", &r), 0);
    assert_int_equal(r.len, sizeof(r.bytes));
}

static void a_signal_to_end_comes_through_to_its_taker(void **state)
{
    struct result r;
    sigset_t set;
    int taken = 0;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    pthread_kill(pthread_self(), SIGTERM);
    assert_int_equal(run("exec sleep 1000", &r), -EINTR);
    assert_int_equal(sigwait(&set, &taken), 0);
    assert_int_equal(taken, SIGTERM);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void our_signal_mask_is_not_the_commands(void **state)
{
    struct result r;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(run("kill -TERM $$", &r), 0);
    assert_true(WIFSIGNALED(r.status) && WTERMSIG(r.status) == SIGTERM);
    assert_int_equal(run("kill -PIPE $$", &r), 0);
    assert_true(WIFSIGNALED(r.status) && WTERMSIG(r.status) == SIGPIPE);
    signal(SIGPIPE, SIG_DFL);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(output_and_status_come_back),
        cmocka_unit_test(what_stays_in_the_background_is_not_waited_for),
        cmocka_unit_test(a_command_that_hangs_ends_at_the_deadline),
        cmocka_unit_test(endless_output_is_cut),
        cmocka_unit_test(a_signal_to_end_comes_through_to_its_taker),
        cmocka_unit_test(our_signal_mask_is_not_the_commands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
