/* SPDX-License-Identifier: MIT */
#include "catalogue/catalogue_internal.h"

int catalogue_picture_set(struct catalogue *c, int64_t row,
                          const struct catalogue_picture *p)
{
    return writer_run(c, S_PICTURE_SET,
                      VALUES(INT((int64_t)p->label), INT(p->size_bytes),
                             INT((int64_t)p->checksum), INT(row)));
}

int catalogue_picture_get(struct catalogue_reader *r, int64_t row,
                          struct catalogue_picture *ret_picture)
{
    sqlite3_stmt *s;
    int err = reader_row(r, S_PICTURE_GET, VALUES(INT(row)), &s);

    if (err)
        return err;
    *ret_picture = (struct catalogue_picture){
        .label = (uint64_t)sqlite3_column_int64(s, 0),
        .size_bytes = sqlite3_column_int64(s, 1),
        .checksum = (uint64_t)sqlite3_column_int64(s, 2),
    };
    return 0;
}
