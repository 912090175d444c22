/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include <string.h>

#include "json/metadata.h"
#include "json/page.h"

static void check_asset(const struct asset *a)
{
    require(a->id && a->id[0] && strlen(a->id) <= 200);
    require(a->json && a->json[0] == '{' && a->json[a->json_len] == '\0');
    require(strlen(a->json) == a->json_len);
    require(a->filename ? a->filename[a->filename_len] == '\0'
                        : a->filename_len == 0);
    require(a->size_bytes >= -1);
    require((unsigned)a->type < ASSET_TYPE_COUNT);
    require(!a->picture_url ||
            asset_url_is_clean(a->picture_url, strlen(a->picture_url)));
    require(!a->manifest_url ||
            asset_url_is_clean(a->manifest_url, strlen(a->manifest_url)));

    /* a kept row gives the same record again, and can be shown */
    struct asset again;
    size_t rendered = 0;
    size_t line = 0;
    require(page_parse_asset(a->json, a->json_len, &again) == 0);
    require(strcmp(a->id, again.id) == 0);
    require(a->json_len == again.json_len);
    require(a->filename_len == again.filename_len);
    require(metadata_measure(a->json, a->json_len, &rendered, &line) == 0);
    asset_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    char code[16];
    char message[40];
    struct page p;
    struct asset a;
    if (page_parse(text, size, &p) == 0) {
        require(p.count + p.skipped <= PAGE_MAX_ASSETS);
        require(p.total_results >= -1 && p.page >= -1);
        for (size_t i = 0; i < p.count; i++)
            check_asset(&p.assets[i]);
        page_done(&p);
    }
    if (page_parse_asset(text, size, &a) == 0) {
        check_asset(&a);
        asset_done(&a);
    }
    page_parse_error(text, size, code, sizeof(code), message, sizeof(message));
    require(strlen(code) < sizeof(code) && strlen(message) < sizeof(message));
    return 0;
}
