/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/utf8.h"
#include "grammar/name.h"
#include "grammar/query.h"

static void check_component(const char *name, size_t len)
{
    require(len > 0 && len <= 255 && strlen(name) == len);
    require(strcmp(name, ".") != 0 && strcmp(name, "..") != 0);
    for (size_t at = 0; at < len;) {
        uint32_t code = 0;
        size_t count = utf8_decode(name + at, len - at, &code);
        require(count > 0 && code != '/');
        require(!utf8_is_surrogate(code) && !utf8_is_control(code) &&
                !utf8_is_bidi_override(code));
        at += count;
    }
}

static void check_folder(const char *filename, size_t len)
{
    char safe[NAME_SIZE];
    char suffixed[NAME_SIZE];
    cleanup(buf_done) struct buf back = {.max = NAME_SIZE};
    size_t safe_len = name_make(filename, len, safe);
    size_t split = 0;
    check_component(safe, safe_len);
    require(safe_len <= NAME_SAFE_MAX);
    require(!query_is_segment(safe) && !name_has_suffix(safe, &split));
    require(name_unescape(safe, &back) == 0);
    /* what wasn't cut comes back, whatever it is */
    if (3 * len <= NAME_SAFE_MAX)
        require(back.len == len && !memcmp(back.data, filename, len));

    size_t suffixed_len =
        name_with_suffix(safe, "68b1c0a9d4e5f60718293a4b", suffixed);
    check_component(suffixed, suffixed_len);
    require(!query_is_segment(suffixed));
    require(name_has_suffix(suffixed, &split) && split == safe_len);
}

static void check_id(const char *id)
{
    char component[NAME_SIZE];
    char back[NAME_SIZE];
    char suffixed[NAME_SIZE];
    size_t split = 0;
    if (name_of_id(id, component) == 0) {
        check_component(component, strlen(component));
        require(name_to_id(component, back) == 0 && strcmp(back, id) == 0);
    }
    check_component(suffixed, name_with_suffix("x", id, suffixed));
    require(name_has_suffix(suffixed, &split) && split == 1);
}

/* What a user types is no less hostile. */
static void check_typed(const char *text, size_t len)
{
    char id[NAME_SIZE];
    char component[NAME_SIZE];
    const char *run;
    size_t run_len;
    cleanup(buf_done) struct buf out = {.max = len};
    if (name_to_id(text, id) == 0)
        require(name_of_id(id, component) == 0 && !strcmp(component, text));
    require(name_unescape(text, &out) == 0 && out.len <= len);
    (void)name_is_probe(text);
    if (name_ascii_run(text, len, &run, &run_len))
        require(run_len > 0 && run >= text && run + run_len <= text + len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_folder((const char *)data, size);
    cleanup(free_ptr) char *text = strndup((const char *)data, size);
    require(text);
    check_id(text);
    check_typed(text, strlen(text));
    return 0;
}
