/* SPDX-License-Identifier: MIT */
#include "progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define BAR_CELLS 20

int progress_append_count(struct buf *out, int64_t count)
{
    char digits[32];
    (void)snprintf(digits, sizeof(digits), "%" PRId64, count);
    int err = 0;
    size_t len = strlen(digits);
    for (size_t i = 0; !err && i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            err = buf_append_char(out, ',');
        if (!err)
            err = buf_append_char(out, digits[i]);
    }
    return err;
}

int progress_append_bar(struct buf *out, int64_t done, int64_t total)
{
    int err = 0;
    if (total > 0) {
        int64_t known = done < total ? done : total;
        int cells = (int)((double)known / (double)total * BAR_CELLS);
        int percent = (int)((double)known / (double)total * 100);
        err = buf_appendf(out, "[%.*s%.*s] %3d %%  ", cells,
                          "####################", BAR_CELLS - cells,
                          "....................", percent);
    }
    if (!err)
        err = progress_append_count(out, done);
    if (!err && total >= 0) {
        err = buf_append_str(out, " of ");
        if (!err)
            err = progress_append_count(out, total);
    }
    return err ? err : buf_append_str(out, " assets");
}
