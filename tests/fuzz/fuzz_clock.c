/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"

/* The years that four digits can write, and how far an offset leads beyond. */
#define MIN_S    INT64_C(-62167219200)
#define MAX_S    INT64_C(253402300800)
#define OFFSET_S 86400

static void check_formatted(int64_t s)
{
    char text[CLOCK_RFC3339_SIZE];
    int64_t again = 0;
    clock_format_rfc3339(s, text);
    require(strlen(text) < sizeof(text));
    if (s < MIN_S || s >= MAX_S || (time_t)s != s)
        return;
    require(clock_parse_rfc3339(text, strlen(text), &again) == 0);
    require(again == s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    int64_t s = 0;
    if (clock_parse_rfc3339(text, size, &s) == 0) {
        require(s >= MIN_S - OFFSET_S && s <= MAX_S + OFFSET_S);
        check_formatted(s);
    }
    if (size >= sizeof(s)) {
        memcpy(&s, data, sizeof(s));
        check_formatted(s);
    }
    return 0;
}
