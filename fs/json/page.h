/* SPDX-License-Identifier: MIT */
/*
 * page.h - the bytes of a list answer to asset records.
 *
 * An element of `data` that is no object is skipped and counted; nothing that
 * one asset holds costs its page. No shared state: any thread.
 */
#ifndef TWELVEFS_PAGE_H
#define TWELVEFS_PAGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/asset.h"

#define PAGE_MAX_ASSETS 1000 /* more in one answer is -EBADMSG */

struct page {
    struct asset *assets; /* as the answer orders them: newest first */
    size_t count;
    size_t skipped; /* elements of data that were no objects */
    int64_t page;   /* page_info's numbers; -1 when absent */
    int64_t limit;
    int64_t total_pages;
    int64_t total_results;
};

/* Parses `{"data": […], "page_info": {…}}`. 0; -EBADMSG when it isn't that
 * (HTML of a captive portal, a truncated body, data that is no array);
 * -ENOMEM. */
int page_parse(const char *bytes, size_t len, struct page *ret_page);

/* Parses one asset object (`GET /assets/{id}`, a kept row). Same errors. */
int page_parse_asset(const char *bytes, size_t len, struct asset *ret_asset);

void page_done(struct page *p);

/* Reads an error body's code and message (each cut to its size, control
 * characters replaced; "" when absent). */
void page_parse_error(const char *bytes, size_t len, char *ret_code,
                      size_t code_size, char *ret_message, size_t message_size);

#endif
