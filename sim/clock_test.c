/* SPDX-License-Identifier: MIT */
#include "sim/clock.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

struct note {
    struct timer timer;
    int id;
    int *order;
    int *count;
};

static void write_down(void *opaque)
{
    struct note *n = opaque;
    n->order[(*n->count)++] = n->id;
}

static void test_fires_in_order_of_time_then_of_setting(void **state)
{
    (void)state;
    struct clock c;
    clock_init(&c);
    int order[200];
    int count = 0;
    struct note notes[200];
    for (int i = 0; i < 200; i++) {
        notes[i] = (struct note){ .id = i, .order = order, .count = &count };
        timer_init(&notes[i].timer, write_down, &notes[i]);
        timer_set(&c, &notes[i].timer, (i * 37) % 10);
    }
    while (clock_next(&c)) {
        clock_fire(&c, clock_next(&c));
    }
    assert_int_equal(count, 200);
    for (int i = 1; i < 200; i++) {
        int before = (order[i - 1] * 37) % 10, now = (order[i] * 37) % 10;
        assert_true(before < now || (before == now && order[i - 1] < order[i]));
    }
    assert_int_equal(c.now_ns, 9);
    clock_fini(&c);
}

static void test_cancel_and_move(void **state)
{
    (void)state;
    struct clock c;
    clock_init(&c);
    int order[8];
    int count = 0;
    struct note n[4];
    for (int i = 0; i < 4; i++) {
        n[i] = (struct note){ .id = i, .order = order, .count = &count };
        timer_init(&n[i].timer, write_down, &n[i]);
        timer_set(&c, &n[i].timer, 10 * (i + 1));
    }
    timer_cancel(&c, &n[1].timer);
    timer_cancel(&c, &n[1].timer); /* Twice is nothing. */
    assert_false(timer_is_set(&n[1].timer));
    timer_set(&c, &n[0].timer, 100);  /* Later. */
    timer_set(&c, &n[3].timer, -5);   /* The past is now. */
    assert_int_equal(n[3].timer.deadline_ns, 0);
    while (clock_next(&c)) {
        clock_fire(&c, clock_next(&c));
    }
    const int want[] = { 3, 2, 0 };
    assert_int_equal(count, 3);
    assert_memory_equal(order, want, sizeof(want));
    clock_fini(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fires_in_order_of_time_then_of_setting),
        cmocka_unit_test(test_cancel_and_move),
    };
    return cmocka_run_group_tests_name("sim/clock", tests, NULL, NULL);
}
