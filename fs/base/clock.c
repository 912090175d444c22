/* SPDX-License-Identifier: MIT */
#include "base/clock.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/cleanup.h"

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

struct civil {
    int64_t year;
    int month, day, hour, minute, second;
};

/* The Gregorian calendar repeats every 400 years of 146,097 days. Years that
 * start in March have the leap day last, and their months' lengths follow
 * (153 m + 2) / 5. */
static int64_t days_of_civil(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int month_from_march = month > 2 ? month - 3 : month + 9;
    int64_t day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    int64_t day_of_era =
        year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static void civil_of_days(int64_t days, struct civil *ret_civil)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 -
                           day_of_era / 146096) /
                          365;
    int64_t day_of_year =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int month_from_march = (int)((5 * day_of_year + 2) / 153);
    ret_civil->day = (int)(day_of_year - (153 * month_from_march + 2) / 5) + 1;
    ret_civil->month =
        month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    ret_civil->year = year_of_era + era * 400 + (ret_civil->month <= 2);
}

static bool is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static bool civil_is_valid(const struct civil *c)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30,
                                  31, 31, 30, 31, 30, 31};
    if (c->month < 1 || c->month > 12 || c->day < 1)
        return false;
    int length = lengths[c->month - 1] + (c->month == 2 && is_leap(c->year));
    /* second 60: a leap second, the same instant as the next minute's 0 */
    return c->day <= length && c->hour <= 23 && c->minute <= 59 &&
           c->second <= 60;
}

static int64_t seconds_of_civil(const struct civil *c)
{
    return days_of_civil(c->year, c->month, c->day) * DAY_S +
           (int64_t)c->hour * 3600 + (int64_t)c->minute * 60 + c->second;
}

/* Text that is left to read; each read_ function says whether it could. */
struct cursor {
    const char *at;
    const char *end;
};

static bool read_char(struct cursor *c, const char *any_of)
{
    if (c->at == c->end || *c->at == '\0' || !strchr(any_of, *c->at))
        return false;
    c->at++;
    return true;
}

static bool read_digits(struct cursor *c, int count, int *ret_number)
{
    int number = 0;
    if (c->end - c->at < count)
        return false;
    for (int i = 0; i < count; i++) {
        if (c->at[i] < '0' || c->at[i] > '9')
            return false;
        number = number * 10 + (c->at[i] - '0');
    }
    c->at += count;
    *ret_number = number;
    return true;
}

static bool read_word(struct cursor *c, const char *word)
{
    size_t len = strlen(word);
    if ((size_t)(c->end - c->at) < len || memcmp(c->at, word, len) != 0)
        return false;
    c->at += len;
    return true;
}

static bool read_time(struct cursor *c, struct civil *civil)
{
    return read_digits(c, 2, &civil->hour) && read_char(c, ":") &&
           read_digits(c, 2, &civil->minute) && read_char(c, ":") &&
           read_digits(c, 2, &civil->second);
}

/* An optional fraction, at least one digit. */
static bool read_fraction(struct cursor *c)
{
    if (!read_char(c, "."))
        return true;
    if (!read_char(c, "0123456789"))
        return false;
    while (read_char(c, "0123456789"))
        ;
    return true;
}

static bool read_offset(struct cursor *c, int *ret_offset_s)
{
    if (read_char(c, "Zz")) {
        *ret_offset_s = 0;
        return true;
    }
    int sign = c->at < c->end && *c->at == '-' ? -1 : 1;
    int hours = 0;
    int minutes = 0;
    if (!read_char(c, "+-") || !read_digits(c, 2, &hours) ||
        !read_char(c, ":") || !read_digits(c, 2, &minutes) || hours > 23 ||
        minutes > 59)
        return false;
    *ret_offset_s = sign * (hours * 3600 + minutes * 60);
    return true;
}

int clock_parse_rfc3339(const char *text, size_t len, int64_t *ret_s)
{
    if (!text)
        return -EINVAL;
    struct cursor c = {text, text + len};
    struct civil civil = {0};
    int year = 0;
    int offset_s = 0;
    if (!read_digits(&c, 4, &year) || !read_char(&c, "-") ||
        !read_digits(&c, 2, &civil.month) || !read_char(&c, "-") ||
        !read_digits(&c, 2, &civil.day) || !read_char(&c, "Tt ") ||
        !read_time(&c, &civil) || !read_fraction(&c) ||
        !read_offset(&c, &offset_s) || c.at != c.end)
        return -EINVAL;
    civil.year = year;
    if (!civil_is_valid(&civil))
        return -EINVAL;
    *ret_s = seconds_of_civil(&civil) - offset_s;
    return 0;
}

static bool read_month(struct cursor *c, int *ret_month)
{
    static const char *const names[] = {"Jan", "Feb", "Mar", "Apr",
                                        "May", "Jun", "Jul", "Aug",
                                        "Sep", "Oct", "Nov", "Dec"};
    for (size_t i = 0; i < array_count(names); i++) {
        if (read_word(c, names[i])) {
            *ret_month = (int)i + 1;
            return true;
        }
    }
    return false;
}

/* The weekday is redundant: its name is passed, not compared with the date. */
static bool read_weekday(struct cursor *c, bool *ret_is_long)
{
    static const char *const names[] = {"Monday",   "Tuesday", "Wednesday",
                                        "Thursday", "Friday",  "Saturday",
                                        "Sunday"};
    for (size_t i = 0; i < array_count(names); i++) {
        char short_name[4];
        memcpy(short_name, names[i], 3);
        short_name[3] = '\0';
        if (read_word(c, names[i])) {
            *ret_is_long = true;
            return true;
        }
        if (read_word(c, short_name)) {
            *ret_is_long = false;
            return true;
        }
    }
    return false;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT", after the weekday */
static bool read_imf_fixdate(struct cursor *c, struct civil *civil)
{
    int year = 0;
    if (!read_word(c, ", ") || !read_digits(c, 2, &civil->day) ||
        !read_char(c, " ") || !read_month(c, &civil->month) ||
        !read_char(c, " ") || !read_digits(c, 4, &year) || !read_char(c, " ") ||
        !read_time(c, civil) || !read_word(c, " GMT"))
        return false;
    civil->year = year;
    return true;
}

/* A year that appears to be more than 50 years in the future is the most
 * recent past one with the same two digits (RFC 9110, section 5.6.7). */
static int64_t year_of_two_digits(int digits)
{
    struct civil now = {0};
    civil_of_days(clock_wall_s() / DAY_S, &now);
    int64_t year = now.year - now.year % 100 + digits;
    return year > now.year + 50 ? year - 100 : year;
}

/* "Sunday, 06-Nov-94 08:49:37 GMT", after the weekday */
static bool read_rfc850(struct cursor *c, struct civil *civil)
{
    int digits = 0;
    if (!read_word(c, ", ") || !read_digits(c, 2, &civil->day) ||
        !read_char(c, "-") || !read_month(c, &civil->month) ||
        !read_char(c, "-") || !read_digits(c, 2, &digits) ||
        !read_char(c, " ") || !read_time(c, civil) || !read_word(c, " GMT"))
        return false;
    civil->year = year_of_two_digits(digits);
    return true;
}

/* "Sun Nov  6 08:49:37 1994", after the weekday */
static bool read_asctime(struct cursor *c, struct civil *civil)
{
    int year = 0;
    if (!read_char(c, " ") || !read_month(c, &civil->month) ||
        !read_char(c, " "))
        return false;
    bool day = read_char(c, " ") ? read_digits(c, 1, &civil->day)
                                 : read_digits(c, 2, &civil->day);
    if (!day || !read_char(c, " ") || !read_time(c, civil) ||
        !read_char(c, " ") || !read_digits(c, 4, &year))
        return false;
    civil->year = year;
    return true;
}

int clock_parse_http_date(const char *text, size_t len, int64_t *ret_s)
{
    if (!text)
        return -EINVAL;
    struct cursor c = {text, text + len};
    struct civil civil = {0};
    bool is_long = false;
    if (!read_weekday(&c, &is_long))
        return -EINVAL;

    bool read;
    if (is_long)
        read = read_rfc850(&c, &civil);
    else if (c.at < c.end && *c.at == ',')
        read = read_imf_fixdate(&c, &civil);
    else
        read = read_asctime(&c, &civil);
    if (!read || c.at != c.end || !civil_is_valid(&civil))
        return -EINVAL;
    *ret_s = seconds_of_civil(&civil);
    return 0;
}

void clock_format_rfc3339(int64_t s, char *out)
{
    struct civil civil = {0};
    int64_t days = s / DAY_S - (s % DAY_S < 0);
    int second_of_day = (int)(s % DAY_S);
    if (second_of_day < 0)
        second_of_day += DAY_S;
    civil_of_days(days, &civil);
    (void)snprintf(out, CLOCK_RFC3339_SIZE, "%04lld-%02d-%02dT%02d:%02d:%02dZ",
                   (long long)civil.year, civil.month, civil.day,
                   second_of_day / 3600, second_of_day / 60 % 60,
                   second_of_day % 60);
}
