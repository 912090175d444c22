/* SPDX-License-Identifier: MIT */
/*
 * An asset's folder name stands in its row, found by a hash: an index of the
 * names themselves would be written at random over four times the pages. For
 * the same reason it is an index for each 2^18 rows: of a million, new ones are
 * written over the last 260,000 alone, and a name is looked for in four places.
 * A suffixed one has its safe part in `namesake`. When the holder of the bare
 * name goes, the lowest row of the namesakes takes it: found at once, however
 * many share the name.
 */
#include "catalogue/catalogue_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"

/* Four bytes, as SQLite stores integers that are signed. */
int64_t folder_hash(const char *folder)
{
    return (int32_t)hash_bytes(folder, strlen(folder), 0);
}

void folder_note_row(struct catalogue *c, int64_t row)
{
    if (row >> FOLDER_BLOCK_BITS > atomic_load(&c->last_block))
        atomic_store(&c->last_block, row >> FOLDER_BLOCK_BITS);
}

int folder_load(struct catalogue *c)
{
    int64_t first = 0, last = 0;
    int err = db_integer(&c->db, S_FIRST_ROW, VALUES(), &first);

    if (!err)
        err = db_integer(&c->db, S_LAST_ROW, VALUES(), &last);
    atomic_store(&c->first_block, first >> FOLDER_BLOCK_BITS);
    atomic_store(&c->last_block, last >> FOLDER_BLOCK_BITS);
    return err;
}

static int folder_find(struct catalogue *c, const char *folder)
{
    int64_t first = atomic_load(&c->first_block), holder;
    int64_t block = atomic_load(&c->last_block);
    int err = -ENOENT;

    for (; err == -ENOENT && block >= first; block--)
        err = db_integer(
            &c->db, S_NAME_FIND,
            VALUES(INT(block), INT(folder_hash(folder)), TEXT(folder)),
            &holder);
    return err;
}

int folder_choose(struct catalogue *c, const char *id, const char *safe,
                  struct folder_name *ret_name)
{
    int err = folder_find(c, safe);

    ret_name->has_suffix = err == 0;
    if (err == -ENOENT)
        (void)snprintf(ret_name->text, sizeof(ret_name->text), "%s", safe);
    if (err)
        return err == -ENOENT ? 0 : err;
    (void)name_with_suffix(safe, id, ret_name->text);
    err = folder_find(c, ret_name->text);
    return err == -ENOENT ? 0 : err ? err : -EEXIST;
}

int folder_note(struct catalogue *c, int64_t row, const char *safe,
                const struct folder_name *name)
{
    return name->has_suffix
               ? db_run(&c->db, S_NAMESAKE_ADD, VALUES(TEXT(safe), INT(row)))
               : 0;
}

int folder_refuse(struct catalogue *c, int64_t row, const char *safe,
                  bool again)
{
    /* Two ids that stand for themselves alike (a hash made to collide): the
     * second is found by its id alone. */
    if (!again)
        log_warning("catalogue: two assets have one folder name, even with "
                    "their ids; the second is in no listing");
    return db_run(&c->db, S_UNNAMED_SET, VALUES(INT(row), TEXT(safe)));
}

static int set_name(struct catalogue *c, int64_t row, const char *folder)
{
    return db_run(&c->db, S_SET_FOLDER,
                  VALUES(TEXT(folder), INT(folder_hash(folder)), INT(row)));
}

int folder_give(struct catalogue *c, int64_t row, const char *id,
                const char *safe)
{
    struct folder_name name;
    int err = changes_touch(c, row, false, NULL);

    if (!err)
        err = db_run(&c->db, S_UNNAMED_DELETE, VALUES(INT(row)));
    bool tried = sqlite3_changes(c->db.handle) > 0;
    if (!err)
        err = folder_choose(c, id, safe, &name);
    if (err == -EEXIST)
        return folder_refuse(c, row, safe, tried);
    if (!err)
        err = set_name(c, row, name.text);
    return err ? err : folder_note(c, row, safe, &name);
}

/* The next in line takes the bare name. */
static int folder_inherit(struct catalogue *c, const char *safe)
{
    int64_t heir;
    int err = db_integer(&c->db, S_NAMESAKE_FIRST, VALUES(TEXT(safe)), &heir);

    if (err)
        return err == -ENOENT ? 0 : err;
    err = changes_touch(c, heir, false, NULL);
    if (!err)
        err = db_run(&c->db, S_NAMESAKE_DELETE, VALUES(TEXT(safe), INT(heir)));
    return err ? err : set_name(c, heir, safe);
}

int folder_take(struct catalogue *c, int64_t row, const char *folder)
{
    struct db *d = &c->db;
    size_t safe_len;
    int err = changes_touch(c, row, false, NULL);

    if (!err)
        err = db_run(d, S_SET_FOLDER, VALUES(TEXT(NULL), TEXT(NULL), INT(row)));
    if (err)
        return err;
    if (!name_has_suffix(folder, &safe_len))
        return folder_inherit(c, folder);
    return db_run(d, S_NAMESAKE_DELETE,
                  VALUES(BYTES(folder, safe_len), INT(row)));
}

bool folder_is_of(const char *folder, const char *safe)
{
    size_t len = strlen(folder);

    (void)name_has_suffix(folder, &len);
    return len == strlen(safe) && memcmp(folder, safe, len) == 0;
}
