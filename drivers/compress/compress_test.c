/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drivers/driver_test.h"

/* Who does not take compressed writes is named, and nothing stays behind. */
static void who_cannot_is_refused(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    world_file(&w, "d", 1 << 20);
    add_ok(&w, "{'driver':'file','node-name':'f','filename':'d'}");
    add_fails(&w, "{'driver':'compress','node-name':'c','file':'f'}",
              "Compression is not supported for underlying format: file");
    add_ok(&w, "{'driver':'blkdebug','node-name':'b',"
               "'image':{'driver':'copy-on-read','file':'f'}}");
    add_fails(&w, "{'driver':'compress','node-name':'c','file':'b'}",
              "Compression is not supported for underlying format: blkdebug");
    del_ok(&w, "b");
    del_ok(&w, "f");
    world_fini(&w);
}

/* A filter that hands compressed writes on takes them; what lies below it refuses. */
static void the_answer_comes_from_below(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    add_ok(&w, "{'driver':'compress','node-name':'c','file':{'driver':'copy-on-read',"
               "'file':{'driver':'null-co','size':1048576,'read-zeroes':true}}}");
    struct backend *c = attach_ok(&w, "c", USE_RW);
    assert_int_equal(write_byte(&w, c, 0, 4096, 5), -ENOTSUP);
    assert_int_equal(read_byte(&w, c, 0, 4096, 0), 0);
    assert_int_equal(zero_range(&w, c, 0, 4096, 0), 0);
    assert_int_equal(flush(&w, c), 0);
    const struct node *n = layer_find_node(w.layer, "c");
    assert_false(n->limits.write_flags & IO_COMPRESSED);
    detach(&w, c);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_cannot_is_refused),
        cmocka_unit_test(the_answer_comes_from_below),
    };
    return cmocka_run_group_tests_name("drivers/compress", tests, NULL, NULL);
}
