/* SPDX-License-Identifier: MIT */
/* What is counted of requests, without any. */
#include "model/acct.h"

#include "base/mem.h"
#include "sim/clock.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void request(struct acct *a, enum acct_op op, int64_t at_ns, int64_t took_ns, bool good)
{
    struct acct_cookie c = acct_start(op, 512, at_ns);
    (good ? acct_done : acct_failed)(a, &c, at_ns + took_ns);
}

static void sums_of_what_is_done_failed_and_invalid(void **state)
{
    (void)state;
    struct acct a;
    acct_init(&a);
    assert_int_equal(a.last_ns, -1);
    request(&a, ACCT_READ, 100, 10, true);
    request(&a, ACCT_READ, 200, 20, false);
    acct_invalid(&a, ACCT_UNMAP, 300);
    assert_int_equal(a.ops[ACCT_READ], 1);
    assert_int_equal(a.bytes[ACCT_READ], 512);
    assert_int_equal(a.failed[ACCT_READ], 1);
    assert_int_equal(a.total_ns[ACCT_READ], 30);
    assert_int_equal(a.invalid[ACCT_UNMAP], 1);
    assert_int_equal(a.last_ns, 300);
    a.count_failed = a.count_invalid = false;
    request(&a, ACCT_READ, 400, 40, false);
    acct_invalid(&a, ACCT_UNMAP, 500);
    assert_int_equal(a.failed[ACCT_READ], 2);
    assert_int_equal(a.invalid[ACCT_UNMAP], 2);
    assert_int_equal(a.total_ns[ACCT_READ], 30);
    assert_int_equal(a.last_ns, 300);
    acct_fini(&a);
}

static void a_bin_ends_below_its_boundary(void **state)
{
    static const uint64_t boundaries[] = { 10, 20, 30 };
    static const uint64_t took[] = { 0, 9, 10, 19, 20, 29, 30, 1000 };
    (void)state;
    struct acct a;
    acct_init(&a);
    acct_histogram_set(&a.histogram[ACCT_WRITE], boundaries, ARRAY_LEN(boundaries));
    for (size_t i = 0; i < ARRAY_LEN(took); i++) {
        request(&a, ACCT_WRITE, 0, (int64_t)took[i], true);
    }
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(a.histogram[ACCT_WRITE].bins[i], 2);
    }
    assert_null(a.histogram[ACCT_READ].bins);
    acct_histogram_set(&a.histogram[ACCT_WRITE], NULL, 0); /* One bin for all. */
    request(&a, ACCT_WRITE, 0, 7, true);
    assert_int_equal(a.histogram[ACCT_WRITE].bins[0], 1);
    acct_fini(&a);
}

static void boundaries_rise_from_above_zero(void **state)
{
    static const uint64_t good[] = { 1, 2, UINT64_MAX }, zero[] = { 0, 1 }, flat[] = { 5, 5 },
                          down[] = { 5, 3 };
    (void)state;
    assert_true(acct_boundaries_are_valid(good, 3));
    assert_true(acct_boundaries_are_valid(NULL, 0));
    assert_false(acct_boundaries_are_valid(zero, 2));
    assert_false(acct_boundaries_are_valid(flat, 2));
    assert_false(acct_boundaries_are_valid(down, 2));
}

/* An interval of 2 s: what came at 0 s is told until its window is over, and what is told always
 * comes from at least the last second. */
static void an_interval_forgets(void **state)
{
    (void)state;
    struct acct a;
    int64_t elapsed_ns;
    acct_init(&a);
    acct_add_interval(&a, 2, 0);
    struct acct_average *t = &a.intervals->average[ACCT_READ];
    request(&a, ACCT_READ, 0, 100, true);
    request(&a, ACCT_READ, 0, 300, true);
    struct acct_window w = acct_average_get(t, NS_PER_S / 2, &elapsed_ns);
    assert_int_equal(w.count, 2);
    assert_int_equal(w.min, 100);
    assert_int_equal(w.max, 300);
    assert_int_equal(w.sum, 400);
    request(&a, ACCT_READ, NS_PER_S * 3 / 2, 500, true);
    w = acct_average_get(t, NS_PER_S * 3 / 2 + 500, &elapsed_ns);
    assert_int_equal(w.count, 3); /* The older window began at 0. */
    assert_int_equal(elapsed_ns, NS_PER_S * 3 / 2 + 500);
    w = acct_average_get(t, NS_PER_S * 2, &elapsed_ns);
    assert_int_equal(w.count, 1); /* The one that began at 1 s is the older one now. */
    assert_int_equal(w.min, 500);
    assert_int_equal(elapsed_ns, NS_PER_S);
    w = acct_average_get(t, NS_PER_S * 100, &elapsed_ns);
    assert_int_equal(w.count, 0);
    assert_true(elapsed_ns >= NS_PER_S && elapsed_ns <= 2 * NS_PER_S);
    acct_fini(&a);
}

static void intervals_are_independent(void **state)
{
    (void)state;
    struct acct a;
    int64_t elapsed_ns;
    acct_init(&a);
    acct_add_interval(&a, 1, 0);
    acct_add_interval(&a, 60, 0);
    request(&a, ACCT_FLUSH, 0, 5, true);
    request(&a, ACCT_UNMAP, 0, 9, true); /* Has no latencies. */
    struct acct_interval *first = a.intervals, *second = a.intervals->next;
    assert_int_equal(first->seconds, 1);
    assert_int_equal(second->seconds, 60);
    struct acct_window w = acct_average_get(&first->average[ACCT_FLUSH], NS_PER_S * 2,
                                            &elapsed_ns);
    assert_int_equal(w.count, 0);
    w = acct_average_get(&second->average[ACCT_FLUSH], NS_PER_S * 2, &elapsed_ns);
    assert_int_equal(w.count, 1);
    acct_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_of_what_is_done_failed_and_invalid),
        cmocka_unit_test(a_bin_ends_below_its_boundary),
        cmocka_unit_test(boundaries_rise_from_above_zero),
        cmocka_unit_test(an_interval_forgets),
        cmocka_unit_test(intervals_are_independent),
    };
    return cmocka_run_group_tests_name("model/acct", tests, NULL, NULL);
}
