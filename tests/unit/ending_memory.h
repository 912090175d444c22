/* SPDX-License-Identifier: MIT */
/*
 * ending_memory.h - every allocation fails once, in turn.
 *
 * The linker hands malloc and the like to the functions here (meson.build);
 * SQLite takes its memory through hooks of its own. Work is then
 * done or -ENOMEM, nothing is lost, and afterwards all is as if nothing had
 * been asked. (That nothing leaks is counted for work that keeps nothing; for
 * the catalogue a sanitizer says so at the end.)
 */
#ifndef TWELVEFS_ENDING_MEMORY_H
#define TWELVEFS_ENDING_MEMORY_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sqlite3.h>

/* ---- memory that ends ------------------------------------------------- */

/* Of this thread alone: the catalogue's others go on. */
static _Thread_local bool armed;
static _Thread_local unsigned long asked; /* since armed */
static _Thread_local unsigned long fails_at;
static _Thread_local long live; /* blocks, since armed */

static bool refuse(void)
{
    return armed && ++asked == fails_at;
}

static void *count(void *block)
{
    live += armed && block;
    return block;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_reallocarray(void *old, size_t count, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t max);
void __real_free(void *block);

void __wrap_log_write(int level, const char *format, ...);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t number, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_reallocarray(void *old, size_t number, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t max);
int __wrap_asprintf(char **ret_text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
int __wrap___asprintf_chk(char **ret_text, int flag, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void __wrap_free(void *block);

/* Thousands of lines would say that there is no memory. */
void __wrap_log_write(int level, const char *format, ...)
{
    (void)level;
    (void)format;
}

void *__wrap_malloc(size_t size)
{
    return refuse() ? NULL : count(__real_malloc(size));
}

void *__wrap_calloc(size_t number, size_t size)
{
    return refuse() ? NULL : count(__real_calloc(number, size));
}

void *__wrap_realloc(void *old, size_t size)
{
    if (refuse())
        return NULL;
    void *block = __real_realloc(old, size);
    return old ? block : count(block);
}

void *__wrap_reallocarray(void *old, size_t number, size_t size)
{
    if (refuse())
        return NULL;
    void *block = __real_reallocarray(old, number, size);
    return old ? block : count(block);
}

char *__wrap_strdup(const char *text)
{
    return refuse() ? NULL : count(__real_strdup(text));
}

char *__wrap_strndup(const char *text, size_t max)
{
    return refuse() ? NULL : count(__real_strndup(text, max));
}

static __attribute__((format(printf, 2, 0))) int
refuse_or_print(char **ret_text, const char *format, va_list arguments)
{
    if (refuse())
        return -1;
    int len = vasprintf(ret_text, format, arguments);
    live += armed && len >= 0;
    return len;
}

int __wrap_asprintf(char **ret_text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int len = refuse_or_print(ret_text, format, arguments);
    va_end(arguments);
    return len;
}

/* What _FORTIFY_SOURCE makes of it. */
int __wrap___asprintf_chk(char **ret_text, int flag, const char *format, ...)
{
    (void)flag;
    va_list arguments;
    va_start(arguments, format);
    int len = refuse_or_print(ret_text, format, arguments);
    va_end(arguments);
    return len;
}

void __wrap_free(void *block)
{
    live -= armed && block;
    __real_free(block);
}

static sqlite3_mem_methods plain;

static void *sqlite_malloc(int size)
{
    return refuse() ? NULL : plain.xMalloc(size);
}

static void *sqlite_realloc(void *old, int size)
{
    return refuse() ? NULL : plain.xRealloc(old, size);
}

__attribute__((unused)) static int hook_libraries(void **state)
{
    (void)state;
    if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &plain) != SQLITE_OK)
        return -1;
    sqlite3_mem_methods ending = plain;
    ending.xMalloc = sqlite_malloc;
    ending.xRealloc = sqlite_realloc;
    return sqlite3_config(SQLITE_CONFIG_MALLOC, &ending) == SQLITE_OK &&
                   sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0) == SQLITE_OK
               ? 0
               : -1;
}

/* Each allocation fails once. ThreadSanitizer makes it ten times as long, and
 * which of them fails is nothing that it looks for. */
#ifdef __SANITIZE_THREAD__
#define FAIL_STEP 13
#else
#define FAIL_STEP 1
#endif

typedef int work_fn(void);

/* Answers what work did with the nth allocation failed; whether there was an
 * nth. */
static int run_failing(work_fn *work, unsigned long n, bool *ret_reached)
{
    asked = 0;
    live = 0;
    fails_at = n;
    armed = true;
    int err = work();
    armed = false;
    *ret_reached = asked >= n;
    return err;
}

static void assert_done_or_no_memory(int err, unsigned long n)
{
    if (err != 0 && err != -ENOMEM)
        fail_msg("allocation %lu failed: %s", n, strerror(-err));
}

/* For work that keeps nothing. */
__attribute__((unused)) static void fail_each(work_fn *work,
                                              unsigned long at_least)
{
    bool reached = true;
    unsigned long n = 1;
    bool refused = false;
    for (; reached; n += FAIL_STEP) {
        int err = run_failing(work, n, &reached);
        assert_done_or_no_memory(err, n);
        assert_int_equal(live, 0);
        refused |= err != 0;
        assert_true(reached || err == 0);
    }
    assert_true(refused && n > at_least);
}

/* ---- three assets ---- */

#define ASSET_ONE                                                              \
    "{\"_id\":\"68b1c0a9d4e5f60718293a4b\",\"filename\":\"a\\u0000\\ud800b\"," \
    "\"created_at\":\"2026-03-14T09:26:53Z\",\"file_type\":\"video/mp4\","     \
    "\"status\":\"ready\",\"size\":12,\"duration\":1.5,\"hls\":{\"status\":"   \
    "\"ready\",\"manifest_url\":\"https://m.test/a.m3u8\"},\"thumbnail\":{"    \
    "\"status\":\"ready\",\"representative_url\":\"https://m.test/a.jpg\"},"   \
    "\"user_metadata\":{\"n\":9007199254740993,\"s\":\"x\",\"t\":[1,true]}}"
#define ASSET_TWO                                                              \
    "{\"_id\":\"68b1c0a9d4e5f60718293a4c\",\"filename\":\"a\\u0000\\ud800b\"," \
    "\"created_at\":\"2026-03-14T09:26:54Z\",\"status\":\"processing\"}"
#define ASSET_THREE                                                            \
    "{\"_id\":\"68b1c0a9d4e5f60718293a4d\",\"filename\":\"c\",\"size\":7,"     \
    "\"created_at\":\"2026-03-14T09:26:55Z\",\"file_type\":\"image/png\"}"

#endif
