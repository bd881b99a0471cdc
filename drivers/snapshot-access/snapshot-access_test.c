/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drivers/driver_test.h"

enum { DISK = 1 << 20, CLUSTER = 65536 };

static void set_up(struct world *w)
{
    world_init(w);
    world_file(w, "s", DISK);
    world_file(w, "t", DISK);
    add_ok(w, "{'driver':'file','node-name':'s','filename':'s'}");
    add_ok(w, "{'driver':'file','node-name':'t','filename':'t'}");
}

/* Without a past below it there is nothing to show, but it stands there all the same. */
static void it_needs_a_past(void **state)
{
    (void)state;
    struct world w;
    set_up(&w);
    add_ok(&w, "{'driver':'snapshot-access','node-name':'sa','file':'s','discard':'unmap'}");
    struct backend *b = attach_ok(&w, "sa", USE_ALL);
    assert_int_equal(read_byte(&w, b, 0, 512, 0), -ENOTSUP);
    assert_int_equal(write_byte(&w, b, 0, 512, 1), -ENOTSUP);
    assert_int_equal(zero_range(&w, b, 0, CLUSTER, 0), -ENOTSUP);
    assert_int_equal(discard_range(&w, b, 0, CLUSTER), 0);
    assert_int_equal(flush(&w, b), 0);
    struct error err = ERROR_INIT;
    assert_int_equal(resize(&w, b, 2 * DISK, PREALLOC_OFF, &err), -ENOTSUP);
    assert_string_equal(err.text, "Image format driver does not support resize");
    detach(&w, b);
    world_fini(&w);
}

/* Where a range of the past lies, until it is given up. */
static void the_status_of_the_past(void **state)
{
    (void)state;
    struct world w;
    set_up(&w);
    add_ok(&w, "{'driver':'copy-before-write','node-name':'cbw','file':'s','target':'t'}");
    add_ok(&w, "{'driver':'snapshot-access','node-name':'sa','file':'cbw','discard':'unmap'}");
    struct backend *guest = attach_ok(&w, "cbw", USE_RW);
    struct backend *past = attach_ok(&w, "sa", USE_RW);
    assert_int_equal(write_byte(&w, guest, CLUSTER, 512, 1), 0);
    int64_t bytes = DISK;
    assert_true(status_at(&w, past, 0, &bytes) & STATUS_ALLOCATED);
    assert_int_equal(bytes, CLUSTER); /* The next cluster lies elsewhere. */
    bytes = DISK - CLUSTER;
    assert_true(status_at(&w, past, CLUSTER, &bytes) & STATUS_ALLOCATED);
    assert_int_equal(bytes, CLUSTER);
    assert_int_equal(discard_range(&w, past, CLUSTER / 2, 2 * CLUSTER), 0);
    assert_int_equal(read_byte(&w, past, CLUSTER, 1, 0), -EACCES);
    assert_int_equal(read_byte(&w, past, 0, CLUSTER, 0), 0); /* Half of it was asked for. */
    assert_int_equal(read_byte(&w, past, 2 * CLUSTER, CLUSTER, 0), 0);
    detach(&w, guest);
    detach(&w, past);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_needs_a_past),
        cmocka_unit_test(the_status_of_the_past),
    };
    return cmocka_run_group_tests_name("drivers/snapshot-access", tests, NULL, NULL);
}
