/* SPDX-License-Identifier: MIT */
/* Sets of granules: by hand at the edges, and against an array of bools. */
#include "model/bitset.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void granules_are_set_in_full_and_counted_up_to_the_length(void **state)
{
    (void)state;
    struct bitset *s = bitset_create(1000, 512);
    assert_int_equal(bitset_count(s), 0);
    bitset_set(s, 700, 1);
    assert_int_equal(bitset_count(s), 488);
    assert_int_equal(bitset_granules(s), 1);
    assert_false(bitset_get(s, 511));
    assert_true(bitset_get(s, 512));
    assert_true(bitset_get(s, 999));
    bitset_set(s, 511, 2);
    assert_int_equal(bitset_count(s), 1000);
    bitset_clear(s, 512, 488);
    assert_int_equal(bitset_count(s), 512);
    assert_int_equal(bitset_word(s, 0), 1);
    bitset_free(s);
    s = bitset_create(0, 65536);
    assert_int_equal(bitset_words(s), 1);
    assert_int_equal(bitset_word(s, 0), 0);
    assert_int_equal(bitset_next_set(s, 0, 0), -1);
    bitset_clear_all(s);
    bitset_resize(s, 1);
    bitset_set(s, 0, 1);
    assert_int_equal(bitset_count(s), 1);
    bitset_free(s);
    bitset_free(NULL);
    s = bitset_create(3 * 512, 512);
    bitset_set(s, 512, 1024);
    bitset_resize(s, 2 * 512); /* By one granule. */
    bitset_resize(s, 3 * 512);
    assert_int_equal(bitset_count(s), 512);
    bitset_free(s);
}

/* The leaf that is kept for later is not what a copy has. */
static void a_copy_takes_no_more_than_it_needs(void **state)
{
    (void)state;
    struct bitset *s = bitset_create(1 << 20, 512);
    uint64_t empty = bitset_memory(s);
    bitset_set(s, 512, 512);
    bitset_clear_all(s);
    struct bitset *copy = bitset_clone(s);
    assert_true(bitset_memory(s) > empty);
    assert_int_equal(bitset_memory(copy), empty);
    bitset_free(copy);
    bitset_free(s);
}

static void an_area_begins_and_ends_inside_a_granule_only_where_the_range_does(void **state)
{
    int64_t offset = 0, bytes = 0;
    (void)state;
    struct bitset *s = bitset_create(1 << 20, 4096);
    bitset_set(s, 8192, 8192);
    assert_true(bitset_next_area(s, 100, 1 << 19, 0, &offset, &bytes));
    assert_int_equal(offset, 8192);
    assert_int_equal(bytes, 8192);
    assert_true(bitset_next_area(s, 10000, 1 << 19, 0, &offset, &bytes));
    assert_int_equal(offset, 10000);
    assert_int_equal(bytes, 16384 - 10000);
    assert_true(bitset_next_area(s, 0, 9000, 0, &offset, &bytes));
    assert_int_equal(offset, 8192);
    assert_int_equal(bytes, 9000 - 8192);
    assert_true(bitset_next_area(s, 0, 1 << 20, 4096, &offset, &bytes));
    assert_int_equal(offset, 8192);
    assert_int_equal(bytes, 4096);
    assert_false(bitset_next_area(s, 16384, 8192, 0, &offset, &bytes));
    assert_int_equal(bitset_next_clear(s, 9000, 7384), -1);
    assert_int_equal(bitset_next_clear(s, 9000, 7385), 16384);
    assert_int_equal(bitset_next_clear(s, 100, 1000), 100);
    bitset_free(s);
}

/* 2^63 bytes in granules of 512: all of it in one go, holes in it, and little memory. */
static void the_largest_disk_costs_what_is_written_of_it(void **state)
{
    const int64_t length = INT64_MAX - 511;
    (void)state;
    struct bitset *s = bitset_create(length, 512);
    assert_true(bitset_memory(s) < 4096);
    bitset_set(s, length - 1, 1);
    bitset_set(s, length / 2, 512 * 5000);
    assert_true(bitset_memory(s) < 32768);
    assert_int_equal(bitset_granules(s), 5002);
    assert_int_equal(bitset_next_set(s, 0, length) / 512, length / 2 / 512);
    bitset_set(s, 0, length);
    assert_int_equal(bitset_count(s), length);
    assert_int_equal(bitset_next_clear(s, 0, length), -1);
    assert_true(bitset_memory(s) < 32768);
    for (int64_t i = 0; i < 64; i++) {
        bitset_clear(s, (length >> 6) / 512 * 512 * i, 512);
    }
    assert_int_equal(bitset_count(s), length - INT64_C(64) * 512);
    assert_true(bitset_memory(s) < (1 << 20));
    bitset_clear_all(s);
    assert_int_equal(bitset_next_set(s, 0, length), -1);
    assert_true(bitset_memory(s) < 4096);
    bitset_resize(s, 1 << 20);
    bitset_set(s, 0, 1 << 20);
    bitset_resize(s, length);
    assert_int_equal(bitset_count(s), 1 << 20);
    bitset_free(s);
}

/* ---- Against an array of bools ---- */

static uint64_t draw(uint64_t *state, uint64_t n)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % n;
}

enum { GRANULES_MAX = 600000 };

struct naive {
    bool *bit;
    int64_t length;
    uint32_t granularity;
};

static int64_t granules(const struct naive *m)
{
    return (m->length + m->granularity - 1) / m->granularity;
}

static void naive_set(struct naive *m, int64_t offset, int64_t bytes, bool on)
{
    for (int64_t g = offset / m->granularity; bytes > 0; g++) {
        m->bit[g] = on;
        if ((g + 1) * m->granularity >= offset + bytes) {
            break;
        }
    }
}

static int64_t naive_next(const struct naive *m, int64_t offset, int64_t bytes, bool on)
{
    for (int64_t at = offset; at < offset + bytes;
         at = (at / m->granularity + 1) * m->granularity) {
        if (m->bit[at / m->granularity] == on) {
            return at;
        }
    }
    return -1;
}

static void expect_same(const struct bitset *s, const struct naive *m)
{
    int64_t count = 0, bytes = 0;
    assert_int_equal(bitset_length(s), m->length);
    for (int64_t g = 0; g < granules(m); g++) {
        bool on = bitset_word(s, (uint64_t)g / 64) >> (g % 64) & 1;
        assert_int_equal(on, m->bit[g]);
        count += on;
        bytes += on ? MIN(m->length - g * m->granularity, (int64_t)m->granularity) : 0;
    }
    assert_int_equal(bitset_granules(s), count);
    assert_int_equal(bitset_count(s), bytes);
}

/* Short ranges mostly, now and then a long one. */
static void draw_range(uint64_t *seed, int64_t length, int64_t *offset, int64_t *bytes)
{
    *offset = (int64_t)draw(seed, (uint64_t)length + 1);
    uint64_t room = (uint64_t)(length - *offset);
    uint64_t limit = draw(seed, 2) ? 4096 : 4096 * 5000;
    limit = draw(seed, 4) == 0 ? room : MIN(room, limit);
    *bytes = (int64_t)draw(seed, limit + 1);
}

static void change(struct bitset *s, struct naive *m, uint64_t *seed)
{
    int64_t offset, bytes;
    draw_range(seed, m->length, &offset, &bytes);
    if (draw(seed, 2)) {
        bitset_set(s, offset, bytes);
        naive_set(m, offset, bytes, true);
        return;
    }
    int64_t end = offset + bytes;
    offset -= offset % m->granularity;
    end = MIN((end + m->granularity - 1) / m->granularity * m->granularity, m->length);
    bitset_clear(s, offset, end - offset);
    naive_set(m, offset, end - offset, false);
}

static void look(const struct bitset *s, const struct naive *m, uint64_t *seed)
{
    int64_t offset, bytes, start = -1, len = 0;
    draw_range(seed, m->length, &offset, &bytes);
    int64_t set = naive_next(m, offset, bytes, true);
    assert_int_equal(bitset_next_set(s, offset, bytes), set);
    assert_int_equal(bitset_next_clear(s, offset, bytes), naive_next(m, offset, bytes, false));
    int64_t max = draw(seed, 2) ? 0 : (int64_t)draw(seed, 100000) + 1;
    assert_int_equal(bitset_next_area(s, offset, bytes, max, &start, &len), set >= 0);
    if (set >= 0) {
        int64_t left = offset + bytes - set;
        left = max > 0 ? MIN(left, max) : left;
        int64_t end = naive_next(m, set, left, false);
        assert_int_equal(start, set);
        assert_int_equal(len, end < 0 ? left : end - set);
    }
    if (m->length > 0) {
        int64_t at = (int64_t)draw(seed, (uint64_t)m->length);
        assert_int_equal(bitset_get(s, at), m->bit[at / m->granularity]);
    }
}

static void resize(struct bitset *s, struct naive *m, uint64_t *seed)
{
    int64_t old = granules(m);
    int64_t limit = (int64_t)m->granularity * (draw(seed, 2) ? GRANULES_MAX : 5000);
    m->length = (int64_t)draw(seed, (uint64_t)limit);
    for (int64_t g = old; g < granules(m); g++) {
        m->bit[g] = false;
    }
    bitset_resize(s, m->length);
}

static void merge(struct bitset *s, struct naive *m, uint64_t *seed)
{
    struct bitset *other = bitset_create(m->length, 512u << draw(seed, 10));
    for (int i = 0; i < 5; i++) {
        int64_t offset, bytes, at = 0;
        draw_range(seed, m->length, &offset, &bytes);
        bitset_set(other, offset, bytes);
        while (bitset_next_area(other, at, m->length - at, 0, &offset, &bytes)) {
            naive_set(m, offset, bytes, true);
            at = offset + bytes;
        }
    }
    bitset_merge(s, other);
    bitset_free(other);
}

static void random_operations_agree_with_an_array(void **state)
{
    (void)state;
    for (uint64_t run = 1; run <= 20; run++) {
        uint64_t seed = run;
        struct naive m = { .granularity = 512u << draw(&seed, 8) };
        m.bit = NEW_ARRAY(bool, GRANULES_MAX + 1);
        m.length = (int64_t)draw(&seed, (uint64_t)m.granularity * (run % 2 ? 3000 : 300000));
        struct bitset *s = bitset_create(m.length, m.granularity);
        for (int step = 0; step < 300; step++) {
            uint64_t what = draw(&seed, 100);
            if (what < 60) {
                change(s, &m, &seed);
            } else if (what < 94) {
                look(s, &m, &seed);
            } else if (what < 96) {
                resize(s, &m, &seed);
            } else if (what < 98) {
                merge(s, &m, &seed);
            } else {
                struct bitset *copy = bitset_clone(s);
                bitset_free(s);
                s = copy;
            }
            if (step % 50 == 49) {
                expect_same(s, &m);
            }
        }
        bitset_clear_all(s);
        memset(m.bit, 0, GRANULES_MAX + 1);
        expect_same(s, &m);
        assert_true(bitset_memory(s) < 4096);
        bitset_free(s);
        free(m.bit);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(granules_are_set_in_full_and_counted_up_to_the_length),
        cmocka_unit_test(an_area_begins_and_ends_inside_a_granule_only_where_the_range_does),
        cmocka_unit_test(a_copy_takes_no_more_than_it_needs),
        cmocka_unit_test(the_largest_disk_costs_what_is_written_of_it),
        cmocka_unit_test(random_operations_agree_with_an_array),
    };
    return cmocka_run_group_tests_name("model/bitset", tests, NULL, NULL);
}
