/* SPDX-License-Identifier: MIT */
/* Blockers of several nodes at once: all or none, newest first. */
#include "model/blocker.h"

#include "model/layer_state.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

enum { RESIZE = 1 << BLOCK_OP_RESIZE, EJECT = 1 << BLOCK_OP_EJECT };

static void all_or_none(void **state)
{
    (void)state;
    struct layer l = { .backends = NULL };
    struct node a = { .layer = &l, .name = "a" }, b = { .layer = &l, .name = "b" },
                c = { .layer = &l, .name = "c" };
    struct node *const ab[] = { &a, &b }, *const bc[] = { &b, &c }, *const cc[] = { &c };
    struct blocker *first = NULL, *second = NULL, *third = NULL;
    struct error err = ERROR_INIT;
    assert_int_equal(blocker_take(ab, 2, RESIZE, RESIZE, "the first works", &first, &err), 0);
    /* b is taken, so c is not either. */
    assert_int_equal(blocker_take(bc, 2, RESIZE, RESIZE, "the second works", &second, &err),
                     -EBUSY);
    assert_string_equal(err.text, "Node 'b' is busy: the first works");
    assert_int_equal(blocker_check(&c, BLOCK_OP_RESIZE, NULL), 0);
    assert_null(second);
    /* What it needs is another thing than what it blocks. */
    assert_int_equal(blocker_take(bc, 2, EJECT, RESIZE, "the second works", &second, NULL), 0);
    err = ERROR_INIT;
    assert_int_equal(blocker_check(&b, BLOCK_OP_RESIZE, &err), -EBUSY);
    assert_string_equal(err.text, "Node 'b' is busy: the second works");
    assert_int_equal(blocker_check(&b, BLOCK_OP_EJECT, NULL), 0);
    assert_int_equal(blocker_take(cc, 1, 0, BLOCK_OP_ALL, "everything", &third, NULL), 0);
    assert_int_equal(blocker_check(&c, BLOCK_OP_STREAM, NULL), -EBUSY);
    /* They go in any order. */
    blocker_release(first);
    assert_int_equal(blocker_check(&a, BLOCK_OP_RESIZE, NULL), 0);
    assert_int_equal(blocker_check(&b, BLOCK_OP_RESIZE, NULL), -EBUSY);
    blocker_release(third);
    blocker_release(second);
    assert_null(a.blockers);
    assert_null(b.blockers);
    assert_null(c.blockers);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(all_or_none) };
    return cmocka_run_group_tests_name("model/blocker", tests, NULL, NULL);
}
