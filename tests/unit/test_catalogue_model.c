/* SPDX-License-Identifier: MIT */
#include "catalogue_fixture.h"

#define MODEL_IDS 40

/* Random transactions, and a mirror that knows nothing but the diffs. */
struct mirror {
    char folder[NAME_SIZE]; /* "" in no listing */
    enum asset_type type;
};

struct checked {
    struct mirror *rows;
    size_t count;
};

static bool check_entry(void *ctx, const struct catalogue_entry *e)
{
    struct checked *c = ctx;

    assert_string_equal(c->rows[e->row].folder, e->folder);
    assert_int_equal(c->rows[e->row].type, e->type);
    c->count++;
    return true;
}

static void apply(struct mirror *rows, const struct catalogue_diff *diff)
{
    for (size_t i = 0; i < diff->count; i++) {
        const struct catalogue_change *ch = &diff->changes[i];
        struct mirror *m = &rows[ch->row];
        if (ch->kind == CATALOGUE_REMOVED || ch->kind == CATALOGUE_MOVED) {
            assert_string_equal(m->folder,
                                ch->old_folder ? ch->old_folder : "");
            if (m->folder[0])
                assert_int_equal(m->type, ch->old_type);
            m->folder[0] = '\0';
        }
        if (ch->kind == CATALOGUE_ADDED)
            assert_string_equal(m->folder, "");
        if ((ch->kind == CATALOGUE_ADDED || ch->kind == CATALOGUE_MOVED) &&
            ch->folder) {
            (void)snprintf(m->folder, sizeof(m->folder), "%s", ch->folder);
            m->type = ch->type;
        }
    }
}

static void check_mirror(struct mirror *rows, size_t size)
{
    cleanup(release) struct catalogue_reader *r = reader();
    struct checked checked = {rows, 0};
    size_t named = 0;

    assert_int_equal(
        catalogue_list(r, ASSET_TYPE_COUNT, 0, check_entry, &checked), 0);
    for (size_t i = 0; i < size; i++) {
        struct catalogue_entry e;
        char bare[NAME_SIZE];
        size_t safe_len;
        if (!rows[i].folder[0])
            continue;
        named++;
        if (!name_has_suffix(rows[i].folder, &safe_len))
            continue;
        /* whoever has a suffix has it because another is bare */
        (void)snprintf(bare, sizeof(bare), "%.*s", (int)safe_len,
                       rows[i].folder);
        assert_int_equal(catalogue_get_by_folder(r, bare, &e), 0);
    }
    assert_int_equal(checked.count, named);
    assert_int_equal(catalogue_count(cat, ASSET_TYPE_COUNT), named);
}

static void random_step(unsigned *seed)
{
    static const char *const filenames[] = {"x.mp4", "y.mp4", "", "x.mp4@"};
    static const char *const extras[] = {"", ",\"n\":1", ",\"n\":2"};
    cleanup(release) struct catalogue_reader *r = reader();
    struct catalogue_entry e;
    char id[16];

    (void)snprintf(id, sizeof(id), "m%dz", rand_r(seed) % MODEL_IDS);
    int what = rand_r(seed) % 8;
    if (what == 0) {
        (void)catalogue_name_all(cat);
    } else if (what < 4) {
        if (catalogue_get_by_id(r, full_id(id), &e) == 0)
            (void)catalogue_remove(cat, e.row);
    } else {
        put(&(struct given){.id = id,
                            .filename = filenames[rand_r(seed) % 4],
                            .type = (enum asset_type)(rand_r(seed) % 2),
                            .extra = extras[rand_r(seed) % 3]},
            rand_r(seed) % 4 != 0);
    }
}

static void the_diffs_alone_tell_the_listing(void **state)
{
    enum { SIZE = 8192 };
    struct mirror *rows = calloc(SIZE, sizeof(*rows));
    unsigned seed = 7;

    assert_non_null(rows);
    for (int round = 0; round < 400; round++) {
        begin();
        for (int step = rand_r(&seed) % 12; step >= 0; step--)
            random_step(&seed);
        if (rand_r(&seed) % 8 == 0) {
            catalogue_rollback(cat);
        } else {
            struct catalogue_diff diff = commit();
            apply(rows, &diff);
            catalogue_diff_done(&diff);
        }
        check_mirror(rows, SIZE);
        if (round % 100 == 99)
            reopen();
    }
    free(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_diffs_alone_tell_the_listing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
