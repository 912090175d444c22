/* SPDX-License-Identifier: MIT */
/* cmocka 2 deprecates assert_in_range for one with a sign of its own, which
 * cmocka 1 hasn't. Include it after cmocka.h. */
#ifndef TESTS_RANGE_H
#define TESTS_RANGE_H

#ifndef assert_int_in_range
#define assert_int_in_range(value, least, most)                                \
    assert_in_range(value, least, most)
#endif

#endif
