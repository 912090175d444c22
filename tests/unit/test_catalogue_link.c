/* SPDX-License-Identifier: MIT */
#include "catalogue_fixture.h"

static bool append_link(void *ctx, const struct catalogue_link *l)
{
    struct listing *text = ctx;
    size_t len = strlen(text->text);

    (void)snprintf(text->text + len, sizeof(text->text) - len, "%s>%s ",
                   l->name, l->target);
    return true;
}

static void links_stand_in_their_place(void **state)
{
    struct listing l = {""};
    struct catalogue_link link;
    int64_t a, b;

    assert_int_equal(catalogue_link_add(cat, "", "k", "filename=k", 5, &a), 0);
    assert_int_equal(catalogue_link_add(cat, "video", "k", "x=1", 6, &b), 0);
    assert_int_equal(catalogue_link_add(cat, "", "k", "y=1", 7, &b), -EEXIST);
    reopen();
    cleanup(release) struct catalogue_reader *r = reader();
    assert_int_equal(catalogue_links(r, "", 0, append_link, &l), 0);
    assert_string_equal(l.text, "k>filename=k ");
    assert_int_equal(catalogue_link_get(r, "video", "k", &link), 0);
    assert_string_equal(link.target, "x=1");
    assert_int_equal(link.created_s, 6);
    assert_int_equal(catalogue_link_by_number(r, a, &link), 0);
    assert_string_equal(link.target, "filename=k");
    assert_int_equal(catalogue_link_get(r, "image", "k", &link), -ENOENT);
    assert_int_equal(catalogue_link_remove(cat, "", "k"), 0);
    assert_int_equal(catalogue_link_remove(cat, "", "k"), -ENOENT);
    assert_int_equal(catalogue_link_add(cat, "", "k", "z=1", 8, &b), 0);
    assert_true(b > a + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(links_stand_in_their_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
