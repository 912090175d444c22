/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/digest.h"

#define PART(text)                                                             \
    {                                                                          \
        (text), sizeof(text) - 1                                               \
    }

static void of_nothing_it_is_what_the_standard_says(void **state)
{
    char hex[DIGEST_HEX_SIZE];
    assert_int_equal(digest_hex(NULL, 0, hex), 0);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb924"
                             "27ae41e4649b934ca495991b7852b855");
}

/* Names of pictures and of accounts' folders on the disk are made of it: an
 * upgrade mustn't lose them. */
static void it_is_the_same_in_every_version(void **state)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    static const struct digest_part parts[] = {PART("id"), PART("https://c/p")};
    char hex[DIGEST_HEX_SIZE];
    assert_int_equal(digest_hex(parts, array_count(parts), hex), 0);
    assert_string_equal(hex, "8e9d106e61c00525e5f65b72f018310d"
                             "2f506559ebbb40d15c07c8b5364f148b");
#else
    skip(); /* lengths are hashed as this machine has them */
#endif
}

static void where_one_part_ends_and_another_begins_counts(void **state)
{
    static const struct digest_part texts[][3] = {
        {PART("ab"), PART("c"), PART("")},
        {PART("a"), PART("bc"), PART("")},
        {PART("abc"), PART(""), PART("")},
        {PART(""), PART("abc"), PART("")},
        {PART(""), PART(""), PART("abc")},
        {PART("ab\0c"), PART(""), PART("")},
        {PART("\1\0\0\0\0\0\0\0a"), PART("bc"), PART("")},
    };
    char hex[2 * array_count(texts)][DIGEST_HEX_SIZE];
    for (size_t i = 0; i < array_count(texts); i++) {
        assert_int_equal(digest_hex(texts[i], 3, hex[2 * i]), 0);
        assert_int_equal(digest_hex(texts[i], 2, hex[2 * i + 1]), 0);
        assert_int_equal(strspn(hex[2 * i], "0123456789abcdef"), 64);
    }
    for (size_t i = 0; i < array_count(hex); i++)
        for (size_t k = 0; k < i; k++)
            if (i != 9 || k != 5) /* the same two parts: "", "" after it */
                assert_string_not_equal(hex[i], hex[k]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_nothing_it_is_what_the_standard_says),
        cmocka_unit_test(it_is_the_same_in_every_version),
        cmocka_unit_test(where_one_part_ends_and_another_begins_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
