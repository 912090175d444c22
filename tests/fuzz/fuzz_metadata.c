/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include <string.h>

#include "base/cleanup.h"
#include "json/metadata.h"
#include "json/scan.h"

#define OUTPUT_MAX_BYTES ((size_t)64 << 20)

/* Whether both texts hold the same tokens, strings compared as decoded. */
static void check_same_tokens(const char *a, size_t a_len, const char *b,
                              size_t b_len)
{
    struct scan scan_a;
    struct scan scan_b;
    struct scan_token ta;
    struct scan_token tb;
    scan_init(&scan_a, a, a_len);
    scan_init(&scan_b, b, b_len);
    do {
        require(!scan_next(&scan_a, &ta) && !scan_next(&scan_b, &tb));
        require(ta.kind == tb.kind);
        if (ta.kind != SCAN_STRING) {
            require(ta.len == tb.len && !memcmp(ta.text, tb.text, ta.len));
            continue;
        }
        cleanup(free_ptr) char *text = malloc(ta.len);
        require(text);
        size_t len = scan_unescape(ta.text, ta.len, text);
        require(scan_equals(tb.text, tb.len, text, len));
    } while (ta.kind != SCAN_END);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *json = (const char *)data;
    cleanup(buf_done) struct buf rendered = {.max = OUTPUT_MAX_BYTES};
    cleanup(buf_done) struct buf line = {.max = OUTPUT_MAX_BYTES};
    cleanup(buf_done) struct buf again = {.max = OUTPUT_MAX_BYTES};
    size_t rendered_len = 0;
    size_t line_len = 0;
    int error = metadata_measure(json, size, &rendered_len, &line_len);
    require(metadata_line(json, size, &line) == error);
    require(rendered_len <= OUTPUT_MAX_BYTES);
    require(metadata_render(json, size, &rendered) == error);
    if (error)
        return 0;

    require(rendered.len == rendered_len && line.len == line_len);
    require(line_len <= size + 1);
    check_same_tokens(json, size, rendered.data, rendered.len);
    check_same_tokens(json, size, line.data, line.len);
    require(memchr(line.data, '\n', line.len) == line.data + line.len - 1);
    require(metadata_render(line.data, line.len, &again) == 0);
    require(again.len == rendered.len &&
            !memcmp(again.data, rendered.data, again.len));
    return 0;
}
