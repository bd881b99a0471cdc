/* SPDX-License-Identifier: MIT */
/* The list of requests: what results are compared by must not change. */
#include "scenarios/load_plan.h"

#include "base/text.h"

#include <inttypes.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

static const struct load_args mixed = {
    .reads = true, .writes = true, .random = true, .mix = 50, .bs_min = 512, .bs_max = 8192,
    .depth = 4, .count = 5000, .offset = 4096, .length = 1 << 20, .seed = 7, .flush = 3,
};

/* The list as text, a line each. */
static void print(const struct load_args *args, enum load_data data, struct strbuf *out)
{
    struct load_plan plan;
    struct load_req r;
    load_plan_init(&plan, args, "w1", data);
    while (load_plan_next(&plan, &r)) {
        strbuf_printf(out, "%" PRIu64 " %s %" PRId64 "+%" PRId64 " %" PRIu64 "x%" PRIu64 "%s %s\n",
                      r.index, r.read ? "read" : "write", r.offset, r.bytes, r.unit, r.units,
                      r.flush ? " flush" : "", data == LOAD_BYTES ? "byte" : "stream");
    }
}

static void assert_begins(const struct strbuf *text, const char *want)
{
    if (strncmp(strbuf_str(text), want, strlen(want)) != 0) {
        fail_msg("want:\n%s\nhave:\n%.300s", want, strbuf_str(text));
    }
}

static void the_list_stays_what_it_is(void **state)
{
    struct strbuf random = { 0 }, sequential = { 0 };
    struct load_args args = { .writes = true, .bs_min = 65536, .bs_max = 65536, .depth = 1,
                              .count = 4, .offset = 0, .length = 160 << 10, .seed = 1 };
    (void)state;
    print(&mixed, LOAD_STREAMS, &random);
    assert_begins(&random, "0 read 411136+4096 795x8 stream\n"
                           "1 write 21504+7168 34x14 stream\n"
                           "2 read 943616+5632 1835x11 stream\n"
                           "3 write 613376+3072 1190x6 stream\n"
                           "4 write 477696+1536 925x3 flush stream\n");
    print(&args, LOAD_BYTES, &sequential);
    assert_string_equal(strbuf_str(&sequential), "0 write 0+65536 0x1 byte\n"
                                                 "1 write 65536+65536 1x1 byte\n"
                                                 "2 write 0+65536 0x1 byte\n"
                                                 "3 write 65536+65536 1x1 byte\n");
    strbuf_free(&random);
    strbuf_free(&sequential);
}

static void what_data_look_like_changes_nothing_else(void **state)
{
    struct load_plan streams, bytes;
    struct load_req a, b;
    (void)state;
    load_plan_init(&streams, &mixed, "w1", LOAD_STREAMS);
    load_plan_init(&bytes, &mixed, "w1", LOAD_BYTES);
    while (load_plan_next(&streams, &a)) {
        assert_true(load_plan_next(&bytes, &b));
        assert_int_equal(a.index, b.index);
        assert_int_equal(a.offset, b.offset);
        assert_int_equal(a.bytes, b.bytes);
        assert_int_equal(a.read, b.read);
        assert_int_equal(a.flush, b.flush);
    }
    assert_false(load_plan_next(&bytes, &b));
}

static void requests_stay_in_their_region(void **state)
{
    struct load_plan plan;
    struct load_req r;
    uint64_t n = 0, writes = 0, flushes = 0;
    (void)state;
    load_plan_init(&plan, &mixed, "w1", LOAD_BYTES);
    while (load_plan_next(&plan, &r)) {
        n++;
        writes += !r.read;
        flushes += r.flush;
        assert_true(r.offset >= mixed.offset);
        assert_true(r.offset + r.bytes <= mixed.offset + mixed.length);
        assert_true(r.bytes >= mixed.bs_min && r.bytes <= mixed.bs_max);
        assert_int_equal(r.bytes % LOAD_STEP, 0);
        assert_int_equal(r.offset, mixed.offset + (int64_t)r.unit * plan.unit_bytes);
        assert_int_equal(r.bytes, (int64_t)r.units * plan.unit_bytes);
    }
    assert_int_equal(n, mixed.count);
    assert_true(writes > n * 45 / 100 && writes < n * 55 / 100);
    assert_int_equal(flushes, writes / 3);
}

static void bytes_are_never_zero_and_all_others(void **state)
{
    struct load_plan plan;
    bool seen[256] = { false };
    (void)state;
    load_plan_init(&plan, &mixed, "w1", LOAD_BYTES);
    for (uint64_t i = 0; i < 20000; i++) {
        uint8_t byte = load_plan_byte(&plan, i);
        assert_true(byte != 0);
        assert_int_equal(byte, load_plan_byte(&plan, i));
        assert_true(fill_same(load_plan_data(&plan, i), fill_byte(byte)));
        seen[byte] = true;
    }
    for (int i = 1; i < 256; i++) {
        assert_true(seen[i]);
    }
}

static void the_tag_names_the_data_and_the_seed_the_list(void **state)
{
    struct load_plan a, b;
    uint64_t same = 0;
    (void)state;
    load_plan_init(&a, &mixed, "w1", LOAD_BYTES);
    load_plan_init(&b, &mixed, "w2", LOAD_BYTES);
    for (uint64_t i = 0; i < 1000; i++) {
        same += load_plan_byte(&a, i) == load_plan_byte(&b, i);
    }
    assert_true(same < 20);
    struct load_args other = mixed;
    struct strbuf one = { 0 }, two = { 0 };
    other.seed++;
    print(&mixed, LOAD_BYTES, &one);
    print(&other, LOAD_BYTES, &two);
    assert_string_not_equal(strbuf_str(&one), strbuf_str(&two));
    strbuf_free(&one);
    strbuf_free(&two);
}

static void what_overlaps_is_ordered_unless_both_read(void **state)
{
    struct load_req w = { .offset = 4096, .bytes = 4096 };
    struct load_req before = { .offset = 0, .bytes = 4096 };
    struct load_req behind = { .offset = 8192, .bytes = 1 };
    struct load_req last = { .offset = 8191, .bytes = 1, .read = true };
    struct load_req around = { .offset = 0, .bytes = 65536, .read = true };
    (void)state;
    assert_false(load_req_ordered(&w, &before));
    assert_false(load_req_ordered(&before, &w));
    assert_false(load_req_ordered(&w, &behind));
    assert_true(load_req_ordered(&w, &last));
    assert_true(load_req_ordered(&last, &w));
    assert_true(load_req_ordered(&around, &w));
    assert_false(load_req_ordered(&around, &last));
    assert_true(load_req_ordered(&w, &w));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_list_stays_what_it_is),
        cmocka_unit_test(what_data_look_like_changes_nothing_else),
        cmocka_unit_test(requests_stay_in_their_region),
        cmocka_unit_test(bytes_are_never_zero_and_all_others),
        cmocka_unit_test(the_tag_names_the_data_and_the_seed_the_list),
        cmocka_unit_test(what_overlaps_is_ordered_unless_both_read),
    };
    return cmocka_run_group_tests_name("scenarios/load_plan", tests, NULL, NULL);
}
