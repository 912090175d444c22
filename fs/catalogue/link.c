/* SPDX-License-Identifier: MIT */
#include "catalogue/catalogue_internal.h"

#include <errno.h>

int catalogue_link_add(struct catalogue *c, const char *path, const char *name,
                       const char *target, int64_t now_s, int64_t *ret_link)
{
    int err =
        writer_run(c, S_LINK_ADD,
                   VALUES(TEXT(path), TEXT(name), TEXT(target), INT(now_s)));

    if (!err)
        *ret_link = sqlite3_last_insert_rowid(c->db.handle);
    return err;
}

int catalogue_link_remove(struct catalogue *c, const char *path,
                          const char *name)
{
    int err = writer_run(c, S_LINK_REMOVE, VALUES(TEXT(path), TEXT(name)));

    if (err)
        return err;
    return sqlite3_changes(c->db.handle) > 0 ? 0 : -ENOENT;
}

static void link_fill(sqlite3_stmt *s, struct catalogue_link *link)
{
    link->link = sqlite3_column_int64(s, 0);
    link->created_s = sqlite3_column_int64(s, 1);
    link->name = (const char *)sqlite3_column_text(s, 2);
    link->target = (const char *)sqlite3_column_text(s, 3);
}

int catalogue_links(struct catalogue_reader *r, const char *path, int64_t after,
                    catalogue_link_fn *fn, void *ctx)
{
    struct catalogue_link link;
    sqlite3_stmt *s;
    int step = reader_first(r, S_LINKS, VALUES(TEXT(path), INT(after)), &s);

    while (step > 0) {
        link_fill(s, &link);
        int err = db_texts(r->db);
        if (err || !fn(ctx, &link)) {
            (void)sqlite3_reset(s);
            return err;
        }
        step = db_step(r->db, s);
    }
    return step;
}

static int link_one(struct catalogue_reader *r, enum statement which,
                    const struct value *values, size_t count,
                    struct catalogue_link *ret_link)
{
    sqlite3_stmt *s;
    int err = reader_row(r, which, values, count, &s);

    if (err)
        return err;
    struct catalogue_link link;
    link_fill(s, &link);
    err = db_texts(r->db);
    if (!err)
        *ret_link = link;
    return err;
}

int catalogue_link_get(struct catalogue_reader *r, const char *path,
                       const char *name, struct catalogue_link *ret_link)
{
    return link_one(r, S_LINK_GET, VALUES(TEXT(path), TEXT(name)), ret_link);
}

int catalogue_link_by_number(struct catalogue_reader *r, int64_t link,
                             struct catalogue_link *ret_link)
{
    return link_one(r, S_LINK_BY_NUMBER, VALUES(INT(link)), ret_link);
}
