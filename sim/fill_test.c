/* SPDX-License-Identifier: MIT */
#include "base/mem.h"
#include "sim/fill.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_byte_fill_is_constant(void **state)
{
    (void)state;
    uint8_t p[100];
    fill_bytes(fill_byte(0xa5), p, sizeof(p));
    for (size_t i = 0; i < sizeof(p); i++) {
        assert_int_equal(p[i], 0xa5);
    }
    assert_int_equal(fill_compare(fill_byte(0xa5), p, sizeof(p)), sizeof(p));
    p[77] = 1;
    assert_int_equal(fill_compare(fill_byte(0xa5), p, sizeof(p)), 77);
    assert_true(fill_is_zero(FILL_ZERO));
    assert_false(fill_is_zero(fill_byte(1)));
}

static void test_stream_is_words_of_its_tag(void **state)
{
    (void)state;
    uint8_t p[64];
    fill_bytes(fill_stream(42), p, sizeof(p));
    for (uint64_t i = 0; i < 8; i++) {
        uint64_t w = fill_word(42, i);
        for (size_t k = 0; k < 8; k++) {
            assert_int_equal(p[i * 8 + k], (uint8_t)(w >> (8 * k)));
        }
    }
    /* Pinned: a change of the stream would change every recorded trace of data. */
    assert_true(fill_word(0, 0) != 0);
    assert_true(fill_word(1, 0) != fill_word(0, 1));
}

static void test_any_piece_of_a_stream_is_the_same_stream(void **state)
{
    (void)state;
    uint8_t all[3000], part[3000];
    fill_bytes(fill_stream(7), all, sizeof(all));
    for (uint32_t skip = 0; skip < 40; skip++) {
        for (size_t n = 0; n < 60; n++) {
            fill_bytes(fill_skip(fill_stream(7), skip), part, n);
            assert_memory_equal(all + skip, part, n);
        }
    }
    assert_int_equal(fill_compare(fill_skip(fill_stream(7), 13), all + 13, 2900), 2900);
    all[2000] ^= 1;
    assert_int_equal(fill_compare(fill_skip(fill_stream(7), 13), all + 13, 2900), 2000 - 13);
    all[13] ^= 1;
    assert_int_equal(fill_compare(fill_skip(fill_stream(7), 13), all + 13, 2900), 0);
}

static void test_position_wraps_with_start(void **state)
{
    (void)state;
    struct fill f = fill_stream(9);
    f.start = UINT32_MAX - 3;
    uint8_t p[16], head[12];
    fill_bytes(f, p, sizeof(p));
    fill_bytes(fill_stream(9), head, sizeof(head));
    assert_memory_equal(p + 4, head, sizeof(head));
    assert_int_equal(fill_skip(f, 4).start, 0);
}

static void test_tags_differ_in_every_word(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 512; i++) {
        assert_true(fill_word(1, i) != fill_word(2, i));
        assert_true(fill_word(UINT64_C(1) << 40, i) != fill_word(0, i));
    }
}

static void test_same_means_written_down_alike(void **state)
{
    (void)state;
    struct fill none = { .kind = FILL_NONE };
    assert_true(fill_same(fill_stream(3), fill_stream(3)));
    assert_false(fill_same(fill_stream(3), fill_skip(fill_stream(3), 8)));
    assert_false(fill_same(fill_stream(3), fill_byte(3)));
    assert_false(fill_same(none, none));
    assert_true(fill_same(fill_skip(fill_byte(3), 8), fill_byte(3)));
    fill_bytes(fill_byte(3), NULL, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_byte_fill_is_constant),
        cmocka_unit_test(test_stream_is_words_of_its_tag),
        cmocka_unit_test(test_any_piece_of_a_stream_is_the_same_stream),
        cmocka_unit_test(test_position_wraps_with_start),
        cmocka_unit_test(test_tags_differ_in_every_word),
        cmocka_unit_test(test_same_means_written_down_alike),
    };
    return cmocka_run_group_tests_name("sim/fill", tests, NULL, NULL);
}
