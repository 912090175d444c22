/* SPDX-License-Identifier: MIT */
#include "progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define BAR_CELLS 20

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
        err = buf_append_count(out, done);
    if (!err && total >= 0) {
        err = buf_append_str(out, " of ");
        if (!err)
            err = buf_append_count(out, total);
    }
    return err ? err : buf_append_str(out, " assets");
}
