/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"

static uint64_t hash_text(const char *text, uint64_t seed)
{
    return hash_bytes(text, strlen(text), seed);
}

/* Hashes are kept in the catalogue: they are the same on every machine. */
static void it_is_the_same_on_every_machine(void **state)
{
    assert_true(hash_bytes(NULL, 0, 0) == UINT64_C(0x2d06800538d394c2));
    assert_true(hash_text("", 0) == UINT64_C(0x2d06800538d394c2));
    assert_true(hash_text("keynote.mp4", 0) == UINT64_C(0x45384f84013c43ab));
    assert_true(hash_text("keynote.mp4", 7) == UINT64_C(0x05d7ede04726e043));
}

static void parts_are_hashed_in_their_order(void **state)
{
    uint64_t ab = hash_text("b", hash_text("a", 0));
    uint64_t ba = hash_text("a", hash_text("b", 0));
    assert_true(ab != ba);
    assert_true(ab != hash_text("ab", 0));
    assert_true(hash_text("", hash_text("a", 0)) != hash_text("a", 0));
}

static void every_byte_counts_wherever_it_lies(void **state)
{
    unsigned char bytes[400] = {0};
    uint64_t none = hash_bytes(bytes, sizeof(bytes), 0);
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = 1;
        assert_true(hash_bytes(bytes, sizeof(bytes), 0) != none);
        bytes[i] = 0;
        assert_true(hash_bytes(bytes, i, 0) != none);
    }
    assert_true(hash_bytes(bytes + 1, 399, 0) == hash_bytes(bytes, 399, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_the_same_on_every_machine),
        cmocka_unit_test(parts_are_hashed_in_their_order),
        cmocka_unit_test(every_byte_counts_wherever_it_lies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
