/*
 * A bare name stands in `folder` alone; a suffixed one in `namesake` too, by
 * its safe part. When the holder of the bare name goes, the lowest row of the
 * namesakes takes it: found at once, however many share the name.
 */
#include "catalogue/catalogue_internal.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"

static int set_name(struct catalogue *c, int64_t row, const char *folder)
{
    struct db *d = &c->db;
    int err = db_run(d, S_NAME_ADD, VALUES(TEXT(folder), INT(row)));

    return err ? err : db_run(d, S_SET_FOLDER, VALUES(TEXT(folder), INT(row)));
}

int folder_give(struct catalogue *c, int64_t row, const char *id,
                const char *safe)
{
    struct db *d = &c->db;
    char suffixed[NAME_SIZE];
    int64_t holder;
    int err = changes_touch(c, row, false, NULL);

    if (!err)
        err = db_run(d, S_UNNAMED_DELETE, VALUES(INT(row)));
    bool tried = sqlite3_changes(d->handle) > 0;
    if (!err)
        err = db_integer(d, S_NAME_FIND, VALUES(TEXT(safe)), &holder);
    if (err == -ENOENT)
        return set_name(c, row, safe);
    if (err)
        return err;
    (void)name_with_suffix(safe, id, suffixed);
    err = set_name(c, row, suffixed);
    if (err == -EEXIST) {
        /* Two ids that stand for themselves alike (a hash made to collide):
         * the second is found by its id alone. */
        if (!tried)
            log_warning("catalogue: a second asset would be called as another "
                        "with its id; it is in no listing");
        return db_run(d, S_UNNAMED_SET, VALUES(INT(row), TEXT(safe)));
    }
    return err ? err : db_run(d, S_NAMESAKE_ADD, VALUES(TEXT(safe), INT(row)));
}

/* The next in line takes the bare name. */
static int inherit(struct catalogue *c, const char *safe)
{
    struct db *d = &c->db;
    char suffixed[NAME_SIZE];
    sqlite3_stmt *s;
    int step = db_bind(d, S_NAMESAKE_FIRST, VALUES(TEXT(safe)), &s);

    if (step < 0)
        return step;
    step = db_step(d, s);
    if (step <= 0)
        return step;
    int64_t heir = sqlite3_column_int64(s, 0);
    const char *folder = (const char *)sqlite3_column_text(s, 1);
    bool fits = folder && strlen(folder) < sizeof(suffixed);
    if (fits)
        memcpy(suffixed, folder, strlen(folder) + 1);
    int err = db_texts(d);
    (void)sqlite3_reset(s);
    if (err || !fits)
        return err ? err : -EIO;
    err = changes_touch(c, heir, false, NULL);
    if (!err)
        err = db_run(d, S_NAME_DELETE, VALUES(TEXT(suffixed)));
    if (!err)
        err = db_run(d, S_NAMESAKE_DELETE, VALUES(TEXT(safe), INT(heir)));
    return err ? err : set_name(c, heir, safe);
}

int folder_take(struct catalogue *c, int64_t row, const char *folder)
{
    struct db *d = &c->db;
    size_t safe_len;
    int err = changes_touch(c, row, false, NULL);

    if (!err)
        err = db_run(d, S_NAME_DELETE, VALUES(TEXT(folder)));
    if (!err)
        err = db_run(d, S_SET_FOLDER, VALUES(TEXT(NULL), INT(row)));
    if (err)
        return err;
    if (!name_has_suffix(folder, &safe_len))
        return inherit(c, folder);
    return db_run(d, S_NAMESAKE_DELETE,
                  VALUES(BYTES(folder, safe_len), INT(row)));
}

bool folder_is_of(const char *folder, const char *safe)
{
    size_t len = strlen(folder);

    (void)name_has_suffix(folder, &len);
    return len == strlen(safe) && memcmp(folder, safe, len) == 0;
}
