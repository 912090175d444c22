/* SPDX-License-Identifier: MIT */
#include "base/clock.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "base/ascii.h"

#define DAY_S 86400

int64_t clock_mono_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void clock_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(cond, &attributes);
    (void)pthread_condattr_destroy(&attributes);
}

bool clock_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex,
                     int64_t until_ms)
{
    if (until_ms == CLOCK_NEVER_MS)
        return pthread_cond_wait(cond, mutex) == 0;
    const struct timespec until = {.tv_sec = until_ms / 1000,
                                   .tv_nsec = until_ms % 1000 * 1000000};
    return pthread_cond_timedwait(cond, mutex, &until) != ETIMEDOUT;
}

int64_t clock_wall_s(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec;
}

int64_t clock_wall_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Days since 1970; timegm has 32 bits on some machines. The Gregorian calendar
 * repeats every 400 years of 146,097 days. Years that start in March have the
 * leap day last, and their months' lengths follow (153 m + 2) / 5. */
static int64_t clock_days_of(int year, int month, int day)
{
    int64_t y = year - (month <= 2) + 400; /* not negative */
    int month_from_march = (month + 9) % 12;
    return y * 365 + y / 4 - y / 100 + y / 400 +
           (153 * month_from_march + 2) / 5 + day - 1 - 719468 - 146097;
}

static bool clock_is_date(int year, int month, int day)
{
    return month >= 1 && month <= 12 && day >= 1 &&
           clock_days_of(year, month, day) <
               clock_days_of(year + month / 12, month % 12 + 1, 1);
}

/* Whether text has digits where the shape has '0', and else its characters. */
static bool clock_has_shape(const char *text, size_t len, const char *shape)
{
    if (len != strlen(shape))
        return false;
    for (size_t i = 0; i < len; i++) {
        bool fits =
            shape[i] == '0' ? ascii_is_digit(text[i]) : text[i] == shape[i];
        if (!fits)
            return false;
    }
    return true;
}

static int clock_two_digits(const char *text)
{
    return (text[0] - '0') * 10 + text[1] - '0';
}

/* "Z", "+02:00". */
static bool clock_parse_offset(const char *text, size_t len, int *ret_s)
{
    if (len == 1 && (*text == 'Z' || *text == 'z')) {
        *ret_s = 0;
        return true;
    }
    if (!clock_has_shape(text, len, *text == '-' ? "-00:00" : "+00:00"))
        return false;
    int hours = clock_two_digits(text + 1),
        minutes = clock_two_digits(text + 4);
    *ret_s = (hours * 60 + minutes) * (*text == '-' ? -60 : 60);
    return hours <= 23 && minutes <= 59;
}

static size_t clock_fraction_len(const char *text, size_t len)
{
    size_t digits = 1;
    if (len == 0 || text[0] != '.')
        return 0;
    while (digits < len && ascii_is_digit(text[digits]))
        digits++;
    return digits > 1 ? digits : 0;
}

int clock_parse_rfc3339(const char *text, size_t len, int64_t *ret_s)
{
    char date[] = "0000-00-00T00:00:00";
    size_t date_len = strlen(date);
    int offset_s = 0;
    if (!text || len < date_len)
        return -EINVAL;
    char separator = text[10];
    memcpy(date, text, date_len);
    if (separator == 't' || separator == ' ')
        date[10] = 'T';
    if (!clock_has_shape(date, date_len, "0000-00-00T00:00:00"))
        return -EINVAL;
    size_t at = date_len + clock_fraction_len(text + date_len, len - date_len);
    if (!clock_parse_offset(text + at, len - at, &offset_s))
        return -EINVAL;

    int year = clock_two_digits(date) * 100 + clock_two_digits(date + 2);
    int month = clock_two_digits(date + 5), day = clock_two_digits(date + 8);
    int hour = clock_two_digits(date + 11),
        minute = clock_two_digits(date + 14);
    int second = clock_two_digits(date + 17);
    /* second 60: a leap second, the same instant as the next minute's 0 */
    if (!clock_is_date(year, month, day) || hour > 23 || minute > 59 ||
        second > 60)
        return -EINVAL;
    *ret_s = clock_days_of(year, month, day) * DAY_S +
             ((int64_t)hour * 60 + minute) * 60 + second - offset_s;
    return 0;
}

void clock_format_rfc3339(int64_t s, char *out)
{
    time_t time = (time_t)s;
    struct tm tm;
    if (!gmtime_r(&time, &tm)) /* a year that an int doesn't hold */
        tm = (struct tm){.tm_year = 70, .tm_mday = 1};
    (void)strftime(out, CLOCK_RFC3339_SIZE, "%04Y-%m-%dT%H:%M:%SZ", &tm);
}
